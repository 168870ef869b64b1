"""Circuits of operations: bx.compose puts built-in circuits together and inserts what makes their operands as
correlated, or as independent, as each operation needs them."""

from __future__ import annotations

import ast
import re
import typing
from collections import abc

from ._bitaxon import Circuit
from .circuits import circuits
from .errors import InvalidTypeError, InvalidValueError, UnknownNameError

__all__ = ["Composition", "Insertion", "compose"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_NEED = re.compile(r"([\w ,]+?)(?: with ([\w ,]+?))?: ([+-]?\d)")
# Streams that compare with one number stay so: an AND takes the smaller threshold, an OR the larger.
_KEEP_ORDER = {"minimum", "maximum", "median", "sort"}


class Insertion(typing.NamedTuple):
    """A circuit that was put in front of an operation."""

    circuit: str
    """synchronise, desynchronise, isolate or decorrelate."""
    operands: tuple[str, ...]
    """What it works on."""
    operation: str
    """What needed it."""
    needed: int
    """The SCC that the operation needs: -1, 0 or +1."""

    def __str__(self) -> str:
        needed = f"{self.needed:+d}" if self.needed else "0"
        return f"{self.circuit}({', '.join(self.operands)}) before {self.operation}, which needs SCC {needed}"


class Composition(typing.NamedTuple):
    """What compose makes."""

    circuit: Circuit
    """One fused kernel; circuit.inputs are the text's, and shuffle0, shuffle1, ... where a buffer came in."""
    insertions: tuple[Insertion, ...]
    """What the text did not say."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.insertions)) or "nothing inserted"


class _Wire(typing.NamedTuple):
    name: str
    sources: frozenset[typing.Hashable]  # what its bits depend on
    order: typing.Hashable = None  # streams of one order compare with one number: SCC +1
    remembers: bool = False  # a register is on its way


def compose(
    text: str,
    sources: abc.Mapping[str, typing.Hashable] | None = None,
    outputs: abc.Iterable[str] | None = None,
    depth: int = 4,
) -> Composition:
    """A circuit of operations, and what it took to correlate their operands as they need it.

    text     statements `name = operation(operand, ..., parameter=number)`, one a line or separated by `;`.
             Operations are those of bx.circuits, operands names or operations; `x, y = ...` takes several outputs.
             Names without a value are inputs
    sources  of inputs, in any terms: those of one source compare with the same numbers (SCC +1), others are
             independent. Unless given, each input has its own
    outputs  names that leave the circuit; all that get a value, unless given
    depth    ones that a synchroniser may keep back

    Where SCC must be +1 or -1 and is not known to be, a synchroniser or desynchroniser comes in (V. T. Lee,
    A. Alaghi and L. Ceze, 2018). Where it must be 0, one of the two is isolated by delays (P.-S. Ting and
    J. P. Hayes, 2016), which needs streams without memory, such as Bernoulli's; where one comes from a register
    it goes through a shuffle buffer of 16 cells instead, whose number is an input: 4 streams of 1/2.

    >>> made = bx.compose("y = multiply(subtract(a, b), a)")
    >>> print(made)
    synchronise(a, b) before subtract, which needs SCC +1
    decorrelate(a) before multiply, which needs SCC 0

    Raises ValueError where more than two streams that do not share a source must have SCC +1: no small circuit
    does that; encode them from one source.
    """
    return _Composer(text, sources, depth).run(outputs)


class _Composer:
    def __init__(self, text: str, sources: abc.Mapping[str, typing.Hashable] | None, depth: int) -> None:
        try:
            self.tree = ast.parse(text)
        except SyntaxError as error:
            raise InvalidValueError(f"text, line {error.lineno}: got {error.msg}, expected name = operation(...)") from None
        self.sources = dict(sources or {})
        self.depth = depth
        self.wires: dict[str, _Wire] = {}
        self.widths: dict[str, int] = {}  # of inputs
        self.lines: list[str] = []
        self.insertions: list[Insertion] = []
        self.made = 0
        self.delay = 0
        self.assigned = {
            name.id
            for statement in self.tree.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }

    def run(self, outputs: abc.Iterable[str] | None) -> Composition:
        named: list[str] = []
        for statement in self.tree.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if len(targets) != 1 or not isinstance(statement, ast.Assign):
                raise self.wrong(statement, "name = operation(...)")
            names = list(targets[0].elts) if isinstance(targets[0], ast.Tuple) else [targets[0]]
            values = self.value(statement.value, [self.target(name) for name in names])
            if len(values) != len(names):
                raise self.wrong(statement, f"{len(values)} names for {len(values)} outputs")
            named += [wire.name for wire in values]
        declared = [f"{name} : u{width}" for name, width in self.widths.items()]
        text = "\n".join(declared + self.lines)
        unknown = set(self.sources) - set(self.widths)
        if unknown:
            raise UnknownNameError(f"sources: got {min(unknown)!r}, expected inputs: {', '.join(self.widths)}")
        return Composition(Circuit(text, outputs=list(outputs or named)), tuple(self.insertions))

    # Text to wires.

    def wrong(self, node: ast.AST, expected: str) -> InvalidValueError:
        line = getattr(node, "lineno", 1)
        return InvalidValueError(f"text, line {line}: got {ast.unparse(node)}, expected {expected}")

    def target(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise self.wrong(node, "a name")
        if node.id in self.wires:
            raise self.wrong(node, "a name without a value")
        return node.id

    def value(self, node: ast.expr, names: list[str]) -> list[_Wire]:
        """The outputs of an operation; its wires are called so, as far as names go."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise self.wrong(node, "an operation, as in multiply(a, b)")
        operation = node.func.id
        if operation not in circuits:
            raise UnknownNameError(f"text, line {node.lineno}: got {operation}, expected one of {', '.join(circuits)}")
        parameters = {}
        for keyword in node.keywords:
            if keyword.arg is None or not isinstance(keyword.value, ast.Constant):
                raise self.wrong(node, "parameter=number")
            parameters[keyword.arg] = keyword.value.value
        if "inputs" in circuits.info(operation).parameters:
            parameters.setdefault("inputs", len(node.args))
        circuit = circuits(operation, **parameters)
        if len(node.args) != len(circuit.inputs):
            raise self.wrong(node, f"{len(circuit.inputs)} operands: {', '.join(circuit.inputs)}")
        widths = {name: int(bits) for name, bits in re.findall(r"^(\w+) : u(\d+)$", circuit.text, re.M)}
        operands = {}
        for port, argument in zip(circuit.inputs, node.args):
            operands[port] = self.operand(argument, names, widths.get(port, 1))
        self.correlate(operation, circuit, operands)
        return self.inline(operation, circuit, operands, names)

    def operand(self, node: ast.expr, names: list[str], width: int) -> _Wire:
        if not isinstance(node, ast.Name):
            outputs = self.value(node, [])
            if len(outputs) != 1:
                raise self.wrong(node, "an operation of one output")
            return outputs[0]
        if node.id not in self.wires:
            if node.id in self.assigned:
                raise self.wrong(node, "a name that has its value in a line above")
            self.widths[node.id] = width
            source = self.sources.get(node.id, ("own", node.id))
            self.wires[node.id] = _Wire(node.id, frozenset([source]), source)
        elif self.widths.get(node.id, 1) != width:
            raise self.wrong(node, f"a number of {width} bits")
        return self.wires[node.id]

    def inline(self, operation: str, circuit: Circuit, operands: dict[str, _Wire], names: list[str]) -> list[_Wire]:
        prefix = self.fresh(names[0] if names else "wire")
        renamed = {port: wire.name for port, wire in operands.items()}
        renamed.update(zip(circuit.outputs, names))
        defined = set(re.findall(r"^(\w+)(?: :| =)", circuit.text, re.M))
        for name in defined - set(renamed):
            renamed[name] = f"{prefix}_{name}"
        for line in circuit.text.splitlines():
            if not re.fullmatch(r"\w+ : u\d+", line):  # inputs are declared once, on top
                self.lines.append(_WORD.sub(lambda word: renamed.get(word[0], word[0]), line))
        sources = frozenset[typing.Hashable]().union(*(wire.sources for wire in operands.values()))
        orders = {wire.order for wire in operands.values()}
        order = orders.pop() if operation in _KEEP_ORDER and len(orders) == 1 else None
        remembers = circuit.registers > 0 or any(wire.remembers for wire in operands.values())
        made = [_Wire(renamed[port], sources, order, remembers) for port in circuit.outputs]
        self.wires.update((wire.name, wire) for wire in made)
        return made

    def fresh(self, stem: str) -> str:
        self.made += 1
        return f"{stem}_{self.made - 1}"

    # Correlation.

    def correlate(self, operation: str, circuit: Circuit, operands: dict[str, _Wire]) -> None:
        for ports, needed in needs(operation, circuit.inputs):
            wires = [operands[port] for port in ports]
            if all(_scc(a, b) == needed for k, a in enumerate(wires) for b in wires[:k]):
                continue
            if needed == 0:
                self.isolate(operation, ports, operands)
            elif len(ports) > 2:
                raise InvalidValueError(
                    f"{operation}({', '.join(wire.name for wire in wires)}): got operands of several sources, "
                    "expected SCC +1 of them all: encode them from one source"
                )
            else:
                name = "synchronise" if needed > 0 else "desynchronise"
                self.insertions.append(Insertion(name, tuple(wire.name for wire in wires), operation, needed))
                made = self.inline(name, circuits(name, depth=self.depth), dict(zip("ab", wires)), [])
                order = ("synchronised", made[0].name) if needed > 0 else None
                operands.update((port, wire._replace(order=order)) for port, wire in zip(ports, made))

    def isolate(self, operation: str, ports: abc.Sequence[str], operands: dict[str, _Wire]) -> None:
        for k, port in enumerate(ports):
            if all(_scc(operands[port], operands[other]) == 0 for other in ports[:k]):
                continue
            wire = operands[port]
            # What remembers past bits overlaps with a delayed copy of them.
            if any(operands[other].remembers for other in (port, *ports[:k])):
                name, circuit = "decorrelate", circuits("decorrelate", address_bits=4)
                number = _Wire(f"shuffle{sum(name.startswith('shuffle') for name in self.widths)}", frozenset())
                self.widths[number.name] = 4
                inputs = {"x": wire, "r": number}
            else:
                self.delay += 1
                name, circuit = "isolate", circuits("isolate", steps=self.delay)
                inputs = {"x": wire}
            self.insertions.append(Insertion(name, (wire.name,), operation, 0))
            made = self.inline(name, circuit, inputs, [])[0]
            # Other steps, or other places: no bit of it is in step with what it was made from.
            operands[port] = made._replace(sources=frozenset([("isolated", made.name)]), remembers=wire.remembers)


def _scc(a: _Wire, b: _Wire) -> int | None:
    """+1, 0, or None where it is not known."""
    if a.order is not None and a.order == b.order:
        return 1
    return None if a.name == b.name or a.sources & b.sources else 0


def needs(operation: str, inputs: abc.Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """What circuits.info(operation).correlation says: groups of inputs, and the SCC of all pairs in each."""
    groups: list[tuple[tuple[str, ...], int]] = []
    for first, second, value in _NEED.findall(circuits.info(operation).correlation):
        left = _ports(first, inputs)
        # "s with a, b" says nothing about a with b.
        pairs: list[tuple[str, ...]]
        pairs = [(x, y) for y in _ports(second, inputs) for x in left if x != y] if second else [tuple(left)]
        groups.extend((pair, int(value)) for pair in pairs)
    return groups


def _ports(names: str, inputs: abc.Sequence[str]) -> list[str]:
    if names.strip() in ("all", "all pairs"):
        return list(inputs)
    return [name for name in re.split(r"[ ,]+", names.strip()) if name in inputs]

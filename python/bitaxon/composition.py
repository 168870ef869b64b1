"""Circuits of operations: bx.compose puts built-in circuits together and inserts what makes their operands as
correlated, or as independent, as each operation needs them."""

from __future__ import annotations

import ast
import itertools
import re
import typing
from collections import abc

from ._bitaxon import Circuit
from .circuits import circuits
from .errors import InvalidTypeError, InvalidValueError, UnknownNameError

__all__ = ["Composition", "Insertion", "compose"]

_WORD = re.compile(r"[A-Za-z_]\w*")
# Streams that compare with one number stay so: an AND takes the smaller threshold, an OR the larger.
_KEEP_ORDER = {"minimum", "maximum", "median", "sort"}
# What these remember of a step is gone a few steps later, so a shuffle buffer makes their outputs as good as
# fresh. Saturating counters stay where they are for as long as any buffer holds.
_SOON_FORGOTTEN = {"toggle_add", "mean", "sum", "add", "add_bipolar", "synchronise", "desynchronise", "decorrelate"}
_NOTHING, _SHORT, _LONG = range(3)  # what a wire remembers
_SHUFFLE_BITS = {"another": 4, "itself": 6}  # of a buffer's cell number, by what a stream is decorrelated with


class Insertion(typing.NamedTuple):
    """A circuit that was put in front of an operation."""

    circuit: str
    """synchronise, desynchronise, isolate or decorrelate."""
    operands: tuple[str, ...]
    """What it works on."""
    operation: str
    """What needed it."""
    needed: int | None
    """The SCC that the operation needs: -1, 0 or +1; None: none of the operand with itself at other steps."""

    def __str__(self) -> str:
        needed = "none with itself" if self.needed is None else f"SCC {self.needed:+d}" if self.needed else "SCC 0"
        return f"{self.circuit}({', '.join(self.operands)}) before {self.operation}, which needs {needed}"


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
    sources: frozenset[tuple[typing.Hashable, int]]  # what a bit depends on: of what source, how many steps ago
    order: typing.Hashable = None  # streams of one order compare with one number: SCC +1
    memory: int = _NOTHING  # if any, a bit depends on all earlier ones of its sources

    def late(self, steps: int) -> frozenset[tuple[typing.Hashable, int]]:
        return frozenset((source, delay + steps) for source, delay in self.sources)


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
    it goes through a shuffle buffer of 16 cells instead, whose number is an input: 4 streams of 1/2. Operations
    that need no correlation of a stream with itself, such as stanh, get what comes from adders and synchronisers
    through one of 64 cells: 6 streams of 1/2.

    >>> made = bx.compose("y = multiply(subtract(a, b), a)")
    >>> print(made)
    synchronise(a, b) before subtract, which needs SCC +1
    decorrelate(a) before multiply, which needs SCC 0

    Raises ValueError where more than two streams that do not share a source must have SCC +1: no small circuit
    does that; encode them from one source. Raises it too for an operand of stanh and the like that comes from a
    counter, as stanh(stanh(x)): no small circuit makes it forget; draw it anew with bx.formats.reencode.
    """
    return _Composer(text, sources, depth).run(outputs)


class _Composer:
    def __init__(self, text: str, sources: abc.Mapping[str, typing.Hashable] | None, depth: int) -> None:
        if not isinstance(text, str):
            raise InvalidTypeError(f"text: got {type(text).__name__}, expected a str")
        if sources is not None and not isinstance(sources, abc.Mapping):
            raise InvalidTypeError(f"sources: got {type(sources).__name__}, expected a mapping of names")
        try:
            self.tree = ast.parse(text)
        except SyntaxError as error:
            raise InvalidValueError(f"text, line {error.lineno}: got {error.msg}, expected name = operation(...)") from None
        except ValueError as error:  # of a NUL
            raise InvalidValueError(f"text: got {error}, expected name = operation(...)") from None
        self.sources = dict(sources or {})
        self.depth = depth
        self.wires: dict[str, _Wire] = {}
        self.widths: dict[str, int] = {}  # of inputs
        self.lines: list[str] = []
        self.insertions: list[Insertion] = []
        self.made = 0
        self.taken = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        self.assigned = {
            name.id
            for statement in self.tree.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }

    def run(self, outputs: abc.Iterable[str] | None) -> Composition:
        if isinstance(outputs, str):
            raise InvalidTypeError(f"outputs: got {outputs!r}, expected several names, as in [{outputs!r}]")
        chosen = None if outputs is None else list(outputs)
        if chosen is not None and (not chosen or len(set(chosen)) < len(chosen)):
            raise InvalidValueError(f"outputs: got {chosen}, expected at least one name, each once")
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
        return Composition(Circuit(text, outputs=chosen or named), tuple(self.insertions))

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
            self.wires[node.id] = _Wire(node.id, frozenset([(source, 0)]), source)
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
        wires = operands.values()
        delay = circuit.registers if operation == "isolate" else 0
        sources = frozenset[tuple[typing.Hashable, int]]().union(*(wire.late(delay) for wire in wires))
        orders = {wire.order for wire in wires}
        order = orders.pop() if operation in _KEEP_ORDER and len(orders) == 1 else None
        memory = max(wire.memory for wire in wires)
        if circuit.registers and not delay:
            memory = max(memory, _SHORT if operation in _SOON_FORGOTTEN else _LONG)
        made = [_Wire(renamed[port], sources, order, memory) for port in circuit.outputs]
        self.wires.update((wire.name, wire) for wire in made)
        return made

    def fresh(self, stem: str) -> str:
        """A name that no other begins with."""
        while True:
            name = f"{stem}_{self.made}"
            self.made += 1
            if not any(other == name or other.startswith(f"{name}_") for other in self.taken):
                return name

    # Correlation.

    def correlate(self, operation: str, circuit: Circuit, operands: dict[str, _Wire]) -> None:
        itself = any(need.inputs == need.others for need in circuits.info(operation).needs)
        if itself and operation != "isolate":
            for port, wire in operands.items():
                if wire.memory == _LONG:
                    raise InvalidValueError(
                        f"{operation}({wire.name}): got an operand that remembers earlier steps for long, expected "
                        "one without memory: let it leave the circuit, and draw it anew (bx.formats.reencode)"
                    )
                if wire.memory:
                    operands[port] = self.shuffle(operation, wire, "itself")
        for ports, fixed, needed in needs(operation, circuit.inputs):
            wires = [operands[port] for port in ports]
            if needed == 0:
                self.isolate(operation, ports, fixed, operands)
            elif all(_scc(a, b) == needed for k, a in enumerate(wires) for b in wires[:k]):
                continue
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

    def isolate(
        self, operation: str, ports: abc.Sequence[str], fixed: abc.Sequence[str], operands: dict[str, _Wire]
    ) -> None:
        """Makes ports independent of one another and of the fixed ones."""
        if self.widths.get(operands[ports[0]].name, 1) > 1:  # a number cannot be late
            ports, fixed = fixed, ports
        others = [operands[port] for port in fixed]
        for port in ports:
            wire = operands[port]
            related = [other for other in others if _scc(wire, other) != 0]
            # What remembers past bits overlaps with a delayed copy of them.
            if related and any(other.memory for other in (wire, *related)):
                operands[port] = self.shuffle(operation, wire, "another")
            elif related:
                used = frozenset[tuple[typing.Hashable, int]]().union(*(other.sources for other in others))
                steps = next(steps for steps in itertools.count(1) if not wire.late(steps) & used)
                self.insertions.append(Insertion("isolate", (wire.name,), operation, 0))
                operands[port] = self.inline("isolate", circuits("isolate", steps=steps), {"x": wire}, [])[0]
            others.append(operands[port])

    def shuffle(self, operation: str, wire: _Wire, other: str) -> _Wire:
        bits = _SHUFFLE_BITS[other]
        name = next(name for k in itertools.count() if (name := f"shuffle{k}") not in self.taken)
        self.taken.add(name)
        self.widths[name] = bits
        self.insertions.append(Insertion("decorrelate", (wire.name,), operation, 0 if other == "another" else None))
        inputs = {"x": wire, "r": _Wire(name, frozenset())}
        made = self.inline("decorrelate", circuits("decorrelate", address_bits=bits), inputs, [])[0]
        # No bit is in step with what it was made from.
        return made._replace(sources=frozenset([(("shuffled", made.name), 0)]), memory=wire.memory)


def _scc(a: _Wire, b: _Wire) -> int | None:
    """+1, 0, or None where it is not known."""
    if a.order is not None and a.order == b.order:
        return 1
    if a.memory or b.memory:
        related = {source for source, _ in a.sources} & {source for source, _ in b.sources}
        return None if related else 0
    return None if a.sources & b.sources else 0


def needs(operation: str, inputs: abc.Sequence[str]) -> list[tuple[list[str], list[str], int]]:
    """What an operation needs between its inputs: groups of them, others, and the SCC of all pairs in the group
    and of each in it with each other one."""
    groups: list[tuple[list[str], list[str], int]] = []
    for need in circuits.info(operation).needs:
        if need.inputs != need.others:
            group, others = (list(inputs if names == ("all",) else names) for names in (need.inputs, need.others))
            groups.append((group, [name for name in others if name not in group], need.scc))
    return groups

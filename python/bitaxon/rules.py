"""Neuron rules: the built-in ones, rules in files that are watched, rules from Python functions."""

import os
import threading
import warnings
import weakref
from collections import abc
from typing import Any, Callable, Optional, Union, overload

from ._bitaxon import Population, Rule, _RuleWatch, built_in_rule, built_in_rules, load_rule
from .errors import InvalidTypeError, InvalidValueError
from .tracing import Symbol, Writer, as_symbol, leaves_of, parameters_of, trace

__all__ = ["BuiltInRules", "RuleWatch", "load_rule", "rule", "rules", "watch_rule"]

_Path = Union[str, "os.PathLike[str]"]


class BuiltInRules(abc.Mapping[str, Rule]):
    """The rules that come with the library: bx.rules.LIF, bx.rules["lif"], or, with other defaults of its
    parameters, bx.rules("LIF", tau_mem=10e-3)."""

    def __call__(self, name: str, **parameters: float) -> Rule:
        return built_in_rule(name, parameters)

    def __getitem__(self, name: str) -> Rule:
        try:
            return built_in_rule(name)
        except InvalidValueError as error:
            raise KeyError(str(error)) from None

    def __getattr__(self, name: str) -> Rule:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return built_in_rule(name)
        except InvalidValueError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> abc.Iterator[str]:
        return iter(built_in_rules())

    def __len__(self) -> int:
        return len(built_in_rules())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in map(str.lower, self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def source(self, name: str) -> str:
        """Author and year of a rule, and the units of its parameters."""
        found = built_in_rule(name).name
        return built_in_rules()[found]

    def __repr__(self) -> str:
        return f"<built-in rules: {', '.join(self)}>"


rules = BuiltInRules()
"""The rules that come with the library, by name."""


class RuleWatch:
    """Keeps populations at the rule in a file; see watch_rule. A context manager that closes itself."""

    def __init__(
        self,
        path: _Path,
        populations: tuple[Population, ...],
        on_error: Optional[Callable[[Exception], object]],
    ) -> None:
        self.path: str = os.fspath(path)
        self.errors: list[Exception] = []
        self._on_error = on_error
        self._populations = [weakref.ref(population) for population in populations]
        self._ready = threading.Lock()  # edits wait for the rule that the file begins with
        with self._ready:
            self._watch = _RuleWatch(path, _weakly(self._changed))
            # At exit too: the thread must not want the interpreter when there is none.
            self._close = weakref.finalize(self, self._watch.close)
            self.rule: Rule = self._watch.rule
            for population in populations:
                population.set_rule(self.rule)
            for population in populations:
                _watches.setdefault(population, set()).add(self)

    @property
    def mechanism(self) -> str:
        """How it hears of edits: 'inotify', or 'polling' every 25 ms where the kernel does not tell."""
        return self._watch.mechanism

    def close(self) -> None:
        """Watches no longer; the populations keep their rule."""
        self._close()
        for population in self._alive():
            _watches.get(population, set()).discard(self)

    def __enter__(self) -> "RuleWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"{len(self.errors)} errors" if self._close.alive else "closed"
        return f"<RuleWatch: {self.path}, {state}>"

    def _alive(self) -> list[Population]:
        return [population for reference in self._populations if (population := reference())]

    def _changed(self) -> None:
        with self._ready:
            try:
                rule = self._watch.next()
                if rule is None:
                    return
                for population in self._alive():
                    population.set_rule(rule)
                self.rule = rule
            except Exception as error:
                self._report(error)

    def _report(self, error: Exception) -> None:
        self.errors.append(error)
        if self._on_error is not None:
            self._on_error(error)
        else:
            warnings.warn(f"{self.path}: the old rule stays: {error}", RuntimeWarning, stacklevel=2)


# A watch lives as long as one of its populations, whether or not anybody keeps it.
_watches: weakref.WeakKeyDictionary[Population, set[RuleWatch]] = weakref.WeakKeyDictionary()


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """The method, of an object that may be gone by then."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    return call


def watch_rule(
    path: _Path, *populations: Population, on_error: Optional[Callable[[Exception], object]] = None
) -> RuleWatch:
    """Gives populations the rule in a file, and again whenever the file changes, within 100 ms.

    The rule is swapped between two steps, also of a run that another thread is in. Variables keep their
    values by name, new ones start at their default. A bad edit keeps the old rule: its error goes to
    `errors` of the result and to on_error, which is called on a thread of its own, or is a warning.
    Editors may write the file, or rename another over it, or delete it first. A forked child does not
    watch.

    path      of a file as load_rule reads it
    on_error  called with the exception
    Returns a RuleWatch. It ends with close(), as a context manager, or when neither it nor any of the
    populations is in use. Raises what load_rule raises for
    the file as it is now.
    """
    for population in populations:
        if not isinstance(population, Population):
            raise InvalidTypeError(
                f"populations: got {type(population).__name__}, expected a Population"
            )
    return RuleWatch(path, populations, on_error)


_Condition = Union[None, str, Callable[..., Any]]


@overload
def rule(python_function: Callable[..., Any]) -> Rule: ...
@overload
def rule(
    python_function: None = None,
    *,
    threshold: _Condition = None,
    reset: _Condition = None,
    refractory: Union[float, str] = 0.0,
    method: str = "auto",
    unless_refractory: abc.Iterable[str] = (),
    initial: Optional[abc.Mapping[str, Union[float, str]]] = None,
) -> Callable[[Callable[..., Any]], Rule]: ...
def rule(
    python_function: Optional[Callable[..., Any]] = None,
    *,
    threshold: _Condition = None,
    reset: _Condition = None,
    refractory: Union[float, str] = 0.0,
    method: str = "auto",
    unless_refractory: abc.Iterable[str] = (),
    initial: Optional[abc.Mapping[str, Union[float, str]]] = None,
) -> Union[Rule, Callable[[Callable[..., Any]], Rule]]:
    """Makes a Rule of a small Python function that returns the derivatives of its variables.

        @bx.rule(threshold="v > 1", reset="v = 0", unless_refractory=["v"], refractory=2e-3)
        def lif(v, i, tau=20e-3):
            return {"v": (i - v)/tau}

    The function is called once, with symbols, as for function. It returns a dict: name of a variable
    -> its derivative in units a second. Parameters with a default are the rule's parameters; i, t, dt
    and xi are what they are in a Rule.

    threshold, reset   as for Rule; or functions of the same names: a threshold returns a condition, a
                       reset a dict: name -> new value
    refractory, method as for Rule
    unless_refractory  names of variables that stand still while a neuron is refractory
    initial            name of a variable -> its first value, or an expression of parameters
    """

    def make(function: Callable[..., Any]) -> Rule:
        frozen = set(unless_refractory)
        return _trace_rule(function, threshold, reset, refractory, method, frozen, initial or {})

    return make if python_function is None else make(python_function)


def _derivatives(python_function: Callable[..., Any], returned: Any) -> dict[str, Symbol]:
    if not isinstance(returned, dict) or not returned:
        raise InvalidTypeError(
            f"{python_function.__name__}: got a result of {type(returned).__name__}, expected a dict of "
            "names and derivatives"
        )
    return {name: as_symbol(value) for name, value in returned.items()}


def _trace_rule(
    python_function: Callable[..., Any],
    threshold: _Condition,
    reset: _Condition,
    refractory: Union[float, str],
    method: str,
    unless_refractory: set[str],
    initial: abc.Mapping[str, Union[float, str]],
) -> Rule:
    names, defaults = parameters_of(python_function)
    symbols = {name: Symbol(name) for name in (*names, *defaults)}
    derivatives = _derivatives(python_function, trace(python_function, symbols))
    for name in [*unless_refractory, *initial]:
        if name not in derivatives:
            raise InvalidValueError(
                f"{python_function.__name__}: got '{name}', expected a variable ({', '.join(derivatives)})"
            )
    writer = Writer(derivatives.values(), [*symbols, *derivatives])
    lines = [f"{name} : real = {value!r} (constant)" for name, value in defaults.items()]
    lines += [f"{name} : real = {initial.get(name, 0)}" for name in derivatives]
    lines += writer.statements
    for name, value in derivatives.items():
        flag = " (unless refractory)" if name in unless_refractory else ""
        lines.append(f"d{name}/dt = {writer[value]}{flag}")
    return Rule(
        "\n".join(lines),
        threshold=_condition_text(threshold, symbols),
        reset=_reset_text(reset, symbols),
        refractory=refractory,
        method=method,
        name=python_function.__name__,
    )


def _known(python_function: Callable[..., Any], symbols: dict[str, Symbol]) -> dict[str, Symbol]:
    names, defaults = parameters_of(python_function)
    return {name: symbols.get(name, Symbol(name)) for name in (*names, *defaults)}


def _condition_text(condition: _Condition, symbols: dict[str, Symbol]) -> Optional[str]:
    if condition is None or isinstance(condition, str):
        return condition
    returned = as_symbol(trace(condition, _known(condition, symbols)))
    return Writer([returned], share=False)[returned]


def _reset_text(reset: _Condition, symbols: dict[str, Symbol]) -> Optional[str]:
    if reset is None or isinstance(reset, str):
        return reset
    values = _derivatives(reset, trace(reset, _known(reset, symbols)))
    writer = Writer(values.values(), share=False)
    return "; ".join(f"{name} = {writer[values[name]]}" for name in _in_turn(reset, values))


def _in_turn(python_function: Callable[..., Any], values: dict[str, Symbol]) -> list[str]:
    """An order in which each variable gets its new value after all others have read the old one."""
    waiting = {name: leaves_of(value) for name, value in values.items()}
    order: list[str] = []
    while waiting:
        ready = [n for n in waiting if all(n not in reads for other, reads in waiting.items() if other != n)]
        if not ready:
            raise InvalidValueError(
                f"{python_function.__name__}: got new values that need each other's old ones, expected "
                "some order of them"
            )
        order.append(ready[0])
        del waiting[ready[0]]
    return order

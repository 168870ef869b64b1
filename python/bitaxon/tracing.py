"""Small Python functions to expressions and rules: they are called once, with symbols that write down
what is done to them."""

from __future__ import annotations

import inspect
import itertools
from collections import abc
from typing import Any, Callable, Literal, NoReturn, Optional, Union, overload

import numpy as np
import numpy.typing as npt

from ._bitaxon import Functions, Kernel, compile
from .errors import InvalidTypeError

__all__ = ["Symbol", "function"]

_serial = itertools.count()

# Deeper expressions get a name on the way: the parser bounds how deep brackets may nest.
_MOST_DEPTH = 30


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """A value that is not known yet, in a function that @function or @rule traces.

    Operators, NumPy's elementwise functions and those of bitaxon.math make new symbols of it.
    """

    __slots__ = ("_form", "_logical", "_parts", "_serial")

    def __init__(self, form: str, parts: tuple["Symbol", ...] = (), logical: bool = False) -> None:
        self._form = form  # text with {} for each part
        self._parts = parts
        self._logical = logical
        self._serial = next(_serial)

    def __repr__(self) -> str:
        return f"Symbol({text_of([self])!r})"

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if options.get("out") == (inputs[0],):  # x += 1 gives x a new value
            del options["out"]
        if ufunc is np.bitwise_xor:
            raise InvalidTypeError("^: got a traced value, expected ** for powers")
        if ufunc is np.divmod:
            return inputs[0] // inputs[1], inputs[0] % inputs[1]
        symbols = tuple(map(as_symbol, inputs))
        name = ufunc.__name__
        if any(symbol._logical for symbol in symbols):
            name = _LOGICAL_NAMES.get(name, name)
        if method != "__call__" or options or name not in _UFUNCS:
            raise InvalidTypeError(
                f"numpy.{ufunc.__name__}: got a traced value, expected an elementwise function of "
                "the expression language, without options"
            )
        return _apply(_UFUNCS[name], *symbols)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> "Symbol":
        form = _ARRAY_FUNCTIONS.get(function.__name__)
        if form is None or kwargs or len(args) != form.count("{}"):
            raise InvalidTypeError(
                f"numpy.{function.__name__}: got a traced value, expected an elementwise function of "
                "the expression language"
            )
        return _apply(form, *args)

    def __bool__(self) -> NoReturn:
        raise InvalidTypeError(
            "truth value: got a traced value, expected no branch on it: write where(condition, a, b) "
            "instead of if, `&`, `|` and `~` instead of and, or and not"
        )

    def _refuse_number(self) -> NoReturn:
        raise InvalidTypeError(
            "number: got a traced value, which has none yet, expected a function of bitaxon or numpy "
            "instead of one of math"
        )

    def __float__(self) -> NoReturn:
        self._refuse_number()

    def __int__(self) -> NoReturn:
        self._refuse_number()

    def __index__(self) -> NoReturn:
        self._refuse_number()

    def __iter__(self) -> NoReturn:
        raise InvalidTypeError("loop: got a traced value, expected a range of known numbers")

    def __round__(self) -> "Symbol":
        return _apply("round({})", self)

    def __floor__(self) -> "Symbol":
        return _apply("floor({})", self)

    def __ceil__(self) -> "Symbol":
        return _apply("ceil({})", self)

    def __trunc__(self) -> "Symbol":
        return _apply("trunc({})", self)


# What the signs & | ~ mean between conditions.
_LOGICAL_NAMES = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}
_LOGICAL_FORMS = tuple(f"({{}} {sign} {{}})" for sign in ("<", "<=", ">", ">=", "==", "!=", "and", "or"))
_SPECIAL = {"inf": "(1.0/0.0)", "-inf": "(-1.0/0.0)", "nan": "(0.0/0.0)"}


def _literal(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "(1 > 0)" if value else "(1 < 0)"
    if isinstance(value, (int, np.integer)):
        text = repr(int(value)) if abs(int(value)) < 2**63 else repr(float(value))
    else:
        text = repr(float(value))
        text = _SPECIAL.get(text, text)
    return f"({text})" if text.startswith("-") else text


def as_symbol(value: Any) -> Symbol:
    """A symbol, or a number as one."""
    if isinstance(value, Symbol):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        return Symbol(_literal(value), logical=isinstance(value, (bool, np.bool_)))
    raise InvalidTypeError(
        f"traced function: got {type(value).__name__} beside a traced value, expected a number; "
        "arrays must be arguments"
    )


def _apply(form: str, *parts: Any) -> Symbol:
    symbols = tuple(map(as_symbol, parts))
    logical = form in _LOGICAL_FORMS or form == "(not {})"
    return Symbol(form, symbols, logical)


def apply_function(name: str, *arguments: Any) -> Symbol:
    """A call of a function of the language."""
    return _apply(f"{name}({', '.join(['{}'] * len(arguments))})", *arguments)


_FUNCTIONS = {name: name + "({})" for name in
              "exp expm1 exp2 log log1p log2 log10 sqrt cbrt sign floor ceil trunc sin cos tan sinh "
              "cosh tanh".split()}  # fmt: skip
_UFUNCS = {
    **_FUNCTIONS,
    "add": "({} + {})", "subtract": "({} - {})", "multiply": "({} * {})", "divide": "({} / {})",
    "true_divide": "({} / {})", "floor_divide": "({} // {})", "remainder": "({} % {})", "mod": "({} % {})",
    "power": "({} ^ {})", "float_power": "({} ^ {})", "negative": "(-{})", "positive": "{}",
    "square": "({} ^ 2)", "reciprocal": "(1 / {})", "absolute": "abs({})", "fabs": "abs({})",
    "rint": "round({})", "arcsin": "asin({})", "arccos": "acos({})", "arctan": "atan({})",
    "arctan2": "atan2({}, {})", "hypot": "hypot({}, {})", "heaviside": "heaviside({}, {})",
    "maximum": "max({}, {})", "minimum": "min({}, {})",
    "less": "({} < {})", "less_equal": "({} <= {})", "greater": "({} > {})", "greater_equal": "({} >= {})",
    "equal": "({} == {})", "not_equal": "({} != {})", "logical_and": "({} and {})",
    "logical_or": "({} or {})", "logical_not": "(not {})", "left_shift": "({} << {})",
    "right_shift": "({} >> {})", "bitwise_and": "({} & {})", "bitwise_or": "({} | {})", "invert": "(~{})",
}  # fmt: skip
_ARRAY_FUNCTIONS = {"where": "where({}, {}, {})", "clip": "clip({}, {}, {})", "round": "round({})",
                    "around": "round({})", "round_": "round({})"}  # fmt: skip


def _in_order(roots: abc.Iterable[Symbol]) -> list[Symbol]:
    """Every symbol that the roots need, parts first: a part is older than what it is a part of."""
    found: dict[int, Symbol] = {}
    waiting = list(roots)
    while waiting:
        symbol = waiting.pop()
        if symbol._serial not in found:
            found[symbol._serial] = symbol
            waiting.extend(symbol._parts)
    return [found[serial] for serial in sorted(found)]


class Writer:
    """Texts of symbols. What is used more than once, and what is deep, becomes a statement of its own, so
    a random number that has a name in Python is drawn once; unless `share` is false."""

    def __init__(
        self, roots: abc.Iterable[Symbol], taken: abc.Iterable[str] = (), share: bool = True
    ) -> None:
        roots = list(roots)
        symbols = _in_order(roots)
        uses = dict.fromkeys((symbol._serial for symbol in symbols), 0)
        for symbol in itertools.chain(roots, *(symbol._parts for symbol in symbols)):
            uses[symbol._serial] += 1
        self.statements: list[str] = []
        self._texts: dict[int, str] = {}
        names = (f"t{k}" for k in itertools.count(1))
        unusable = set(taken)
        free = (name for name in names if name not in unusable)
        depths: dict[int, int] = {}
        for symbol in symbols:
            text = symbol._form.format(*(self._texts[part._serial] for part in symbol._parts))
            depth = 1 + max((depths[part._serial] for part in symbol._parts), default=-1)
            is_leaf = not symbol._parts and not symbol._form.endswith("()")
            if share and ((uses[symbol._serial] > 1 and not is_leaf) or depth > _MOST_DEPTH):
                name = next(free)
                self.statements.append(f"{name} = {text}")
                text, depth = name, 0
            self._texts[symbol._serial], depths[symbol._serial] = text, depth

    def __getitem__(self, symbol: Symbol) -> str:
        return self._texts[symbol._serial]


def leaves_of(symbol: Symbol) -> set[str]:
    """Names and numbers that a value is made of."""
    return {each._form for each in _in_order([symbol]) if not each._parts}


def text_of(results: abc.Iterable[Symbol], taken: abc.Iterable[str] = ()) -> str:
    """Statements, and a last line with the results."""
    results = list(results)
    writer = Writer(results, taken)
    return "\n".join([*writer.statements, ", ".join(writer[result] for result in results)])


def parameters_of(python_function: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """Names without a default, and the others with theirs."""
    required, defaults = [], {}
    for parameter in inspect.signature(python_function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidTypeError(f"{python_function.__name__}: got {parameter}, expected named arguments")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            defaults[parameter.name] = parameter.default
    return required, defaults


def trace(python_function: Callable[..., Any], symbols: abc.Mapping[str, Any]) -> Any:
    """What the function returns for symbols of those names."""
    positional = [p.name for p in inspect.signature(python_function).parameters.values()
                  if p.kind is p.POSITIONAL_ONLY]  # fmt: skip
    named = {name: value for name, value in symbols.items() if name not in positional}
    return python_function(*(symbols[name] for name in positional), **named)


@overload
def function(python_function: Callable[..., Any]) -> Kernel: ...
@overload
def function(
    python_function: None = None,
    *,
    dtype: npt.DTypeLike = "f64",
    mode: Literal["strict", "contract", "fast"] = "contract",
    wait: bool = False,
) -> Callable[[Callable[..., Any]], Kernel]: ...
def function(
    python_function: Optional[Callable[..., Any]] = None,
    *,
    dtype: npt.DTypeLike = "f64",
    mode: Literal["strict", "contract", "fast"] = "contract",
    wait: bool = False,
) -> Union[Kernel, Callable[[Callable[..., Any]], Kernel]]:
    """Compiles a small Python function of numbers to a Kernel, a function of arrays.

        @bx.function
        def bump(x, width=0.1):
            return bx.where(abs(x) < width, bx.cos(x / width), 0)

        bump(np.linspace(-1, 1, 1000))

    The function is called once, with symbols: arithmetic, comparisons, abs, round, the functions of
    bitaxon.math and NumPy's elementwise ones write down what is done. Parameters without a default are
    the kernel's arguments, others keep their defaults. It returns a value, or a tuple of them.

    dtype, mode, wait  as for compile
    Raises TypeError where the function asks a symbol for its value: in an if, say.
    """
    if python_function is None:
        return lambda later: function_kernel(later, dtype, mode, wait)
    return function_kernel(python_function, dtype, mode, wait)


def function_kernel(
    python_function: Callable[..., Any], dtype: npt.DTypeLike, mode: Any, wait: bool
) -> Kernel:
    if not callable(python_function):
        raise InvalidTypeError(f"function: got {type(python_function).__name__}, expected a function")
    names, _ = parameters_of(python_function)
    returned = trace(python_function, {name: Symbol(name) for name in names})
    results = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if not results or any(result is None for result in results):
        raise InvalidTypeError(f"{python_function.__name__}: got a result of None, expected a value")
    text = text_of(map(as_symbol, results), names)
    return compile(text, dtype, mode, arguments=names, wait=wait)

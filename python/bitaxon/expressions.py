"""evaluate(): expressions over the names of the caller."""

from __future__ import annotations

import difflib
import functools
import sys
from collections import abc
from typing import Any, Literal, Optional, SupportsIndex

import numpy as np
import numpy.typing as npt

from ._bitaxon import Kernel, compile, free_names
from .errors import InvalidValueError, UnknownNameError

__all__ = ["evaluate"]

_CONSTANTS = frozenset({"pi", "e"})

_free_names = functools.lru_cache(maxsize=256)(free_names)


def _compile_again(state: dict[str, Any]) -> Kernel:
    """What the pickle of a Kernel calls."""
    return compile(**state)


@functools.lru_cache(maxsize=256)
def _kernel(text: str, names: tuple[str, ...], dtype: str, mode: str) -> Kernel:
    return compile(text, dtype, mode, arguments=names)  # type: ignore[arg-type]


def _float_type(values: abc.Iterable[object]) -> str:
    """f32 where all arrays are float32; single numbers have no say."""
    narrow = False
    for value in values:
        if isinstance(value, np.ndarray) and value.ndim > 0:
            if value.dtype != np.float32:
                return "f64"
            narrow = True
        elif isinstance(value, (list, tuple)):
            return "f64"
    return "f32" if narrow else "f64"


def _refuse(text: str, known: list[str], missing: str, scopes: tuple[abc.Mapping[str, Any], ...]) -> None:
    """The error for a name that nobody knows, with the place, and the nearest of the caller's names."""
    callers = [name for scope in scopes for name in scope if not name.startswith("__")]
    near = difflib.get_close_matches(missing, callers, n=1)
    try:
        compile(text, arguments=[*known, *(name for name in near if name not in known)][-64:])
    except InvalidValueError as error:
        raise UnknownNameError(str(error)) from None


def evaluate(
    text: str,
    dtype: npt.DTypeLike = None,
    mode: Literal["strict", "contract", "fast"] = "contract",
    out: Any = None,
    local_dict: Optional[abc.Mapping[str, Any]] = None,
    global_dict: Optional[abc.Mapping[str, Any]] = None,
    *,
    seed: SupportsIndex = 0,
    step: SupportsIndex = 0,
) -> Any:
    """Computes an expression over the caller's variables.

        x = np.linspace(0, 1, 1_000_000)
        y = bx.evaluate("x^2 + 2*x")

    text         as for compile; names are looked up among the caller's local, then global variables,
                 which shadow pi and e. Unlike in numexpr, ^ is power, and % has the divisor's sign
    dtype        what is computed in; unless given, float32 if all arrays are float32, else float64.
                 Integers are taken as floats unless the text declares them, as in 'n : i64; n & 7'
    mode         'strict', 'contract' or 'fast', as for compile
    out          array for the result, or a tuple of them if there are several
    local_dict   where names are looked up instead of the caller's local variables
    global_dict  where they are looked up next instead of the caller's global variables
    seed, step   of rand() and randn()

    Returns out, or a new array (a tuple of them): bool for comparisons, int16, int32 or int64 for
    integers, else of dtype; a number if no variable is an array. Compiled expressions are kept for later calls.
    Raises UnknownNameError, which is a NameError and a ValueError, for a name that has no value, and
    what compile and its result raise.
    """
    names = _free_names(text)
    if local_dict is None or global_dict is None:
        caller = sys._getframe(1)
        local_dict = caller.f_locals if local_dict is None else local_dict
        global_dict = caller.f_globals if global_dict is None else global_dict
    known: list[str] = []
    values: list[Any] = []
    for name in names:
        scope = local_dict if name in local_dict else global_dict
        if name in scope:
            known.append(name)
            values.append(scope[name])
        elif name not in _CONSTANTS:
            _refuse(text, known, name, (local_dict, global_dict))

    wanted = _float_type(values) if dtype is None else _type_name(dtype)
    kernel = _kernel(text, tuple(known), wanted, mode)
    return kernel(*values, out=out, seed=seed, step=step)


def _type_name(dtype: npt.DTypeLike) -> str:
    """A key for the cache that is the same for all names of a type."""
    return dtype if isinstance(dtype, str) else np.dtype(dtype).name

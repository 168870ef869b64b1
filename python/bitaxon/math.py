"""The functions of the expression language, for numbers, arrays and traced functions.

Of numbers and arrays they are evaluated at once, as bitaxon.evaluate does; in a function that
bitaxon.function or bitaxon.rule traces they write themselves down.
"""

import inspect
from typing import Any, Callable

from ._arguments import to_int
from .errors import InvalidTypeError
from .expressions import evaluate
from .tracing import Symbol, apply_function

__all__ = [
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "exprel",
    "f32",
    "f64",
    "fbm2",
    "fbm3",
    "floor",
    "fma",
    "heaviside",
    "hypot",
    "i16",
    "i32",
    "i64",
    "lerp",
    "log",
    "log10",
    "log1p",
    "log2",
    "max",
    "min",
    "perlin2",
    "perlin3",
    "pow",
    "rand",
    "randn",
    "relu",
    "round",
    "sdf_box",
    "sdf_circle",
    "sigmoid",
    "sign",
    "simplex2",
    "simplex3",
    "sin",
    "sinh",
    "smoothstep",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "where",
]


def _define(name: str, parameters: str, doc: str) -> Callable[..., Any]:
    names = parameters.split()
    text = f"{name}({', '.join(names)})"

    def call(*arguments: Any) -> Any:
        if len(arguments) != len(names):
            raise InvalidTypeError(f"{name}: got {len(arguments)} arguments, expected {len(names)}")
        if not arguments or any(isinstance(argument, Symbol) for argument in arguments):
            return apply_function(name, *arguments)
        values = dict(zip(names, arguments))
        if "octaves" in values:  # a literal of the text
            written = text.replace("octaves", repr(to_int("octaves", values.pop("octaves"))))
            return evaluate(written, local_dict=values, global_dict={})
        return evaluate(text, local_dict=values, global_dict={})

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{text}: {doc}"
    kind = inspect.Parameter.POSITIONAL_ONLY
    signature = inspect.Signature([inspect.Parameter(each, kind) for each in names])
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


exp = _define("exp", "x", "e^x.")
expm1 = _define("expm1", "x", "e^x - 1, also near 0.")
exp2 = _define("exp2", "x", "2^x.")
log = _define("log", "x", "Natural logarithm.")
log1p = _define("log1p", "x", "log(1 + x), also near 0.")
log2 = _define("log2", "x", "Logarithm to base 2.")
log10 = _define("log10", "x", "Logarithm to base 10.")
pow = _define("pow", "x y", "x^y.")
sqrt = _define("sqrt", "x", "Square root.")
cbrt = _define("cbrt", "x", "Cube root, of negative numbers too.")
abs = _define("abs", "x", "|x|.")
sign = _define("sign", "x", "-1, 0 or 1.")
floor = _define("floor", "x", "Largest whole number that is not above x.")
ceil = _define("ceil", "x", "Smallest whole number that is not below x.")
round = _define("round", "x", "Nearest whole number, ties to even.")
trunc = _define("trunc", "x", "Nearest whole number towards zero.")
min = _define("min", "x y", "The smaller one; NaN if either is NaN.")
max = _define("max", "x y", "The larger one; NaN if either is NaN.")
clip = _define("clip", "x low high", "x, kept from low to high.")
sin = _define("sin", "x", "Sine of x radians.")
cos = _define("cos", "x", "Cosine of x radians.")
tan = _define("tan", "x", "Tangent of x radians.")
asin = _define("asin", "x", "Inverse sine, -pi/2 to pi/2.")
acos = _define("acos", "x", "Inverse cosine, 0 to pi.")
atan = _define("atan", "x", "Inverse tangent, -pi/2 to pi/2.")
atan2 = _define("atan2", "y x", "Angle of the point (x, y), -pi to pi.")
sinh = _define("sinh", "x", "Hyperbolic sine.")
cosh = _define("cosh", "x", "Hyperbolic cosine.")
tanh = _define("tanh", "x", "Hyperbolic tangent.")
sigmoid = _define("sigmoid", "x", "1 / (1 + e^-x).")
relu = _define("relu", "x", "max(x, 0).")
exprel = _define("exprel", "x", "(e^x - 1) / x, 1 at 0.")
erf = _define("erf", "x", "Error function.")
hypot = _define("hypot", "x y", "sqrt(x^2 + y^2) without overflow on the way.")
fma = _define("fma", "x y z", "x*y + z, rounded once.")
heaviside = _define("heaviside", "x at_zero", "0 below 0, 1 above, at_zero at 0.")
where = _define("where", "condition a b", "a where the condition holds, else b.")
rand = _define("rand", "", "Uniform on [0, 1), another number in each row and for each call.")
randn = _define("randn", "", "Standard normal, another number in each row and for each call.")
perlin2 = _define("perlin2", "x y", "Perlin noise in the plane.")
perlin3 = _define("perlin3", "x y z", "Perlin noise in space.")
simplex2 = _define("simplex2", "x y", "Simplex noise in the plane.")
simplex3 = _define("simplex3", "x y z", "Simplex noise in space.")
fbm2 = _define("fbm2", "x y octaves", "Fractal noise in the plane; octaves is a whole number, 1 to 16.")
fbm3 = _define("fbm3", "x y z octaves", "Fractal noise in space; octaves is a whole number, 1 to 16.")
sdf_circle = _define("sdf_circle", "x y radius", "Signed distance to a circle around the origin.")
sdf_box = _define("sdf_box", "x y half_width half_height", "Signed distance to a box around the origin.")
smoothstep = _define("smoothstep", "low high x", "0 below low, 1 above high, a smooth step between.")
lerp = _define("lerp", "a b t", "a + (b - a)*t.")
i16 = _define("i16", "x", "To 16-bit integers: towards zero, saturated, NaN to 0.")
i32 = _define("i32", "x", "To 32-bit integers: towards zero, saturated, NaN to 0.")
i64 = _define("i64", "x", "To 64-bit integers: towards zero, saturated, NaN to 0.")
f32 = _define("f32", "x", "Rounded to float32.")
f64 = _define("f64", "x", "To float64.")

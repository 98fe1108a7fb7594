#!/usr/bin/python3
"""Functions of one tensor by PyTorch: unary.py > unary_golden.txt"""

import torch

from common import *

WHOLE = Rule("elementwise")
# A float32 function of the library rounds once; a float64 one is libm's, as in PyTorch. A gradient is composed of
# a few operations.
FUNCTION = Rule("composed", (6, 8, 8))

FUNCTIONS = {
    "reciprocal": "wide", "rsqrt": "positive", "expm1": "wide", "log1p": "positive", "log2": "positive",
    "log10": "positive", "sin": "wide", "cos": "wide", "tan": "wide", "asin": "unit", "acos": "unit",
    "atan": "wide", "sinh": "wide", "cosh": "wide", "erf": "wide",
}
ROUNDINGS = {"floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc}


def spread(shape, dtype, kind, how="contiguous", grad=None):
    """Returns an input of random values: "positive" ones, those of kind "unit" in (-1, 1), or "wide" ones of both
    signs."""
    made = make(shape, dtype, "positive" if kind == "positive" else "normal", how, grad)
    if kind == "unit":
        made.base = torch.tanh(made.base)
    return made


def function_cases():
    for op, kind in FUNCTIONS.items():
        f = lambda x, f=getattr(torch, op): f(x[0])
        for dtype in (F32, F64):
            for how in LAYOUTS[::2]:
                case(op, FUNCTION, f, [spread((2, 3), dtype, kind, how)], differentiate=True)
            case(op, FUNCTION, f, [spread((), dtype, kind)], differentiate=True)
            case(op, FUNCTION, f, [spread((0, 2), dtype, kind)])
            case(op, FUNCTION, f, [of(EDGES if dtype == F32 else MILD, dtype, grad=False)])
    far = [1e4, -1e7, 3.4e38, 1e22, 2.0**60, -2.0**90, 2.0**50, 1.1259e15, 6.3e30]
    for op in ("sin", "cos", "tan"):
        case(op, FUNCTION, lambda x, f=getattr(torch, op): f(x[0]), [of(far, F32, grad=False)])
    for op, f in ROUNDINGS.items():
        for dtype in (F32, F64):
            case(op, WHOLE, lambda x, f=f: f(x[0]), [of(EDGES + [0.5, 1.5, -0.5, -2.5, 2.5, 0.49999997, 8388609.0], dtype)])
            case(op, WHOLE, lambda x, f=f: f(x[0]), [make((3, 2), dtype, "normal", "transposed")])
        case(op, WHOLE, lambda x, f=f: f(x[0]), [of(INTEGERS, I64)])


# ---- Functions that models need most, in every layout.

SIGMOID_SCALE = lambda n, g, x, y: g.abs() * y
TANH_SCALE = lambda n, g, x, y: g.abs().expand(y.shape)
# A float32 function has an error of at most 2 u, which is one unit in the last place; so have libm's functions and those
# of PyTorch's vector code. A float64 sigmoid is 1 / (1 + exp(-x)), which rounds twice more. A relative error e of y
# changes the gradient y (1 - y) g of sigmoid by at most e y |g|, and the gradient (1 - y^2) g of tanh by at most
# 2 e y^2 |g|.
COMMON = {
    "neg": (torch.neg, WHOLE),
    "abs": (torch.abs, WHOLE),
    "sign": (torch.sign, WHOLE),
    "square": (torch.square, WHOLE),
    "relu": (torch.relu, WHOLE),
    "sqrt": (torch.sqrt, WHOLE),
    "exp": (torch.exp, Rule("elementwise", (2, 2, 2), {0: (3, 3, 3)})),
    "log": (torch.log, Rule("elementwise", (2, 2, 2))),
    "sigmoid": (torch.sigmoid, Rule("elementwise", (2, 4, 4), {0: (5, 7, 7)}, SIGMOID_SCALE)),
    "tanh": (torch.tanh, Rule("elementwise", (2, 2, 2), {0: (7, 7, 7)}, TANH_SCALE)),
}


def common_cases():
    for op, (function, rule) in COMMON.items():
        f = lambda x, function=function: function(x[0])
        kind = "positive" if op in ("sqrt", "log") else "normal"
        for dtype, hows in ((F32, LAYOUTS), (F64, LAYOUTS[::3])):
            for how in hows:
                case(op, rule, f, [make((2, 3), dtype, kind, how)])
            for shape in ((), (1,), (0,), (2, 0, 3), (19,), (2, 1, 2, 2)):
                case(op, rule, f, [make(shape, dtype, kind, "permuted")])
        case(op, rule, f, [make((2, 3, 2), F32, "ties", "expanded")])
        case(op, rule, f, [of(EDGES + [80.0, -80.0, 0.1, 1e-4, 5.0, -5.0], F32, grad=False)])
        case(op, rule, f, [of(EDGES + [80.0, -80.0, 700.0, 1e-4, 5.0, -5.0], F64, grad=False)])
        case(op, rule, f, [of(MILD, F32)])
        case(op, rule, f, [of(MILD * 3, F32)])
        case(op, rule, f, [of(MILD, F64)])
        if op in ("neg", "abs", "sign", "square", "relu"):
            case(op, rule, f, [of(INTEGERS, I64)])
            case(op, rule, f, [make((2, 3), I64, how="transposed")])
            case(op, rule, f, [make((2, 3), I64, how="sliced")])


write(function_cases, (1083, common_cases))

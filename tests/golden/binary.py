#!/usr/bin/python3
"""Arithmetic of two tensors, or of a tensor and a number, by PyTorch: binary.py > binary_golden.txt"""

import itertools
import math

import torch

from common import *

EXACT = Rule("elementwise")
# A float32 function of the library rounds once; a float64 one is libm's, as in PyTorch. A gradient is composed of
# a few operations.
FUNCTION = Rule("composed", (6, 8, 8))


def pow_terms(n):
    """Returns the roundings in a term of the gradient of a^b by input n. That of a is b a^(b-1) g: the rounding of
    b - 1 changes the power by (b - 1) ln a relative, and the power and two products round, too. That of b is
    a^b ln(a) g, where the power, the logarithm and two products round."""

    def count(flat, attrs):
        if n == 1:
            return (1 + 2 + 2, 2 + 2 + 2, 2 + 2 + 2)
        a = flat[0].detach().abs()
        b = flat[1].detach() if len(flat) > 1 else torch.tensor(float(attrs[0]), dtype=F64)
        feels = ((b - 1) * a.log()).abs()
        feels = feels[torch.isfinite(feels)]
        extra = math.ceil(feels.max()) if feels.numel() else 0
        return (extra + 1 + 2, extra + 2 + 2, extra + 2 + 2)

    return count


BINARY = {
    "add": (lambda x: x[0] + x[1], EXACT),
    "sub": (lambda x: x[0] - x[1], EXACT),
    "mul": (lambda x: x[0] * x[1], EXACT),
    "div": (lambda x: x[0] / x[1], Rule("elementwise", terms={1: (3, 3, 3)})),
    "maximum": (lambda x: torch.maximum(*x), EXACT),
    "minimum": (lambda x: torch.minimum(*x), EXACT),
    "pow": (lambda x: torch.pow(*x), Rule("elementwise", (1, 2, 2), {0: pow_terms(0), 1: pow_terms(1)})),
}


def binary_cases():
    for op, (f, rule) in BINARY.items():
        base = "positive" if op == "pow" else "normal"
        for dtype, pairs in ((F32, PAIRS), (F64, PAIRS[1:10:2])):
            for a, b in pairs:
                case(op, rule, f, [make(a, dtype, base), make(b, dtype)])
        for how in LAYOUTS[1:]:
            other = LAYOUTS[(LAYOUTS.index(how) + 4) % len(LAYOUTS)]
            case(op, rule, f, [make((2, 3), F32, base, how), make((2, 3), F32, "normal", other)])
        case(op, rule, f, [make((3, 3), F32, "positive"), Input(0, [("t", 0, 1)])])
        if op in ("maximum", "minimum"):
            case(op, rule, f, [make((3, 4), F32, "ties"), make((3, 4), F32, "ties")])
            case(op, rule, f, [make((3, 4), F64, "ties"), make((4,), F64, "ties")])
        for dtype in (F32, F64):
            a, b = grid(EDGES if dtype == F32 else MILD[:8] + [0.5], dtype)
            case(op, rule, f, [Input(a, grad=False), Input(b, grad=False)])
        for n in (0, 1):
            a, b = grid(MILD, F32)
            case(op, rule, f, [Input(a, grad=n == 0), Input(b, grad=n == 1)])
        if op not in ("div", "pow"):
            for a, b in PAIRS[1:8:2]:
                case(op, rule, f, [make(a, I64), make(b, I64)])
            a, b = grid(INTEGERS, I64)
            case(op, rule, f, [Input(a), Input(b)])
    f, rule = BINARY["mul"]
    for a, b in list(itertools.product(LAYOUTS, LAYOUTS))[::2]:
        case("mul", rule, f, [make((2, 2), F32, "normal", a), make((2, 2), F32, "normal", b)])
    for how in LAYOUTS:
        case("sub", rule, BINARY["sub"][0], [make((2, 2, 2), F64, "normal", how), make((2,), F64)])
        case("add", rule, BINARY["add"][0], [make((2, 1, 2), F32, "normal", how), make((2, 1), F32, "normal", how)])
        case("add", rule, BINARY["add"][0], [make((2, 3, 2, 2), F32, "dyadic", how), make((3, 1, 1), F32, "dyadic")],
             exact=True)
    case("mul", rule, f, [make((4,), F32), Input(0)])
    for op, (f, rule) in BINARY.items():
        case(op, rule, f, [make((2, 3), F32), make((2,), F32)], fails=True)
        case(op, rule, f, [make((0,), F32), make((2,), F32)], fails=True)


SCALAR = {
    "add_scalar": (lambda x, s: x[0] + s, EXACT),
    "sub_scalar": (lambda x, s: x[0] - s, EXACT),
    "mul_scalar": (lambda x, s: x[0] * s, EXACT),
    "div_scalar": (lambda x, s: x[0] / s, EXACT),
}


def scalar_cases():
    for op, (f, rule) in SCALAR.items():
        number_cases(op, rule, f)
    f = lambda x, s: x[0] ** s
    # A cube rounds twice, and so does the reciprocal of a square or of a square root.
    hard = Rule("elementwise", lambda out, attrs, inputs: (2 if attrs[0] in (3.0, -2.0, -0.5) else 1, 2, 2), {0: pow_terms(0)})
    for s in (0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -2.0, 4.0, 2.5, -0.5, 0.1, -3.0, 7.0, 1.5):
        for dtype in (F32, F64):
            case("pow_scalar", hard, f, [make((2, 3), dtype, "positive", "transposed")], [s])
        case("pow_scalar", hard, f, [make((2, 3), F32, "normal", "sliced")], [s])
        case("pow_scalar", hard, f, [of(MILD, F32)], [s])
        case("pow_scalar", hard, f, [of(EDGES, F64, grad=False)], [s])
    case("pow_scalar", hard, f, [make((), F32, "positive")], [2.2])
    case("pow_scalar", hard, f, [make((0,), F32, "positive")], [2.2])


def rsub_cases():
    number_cases("rsub_scalar", EXACT, lambda x, s: torch.rsub(x[0], s))


ANGLES = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e-45, 3.4e38, 0.5]


def pair_cases():
    for dtype in (F32, F64):
        for a, b in (((2, 3), (2, 3)), ((3, 1), (2,)), ((), (4,)), ((0,), (1,))):
            case("atan2", FUNCTION, lambda x: torch.atan2(*x), [make(a, dtype), make(b, dtype)], differentiate=True)
            case("remainder", EXACT, lambda x: torch.remainder(*x), [make(a, dtype, grad=False), make(b, dtype, grad=False)])
        n = len(ANGLES)
        t = torch.tensor(ANGLES, dtype=dtype)
        a, b = t.reshape(n, 1).expand(n, n).flatten(), t.repeat(n)
        case("atan2", FUNCTION, lambda x: torch.atan2(*x), [Input(a, grad=False), Input(b, grad=False)])
        plain = lambda t: ((t.abs() > 1e-30) & (t.abs() < 1e30)) | (t == 0) | torch.isinf(t)
        fair = plain(a) & plain(b)  # PyTorch's vector code gives NaN for great quotients
        case("remainder", EXACT, lambda x: torch.remainder(*x), [Input(a[fair], grad=False), Input(b[fair], grad=False)])
        case("remainder", FUNCTION, lambda x: torch.remainder(*x), [make((2, 3), dtype), make((3,), dtype, "positive")],
             differentiate=True)
        for s in (2.0, -0.75):
            case("remainder_scalar", EXACT, lambda x, s: torch.remainder(x[0], s), [make((5,), dtype)], [s])
    case("remainder", EXACT, lambda x: torch.remainder(*x), [of([7, -7, 7, -7, 2**62, 5], I64), of([3, 3, -3, -3, -1, 9], I64)])
    for divisors in ([3, 0], [-(2**63), 0]):
        case("remainder", EXACT, lambda x: torch.remainder(*x), [of([7, 1], I64), of(divisors, I64)], fails=True)
    case("remainder_scalar", EXACT, lambda x, s: torch.remainder(x[0], s), [of([7, -7], I64)], [3])
    case("atan2", FUNCTION, lambda x: torch.atan2(*x), [make((2,), F32), make((3,), F32)], fails=True)


write(binary_cases, scalar_cases, (7479, rsub_cases), (448, pair_cases))

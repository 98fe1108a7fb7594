#!/usr/bin/python3
"""Comparison, where, and logical functions, by PyTorch: compare.py > compare_golden.txt"""

import torch

from common import *

EXACT = Rule("elementwise")
COMPARE = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}


def compare_cases():
    for op, function in COMPARE.items():
        f = lambda x, function=function: function(*x)
        for dtype in (F32, F64, I64, BOOL):
            for a, b in PAIRS[1:10:3]:
                case(op, EXACT, f, [make(a, dtype, "ties", grad=False), make(b, dtype, "ties", grad=False)])
            case(op, EXACT, f, [make((3, 4), dtype, "ties", "transposed", False),
                                make((3, 4), dtype, "ties", "sliced", False)])
        for dtype in (F32, F64):
            a, b = grid(EDGES if dtype == F32 else EDGES[:6], dtype)
            case(op, EXACT, f, [Input(a, grad=False), Input(b, grad=False)])
        a, b = grid(INTEGERS, I64)
        case(op, EXACT, f, [Input(a), Input(b)])
        f = lambda x, s, function=function: function(x[0], s)
        for s in (0.0, 1.0, INF, NAN, 2.5):
            case(op + "_scalar", EXACT, f, [of(EDGES, F32, grad=False)], [s])
        case(op + "_scalar", EXACT, f, [make((3, 4), F64, "ties", "permuted", False)], [-1.0])
        case(op + "_scalar", EXACT, f, [of(INTEGERS, I64)], [3])
    f = lambda x: torch.where(*x)
    shapes = [((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), ((2, 1), (3,), (2, 3)), ((), (2, 2), (2,)),
              ((0,), (1,), ()), ((4, 1, 2), (3, 1), (1, 1, 2)), ((), (), ())]
    for dtype in (F32, F64, I64):
        for c, a, b in shapes:
            case("where", EXACT, f, [make(c, BOOL), make(a, dtype), make(b, dtype)])
        for c, a, b in zip(LAYOUTS, LAYOUTS[3:] + LAYOUTS, LAYOUTS[5:] + LAYOUTS):
            case("where", EXACT, f, [make((2, 3), BOOL, how=c), make((2, 3), dtype, how=a), make((2, 3), dtype, how=b)])
    case("where", EXACT, f, [make((2, 3), BOOL), make((2, 3), BOOL), make((3,), BOOL)])
    case("where", EXACT, f, [make((len(MILD),), BOOL), of(MILD, F32), of(MILD[::-1], F32)])


# ---- New tensors.

# Each vector of PyTorch's arange begins at its own start, so that the bits depend on the width of vectors. The library
# computes start + i step, and rounds it once to float32. Its linspace divides in the dtype, and counts from the nearer
# end.
ARANGE = Rule("structural", (1, 2, 4), size=lambda out, attrs: abs(attrs[1]) + torch.arange(out.numel()) * abs(attrs[3]))
LINSPACE = Rule("structural", (3, 4, 6), size=lambda out, attrs: torch.full(out.shape, abs(attrs[1]) + abs(attrs[2])))


def making_cases():
    for n, dtype in enumerate(DTYPES):
        for shape in ((2, 3), (), (0, 2), (1,)):
            for value in (0.0, 1.0, -3.0):
                case("full", MOVES, lambda x, n, v, *s: torch.full(s, v, dtype=DTYPES[n]), [], [n, value] + list(shape))
            case("zeros", MOVES, lambda x, n, *s: torch.zeros(s, dtype=DTYPES[n]), [], [n] + list(shape))
            case("ones", MOVES, lambda x, n, *s: torch.ones(s, dtype=DTYPES[n]), [], [n] + list(shape))
        for rows, columns in ((3, 3), (2, 4), (4, 2), (0, 3), (1, 1)):
            case("eye", MOVES, lambda x, n, r, c: torch.eye(r, c, dtype=DTYPES[n]), [], [n, rows, columns])
        for how in ("contiguous", "transposed"):
            case("zeros_like", MOVES, lambda x: torch.zeros_like(x[0]), [make((2, 3), dtype, how=how, grad=False)])
            case("ones_like", MOVES, lambda x: torch.ones_like(x[0]), [make((2, 3), dtype, how=how, grad=False)])
            case("full_like", MOVES, lambda x, v: torch.full_like(x[0], v), [make((2, 3), dtype, how=how, grad=False)], [1.0])
    for n in (0, 1):
        for value in (0.1, INF, NAN, -0.0):
            case("full", MOVES, lambda x, n, v, *s: torch.full(s, v, dtype=DTYPES[n]), [], [n, value, 3])
        for start, end, step in ((0.0, 5.0, 1.0), (0.0, 2.0, 0.1), (1.0, -1.0, -0.25), (0.0, 0.0, 1.0), (0.5, 30.0, 0.7), (-3.0, 3.0, 0.5), (0.0, 1.0, 3.0)):
            case("arange", ARANGE, lambda x, n, *a: torch.arange(*a, dtype=DTYPES[n]), [], [n, start, end, step])
        for start, end, steps in ((0.0, 1.0, 5), (0.0, 1.0, 11), (-1.0, 2.0, 30), (3.0, 3.0, 4), (2.0, -2.0, 7), (0.1, 0.9, 1), (0.0, 1.0, 0), (0.1, 0.7, 2), (-5.0, 5.0, 100)):
            case("linspace", LINSPACE, lambda x, n, a, b, k: torch.linspace(a, b, k, dtype=DTYPES[n]), [], [n, start, end, steps])
    for start, end, step in ((0, 5, 1), (3, -3, -2), (1, 10, 4), (2, 2, 1)):
        case("arange", MOVES, lambda x, n, *a: torch.arange(*(int(v) for v in a), dtype=I64), [], [2, float(start), float(end), float(step)])


# ---- Writes in place. The result of a write to a view is its whole base, so that a write beside the view shows. A case
# with a gradient, clone_NAME, writes to a clone of the input.

WRITES = {
    "add_": lambda t, s: t.add_(s),
    "sub_": lambda t, s: t.sub_(s),
    "mul_": lambda t, s: t.mul_(s),
    "copy_": lambda t, s: t.copy_(s),
    "fill_": lambda t, s: t.fill_(s),
    "zero_": lambda t: t.zero_(),
}
TESTS = {"isnan": torch.isnan, "isinf": torch.isinf, "isfinite": torch.isfinite, "logical_not": torch.logical_not}


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
    for op, f in TESTS.items():
        for dtype in DTYPES:
            t = of(EDGES, dtype) if dtype in (F32, F64) else of([0, 1, 1], dtype)
            t.grad = False
            case(op, WHOLE, lambda x, f=f: f(x[0]), [t])
        case(op, WHOLE, lambda x, f=f: f(x[0]), [make((2, 0), F32, grad=False)])


ANGLES = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e-45, 3.4e38, 0.5]


def pair_cases():
    for dtype in (F32, F64):
        for a, b in (((2, 3), (2, 3)), ((3, 1), (2,)), ((), (4,)), ((0,), (1,))):
            case("atan2", FUNCTION, lambda x: torch.atan2(*x), [make(a, dtype), make(b, dtype)], differentiate=True)
            case("remainder", WHOLE, lambda x: torch.remainder(*x), [make(a, dtype, grad=False), make(b, dtype, grad=False)])
        n = len(ANGLES)
        t = torch.tensor(ANGLES, dtype=dtype)
        a, b = t.reshape(n, 1).expand(n, n).flatten(), t.repeat(n)
        case("atan2", FUNCTION, lambda x: torch.atan2(*x), [Input(a, grad=False), Input(b, grad=False)])
        plain = lambda t: ((t.abs() > 1e-30) & (t.abs() < 1e30)) | (t == 0) | torch.isinf(t)
        fair = plain(a) & plain(b)  # PyTorch's vector code gives NaN for great quotients
        case("remainder", WHOLE, lambda x: torch.remainder(*x), [Input(a[fair], grad=False), Input(b[fair], grad=False)])
        case("remainder", FUNCTION, lambda x: torch.remainder(*x), [make((2, 3), dtype), make((3,), dtype, "positive")],
             differentiate=True)
        for s in (2.0, -0.75):
            case("remainder_scalar", WHOLE, lambda x, s: torch.remainder(x[0], s), [make((5,), dtype)], [s])
    case("remainder", WHOLE, lambda x: torch.remainder(*x), [of([7, -7, 7, -7, 2**62, 5], I64), of([3, 3, -3, -3, -1, 9], I64)])
    for divisors in ([3, 0], [-(2**63), 0]):
        case("remainder", WHOLE, lambda x: torch.remainder(*x), [of([7, 1], I64), of(divisors, I64)], fails=True)
    case("remainder_scalar", WHOLE, lambda x, s: torch.remainder(x[0], s), [of([7, -7], I64)], [3])
    case("atan2", FUNCTION, lambda x: torch.atan2(*x), [make((2,), F32), make((3,), F32)], fails=True)
    for op, f in (("logical_and", torch.logical_and), ("logical_or", torch.logical_or), ("logical_xor", torch.logical_xor)):
        for dtype in DTYPES:
            a, b = (of([0, 1, 0, 1], dtype, grad=False), of([[0, 0, 1, 1], [1, 0, 1, 0]], dtype, grad=False))
            case(op, WHOLE, lambda x, f=f: f(*x), [a, b])
        case(op, WHOLE, lambda x, f=f: f(*x), [of([NAN, 0.0, -0.0, INF], F32, grad=False)] * 2)


ACTIVATIONS = {
    "relu6": (F.relu6, [[]]), "leaky_relu": (F.leaky_relu, [[0.01], [0.3]]), "elu": (F.elu, [[1.0], [0.7]]), "selu": (F.selu, [[]]),
    "gelu": (lambda x, tanh: F.gelu(x, approximate="tanh" if tanh else "none"), [[0], [1]]), "silu": (F.silu, [[]]),
    "mish": (F.mish, [[]]), "logsigmoid": (F.logsigmoid, [[]]), "softplus": (F.softplus, [[1.0, 20.0], [2.0, 1.0]]),
    "softsign": (F.softsign, [[]]), "hardtanh": (F.hardtanh, [[-1.0, 1.0], [0.0, 0.5]]),
    "hardsigmoid": (lambda x: F.relu6(x + 3) / 6, [[]]),  # F.hardsigmoid has no second gradient
    "hardswish": (F.hardswish, [[]]),
    "clamp": (lambda x, a, b: torch.clamp(x, a, b), [[-0.5, 0.5], [-INF, 0.25], [0.0, INF], [1.0, -1.0], [-INF, INF]]),
}


def compare_cases():
    for op, function in COMPARE.items():
        f = lambda x, function=function: function(*x)
        for dtype in (F32, F64, I64, BOOL):
            for a, b in PAIRS[1:10:3]:
                case(op, EXACT, f, [make(a, dtype, "ties", grad=False), make(b, dtype, "ties", grad=False)])
            case(op, EXACT, f, [make((3, 4), dtype, "ties", "transposed", False),
                                make((3, 4), dtype, "ties", "sliced", False)])
        for dtype in (F32, F64):
            a, b = grid(EDGES if dtype == F32 else EDGES[:6], dtype)
            case(op, EXACT, f, [Input(a, grad=False), Input(b, grad=False)])
        a, b = grid(INTEGERS, I64)
        case(op, EXACT, f, [Input(a), Input(b)])
        f = lambda x, s, function=function: function(x[0], s)
        for s in (0.0, 1.0, INF, NAN, 2.5):
            case(op + "_scalar", EXACT, f, [of(EDGES, F32, grad=False)], [s])
        case(op + "_scalar", EXACT, f, [make((3, 4), F64, "ties", "permuted", False)], [-1.0])
        case(op + "_scalar", EXACT, f, [of(INTEGERS, I64)], [3])
    f = lambda x: torch.where(*x)
    shapes = [((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), ((2, 1), (3,), (2, 3)), ((), (2, 2), (2,)),
              ((0,), (1,), ()), ((4, 1, 2), (3, 1), (1, 1, 2)), ((), (), ())]
    for dtype in (F32, F64, I64):
        for c, a, b in shapes:
            case("where", EXACT, f, [make(c, BOOL), make(a, dtype), make(b, dtype)])
        for c, a, b in zip(LAYOUTS, LAYOUTS[3:] + LAYOUTS, LAYOUTS[5:] + LAYOUTS):
            case("where", EXACT, f, [make((2, 3), BOOL, how=c), make((2, 3), dtype, how=a), make((2, 3), dtype, how=b)])
    case("where", EXACT, f, [make((2, 3), BOOL), make((2, 3), BOOL), make((3,), BOOL)])
    case("where", EXACT, f, [make((len(MILD),), BOOL), of(MILD, F32), of(MILD[::-1], F32)])


def logical_cases():
    for op, f in TESTS.items():
        for dtype in DTYPES:
            t = of(EDGES, dtype) if dtype in (F32, F64) else of([0, 1, 1], dtype)
            t.grad = False
            case(op, EXACT, lambda x, f=f: f(x[0]), [t])
        case(op, EXACT, lambda x, f=f: f(x[0]), [make((2, 0), F32, grad=False)])
    for op, f in (("logical_and", torch.logical_and), ("logical_or", torch.logical_or), ("logical_xor", torch.logical_xor)):
        for dtype in DTYPES:
            a, b = (of([0, 1, 0, 1], dtype, grad=False), of([[0, 0, 1, 1], [1, 0, 1, 0]], dtype, grad=False))
            case(op, EXACT, lambda x, f=f: f(*x), [a, b])
        case(op, EXACT, lambda x, f=f: f(*x), [of([NAN, 0.0, -0.0, INF], F32, grad=False)] * 2)


write((1623, compare_cases), logical_cases)

#!/usr/bin/python3
"""Arithmetic, comparison, new tensors, and writes in place, by PyTorch: ops.py > ops_golden.txt"""

import itertools
import math

import torch
import torch.nn.functional as F

from common import *

# ---- Functions of two tensors.

EXACT = Rule("elementwise")
MOVES = Rule("structural")


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

PAIRS = [((), ()), ((2, 3), (2, 3)), ((3,), ()), ((), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)),
         ((2, 3, 1), (4,)), ((1,), (2, 2)), ((4, 1, 2), (3, 1)), ((2, 0), (1, 1)), ((0,), (1,)),
         ((1, 1, 2), (2, 1, 1)), ((2, 1, 2, 1), (1, 3, 1, 2))]


def grid(numbers, dtype):
    """Returns two vectors that pair every number with every number."""
    n = len(numbers)
    t = torch.tensor(numbers, dtype=dtype)
    return t.reshape(n, 1).expand(n, n).clone().flatten(), t.expand(n, n).clone().flatten()


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


# ---- A tensor and a number.

SCALAR = {
    "add_scalar": (lambda x, s: x[0] + s, EXACT),
    "sub_scalar": (lambda x, s: x[0] - s, EXACT),
    "mul_scalar": (lambda x, s: x[0] * s, EXACT),
    "div_scalar": (lambda x, s: x[0] / s, EXACT),
}


def scalar_cases():
    for op, (f, rule) in SCALAR.items():
        for dtype in (F32, F64):
            for s, how in zip((0.1, -2.5, 3.0, 1e-3), LAYOUTS[1::2]):
                case(op, rule, f, [make((2, 3), dtype, "normal", how)], [s])
        for s in (0.0, -0.0, INF, NAN, 2.0):
            case(op, rule, f, [of(EDGES, F32)], [s])
        case(op, rule, f, [make((), F32)], [0.3])
        case(op, rule, f, [make((0, 2), F32)], [0.3])
        if op != "div_scalar":
            for s in (3, -1):
                case(op, rule, f, [of(INTEGERS, I64)], [s])
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


# ---- Comparison and choice.

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


def in_place_cases():
    for op, write in WRITES.items():
        others = 1 if op not in ("fill_", "zero_") else 0

        def on_base(x, *attrs, write=write, others=others):
            with torch.no_grad():
                write(x[0], *x[1:1 + others], *attrs)
            return x[0]._base.detach() if x[0]._base is not None else x[0].detach()

        on_clone = lambda x, *attrs, write=write, others=others: write(x[0].clone(), *x[1:1 + others], *attrs)
        attrs = [2.0] if op == "fill_" else []
        for dtype in DTYPES if others == 0 or op == "copy_" else (F32, F64, I64):
            for how in LAYOUTS:
                if how == "expanded":
                    continue
                for shape in ((2, 3), (3,)) if how != "mixed" else ((2, 3),):
                    more = [make(shape, dtype, "normal", LAYOUTS[(LAYOUTS.index(how) + 2) % 9], False)] * others
                    case(op, MOVES, on_base, [make((2, 3), dtype, "normal", how, False)] + more, attrs)
        for shape, other in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((2, 2), (2, 1)), ((), ()), ((0,), (1,))):
            for dtype in (F32, F64):
                more = [make(other, dtype)] * others
                case("clone_" + op, EXACT if others else MOVES, on_clone, [make(shape, dtype, "normal", "sliced")] + more, attrs)
        if others:
            case(op, MOVES, on_base, [make((3, 3), F32, grad=False), Input(0)])
            case(op, MOVES, on_base, [make((3,), F32, grad=False), make((2, 3), F32, grad=False)], fails=True)


# ---- A number minus a tensor, and writes in place with a number.

NUMBER_WRITES = {
    "add_scalar_": lambda t, s: t.add_(s),
    "sub_scalar_": lambda t, s: t.sub_(s),
    "mul_scalar_": lambda t, s: t.mul_(s),
    "div_scalar_": lambda t, s: t.div_(s),
}


def number_cases():
    rsub = lambda x, s: torch.rsub(x[0], s)
    writes = {op: lambda x, s, write=write: write(x[0].clone(), s) for op, write in NUMBER_WRITES.items()}
    for op, f in {"rsub_scalar": rsub, **writes}.items():
        for dtype in (F32, F64):
            for s, how in zip((0.1, -2.5, 3.0, 1e-3), LAYOUTS[1::2]):
                case(op, EXACT, f, [make((2, 3), dtype, "normal", how)], [s])
        for s in (0.0, -0.0, INF, NAN, 2.0):
            case(op, EXACT, f, [of(EDGES, F32)], [s])
        case(op, EXACT, f, [make((), F32)], [0.3])
        case(op, EXACT, f, [make((0, 2), F32)], [0.3])
        if op != "div_scalar_":
            for s in (3, -1):
                case(op, EXACT, f, [of(INTEGERS, I64)], [s])
    div = lambda x: x[0].clone().div_(x[1])
    for shape, other in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((2, 2), (2, 1)), ((), ()), ((0,), (1,))):
        for dtype in (F32, F64):
            case("clone_div_", BINARY["div"][1], div, [make(shape, dtype, "normal", "sliced"), make(other, dtype, "positive")])


write(binary_cases, scalar_cases, (1623, compare_cases), (6121, making_cases), in_place_cases, (7479, number_cases))

#!/usr/bin/python3
"""Reductions, running sums and products, softmax, and sorting, by PyTorch: reductions.py > reductions_golden.txt"""

import math

import torch

from common import *

WHOLE = Rule("elementwise")
# Sums of a dozen terms, which may be values of functions, in the library and in PyTorch.
SUMS = Rule("composed", (24, 32, 32))
ROWS = Rule("composed", (24, 32, 32), absolute=True)  # softmax subtracts the maximum from the inputs

SHAPES = [((2, 3), [0]), ((2, 3), [-1]), ((2, 3, 2), [0, 2]), ((4,), [0]), ((3, 1), [1]), ((2, 3), [1, 0]), ((), [])]


def over_dims(op, f, kinds=("normal",), dtypes=(F32, F64), attrs=(), rule=SUMS, smooth=True):
    """Adds cases of f(x, dims, keepdim, *attrs), a reduction over several dimensions."""
    for dtype in dtypes:
        for kind in kinds:
            for shape, dims in SHAPES:
                for keep in (0, 1):
                    g = lambda x, *a: f(x[0], tuple(int(d) for d in a[1 + len(attrs):]), bool(a[0]), *a[1:1 + len(attrs)])
                    lone = op in ("var", "std") and attrs[0] == math.prod(shape[d] for d in dims or range(len(shape)))
                    case(op, rule, g, [make(shape, dtype, kind, grad=not lone)], [keep, *attrs, *dims], differentiate=smooth)
            for how in LAYOUTS[1::2]:
                case(op, rule, g, [make((3, 4), dtype, kind, how)], [0, *attrs, 1], differentiate=smooth)


def over_dim(op, f, kinds=("normal",), dtypes=(F32, F64), rule=SUMS, keeps=True):
    """Adds cases of f(x, dim, keepdim) or, without keeps, f(x, dim)."""
    for dtype in dtypes:
        for kind in kinds:
            for shape, dim in (((2, 3), 0), ((2, 3), -1), ((2, 3, 2), 1), ((4,), 0), ((3, 1), 1), ((), 0), ((1, 5), 1)):
                for keep in ((0, 1) if keeps else (None,)):
                    g = (lambda x, d, k: f(x[0], d, bool(k))) if keeps else (lambda x, d: f(x[0], d))
                    case(op, rule, g, [make(shape, dtype, kind)], [dim] + [keep] * keeps, differentiate=True)
            for how in LAYOUTS[1::2]:
                case(op, rule, g, [make((3, 4), dtype, kind, how)], [1] + [0] * keeps, differentiate=True)


def zeros_in(t, *places):
    """Returns a copy of t with zeros at these indices."""
    t = t.clone()
    for p in places:
        t[p] = 0
    return t


def product_cases():
    over_dim("prod_dim", torch.prod)
    over_dim("cumsum", torch.cumsum, keeps=False)
    over_dim("cumprod", torch.cumprod, keeps=False)
    for dtype in (F32, F64):
        for places in ([(0, 1)], [(0, 1), (0, 2)], [(1, 0), (0, 2), (1, 2)]):
            t = zeros_in(values((2, 4), dtype), *places)
            for dim in (0, 1):
                case("prod_dim", SUMS, lambda x, d, k: torch.prod(x[0], d, bool(k)), [Input(t)], [dim, 0], differentiate=True)
                case("cumprod", SUMS, lambda x, d: torch.cumprod(x[0], d), [Input(t)], [dim], differentiate=True)
            case("prod", SUMS, lambda x: torch.prod(x[0]), [Input(t)], differentiate=True)
        case("prod", SUMS, lambda x: torch.prod(x[0]), [make((2, 3), dtype, "normal", "transposed")], differentiate=True)
        case("prod", SUMS, lambda x: torch.prod(x[0]), [make((0,), dtype, grad=False)])
        case("prod_dim", SUMS, lambda x, d, k: torch.prod(x[0], d, bool(k)), [make((2, 0), dtype, grad=False)], [1, 0])
        case("cumsum", SUMS, lambda x, d: torch.cumsum(x[0], d), [make((2, 0), dtype)], [1])
        case("cumprod", SUMS, lambda x, d: torch.cumprod(x[0], d), [make((0, 2), dtype)], [0])
        for edge in ([INF, 2.0, 3.0], [NAN, 2.0], [0.0, INF, 1.0], [-0.0, 1.0, -1.0], [2.0, -0.0]):
            case("cumprod", SUMS, lambda x, d: torch.cumprod(x[0], d), [of(edge, dtype, grad=False)], [0])
            case("prod", SUMS, lambda x: torch.prod(x[0]), [of(edge, dtype, grad=False)])
        case("cumsum", SUMS, lambda x, d: torch.cumsum(x[0], d), [of([1.0, INF, 2.0, -INF, 1.0], dtype, grad=False)], [0])
    for dtype in (I64, BOOL):
        case("prod", WHOLE, lambda x: torch.prod(x[0]), [make((2, 3), dtype)])
        case("prod_dim", WHOLE, lambda x, d, k: torch.prod(x[0], d, bool(k)), [make((2, 3), dtype)], [1, 1])
        case("cumsum", WHOLE, lambda x, d: torch.cumsum(x[0], d), [make((2, 3), dtype)], [-1])
        case("cumprod", WHOLE, lambda x, d: torch.cumprod(x[0], d), [make((3, 2), dtype)], [0])
    case("cumsum", SUMS, lambda x, d: torch.cumsum(x[0], d), [make((2, 3), F32)], [2], fails=True)


def extreme_cases():
    for op, f in (("amax", torch.amax), ("amin", torch.amin)):
        over_dims(op, f, ("normal", "ties"))
        for dtype in (I64, BOOL):
            case(op, WHOLE, lambda x, k, *d, f=f: f(x[0], d, bool(k)), [make((2, 3), dtype)], [0, 0, 1])
        case(op, WHOLE, lambda x, k, *d, f=f: f(x[0], d, bool(k)), [of([[1.0, NAN, 2.0], [INF, 0.0, -INF]], F32, grad=False)], [0, 1])
        case(op, WHOLE, lambda x, k, *d, f=f: f(x[0], d, bool(k)), [make((2, 0), F32)], [0, 1], fails=True)
    for op, f in (("max", torch.max), ("min", torch.min)):
        over_dim(op + "_values", lambda x, d, k, f=f: f(x, d, k)[0])
        for dtype in DTYPES:
            for part in (0, 1):
                case(op + ("_values", "_places")[part], WHOLE, lambda x, d, k, f=f, part=part: f(x[0], d, bool(k))[part],
                     [make((3, 4), dtype, "normal" if dtype in (I64, BOOL) else "ties", grad=False)], [1, 0])


def statistics_cases():
    for correction in (0, 1):
        over_dims("var", lambda x, d, k, c: torch.var(x, d or None, correction=int(c), keepdim=k), attrs=[correction])
        over_dims("std", lambda x, d, k, c: torch.std(x, d or None, correction=int(c), keepdim=k), attrs=[correction])
    for p in (2.0, 1.0, INF, -INF, 0.0, 3.0, 1.5, -1.0, 0.5):
        over_dims("norm", lambda x, d, k, p: torch.norm(x, p, d or None, k), attrs=[p], smooth=p != 0)
    for p in (2.0, 1.0, INF):
        case("norm", SUMS, lambda x, k, p, *d: torch.norm(x[0], p, d, bool(k)), [of([[0.0, 0.0], [0.0, 1.0]], F64)], [0, p, 1])
    over_dims("logsumexp", lambda x, d, k: torch.logsumexp(x, d or tuple(range(x.ndim)), k))
    for dtype in (F32, F64):
        case("logsumexp", SUMS, lambda x, k, *d: torch.logsumexp(x[0], d, bool(k)),
             [of([[INF, 1.0], [-INF, -INF], [NAN, 0.0], [1000.0, 1000.0], [-1000.0, -INF]], dtype, grad=False)], [0, 1])
        case("logsumexp", SUMS, lambda x, k, *d: torch.logsumexp(x[0], d, bool(k)), [of([100.0, INF, 1.0], dtype, grad=False)], [0, 0])
        case("norm", SUMS, lambda x, k, p, *d: torch.norm(x[0], p, d, bool(k)), [of([NAN, 0.0, 1.0], dtype, grad=False)], [0, 0.0, 0])
        for op, f in (("var", torch.var), ("std", torch.std)):
            g = lambda x, k, c, *d, f=f: f(x[0], d or None, correction=int(c), keepdim=bool(k))
            if dtype == F32:  # in float64, PyTorch's own result has lost digits
                near = Input((1e5 + values((200, 2), F64) / 10).to(F32), grad=False)
                case(op, SUMS, g, [near], [0, 1, 0])
            if op == "std" or dtype == F64:
                for scale in (1e20, 1e-25):
                    case(op, SUMS, g, [of([scale, 2 * scale, 3 * scale], dtype)], [0, 1])
            case(op, SUMS, lambda x, k, c, *d, f=f: f(x[0], None, correction=int(c), keepdim=bool(k)), [make((1,), dtype, grad=False)], [0, 1])
            case(op, SUMS, lambda x, k, c, *d, f=f: f(x[0], None, correction=int(c), keepdim=bool(k)), [of([2.0, 2.0, 2.0], dtype)], [0, 1])
    for dtype in DTYPES:
        t = of([[0, 1], [0, 0], [1, 1]], dtype, grad=False)
        for op, f in (("any", torch.any), ("all", torch.all)):
            case(op, WHOLE, lambda x, f=f: f(x[0]), [t])
            for k in (0, 1):
                case(op + "_dim", WHOLE, lambda x, d, k, f=f: f(x[0], int(d), bool(k)), [t], [1, k])
            case(op, WHOLE, lambda x, f=f: f(x[0]), [make((0,), dtype, grad=False)])


def row_cases():
    for op, f in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        over_dim(op, f, rule=ROWS, keeps=False)
        for dtype in (F32, F64):
            wide = make((3, 5), dtype)
            wide.base = wide.base * 50
            case(op, ROWS, lambda x, d, f=f: f(x[0], d), [wide], [1])
            case(op, ROWS, lambda x, d, f=f: f(x[0], d), [of([[1.0, -INF, 2.0], [0.0, 0.0, 0.0]], dtype, grad=False)], [1])
            case(op, ROWS, lambda x, d, f=f: f(x[0], d), [of([[1.0, INF], [NAN, 0.0], [-INF, -INF]], dtype, grad=False)], [1])
            case(op, ROWS, lambda x, d, f=f: f(x[0], d), [make((0, 3), dtype)], [1])
            case(op, ROWS, lambda x, d, f=f: f(x[0], d), [make((2, 0), dtype)], [1])


def order_cases():
    for part, name in enumerate(("values", "places")):
        for dtype in DTYPES:
            for down in (0, 1):
                for stable in (0, 1):
                    f = lambda x, d, down, stable, part=part: torch.sort(x[0], dim=int(d), descending=bool(down), stable=bool(stable))[part]
                    for n in (5, 40):
                        t = make((2, n), dtype, "ties" if dtype in (F32, F64) else "normal", grad=False)
                        case("sort_" + name, WHOLE, f, [t], [1, down, stable])
        for dtype in (F32, F64):
            case("sort_" + name, WHOLE, f, [of([NAN, 1.0, INF, -0.0, 0.0, -INF, NAN, 2.0], dtype, grad=False)], [0, 1, 1])
            case("sort_" + name, WHOLE, f, [make((3, 4), dtype, "normal", "transposed", grad=part == 0)], [0, 1, 0], differentiate=True)
            for largest in (0, 1):
                f2 = lambda x, k, d, largest, sort, part=part: torch.topk(x[0], int(k), int(d), bool(largest), bool(sort))[part]
                for k, d in ((0, 1), (1, 1), (3, -1), (2, 0), (4, 1)):
                    case("topk_" + name, WHOLE, f2, [make((2, 4), dtype, "normal", grad=part == 0)], [k, d, largest, 1], differentiate=True)
                for n, k in ((40, 7), (40, 39), (200, 3), (500, 5)):
                    t = make((n,), dtype, "ties", grad=False)
                    case("topk_" + name, WHOLE, f2, [t], [k, 0, largest, 1])
                    case("topk_" + name, WHOLE, f2, [t], [k, 0, largest, 0])
                case("topk_" + name, WHOLE, f2, [of([NAN, 1.0, INF, -1.0], dtype, grad=False)], [2, 0, largest, 1])
        case("topk_" + name, WHOLE, f2, [make((2, 4), F32)], [5, 1, 1, 1], fails=True)


# ---- Sums, means and extremes of all elements or over dimensions.

LINEAR = Rule("linear")
MEAN = Rule("structural", lambda out, attrs, inputs: (summed(out, inputs),) * 3, absolute=True)
DIM_CASES = [((2, 3), (0,)), ((2, 3), (1,)), ((2, 3), (-1,)), ((2, 3), (0, 1)), ((2, 3, 4), (1,)), ((2, 3, 4), (0, 2)),
             ((2, 3, 4), (-1, -3)), ((3, 1, 2), (1,)), ((2, 1, 2, 2), (1, 3)), ((5,), (0,)), ((), ()), ((2, 3), ()),
             ((), (0,)), ((2, 0), (0,)), ((0, 3), (1,))]


def summed(out, inputs):
    """Returns the number of terms in each element of a mean, which is that of its roundings: one less for the
    additions, and one for the division."""
    return max(look(inputs[0].base, inputs[0].steps).numel() // max(out.numel(), 1), 1)


def total(x, keep, *dims):
    """Returns the sum over dims, or over all dimensions if there are none."""
    return x[0].sum(dims, keepdim=bool(keep)) if dims else x[0].sum() if not keep else \
        x[0].sum(tuple(range(x[0].ndim)), keepdim=True)


def mean_of(x, keep, *dims):
    """Returns the mean over dims, or over all dimensions if there are none."""
    return x[0].mean(dims, keepdim=bool(keep)) if dims else x[0].mean() if not keep else \
        x[0].mean(tuple(range(x[0].ndim)), keepdim=True)


def sum_cases():
    for op, f in (("sum", total), ("mean", mean_of)):
        rule = LINEAR if op == "sum" else MEAN
        whole = lambda x, f=f: f(x, False)
        for dtype in (F32, F64, I64, BOOL) if op == "sum" else (F32, F64):
            for n, (shape, dims) in enumerate(DIM_CASES):
                for keep in (False, True):
                    how = LAYOUTS[(n + keep) % 6] if dtype != F64 else "contiguous"
                    case(op + "_dims", rule, f, [make(shape, dtype, "normal", how)], [keep] + list(dims))
            for shape in ((), (0,), (1,), (7,), (2, 3), (2, 2, 2, 2), (40,)):
                case(op, rule, whole, [make(shape, dtype, "normal", "permuted")])
            for how in LAYOUTS:
                case(op, rule, whole, [make((2, 3), dtype, "dyadic", how)], exact=True)
                if dtype == F32:
                    case(op + "_dims", rule, f, [make((3, 2, 2), dtype, "dyadic", how)], [False, 0, 2], exact=op == "sum")
        for shape, dims in (((0, 3), (0,)), ((2, 0, 2), (1,)), ((2, 0), (0, 1))):
            case(op + "_dims", rule, f, [make(shape, F32)], [False] + list(dims))
        for edge in ([INF, 1.0], [INF, -INF], [NAN, 1.0], [-0.0, -0.0], [-0.0]):
            case(op, rule, whole, [of(edge, F32)])
            case(op + "_dims", rule, f, [of(edge, F32, (1, len(edge)))], [False, 0])
        case(op, rule, whole, [make((530,), F32, "ties", grad=False)])
        case(op + "_dims", rule, f, [make((70, 3), F32, "ties", grad=False)], [False, 0])
        case(op + "_dims", rule, f, [make((2, 3), F32)], [False, 2], fails=True)
        case(op + "_dims", rule, f, [make((2, 3), F32)], [False, 0, 0], fails=True)
    case("sum", LINEAR, lambda x: x[0].sum(), [of([2**63 - 1, 1, 5], I64)])


EXTREMES = {
    "max": torch.max, "min": torch.min, "argmax": torch.argmax, "argmin": torch.argmin,
}


def max_cases():
    for op, function in EXTREMES.items():
        whole = lambda x, function=function: function(x[0])
        named = function if op.startswith("arg") else lambda x, d, k, function=function: function(x, d, k).values
        along = lambda x, d, keep, named=named: named(x[0], d, bool(keep))
        grad = None if not op.startswith("arg") else False
        rule = Rule("structural")
        for dtype in (F32, F64, I64, BOOL):
            if dtype == BOOL and op.startswith("arg"):
                continue  # PyTorch has no argmax of bool
            for how in LAYOUTS if dtype in (F32, I64) else LAYOUTS[:2]:
                case(op, rule, whole, [make((2, 3), dtype, "normal", how, grad)])
                case(op + "_dim", rule, along, [make((2, 3, 2), dtype, "normal", how, grad)], [1, how < "d"])
            for shape in ((), (1,), (17,)):
                case(op, rule, whole, [make(shape, dtype, "normal", grad=grad)])
            for d, keep in ((0, False), (1, True), (-1, False), (-3, True)):
                case(op + "_dim", rule, along, [make((2, 3, 4), dtype, "normal", grad=grad)], [d, keep])
            for d in (0, 1):
                if dtype == BOOL:
                    continue
                case(op + "_dim", rule, along, [make((3, 4), dtype, "ties", grad=grad)], [d, False])
                case(op + "_dim", rule, along, [make((70, 2), dtype, "ties", grad=False)], [d, False])
            case(op, rule, whole, [make((4, 5), dtype, "ties", grad=grad)])
            case(op, rule, whole, [make((4, 3), dtype, "ties", "transposed", grad=grad)])
        for edge in ([1.0, NAN, 3.0, NAN], [INF, -INF, INF], [0.0, -0.0], [-0.0, 0.0], [NAN], [1.0, 1.0, 1.0], [-INF, -INF]):
            for dtype in (F32, F64):
                zeros = 0.0 in edge and not op.startswith("arg")  # the sign of a zero that is the extreme is left open
                case(op, Rule("structural", (0, 0, 0)) if zeros else rule, whole, [of(edge, dtype, grad=grad)], exact=zeros)
                case(op + "_dim", rule, along, [of(edge, dtype, grad=grad)], [0, True])
        case(op + "_dim", rule, along, [make((), F32, grad=grad)], [0, False])
        case(op + "_dim", rule, along, [make((), F32, grad=grad)], [-1, True])
        case(op + "_dim", rule, along, [make((0, 3), F32, grad=False)], [1, False])
        case(op, rule, whole, [make((0,), F32)], fails=True)
        case(op + "_dim", rule, along, [make((2, 0), F32)], [1, False], fails=True)
        case(op + "_dim", rule, along, [make((2, 3), F32)], [2, False], fails=True)


# ---- Order.

MOVES = Rule("structural")


def median_of_three_killer(n):
    """Returns Musser's permutation, halved so that it has ties. On it, a quicksort with the median of three splits off
    two elements at a time, and introsort changes to heapsort."""
    half = n // 2
    values = [0] * n
    for i in range(1, half + 1):
        if i % 2:
            values[i - 1:i + 1] = [i, half + i]
        values[half + i - 1] = 2 * i
    return [float(v // 2) for v in values]


def sort_cases():
    sort = lambda x, d: x[0].sort(d).values
    argsort = lambda x, d: x[0].argsort(d)
    for op, f, grad in (("sort", sort, None), ("argsort", argsort, False)):
        for dtype in DTYPES:
            for how in LAYOUTS if dtype == F32 else LAYOUTS[:2]:
                case(op, MOVES, f, [make((3, 4), dtype, "ties", how, grad)], [1])
                case(op, MOVES, f, [make((3, 4), dtype, "normal", how, grad)], [0])
            for shape, d in (((), 0), ((), -1), ((1,), 0), ((0,), 0), ((2, 0), 1), ((0, 2), 1), ((2, 3, 2), 1), ((2, 3, 2), -3)):
                case(op, MOVES, f, [make(shape, dtype, "normal", grad=grad)], [d])
            for n in (16, 17, 33):
                case(op, MOVES, f, [make((n,), dtype, "ties", grad=False)], [0])
        for n in (18, 40, 64, 100):
            case(op, MOVES, f, [make((n,), F32, "ties", grad=grad if n < 60 else False)], [0])
            case(op, MOVES, f, [make((n,), F32, "normal", grad=False)], [0])
            case(op, MOVES, f, [make((n // 2, 2), I64, "ties")], [0])
        case(op, MOVES, f, [make((200,), BOOL)], [0])
        case(op, MOVES, f, [of(median_of_three_killer(200), F32, grad=False)], [0])
        for edge in (EDGES, EDGES[::-1], [NAN, 1.0, NAN, 0.0], [0.0, -0.0, 0.0, -0.0], [INF, NAN, -INF], (EDGES * 2)[3:]):
            case(op, MOVES, f, [of(edge, F32, grad=grad)], [0])
            case(op, MOVES, f, [of(edge, F64, grad=False)], [0])
        case(op, MOVES, f, [of(INTEGERS * 3, I64)], [0])
        case(op, MOVES, f, [make((3, 2), F32)], [2], fails=True)
    # Long enough for a partition that goes block by block.
    places = lambda x, k, d, largest, sort: torch.topk(x[0], int(k), int(d), bool(largest), bool(sort))[1]
    for dtype in (F32, I64):
        case("argsort", MOVES, argsort, [make((700,), dtype, "ties", grad=False)], [0])
        for k, largest, order in ((60, 0, 1), (60, 1, 0), (10, 1, 1)):
            case("topk_places", MOVES, places, [make((700,), dtype, "ties", grad=False)], [k, 0, largest, order])


write(product_cases, extreme_cases, statistics_cases, row_cases, order_cases, (2002, sum_cases), max_cases,
      (4264, sort_cases))

#!/usr/bin/python3
"""Golden data for reductions, scans, rows and order: reductions.py > reductions_golden.txt"""

import math

import torch

from common import *

WHOLE = Rule("elementwise")
# Sums of a dozen terms on both sides; a few more where they are sums of functions.
SUMS = Rule("composed", (24, 32, 32))
ROWS = Rule("composed", (24, 32, 32), absolute=True)  # differences of numbers of the size of the inputs

SHAPES = [((2, 3), [0]), ((2, 3), [-1]), ((2, 3, 2), [0, 2]), ((4,), [0]), ((3, 1), [1]), ((2, 3), [1, 0]), ((), [])]


def over_dims(op, f, kinds=("normal",), dtypes=(F32, F64), attrs=(), rule=SUMS, smooth=True):
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
    for dtype in dtypes:
        for kind in kinds:
            for shape, dim in (((2, 3), 0), ((2, 3), -1), ((2, 3, 2), 1), ((4,), 0), ((3, 1), 1), ((), 0), ((1, 5), 1)):
                for keep in ((0, 1) if keeps else (None,)):
                    g = (lambda x, d, k: f(x[0], d, bool(k))) if keeps else (lambda x, d: f(x[0], d))
                    case(op, rule, g, [make(shape, dtype, kind)], [dim] + [keep] * keeps, differentiate=True)
            for how in LAYOUTS[1::2]:
                case(op, rule, g, [make((3, 4), dtype, kind, how)], [1] + [0] * keeps, differentiate=True)


def zeros_in(t, *places):
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
            if dtype == F32:  # in float64 PyTorch itself has lost digits here
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


write(product_cases, extreme_cases, statistics_cases, row_cases, order_cases)

#!/usr/bin/python3
"""Pooling by PyTorch: pool.py > pool_golden.txt

The numbers of a case are the kernel, stride (0 means that of the kernel), padding and dilation, each for both dimensions;
ceil_mode; count_include_pad; and divisor_override (0 means none).
"""

from common import *

MOVED = Rule("structural")
MEANS = Rule("composed", (10, 20, 20))  # a sum of at most nine terms, and a quotient


def pool(kind):
    """Returns the function of "max" or "avg" pooling."""
    def run(x, *numbers):
        n = [int(v) for v in numbers]
        stride = [s or k for s, k in zip(n[2:4], n[:2])]
        if kind == "max":
            return F.max_pool2d(x[0], n[:2], stride, n[4:6], n[6:8], bool(n[8]))
        return F.avg_pool2d(x[0], n[:2], stride, n[4:6], bool(n[8]), bool(n[9]), n[10] or None)
    return run


def pool_cases():
    sets = [((2, 2, 4, 6), (2, 2, 0, 0, 0, 0, 1, 1)), ((3, 5, 5), (3, 2, 2, 1, 1, 1, 1, 1)), ((1, 2, 6, 5), (3, 3, 1, 2, 1, 0, 1, 2)),
            ((2, 1, 7, 4), (2, 3, 3, 2, 0, 1, 1, 1)), ((1, 1, 3, 3), (1, 1, 0, 0, 0, 0, 1, 1)), ((1, 5, 7), (2, 2, 2, 2, 1, 1, 2, 2))]
    for dtype in (F32, F64):
        for shape, numbers in sets:
            for ceil in (0, 1):
                for how in ("contiguous", "transposed"):
                    for kind in ("normal", "ties")[ceil:ceil + 1]:
                        case("max_pool2d", MOVED, pool("max"), [make(shape, dtype, kind, how)], [*numbers, ceil, 1, 0],
                             differentiate=not ceil)
                for include in (0, 1):
                    for own in (0, 3)[:2 - include]:
                        case("avg_pool2d", MEANS, pool("avg"), [make(shape, dtype)], [*numbers[:6], 1, 1, ceil, include, own], differentiate=True)
        edges = [of([[[NAN, 1.0, INF, 2.0], [3.0, -INF, NAN, NAN], [-INF, -INF, 0.0, -0.0], [-INF, -INF, -0.0, 0.0]]], dtype)]
        case("max_pool2d", MOVED, pool("max"), edges, [2, 2, 0, 0, 0, 0, 1, 1, 0, 1, 0])
        for numbers in ((4, 2, 0, 0, 0, 0, 1, 1), (2, 2, 0, 0, 2, 0, 1, 1), (0, 2, 0, 0, 0, 0, 1, 1)):
            for name in ("max", "avg"):
                case(name + "_pool2d", MOVED, pool(name), [make((1, 3, 3), dtype)], [*numbers, 0, 1, 0], fails=True)


write((486, pool_cases))

#!/usr/bin/python3
"""Convolution and pooling by PyTorch: conv.py > conv_golden.txt

The numbers of a convolution are 1 if it has a bias, else 0; groups; and the stride, padding and dilation, each for
every dimension. Those of a pooling are the kernel, stride (0 means that of the kernel), padding and dilation, each for
both dimensions; ceil_mode; count_include_pad; and divisor_override (0 means none). Those of conv_drawn are a seed, and
then in_channels, out_channels, groups, 1 for a bias, and the kernel of a layer.
"""

import torch.nn as nn

from common import *

SUMS = Rule("linear", (0, 0, 0), {"all": (0, 0, 0)})
MOVED = Rule("structural")
MEANS = Rule("composed", (10, 20, 20))  # a sum of at most nine terms, and a quotient
EXACT = Rule("elementwise")


def convolve(x, bias, groups, *numbers):
    n = [int(v) for v in numbers]
    d = len(n) // 3
    f = F.conv1d if d == 1 else F.conv2d
    return f(x[0], x[1], x[2] if bias else None, n[:d], n[d:2 * d], n[2 * d:], int(groups))


def conv_cases():
    one = [((2, 3, 7), (4, 3, 3), 1, (1, 0, 1)), ((2, 4, 8), (4, 2, 2), 2, (2, 1, 2)), ((3, 5), (2, 3, 5), 1, (1, 3, 1)),
           ((1, 2, 6), (2, 1, 1), 2, (3, 0, 1)), ((2, 1, 4), (1, 1, 4), 1, (1, 0, 1))]
    two = [((2, 2, 4, 5), (3, 2, 2, 3), 1, (1, 1, 0, 0, 1, 1)), ((1, 2, 5, 4), (2, 2, 3, 2), 1, (2, 1, 1, 2, 1, 2)),
           ((2, 4, 4, 4), (4, 2, 2, 2), 2, (1, 2, 0, 1, 2, 1)), ((2, 4, 3), (1, 2, 1, 1), 1, (1, 1, 0, 0, 1, 1)),
           ((1, 3, 3, 3), (3, 1, 3, 3), 3, (1, 1, 1, 1, 1, 1)), ((5, 1, 3, 3), (2, 1, 3, 3), 1, (1, 1, 0, 0, 1, 1))]
    for dtype in (F32, F64):
        for name, sets in (("conv1d", one), ("conv2d", two)):
            for shape, weight, groups, numbers in sets:
                for bias in (0, 1):
                    own = [make((weight[0],), dtype, "dyadic")] * bias
                    small = [make((1,) + shape[1:] if len(shape) == len(weight) else shape, dtype, "dyadic"), make(weight, dtype, "dyadic")]
                    case(name, SUMS, convolve, small + own, [bias, groups, *numbers], exact=True,
                         differentiate=not bias and sum(i.base.numel() for i in small) < 40)
                    for how in ("contiguous", "transposed", "sliced")[bias::2]:
                        case(name, SUMS, convolve, [make(shape, dtype, "normal", how), make(weight, dtype)] + [make((weight[0],), dtype)] * bias,
                             [bias, groups, *numbers])
        tiny = [((1, 1, 3, 3), (1, 1, 2, 2), (1, 1, 0, 0, 1, 1)), ((2, 2, 3), (2, 2, 2, 1), (2, 1, 1, 0, 1, 1))]
        for shape, weight, numbers in tiny:
            case("conv2d", SUMS, convolve, [make(shape, dtype), make(weight, dtype)], [0, 1, *numbers], differentiate=True)
        case("conv1d", SUMS, convolve, [make((2, 2, 4), dtype), make((2, 1, 2), dtype)], [0, 2, 2, 1, 1], differentiate=True)
        case("conv2d", SUMS, convolve, [make((0, 2, 4, 5), dtype, grad=False), make((3, 2, 2, 3), dtype, grad=False)], [0, 1, 1, 1, 0, 0, 1, 1])
        for shape, weight, groups, numbers in (((1, 2, 3, 3), (1, 2, 4, 1), 1, (1, 1, 0, 0, 1, 1)), ((1, 2, 3, 3), (1, 3, 1, 1), 1, (1, 1, 0, 0, 1, 1)),
                                               ((1, 3, 3, 3), (2, 1, 1, 1), 2, (1, 1, 0, 0, 1, 1)), ((1, 2, 3, 3), (2, 2, 1, 1), 1, (0, 1, 0, 0, 1, 1)),
                                               ((1, 2, 3, 3), (2, 2, 1, 1), 1, (1, 1, -1, 0, 1, 1)), ((1, 2, 3, 3), (2, 2, 2, 2), 1, (1, 1, 0, 0, 1, 3))):
            case("conv2d", SUMS, convolve, [make(shape, dtype), make(weight, dtype)], [0, groups, *numbers], fails=True)


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


def drawn_cases():
    """Layers that are made after a seed: the bits of their parameters, and the next two numbers of the generator, which
    show how many the layer has drawn."""
    def drawn(x, seed, i, o, groups, bias, *kernel):
        torch.manual_seed(int(seed))
        kind = nn.Conv1d if len(kernel) == 1 else nn.Conv2d
        layer = kind(int(i), int(o), [int(k) for k in kernel], groups=int(groups), bias=bool(bias))
        return torch.cat([p.detach().flatten() for p in layer.parameters()] + [torch.rand(2)])

    for kernel in ((3,), (1,), (3, 2), (5, 5)):
        for groups in (1, 2):
            for bias in (0, 1):
                case("conv_drawn", EXACT, drawn, [], [7, 2, 4, groups, bias, *kernel])


write(conv_cases, pool_cases, drawn_cases)

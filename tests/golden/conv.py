#!/usr/bin/python3
"""Convolution by PyTorch: conv.py > conv_golden.txt

The numbers of a convolution are 1 if it has a bias, else 0; groups; and the stride, padding and dilation, each for
every dimension. Those of conv_drawn are a seed, and then in_channels, out_channels, groups, 1 for a bias, and the kernel
of a layer.
"""

import torch.nn as nn

from common import *

SUMS = Rule("linear", (0, 0, 0), {"all": (0, 0, 0)})
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


write(conv_cases, drawn_cases)

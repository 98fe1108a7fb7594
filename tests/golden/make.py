#!/usr/bin/python3
"""New tensors by PyTorch: make.py > make_golden.txt"""

import torch

from common import *

MOVES = Rule("structural")
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


write((6121, making_cases))

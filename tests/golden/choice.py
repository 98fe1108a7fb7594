#!/usr/bin/python3
"""clamp_tensors, lerp, masked_fill, and add and sub with alpha, by PyTorch: choice.py > choice_golden.txt"""

import torch

from common import *

WHOLE = Rule("elementwise")
COMPOSED = Rule("composed", (12, 16, 16))


def choice_cases():
    for dtype in (F32, F64):
        for shapes in (((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), ()), ((), (2,), (2,)), ((0, 2), (2,), (1,))):
            clamp = lambda x: torch.clamp(x[0], x[1], x[2])
            case("clamp_tensors", COMPOSED, clamp, [make(s, dtype) for s in shapes], differentiate=True)
            case("lerp", COMPOSED, lambda x: torch.lerp(*x), [make(s, dtype) for s in shapes], differentiate=True)
        case("clamp_tensors", WHOLE, clamp, [of([0.0, 1.0, NAN, 1.0, 1.0], dtype, grad=False), of([0.0, 2.0, 0.0, NAN, 0.0], dtype, grad=False), of([1.0, 3.0, 1.0, 1.0, NAN], dtype, grad=False)])
        for w in (0.25, 0.75, -1.0, 2.0, 0.5):
            case("lerp_scalar", COMPOSED, lambda x, w: torch.lerp(x[0], x[1], w), [make((2, 3), dtype), make((3,), dtype)], [w], differentiate=True)
        for how in LAYOUTS[::3]:
            case("masked_fill", WHOLE, lambda x, v: x[0].masked_fill(x[1], v), [make((2, 3), dtype, "normal", how), make((2, 3), BOOL)], [0.5])
        case("masked_fill", WHOLE, lambda x, v: x[0].masked_fill(x[1], v), [make((3,), dtype), make((2, 3), BOOL)], [-INF])
        for alpha in (0.5, -3.0):
            case("add_alpha", COMPOSED, lambda x, a: torch.add(x[0], x[1], alpha=a), [make((2, 3), dtype), make((3,), dtype)], [alpha], differentiate=True)
            case("sub_alpha", COMPOSED, lambda x, a: torch.sub(x[0], x[1], alpha=a), [make((3,), dtype), make((2, 1), dtype)], [alpha], differentiate=True)
    case("add_alpha", WHOLE, lambda x, a: torch.add(x[0], x[1], alpha=a), [make((3,), I64), make((3,), I64)], [2])
    case("masked_fill", WHOLE, lambda x, v: x[0].masked_fill(x[1], v), [make((3,), I64), make((3,), BOOL)], [-7])


write((1102, choice_cases))

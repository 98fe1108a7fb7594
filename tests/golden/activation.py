#!/usr/bin/python3
"""Activations and clamp by PyTorch: activation.py > activation_golden.txt"""

import torch
import torch.nn.functional as F

from common import *

WHOLE = Rule("elementwise")
ACTIVATION = Rule("composed", (12, 16, 16))
GELU = Rule("composed", (12, 16, 16), absolute=True)  # 1 + erf cancels below 0, in PyTorch as in the library

ACTIVATIONS = {
    "relu6": (F.relu6, [[]]), "leaky_relu": (F.leaky_relu, [[0.01], [0.3]]), "elu": (F.elu, [[1.0], [0.7]]), "selu": (F.selu, [[]]),
    "gelu": (lambda x, tanh: F.gelu(x, approximate="tanh" if tanh else "none"), [[0], [1]]), "silu": (F.silu, [[]]),
    "mish": (F.mish, [[]]), "logsigmoid": (F.logsigmoid, [[]]), "softplus": (F.softplus, [[1.0, 20.0], [2.0, 1.0]]),
    "softsign": (F.softsign, [[]]), "hardtanh": (F.hardtanh, [[-1.0, 1.0], [0.0, 0.5]]),
    "hardsigmoid": (lambda x: F.relu6(x + 3) / 6, [[]]),  # F.hardsigmoid has no second gradient
    "hardswish": (F.hardswish, [[]]),
    "clamp": (lambda x, a, b: torch.clamp(x, a, b), [[-0.5, 0.5], [-INF, 0.25], [0.0, INF], [1.0, -1.0], [-INF, INF]]),
}


def activation_cases():
    kinks = [-3.0, 3.0, 0.0, -1.0, 1.0, 0.5, 6.0, -0.5, 2.0]
    for op, (f, lists) in ACTIVATIONS.items():
        rule = GELU if op == "gelu" else ACTIVATION
        for attrs in lists:
            for dtype in (F32, F64):
                g = lambda x, *a, f=f: f(x[0], *a)
                for how in LAYOUTS[1::3]:
                    case(op, rule, g, [make((3, 4), dtype, "normal", how)], attrs, differentiate=True)
                wide = make((8,), dtype)
                wide.base = wide.base * 6
                case(op, rule, g, [wide], attrs, differentiate=True)
                case(op, rule, g, [make((), dtype)], attrs, differentiate=True)
                case(op, rule, g, [make((2, 0), dtype)], attrs)
                case(op, rule, g, [of([INF, NAN, 0.0, 1.0, 100.0], dtype, grad=False)], attrs)
                at = kinks[2:] if op == "hardswish" else kinks  # PyTorch's vector and scalar code differ at 3
                case(op, rule, g, [of(at, dtype)], attrs)
    for op in ("relu6", "hardtanh", "clamp"):
        f, lists = ACTIVATIONS[op]
        for attrs in lists[:1]:
            attrs = [-1, 3] if attrs else []
            case(op, WHOLE, lambda x, *a, f=f: f(x[0], *a), [of([-9, -1, 0, 2, 3, 7], I64)], attrs)


write((504, activation_cases))

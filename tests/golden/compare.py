#!/usr/bin/python3
"""Comparison, where, and logical functions, by PyTorch: compare.py > compare_golden.txt"""

import torch

from common import *

EXACT = Rule("elementwise")
COMPARE = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}
TESTS = {"isnan": torch.isnan, "isinf": torch.isinf, "isfinite": torch.isfinite, "logical_not": torch.logical_not}


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

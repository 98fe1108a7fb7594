#!/usr/bin/python3
"""Matrix products by PyTorch: matmul.py > matmul_golden.txt"""

import itertools

from common import *

PRODUCT = Rule("linear", (1, 1, 1), {"all": (1, 1, 1)})
SCALED = Rule("composed", (12, 20, 20))
SHORT = ("contiguous", "transposed", "sliced")


def product_cases():
    for dtype in (F32, F64, I64):
        for op, f, shapes in (("mm", torch.mm, ((2, 3), (3, 4))), ("bmm", torch.bmm, ((2, 2, 3), (2, 3, 1))), ("mv", torch.mv, ((2, 3), (3,)))):
            for how in SHORT:
                case(op, PRODUCT, lambda x: f(*x), [make(shapes[0], dtype, "normal", how), make(shapes[1], dtype)], differentiate=how == "contiguous")
        for shape in ((2, 3), (3,), (2, 1), ()):
            for beta, alpha in ((1, 1), (2, 3)):
                case("addmm", SCALED, lambda x, b, a: torch.addmm(*x, beta=int(b) if dtype == I64 else b, alpha=int(a) if dtype == I64 else a),
                     [make(shape, dtype), make((2, 2), dtype), make((2, 3), dtype)], [beta, alpha], differentiate=True)
    nan = of([[NAN, INF]], F32, grad=False)
    case("addmm", SCALED, lambda x, b, a: torch.addmm(*x, beta=b, alpha=a), [nan, make((2, 3), F32), make((3, 2), F32)], [0, 0.5])
    bad = lambda *shapes: [make(s, F32) for s in shapes]
    case("mm", PRODUCT, lambda x: torch.mm(*x), bad((2, 3), (2, 3)), fails=True)
    case("mm", PRODUCT, lambda x: torch.mm(*x), bad((3,), (3, 2)), fails=True)
    case("bmm", PRODUCT, lambda x: torch.bmm(*x), bad((1, 2, 3), (2, 3, 1)), fails=True)
    case("mv", PRODUCT, lambda x: torch.mv(*x), bad((2, 3), (2,)), fails=True)
    case("addmm", SCALED, lambda x, b, a: torch.addmm(*x), bad((3, 3), (2, 2), (2, 3)), [1, 1], fails=True)


PRODUCTS = [((3,), (3,)), ((1,), (1,)), ((0,), (0,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)),
            ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((2, 3), (3, 0)), ((2, 2, 3), (3,)),
            ((3,), (2, 3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)),
            ((1, 2, 3), (2, 3, 2)), ((2, 1, 2, 2), (1, 3, 2, 2)), ((2, 2, 2, 2), (2, 2)), ((3, 2, 2), (2, 3, 2, 2)),
            ((2, 1, 2, 3), (3,)), ((3,), (2, 1, 3, 2)), ((0, 2, 3), (3, 2)), ((2, 2, 0), (2, 0, 2)),
            ((0, 2), (2,)), ((2, 0), (0,)), ((0,), (0, 2)), ((2, 3, 2, 2), (2,)), ((3, 17), (17, 2)), ((17,), (17,)),
            ((1, 2, 2), (2, 2, 2, 1)), ((0, 1, 2), (2,))]


def matmul_cases():
    f = lambda x: torch.matmul(*x)
    for n, (a, b) in enumerate(PRODUCTS):
        case("matmul", PRODUCT, f, [make(a, F32), make(b, F32)])
        case("matmul", PRODUCT, f, [make(a, F64), make(b, F64)])
        case("matmul", PRODUCT, f, [make(a, F32, "dyadic", LAYOUTS[n % 9]), make(b, F32, "dyadic", LAYOUTS[n // 2 % 9])],
             exact=True)
        case("matmul", PRODUCT, f, [make(a, I64), make(b, I64, how="transposed")])
    for a, b in list(itertools.product(LAYOUTS, LAYOUTS))[::2]:
        case("matmul", PRODUCT, f, [make((2, 3), F32, "normal", a), make((3, 2), F32, "normal", b)])
    for a, b in zip(LAYOUTS, LAYOUTS[4:] + LAYOUTS):
        case("matmul", PRODUCT, f, [make((2, 2, 2), F32, "normal", a), make((2, 2), F32, "normal", b)])
        case("matmul", PRODUCT, f, [make((2, 1, 2, 2), F32, "normal", a), make((2, 2, 2), F32, "normal", b)])
        case("matmul", PRODUCT, f, [make((3,), F32, "normal", a), make((3, 2), F32, "normal", b)])
        case("matmul", PRODUCT, f, [make((2, 3), F64, "normal", a), make((3,), F64, "normal", b)])
    case("matmul", PRODUCT, f, [make((2, 3), F32), Input(0, [("t", 0, 1)])])
    case("matmul", PRODUCT, f, [make((3, 3), F64), Input(0)])
    case("matmul", PRODUCT, f, [of([INF, 0.0, 1.0, NAN], F32, (2, 2), False), of([0.0, 1.0], F32, grad=False)])
    dot = lambda x: torch.dot(*x)
    outer = lambda x: torch.outer(*x)
    outer_rule = Rule("linear", None, {"all": (1, 1, 1)})
    for dtype in (F32, F64, I64):
        for n, how in enumerate(LAYOUTS[:6]):
            case("dot", PRODUCT, dot, [make((5,), dtype, "normal", how), make((5,), dtype, "normal", LAYOUTS[n // 2])])
            case("outer", outer_rule, outer, [make((3,), dtype, "normal", how), make((2,), dtype)])
        case("dot", PRODUCT, dot, [make((0,), dtype), make((0,), dtype)])
        case("dot", PRODUCT, dot, [make((19,), dtype), make((19,), dtype)])
        case("outer", outer_rule, outer, [make((0,), dtype), make((2,), dtype)])
        case("outer", outer_rule, outer, [make((1,), dtype), make((4,), dtype)])
    for a, b in (((2, 3), (2, 3)), ((3,), (2,)), ((), (2,)), ((2, 2, 3), (3, 3, 2)), ((2, 3), ())):
        case("matmul", PRODUCT, f, [make(a, F32), make(b, F32)], fails=True)
    case("dot", PRODUCT, dot, [make((2, 2), F32), make((2,), F32)], fails=True)
    case("dot", PRODUCT, dot, [make((3,), F32), make((2,), F32)], fails=True)
    case("outer", PRODUCT, outer, [make((2, 2), F32), make((2,), F32)], fails=True)


write((1810, product_cases), (3052, matmul_cases))

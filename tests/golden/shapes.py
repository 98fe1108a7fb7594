#!/usr/bin/python3
"""Golden data for rearranging, picking by index and strict products: shapes.py > shapes_golden.txt"""

from common import *

MOVED = Rule("structural")
SUM = Rule("linear")
PRODUCT = Rule("linear", (1, 1, 1), {"all": (1, 1, 1)})
SCALED = Rule("composed", (12, 20, 20))
SHORT = ("contiguous", "transposed", "sliced")


def every(op, f, shape, numbers, layouts=SHORT, dtypes=DTYPES, rule=MOVED):
    for dtype in dtypes:
        for how in layouts if len(shape) > 1 and 0 not in shape else layouts[:1]:
            case(op, rule, lambda x, *n: f(x[0], [int(v) for v in n]), [make(shape, dtype, "normal", how, grad=None if math.prod(shape) else False)],
                 numbers, differentiate=how == "contiguous")


def refused(op, f, shape, numbers):
    case(op, MOVED, lambda x, *n: f(x[0], [int(v) for v in n]), [make(shape, F32)], numbers, fails=True)


def copy_cases():
    for shape, n in (((2, 3), [2, 1]), ((2, 3), [2, 1, 3]), ((3,), [2]), ((), [2, 2]), ((2, 3), [0, 1]), ((1, 2), [3, 2])):
        every("repeat", lambda x, n: x.repeat(n), shape, n, rule=SUM)
    refused("repeat", lambda x, n: x.repeat(n), (2, 3), [2])
    refused("repeat", lambda x, n: x.repeat(n), (2, 3), [2, -1])
    for shape, n in (((2, 3), [2]), ((2, 3), [1, 2, 2]), ((), [3]), ((2, 1), [2, 2])):
        every("tile", lambda x, n: x.tile(n), shape, n, rule=SUM)
    for shape, n in (((2, 3), [0]), ((2, 3), [-1]), ((2, 3, 2), [0, 2]), ((4,), [0]), ((2, 3), []), ((0, 2), [0]), ((3, 1), [1, 0])):
        every("flip", lambda x, n: x.flip(n), shape, n)
    refused("flip", lambda x, n: x.flip(n), (2, 3), [0, 0])
    refused("flip", lambda x, n: x.flip(n), (2, 3), [2])
    roll = lambda x, n: x.roll(n[:len(n) // 2], n[len(n) // 2:])
    for shape, n in (((2, 3), [1, 1]), ((2, 3), [-2, 1]), ((2, 3, 2), [1, 5, 0, -1]), ((4,), [0, 0]), ((2, 3), [7, 0]), ((0, 2), [1, 0]), ((2, 3), [1, 2, 1, 1])):
        every("roll", roll, shape, n)
    for shape, n in (((2, 3), [2]), ((5,), [-1])):
        every("roll_all", lambda x, n: x.roll(n[0]), shape, n)
    refused("roll", roll, (2, 3), [1, 2])
    for op, f in (("tril", torch.tril), ("triu", torch.triu)):
        for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 3), (1, 1)):
            for d in (0, 1, -1, 5, -5):
                every(op, lambda x, n: f(x, n[0]), shape, [d], SHORT[:2])
        refused(op, lambda x, n: f(x, n[0]), (3,), [0])
    for shape, n in (((2, 3), [1, 2]), ((2, 3), [0, 1, 2, 0]), ((2, 3), [-1, 0]), ((2, 3), [-1, 2, 1, -1]), ((3,), [1, 1]), ((2, 2, 2), [1, 0, 0, 1, 1, 1]), ((2, 3), [])):
        every("pad", lambda x, n: F.pad(x, n, value=0), shape, n, dtypes=(F32, F64, I64, BOOL) if n else (F32,))
        if n:
            case("pad_value", MOVED, lambda x, v, *n: F.pad(x[0], [int(i) for i in n], value=v), [make(shape, F64)], [1.5, *n])
    refused("pad", lambda x, n: F.pad(x, n, value=0), (2, 3), [1])
    refused("pad", lambda x, n: F.pad(x, n, value=0), (2, 3), [-2, -2])
    refused("pad", lambda x, n: F.pad(x, n, value=0), (3,), [1, 1, 1, 1])


def view_cases():
    move = lambda x, n: x.movedim(n[:len(n) // 2], n[len(n) // 2:])
    for shape, n in (((2, 3, 4), [0, 2]), ((2, 3, 4), [-1, 0]), ((2, 3, 4), [0, 1, 1, 2]), ((2, 3), [0, 0]), ((2, 3, 4), [2, 0, 0, 1]), ((), [0, -1])):
        every("movedim", move, shape, n)
    refused("movedim", move, (2, 3), [0, 0, 0, 1])
    refused("movedim", move, (2, 3), [2, 0])
    for shape, n in (((1, 3), [2, 3]), ((3,), [2, 3]), ((), [2]), ((2, 1), [2, 0])):
        every("broadcast_to", lambda x, n: x.broadcast_to(n), shape, n)
    refused("broadcast_to", lambda x, n: x.broadcast_to(n), (2,), [3])
    part = lambda f: lambda x, n: f(x, n[1:])[n[0]]
    for shape, n in (((5, 2), [0, 2, 0]), ((5, 2), [2, 2, 0]), ((2, 3), [1, 2, -1]), ((2, 3), [0, 7, 0])):
        every("split", part(lambda x, n: x.split(n[0], n[1])), shape, n)
    for shape, n in (((5, 2), [1, 0, 2, 3]), ((2, 4), [2, 1, 1, 0, 3])):
        every("split_sizes", part(lambda x, n: x.split(n[1:], n[0])), shape, n)
    for shape, n in (((5, 2), [0, 2, 0]), ((5, 2), [1, 2, 0]), ((2, 7), [2, 3, 1]), ((2, 3), [1, 9, 1])):
        every("chunk", part(lambda x, n: x.chunk(n[0], n[1])), shape, n)
    refused("split", part(lambda x, n: x.split(n[0], n[1])), (5, 2), [0, -1, 0])
    refused("split_sizes", part(lambda x, n: x.split(n[1:], n[0])), (5, 2), [0, 0, 2, 2])
    refused("chunk", part(lambda x, n: x.chunk(n[0], n[1])), (5, 2), [0, 0, 0])


def index(numbers, shape=None):
    t = torch.tensor(numbers, dtype=I64)
    return Input(t if shape is None else t.reshape(shape))


def pick_cases():
    select = lambda x, d: x[0].index_select(int(d), x[1])
    gather = lambda x, d: x[0].gather(int(d), x[1])
    along = lambda x, d: torch.take_along_dim(x[0], x[1], int(d))
    for dtype in DTYPES:
        for shape, dim, i in (((3, 2), 0, [2, 0, 2]), ((2, 3), -1, [1, 1]), ((2, 3, 2), 1, [2]), ((4,), 0, [3, 0]), ((2, 3), 0, []), ((), 0, [0]), ((3, 2), 0, 1)):
            for how in SHORT if len(shape) > 1 else SHORT[:1]:
                own = make(shape, dtype, "normal", how) if i != [] else make(shape, dtype, "normal", how, grad=False)
                case("index_select", MOVED, select, [own, index(i)], [dim], differentiate=True)
        for shape, dim, i, of_i in (((3, 2), 0, [2, 0, 1, 1], (2, 2)), ((2, 3), 1, [0, 2, 2, 1, 0, 0, 1, 1], (2, 4)), ((2, 3, 2), -1, [0, 1, 1, 0], (2, 2, 1)), ((3,), 0, [2, 2], (2,)), ((), 0, [0], (1,)), ((), 0, [0], ())):
            for how in SHORT if len(shape) > 1 else SHORT[:1]:
                case("gather", MOVED, gather, [make(shape, dtype, "normal", how), index(i, of_i)], [dim], differentiate=True)
        case("take_along_dim", MOVED, along, [make((3, 2), dtype), index([[2, 0]])], [0], differentiate=True)
        case("take_along_dim", MOVED, along, [make((1, 3), dtype), index([2, 0, 1, 1], (4, 1))], [1], differentiate=True)
        for shape, mask in (((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((), ()), ((2, 3), (2, 1))):
            for how in SHORT if len(shape) > 1 else SHORT[:1]:
                m = values(mask, BOOL)
                m.flatten()[0] = True
                # PyTorch 1.13 gives the gradient of a transposed input in the wrong order.
                own = make(shape, dtype, "normal", how, grad=False if how == "transposed" else None)
                case("masked_select", MOVED, lambda x: x[0].masked_select(x[1]), [own, Input(m)], differentiate=True)
        case("masked_select", MOVED, lambda x: x[0].masked_select(x[1]), [make((2, 2), dtype, grad=False), Input(torch.zeros(2, 2, dtype=BOOL))])
        for how in SHORT:
            case("nonzero", MOVED, lambda x: x[0].nonzero(), [make((3, 4), dtype, "ties", how, grad=False)])
        case("nonzero", MOVED, lambda x: x[0].nonzero(), [make((2, 2, 2), dtype, "ties", grad=False)])
        case("nonzero", MOVED, lambda x: x[0].nonzero(), [of(1, dtype, grad=False)])
        case("nonzero", MOVED, lambda x: x[0].nonzero(), [make((0, 2), dtype, grad=False)])
        for padding in (END, 0, -1):
            for i in ([0, 2, 2], [[1, 0], [2, 1]], 1):
                for how in SHORT[:2] if dtype in (F32, F64) else ():
                    case("embedding", MOVED, lambda x, p: F.embedding(x[1], x[0], None if p == END else int(p)), [make((3, 2), dtype, "normal", how), index(i)],
                         [padding], differentiate=True)
    case("nonzero", MOVED, lambda x: x[0].nonzero(), [of([NAN, 0.0, -0.0, INF, 1e-45], F32, grad=False)])
    for i, n in (([0, 2, 1], -1), ([0, 2, 1], 4), ([[1], [0]], 2), (1, 3), ([], 2)):
        case("one_hot", MOVED, lambda x, n: F.one_hot(x[0], int(n)), [index(i)], [n])
    for i, n in (([0, 3], 3), ([-1], 3), ([], -1), ([0], 0)):
        case("one_hot", MOVED, lambda x, n: F.one_hot(x[0], int(n)), [index(i)], [n], fails=True)
    for i in ([3], [-1]):
        case("index_select", MOVED, select, [make((3, 2), F32), index(i)], [0], fails=True)
        case("gather", MOVED, gather, [make((3,), F32), index(i)], [0], fails=True)
    case("gather", MOVED, gather, [make((2, 2), F32), index([0])], [0], fails=True)
    case("gather", MOVED, gather, [make((2, 2), F32), index([[0, 0, 0]])], [0], fails=True)
    case("index_select", MOVED, select, [make((3, 2), F32), index([[0]])], [0], fails=True)
    case("embedding", MOVED, lambda x, p: F.embedding(x[1], x[0]), [make((3, 2), F32), index([3])], [END], fails=True)


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


write(copy_cases, view_cases, pick_cases, product_cases)

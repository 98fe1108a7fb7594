#!/usr/bin/python3
"""Selection by index or mask, and sums by index, by PyTorch: index.py > index_golden.txt"""

from common import *

MOVED = Rule("structural")
SUM = Rule("linear")
SHORT = ("contiguous", "transposed", "sliced")


def index(numbers, shape=None):
    """Returns an int64 input of these numbers."""
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


def gather_cases():
    gather = lambda x, d: x[0].gather(d, x[1])
    scatter = lambda x, d: x[0].scatter_add(d, x[1], x[2])
    gather_rule = SUM
    for n, (shape, d, index) in enumerate([((3, 4), 0, (2, 4)), ((3, 4), 1, (3, 6)), ((3, 4), -1, (2, 2)), ((5,), 0, (7,)),
                                           ((), 0, ()), ((5,), 0, (0,)), ((2, 3, 2), 1, (2, 4, 1)), ((1,), 0, (3,))]):
        size = shape[d] if shape else 1
        for dtype in (F32, F64, I64, BOOL):
            for how in ("contiguous", LAYOUTS[1 + n])[:2 if dtype == F32 else 1]:
                def chosen(how="contiguous"):
                    base, steps = layout(index, how)
                    return Input(values(base, I64) % size, steps)
                case("gather", gather_rule, gather, [make(shape, dtype, "normal", how), chosen()], [d])
                case("gather", gather_rule, gather, [make(shape, dtype), chosen(how)], [d])
                if dtype == BOOL:
                    continue
                case("scatter_add", gather_rule, scatter, [make(shape, dtype, "normal", how), chosen(), make(index, dtype)], [d])
                case("scatter_add", gather_rule, scatter, [make(shape, dtype), chosen(how), make(index, dtype, "normal", how)], [d])
    case("scatter_add", gather_rule, scatter, [make((2, 2), F32), of([0, 1], I64, (1, 2)),
                                              make((2, 3), F32, grad=False)], [0])
    case("gather", gather_rule, gather, [make((3,), F32), of([3], I64)], [0], fails=True)
    case("gather", gather_rule, gather, [make((3,), F32), of([-1], I64)], [0], fails=True)
    case("gather", gather_rule, gather, [make((3, 2), F32), of([1], I64)], [0], fails=True)
    case("scatter_add", gather_rule, scatter, [make((3,), F32), of([3], I64), make((1,), F32)], [0], fails=True)


write((1422, pick_cases), (4486, gather_cases))

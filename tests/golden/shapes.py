#!/usr/bin/python3
"""Views, copies, and cat and stack, by PyTorch: shapes.py > shapes_golden.txt"""

import itertools

from common import *

MOVED = Rule("structural")
SUM = Rule("linear")
SHORT = ("contiguous", "transposed", "sliced")


def every(op, f, shape, numbers, layouts=SHORT, dtypes=DTYPES, rule=MOVED):
    """Adds a case of f(x, numbers) for every dtype and layout."""
    for dtype in dtypes:
        for how in layouts if len(shape) > 1 and 0 not in shape else layouts[:1]:
            case(op, rule, lambda x, *n: f(x[0], [int(v) for v in n]), [make(shape, dtype, "normal", how, grad=None if math.prod(shape) else False)],
                 numbers, differentiate=how == "contiguous")


def refused(op, f, shape, numbers):
    """Adds a case that PyTorch refuses."""
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


# ---- cat, stack, vstack and hstack.


def join_cases():
    cat = lambda x, d: torch.cat(x, d)
    stack = lambda x, d: torch.stack(x, d)
    vstack = lambda x: torch.vstack(x)
    hstack = lambda x: torch.hstack(x)
    cats = [([(2, 3), (1, 3)], 0), ([(2, 3), (2, 1), (2, 2)], 1), ([(2,), (0,), (3,)], 0), ([(2, 3), (2, 0)], -1),
            ([(0,), (2, 3)], 0), ([(0,), (2, 3), (0,)], 1), ([(4,)], 0), ([(2, 1, 2), (2, 3, 2)], -2), ([(0,), (0,)], 0),
            ([(2, 2, 1, 1), (2, 2, 1, 2)], 3), ([(0, 3), (0, 2)], 1)]
    for dtype in DTYPES:
        for shapes, d in cats:
            case("cat", MOVED, cat, [make(s, dtype) for s in shapes], [d])
        for shape, d in (((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((), 0), ((3,), 1), ((0,), 0), ((2, 0), 2), ((3,), -2)):
            case("stack", MOVED, stack, [make(shape, dtype) for _ in range(3 if d else 2)], [d])
        for shapes in ([(3,), (3,)], [(2, 3), (3,)], [(), ()], [(1, 2), (2, 2)], [(2,)], [(2, 1, 2), (1, 1, 2)], [(0,), (0,)]):
            case("vstack", MOVED, vstack, [make(s, dtype) for s in shapes])
        for shapes in ([(3,), (2,)], [(2, 3), (2, 1)], [(), (2,)], [(2,)], [(2, 1, 2), (2, 2, 2)], [(0,), (2,)]):
            case("hstack", MOVED, hstack, [make(s, dtype) for s in shapes])
    for how in LAYOUTS:
        other = LAYOUTS[(LAYOUTS.index(how) + 4) % 9]
        two = lambda: [make((2, 3), F32, "normal", how), make((2, 3), F32, "normal", other)]
        case("cat", MOVED, cat, two(), [0])
        case("cat", MOVED, cat, two(), [-1])
        case("stack", MOVED, stack, two(), [1])
        case("vstack", MOVED, vstack, two())
        case("hstack", MOVED, hstack, two())
    x = make((2, 2), F32)
    case("cat", MOVED, cat, [x, Input(0), Input(0, [("t", 0, 1)])], [1])
    case("stack", MOVED, stack, [x, Input(0)], [0])
    for shapes, d in (([(2, 3), (2, 2)], 0), ([(2, 3), (3,)], 0), ([(2, 3), (2, 3)], 2), ([(), ()], 0)):
        case("cat", MOVED, cat, [make(s, F32) for s in shapes], [d], fails=True)
    case("stack", MOVED, stack, [make((2,), F32), make((3,), F32)], [0], fails=True)
    case("vstack", MOVED, vstack, [make((2,), F32), make((3,), F32)], fails=True)
    case("hstack", MOVED, hstack, [make((2, 2), F32), make((3, 2), F32)], fails=True)


# ---- Views of one tensor.

VIEW_OPS = {
    "view": lambda x, *s: x[0].view(s),
    "reshape": lambda x, *s: x[0].reshape(s),
    "flatten": lambda x, a, b: x[0].flatten(a, b),
    "transpose": lambda x, a, b: x[0].transpose(a, b),
    "t": lambda x: x[0].t(),
    "permute": lambda x, *o: x[0].permute(o),
    "squeeze": lambda x: x[0].squeeze(),
    "squeeze_dim": lambda x, d: x[0].squeeze(d),
    "unsqueeze": lambda x, d: x[0].unsqueeze(d),
    "expand": lambda x, *s: x[0].expand(s),
    "select": lambda x, d, i: x[0].select(d, i),
    "narrow": lambda x, d, s, n: x[0].narrow(d, s, n),
    "slice": lambda x, d, s, e, k: cut(x[0], d, s, e, k),
    "diagonal": lambda x, o, a, b: x[0].diagonal(o, a, b),
}
VIEW_CASES = [
    ("view", [((2, 3), (3, 2)), ((2, 3), (6,)), ((2, 3), (-1,)), ((2, 3, 2), (2, -1)), ((1,), ()), ((), (1, 1)),
              ((0, 3), (3, 0)), ((2, 3), (1, 2, 1, 3, 1)), ((), ()), ((6,), (2, -1, 3))]),
    ("flatten", [((2, 3), (0, -1)), ((2, 3, 2), (1, 2)), ((2, 3, 2), (0, 1)), ((), (0, -1)), ((4,), (0, 0)),
                 ((2, 0, 2), (0, 2)), ((2, 1, 2, 2), (-3, -2))]),
    ("transpose", [((2, 3), (0, 1)), ((2, 3, 4), (-1, 0)), ((2, 3), (1, 1)), ((), (0, -1)), ((3, 0), (0, 1)), ((2, 2, 1, 3), (1, 3))]),
    ("t", [((2, 3), ()), ((3,), ()), ((), ()), ((0, 2), ())]),
    ("permute", [((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 1, 2, 3), (-1, 1, 0, 2)), ((3,), (0,)), ((), ()), ((2, 0, 3), (1, 2, 0))]),
    ("squeeze", [((1, 2, 1, 3), ()), ((2, 3), ()), ((1, 1), ()), ((), ()), ((1, 0), ())]),
    ("squeeze_dim", [((1, 2, 1), (0,)), ((1, 2, 1), (-1,)), ((1, 2, 1), (1,)), ((), (0,)), ((1,), (0,))]),
    ("unsqueeze", [((2, 3), (0,)), ((2, 3), (2,)), ((2, 3), (-1,)), ((2, 3), (-3,)), ((), (0,)), ((), (-1,)), ((0,), (1,)), ((3,), (1,))]),
    ("expand", [((3,), (2, 3)), ((1, 3), (2, 3)), ((2, 1), (4, -1, 3)), ((), (2, 2)), ((1,), (0,)), ((2, 1), (2, 1)),
                ((1, 1), (-1, 4)), ((3,), (3,)), ((2, 1, 2), (1, 2, 3, 2)), ((), ()), ((0, 1), (0, 3))]),
    ("select", [((2, 3), (0, 1)), ((2, 3), (1, -1)), ((2, 3), (-1, 0)), ((3,), (0, 2)), ((2, 3, 2), (1, -3)), ((2, 0), (0, 1))]),
    ("narrow", [((4, 3), (0, 1, 2)), ((4, 3), (1, 2, 1)), ((4,), (0, 4, 0)), ((4,), (-1, 0, 4)), ((2, 3, 2), (1, 1, 2)),
                ((4,), (0, -3, 2)), ((0,), (0, 0, 0))]),
    ("slice", [((5,), (0, 1, END, 1)), ((5,), (0, 0, 5, 2)), ((5,), (0, 1, 5, 3)), ((5,), (0, -3, END, 1)), ((5,), (0, 0, -1, 2)),
               ((5,), (0, -99, 99, 2)), ((5,), (0, 4, 2, 1)), ((5,), (0, 9, END, 1)), ((3, 4), (1, 1, 4, 2)), ((3, 4), (-2, 2, END, 5)),
               ((3, 4), (0, 0, 3, 2)), ((0,), (0, 0, END, 1)), ((2, 3, 4), (1, 0, -1, 1)), ((5,), (0, -2, -1, 1)), ((5,), (0, 0, -9, 1)),
               ((5,), (0, 0, END, 100))]),
    ("diagonal", [((3, 3), (0, 0, 1)), ((3, 4), (1, 0, 1)), ((3, 4), (-2, 0, 1)), ((3, 4), (0, 1, 0)), ((2, 3, 2), (0, -1, 0)),
                  ((3, 3), (3, 0, 1)), ((2, 2, 3, 2), (1, 1, 2)), ((3, 3), (5, 0, 1)), ((2, 0), (0, 0, 1)), ((3, 2), (-1, -2, -1))]),
]


def single_view_cases():
    for op, cases in VIEW_CASES:
        for n, (shape, attrs) in enumerate(cases):
            f = VIEW_OPS[op]
            rule = SUM if op == "expand" else MOVED  # the gradient of expand is a sum
            for dtype in (F32, F64) if n % 2 else (F32, I64) if n % 4 else (F32, BOOL):
                case(op, rule, f, [make(shape, dtype)], attrs, view=True)
            if op == "view":
                case("reshape", MOVED, VIEW_OPS["reshape"], [make(shape, F32)], attrs, view=True)
                continue
            for how in (LAYOUTS[1 + n % 8], LAYOUTS[1 + (n + 3) % 8]):
                case(op, rule, f, [make(shape, F32, "normal", how)], attrs, view=True)
    reshapes = [((2, 3), (6,)), ((2, 3), (3, 2)), ((2, 2, 2), (4, 2)), ((2, 2, 2), (2, 4)), ((2, 3), (2, 1, 3)), ((2, 4), (2, 2, 2))]
    for how in LAYOUTS[1:]:
        for n, (shape, new) in enumerate(reshapes):
            case("reshape", MOVED, VIEW_OPS["reshape"], [make(shape, F32, "normal", how)], new, view=True)
            x = make(shape, F64 if n % 2 else F32, "normal", how)
            try:
                look(x.base, x.steps).view(new)
                fails = False
            except RuntimeError:
                fails = True
            case("view", MOVED, VIEW_OPS["view"], [x], new, view=True, fails=fails)
    bad = [("view", (2, 3), (4,)), ("view", (2, 3), (-1, 4)), ("view", (0, 2), (-1, 0)), ("view", (6,), (-1, -1)), ("reshape", (2, 3), (5, -1)), ("flatten", (2, 3), (1, 0)),
           ("transpose", (2, 3), (0, 2)), ("t", (2, 3, 4), ()), ("permute", (2, 3), (0, 0)), ("permute", (2, 3), (0,)),
           ("squeeze_dim", (2,), (1,)), ("unsqueeze", (2,), (3,)), ("expand", (2, 3), (3,)), ("expand", (2,), (3,)),
           ("expand", (2,), (-1, 2)), ("select", (2,), (0, 2)), ("select", (), (0, 0)), ("narrow", (3,), (0, 2, 2)),
           ("narrow", (3,), (0, 4, 0)), ("diagonal", (3,), (0, 0, 1)), ("diagonal", (3, 3), (0, 1, 1))]
    for op, shape, attrs in bad:
        case(op, MOVED, VIEW_OPS[op], [make(shape, F32)], attrs, fails=True)


# ---- clone, contiguous and cast.


def clone_cases():
    clone = lambda x: x[0].clone()
    contiguous = lambda x: x[0].contiguous()
    for dtype in DTYPES:
        for how in LAYOUTS if dtype == F32 else LAYOUTS[1::2]:
            case("clone", MOVED, clone, [make((2, 3), dtype, "normal", how)])
            case("contiguous", MOVED, contiguous, [make((2, 3), dtype, "normal", how)])
            case("clone", MOVED, clone, [make((2, 2, 2, 2), dtype, "normal", how)])
        for shape in ((), (0,), (1, 1), (3, 1, 2)):
            case("clone", MOVED, clone, [make(shape, dtype)])
            case("contiguous", MOVED, contiguous, [make(shape, dtype)])
    for source, target in itertools.product(range(4), range(4)):
        a, b = DTYPES[source], DTYPES[target]
        f = lambda x, n: x[0].to(DTYPES[n])
        keep = None if b in (F32, F64) else False
        for shape, how in (((2, 3), "contiguous"), ((2, 3), "sliced"), ((2, 3), "permuted"), ((), "contiguous"), ((0,), "contiguous")):
            case("cast", MOVED, f, [make(shape, a, "normal", how, keep)], [target])
        if a in (F32, F64):
            edge = EDGES + [1.5, -1.5, 2.0**31, -2.0**40, 1e19, -1e19, 0.99, -0.99, 2.0**63, -2.0**63, 16777217.0]
            case("cast", MOVED, f, [of(edge, a, grad=False)], [target])
        elif a == I64:
            case("cast", MOVED, f, [of(INTEGERS + [16777217, 2**53 + 1], a)], [target])


write(copy_cases, view_cases, (3772, join_cases), (4942, single_view_cases), clone_cases)

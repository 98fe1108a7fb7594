"""Tensors, and how PyTorch 1.13 prints them: print.py > print_golden.txt

The first line counts the cases. A case is a line "= DTYPE SHAPE STEP...", a line with the bits of the
elements in hexadecimal, which repeat until the tensor is full, and the printed text, each of whose
lines follows a "|". SHAPE is "-" for a scalar. A step is "NAME", or "NAME:1,2" with numbers; it names an
operation in STEPS below and in tests/io/test_print.c.
"""
import random
import struct
import sys

import torch

F32, F64, I64, BOOL = torch.float32, torch.float64, torch.int64, torch.bool
FLOATS = F32, F64
INF, NAN = float("inf"), float("nan")

STEPS = {
    "default_float64": lambda t: torch.set_default_dtype(F64) or t,
    "requires_grad_": lambda t: t.requires_grad_(),
    "transpose": lambda t, a, b: t.transpose(a, b),
    "t": lambda t: t.t(),
    "permute": lambda t, *dims: t.permute(dims),
    "view": lambda t, *shape: t.view(shape),
    "reshape": lambda t, *shape: t.reshape(shape),
    "flatten": lambda t: t.flatten(),
    "squeeze": lambda t: t.squeeze(),
    "squeeze_dim": lambda t, dim: t.squeeze(dim),
    "unsqueeze": lambda t, dim: t.unsqueeze(dim),
    "expand": lambda t, *shape: t.expand(shape),
    "select": lambda t, dim, i: t.select(dim, i),
    "narrow": lambda t, dim, start, length: t.narrow(dim, start, length),
    "slice": lambda t, dim, start, end, step: t[(slice(None),) * dim + (slice(start, end, step),)],
    "diagonal": lambda t, offset, a, b: t.diagonal(offset, a, b),
    "contiguous": lambda t: t.contiguous(),
    "clone": lambda t: t.clone(),
    "detach": lambda t: t.detach(),
    "float64": lambda t: t.to(F64),
    "add": lambda t: t + t,
    "sub": lambda t: t - t,
    "mul": lambda t: t * t,
    "div": lambda t: t / t,
    "pow": lambda t: t**t,
    "add_scalar": lambda t, s: t + s,
    "sub_scalar": lambda t, s: t - s,
    "mul_scalar": lambda t, s: t * s,
    "div_scalar": lambda t, s: t / s,
    "pow_scalar": lambda t, s: t**s,
    "maximum": lambda t: torch.maximum(t, t),
    "minimum": lambda t: torch.minimum(t, t),
    "neg": lambda t: -t,
    "abs": lambda t: t.abs(),
    "sign": lambda t: t.sign(),
    "square": lambda t: t.square(),
    "sqrt": lambda t: t.sqrt(),
    "exp": lambda t: t.exp(),
    "log": lambda t: t.log(),
    "relu": lambda t: t.relu(),
    "sigmoid": lambda t: t.sigmoid(),
    "tanh": lambda t: t.tanh(),
    "gt_scalar": lambda t, s: t > s,
    "where": lambda t: torch.where(t > 2, t, t),
    "sum": lambda t: t.sum(),
    "sum_dim": lambda t, dim: t.sum(dim),
    "mean": lambda t: t.mean(),
    "mean_dim": lambda t, dim: t.mean(dim),
    "max": lambda t: t.max(),
    "min": lambda t: t.min(),
    "matmul": lambda t: t @ t,
    "mv": lambda t: t @ t.select(0, 0),
    "dot": lambda t: t.dot(t),
    "cat": lambda t, dim: torch.cat([t, t], dim),
    "stack": lambda t, dim: torch.stack([t, t], dim),
    "add_": lambda t: t.add_(t),
    "mul_": lambda t: t.mul_(t),
    "mse_loss": lambda t: torch.nn.functional.mse_loss(t, torch.zeros_like(t)),
}

cases = []


def bits(dtype, x):
    if dtype is F32:
        return struct.unpack("<I", struct.pack("<f", x))[0]
    if dtype is F64:
        return struct.unpack("<Q", struct.pack("<d", x))[0]
    return int(x) & 2**64 - 1


def tensor(dtype, shape, values):
    n = 1
    for size in shape:
        n *= size
    return torch.tensor([values[i % len(values)] for i in range(n)], dtype=dtype).reshape(shape)


def numbers(values):
    return ",".join(map(str, values))


def case(dtype, shape, values, *steps):
    """Adds a case. A step is "NAME", or ("NAME", 1, 2) with numbers."""
    steps = [(s,) if isinstance(s, str) else s for s in steps]
    if dtype is F32:
        values = torch.tensor(values, dtype=F32).tolist()
    t = tensor(dtype, shape, values)
    for name, *args in steps:
        t = STEPS[name](t, *args)
    text = repr(t)
    torch.set_default_dtype(F32)
    words = [s[0] + (":" + numbers(s[1:]) if s[1:] else "") for s in steps]
    head = " ".join(["=", str(dtype)[len("torch."):], numbers(shape) or "-"] + words)
    data = " ".join(f"{bits(dtype, x):x}" for x in values)
    cases.append("\n".join([head, data] + ["|" + line for line in text.split("\n")]))


def scalars():
    edge = [0.0, -0.0, 1.0, -1.0, 0.5, 3.14159265, -2.5, 1e-4, 9.9e-5, -1e-30, 1e8, 1.5e8, 1e8 + 8,
            12345678.0, 99999.99999, -123456.789, 1e30, INF, -INF, NAN, 1 / 3, 2**-149]
    for dtype in FLOATS:
        for x in edge:
            case(dtype, (), [x])
    for x in [5e-324, 1.7976931348623157e308, -1e-300, 0.00005, 0.12345, 0.99995]:
        case(F64, (), [x])
    for x in [0, -1, 7, 1000, 2**63 - 1, -(2**63)]:
        case(I64, (), [x])
    case(BOOL, (), [1])
    case(BOOL, (), [0])


def empty():
    for dtype in F32, F64, I64, BOOL:
        for shape in (0,), (0, 3), (2, 0), (1, 0, 4):
            case(dtype, shape, [0])
    case(F32, (0,), [0], "requires_grad_")
    case(F64, (0, 2), [0], "requires_grad_", "neg")
    case(F32, (3, 4), [1.0], ("slice", 1, 4, 4, 1))
    # The sizes are so long that the text reaches the end of a line.
    for shape in (0,) + (300,) * 7, (0,) + (100,) * 6 + (1,), (0,) + (100,) * 5 + (10, 1), (0, 3):
        for dtype in F64, I64:
            case(dtype, shape, [0])
        case(F64, shape, [0], "requires_grad_")
        case(F64, shape, [0], "requires_grad_", "neg")
        case(F32, shape, [0], "requires_grad_")


def vectors():
    lists = [
        [1.0], [1.5], [0.0], [-0.0, 0.0], [1.0, -2.5], [1.0, 2.0, 3.0], [-1.0, 10.0, 100.0],
        [1.0, 1000.0], [1.0, 1001.0], [-1.0, 1001.0], [0.5, 500.0], [0.5, 500.5], [0.1, 100.0],
        [0.1, 100.1], [1e8, 1e8], [1e8, 1e8 + 8], [1e8, 99999999.5], [1e-4, 1e-2], [9e-5, 1e-2],
        [1e-5], [1e-30, -1e-31], [1e30], [1e20, 1e21], [123456.0, 654321.0], [0.0, 1e-6],
        [0.0, 0.0, 1e9], [INF], [-INF], [NAN], [INF, -INF, NAN], [INF, 1.0], [-INF, 1.0],
        [-INF, 1.5], [NAN, -1.5], [NAN, 1.0], [NAN, 100.0], [-INF, 0.0], [NAN, 0.0],
        [INF, 1e-7, -1.0], [-INF, NAN, 1e10], [0.0, 0.5], [-0.0, 0.5], [-0.0, 5.0], [-0.0, 1e-5],
        [-0.0], [0.99995, 1.99996], [9.99995, 0.5], [999.99996, 1.0], [9999.5, 9999.25],
        [0.00015, 0.1], [0.00005, 0.1], [2.00005, 2.00015], [0.03125, 0.09375], [1e38, 1e-38],
        [2**-149, 2**-140], [16777216.0, 16777217.0], [1.0, 2.0, NAN, 4.0], [1.0, 2.5, -INF, 4.0],
        [0.0, 0.0, 0.0, 1e-3],
    ]
    for values in lists:
        for dtype in FLOATS:
            case(dtype, (len(values),), values)
    case(F64, (2,), [5e-324, 1e308])
    case(F64, (3,), [1e-100, -1e100, 1.0])
    case(F64, (2,), [1e100, -2e100])
    case(F64, (2,), [1.2e-101, NAN])
    for values in [[1], [-1], [0, -10, 100], [2**63 - 1, -(2**63), 0], [10**9, 1]]:
        case(I64, (len(values),), values)
    for values in [[1], [0], [1, 0], [1, 1], [0, 0, 1]]:
        case(BOOL, (len(values),), values)


def rounded(rng, n, scale):
    return [round(rng.gauss(0, scale), 3) for _ in range(n)]


def wrapped(rng):
    for n in 7, 8, 9, 10, 17, 30:
        case(F32, (n,), rounded(rng, n, 1))
        case(F64, (n,), [abs(x) for x in rounded(rng, n, 1)])
    for n in 11, 12, 13, 18, 19, 20, 23, 24, 25, 60:
        case(F32, (n,), [float(i % 10) for i in range(n)])
        case(I64, (n,), list(range(-(n // 2), n - n // 2)))
    for n in 6, 7, 12, 13:
        case(F32, (n,), [10.0 ** (i - 6) for i in range(n)])
        case(I64, (n,), [10**i for i in range(n)])
    for n in 10, 11, 12, 24:
        case(BOOL, (n,), [i % 3 == 0 for i in range(n)])
    case(F32, (40,), [0.0, INF, 1.0, -INF, NAN])
    case(F32, (40,), [0.0, INF, 1.5, -INF, NAN])
    case(F32, (3, 11), rounded(rng, 33, 5))
    case(F64, (2, 2, 10), rounded(rng, 40, 1))
    case(I64, (2, 30), list(range(100, 160)))
    case(BOOL, (2, 2, 13), [1, 0, 0, 1, 1])
    case(F32, (1000,), rounded(rng, 40, 1))
    case(I64, (10, 100), [1, -2, 3, 40, -500, 6, 7])


def suffixes(rng):
    """Vectors with one more element each, until the suffix, such as requires_grad=True, has a line of its own."""
    for n in range(1, 12):
        values = rounded(rng, n, 1)
        case(F64, (n,), values)
        case(F32, (n,), values, "requires_grad_")
        case(F64, (n,), values, "requires_grad_", ("mul_scalar", 2))
    for n in range(14, 26):
        case(F32, (n,), [1.0, 2.0, 3.0], "requires_grad_")
        case(F64, (n,), [1.0, 2.0, 3.0], "requires_grad_")
    for n in 4, 5, 6:
        case(F64, (2, n), [123.5, -0.25, 3.0], "requires_grad_")
        case(F64, (2, 1, n), [123.5, -0.25, 3.0], "requires_grad_", "neg")
    for dtype in F32, F64, I64, BOOL:
        case(dtype, (2,), [0, 1], "default_float64")
        case(dtype, (0,), [0], "default_float64")
    case(F32, (2,), [0.5, 1], "requires_grad_", "default_float64")


def shapes(rng):
    for shape in [(1, 1), (1, 3), (3, 1), (2, 2, 2), (1, 2, 3), (3, 1, 2), (2, 1, 1, 3),
                  (2, 2, 2, 2), (1, 1, 1, 1, 1), (2, 1, 2, 1, 2), (1, 2, 1, 2, 1, 2, 1, 2)]:
        n = torch.Size(shape).numel()
        case(F32, shape, rounded(rng, n, 2))
        case(F64, shape, [10.0 ** (i % 9 - 4) for i in range(n)])
        case(I64, shape, [rng.randint(-99, 99) for _ in range(n)])
        case(BOOL, shape, [rng.random() < 0.5 for _ in range(n)])


def views():
    for dtype in F32, I64:
        v = list(range(24))
        case(dtype, (4, 6), v, ("transpose", 0, 1))
        case(dtype, (2, 3, 4), v, ("permute", 2, 0, 1))
        case(dtype, (4, 6), v, ("slice", 1, 1, 6, 2))
        case(dtype, (4, 6), v, ("slice", 0, 1, 4, 2), ("transpose", 0, 1))
        case(dtype, (4, 6), v, ("select", 1, 3))
        case(dtype, (4, 6), v, ("select", 1, 3), ("select", 0, 2))
        case(dtype, (4, 6), v, ("narrow", 1, 2, 3))
        case(dtype, (4, 6), v, ("diagonal", 1, 0, 1))
        case(dtype, (3,), v, ("expand", 2, 3))
        case(dtype, (3, 1), v, ("expand", 2, 3, 4))
        case(dtype, (), v, ("expand", 2, 2))
        case(dtype, (60, 40), v, ("transpose", 0, 1))
        case(dtype, (60, 80), v, ("slice", 1, 3, 80, 7))
        case(dtype, (50, 50), v, ("slice", 0, 3, 50, 10))
        case(dtype, (1,), v, ("expand", 2000))
        case(dtype, (3000,), v, ("slice", 0, 1, 3000, 3))
        case(dtype, (3003,), v, ("slice", 0, 0, 3003, 3))
    case(BOOL, (2, 3), [1, 0, 0, 0, 1, 1], ("transpose", 0, 1))
    case(F32, (2, 3), [1.0, 2.0, 5.0], ("gt_scalar", 1))


def summaries(rng):
    values = rounded(rng, 17, 1)
    for dtype in F32, F64, I64, BOOL:
        v = [int(10 * x) for x in values] if dtype is I64 else [x > 0 for x in values]
        v = values if dtype in FLOATS else v
        for shape in [(1001,), (40, 30), (2, 600), (600, 2), (7, 200), (11, 10, 10), (2, 3, 200)]:
            case(dtype, shape, v)
    for shape in [(4, 5, 6, 10), (8, 8, 8, 8), (1001, 1, 1), (1, 1, 1001), (10, 1, 2, 7, 9)]:
        case(F32, shape, [1.0, -2.0, 3.0, 4.0, 5.0])
    # The width depends only on the elements that are shown. The hidden values are never among the first and last
    # three.
    for hidden in 1e9, 0.5, -1234.0, INF:
        case(F32, (8 * 128 + 3,), [1.0, 2.0, 3.0] + [hidden] * 5)
    case(I64, (8 * 128 + 3,), [1, 2, 3] + [10**12] * 5)
    # Long elements take several lines, although few are shown.
    case(I64, (1001,), [2**62, -(2**62)])
    case(F64, (1001,), [1e-300, -1e300])
    case(F64, (20, 70), [1e-300, -1e300], "requires_grad_", ("mul_scalar", 2))
    case(F32, (1001,), [NAN, 0.0, -INF])
    case(F32, (1002,), values, "requires_grad_")


def graphs():
    """The names of gradient functions. These operations are recorded as one in the library, too; one that is
    composed of several shows the name of the last."""
    square = [1.0, 2.0, 3.0, 4.0]
    for step in ["add", "sub", "mul", "div", "pow", ("add_scalar", 2), ("sub_scalar", 2),
                 ("mul_scalar", 2), ("div_scalar", 2), ("pow_scalar", 3), "maximum", "minimum",
                 "neg", "abs", "sign", "square", "sqrt", "relu", "where", "sum", ("sum_dim", 0),
                 "mean", ("mean_dim", 1), "max", "min", "matmul", "mv", ("cat", 0), ("stack", 1),
                 "clone", "contiguous", "detach", "float64", "t", ("transpose", 0, 1),
                 ("permute", 1, 0), ("view", 4), ("reshape", 4), "flatten", "squeeze",
                 ("squeeze_dim", 0), ("unsqueeze", 1), ("expand", 2, 2, 2), ("select", 0, 1),
                 ("narrow", 1, 0, 1), ("slice", 0, 0, 1, 1), ("diagonal", 0, 0, 1), "mse_loss"]:
        case(F32, (2, 2), square, "requires_grad_", step)
    for step, value in ("exp", 0.0), ("log", 1.0), ("sigmoid", 0.0), ("tanh", 0.0):
        case(F64, (3,), [value], "requires_grad_", step)
    case(F32, (2, 3), square, "requires_grad_", "t", ("reshape", 6))
    case(F32, (2,), square, "requires_grad_", "dot")
    case(F32, (2,), square, "requires_grad_", "matmul")
    for step in "add_", "mul_":
        case(F32, (2,), square, "requires_grad_", "clone", step)
    case(F32, (), [2.0], "requires_grad_")
    case(F32, (), [2.5], "requires_grad_", "mul")
    case(F64, (), [2.5], "requires_grad_")
    case(F64, (), [1e-9], "requires_grad_", "neg")


def main():
    rng = random.Random(1)
    scalars()
    empty()
    vectors()
    wrapped(rng)
    suffixes(rng)
    shapes(rng)
    views()
    summaries(rng)
    graphs()
    sys.stdout.write("\n".join([f"{len(cases)} cases"] + cases) + "\n")


main()

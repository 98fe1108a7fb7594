#!/usr/bin/python3
"""Random numbers of PyTorch 1.13 on the CPU: random_golden.py > random_golden.txt

The first line says which libm and machine made the numbers. A line "seed N" is torch.manual_seed(N). Each other line
draws from the stream of the seed before it. It is "OP ARGUMENTS : VALUES" or, for a long result, "hash OP ARGUMENTS :
HASH". OPS has the operations. The arguments are the number of elements and the parameters of the distribution, or
out_features and in_features of a layer. Values are the bits of the elements in hexadecimal; a hash is the 64-bit
FNV-1a of their bytes in little-endian order.
"""

import platform

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
F64, I64 = torch.float64, torch.int64


def weight(out_features, in_features):
    return torch.nn.Linear(in_features, out_features, bias=False).weight


OPS = {
    "randn32": lambda n: torch.randn(n),
    "randn64": lambda n: torch.randn(n, dtype=F64),
    "rand32": lambda n: torch.rand(n),
    "rand64": lambda n: torch.rand(n, dtype=F64),
    "uniform32": lambda n, low, high: torch.empty(n).uniform_(low, high),
    "normal32": lambda n, mean, std: torch.empty(n).normal_(mean, std),
    "randint": lambda n, low, high: torch.randint(low, high, (n,)),
    "randperm": lambda n: torch.randperm(n),
    "random64": lambda n: torch.empty(n, dtype=I64).random_(),
    "bern": lambda n, p: torch.empty(n).bernoulli_(p),
    "bernt": lambda n, p: torch.bernoulli(torch.full((n,), p)),
    "drop": lambda n, p: F.dropout(torch.ones(n), p),
    "randnmul": lambda n, factor: torch.randn(n) * factor,
    "sort32": lambda n: torch.randn(n).sort().values,
    "sortidx": lambda n: torch.randn(n).sort().indices,
    "linear_w": weight,
}


def seed(n):
    print("seed", n % 2**64)
    torch.manual_seed(n)


def bits(t):
    """Returns the elements as integers of the same bits."""
    t = t.detach().flatten()
    return t.numpy().view({4: "<u4", 8: "<u8"}[t.element_size()])


def show(op, arguments, t):
    digits = "%x" if t.dtype == I64 else "%%0%dx" % (2 * t.element_size())
    print(op, *arguments, ":", " ".join(digits % v for v in bits(t).tolist()))


def draw(op, *arguments):
    show(op, arguments, OPS[op](*arguments))


def draw_layer(*features):
    """Draws a layer with a bias."""
    layer = torch.nn.Linear(features[1], features[0])
    show("linear_w", features, layer.weight)
    show("linear_b", features, layer.bias)


def draw_hash(op, *arguments):
    value = 14695981039346656037
    for byte in bits(OPS[op](*arguments)).tobytes():
        value = (value ^ byte) * 1099511628211 % 2**64
    print("hash", op, *arguments, ": %016x" % value)


def lecture():
    seed(202150754)
    draw("sort32", 100)
    draw("randnmul", 100, 0.4)
    draw("linear_w", 1, 2)
    seed(202150754)
    draw("sortidx", 100)


def every_operation():
    draw("rand32", 8)
    draw("rand64", 4)
    draw("random64", 4)
    for n, low, high in ((8, 0, 10), (4, -5, 6), (4, 0, 2**32 - 1), (4, 0, 2**32), (3, -(2**62), 2**62)):
        draw("randint", n, low, high)
    draw("randperm", 10)
    draw("uniform32", 8, -0.1, 0.3)
    for op, n in (("randn32", 5), ("randn32", 16), ("randn32", 1), ("randn64", 3), ("randn64", 16), ("randn64", 19),
                  ("randn32", 2)):
        draw(op, n)
    draw("normal32", 3, 2.0, 0.5)
    draw("normal32", 20, 2.0, 0.5)
    draw("randn32", 100)
    draw_layer(4, 3)
    draw("bern", 12, 0.3)
    draw("bernt", 12, 0.3)
    draw("drop", 12, 0.1)
    draw("drop", 6, 0.3)


def kept_normal():
    """The second normal number of a pair is kept for the next draw of few elements, over draws of other kinds."""
    seed(5)
    for op, n in (("randn32", 1), ("randn32", 20), ("rand32", 3), ("randn32", 1), ("randn64", 1), ("randn64", 32),
                  ("randperm", 5), ("randn32", 5), ("randn64", 3)):
        draw(op, n)


def layers():
    seed(7)
    draw_layer(16, 10)
    draw_layer(1, 16)
    seed(8)
    draw_layer(8, 1)
    draw_layer(3, 7)


def long_results():
    seed(0)
    for arguments in (("randn32", 100003), ("rand32", 100003), ("randn64", 10007), ("randperm", 60000),
                      ("linear_w", 512, 784), ("randn32", 7), ("sort32", 5000), ("bern", 10000, 0.5),
                      ("drop", 10000, 0.2), ("uniform32", 10000, -1 / 28, 1 / 28), ("randint", 10000, 0, 256),
                      ("normal32", 10001, 0.0, 0.02)):
        draw_hash(*arguments)
    seed(31337)
    draw_hash("randn32", 1000000)
    draw_hash("sortidx", 1000000)
    seed(26)
    draw_hash("sortidx", 2000)


print("# PyTorch %s, %s, %s" % (torch.__version__, " ".join(platform.libc_ver()), platform.machine()))
lecture()
for n in (0, 42, -1, 2**32 + 42, 2**64 - 1, 1234567890123456789):
    seed(n)
    every_operation()
for n in range(41):
    seed(1000 + n)
    draw("randn32", n)
    draw("randn32", 1)
kept_normal()
layers()
long_results()

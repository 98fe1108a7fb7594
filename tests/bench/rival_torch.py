"""PyTorch's side of the benchmarks, on one thread.

The script prints "ready" and then answers each line that it reads. It answers "WORK... TIMES" with the
seconds that doing the work so many times took, "memory MODEL... TIMES" with the KB by which resident memory
grew in three training steps of the model, and "tight_memory MODEL... TIMES" with the same, where malloc gives
freed memory back at once.
"""

import atexit
import ctypes
import functools
import os
import pathlib
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # torch.set_num_threads does not reach it
try:
    import numpy
    import torch
except ImportError:
    sys.exit()

torch.set_num_threads(1)

F = torch.nn.functional
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # parameters of mallopt, from malloc.h

# Each operation is a line here and a line of the same name in operations.def or calls.c.
OPERATIONS = {
    "add": lambda o: o.a + o.b,
    "sub": lambda o: o.a - o.b,
    "mul": lambda o: o.a * o.b,
    "div": lambda o: o.a / o.positive,
    "add_scalar": lambda o: o.a + 0.5,
    "mul_scalar": lambda o: o.a * 0.5,
    "add_row": lambda o: o.a + o.row,
    "add_column": lambda o: o.a + o.column,
    "maximum": lambda o: torch.maximum(o.a, o.b),
    "minimum": lambda o: torch.minimum(o.a, o.b),
    "remainder": lambda o: torch.remainder(o.a, o.positive),
    "pow": lambda o: o.positive ** o.a,
    "pow_2": lambda o: o.a ** 2,
    "pow_3": lambda o: o.a ** 3,
    "atan2": lambda o: torch.atan2(o.a, o.b),
    "neg": lambda o: -o.a,
    "abs": lambda o: o.a.abs(),
    "square": lambda o: o.a.square(),
    "sign": lambda o: o.a.sign(),
    "floor": lambda o: o.a.floor(),
    "round": lambda o: o.a.round(),
    "sqrt": lambda o: o.positive.sqrt(),
    "rsqrt": lambda o: o.positive.rsqrt(),
    "reciprocal": lambda o: o.positive.reciprocal(),
    "exp": lambda o: o.a.exp(),
    "expm1": lambda o: o.a.expm1(),
    "log": lambda o: o.positive.log(),
    "log1p": lambda o: o.positive.log1p(),
    "log2": lambda o: o.positive.log2(),
    "log10": lambda o: o.positive.log10(),
    "sin": lambda o: o.a.sin(),
    "cos": lambda o: o.a.cos(),
    "tan": lambda o: o.a.tan(),
    "asin": lambda o: o.part.asin(),
    "acos": lambda o: o.part.acos(),
    "atan": lambda o: o.a.atan(),
    "sinh": lambda o: o.a.sinh(),
    "cosh": lambda o: o.a.cosh(),
    "tanh": lambda o: o.a.tanh(),
    "erf": lambda o: o.a.erf(),
    "sigmoid": lambda o: o.a.sigmoid(),
    "relu": lambda o: o.a.relu(),
    "relu6": lambda o: F.relu6(o.a),
    "leaky_relu": lambda o: F.leaky_relu(o.a, 0.01),
    "hardtanh": lambda o: F.hardtanh(o.a),
    "elu": lambda o: F.elu(o.a),
    "selu": lambda o: F.selu(o.a),
    "gelu": lambda o: F.gelu(o.a),
    "gelu_tanh": lambda o: F.gelu(o.a, approximate="tanh"),
    "silu": lambda o: F.silu(o.a),
    "mish": lambda o: F.mish(o.a),
    "logsigmoid": lambda o: F.logsigmoid(o.a),
    "softplus": lambda o: F.softplus(o.a),
    "softsign": lambda o: F.softsign(o.a),
    "hardsigmoid": lambda o: F.hardsigmoid(o.a),
    "hardswish": lambda o: F.hardswish(o.a),
    "less_than": lambda o: o.a < o.b,
    "equal_scalar": lambda o: o.a == 0.5,
    "isnan": lambda o: o.a.isnan(),
    "logical_not": lambda o: o.mask.logical_not(),
    "where": lambda o: torch.where(o.mask, o.a, o.b),
    "masked_fill": lambda o: o.a.masked_fill(o.mask, 0.5),
    "clamp": lambda o: o.a.clamp(-1, 1),
    "lerp": lambda o: torch.lerp(o.a, o.b, o.part),
    "lerp_scalar": lambda o: torch.lerp(o.a, o.b, 0.25),
    "sum": lambda o: o.a.sum(),
    "sum_over_rows": lambda o: o.a.sum(1),
    "sum_over_columns": lambda o: o.a.sum(0),
    "mean": lambda o: o.a.mean(),
    "mean_over_rows": lambda o: o.a.mean(1),
    "mean_over_columns": lambda o: o.a.mean(0),
    "max": lambda o: o.a.max(),
    "max_over_rows": lambda o: o.a.amax(1),
    "max_over_columns": lambda o: o.a.amax(0),
    "argmax": lambda o: o.a.argmax(),
    "argmax_over_rows": lambda o: o.a.argmax(1),
    "argmax_over_columns": lambda o: o.a.argmax(0),
    "prod": lambda o: o.positive.prod(),
    "prod_over_rows": lambda o: o.positive.prod(1),
    "var": lambda o: o.a.var(),
    "var_over_rows": lambda o: o.a.var(1),
    "var_over_columns": lambda o: o.a.var(0),
    "norm": lambda o: torch.linalg.vector_norm(o.a),
    "norm_over_rows": lambda o: torch.linalg.vector_norm(o.a, dim=1),
    "logsumexp": lambda o: o.a.logsumexp(1),
    "any_over_rows": lambda o: o.mask.any(1),
    "softmax": lambda o: o.a.softmax(1),
    "log_softmax": lambda o: o.a.log_softmax(1),
    "cumsum": lambda o: o.a.cumsum(1),
    "cumsum_over_columns": lambda o: o.a.cumsum(0),
    "cumprod": lambda o: o.positive.cumprod(1),
    "sort_rows": lambda o: torch.sort(o.a, 1)[0],
    "argsort": lambda o: o.a.argsort(1),
    "topk": lambda o: o.a.topk(10, 1)[0],
    "dot": lambda o: torch.dot(o.a.view(-1), o.b.view(-1)),
    "mv": lambda o: torch.mv(o.a, o.row),
    "outer": lambda o: torch.outer(o.column.view(-1), o.row),
    "cat": lambda o: torch.cat([o.a, o.b], 1),
    "stack": lambda o: torch.stack([o.a, o.b]),
    "narrow": lambda o: o.a.narrow(1, 5, 50),
    "gather": lambda o: o.a.gather(1, o.indices),
    "index_select": lambda o: o.a.index_select(0, o.order),
    "index_select_columns": lambda o: o.a.index_select(1, o.labels.view(-1)),
    "scatter_add": lambda o: o.a.scatter_add(1, o.indices, o.b),
    "embedding": lambda o: F.embedding(o.order, o.a),
    "masked_select": lambda o: o.a.masked_select(o.mask),
    "nonzero": lambda o: o.mask.nonzero(),
    "one_hot": lambda o: F.one_hot(o.labels.view(-1), o.a.shape[1]),
    "transposed_copy": lambda o: o.a.t().contiguous(),
    "permuted_copy": lambda o: o.a.view(len(o.a) // 10, 10, -1, 10).permute(0, 2, 1, 3).contiguous(),
    "clone": lambda o: o.a.clone(),
    "cast": lambda o: o.a.to(torch.float64 if o.a.dtype == torch.float32 else torch.float32),
    "flip": lambda o: o.a.flip(1),
    "roll": lambda o: o.a.roll(3, 1),
    "pad": lambda o: F.pad(o.a, (1, 1, 1, 1)),
    "tril": lambda o: o.a.tril(),
    "repeat": lambda o: o.row.repeat(len(o.a), 1),
    "zeros": lambda o: torch.zeros(o.a.shape, dtype=o.a.dtype),
    "arange": lambda o: torch.arange(o.a.numel(), dtype=o.a.dtype),
    "rand": lambda o: torch.rand(o.a.shape, dtype=o.a.dtype),
    "randn": lambda o: torch.randn(o.a.shape, dtype=o.a.dtype),
    "bernoulli": lambda o: torch.bernoulli(o.part),
    "dropout": lambda o: F.dropout(o.a, 0.5),
    "mse_loss": lambda o: F.mse_loss(o.a, o.b),
    "l1_loss": lambda o: F.l1_loss(o.a, o.b),
    "smooth_l1_loss": lambda o: F.smooth_l1_loss(o.a, o.b),
    "huber_loss": lambda o: F.huber_loss(o.a, o.b),
    "binary_cross_entropy": lambda o: F.binary_cross_entropy(o.part, o.part.detach()),
    "bce_with_logits": lambda o: F.binary_cross_entropy_with_logits(o.a, o.part.detach()),
    "kl_div": lambda o: F.kl_div(o.a, o.part.detach(), reduction="sum"),
    "gaussian_nll_loss": lambda o: F.gaussian_nll_loss(o.a, o.b.detach(), o.positive),
    "poisson_nll_loss": lambda o: F.poisson_nll_loss(o.a, o.positive.detach()),
    "nll_loss": lambda o: F.nll_loss(o.a, o.labels.view(-1)),
    "cross_entropy": lambda o: F.cross_entropy(o.a, o.labels.view(-1)),
    "matmul": lambda o: o.a @ o.b,
    "view": lambda o: o.a.view(-1),
}


class Operands:
    """The operands of operands.h."""

    def __init__(self, rows, columns, dtype):
        self.a = torch.randn(rows, columns, dtype=dtype)
        self.b = torch.randn(rows, columns, dtype=dtype)
        self.positive = torch.rand(rows, columns, dtype=dtype) + 0.5
        self.part = torch.rand(rows, columns, dtype=dtype) * 0.98 + 0.01
        self.mask = self.a > self.b
        self.row = torch.randn(columns, dtype=dtype)
        self.column = torch.randn(rows, 1, dtype=dtype)
        self.order = torch.randperm(rows)
        self.labels = torch.randint(0, columns, (rows, 1))
        self.indices = torch.randint(0, columns, (rows, columns))

    def floats(self):
        return self.a, self.b, self.positive, self.part, self.row, self.column


shared_operands = functools.lru_cache(1)(Operands)  # the large ones take a while to make


def training(net, criterion, x, y, lr):
    """Returns a function that makes a training step."""
    sgd = torch.optim.SGD(net.parameters(), lr=lr)

    def step():
        loss = criterion(net(x), y)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()

    return step


def lecture(n):
    x = torch.stack([torch.ones(n), torch.randn(n)]).t()
    y = x[:, 1:] + torch.randn(n, 1)
    return training(torch.nn.Linear(2, 1, bias=False), torch.nn.MSELoss(), x, y, 0.1)


def perceptron(batch, *widths):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    x = torch.randn(batch, widths[0])
    y = torch.arange(batch) % widths[-1]
    return training(torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss(), x, y, 0.01)


def regression(batch, *widths):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    x, y = torch.randn(batch, widths[0]), torch.randn(batch, widths[-1])
    return training(torch.nn.Sequential(*layers[:-1]), torch.nn.MSELoss(), x, y, 0.01)


def product(m, k, n):
    a, b = torch.rand(m, k), torch.rand(k, n)
    return lambda: torch.mm(a, b)


def least_squares(rows, columns):
    a, b = torch.randn(rows, columns, dtype=torch.float64), torch.randn(rows, 1, dtype=torch.float64)
    return lambda: torch.linalg.lstsq(a, b, driver="gelsd")


def operation(name, rows, columns, dtype="float32", ways="forward"):
    """Returns an operation, forward alone or with backward."""
    run = OPERATIONS[name]
    o = shared_operands(rows, columns, getattr(torch, dtype))
    for t in o.floats():
        t.grad = None
        t.requires_grad_(ways == "both")
    return both_ways(lambda: run(o), o.floats()) if ways == "both" else lambda: run(o)


def both_ways(run, leaves):
    """Returns a function that runs forward, and backward from a gradient of ones."""
    gradient = torch.ones_like(run())

    def both():
        for t in leaves:
            t.grad = None
        run().backward(gradient)

    return both


def recorded(name, rows, columns):
    """Returns an operation that records a gradient."""
    run = OPERATIONS[name]
    o = Operands(rows, columns, torch.float32)
    o.a.requires_grad_()
    return lambda: run(o)


def optimiser(name, n, dtype):
    p = torch.randn(n, dtype=getattr(torch, dtype), requires_grad=True)
    p.grad = torch.randn_like(p)
    make = {
        "sgd": lambda: torch.optim.SGD([p], lr=0.01),
        "sgd_momentum": lambda: torch.optim.SGD([p], lr=0.01, momentum=0.9),
        "adam": lambda: torch.optim.Adam([p]),
        "adamw": lambda: torch.optim.AdamW([p]),
        "rmsprop": lambda: torch.optim.RMSprop([p]),
        "adagrad": lambda: torch.optim.Adagrad([p]),
    }
    return make[name]().step


def layer(name, mode, dtype, *sizes):
    """Returns a function that runs a layer on an input: forward in evaluation, or both ways in training."""
    torch.set_default_dtype(getattr(torch, dtype))
    nn = torch.nn
    x = torch.randint(0, 1000, sizes) if name == "embedding" else torch.randn(sizes, requires_grad=mode == "both")
    net = {
        "linear": lambda: nn.Linear(sizes[1], sizes[1]),
        "embedding": lambda: nn.Embedding(1000, 64),
        "batchnorm1d": lambda: nn.BatchNorm1d(sizes[1]),
        "batchnorm2d": lambda: nn.BatchNorm2d(sizes[1]),
        "layernorm": lambda: nn.LayerNorm(sizes[1]),
        "max_pool2d": lambda: nn.MaxPool2d(2),
        "avg_pool2d": lambda: nn.AvgPool2d(2),
    }[name]()
    torch.set_default_dtype(torch.float32)
    if mode == "both":
        return both_ways(lambda: net(x), [x, *net.parameters()])
    return functools.partial(without_gradients, net.eval(), x)


def without_gradients(net, x):
    with torch.no_grad():
        return net(x)


def convolution(way, dtype, batch, channels, side, out, kernel, stride, padding, groups):
    """Returns a function that runs one of the three products of a convolution."""
    dtype = getattr(torch, dtype)
    x = torch.randn(batch, channels, side, side, dtype=dtype, requires_grad=way == "input")
    weight = torch.randn(out, channels // groups, kernel, kernel, dtype=dtype, requires_grad=way == "weight")
    run = lambda: F.conv2d(x, weight, None, stride, padding, 1, groups)
    y = run()
    if way == "forward":
        return run
    leaf, gradient = (x if way == "input" else weight), torch.ones_like(y)
    return lambda: torch.autograd.grad(y, leaf, gradient, retain_graph=True)


class Residual(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        conv = lambda: torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        norm = lambda: torch.nn.BatchNorm2d(channels)
        self.path = torch.nn.Sequential(conv(), norm(), torch.nn.ReLU(), conv(), norm())

    def forward(self, x):
        return torch.relu(self.path(x) + x)


class Recurrent(torch.nn.Module):
    """An LSTM of one layer, made of slices of the input, as networks.c has it."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.input, self.hidden = torch.nn.Linear(inputs, 4 * hidden), torch.nn.Linear(hidden, 4 * hidden)
        self.size = hidden

    def forward(self, x):
        h = c = torch.zeros(x.shape[1], self.size, dtype=x.dtype)
        for t in range(x.shape[0]):
            i, f, g, o = (self.input(x[t]) + self.hidden(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


class Attention(torch.nn.Module):
    """Self-attention with several heads, as networks.c has it."""

    def __init__(self, width, heads):
        super().__init__()
        self.project, self.out, self.heads = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width), heads

    def forward(self, x):
        batch, length, width = x.shape
        split = lambda t: t.view(batch, length, self.heads, -1).permute(0, 2, 1, 3).reshape(
            batch * self.heads, length, -1)
        q, k, v = map(split, self.project(x).chunk(3, 2))
        weights = (torch.bmm(q, k.transpose(1, 2)) * (width // self.heads) ** -0.5).softmax(2)
        y = torch.bmm(weights, v).view(batch, self.heads, length, -1).permute(0, 2, 1, 3)
        return self.out(y.reshape(batch, length, width))


def lenet():
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                         nn.Linear(84, 10))


def mlp(*widths):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


# The least input that each network takes; the sizes of some are also those of its layers.
SMALL_INPUTS = {"mlp": "22", "lenet": ("1", "1", "28", "28"), "residual": "2222", "lstm": "222", "attention": "228"}


def network(name, dtype, *sizes):
    """Returns a function that makes a training step of a network: forward, the mean of squares, backward, SGD."""
    torch.set_default_dtype(getattr(torch, dtype))
    net = {"mlp": lambda: mlp(*sizes[1:], 512, 512, 512), "lenet": lenet, "residual": lambda: Residual(sizes[1]),
           "lstm": lambda: Recurrent(sizes[2], sizes[2]), "attention": lambda: Attention(sizes[2], 8)}[name]()
    x = torch.randn(sizes)
    torch.set_default_dtype(torch.float32)
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step():
        sgd.zero_grad(set_to_none=True)
        net(x).square().mean().backward()
        sgd.step()

    return step


def files(direction, megabytes):
    values = torch.rand(megabytes << 18).numpy()
    name = "bench_files.npy"

    def save():
        with open(name + ".tmp", "wb") as f:
            numpy.save(f, values)
            f.flush()
            os.fsync(f.fileno())
        os.replace(f.name, name)
        folder = os.open(".", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    save()
    atexit.register(pathlib.Path(name).unlink, missing_ok=True)
    return {
        "save": save,
        "load": lambda: numpy.load(name),
        "load_mapped_and_sum": lambda: numpy.load(name, mmap_mode="r").sum(),
    }[direction]


def csv(path):
    import pandas  # which PyTorch does not need

    return lambda: pandas.read_csv(path, float_precision="round_trip").to_numpy()


@functools.lru_cache(1)
def prepare(kind, *arguments):
    """Returns the function that does the work once."""
    kinds = (lecture, perceptron, regression, product, least_squares, operation, recorded, optimiser, layer, convolution,
             network, files, csv)
    make = {f.__name__: f for f in kinds}[kind]
    return make(*(int(a) if a.isdigit() else a for a in arguments))


@functools.lru_cache(None)
def keep_memory():
    """Lets malloc keep what is freed, as the library does. Else the system would clear each large result again."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)  # nothing is mapped on its own, and unmapped when it is freed
    libc.mallopt(M_TRIM_THRESHOLD, -1)  # nothing goes back to the system


def seconds(work, times):
    keep_memory()
    run = prepare(*work)
    run()
    start = time.perf_counter()
    for _ in range(times):
        run()
    return time.perf_counter() - start


def status(field):
    """Returns the value in KB of a line of /proc/self/status."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def peak_kilobytes(tight, kind, *arguments):
    """Returns by how many KB resident memory grows at most in three steps, which a process of its own makes.

    glibc keeps some of the memory that is freed, and the more of it the longer a program runs. With tight, malloc
    takes the memory of each large tensor from the system and gives it back when the tensor is freed.
    """
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        if tight:
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 16)
        small = [*arguments[:2], *SMALL_INPUTS[arguments[0]]] if kind == "network" else ["2"] * len(arguments)
        prepare(kind, *small)()  # brings the code into memory, which is not measured
        prepare.cache_clear()
        before = status("VmRSS")
        step = prepare(kind, *arguments)
        for _ in range(3):
            step()
        os.write(ends[1], b"%d" % (status("VmHWM") - before))
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(ends[0], 32))


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        *work, times = line.split()
        if work[0] in ("memory", "tight_memory"):
            print(peak_kilobytes(work[0] == "tight_memory", *work[1:]), flush=True)
        else:
            print(seconds(work, int(times)), flush=True)


main()

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

M_MMAP_THRESHOLD = -3  # a parameter of mallopt, from malloc.h

# Each operation is a line here and a line of the same name in ops.c or calls.c.
OPERATIONS = {
    "add": lambda o: o.a + o.b,
    "mul": lambda o: o.a * o.b,
    "sqrt": lambda o: torch.sqrt(o.positive),
    "relu": lambda o: torch.relu(o.a),
    "exp": lambda o: torch.exp(o.a),
    "log": lambda o: torch.log(o.positive),
    "tanh": lambda o: torch.tanh(o.a),
    "sigmoid": lambda o: torch.sigmoid(o.a),
    "less_than": lambda o: o.a < o.b,
    "where": lambda o: torch.where(o.mask, o.a, o.b),
    "add_row": lambda o: o.a + o.row,
    "add_column": lambda o: o.a + o.column,
    "transposed_copy": lambda o: o.a.t().contiguous(),
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
    "sin": lambda o: torch.sin(o.a),
    "log1p": lambda o: torch.log1p(o.positive),
    "erf": lambda o: torch.erf(o.a),
    "gelu": lambda o: torch.nn.functional.gelu(o.a),
    "softmax": lambda o: torch.softmax(o.a, 1),
    "log_softmax": lambda o: torch.log_softmax(o.a, 1),
    "cumsum": lambda o: torch.cumsum(o.a, 1),
    "var_over_rows": lambda o: o.a.var(1),
    "sort_rows": lambda o: torch.sort(o.a, 1),
    "index_select": lambda o: o.a.index_select(0, o.order),
    "gather": lambda o: o.a.gather(1, o.labels),
    "matmul": lambda o: o.a @ o.b,
    "view": lambda o: o.a.view(-1),
}


class Operands:
    """The operands of operands.h."""

    def __init__(self, rows, columns):
        self.a = torch.randn(rows, columns)
        self.b = torch.randn(rows, columns)
        self.positive = torch.rand(rows, columns) + 0.5
        self.mask = self.a > self.b
        self.row = torch.randn(columns)
        self.column = torch.randn(rows, 1)
        self.order = torch.randperm(rows)
        self.labels = torch.randint(0, columns, (rows, 1))


shared_operands = functools.lru_cache(None)(Operands)  # the large ones take a while to make


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


def product(m, k, n):
    a, b = torch.rand(m, k), torch.rand(k, n)
    return lambda: torch.mm(a, b)


def least_squares(rows, columns):
    a, b = torch.randn(rows, columns, dtype=torch.float64), torch.randn(rows, 1, dtype=torch.float64)
    return lambda: torch.linalg.lstsq(a, b, driver="gelsd")


def operation(name, rows, columns):
    run = OPERATIONS[name]
    o = shared_operands(rows, columns)
    return lambda: run(o)


def recorded(name, rows, columns):
    """Returns an operation that records a gradient."""
    run = OPERATIONS[name]
    o = Operands(rows, columns)
    o.a.requires_grad_()
    return lambda: run(o)


def layer(name, *sizes):
    """Returns a function that runs forward and backward of a layer or a loss, or makes a step of Adam."""
    F = torch.nn.functional
    if name == "adam":
        p = torch.randn(sizes[0], requires_grad=True)
        p.grad = torch.randn(sizes[0])
        return torch.optim.Adam([p]).step
    if name == "cross_entropy":
        x, y = torch.randn(sizes, requires_grad=True), torch.arange(sizes[0]) % sizes[1]
        f = lambda: F.cross_entropy(x, y)
    else:
        x = torch.randn(sizes[:4], requires_grad=True)
        net = {"conv2d": lambda: torch.nn.Conv2d(sizes[1], sizes[4], 3, padding=1),
               "max_pool2d": lambda: torch.nn.MaxPool2d(2), "batchnorm2d": lambda: torch.nn.BatchNorm2d(sizes[1])}[name]()
        f = lambda: net(x).sum()

    def both():
        x.grad = None
        f().backward()

    return both


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
    kinds = (lecture, perceptron, product, least_squares, operation, recorded, layer, files, csv)
    make = {f.__name__: f for f in kinds}[kind]
    return make(*(int(a) if a.isdigit() else a for a in arguments))


def seconds(work, times):
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
        prepare(kind, *("2" for _ in arguments))()  # brings the code into memory, which is not measured
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

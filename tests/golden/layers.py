#!/usr/bin/python3
"""Layers of torch.nn: layers.py > layers_golden.txt

The inputs of a case are x and then the parameters of the layer in their order. Its numbers are those of the layer, and
after them a shape, if there is one. A normalization with running statistics has two more cases: NAME_running is what
its statistics are after some batches, and NAME_eval what it then gives in evaluation mode.
"""

import torch.nn as nn

from common import *

# In the library and in PyTorch: means and variances of a dozen elements, a root, and a few operations around them.
NORM = Rule("composed", (24, 32, 32), absolute=True)
PRODUCT = Rule("linear", (1, 1, 1), {"all": (1, 1, 1)})
MOVED = Rule("structural")
EXACT = Rule("elementwise")


def adopt(layer, dtype, parameters):
    """Returns the layer with its parameters replaced by these tensors, which need not be leaves."""
    layer = layer.to(dtype)
    for (path, _), p in zip(list(layer.named_parameters()), parameters):
        owner = layer
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        delattr(owner, name)
        setattr(owner, name, p)
    return layer


def norm_layer(kind, x, flags, eps, momentum):
    """Returns a normalization with x[1:] as its parameters. Bit 0 of flags is affine, bit 1 track_running_stats; a
    negative momentum stands for None."""
    affine, track = flags & 1, flags & 2
    layer = kind(x[0].shape[1], eps, None if momentum < 0 else momentum, bool(affine), bool(track))
    return adopt(layer, x[0].dtype, x[1:])


def batches(x, n):
    """Returns n different batches of the shape of x."""
    return [x * (1 + i) + i for i in range(n)]


def batchnorm(kind):
    """Returns three functions: forward in training mode; the statistics after n batches; and forward in evaluation
    mode after n batches."""
    def train(x, flags, eps, momentum):
        return norm_layer(kind, x, int(flags), eps, momentum)(x[0])

    def after(layer, x, n):
        with torch.no_grad():
            for b in batches(x[0], n):
                layer(b)
        return layer

    def running(x, flags, eps, momentum, n):
        layer = after(norm_layer(kind, x, int(flags), eps, momentum), x, int(n))
        return torch.cat([layer.running_mean, layer.running_var, layer.num_batches_tracked[None].to(x[0].dtype)])

    def evaluate(x, flags, eps, momentum, n):
        return after(norm_layer(kind, x, int(flags), eps, momentum), x, int(n)).eval()(x[0])

    return train, running, evaluate


def running_rule(x, momentum, n):
    """Returns the rule of running statistics, whose errors are relative to the same statistics of absolute values and
    of squares."""
    mean, square = torch.zeros(x.shape[1], dtype=F64), torch.ones(x.shape[1], dtype=F64)
    for i, b in enumerate(batches(x.detach().to(F64), n)):
        m, rows = 1 / (i + 1) if momentum < 0 else momentum, b.transpose(0, 1).flatten(1)
        mean = (1 - m) * mean + m * rows.abs().mean(1)
        square = (1 - m) * square + m * rows.square().sum(1) / (rows.shape[1] - 1)
    scale = torch.cat([mean, square, torch.ones(1)])
    return Rule("elementwise", (24, 32, 32), size=lambda out, attrs: scale.to(out.dtype))


def batchnorm_cases():
    shapes = {"batchnorm1d": [(4, 3), (3, 2, 2), (2, 1)], "batchnorm2d": [(2, 3, 2, 1), (1, 2, 2, 2)]}
    for name, kind in (("batchnorm1d", nn.BatchNorm1d), ("batchnorm2d", nn.BatchNorm2d)):
        train, running, evaluate = batchnorm(kind)
        for dtype in (F32, F64):
            for shape in shapes[name]:
                for flags in (0, 1, 2, 3):
                    for how in ("contiguous", "transposed", "sliced")[:3 if flags == 3 else 1]:
                        c = shape[1]
                        own = [make((c,), dtype, "positive"), make((c,), dtype)] if flags & 1 else []
                        x = [make(shape, dtype, "normal", how)] + own
                        case(name, NORM, train, x, [flags, 1e-5, 0.1], differentiate=True)
                        if flags & 2:
                            fixed = [Input(i.base, i.steps, False) for i in x]
                            for momentum, n in ((0.1, 1), (0.3, 3), (-1.0, 3)):
                                rule = running_rule(look(fixed[0].base, fixed[0].steps), momentum, n)
                                case(name + "_running", rule, running, fixed, [flags, 1e-3, momentum, n])
                                case(name + "_eval", NORM, evaluate, x, [flags, 1e-3, momentum, n], differentiate=True)
        x = lambda *shape: [make(shape, F32)]
        for bad in (x(1, 3), x(3), x(2, 3, 2, 2)) if name == "batchnorm1d" else (x(1, 3, 1, 1), x(2, 3, 2)):
            case(name, NORM, train, bad, [2, 1e-5, 0.1], fails=True)


def layernorm_cases():
    def run(x, flags, eps, *shape):
        return adopt(nn.LayerNorm([int(s) for s in shape], eps, bool(flags)), x[0].dtype, x[1:])(x[0])

    for dtype in (F32, F64):
        for shape, k in (((3, 4), 1), ((2, 2, 4), 1), ((2, 3, 2), 2), ((5,), 1), ((2, 3, 2), 3)):
            for flags in (0, 1):
                for how in ("contiguous", "transposed", "sliced"):
                    tail = shape[-k:]
                    own = [make(tail, dtype, "positive"), make(tail, dtype)] if flags else []
                    case("layernorm", NORM, run, [make(shape, dtype, "normal", how)] + own,
                         [flags, 1e-5, *tail], differentiate=True)
    case("layernorm", NORM, run, [make((2, 3), F32)], [0, 1e-5, 2], fails=True)


def embedding_cases():
    def run(x, padding):
        n, width = x[1].shape
        return adopt(nn.Embedding(n, width, None if padding == END else padding), x[1].dtype, x[1:])(x[0])

    for dtype in (F32, F64):
        for index in ([[0, 2], [2, 1]], [3, 3, 0], 1, []):
            for padding in (END, 0, -1):
                case("embedding", MOVED, run, [of(index, I64), make((4, 3), dtype)], [padding], differentiate=True)
    case("embedding", MOVED, run, [of([4], I64), make((4, 3), F32)], [END], fails=True)


def sequential_cases():
    def run(x):
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)))
        return adopt(net, x[0].dtype, x[1:])(x[0])

    for dtype in (F32, F64):
        sizes = [(3, 4), (3,), (3,), (3,), (2, 3), (2,)]
        case("sequential", NORM, run, [make((3, 2, 2), dtype)] + [make(s, dtype, "positive") for s in sizes][:5]
             + [make((2,), dtype)], differentiate=True)


def drawn_cases():
    """Layers that are made after a seed: the bits of their parameters, and the next two numbers of the generator, which
    show how many the layer has drawn."""
    def drawn(make_layer):
        def run(x, seed, *numbers):
            torch.manual_seed(int(seed))
            layer = make_layer(*(int(n) for n in numbers))
            return torch.cat([p.detach().flatten() for p in layer.parameters()] + [torch.rand(2)])
        return run

    for sizes in ((3, 4), (1, 1), (7, 20)):
        for bias in (0, 1):
            case("linear_drawn", EXACT, drawn(lambda i, o, b: nn.Linear(i, o, bias=bool(b))), [], [5, *sizes, bias])
    for n, width, padding in ((4, 3, -1), (10, 5, 2), (6, 3, END)):
        case("embedding_drawn", EXACT, drawn(lambda n, w, p: nn.Embedding(n, w, None if p == END else p)), [],
             [6, n, width, padding])


def linear_cases():
    f = lambda x: F.linear(*x)
    for dtype in (F32, F64):
        for shape in ((3,), (2, 3), (2, 2, 3), (2, 1, 2, 3), (0, 3), (1, 3)):
            for bias in (False, True):
                more = [make((2,), dtype)] if bias else []
                case("linear", PRODUCT, f, [make(shape, dtype), make((2, 3), dtype)] + more)
                more = [make((2,), dtype, "dyadic")] if bias else []
                case("linear", PRODUCT, f, [make(shape, dtype, "dyadic"), make((2, 3), dtype, "dyadic")] + more, exact=True)
        for how in LAYOUTS:
            case("linear", PRODUCT, f, [make((2, 3), dtype, "normal", how), make((1, 3), dtype), make((1,), dtype)])
    case("linear", PRODUCT, f, [make((2, 2), F32), make((2, 3), F32)], fails=True)


write(batchnorm_cases, layernorm_cases, embedding_cases, sequential_cases, drawn_cases, (7003, linear_cases))

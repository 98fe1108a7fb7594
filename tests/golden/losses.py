#!/usr/bin/python3
"""Losses by PyTorch: losses.py > losses_golden.txt

The first number of a case is the reduction (0 mean, 1 sum, 2 none, 3 batchmean). The inputs are input and target. In
losses with weights, the second number says which follow these: weight if its bit 0 is set, pos_weight if its bit 1 is.
"""

from common import *

# In the library and in PyTorch: a few functions, and a sum of a dozen terms, which may cancel.
LOSS = Rule("composed", (24, 32, 32), absolute=True)
REDUCTIONS = ("mean", "sum", "none", "batchmean")


def extras(x, flags):
    """Returns the weight and pos_weight among the inputs; None where the flags name none."""
    rest = list(x[2:])
    return rest.pop(0) if flags & 1 else None, rest.pop(0) if flags & 2 else None


def both(x):
    """Returns an input and a target of the same shape, both with a gradient."""
    return [make(x[0], x[1], *x[2:]), make(x[0], x[1], *x[2:])]


def distance_cases():
    losses = {
        "l1_loss": (lambda x, r: F.l1_loss(*x, reduction=REDUCTIONS[int(r)]), [()]),
        "smooth_l1_loss": (lambda x, r, b: F.smooth_l1_loss(*x, reduction=REDUCTIONS[int(r)], beta=b), [(1.0,), (0.3,), (0.0,), (5.0,)]),
        "huber_loss": (lambda x, r, d: F.huber_loss(*x, reduction=REDUCTIONS[int(r)], delta=d), [(1.0,), (0.3,), (5.0,)]),
    }
    for name, (f, arguments) in losses.items():
        for dtype in (F32, F64):
            for a in arguments:
                for r in (0, 1, 2):
                    case(name, LOSS, f, both(((2, 3), dtype)), [r, *a], differentiate=True)
                    case(name, LOSS, f, both(((3, 4), dtype, "normal", "transposed")), [r, *a])
                    case(name, LOSS, f, both(((), dtype)), [r, *a], differentiate=True)
                edges = [of(MILD, dtype, grad=False), of(MILD[::-1], dtype, grad=False)]
                case(name, LOSS, f, edges, [2, *a])
            case(name, LOSS, f, [make((0, 2), dtype, grad=False)] * 2, [0, *arguments[0]])
            case(name, LOSS, f, [make((0, 2), dtype, grad=False)] * 2, [1, *arguments[0]])


def inside(shape, dtype, how="contiguous"):
    """Returns an input of random values in (0, 1)."""
    base, steps = layout(shape, how)
    return Input(values(base, dtype).sigmoid(), steps)


def bce_cases():
    def plain(x, r, flags):
        return F.binary_cross_entropy(x[0], x[1], extras(x, int(flags))[0], reduction=REDUCTIONS[int(r)])

    def logits(x, r, flags):
        w, p = extras(x, int(flags))
        return F.binary_cross_entropy_with_logits(x[0], x[1], w, reduction=REDUCTIONS[int(r)], pos_weight=p)

    for dtype in (F32, F64):
        for r in (0, 1, 2):
            for how in ("contiguous", "transposed", "sliced"):
                for flags in (0, 1):
                    for shape in ((2, 3), (4,)):
                        weight = [make(shape[-1:], dtype, "positive", grad=False)] if flags else []
                        case("bce", LOSS, plain, [inside(shape, dtype, how), inside(shape, dtype)] + weight, [r, flags], differentiate=True)
                for flags in (0, 1, 2, 3):
                    own = [make((3,), dtype, "positive", grad=False)] * (flags & 1) + [make((1, 3), dtype, "positive", grad=False)] * (flags > 1)
                    case("bce_with_logits", LOSS, logits, [make((2, 3), dtype, "normal", how), inside((2, 3), dtype)] + own, [r, flags], differentiate=True)
        hard = of([0.0, 1.0, 0.0, 1.0, 0.5], dtype), of([0.0, 0.0, 1.0, 1.0, 0.0], dtype, grad=False)
        case("bce", Rule("composed", (8, 16, 16)), plain, list(hard), [2, 0])
        case("bce", LOSS, plain, [of(0.5314649343490601 if dtype == F32 else 0.13090049739195586, dtype), inside((), dtype)], [0, 0])
        case("bce", LOSS, plain, [make((0,), dtype, grad=False)] * 2, [0, 0])
        case("bce_with_logits", LOSS, logits, [of([100.0, -100.0, 0.0, INF, 1e4], dtype, grad=False), of([0.0, 1.0, 0.0, 1.0, 0.0], dtype, grad=False)], [2, 0])
        for bad in ([1.5, 0.5], [-0.1, 0.5], [NAN, 0.5]):
            case("bce", LOSS, plain, [of(bad, dtype), of([0.0, 1.0], dtype)], [0, 0], fails=True)


def divergence_cases():
    def kl(x, r, log):
        return F.kl_div(x[0], x[1], reduction=REDUCTIONS[int(r)], log_target=bool(log))

    def gaussian(x, r, full, eps):
        return F.gaussian_nll_loss(x[0], x[1], x[2], full=bool(full), eps=eps, reduction=REDUCTIONS[int(r)])

    for dtype in (F32, F64):
        for r in (0, 1, 2, 3):
            for log in (0, 1):
                for how in ("contiguous", "transposed"):
                    target = make((2, 3), dtype, "normal", how) if log else inside((2, 3), dtype, how)
                    case("kl_div", LOSS, kl, [make((2, 3), dtype, "normal", how), target], [r, log], differentiate=True)
        case("kl_div", LOSS, kl, [of([0.5, -1.0, 2.0], dtype), of([0.0, 1.0, 0.0], dtype, grad=False)], [2, 0])
        for r in (0, 1, 2):
            for full in (0, 1):
                for shape in ((2, 3), (2, 1), (2,)):
                    sides = [make((2, 3), dtype), make((2, 3), dtype)]
                    case("gaussian_nll", LOSS, gaussian, sides + [make(shape, dtype, "positive")], [r, full, 1e-6], differentiate=True)
        case("gaussian_nll", LOSS, gaussian, [make((3,), dtype), make((3,), dtype), of([1e-9, 0.0, 2.0], dtype, grad=False)], [2, 0, 1e-2])
        case("gaussian_nll", LOSS, gaussian, [make((3,), dtype), make((3,), dtype), of([1.0, -1.0, 2.0], dtype)], [0, 0, 1e-6], fails=True)
        case("gaussian_nll", LOSS, gaussian, [make((3, 2), dtype), make((3, 2), dtype), make((2,), dtype, "positive")], [0, 0, 1e-6], fails=True)


def poisson_cases():
    def poisson(x, r, log, full, eps):
        return F.poisson_nll_loss(x[0], x[1], log_input=bool(log), full=bool(full), eps=eps, reduction=REDUCTIONS[int(r)])

    counts = [0.0, 1.0, 1.5, 2.0, 3.0, 40.0]
    for dtype in (F32, F64):
        for r in (0, 1, 2):
            for log in (0, 1):
                for full in (0, 1):
                    for how in ("contiguous", "transposed"):
                        sides = [make((2, 3), dtype, "normal" if log else "positive", how), make((2, 3), dtype, "positive", how)]
                        case("poisson_nll", LOSS, poisson, sides, [r, log, full, 1e-8], differentiate=True)
                    rate = make((6,), dtype, "normal" if log else "positive")
                    case("poisson_nll", LOSS, poisson, [rate, of(counts, dtype, grad=False)], [r, log, full, 1e-8], differentiate=True)
                    case("poisson_nll", LOSS, poisson, [make((), dtype, "positive"), of(4.0, dtype)], [r, log, full, 1e-3])
        case("poisson_nll", LOSS, poisson, [make((0, 2), dtype, grad=False)] * 2, [0, 1, 0, 1e-8])
        case("poisson_nll", LOSS, poisson, [of([INF, -INF, 90.0, NAN], dtype, grad=False), of([1.0, 2.0, 0.0, 1.0], dtype, grad=False)], [2, 1, 1, 1e-8])
        case("poisson_nll", LOSS, poisson, [of([0.0, 0.0, 2.0], dtype, grad=False), of([0.0, 3.0, 5.0], dtype, grad=False)], [2, 0, 0, 1e-8])


def labels(shape, classes, ignored=None):
    """Returns an input of random labels, of which the second is `ignored`, if that is given."""
    r = torch.Generator()
    r.manual_seed(values.calls)
    t = torch.randint(0, classes, shape, generator=r)
    if ignored is not None and t.numel() > 1:
        t.flatten()[1] = ignored
    return Input(t)


def class_cases():
    def nll(x, r, flags, ignore):
        return F.nll_loss(x[0], x[1], extras(x, int(flags))[0], ignore_index=int(ignore), reduction=REDUCTIONS[int(r)])

    def cross(x, r, flags, ignore, smoothing):
        return F.cross_entropy(x[0], x[1], extras(x, int(flags))[0], ignore_index=int(ignore),
                               reduction=REDUCTIONS[int(r)], label_smoothing=smoothing)

    shapes = [((4, 3), (4,)), ((3,), ()), ((2, 3, 2), (2, 2)), ((1, 3, 2, 2), (1, 2, 2))]
    for dtype in (F32, F64):
        for r in (0, 1, 2):
            for flags in (0, 1):
                weight = [make((3,), dtype, "positive", grad=False)] if flags else []
                for shape, rows in shapes:
                    for ignore in (-100, 1, -1):
                        how = "transposed" if len(shape) == 2 and ignore == 1 else "contiguous"
                        own = labels(rows, 3, ignore)
                        case("nll_loss", LOSS, nll, [make(shape, dtype, "normal", how), own] + weight, [r, flags, ignore], differentiate=True)
                        for smoothing in (0.0, 0.25):
                            case("cross_entropy", LOSS, cross, [make(shape, dtype, "normal", how), own] + weight,
                                 [r, flags, ignore, smoothing], differentiate=ignore == -100)
                    for smoothing in (0.0, 0.25):
                        case("cross_entropy", LOSS, cross, [make(shape, dtype), inside(shape, dtype)] + weight,
                             [r, flags, -100, smoothing], differentiate=True)
            every = Input(torch.full((4,), 2))
            case("nll_loss", LOSS, nll, [make((4, 3), dtype), every], [r, 0, 2])
            case("cross_entropy", LOSS, cross, [make((4, 3), dtype), every], [r, 0, 2, 0.0])
            case("nll_loss", LOSS, nll, [make((0, 3), dtype, grad=False), Input(torch.zeros(0, dtype=I64))], [r, 0, -100])
        case("cross_entropy", LOSS, cross, [of([[INF, 1.0], [NAN, 0.0], [-INF, 2.0], [1e4, -1e4]], dtype, grad=False), of([0, 1, 1, 0], I64)], [2, 0, -100, 0.0])
        case("nll_loss", LOSS, nll, [of([[INF, 1.0], [NAN, 0.0]], dtype, grad=False), of([0, 0], I64)], [0, 0, 0])
        for bad in ([0, 3, 1, 1], [0, -1, 1, 1]):
            case("nll_loss", LOSS, nll, [make((4, 3), dtype), of(bad, I64)], [0, 0, -100], fails=True)
            case("cross_entropy", LOSS, cross, [make((4, 3), dtype), of(bad, I64)], [0, 0, -100, 0.0], fails=True)
        case("cross_entropy", LOSS, cross, [make((4, 3), dtype), labels((4, 1), 3)], [0, 0, -100, 0.0], fails=True)
        case("cross_entropy", LOSS, cross, [make((4, 3), dtype), labels((4,), 3)], [0, 0, -100, 1.5], fails=True)


def loss_roundings(out, attrs, inputs):
    """Returns the roundings in a reduced loss: a term, the square of a difference, has 3 u; then n - 1 additions
    follow, and for a mean a division. No term is negative, so that the errors are relative to the result."""
    n = look(inputs[0].base, inputs[0].steps).numel()
    n = max(n, torch.broadcast_shapes(*[look(i.base, i.steps).shape for i in inputs]).numel())
    return (n + 3,) * 3


def mse_cases():
    names = ["mean", "sum", "none"]

    def f(x, reduction):
        a, b = torch.broadcast_tensors(*x)
        return F.mse_loss(a, b, reduction=names[reduction & 3])

    for reduction in (0, 1, 2):
        rule = Rule("elementwise", None if reduction == 2 else loss_roundings)
        for dtype in (F32, F64):
            for shape in ((4,), (2, 3), (), (1, 1), (2, 2, 2)):
                case("mse_loss", rule, f, [make(shape, dtype), make(shape, dtype)], [reduction])
        for a, b in zip(LAYOUTS, LAYOUTS[5:] + LAYOUTS):
            case("mse_loss", rule, f, [make((2, 3), F32, "normal", a), make((2, 3), F32, "normal", b)], [reduction])
        for a, b in (((3,), (3, 1)), ((2, 1), (1, 2)), ((), (4,))):
            case("mse_loss", rule, f, [make(a, F32), make(b, F32)], [reduction | 4])
            case("mse_loss", rule, f, [make(a, F64), make(b, F64)], [reduction | 4])
        case("mse_loss", rule, f, [make((0,), F32), make((0,), F32)], [reduction])


write(distance_cases, bce_cases, divergence_cases, class_cases, poisson_cases, (7245, mse_cases))

#!/usr/bin/python3
"""Trajectories of torch.optim and of its learning-rate schedulers: optim.py > optim_golden.txt

There are two parameters: one has 19 elements; the other is a transpose, 3 by 2, and has no gradient in some steps. The
gradient of p in step t is 0.5 * (p - target) + noise[t], computed in float64 and rounded to the dtype. It depends on p,
so that an error in one step shows in all later ones. The lines are

    start DTYPE VALUES          the parameters, the first and then the second, row-major
    target DTYPE VALUES
    noise DTYPE STEP VALUES
    run DTYPE NAME OPTIONS      an optimiser with its numbers and switches, in the order of the C struct
    after STEP VALUES
    rates NAME NUMBERS          a schedule with its numbers
    rate VALUES                 the learning rate and the momentum, at first and after each step

    valley DTYPE NAME NUMBERS   LBFGS with its numbers, on Rosenbrock's function in 2 dimensions or a quadratic in 8
    at STEP LOSS VALUES         the first loss of a step, and the parameters after the step
"""

import math

import torch

torch.set_num_threads(1)
F32, F64 = torch.float32, torch.float64
NAMES = {F32: "f32", F64: "f64"}
STEPS, TOLD = 100, (1, 2, 3, 10, 50, 100)
LAGGING = (1, 2, 7, 8, 15, 60)


def text(tensors):
    digits = "%.9g" if tensors[0].dtype == F32 else "%.17g"
    return " ".join(digits % v for t in tensors for v in t.detach().flatten().tolist())


def draw(generator, dtype, size=1.0):
    return [(torch.randn(shape, generator=generator, dtype=F64) * size).to(dtype) for shape in ((19,), (3, 2))]


def gradient(p, target, noise):
    return ((p.detach().to(F64) - target.to(F64)) * 0.5 + noise.to(F64)).to(p.dtype)


def trajectory(make, start, target, noises):
    first = start[0].clone().requires_grad_()
    second = start[1].t().contiguous().t().requires_grad_()
    optim = make([first, second])
    for step, noise in enumerate(noises, 1):
        first.grad = gradient(first, target[0], noise[0])
        second.grad = None if step in LAGGING else gradient(second, target[1], noise[1])
        optim.step()
        if step in TOLD:
            print("after", step, text([first, second]))


O = torch.optim
ADAM = [(0.01, 0.9, 0.999, 1e-8, 0, 0, 0), (0.05, 0.8, 0.95, 1e-3, 0.1, 0, 0), (0.02, 0.9, 0.99, 1e-8, 0, 1, 0),
        (0.02, 0.9, 0.99, 1e-8, 0.1, 1, 1), (0.01, 0.0, 0.5, 1e-8, 0, 0, 1)]
KINDS = {
    "adam": (lambda p, lr, a, b, eps, d, ams, mx: O.Adam(p, lr, (a, b), eps, d, bool(ams), maximize=bool(mx)), ADAM),
    "adamw": (lambda p, lr, a, b, eps, d, ams, mx: O.AdamW(p, lr, (a, b), eps, d, bool(ams), maximize=bool(mx)), ADAM),
    "rmsprop": (lambda p, lr, mom, alpha, eps, d, c, mx: O.RMSprop(p, lr, alpha, eps, d, mom, bool(c), maximize=bool(mx)),
                [(0.01, 0, 0.99, 1e-8, 0, 0, 0), (0.01, 0.9, 0.9, 1e-6, 0, 0, 0), (0.01, 0, 0.95, 1e-2, 0.1, 1, 0),
                 (0.003, 0.5, 0.9, 1e-2, 0.1, 1, 1), (0.01, 0, 0.9, 1e-8, 0.1, 0, 1)]),
    "adagrad": (lambda p, lr, decay, d, start, eps, mx: O.Adagrad(p, lr, decay, d, start, eps, maximize=bool(mx)),
                [(0.1, 0, 0, 0, 1e-10, 0), (0.1, 0.01, 0.1, 0.5, 1e-10, 0), (0.05, 0, 0.1, 0, 1e-3, 1)]),
}


def trajectories():
    for dtype in NAMES:
        generator = torch.Generator()
        generator.manual_seed(11)
        start, target = draw(generator, dtype), draw(generator, dtype)
        noises = [draw(generator, dtype, 0.3) for _ in range(STEPS)]
        print("start", NAMES[dtype], text(start))
        print("target", NAMES[dtype], text(target))
        for step, n in enumerate(noises, 1):
            print("noise", NAMES[dtype], step, text(n))
        for name, (make, sets) in KINDS.items():
            for o in sets:
                print("run", NAMES[dtype], name, *o)
                trajectory(lambda p: make(p, *o), start, target, noises)


# ---- Schedules.


def rates(name, numbers, optim, scheduler, steps, metrics=None):
    group = optim.param_groups[0]
    momentum = lambda: group["betas"][0] if "betas" in group else group["momentum"]
    seen = [group["lr"], momentum()]
    for i in range(steps):
        optim.step()
        scheduler.step(*([metrics[i]] if metrics else []))
        seen += [group["lr"], momentum()]
    print("rates", name, *numbers)
    print("rate", " ".join(v.hex() for v in map(float, seen)))


def metric(i):
    """Returns the metric after epoch i: it falls quickly, then is constant, and then falls slowly."""
    return 1 / (1 + i) if i < 12 else 0.08 if i < 40 else 0.08 - 1e-5 * (i - 40)


def schedules():
    S = O.lr_scheduler
    sgd = lambda: O.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)
    adam = lambda: O.Adam([torch.zeros(1, requires_grad=True)], lr=0.5)
    for numbers in ((3, 0.5), (10, 0.1)):
        o = sgd()
        rates("step", numbers, o, S.StepLR(o, *numbers), 40)
    o = sgd()
    rates("exponential", (0.9,), o, S.ExponentialLR(o, 0.9), 40)
    for numbers in ((10, 0.0), (7, 0.01)):
        o = sgd()
        rates("cosine", numbers, o, S.CosineAnnealingLR(o, *numbers), 40)
    for make, kind in ((sgd, 0), (adam, 1)):
        for total, pct, linear, three in ((40, 0.3, 0, 0), (40, 0.25, 1, 0), (30, 0.4, 0, 1), (25, 0.3, 1, 1)):
            o = make()
            s = S.OneCycleLR(o, 0.8, total_steps=total, pct_start=pct, anneal_strategy="linear" if linear else "cos", three_phase=bool(three))
            rates("one_cycle", (kind, 0.8, total, pct, linear, three), o, s, total - 1)
    for largest, factor, patience, threshold, absolute, cooldown, least in (
            (0, 0.1, 10, 1e-4, 0, 0, 0), (0, 0.5, 3, 1e-2, 0, 2, 0), (0, 0.5, 2, 1e-3, 1, 0, 0.1), (1, 0.5, 2, 1e-3, 1, 1, 0), (1, 0.3, 4, 1e-2, 0, 0, 0)):
        o = sgd()
        s = S.ReduceLROnPlateau(o, "max" if largest else "min", factor, patience, threshold, "abs" if absolute else "rel", cooldown, least)
        rates("plateau", (largest, factor, patience, threshold, absolute, cooldown, least), o, s, 60, [metric(i) for i in range(60)])


# ---- LBFGS.


def rosenbrock(p):
    x, y = p[0], p[1]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def quadratic(p):
    scale = torch.arange(1, 9, dtype=p.dtype)
    return (scale * (p - 1) * (p - 1)).sum() + (p.sum() - 3) ** 2


def valleys():
    for dtype in (F32, F64):
        for f, start in ((rosenbrock, [-1.2, 1.0]), (quadratic, [0.0] * 8)):
            for lr, most, history, wolfe, steps in ((1, 20, 100, 1, 3), (1, 4, 3, 1, 4), (0.02 if f is rosenbrock else 0.2, 10, 5, 0, 2)):
                p = torch.tensor(start, dtype=dtype, requires_grad=True)
                o = O.LBFGS([p], lr=lr, max_iter=most, history_size=history, line_search_fn="strong_wolfe" if wolfe else None)

                def closure():
                    o.zero_grad()
                    loss = f(p)
                    loss.backward()
                    return loss

                print("valley", NAMES[dtype], f.__name__, lr, most, history, wolfe)
                for step in range(1, steps + 1):
                    loss = o.step(closure)
                    print("at", step, "%.17g" % float(loss), text([p]))


trajectories()
schedules()
valleys()

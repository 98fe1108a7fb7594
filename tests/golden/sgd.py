#!/usr/bin/python3
"""Trajectories of torch.optim.SGD, from PyTorch 1.13 on the CPU: sgd.py > sgd_golden.txt

There are two parameters: one has 19 elements; the other is a transpose, 3 by 2, and has no gradient in some steps. A
line "start DTYPE VALUES" has their values at the start, and lines "gradient DTYPE STEP N VALUES" their gradients,
where N is the number of parameters that have one in this step. For each set of options there is a line

    run DTYPE lr momentum dampening weight_decay nesterov maximize

and then lines "after STEP VALUES" with the parameters after some steps. Values are those of the first parameter and
then of the second, in row-major order, with enough digits to restore their bits.
"""

import itertools

import torch

torch.set_num_threads(1)
STEPS, TOLD = 20, (1, 2, 3, 5, 20)
LAGGING = (1, 2, 7, 8, 15)  # steps in which the second parameter has no gradient
NAMES = {torch.float32: "f32", torch.float64: "f64"}


def text(tensors):
    digits = "%.9g" if tensors[0].dtype == torch.float32 else "%.17g"
    return " ".join(digits % v for t in tensors for v in t.detach().flatten().tolist())


def draw(generator, dtype):
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in ((19,), (3, 2))]


def trajectory(start, gradients, options):
    first = start[0].clone().requires_grad_()
    second = start[1].t().contiguous().t().requires_grad_()
    sgd = torch.optim.SGD([first, second], **options)
    for step, g in enumerate(gradients, 1):
        first.grad = g[0].clone()
        second.grad = None if step in LAGGING else g[1].clone()
        sgd.step()
        if step in TOLD:
            print("after", step, text([first, second]))


def main():
    for dtype in NAMES:
        generator = torch.Generator()
        generator.manual_seed(7)
        start = draw(generator, dtype)
        gradients = [draw(generator, dtype) for _ in range(STEPS)]
        print("start", NAMES[dtype], text(start))
        for step, g in enumerate(gradients, 1):
            print("gradient", NAMES[dtype], step, 1 if step in LAGGING else 2, text(g))
        rules = [(0, 0, False), (0, 0.3, False), (0.9, 0, False), (0.9, 0.3, False), (0.9, 0, True)]
        for (momentum, dampening, nesterov), decay, maximize in itertools.product(rules, (0, 0.1), (False, True)):
            print("run", NAMES[dtype], 0.05, momentum, dampening, decay, int(nesterov), int(maximize))
            trajectory(start, gradients, dict(lr=0.05, momentum=momentum, dampening=dampening, weight_decay=decay,
                                              nesterov=nesterov, maximize=maximize))


main()

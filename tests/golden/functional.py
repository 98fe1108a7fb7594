#!/usr/bin/python3
"""Derivatives of whole functions by torch.autograd.functional: functional.py > functional_golden.txt

Each line is the name of a function, what was computed, and its elements in row-major order. "jacobian 1" is the
Jacobian with respect to the second input. tests/autograd/test_functional.c has the same functions, inputs and vectors.
"""

import torch
from torch.autograd import functional

torch.set_default_dtype(torch.float64)


def numbers(*shape, start=0):
    """Returns different numbers in [0.2, 1.2): multiples of the golden ratio, of which the integer part is left out."""
    n = torch.Size(shape).numel()
    return (((torch.arange(n) + 1 + start) * 0.6180339887498949) % 1 + 0.2).reshape(shape)


def square(x):
    return torch.stack([x[0] * torch.sin(x[1]), x[0] * torch.cos(x[1]), torch.exp(x[2]) * x[0]])


def wide(a, b):
    return torch.tanh(a @ b) * b.sum()


def tall(b):
    return b[1] * torch.exp(-b[0] * torch.arange(5.0)) + b[1] ** 2


def matrices(a, b):
    return torch.sqrt(a) * b.t()


def constant(a, b):
    return a * a


FUNCTIONS = {square: [numbers(3)], wide: [numbers(2, 3), numbers(3, start=6)], tall: [numbers(2)],
             matrices: [numbers(2, 3), numbers(3, 2, start=6)], constant: [numbers(2), numbers(2, start=2)]}

for f, inputs in FUNCTIONS.items():
    inputs = tuple(inputs)

    def show(what, t):
        print(f.__name__, what, *(repr(float(x)) for x in t.flatten()))

    y = f(*inputs)
    show("output 0", y)
    for i, j in enumerate(functional.jacobian(f, inputs)):
        show(f"jacobian {i}", j)
    for i, g in enumerate(functional.vjp(f, inputs, numbers(*y.shape, start=20))[1]):
        show(f"vjp {i}", g)
    show("jvp 0", functional.jvp(f, inputs, tuple(numbers(*x.shape, start=30) for x in inputs))[1])
    hessian = functional.hessian(lambda *x: (f(*x) ** 2).sum(), inputs)
    for i, row in enumerate(hessian):
        for k, block in enumerate(row):
            show(f"hessian {i * len(inputs) + k}", block)

"""The graphs behind some results, as PyTorch 1.13 has them: graphs.py > graphs_golden.txt

A line has the name of a case, which tests/autograd/test_graph.c computes, too, and its graph: an operation
with its operands in parentheses, a leaf by its name, and "#" for an operation that stood there before.
Operands without a gradient are left out.
"""
import torch
import torch.nn.functional as F

a = torch.tensor([[0.5, 0.25], [0.75, 1.0]], requires_grad=True)
b = torch.tensor([[1.5, 2.0], [0.5, 1.0]], requires_grad=True)
x = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
NAMES = {a: "a", b: "b"}


def shared():
    h = (a @ b).relu()
    return (h * h.sigmoid() + h * (1 - h.sigmoid())).sum()


def in_place():
    h = a * 2
    y = h.exp()
    h = (a * 2).clone()
    z = h.sin()
    h.add_(b)
    return (y + z + h).mean()


def views():
    h = (a.t() @ x).reshape(4)
    return torch.cat([h[1:3], h.narrow(0, 0, 2)]).sum()


CASES = {
    "chain": lambda: ((a * x + 1).sin().exp() / b).mean(),
    "loss": lambda: F.mse_loss(x @ a - b, x),
    "square": lambda: (a * a).sum(),
    "shared": shared,
    "in_place": in_place,
    "views": views,
    "frozen": lambda: (a.detach() * b + x).tanh().sum(),
}


def show(fn, seen):
    name = type(fn).__name__
    if name == "AccumulateGrad":
        return NAMES[fn.variable]
    if fn in seen:
        return "#"
    seen.add(fn)
    return name + "(" + ",".join(show(f, seen) for f, _ in fn.next_functions if f) + ")"


for name, case in CASES.items():
    print(name, show(case().grad_fn, set()))

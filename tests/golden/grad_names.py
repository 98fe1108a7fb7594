#!/usr/bin/python3
"""What PyTorch calls the grad_fn of results and gradients: grad_names.py > grad_names_golden.txt

There is a line "result NAME GRAD_FN" for each call of supported.py, and for those of MORE, which are also in
tests/test_grad_names.c. A line "gradient NAME GRAD_FN" has the grad_fn of a gradient that one operation computes, as it
is shown where the gradient is to be differentiated again.
"""

import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from supported import ROWS, VIEWS, Operands

warnings.simplefilter("ignore")
torch.manual_seed(1)

MORE = {
    "sort_unstable": lambda o: o.a.sort(0, descending=True).values,
    "nll_loss_rows": lambda o: F.nll_loss(o.a, o.rows, reduction="none"),
    "nll_loss_weighted": lambda o: F.nll_loss(o.a, o.rows, weight=o.v.detach(), reduction="sum"),
    "cross_entropy_2d": lambda o: F.cross_entropy(o.a.reshape(1, 4, 2, 2), o.rows.reshape(1, 2, 2)),
    "cross_entropy_2d_each": lambda o: F.cross_entropy(o.a.reshape(1, 4, 2, 2), o.rows.reshape(1, 2, 2), reduction="none"),
    "cross_entropy_1d": lambda o: F.cross_entropy(o.a.unsqueeze(0), o.rows.unsqueeze(0)),
    "cross_entropy_1d_each": lambda o: F.cross_entropy(o.a.unsqueeze(0), o.rows.unsqueeze(0), reduction="none"),
    "nll_loss_3d_each": lambda o: F.nll_loss(o.a.reshape(1, 4, 2, 2, 1), o.rows.reshape(1, 2, 2, 1), reduction="none"),
    "cross_entropy_smoothed": lambda o: F.cross_entropy(o.a, o.rows, label_smoothing=0.1),
    "cross_entropy_smoothed_each": lambda o: F.cross_entropy(o.a, o.rows, label_smoothing=0.1, reduction="none"),
    "cross_entropy_smoothed_weighted": lambda o: F.cross_entropy(o.a, o.rows, o.v.detach(), label_smoothing=0.1, reduction="sum"),
    "cross_entropy_of_probabilities": lambda o: F.cross_entropy(o.a, o.b.detach()),
    "cross_entropy_of_probabilities_each": lambda o: F.cross_entropy(o.a, o.b.detach(), reduction="none"),
    "huber_loss_sum": lambda o: F.huber_loss(o.a, o.b, reduction="sum"),
    "smooth_l1_loss_each": lambda o: F.smooth_l1_loss(o.a, o.b, reduction="none"),
    "binary_cross_entropy_sum": lambda o: F.binary_cross_entropy(o.a, o.b, reduction="sum"),
    "softmax_last": lambda o: o.a.softmax(-1),
    "log_softmax_last": lambda o: o.a.log_softmax(-1),
    "softplus_beta": lambda o: F.softplus(o.a, 2),
    "max_keepdim": lambda o: o.a.max(0, keepdim=True).values,
    "max_pool2d_batch": lambda o: F.max_pool2d(o.a.reshape(1, 1, 4, 4), 2),
    "avg_pool2d_batch": lambda o: F.avg_pool2d(o.a.reshape(1, 1, 4, 4), 2),
    "conv1d_batch": lambda o: F.conv1d(o.a.unsqueeze(0), o.b.reshape(1, 4, 4), o.v[:1]),
    "conv2d_batch": lambda o: F.conv2d(o.a.reshape(1, 1, 4, 4), o.b.reshape(1, 1, 4, 4), o.v[:1]),
    "matmul_rows": lambda o: o.a.unsqueeze(0) @ o.b,
    "matmul_batch": lambda o: o.a.unsqueeze(0) @ o.b.unsqueeze(0),
    "matmul_of_vector": lambda o: o.a.unsqueeze(0) @ o.v,
    "matmul_of_matrix_and_batch": lambda o: o.a @ o.b.unsqueeze(0),
    "matmul_of_constant_and_batch": lambda o: o.b.detach() @ o.a.unsqueeze(0),
    "matmul_of_vector_and_batch": lambda o: o.v @ o.a.unsqueeze(0),
    "linear_of_batch": lambda o: nn.Linear(4, 3, dtype=o.a.dtype)(o.a.unsqueeze(0)),
    "linear_of_vector": lambda o: nn.Linear(4, 3, dtype=o.a.dtype)(o.v),
    "linear_without_bias": lambda o: nn.Linear(4, 3, bias=False, dtype=o.a.dtype)(o.a),
    "linear_of_batch_without_bias": lambda o: nn.Linear(4, 3, bias=False, dtype=o.a.dtype)(o.a.unsqueeze(0)),
    "linear_of_vector_without_bias": lambda o: nn.Linear(4, 3, bias=False, dtype=o.a.dtype)(o.v),
    "norm_1": lambda o: o.a.norm(1),
    "norm_inf": lambda o: o.a.norm(float("inf"), 0),
    "pad_nothing": lambda o: F.pad(o.a, (0, 0)),
    "fill_": lambda o: (o.a * 1).fill_(2),
    "zero_": lambda o: (o.a * 1).zero_(),
    "copy_": lambda o: (o.a * 1).copy_(o.b),
    "linear_of_rows": lambda o: F.linear(o.a, o.b, o.v),
}

GRADIENTS = """relu sigmoid tanh mse_loss select slice narrow diagonal gather softmax_last
    log_softmax_last nll_loss_rows nll_loss_weighted""".split()


def name_of(tensor):
    """Returns the name that print shows."""
    return type(tensor.grad_fn).__name__


calls = {**ROWS, **VIEWS, **MORE}
for name, call in calls.items():
    print("result", name, name_of(call(Operands())))
for name in GRADIENTS:
    operands = Operands()
    result = calls[name](operands)
    grad = torch.ones_like(result).requires_grad_()
    print("gradient", name, name_of(torch.autograd.grad(result, operands.a, grad, create_graph=True)[0]))

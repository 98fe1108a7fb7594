"""The rows of tests/support/supported.def that are differentiable, as calls of PyTorch on operands of the same shapes.
VIEWS has the rows whose results are views, and ROWS the others."""

import torch
import torch.nn as nn
import torch.nn.functional as F

L = torch.linalg
F64 = torch.float64

UNARY = """neg abs sign square sqrt exp log reciprocal rsqrt expm1 log1p log2 log10 sin cos tan asin acos
    atan sinh cosh erf floor ceil round trunc relu sigmoid tanh sum mean max min prod clone""".split()
ACTIVATIONS = """relu6 leaky_relu elu selu gelu silu mish logsigmoid softplus softsign hardtanh
    hardsigmoid hardswish""".split()
BINARY = "add sub mul div atan2 pow maximum minimum matmul mm".split()
LOSSES = """mse_loss smooth_l1_loss huber_loss binary_cross_entropy binary_cross_entropy_with_logits
    kl_div""".split()

ROWS = {
    **{name: (lambda o, f=getattr(torch, name): f(o.a)) for name in UNARY},
    **{name: (lambda o, f=getattr(F, name): f(o.a)) for name in ACTIVATIONS},
    **{name: (lambda o, f=getattr(torch, name): f(o.a, o.b)) for name in BINARY},
    **{name: (lambda o, f=getattr(F, name): f(o.a, o.b)) for name in LOSSES},
    "logsigmoid": lambda o: F.logsigmoid(o.a),
    "add_scalar": lambda o: o.a + 1,
    "sub_scalar": lambda o: o.a - 1,
    "rsub_scalar": lambda o: 1 - o.a,
    "mul_scalar": lambda o: o.a * 1,
    "div_scalar": lambda o: o.a / 1,
    "add_alpha": lambda o: torch.add(o.a, o.b, alpha=2),
    "sub_alpha": lambda o: torch.sub(o.a, o.b, alpha=2),
    "remainder": lambda o: torch.remainder(o.a, o.b + 1),
    "remainder_scalar": lambda o: torch.remainder(o.a, 2),
    "pow_scalar": lambda o: o.a**3,
    "where": lambda o: torch.where(o.mask, o.a, o.b),
    "masked_fill": lambda o: o.a.masked_fill(o.mask, 1),
    "clamp": lambda o: o.a.clamp(0, 1),
    "clamp_tensors": lambda o: torch.clamp(o.a, o.b, o.c),
    "lerp": lambda o: torch.lerp(o.a, o.b, o.c),
    "lerp_scalar": lambda o: torch.lerp(o.a, o.b, 0.3),
    "sum_dims": lambda o: o.a.sum(0),
    "mean_dims": lambda o: o.a.mean(0),
    "max_dim": lambda o: o.a.max(0).values,
    "min_dim": lambda o: o.a.min(0).values,
    "amax": lambda o: o.a.amax(0),
    "amin": lambda o: o.a.amin(0),
    "max_indexed": lambda o: o.a.max(0).values,
    "min_indexed": lambda o: o.a.min(0).values,
    "prod_dim": lambda o: o.a.prod(0),
    "var": lambda o: o.a.var(unbiased=True),
    "var_dims": lambda o: o.a.var(0),
    "std": lambda o: o.a.std(unbiased=True),
    "std_dims": lambda o: o.a.std(0),
    "norm": lambda o: o.a.norm(2),
    "norm_dims": lambda o: o.a.norm(2, 0),
    "logsumexp": lambda o: o.a.logsumexp(0),
    "cumsum": lambda o: o.a.cumsum(0),
    "cumprod": lambda o: o.a.cumprod(0),
    "softmax": lambda o: o.a.softmax(0),
    "log_softmax": lambda o: o.a.log_softmax(0),
    "sort_indexed": lambda o: torch.sort(o.a, dim=0, descending=True, stable=True).values,
    "topk": lambda o: o.a.topk(2, 0).values,
    "sort": lambda o: o.a.sort(0).values,
    "dot": lambda o: torch.dot(o.v, o.v),
    "bmm": lambda o: torch.bmm(o.a.unsqueeze(0), o.b.unsqueeze(0)),
    "mv": lambda o: torch.mv(o.a, o.v),
    "addmm": lambda o: torch.addmm(o.a, o.b, o.c),
    "outer": lambda o: torch.outer(o.v, o.v),
    "cholesky": lambda o: L.cholesky(o.a @ o.a.t()),
    "solve_triangular": lambda o: L.solve_triangular(o.a, o.b, upper=True),
    "solve": lambda o: L.solve(o.a, o.b),
    "lstsq": lambda o: L.lstsq(o.a, o.b).solution,
    "lstsq_rcond": lambda o: L.lstsq(o.a, o.b, driver="gelsd").solution,
    "qr": lambda o: L.qr(o.a).Q,
    "svd": lambda o: L.svd(o.a, full_matrices=False).U,
    "eigh": lambda o: L.eigh(o.a @ o.a.t()).eigenvectors,
    "pinv": lambda o: L.pinv(o.a),
    "inv": lambda o: L.inv(o.a),
    "det": lambda o: L.det(o.a),
    "conv1d": lambda o: F.conv1d(o.a, o.b.reshape(1, 4, 4)),
    "conv2d": lambda o: F.conv2d(o.a.unsqueeze(0), o.b.reshape(4, 1, 2, 2)),
    "max_pool2d": lambda o: F.max_pool2d(o.a.unsqueeze(0), 2).square(),
    "avg_pool2d": lambda o: F.avg_pool2d(o.a.unsqueeze(0), 2).square(),
    "cat": lambda o: torch.cat([o.a, o.b], 0),
    "stack": lambda o: torch.stack([o.a, o.b], 0),
    "vstack": lambda o: torch.vstack([o.a, o.b]),
    "hstack": lambda o: torch.hstack([o.a, o.b]),
    "gather": lambda o: torch.gather(o.a, 0, o.index),
    "scatter_add": lambda o: torch.scatter_add(o.a, 0, o.index, o.b),
    "index_select": lambda o: torch.index_select(o.a, 0, o.rows),
    "take_along_dim": lambda o: torch.take_along_dim(o.a, o.index, 0),
    "masked_select": lambda o: torch.masked_select(o.a, o.mask),
    "embedding": lambda o: F.embedding(o.rows, o.a),
    "repeat": lambda o: o.a.repeat(2, 1),
    "tile": lambda o: o.a.tile(2),
    "flip": lambda o: o.a.flip(0),
    "roll": lambda o: o.a.roll(1, 0),
    "tril": lambda o: o.a.tril(),
    "triu": lambda o: o.a.triu(),
    "pad": lambda o: F.pad(o.a, (1, 1)),
    "contiguous": lambda o: o.a.t().contiguous(),
    "cast": lambda o: o.a.float(),
    "dropout": lambda o: F.dropout(o.a, 0.5),
    "l1_loss": lambda o: F.l1_loss(o.a.square(), o.b),
    "gaussian_nll_loss": lambda o: F.gaussian_nll_loss(o.a, o.b, o.c),
    "poisson_nll_loss": lambda o: F.poisson_nll_loss(o.a, o.b),
    "nll_loss": lambda o: F.nll_loss(o.a.square(), o.rows),
    "cross_entropy": lambda o: F.cross_entropy(o.a, o.rows),
    "linear": lambda o: nn.Linear(4, 3, dtype=F64)(o.a),
    "conv1d_layer": lambda o: nn.Conv1d(4, 2, 2, dtype=F64)(o.a),
    "conv2d_layer": lambda o: nn.Conv2d(1, 2, 2, dtype=F64)(o.a.unsqueeze(0)),
    "embedding_layer": lambda o: o.a.square() * nn.Embedding(4, 4, dtype=F64)(o.rows),
    "batchnorm1d": lambda o: nn.BatchNorm1d(4, dtype=F64)(o.a),
    "batchnorm2d": lambda o: nn.BatchNorm2d(4, dtype=F64)(o.a.reshape(2, 4, 2, 1)),
    "layernorm": lambda o: nn.LayerNorm(4, dtype=F64)(o.a),
    "dropout_layer": lambda o: nn.Dropout(0.5)(o.a),
    "lambda": lambda o: o.a.square(),
    "sequential": lambda o: nn.Sequential(nn.Linear(4, 3, dtype=F64), nn.Tanh())(o.a),
    "criterion": lambda o: nn.HuberLoss()(o.a, o.b),
    "mseloss": lambda o: nn.MSELoss()(o.a, o.b),
}

VIEWS = {
    "broadcast_to": lambda o: torch.broadcast_to(o.a, (2, 4, 4)),
    "movedim": lambda o: o.a.movedim(0, 1),
    "split": lambda o: o.a.split(2, 0)[0],
    "split_sizes": lambda o: o.a.split([1, 3], 0)[0],
    "chunk": lambda o: o.a.chunk(2, 0)[0],
    "view": lambda o: o.a.view(2, 8),
    "reshape": lambda o: o.a.reshape(2, 8),
    "flatten": lambda o: o.a.flatten(),
    "transpose": lambda o: o.a.transpose(0, 1),
    "t": lambda o: o.a.t(),
    "permute": lambda o: o.a.permute(1, 0),
    "squeeze": lambda o: o.a.squeeze(),
    "squeeze_dim": lambda o: o.a.squeeze(0),
    "unsqueeze": lambda o: o.a.unsqueeze(0),
    "expand": lambda o: o.a.expand(2, 4, 4),
    "select": lambda o: o.a.select(0, 1),
    "narrow": lambda o: o.a.narrow(0, 1, 2),
    "slice": lambda o: o.a[0::2],
    "diagonal": lambda o: o.a.diagonal(0, 0, 1),
    "flatten_layer": lambda o: nn.Flatten(0, -1)(o.a),
}


class Operands:
    """The operands of supported.def: the same names and shapes, with random values."""
    def __init__(self):
        for name, shape in (("a", (4, 4)), ("b", (4, 4)), ("c", (4, 4)), ("v", (4,))):
            setattr(self, name, (torch.rand(shape, dtype=F64) * 0.8 + 0.1).requires_grad_())
        self.mask = torch.ones(4, 4, dtype=torch.bool)
        self.index = torch.zeros(4, 4, dtype=torch.int64)
        self.rows = torch.tensor([0, 3, 1, 2])

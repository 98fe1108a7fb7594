"""PyTorch's operators, by the names of its test database, as calls of the library's functions.

ADAPT[name](tg, input, *args, **kwargs) takes the arguments of PyTorch's operator. STRICT[name](want, got) returns the
outputs of PyTorch and of the library that are compared, where these are not all. Arguments that the library does not
have raise Skip.
"""

import ctypes as C
import math

import torch
from binding import T, Skip, Refused, Conv, Pool, DT, F32, F64, I64, BOOL
ADAPT, STRICT = {}, {}
def A(*names):
    """Registers a function as the adapter of these operators."""
    def deco(f):
        for n in names: ADAPT[n] = f
        return f
    return deco
def num(x): return isinstance(x, (int, float, bool)) and not isinstance(x, T)
def scalar(tg, x, s):
    """Returns the number s as an argument of a function whose tensor is x, or skips a number that would promote x."""
    if isinstance(s, complex): raise Skip("complex")
    if x.dtype in (I64, BOOL) and isinstance(s, float): raise Skip("promotion")
    if x.dtype == BOOL and not isinstance(s, bool): raise Skip("promotion")
    return float(s)
def S(tg, like, s):
    """Returns the number s as a tensor of the dtype of `like`."""
    return tg.scalar(tg.c, DT.index(like.dtype), float(s))
def dt(x, dtype):
    """Returns x cast to dtype, if that is given."""
    if dtype is not None and dtype != x.dtype:
        if dtype not in DT: raise Skip("dtype")
        return x.tg.cast(x, DT.index(dtype))
    return x
def dims_of(x, dim):
    if dim is None: return []
    return [dim] if isinstance(dim, int) else list(dim)

for n in "neg abs sign square sqrt rsqrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh erf floor ceil trunc sigmoid reciprocal isnan isinf isfinite logical_not".split():
    ADAPT[n] = (lambda n: lambda tg, x: getattr(tg, n)(x))(n)
@A("round")
def _(tg, x, decimals=0):
    if decimals: raise Skip("decimals")
    return tg.round(x)
F = "nn.functional."
for n in "relu relu6 selu silu mish logsigmoid softsign hardsigmoid hardswish".split():
    ADAPT[F + n] = (lambda n: lambda tg, x, inplace=False: getattr(tg, n)(x))(n)
A(F+"leaky_relu")(lambda tg, x, negative_slope=0.01, inplace=False: tg.leaky_relu(x, negative_slope))
A(F+"elu")(lambda tg, x, alpha=1.0, inplace=False: tg.elu(x, alpha))
A(F+"gelu")(lambda tg, x, approximate="none": tg.gelu(x, 1 if approximate == "tanh" else 0))
A(F+"softplus")(lambda tg, x, beta=1, threshold=20: tg.softplus(x, beta, threshold))
A(F+"hardtanh")(lambda tg, x, min_val=-1.0, max_val=1.0, inplace=False: tg.hardtanh(x, min_val, max_val))
@A("clamp")
def _(tg, x, min=None, max=None):
    if isinstance(min, T) or isinstance(max, T):
        lo = min if min is not None else S(tg, x, -math.inf) if x.dtype in (F32, F64) else None
        hi = max if max is not None else S(tg, x, math.inf) if x.dtype in (F32, F64) else None
        if lo is None or hi is None: raise Skip("int one-sided")
        return tg.clamp_tensors(x, lo, hi)
    return tg.clamp(x, -math.inf if min is None else min, math.inf if max is None else max)
def binary(n):
    """Returns the adapter of a function of two sides, either of which may be a number."""
    def f(tg, x, y, **k):
        if not isinstance(x, T) and not isinstance(y, T): raise Skip("promotion")
        if not isinstance(x, T): x = S(tg, y, x)
        if not isinstance(y, T):
            s = scalar(tg, x, y)
            if hasattr(tg.lib, "tg_%s_scalar" % n): return getattr(tg, n + "_scalar")(x, s)
            y = S(tg, x, s)
        return getattr(tg, n)(x, y)
    return f
def alpha(n):
    """Returns the adapter of add or sub, which multiply their second side by alpha."""
    def f(tg, x, y, alpha=1):
        if not isinstance(x, T) and not isinstance(y, T): raise Skip("promotion")
        if not isinstance(x, T): x = S(tg, y, x)
        if isinstance(alpha, complex): raise Skip("complex")
        if not isinstance(y, T):
            return getattr(tg, n + "_scalar")(x, scalar(tg, x, y) * alpha)
        return getattr(tg, n)(x, y) if alpha == 1 else getattr(tg, n + "_alpha")(x, y, float(alpha))
    return f
ADAPT["add"], ADAPT["sub"] = alpha("add"), alpha("sub")
for n in "mul pow maximum minimum eq ne lt le gt ge atan2 remainder logical_and logical_or logical_xor".split(): ADAPT[n] = binary(n)
@A("div")
def _(tg, x, y, rounding_mode=None):
    if rounding_mode: raise Skip("rounding_mode")
    return binary("div")(tg, x, y)
ADAPT["true_divide"] = binary("div")
@A("where")
def _(tg, x, c, y):
    if not isinstance(x, T) or not isinstance(y, T): raise Skip("numbers")
    return tg.where(c, x, y)
@A("masked_fill")
def _(tg, x, m, v):
    if isinstance(v, T): raise Skip("tensor value")
    return tg.masked_fill(x, m, scalar(tg, x, v))
@A("lerp")
def _(tg, x, e, w): return tg.lerp(x, e, w) if isinstance(w, T) else tg.lerp_scalar(x, e, scalar(tg, x, w))
@A("sum")
def _(tg, x, dim=None, keepdim=False, dtype=None):
    x = dt(x, dtype)
    if dim is None and not keepdim: return tg.sum(x)
    return tg.sum_dims(x, dims_of(x, dim), keepdim)
@A("mean")
def _(tg, x, dim=None, keepdim=False, dtype=None):
    x = dt(x, dtype)
    if dim is None and not keepdim: return tg.mean(x)
    return tg.mean_dims(x, dims_of(x, dim), keepdim)
@A("prod")
def _(tg, x, dim=None, keepdim=False, dtype=None):
    x = dt(x, dtype)
    return tg.prod(x) if dim is None else tg.prod_dim(x, dim, keepdim)
for n in ("amax", "amin"):
    ADAPT[n] = (lambda n: lambda tg, x, dim=(), keepdim=False: getattr(tg, n)(x, dims_of(x, dim), keepdim))(n)
ADAPT["max.reduction_no_dim"] = lambda tg, x: tg.max(x)
ADAPT["min.reduction_no_dim"] = lambda tg, x: tg.min(x)
ADAPT["max.reduction_with_dim"] = lambda tg, x, dim, keepdim=False: tg.max_indexed(x, dim, keepdim)
ADAPT["min.reduction_with_dim"] = lambda tg, x, dim, keepdim=False: tg.min_indexed(x, dim, keepdim)
ADAPT["max.binary"] = binary("maximum"); ADAPT["min.binary"] = binary("minimum")
for n in ("argmax", "argmin"):
    def mk(n):
        def f(tg, x, dim=None, keepdim=False):
            if dim is None:
                if keepdim: raise Skip("keepdim of all")
                return getattr(tg, n)(x)
            return getattr(tg, n + "_dim")(x, dim, keepdim)
        return f
    ADAPT[n] = mk(n)
for n in ("var", "std"):
    def mk(n):
        def f(tg, x, dim=None, unbiased=None, keepdim=False, correction=None):
            if isinstance(dim, bool): dim, unbiased = None, dim
            c = correction if correction is not None else (1 if unbiased is None else int(unbiased))
            return getattr(tg, n + "_dims")(x, dims_of(x, dim), c, keepdim)
        return f
    ADAPT[n] = mk(n)
@A("norm", "norm.fro", "norm.inf")
def _(tg, x, p=2, dim=None, keepdim=False, dtype=None):
    if p == "fro" or p is None: p = 2
    if p == "nuc": raise Skip("nuc")
    x = dt(x, dtype)
    return tg.norm_dims(x, float(p), dims_of(x, dim), keepdim)
A("logsumexp")(lambda tg, x, dim, keepdim=False: tg.logsumexp(x, dims_of(x, dim), keepdim))
for n in ("any", "all"):
    ADAPT[n] = (lambda n: lambda tg, x, dim=None, keepdim=False: getattr(tg, n)(x) if dim is None else getattr(tg, n + "_dim")(x, dim, keepdim))(n)
for n in ("cumsum", "cumprod"):
    ADAPT[n] = (lambda n: lambda tg, x, dim, dtype=None: getattr(tg, n)(dt(x, dtype), dim))(n)
def soft(n):
    def f(tg, x, dim, dtype=None): return getattr(tg, n)(dt(x, dtype), dim)
    return f
ADAPT["softmax"], ADAPT["log_softmax"] = soft("softmax"), soft("log_softmax")
@A("sort")
def _(tg, x, dim=-1, descending=False, stable=False):
    return tg.sort_indexed(x, dim, descending, bool(stable))
@A("argsort")
def _(tg, x, dim=-1, descending=False):
    return tg.sort_indexed(x, dim, descending, False)[1]
@A("topk")
def _(tg, x, k, dim=-1, largest=True, sorted=True): return tg.topk(x, k, dim, largest, sorted)
for n in "mm bmm mv outer matmul dot".split(): ADAPT[n] = (lambda n: lambda tg, x, y: getattr(tg, n)(x, y))(n)
@A("addmm")
def _(tg, x, a, b, beta=1, alpha=1):
    if isinstance(beta, complex): raise Skip("complex")
    return tg.addmm(x, a, b, float(beta), float(alpha))
A("movedim")(lambda tg, x, s, d: tg.movedim(x, dims_of(x, s), dims_of(x, d)))
A("repeat")(lambda tg, x, *r: tg.repeat(x, list(r[0]) if len(r) == 1 and not isinstance(r[0], int) else list(r)))
A("tile")(lambda tg, x, r: tg.tile(x, list(r) if not isinstance(r, int) else [r]))
A("split")(lambda tg, x, n, dim=0: tg.split_sizes(x, list(n), dim) if isinstance(n, (list, tuple)) else tg.split(x, n, dim))
A("split_with_sizes")(lambda tg, x, n, dim=0: tg.split_sizes(x, list(n), dim))
A("chunk")(lambda tg, x, n, dim=0: tg.chunk(x, n, dim))
@A("flip")
def _(tg, x, dims): return tg.flip(x, dims_of(x, dims)) if len(dims_of(x, dims)) else x
A("roll")(lambda tg, x, shifts, dims=(): tg.roll(x, dims_of(x, shifts), dims_of(x, dims)))
A("tril")(lambda tg, x, diagonal=0: tg.tril(x, diagonal))
A("triu")(lambda tg, x, diagonal=0: tg.triu(x, diagonal))
@A(F+"pad.constant", "constant_pad_nd")
def _(tg, x, pad, mode="constant", value=0):
    if not isinstance(mode, str): mode, value = "constant", mode
    return tg.pad(x, list(pad), scalar(tg, x, value or 0))
A("broadcast_to")(lambda tg, x, s: tg.broadcast_to(x, list(s)))
A("index_select")(lambda tg, x, dim, i: tg.index_select(x, dim, i))
A("gather")(lambda tg, x, dim, i: tg.gather(x, dim, i))
A("scatter_add")(lambda tg, x, dim, i, s: tg.scatter_add(x, dim, i, s))
@A("take_along_dim")
def _(tg, x, i, dim=None): return tg.take_along_dim(tg.flatten(x, 0, -1), tg.flatten(i, 0, -1), 0) if dim is None else tg.take_along_dim(x, i, dim)
A("masked_select")(lambda tg, x, m: tg.masked_select(x, m))
@A("nonzero")
def _(tg, x, as_tuple=False):
    if as_tuple: raise Skip("as_tuple")
    return tg.nonzero(x)
A(F+"one_hot")(lambda tg, x, num_classes=-1: tg.one_hot(x, num_classes))
@A(F+"embedding")
def _(tg, w, i, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    if max_norm is not None or scale_grad_by_freq: raise Skip("max_norm")
    return tg.embedding(i, w, -2**63 if padding_idx is None else padding_idx)
@A("cat")
def _(tg, ts, dim=0): return tg.cat(list(ts), dim)
@A("stack")
def _(tg, ts, dim=0): return tg.stack(list(ts), dim)
A("vstack")(lambda tg, ts: tg.vstack(list(ts)))
A("hstack")(lambda tg, ts: tg.hstack(list(ts)))
# Views.
def seq(a):
    """Returns the sizes that are given as a list or one by one."""
    return list(a[0]) if len(a) == 1 and not isinstance(a[0], int) else list(a)
A("view")(lambda tg, x, *s: tg.view(x, seq(s)) if not isinstance(s[0], torch.dtype) else (_ for _ in ()).throw(Skip("dtype")))
A("reshape")(lambda tg, x, *s: tg.reshape(x, seq(s)))
A("permute")(lambda tg, x, *s: tg.permute(x, seq(s)))
A("expand")(lambda tg, x, *s: tg.expand(x, seq(s)))
A("transpose")(lambda tg, x, a, b: tg.transpose(x, a, b))
A("t")(lambda tg, x: tg.t(x))
A("squeeze")(lambda tg, x, dim=None: tg.squeeze(x) if dim is None else tg.squeeze_dim(x, dim))
A("unsqueeze")(lambda tg, x, dim: tg.unsqueeze(x, dim))
A("select")(lambda tg, x, dim, i: tg.select(x, dim, i))
A("narrow")(lambda tg, x, dim, a, n: tg.narrow(x, dim, int(a.torch()) if isinstance(a, T) else a, n))
A("diagonal")(lambda tg, x, offset=0, dim1=0, dim2=1: tg.diagonal(x, offset, dim1, dim2))
A("flatten")(lambda tg, x, start_dim=0, end_dim=-1: tg.flatten(x, start_dim, end_dim))
A("clone")(lambda tg, x, memory_format=None: tg.clone(x))
A("contiguous")(lambda tg, x, memory_format=None: tg.contiguous(x))
# Linear algebra.
A("linalg.cholesky")(lambda tg, x, upper=False: tg.transpose(tg.cholesky(tg.transpose(x, -2, -1)), -2, -1) if upper else tg.cholesky(x))
A("linalg.inv", "inverse")(lambda tg, x: tg.inv(x))
A("linalg.det", "det")(lambda tg, x: tg.det(x))
@A("linalg.solve")
def _(tg, a, b, left=True):
    if not left: raise Skip("left")
    return tg.solve(a, b)
A("linalg.solve_triangular")(lambda tg, a, b, upper=False, left=True, unitriangular=False: tg.solve_triangular(a, b, upper * 1 + (not left) * 2 + unitriangular * 4))
@A("linalg.lstsq", "linalg.lstsq.grad_oriented")
def _(tg, a, b, driver=None, rcond=None): return tg.lstsq(a, b)
STRICT["linalg.lstsq"] = STRICT["linalg.lstsq.grad_oriented"] = lambda w, g: (w[:1], g[:1])
# Convolution and pooling.
def two(v, n): return list(v) if isinstance(v, (tuple, list)) else [v] * n
def conv(n):
    """Returns the adapter of a convolution in n dimensions. For padding="same", an uneven padding is done by tg_pad."""
    def f(tg, x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        o = Conv(); o.bias = bias.p if bias is not None else None
        st, di = two(stride, n), two(dilation, n)
        o.groups = groups
        k = w.shape[2:]
        if padding == "valid": padding = 0
        if padding == "same":
            pads = []
            for d in range(n):
                total = di[d] * (k[d] - 1); left = total // 2
                pads = [left, total - left] + pads
            if any(pads[i] != pads[i + 1] for i in range(0, len(pads), 2)):
                x = tg.pad(x, pads, 0.0); padding = 0
            else: padding = [pads[2 * (n - 1 - d)] for d in range(n)]
        pa = two(padding, n)
        for d in range(n): o.stride[d], o.padding[d], o.dilation[d] = (st * n)[d] if len(st) == 1 else st[d], (pa * n)[d] if len(pa) == 1 else pa[d], (di * n)[d] if len(di) == 1 else di[d]
        if n == 1: o.stride[1] = o.dilation[1] = 1
        return getattr(tg, "conv%dd" % n)(x, w, C.pointer(o))
    return f
ADAPT[F+"conv1d"], ADAPT[F+"conv2d"] = conv(1), conv(2)
def pool(o, kernel_size, stride, padding, dilation, ceil_mode):
    """Sets the members that both poolings have in o, their options."""
    for d, v in enumerate(two(kernel_size, 2)): o.kernel[d] = v
    k = two(kernel_size, 2)
    if len(k) == 1: o.kernel[1] = k[0]
    for d in range(2):
        o.stride[d] = 0 if stride is None or stride == () or stride == [] else (two(stride, 2) * 2)[d]
        o.padding[d], o.dilation[d] = (two(padding, 2) * 2)[d], (two(dilation, 2) * 2)[d]
    o.ceil_mode = ceil_mode
    return o
@A(F+"max_pool2d")
def _(tg, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    return tg.max_pool2d(x, C.pointer(pool(Pool(), kernel_size, stride, padding, dilation, ceil_mode)))
STRICT[F+"max_pool2d"] = lambda w, g: (w[:1], g[:1])
@A(F+"avg_pool2d")
def _(tg, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    o = pool(Pool(), kernel_size, stride, padding, 1, ceil_mode)
    o.count_include_pad, o.divisor_override = count_include_pad, divisor_override or 0
    return tg.avg_pool2d(x, C.pointer(o))

# Losses.
from binding import Loss
def options(tg, reduction="mean", size_average=None, reduce=None, **k):
    """Returns a pointer to loss options with these members set."""
    if size_average is not None or reduce is not None: raise Skip("size_average")
    o = tg.lib.tg_loss_defaults()
    o.reduction = {"mean": 0, "sum": 1, "none": 2, "batchmean": 3}[reduction]
    for n, v in k.items():
        if v is not None: setattr(o, n, v.p if isinstance(v, T) else v)
    tg.keep.append(o)
    return C.pointer(o)
def loss(n):
    return lambda tg, x, y, **k: getattr(tg, n)(x, y, options(tg, **k))
for n in "l1_loss smooth_l1_loss huber_loss binary_cross_entropy binary_cross_entropy_with_logits cross_entropy nll_loss kl_div".split():
    ADAPT[F + n] = loss(n)
@A(F+"mse_loss")
def _(tg, x, y, reduction="mean", size_average=None, reduce=None): return tg.mse_loss(x, y, {"mean": 0, "sum": 1, "none": 2}[reduction])
@A(F+"gaussian_nll_loss")
def _(tg, x, y, var, full=False, eps=1e-6, reduction="mean"): return tg.gaussian_nll_loss(x, y, var, options(tg, reduction, full=full, eps=eps))
@A(F+"poisson_nll_loss")
def _(tg, x, y, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"):
    return tg.poisson_nll_loss(x, y, options(tg, reduction, size_average, reduce, log_input=log_input, full=full, log_eps=eps))
@A(F+"nll_loss")
def _(tg, x, y, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"): return tg.nll_loss(x, y, options(tg, reduction, weight=weight, ignore_index=ignore_index))

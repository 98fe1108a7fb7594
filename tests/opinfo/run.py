#!/usr/bin/python3
"""Samples of PyTorch's own operator test database, run through the shared library.

    run.py LIBRARY INCLUDE_DIRECTORY [OPERATOR...]

The result of each sample, its gradient and the gradient of its gradient are compared with PyTorch's. For each operator
this prints a line that counts the samples by what became of them, and up to four examples of samples that should have
agreed and did not:

    agrees                     the result and the gradient, if there is one, are PyTorch's
    agrees twice               the gradient of the gradient is PyTorch's, too
    refused (mixed dtypes)     the library refuses dtypes that differ, which PyTorch promotes
    refused (promotion)        the library refuses integers, which PyTorch promotes to float32
    not there                  the sample needs what the library does not have
    refused, no gradient, ...  the library should have agreed

It needs PyTorch 1.13.
"""

import collections
import ctypes as C
import sys
import types
import unittest
import warnings

# PyTorch's database imports expecttest, which only its own tests use.
sys.modules["expecttest"] = types.ModuleType("expecttest")
sys.modules["expecttest"].TestCase = unittest.TestCase
sys.modules["expecttest"].ACCEPT = False
warnings.filterwarnings("ignore")

import torch
from torch.testing._internal.common_methods_invocations import op_db

from adapters import ADAPT, STRICT
from binding import BOOL, DT, F32, F64, I64, P, TG, GradOptions, Refused, Skip, T, load

torch.set_num_threads(1)
random = torch.Generator().manual_seed(0)
EXPECTED = ("agrees", "agrees twice", "refused (promotion)", "refused (mixed dtypes)", "not there")


class Verdict(Exception):
    """What became of a sample, and why."""


def every(x):
    """Returns all tensors in nested lists."""
    if isinstance(x, (torch.Tensor, T)):
        return [x]
    return [z for y in x for z in every(y)] if isinstance(x, (list, tuple)) else []


def mapped(f, x):
    """Returns x with f applied to each tensor in its nested lists and dictionaries."""
    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, (list, tuple)) and not isinstance(x, torch.Size):
        return type(x)(mapped(f, y) for y in x)
    return {k: mapped(f, v) for k, v in x.items()} if isinstance(x, dict) else x


def once(f):
    """Returns f with a memory: for the same tensor it gives the same result."""
    memo = {}

    def g(t):
        if id(t) not in memo:
            memo[id(t)] = f(t)
        return memo[id(t)]

    g.memo = memo
    return g


def copy(t):
    return t.detach().requires_grad_(t.requires_grad)


def like(t):
    """Returns random numbers of the shape and dtype of t."""
    return torch.randn(t.shape, dtype=t.dtype, generator=random)


def largest(t):
    return float(t.abs().nan_to_num(0, 0, 0).max()) if t.numel() else 1


def compare(what, got, want, scale=1.0):
    """Raises the verdict `what` if the tensors differ by more than rounding, for which scale is the size of values."""
    if got.dtype != want.dtype or got.shape != want.shape:
        raise Verdict(what, "%s %s, not %s %s" % (got.dtype, tuple(got.shape), want.dtype, tuple(want.shape)))
    if want.dtype in (I64, BOOL):
        same = torch.equal(got, want)
    else:
        relative, absolute = (2e-5, 1e-5) if want.dtype == F32 else (1e-8, 1e-9)
        same = torch.allclose(got, want, rtol=relative, atol=absolute * max(scale, 1), equal_nan=True)
    if not same:
        raise Verdict(what, "by %.3g" % largest(got.to(F64) - want.to(F64)))


def gradients(tg, outs, inputs, weights, create_graph, what):
    """Returns the library's gradients of outs, weighted, with respect to inputs."""
    found = (P * len(inputs))()
    options = GradOptions(tg.list([tg.from_torch(w) for w in weights]), create_graph, True)
    if not tg.lib.tg_grad(tg.list(outs), tg.list(inputs), found, C.byref(options)):
        raise Verdict(what + " refused", tg.lib.tg_error(tg.c).decode())
    return [T(p, tg) if p else None for p in found]


def check_second(tg, pairs, ours, leaves):
    """Compares the second gradients. pairs has the library's gradients and PyTorch's, which can be differentiated."""
    weights = [like(w) for _, w in pairs]
    try:
        want = torch.autograd.grad([w for _, w in pairs], leaves, weights, allow_unused=True)
    except RuntimeError:  # PyTorch has no second gradient
        raise Verdict("agrees")
    live = [(g, w) for (g, _), w in zip(pairs, weights) if g.p.contents.requires_grad]
    got = [None] * len(ours)
    if live:
        got = gradients(tg, [g for g, _ in live], ours, [w for _, w in live], False, "second gradient")
    for g, w, x in zip(got, want, leaves):
        w = torch.zeros_like(x) if w is None else w.detach()
        compare("second gradient differs", g.torch() if g else torch.zeros_like(w), w, 10 * largest(w))


def check_gradients(tg, op, pairs, ours, leaves):
    """Compares the gradients of pairs, the library's results and PyTorch's, and raises the verdict."""
    weights = [like(w) for _, w in pairs]
    try:
        want = torch.autograd.grad([w for _, w in pairs], leaves, weights, create_graph=op.supports_gradgrad, allow_unused=True)
    except RuntimeError:  # PyTorch has no gradient
        raise Verdict("agrees")
    if not all(g.p.contents.requires_grad for g, _ in pairs):
        raise Verdict("no gradient", "the result does not require grad")
    got = gradients(tg, [g for g, _ in pairs], ours, weights, True, "gradient")
    again = []
    for g, w, x in zip(got, want, leaves):
        plain = torch.zeros_like(x) if w is None else w.detach()
        compare("gradient differs", g.torch() if g else torch.zeros_like(x), plain, largest(plain))
        if g and w is not None and w.requires_grad:
            again.append((g, w))
    if not (op.supports_gradgrad and again):
        raise Verdict("agrees")
    check_second(tg, again, ours, leaves)
    raise Verdict("agrees twice")


def check_sample(tg, op, name, adapter, sample):
    """Runs a sample by PyTorch and by the library, and raises the verdict."""
    detached, ours = once(copy), once(tg.from_torch)
    input, args, kwargs = (mapped(detached, x) for x in (sample.input, sample.args, sample.kwargs))
    dtypes = {t.dtype for t in every([input, list(args), list(kwargs.values())])}
    want = every(op(input, *args, **kwargs))
    try:
        got = every(adapter(tg, mapped(ours, input), *mapped(ours, args), **mapped(ours, kwargs)))
    except Skip as e:
        raise Verdict("not there", str(e))
    except Refused as e:
        promotes = any("not for " + d in str(e) for d in ("int64", "bool"))
        raise Verdict("refused (mixed dtypes)" if len(dtypes) > 1 and "dtypes differ" in str(e)
                      else "refused (promotion)" if promotes else "refused", str(e))
    if name in STRICT:
        want, got = STRICT[name](want, got)
    for g, w in zip(got, want):
        compare("differs", g.torch(), w.detach())
    leaves = [t for t in detached.memo.values() if t.requires_grad and id(t) in ours.memo]
    pairs = [(g, w) for g, w in zip(got, want) if w.requires_grad]
    if not leaves or not pairs:
        raise Verdict("agrees")
    check_gradients(tg, op, pairs, [ours.memo[id(t)] for t in leaves], leaves)


def samples_of(op, dtype):
    """Yields the samples of an operator that PyTorch's database has for this dtype."""
    grad = dtype in (F32, F64) and op.supports_autograd
    torch.manual_seed(1)
    for kind in ("sample_inputs", "reference_inputs"):
        try:
            yield from getattr(op, kind)("cpu", dtype, requires_grad=grad)
        except (AttributeError, NotImplementedError, TypeError, ValueError):  # there are no samples of this kind
            pass


def main(library, include, *only):
    lib = load(library, include)
    total = collections.Counter()
    for op in sorted(op_db, key=lambda op: op.name):
        name = op.name + ("." + op.variant_test_name if op.variant_test_name else "")
        adapter = ADAPT.get(name, ADAPT.get(op.name))
        if adapter is None or (only and op.name not in only and name not in only):
            continue
        counts, examples = collections.Counter(), []
        for dtype in DT:
            for sample in samples_of(op, dtype) if dtype in op.dtypes else ():
                tg = TG(lib)
                tg.begin()
                try:
                    check_sample(tg, op, name, adapter, sample)
                except Verdict as v:
                    verdict, *why = v.args
                counts[verdict] += 1
                if verdict not in EXPECTED and len(examples) < 4:
                    examples.append("%s: %s" % (verdict, why[0]))
                tg.end()
                tg.close()
        total.update(counts)
        print("%-44s %s" % (name, ", ".join("%s %d" % c for c in sorted(counts.items()))))
        for e in examples:
            print("    " + e[:200])
    print("all: " + ", ".join("%s %d" % c for c in sorted(total.items())))


if __name__ == "__main__":
    main(*sys.argv[1:])

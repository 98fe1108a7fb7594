#!/usr/bin/python3
"""Samples of PyTorch's own operator test database, run through the shared library.

    run.py LIBRARY INCLUDE_DIRECTORY [OPERATOR...]

For each sample: the result, then the gradient, then the gradient's gradient are compared with PyTorch's. Prints a
line for each operator: how many samples agree (also in the first, or in both gradients), were refused (mixed dtypes
and integers that PyTorch promotes are, by design, and are counted apart), ask for what the library does not have,
or differ, with some that do. Needs PyTorch 1.13.
"""

import collections
import ctypes as C
import sys
import types
import unittest
import warnings

sys.modules["expecttest"] = types.ModuleType("expecttest")  # which the database imports, and only tests use
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
    """All tensors in nested lists."""
    if isinstance(x, (torch.Tensor, T)):
        return [x]
    return [z for y in x for z in every(y)] if isinstance(x, (list, tuple)) else []


def mapped(f, x):
    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, (list, tuple)) and not isinstance(x, torch.Size):
        return type(x)(mapped(f, y) for y in x)
    return {k: mapped(f, v) for k, v in x.items()} if isinstance(x, dict) else x


def once(f):
    """f, with one result for each tensor."""
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
    return torch.randn(t.shape, dtype=t.dtype, generator=random)


def largest(t):
    return float(t.abs().nan_to_num(0, 0, 0).max()) if t.numel() else 1


def compare(what, got, want, scale=1.0):
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
    found = (P * len(inputs))()
    options = GradOptions(tg.list([tg.from_torch(w) for w in weights]), create_graph, True)
    if not tg.lib.tg_grad(tg.list(outs), tg.list(inputs), found, C.byref(options)):
        raise Verdict(what + " refused", tg.lib.tg_error(tg.c).decode())
    return [T(p, tg) if p else None for p in found]


def check_second(tg, pairs, ours, leaves):
    """pairs: our gradients and PyTorch's, which can be differentiated."""
    weights = [like(w) for _, w in pairs]
    try:
        want = torch.autograd.grad([w for _, w in pairs], leaves, weights, allow_unused=True)
    except RuntimeError:  # PyTorch has none
        raise Verdict("agrees")
    live = [(g, w) for (g, _), w in zip(pairs, weights) if g.p.contents.requires_grad]
    got = [None] * len(ours)
    if live:
        got = gradients(tg, [g for g, _ in live], ours, [w for _, w in live], False, "second gradient")
    for g, w, x in zip(got, want, leaves):
        w = torch.zeros_like(x) if w is None else w.detach()
        compare("second gradient differs", g.torch() if g else torch.zeros_like(w), w, 10 * largest(w))


def check_gradients(tg, op, pairs, ours, leaves):
    weights = [like(w) for _, w in pairs]
    try:
        want = torch.autograd.grad([w for _, w in pairs], leaves, weights, create_graph=op.supports_gradgrad, allow_unused=True)
    except RuntimeError:  # PyTorch has none
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
    grad = dtype in (F32, F64) and op.supports_autograd
    torch.manual_seed(1)
    for kind in ("sample_inputs", "reference_inputs"):
        try:
            yield from getattr(op, kind)("cpu", dtype, requires_grad=grad)
        except (AttributeError, NotImplementedError, TypeError, ValueError):  # the database has none of that kind
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

#!/usr/bin/python3
"""Writes in place by PyTorch: in_place.py > in_place_golden.txt

The result of a write to a view is its whole base, so that a write beside the view shows. A case with a gradient,
clone_NAME, writes to a clone of the input.
"""

import torch

from common import *

EXACT = Rule("elementwise")
MOVES = Rule("structural")
QUOTIENT = Rule("elementwise", terms={1: (3, 3, 3)})

WRITES = {
    "add_": lambda t, s: t.add_(s),
    "sub_": lambda t, s: t.sub_(s),
    "mul_": lambda t, s: t.mul_(s),
    "copy_": lambda t, s: t.copy_(s),
    "fill_": lambda t, s: t.fill_(s),
    "zero_": lambda t: t.zero_(),
}


def in_place_cases():
    for op, write in WRITES.items():
        others = 1 if op not in ("fill_", "zero_") else 0

        def on_base(x, *attrs, write=write, others=others):
            with torch.no_grad():
                write(x[0], *x[1:1 + others], *attrs)
            return x[0]._base.detach() if x[0]._base is not None else x[0].detach()

        on_clone = lambda x, *attrs, write=write, others=others: write(x[0].clone(), *x[1:1 + others], *attrs)
        attrs = [2.0] if op == "fill_" else []
        for dtype in DTYPES if others == 0 or op == "copy_" else (F32, F64, I64):
            for how in LAYOUTS:
                if how == "expanded":
                    continue
                for shape in ((2, 3), (3,)) if how != "mixed" else ((2, 3),):
                    more = [make(shape, dtype, "normal", LAYOUTS[(LAYOUTS.index(how) + 2) % 9], False)] * others
                    case(op, MOVES, on_base, [make((2, 3), dtype, "normal", how, False)] + more, attrs)
        for shape, other in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((2, 2), (2, 1)), ((), ()), ((0,), (1,))):
            for dtype in (F32, F64):
                more = [make(other, dtype)] * others
                case("clone_" + op, EXACT if others else MOVES, on_clone, [make(shape, dtype, "normal", "sliced")] + more, attrs)
        if others:
            case(op, MOVES, on_base, [make((3, 3), F32, grad=False), Input(0)])
            case(op, MOVES, on_base, [make((3,), F32, grad=False), make((2, 3), F32, grad=False)], fails=True)


NUMBER_WRITES = {
    "add_scalar_": lambda t, s: t.add_(s),
    "sub_scalar_": lambda t, s: t.sub_(s),
    "mul_scalar_": lambda t, s: t.mul_(s),
    "div_scalar_": lambda t, s: t.div_(s),
}


def number_write_cases():
    for op, write in NUMBER_WRITES.items():
        number_cases(op, EXACT, lambda x, s, write=write: write(x[0].clone(), s))
    div = lambda x: x[0].clone().div_(x[1])
    for shape, other in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((2, 2), (2, 1)), ((), ()), ((0,), (1,))):
        for dtype in (F32, F64):
            case("clone_div_", QUOTIENT, div, [make(shape, dtype, "normal", "sliced"), make(other, dtype, "positive")])


write((6145, in_place_cases), (7504, number_write_cases))

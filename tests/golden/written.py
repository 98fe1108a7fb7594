#!/usr/bin/python3
"""Whether PyTorch's backward reads the result of an operation: written.py > written_golden.txt

There is a line for each call of ROWS in supported.py. It has the name of the row, and "needed" if PyTorch's backward
refuses a result that was written to in place, else "free". A function that PyTorch 1.13 lacks is written there as a
torch.autograd.Function that saves what the formula of its gradient reads, by ctx.save_for_backward: PyTorch then
notices a write to a saved result.
"""

import torch

from supported import ROWS, Operands

torch.manual_seed(1)


def verdict(call):
    """Returns "needed" if backward refuses the result of the call once that was multiplied in place, else "free"."""
    result = call(Operands())
    result.mul_(torch.full_like(result, 1.5))
    try:
        result.sum().backward()
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error), error
        return "needed"
    return "free"


for name, call in ROWS.items():
    print(name, verdict(call))

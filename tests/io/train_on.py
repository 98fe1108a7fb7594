"""PyTorch trains a network, hands it to the library, which trains on, and takes it back: train_on.py PROGRAM.

The last weights must be those of PyTorch alone. The networks are of float64. Sums are added in another order in the
library, which changes each gradient by some 1e-16 of its terms; thirty steps of Adam, whose size does not depend on
that of the gradient, leave less than 1e-11 of it in the weights, which are about 1. (The convolution has no bias: its gradient before a
BatchNorm is 0 but for rounding, which Adam makes steps of.)
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

STEPS = 10
TYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64, "BOOL": np.bool_}


def read_safetensors(path):
    """Returns a dict of names and tensors, as the official package does, which Debian does not have."""
    with open(path, "rb") as f:
        entries = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        content = f.read()
    entries.pop("__metadata__", None)
    return {name: torch.from_numpy(np.frombuffer(content[slice(*e["data_offsets"])], TYPES[e["dtype"]])
                                   .reshape(e["shape"]).copy()) for name, e in entries.items()}


def part(flat, prefix):
    return {name[len(prefix):]: value for name, value in flat.items() if name.startswith(prefix)}


def optimizer_state(flat):  # as in README
    state, groups = {}, {}
    for name, value in flat.items():
        kind, number, *path = name.split(".")
        entry = (state if kind == "state" else groups).setdefault(int(number), {})
        if kind == "state":
            entry[path[0]] = value
        elif path[0] == "betas":
            entry.setdefault("betas", [0, 0])[int(path[1])] = value.item()
        else:
            entry[path[0]] = value.tolist()
    return {"state": state, "param_groups": [groups[i] for i in sorted(groups)]}


def perceptron():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), torch.randn(16, 4)


def convolutional():
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(12, 3)), torch.randn(16, 1, 4, 4)


def train(net, adam, x, y, steps):
    for _ in range(steps):
        adam.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        adam.step()


def trained(make, program, folder):
    """Returns the state of a network after three times STEPS, of which a program, if there is one, makes the second."""
    torch.manual_seed(5)
    net, x = make()
    adam = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.8, 0.99))
    y = torch.arange(16) % 3
    train(net, adam, x, y, STEPS)
    if program:
        before, after = os.path.join(folder, "before.pt"), os.path.join(folder, "after.safetensors")
        torch.save({"model": net.state_dict(), "optimizer": adam.state_dict(), "x": x, "y": y}, before)
        subprocess.run([program, before, after, str(STEPS)], check=True)
        state = read_safetensors(after)
        net, _ = make()
        adam = torch.optim.Adam(net.parameters())
        net.load_state_dict(part(state, "model."))
        adam.load_state_dict(optimizer_state(part(state, "optimizer.")))
    else:
        train(net, adam, x, y, STEPS)
    train(net, adam, x, y, STEPS)
    return net.state_dict()


torch.set_default_dtype(torch.float64)
with tempfile.TemporaryDirectory() as folder:
    for make in perceptron, convolutional:
        alone, together = trained(make, None, folder), trained(make, sys.argv[1], folder)
        assert alone.keys() == together.keys()
        for name in alone:
            worst = (alone[name] - together[name]).abs().max().item()
            assert worst < 1e-11, (make.__name__, name, worst)
            print(make.__name__, name, worst)

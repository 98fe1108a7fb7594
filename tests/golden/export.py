#!/usr/bin/python3
"""The output of a network in PyTorch, which the test of export makes from the same seed: export.py > export_golden.txt

Initialisation and random numbers are PyTorch's in both libraries, so that the file has the output alone: a line for each
of four images, computed in float64 from the float32 parameters and images.
"""

import torch
from torch import nn

torch.manual_seed(7)
net = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(64, 24), nn.LayerNorm(24), nn.SiLU(), nn.Linear(24, 10), nn.ELU(), nn.Linear(10, 5), nn.Softmax(-1))
net[1].running_mean.uniform_(-1, 1)
net[1].running_var.uniform_(0.5, 2)
images = torch.randn(4, 1, 8, 8)
for row in net.double().eval()(images.double()):
    print(*(float(v).hex() for v in row))

#!/usr/bin/python3
"""Orders of torch.utils.data: data.py > loader_golden.txt

A line "loader seed rows batch shuffle drop epochs", then a line "batch NUMBERS..." of row numbers for each batch,
"end" for the end of an epoch, and "next NUMBER", the integer that the stream gives then (below 2^31). A line "split seed lengths",
then "part NUMBERS..." for each part and "next".
"""

import torch
from torch.utils.data import DataLoader, TensorDataset, random_split


def after():
    print("next", int(torch.randint(2**31, ())))


for seed, rows, batch, shuffle, drop, epochs in (
        (0, 10, 3, 1, 0, 3), (1, 10, 3, 1, 1, 2), (2, 7, 7, 1, 0, 2), (3, 5, 8, 1, 0, 2), (3, 5, 8, 1, 1, 1), (4, 6, 2, 0, 0, 2),
        (5, 9, 4, 0, 1, 2), (6, 1, 1, 1, 0, 2), (7, 30, 4, 1, 0, 1)):
    torch.manual_seed(seed)
    data = TensorDataset(torch.arange(rows))
    loader = DataLoader(data, batch, shuffle=bool(shuffle), drop_last=bool(drop))
    print("loader", seed, rows, batch, shuffle, drop, epochs)
    for _ in range(epochs):
        for (x,) in loader:
            print("batch", *x.tolist())
        print("end")
        after()

for seed, lengths in ((0, [7, 3]), (1, [0, 5]), (2, [4, 4, 2]), (3, [1])):
    torch.manual_seed(seed)
    print("split", seed, *lengths)
    for part in random_split(TensorDataset(torch.arange(sum(lengths))), lengths):
        print("part", *part.indices)
    after()

#!/usr/bin/python3
"""The order of rows in torch.utils.data: loader.py > loader_golden.txt

A line "loader SEED ROWS BATCH_SIZE SHUFFLE DROP_LAST EPOCHS" begins the batches of a DataLoader. A line "batch NUMBERS..."
follows for each batch, with the numbers of its rows. After each epoch come a line "end" and a line "next NUMBER", with
the integer below 2^31 that the generator gives next. A line "split SEED LENGTHS..." begins the parts of random_split. A
line "part NUMBERS..." follows for each part, and then a line "next".
"""

import torch
from torch.utils.data import DataLoader, TensorDataset, random_split


def after():
    """Prints the next number of the generator, which shows how many have been drawn."""
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

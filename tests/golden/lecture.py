"""The lecture in PyTorch: /usr/bin/python3 lecture.py > lecture_epochs.txt

Runs the notebook's lines on the page examples/README.md, and fails if PyTorch gives another value than the page says.
Then prints all epochs of the two loops for tests/examples/test_lecture.c, a line each: the loop, the epoch, the loss,
the two weights and the two gradients.
"""

import contextlib
import io
import os
import re
import warnings

import torch

warnings.simplefilter("ignore")  # PyTorch warns of the trap
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/README.md")


def entries(text):
    """The values on the page: an expression and its value, which begins on the next line if it has several."""
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        expression, _, value = line.partition("  ") if not line.startswith("epoch") else (line, "", "")
        if not value and lines and lines[0].startswith("tensor(["):
            rows = [lines.pop(0)]
            while lines and lines[0].startswith(" "):
                rows.append(lines.pop(0))
            value = "\n".join(rows)
        yield expression, value.strip()


def check_page():
    cells = re.findall(r"^```(python|text)\n(.*?)^```$", open(PAGE).read(), re.M | re.S)
    names, printed, values = {"torch": torch}, io.StringIO(), 0
    for kind, text in cells:
        if kind == "python":
            with contextlib.redirect_stdout(printed):
                exec(text, names)
            continue
        for expression, value in entries(text):
            values += 1
            if value:
                found = str(eval(expression, names))
                assert found == value, (expression, value, found)
            else:
                assert expression in printed.getvalue().splitlines(), expression
    assert values > 40, values


def print_epoch(loop, epoch, loss, weight):
    numbers = [loss.item(), *weight.flatten().tolist(), *weight.grad.flatten().tolist()]
    print(loop, epoch, *("%.9g" % v for v in numbers))


def print_epochs():
    torch.manual_seed(202150754)
    x, _ = torch.randn(100).sort()
    X = torch.vstack([torch.ones(100), x]).T
    y = X @ torch.tensor([2.5, 4]) + torch.randn(100) * 0.4

    What = torch.tensor([-5.0, 10.0], requires_grad=True)
    for epoch in range(30):
        What.grad = None
        loss = torch.sum((y - X @ What) ** 2)
        loss.backward()
        print_epoch("loop", epoch, loss, What)
        What.data = What.data - 1 / 1000 * What.grad.data

    net = torch.nn.Linear(2, 1, bias=False)
    net.weight.data = torch.tensor([[-5.0, 10.0]])
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(30):
        opt.zero_grad()
        loss = torch.nn.MSELoss()(net(X), y.reshape(100, 1))
        loss.backward()
        print_epoch("modules", epoch, loss, net.weight)
        opt.step()


check_page()
print_epochs()

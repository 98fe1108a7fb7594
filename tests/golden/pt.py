#!/usr/bin/python3
"""Writes checkpoints by torch.save to tests/golden/pt, and what is in them to standard output: pt.py >pt_golden.txt

A line has the file, the name of a value as tg_load_pt gives it, and

    tensor DTYPE SHAPE VALUES    the dtype that the library reads it as, and the values as numbers that repr writes
    text VALUE

Files that must be refused have no lines. The network in mlp.pt and conv.pt is stored with an input x and PyTorch's
output y. The script needs PyTorch 1.13.
"""

import collections
import io
import os
import sys
import zipfile

import torch
from torch import nn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pt")
NARROW = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.uint8: torch.int64,
          torch.int8: torch.int64, torch.int16: torch.int64, torch.int32: torch.int64}


def path_of(name):
    return os.path.join(FOLDER, name + ".pt")


def lines(file, name, value):
    """Prints the lines of a value, as the library is to see it."""
    if isinstance(value, dict):
        for key, v in value.items():
            lines(file, "%s%s%s" % (name, "." * bool(name), key), v)
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            lines(file, "%s%s%d" % (name, "." * bool(name), i), v)
    elif isinstance(value, torch.Tensor):
        value = value.detach()
        value = value.to(NARROW.get(value.dtype, value.dtype))
        print(file, name, "tensor", str(value.dtype)[6:], "[%s]" % ",".join(map(str, value.shape)),
              ",".join(repr(float(v)) if value.is_floating_point() else str(int(v)) for v in value.flatten()) or "-")
    elif isinstance(value, str):
        print(file, name, "text", value)
    elif isinstance(value, bool):
        print(file, name, "tensor bool []", int(value))
    elif isinstance(value, (int, float)):
        print(file, name, "tensor", "int64" if isinstance(value, int) else "float64", "[]", repr(value))


def save(file, value, shown=None, **how):
    """Saves a value, and prints its lines unless it is to be refused."""
    torch.save(value, path_of(file), **how)
    if shown is not None:
        lines(file, "", shown)


def rewrite(file, of, change):
    """Writes the archive `of` again with other entries: change maps a dict of names and bytes to another."""
    with zipfile.ZipFile(path_of(of)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path_of(file), "w") as archive:
        for name, content in change(entries).items():
            archive.writestr(zipfile.ZipInfo(name), content)


def as_in_2_8(entries):
    """The entries that PyTorch 2.8 writes for the same state."""
    entries = {"archive" + name[name.index("/"):]: content for name, content in entries.items()}
    state = {"archive/data.pkl": entries.pop("archive/data.pkl"), "archive/.format_version": b"1",
             "archive/.storage_alignment": b"64", "archive/byteorder": b"little"}
    version = entries.pop("archive/version")
    state.update(entries)
    state.update({"archive/version": version, "archive/.data/serialization_id": b"1" * 40})
    return state


def big_endian(entries):
    """The entries for mlp.pt as a machine with the other byte order writes them: all its elements are float32."""
    changed = {}
    for name, content in entries.items():
        if "/data/" in name:
            content = b"".join(content[i:i + 4][::-1] for i in range(0, len(content), 4))
        changed[name] = content
    changed["mlp/byteorder"] = b"big"
    return changed


def mlp():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.randn(5, 4)
    state = net.state_dict()
    state["x"], state["y"] = x, net(x)
    save("mlp", state, state)
    rewrite("layout_of_2_8", "mlp", as_in_2_8)
    lines("layout_of_2_8", "", state)
    rewrite("big_endian", "mlp", big_endian)
    lines("big_endian", "", state)


def conv():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(12, 4))
    for _ in range(3):
        net(torch.randn(6, 1, 4, 4) * 2 + 1)  # so that the running statistics differ from those of a new network
    net.eval()
    x = torch.randn(2, 1, 4, 4)
    state = {"model": net.state_dict(), "x": x, "y": net(x)}
    save("conv", state, state)


def adam():
    """Two steps of training, and what a third one gives."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optim = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.8, 0.99))
    x, y = torch.randn(6, 3), torch.randn(6, 1)

    def step():
        optim.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optim.step()
        return loss.item()

    step()
    loss = step()
    state = {"model": collections.OrderedDict((k, v.clone()) for k, v in net.state_dict().items()),
             "optimizer": optim.state_dict(), "epoch": 2, "loss": loss, "note": "trained \u00fcber Nacht",
             "best": True, "scheduler": None, "x": x, "y": y}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    step()
    state = torch.load(io.BytesIO(buffer.getvalue()))
    state["then"] = net.state_dict()
    save("adam", state, state)


def kinds():
    base = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    tied = nn.Parameter(torch.tensor([1.5, -2.5]))
    state = {
        "types": [torch.tensor([0, 1, 5]).to(t) for t in
                  (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int16,
                   torch.int32, torch.int64, torch.bool)],
        "extremes": {"f16": torch.tensor([65504., 2.**-24, -0.0, float("inf"), float("nan")]).half(),
                     "bf16": torch.tensor([3.38e38, 1e-40, -0.0]).bfloat16(), "i8": torch.tensor([-128, 127]).char(),
                     "i64": torch.tensor([-2**63, 2**63 - 1])},
        "views": {"t": base.t(), "slice": base[1:3, ::2], "row": base[2], "expanded": base[:, :1].expand(4, 3),
                  "all": base, "scalar": base[3, 5]},
        "tied": (tied, tied),
        "empty": [torch.zeros(0), torch.zeros(2, 0, 3), torch.tensor(7)],
        "size": torch.Size([2, 3]),
        "numbers": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**31, -2**63, 2**63 - 1, 0.1, -0.0, 1e300, True,
                    False],
        "texts": ["", "\u20ac", "two words"],
        3: "key", -4: 4,
    }
    save("kinds", state, state)


def refused():
    net = nn.Linear(2, 1)
    save("module", net)
    save("old", net.state_dict(), _use_new_zipfile_serialization=False)
    save("protocol_4", net.state_dict(), pickle_protocol=4)
    save("device", {"x": torch.ones(2), "device": torch.device("cpu")})
    save("set", {"x": {1, 2}})
    save("large", {"seed": 2**64 - 1})
    save("complex", {"z": torch.ones(2, dtype=torch.complex64)})
    save("nine", {"x": torch.ones((1,) * 9)})
    endless = {"x": []}
    endless["x"].append(endless)
    save("endless", endless)
    torch.jit.save(torch.jit.script(net), path_of("script"))


os.makedirs(FOLDER, exist_ok=True)
mlp()
conv()
adam()
kinds()
save("tensor", torch.arange(6.).reshape(2, 3), {"tensor": torch.arange(6.).reshape(2, 3)})
refused()

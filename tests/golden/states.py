#!/usr/bin/python3
"""States of PyTorch 1.13: of modules, optimisers, schedules and the random generator: states.py > states_golden.txt

A line "list LABEL" begins a list of named tensors. A line follows for each tensor,

    NAME DTYPE SHAPE VALUES

where SHAPE is a list with commas, "-" for a scalar, and VALUES are hexadecimal floats, integers or 0 and 1; and a line
"NAME text VALUE" for each text. Nested dicts and lists become names with dots, as in "state.0.exp_avg"; what is None is
left out.

For each optimiser NAME the states are NAME.start and NAME.end, the parameters before the first and after the last step;
NAME.grads, "STEP.PARAMETER" for each gradient; NAME.middle, the parameters after MIDDLE steps; and NAME.optim, the
optimiser's state there. For LBFGS there are only middle, optim and end. For each schedule NAME they are NAME.optim and
NAME.schedule after some steps, and NAME.rates, the rates of both groups after each further step. For the generator they
are rng.STEP, with "state" and the draws that come next.
"""

import torch
from torch import nn

torch.set_num_threads(1)
MIDDLE, STEPS = 4, 9
NAMES = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.bool: "bool"}


def flat(value, name=""):
    """The named tensors and texts in nested dicts and lists."""
    if isinstance(value, dict):
        return [e for k, v in value.items() for e in flat(v, f"{name}.{k}" if name else str(k))]
    if isinstance(value, (list, tuple)):
        return [e for k, v in enumerate(value) for e in flat(v, f"{name}.{k}" if name else str(k))]
    return [] if value is None or callable(value) else [(name, value)]


def tell(label, state):
    print("list", label)
    for name, v in flat(state):
        if isinstance(v, str):
            print(name, "text", v)
            continue
        if not torch.is_tensor(v):
            dtype = torch.bool if isinstance(v, bool) else torch.int64 if isinstance(v, int) else torch.float64
            v = torch.tensor(v, dtype=dtype)
        values = v.detach().flatten().tolist()
        digits = [float(x).hex() if v.is_floating_point() else str(int(x)) for x in values]
        print(name, NAMES[v.dtype], ",".join(map(str, v.shape)) or "-", *digits)


# ---- Modules. The test makes the same ones, whose weights have the same bits.


class Own(nn.Module):
    """Registers a buffer and a child before a parameter, and one layer under two names."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor([1, 2]))
        self.encoder = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
        self.scale = nn.Parameter(torch.full((2,), 0.5))
        self.tied = self.head[0]
        self.table = nn.Embedding(3, 2)


torch.manual_seed(11)
tell("module", Own().state_dict())

# ---- Optimisers.

O = torch.optim
KINDS = {
    "sgd": lambda g: O.SGD(g, lr=0.1),
    "momentum": lambda g: O.SGD(g, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda g: O.Adam(g, lr=0.1, betas=(0.8, 0.95), amsgrad=True),
    "adamw": lambda g: O.AdamW(g, lr=0.1, maximize=True),
    "rmsprop": lambda g: O.RMSprop(g, lr=0.1, momentum=0.5, centered=True),
    "adagrad": lambda g: O.Adagrad(g, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
}


def run(kind, make, dtype):
    """Three parameters in two groups; the second is a transpose, and the third has its first gradient after MIDDLE."""
    generator = torch.Generator()
    generator.manual_seed(3)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    label = f"{kind}.{NAMES[dtype]}"
    p = [draw(5), draw(2, 3).t(), draw(4)]
    for q in p:
        q.requires_grad_()
    optim = make([{"params": p[:2]}, {"params": p[2:], "lr": 0.05}])
    tell(label + ".start", p)
    grads = {}
    for step in range(STEPS):
        for i in range(3 if step >= MIDDLE else 2):
            grads[f"{step}.{i}"] = p[i].grad = draw(*p[i].shape)
        if step == MIDDLE:
            tell(label + ".middle", p)
            tell(label + ".optim", optim.state_dict())
        optim.step()
        for g in optim.param_groups:
            g["lr"] *= 0.9
    tell(label + ".grads", grads)
    tell(label + ".end", p)


for dtype in (torch.float32, torch.float64):
    for kind, make in KINDS.items():
        run(kind, make, dtype)

for search in (None, "strong_wolfe"):
    p = torch.tensor([-1.5, 1.0], dtype=torch.float64, requires_grad=True)
    optim = O.LBFGS([p], max_iter=4, history_size=3, lr=0.5 if search is None else 1, line_search_fn=search)

    def closure():
        optim.zero_grad()
        loss = (1 - p[0]) ** 2 + 5 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    label = "lbfgs" if search is None else "lbfgs_wolfe"
    for step in range(5):
        if step == 3:
            tell(label + ".middle", [p])
            tell(label + ".optim", optim.state_dict())
        optim.step(closure)
    tell(label + ".end", [p])

# ---- Schedules, of an SGD with two groups.

L = O.lr_scheduler
SCHEDULES = {
    "step": lambda o: L.StepLR(o, 3, 0.5),
    "exponential": lambda o: L.ExponentialLR(o, 0.9),
    "cosine": lambda o: L.CosineAnnealingLR(o, 7, 0.01),
    "one_cycle": lambda o: L.OneCycleLR(o, 0.4, 20),
    "plateau": lambda o: L.ReduceLROnPlateau(o, patience=1, cooldown=2, threshold=1e-3),
}
for name, make in SCHEDULES.items():
    p = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optim = O.SGD([{"params": p[:1]}, {"params": p[1:], "lr": 0.5}], lr=0.2, momentum=0.9)
    schedule = make(optim)
    rates = []
    for i in range(14):
        if i == 6:
            tell(name + ".optim", optim.state_dict())
            tell(name + ".schedule", schedule.state_dict())
        optim.step()
        schedule.step(*([1 / (1 + min(i, 3))] if name == "plateau" else []))
        if i >= 6:
            rates.append([g["lr"] for g in optim.param_groups])
    tell(name + ".rates", rates)

# ---- The generator: just seeded, inside its words, at their end, and with a normal sample that waits.

for label, seed, drawn, normals in (("new", 5, 0, 0), ("inside", -3, 10, 0), ("end", 7, 624, 0), ("normal", 9, 100, 3)):
    torch.manual_seed(seed)
    torch.rand(drawn)
    torch.randn(normals)
    state = torch.get_rng_state().view(torch.int64)
    tell("rng." + label, {"state": state, "normals": torch.randn(3), "uniforms": torch.rand(700)})

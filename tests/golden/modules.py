"""Models, and how PyTorch 1.13 prints and walks them: modules.py > modules_golden.txt

A case begins with a line "= NAME"; tests/nn/test_walk.c makes the model of that name. The lines after it
are what print(model) writes, each behind a "|"; then "modules", "children" and "apply", with the paths of
named_modules ("." for the model itself), the names of named_children, and the classes in the order of
model.apply, in which activations are called Lambda, as in the library.
"""
import torch.nn as nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        self.head = nn.Linear(3, 1, bias=False)
        self.again = self.encoder[0]


def nested():
    shared = nn.Linear(2, 2)
    inner = nn.Sequential(shared, nn.Tanh())
    return nn.Sequential(shared, inner, nn.Sequential(nn.Sequential(inner)), nn.Dropout(0.25), shared)


def digits():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    )


MODELS = {
    "linear": nn.Linear(2, 1, bias=False),
    "conv1d": nn.Conv1d(4, 6, 5, stride=2),
    "conv1d_padded": nn.Conv1d(1, 2, 3, padding=4, dilation=2),
    "conv2d": nn.Conv2d(3, 16, (3, 5)),
    "conv2d_options": nn.Conv2d(
        4, 8, 3, stride=(2, 1), padding=(0, 2), dilation=(1, 3), groups=2, bias=False
    ),
    "batchnorm1d": nn.BatchNorm1d(10),
    "batchnorm2d_options": nn.BatchNorm2d(3, eps=0.001, momentum=None, affine=False, track_running_stats=False),
    "layernorm": nn.LayerNorm(7),
    "layernorm_options": nn.LayerNorm((2, 3, 4), eps=2.5e-7, elementwise_affine=False),
    "embedding": nn.Embedding(10, 3),
    "embedding_padded": nn.Embedding(10, 3, padding_idx=-2),
    "dropout": nn.Dropout(0.5),
    "dropout_third": nn.Dropout(1 / 3),
    "dropout_all": nn.Dropout(1.0),
    "dropout_few": nn.Dropout(0.00012),
    "flatten": nn.Flatten(0, -2),
    "mseloss": nn.MSELoss(),
    "activations": nn.Sequential(
        nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.ReLU6(), nn.SELU(), nn.SiLU(), nn.Mish(), nn.LogSigmoid(),
        nn.Softsign(), nn.Hardsigmoid(), nn.Hardswish()
    ),
    "nested": nested(),
    "own": Scaled(),
    "digits": digits(),
}


def is_activation(module):
    return type(module).__module__ == "torch.nn.modules.activation"


for name, model in MODELS.items():
    order = []
    model.apply(lambda m: order.append("Lambda" if is_activation(m) else type(m).__name__))
    print("=", name)
    for line in str(model).split("\n"):
        print("|" + line)
    print("modules", *(path or "." for path, _ in model.named_modules()))
    print("children", *(child for child, _ in model.named_children()))
    print("apply", *order)

#!/usr/bin/python3
"""NIST's nonlinear regressions: nist_nonlinear.py DIRECTORY > nist_nonlinear.txt

DIRECTORY has the .dat files of the Statistical Reference Datasets of the National Institute of Standards and
Technology (https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml), which are in the public domain. For each data set
this writes a line "set NAME rows predictors parameters", a line for each row with y first, and five more lines: the
two starting points, the certified parameters, their certified standard deviations, and the certified residual sum of
squares and residual standard deviation. tests/optim/test_curve_fit.c has the same models. The script checks that each
gives the certified sum of squares at the certified parameters.
"""

import re
import sys
from math import atan, cos, exp, isclose, log, pi, sin

MODELS = {
    "Bennett5": lambda x, b: b[0] * (b[1] + x) ** (-1 / b[2]),
    "BoxBOD": lambda x, b: b[0] * (1 - exp(-b[1] * x)),
    "Chwirut1": lambda x, b: exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda x, b: exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda x, b: b[0] * x ** b[1],
    "ENSO": lambda x, b: b[0] + b[1] * cos(2 * pi * x / 12) + b[2] * sin(2 * pi * x / 12)
    + b[4] * cos(2 * pi * x / b[3]) + b[5] * sin(2 * pi * x / b[3])
    + b[7] * cos(2 * pi * x / b[6]) + b[8] * sin(2 * pi * x / b[6]),
    "Eckerle4": lambda x, b: b[0] / b[1] * exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": lambda x, b: b[0] * exp(-b[1] * x) + b[2] * exp(-((x - b[3]) / b[4]) ** 2) + b[5] * exp(-((x - b[6]) / b[7]) ** 2),
    "Hahn1": lambda x, b: (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3),
    "Kirby2": lambda x, b: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": lambda x, b: b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x),
    "MGH09": lambda x, b: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda x, b: b[0] * exp(b[1] / (x + b[2])),
    "MGH17": lambda x, b: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    "Misra1a": lambda x, b: b[0] * (1 - exp(-b[1] * x)),
    "Misra1b": lambda x, b: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda x, b: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda x, b: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda x, b: b[0] - b[1] * x[0] * exp(-b[2] * x[1]),
    "Rat42": lambda x, b: b[0] / (1 + exp(b[1] - b[2] * x)),
    "Rat43": lambda x, b: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda x, b: b[0] - b[1] * x - atan(b[2] / (x - b[3])) / pi,
}
MODELS.update({name: MODELS[name[:-1] + "1"] for name in ["Gauss2", "Gauss3", "Lanczos2", "Lanczos3"]})
MODELS["Thurber"] = MODELS["Hahn1"]


def read(name):
    """Returns the four columns of the table of parameters (two starts, certified values, standard deviations), the
    rows of data, the residual sum of squares and the residual standard deviation of a data set."""
    text = open(f"{sys.argv[1]}/{name}.dat").read()
    table = [line.split("=")[1].split() for line in text.split("\n") if re.match(r"\s*b\d+ =", line)]
    first, last = map(int, re.search(r"Data\s+\(lines (\d+) to (\d+)\)", text).groups())
    rows = [[float(v) for v in line.split()] for line in text.split("\n")[first - 1 : last]]
    if name == "Nelson":  # its model predicts log y
        rows = [[log(row[0])] + row[1:] for row in rows]
    total = float(re.search(r"Residual Sum of Squares:\s+(\S+)", text)[1])
    deviation = float(re.search(r"Residual Standard Deviation:\s+(\S+)", text)[1])
    return [[float(v) for v in column] for column in zip(*table)], rows, total, deviation


for name in sorted(MODELS):
    (start1, start2, certified, deviations), rows, total, deviation = read(name)
    ours = sum((row[0] - MODELS[name](row[1] if len(row) == 2 else row[1:], certified)) ** 2 for row in rows)
    # The sums of Lanczos1 and Lanczos2 are so small that the digits of the parameters do not determine them.
    assert name in ("Lanczos1", "Lanczos2") or isclose(ours, total, rel_tol=1e-8), (name, ours, total)
    print("set", name, len(rows), len(rows[0]) - 1, len(certified))
    for line in rows + [start1, start2, certified, deviations, [total, deviation]]:
        print(*(repr(v) for v in line))

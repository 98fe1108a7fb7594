"""Usage: rival.py fit ROWS COLUMNS, as ours.c, by numpy.linalg.lstsq; or rival.py read_csv FILE, which reads a
file by pandas and fits y to all columns and an intercept, with standard errors."""

import sys
import time

import numpy as np


def fit_file(path):
    import pandas

    table = pandas.read_csv(path)
    y = table.pop("y").to_numpy()
    x = np.column_stack([np.ones(len(table)), table.to_numpy()])
    p, total, *_ = np.linalg.lstsq(x, y, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * total / (len(x) - len(p)))
    print(p, errors)


def status(field):
    """Returns the value in KB of a line of /proc/self/status."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def main():
    if sys.argv[1] == "read_csv":
        return fit_file(sys.argv[2])
    rows, columns = int(sys.argv[2]), int(sys.argv[3])
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns))
    y = x.sum(1) + random.standard_normal(rows)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak begins again
    before = status("VmRSS")
    begin = time.process_time()
    np.linalg.lstsq(x, y, rcond=None)
    print(time.process_time() - begin, status("VmHWM") - before)


main()

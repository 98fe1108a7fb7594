#!/usr/bin/python3
"""Least squares of numbers near the ends of the range of double: range.py > range_golden.txt

For each system the script writes a line "system m n condition", a line for each row with its right-hand side first, and
a line "exact" with the solution in rational arithmetic, rounded once: that of least squares or, for m < n, the shortest
one. The condition is that of the matrix with its columns (for m < n: rows) divided by their norms.
"""

import random
from fractions import Fraction

import numpy

random.seed(5)


def solve(matrix, right):
    """Solves a square system by Gauss and Jordan's elimination."""
    rows = [row + [b] for row, b in zip(matrix, right)]
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i])]
    return [row[n] for row in rows]


def product(a, b):
    return sum(x * y for x, y in zip(a, b))


def solution(a, b):
    """The x with the least |a x - b| or, for a wide a, the shortest x with a x = b."""
    a, b = [[Fraction(entry) for entry in row] for row in a], [Fraction(entry) for entry in b]
    columns = list(zip(*a))
    if len(a) >= len(columns):
        return solve([[product(p, q) for q in columns] for p in columns], [product(p, b) for p in columns])
    y = solve([[product(p, q) for q in a] for p in a], b)
    return [product(y, column) for column in columns]


def condition(a):
    scaled = numpy.array([[float(Fraction(entry) / Fraction(2) ** 1000) if abs(entry) > 1e150 else entry for entry in row] for row in a])
    if len(a) < len(a[0]):
        scaled = scaled.T
    return numpy.linalg.cond(scaled / numpy.abs(scaled).max(0))


def nearly_dependent(m, n, closeness, size, size_of_b, wide):
    """Columns (for wide: rows) of about that size, of which each differs from the first by that share of it."""
    first = [random.uniform(-1, 1) for _ in range(m)]
    columns = [first] + [[x + closeness * random.uniform(-1, 1) for x in first] for _ in range(n - 1)]
    columns = [[x * size for x in column] for column in columns]
    a = columns if wide else [list(row) for row in zip(*columns)]
    return a, [random.uniform(-1, 1) * size_of_b for _ in range(n if wide else m)]


for size, size_of_b in ((1e300, 1e300), (1e-290, 1e-290), (1e300, 1e-5), (1e-5, 1e300), (1e-290, 1e5), (1.0, 1e-290), (1e140, 1e300)):
    for closeness in (1e-1, 1e-5, 1e-9, 1e-12):
        for m, n, wide in ((6, 3, False), (4, 4, False), (6, 2, True)):
            a, b = nearly_dependent(m, n, closeness, size, size_of_b, wide)
            x = solution(a, b)
            if not all(2.0**-960 < abs(entry) < 2.0**1020 for entry in x):
                continue
            print("system", len(a), len(a[0]), f"{condition(a):.3g}")
            for row, right in zip(a, b):
                print(*(value.hex() for value in [right] + row))
            print("exact", *(float(entry).hex() for entry in x))

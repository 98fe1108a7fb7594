#!/usr/bin/python3
"""Linear regressions of NIST's Statistical Reference Datasets: certified.py > certified.txt

For each data set this writes a line "set NAME rows columns", a line for each row with the right-hand side first, and
a line "exact" with the coefficients. The coefficients are the least-squares solution for NIST's decimals, in rational
arithmetic. The script checks that they agree with NIST's certified values to the digits given, and with the solution
for the numbers as doubles hold them to 1e-11.
"""

from fractions import Fraction

NORRIS = [line.split(",") for line in open("../../examples/data/norris.csv").read().split()[1:]]
PONTIUS = """.11019 .21956 .32949 .43899 .54803 .65694 .76562 .87487 .98292 1.09146 1.20001 1.30822 1.41599 1.52399
1.63194 1.73947 1.84646 1.95392 2.06128 2.16844 .11052 .22018 .32939 .43886 .54798 .65739 .76596 .87474 .98300 1.09150
1.20004 1.30818 1.41613 1.52408 1.63159 1.73965 1.84696 1.95445 2.06177 2.16829""".split()
LONGLEY = """60323 83.0 234289 2356 1590 107608 1947
61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949
61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951
63639 98.1 346999 1932 3594 113270 1952
64989 99.0 365385 1870 3547 115094 1953
63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962"""
DELTAS = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 2523,
          -2048, 2048, -2048, 759]


def polynomial(x, degree):
    """Returns the powers of x up to the degree, as decimals."""
    return [str(int(x) ** k) for k in range(degree + 1)]


def wampler(number):
    """Returns the rows of the data set Wampler1 to Wampler5, which NIST defines by these formulas."""
    scale = {1: 0, 3: 1, 4: 100, 5: 10000}.get(number)
    rows = []
    for x in range(21):
        if number == 2:
            y = sum(Fraction(x, 10) ** k for k in range(6))
            y = "%d.%05d" % (int(y), int(y % 1 * 10**5))
        else:
            y = str(sum(x**k for k in range(6)) + scale * DELTAS[x])
        rows.append([y] + polynomial(x, 5))
    return rows


SETS = {
    "norris": ([[y, "1", x] for x, y in NORRIS], ["-0.262323073774029", "1.00211681802045"]),
    "pontius": ([[y] + polynomial(150000 * (i % 20 + 1), 2) for i, y in enumerate(PONTIUS)],
                ["0.673565789473684E-03", "0.732059160401003E-06", "-0.316081871345029E-14"]),
    "noint1": ([[str(130 + i), str(60 + i)] for i in range(11)], ["2.07438016528926"]),
    "noint2": ([["3", "4"], ["4", "5"], ["4", "6"]], ["0.727272727272727"]),
    "longley": ([[y, "1"] + x for y, *x in (line.split() for line in LONGLEY.split("\n"))],
                ["-3482258.63459582", "15.0618722713733", "-0.358191792925910E-01", "-2.02022980381683",
                 "-1.03322686717359", "-0.511041056535807E-01", "1829.15146461355"]),
    "wampler1": (wampler(1), ["1"] * 6),
    "wampler2": (wampler(2), ["1", "0.1", "0.01", "0.001", "0.0001", "0.00001"]),
    "wampler3": (wampler(3), ["1"] * 6),
    "wampler4": (wampler(4), ["1"] * 6),
    "wampler5": (wampler(5), ["1"] * 6),
}


def least_squares(rows):
    """Returns the coefficients of the rows, of which the first element is the right-hand side. In rational
    arithmetic, Gauss-Jordan elimination of the normal equations is exact."""
    n = len(rows[0]) - 1
    m = [[sum(r[i + 1] * r[j + 1] for r in rows) for j in range(n)] + [sum(r[i + 1] * r[0] for r in rows)] for i in range(n)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if m[r][i] != 0)
        m[i], m[pivot] = m[pivot], m[i]
        for r in range(n):
            if r != i:
                factor = m[r][i] / m[i][i]
                m[r] = [a - factor * b for a, b in zip(m[r], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


for name, (rows, certified) in SETS.items():
    decimal = least_squares([[Fraction(v) for v in r] for r in rows])
    binary = least_squares([[Fraction(float(v)) for v in r] for r in rows])
    for d, b, c in zip(decimal, binary, certified):
        assert abs(d - Fraction(c)) <= Fraction(1, 10**14) * abs(d), (name, float(d), c)
        assert abs(b - d) <= Fraction(1, 10**11) * abs(d), (name, float(b), float(d))
    print("set", name, len(rows), len(rows[0]) - 1)
    for r in rows:
        print(*(repr(float(v)) for v in r))
    print("exact", *(repr(float(d)) for d in decimal))

#!/usr/bin/python3
"""Linear regressions of NIST's Statistical Reference Datasets: certified.py > certified.txt

For each data set this writes a line "set NAME rows columns", a line for each row with the right-hand side first, and
lines "exact", "certified" and "errors". The certified coefficients and their standard errors are those of the
least-squares solution for NIST's decimals, in rational arithmetic; the script checks that they agree with NIST's values
to the digits given. The line "exact" has the certified coefficients, too, as they agree to 1e-11 with the solution for
the numbers as doubles hold them. In Filip, of condition 1.8e15, rounding the powers of x to doubles changes the
solution in its eighth digit; there the line is the solution for the doubles.
"""

from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 30

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
FILIP_X = """-6.860120914 -4.324130045 -4.358625055 -4.358426747 -6.955852379 -6.661145254 -6.355462942
-6.118102026 -7.115148017 -6.815308569 -6.519993057 -6.204119983 -5.853871964 -6.109523091 -5.79832982
-5.482672118 -5.171791386 -4.851705903 -4.517126416 -4.143573228 -3.709075441 -3.499489089 -6.300769497
-5.953504836 -5.642065153 -5.031376979 -4.680685696 -4.329846955 -3.928486195 -8.56735134 -8.363211311
-8.107682739 -7.823908741 -7.522878745 -7.218819279 -6.920818754 -6.628932138 -6.323946875 -5.991399828
-8.781464495 -8.663140179 -8.473531488 -8.247337057 -7.971428747 -7.676129393 -7.352812702 -7.072065318
-6.774174009 -6.478861916 -6.159517513 -6.835647144 -6.53165267 -6.224098421 -5.910094889 -5.598599459
-5.290645224 -4.974284616 -4.64454848 -4.290560426 -3.885055584 -3.408378962 -3.13200249 -8.726767166
-8.66695597 -8.511026475 -8.165388579 -7.886056648 -7.588043762 -7.283412422 -6.995678626 -6.691862621
-6.392544977 -6.067374056 -6.684029655 -6.378719832 -6.065855188 -5.752272167 -5.132414673 -4.811352704
-4.098269308 -3.66174277 -3.2644011""".split()
FILIP_Y = """0.8116 0.9072 0.9052 0.9039 0.8053 0.8377 0.8667 0.8809 0.7975 0.8162 0.8515 0.8766 0.8885 0.8859
0.8959 0.8913 0.8959 0.8971 0.9021 0.909 0.9139 0.9199 0.8692 0.8872 0.89 0.891 0.8977 0.9035 0.9078 0.7675
0.7705 0.7713 0.7736 0.7775 0.7841 0.7971 0.8329 0.8641 0.8804 0.7668 0.7633 0.7678 0.7697 0.77 0.7749 0.7796
0.7897 0.8131 0.8498 0.8741 0.8061 0.846 0.8751 0.8856 0.8919 0.8934 0.894 0.8957 0.9047 0.9129 0.9209 0.9219
0.7739 0.7681 0.7665 0.7703 0.7702 0.7761 0.7809 0.7961 0.8253 0.8602 0.8809 0.8301 0.8664 0.8834 0.8898 0.8964
0.8963 0.9074 0.9119 0.9228""".split()
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


WAMPLER3 = [Decimal(v) for v in ["2152.32624678170", "2363.55173469681", "779.343524331583", "101.475507550350",
                                 "5.64566512170752", "0.112324854679312"]]  # the standard errors
SETS = {  # rows, certified coefficients and their certified standard errors
    "norris": ([[y, "1", x] for x, y in NORRIS], ["-0.262323073774029", "1.00211681802045"],
               ["0.232818234301152", "0.429796848199937E-03"]),
    "pontius": ([[y] + polynomial(150000 * (i % 20 + 1), 2) for i, y in enumerate(PONTIUS)],
                ["0.673565789473684E-03", "0.732059160401003E-06", "-0.316081871345029E-14"],
                ["0.107938612033077E-03", "0.157817399981659E-09", "0.486652849992036E-16"]),
    "noint1": ([[str(130 + i), str(60 + i)] for i in range(11)], ["2.07438016528926"], ["0.165289256198347E-01"]),
    "noint2": ([["3", "4"], ["4", "5"], ["4", "6"]], ["0.727272727272727"], ["0.420827318078432E-01"]),
    "filip": ([[y] + [Fraction(x) ** k for k in range(11)] for x, y in zip(FILIP_X, FILIP_Y)],
              ["-1467.48961422980", "-2772.17959193342", "-2316.37108160893", "-1127.97394098372", "-354.478233703349",
               "-75.1242017393757", "-10.8753180355343", "-1.06221498588947", "-0.670191154593408E-01",
               "-0.246781078275479E-02", "-0.402962525080404E-04"],
              ["298.084530995537", "559.779865474950", "466.477572127796", "227.204274477751", "71.6478660875927",
               "15.2897178747400", "2.23691159816033", "0.221624321934227", "0.142363763154724E-01",
               "0.535617408889821E-03", "0.896632837373868E-05"]),
    "longley": ([[y, "1"] + x for y, *x in (line.split() for line in LONGLEY.split("\n"))],
                ["-3482258.63459582", "15.0618722713733", "-0.358191792925910E-01", "-2.02022980381683",
                 "-1.03322686717359", "-0.511041056535807E-01", "1829.15146461355"],
                ["890420.383607373", "84.9149257747669", "0.334910077722432E-01", "0.488399681651699",
                 "0.214274163161675", "0.226073200069370", "455.478499142212"]),
    "wampler1": (wampler(1), ["1"] * 6, ["0"] * 6),
    "wampler2": (wampler(2), ["1", "0.1", "0.01", "0.001", "0.0001", "0.00001"], ["0"] * 6),
    "wampler3": (wampler(3), ["1"] * 6, WAMPLER3),
    "wampler4": (wampler(4), ["1"] * 6, [100 * v for v in WAMPLER3]),
    "wampler5": (wampler(5), ["1"] * 6, [10000 * v for v in WAMPLER3]),
}


def least_squares(rows):
    """Returns the coefficients of the rows, of which the first element is the right-hand side, and their standard
    errors. In rational arithmetic, Gauss-Jordan elimination of the normal equations is exact."""
    n = len(rows[0]) - 1
    m = [[sum(r[i + 1] * r[j + 1] for r in rows) for j in range(n)] + [sum(r[i + 1] * r[0] for r in rows)]
         + [Fraction(i == j) for j in range(n)] for i in range(n)]
    for i in range(n):
        m[i] = [a / m[i][i] for a in m[i]]
        for r in range(n):
            if r != i:
                factor = m[r][i]
                m[r] = [a - factor * b for a, b in zip(m[r], m[i])]
    x = [row[n] for row in m]
    variance = sum((r[0] - sum(a * b for a, b in zip(r[1:], x))) ** 2 for r in rows) / (len(rows) - n)
    return x, [square_root(variance * m[i][n + 1 + i]) for i in range(n)]


def square_root(v):
    return Fraction((Decimal(v.numerator) / Decimal(v.denominator)).sqrt())


def check_close(name, values, wanted, tolerance):
    for v, w in zip(values, wanted):
        assert abs(v - Fraction(w)) <= Fraction(tolerance) * abs(v), (name, float(v), float(w))


for name, (rows, certified, certified_errors) in SETS.items():
    decimal, errors = least_squares([[Fraction(v) for v in r] for r in rows])
    binary, _ = least_squares([[Fraction(float(v)) for v in r] for r in rows])
    check_close(name, decimal, certified, "1e-14")
    check_close(name, errors, certified_errors, "1e-14")
    check_close(name, binary, decimal, "1e-7" if name == "filip" else "1e-11")
    print("set", name, len(rows), len(rows[0]) - 1)
    for r in rows:
        print(*(repr(float(v)) for v in r))
    print("exact", *(repr(float(v)) for v in (binary if name == "filip" else decimal)))
    print("certified", *(repr(float(v)) for v in decimal))
    print("errors", *(repr(float(v)) for v in errors))

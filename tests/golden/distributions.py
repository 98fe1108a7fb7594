#!/usr/bin/python3
"""Probabilities and bounds of the t, F and normal distributions: distributions.py > distributions_golden.txt

mpmath computes them with 50 digits. Each line is a name, the arguments as doubles hold them, and the value. In
"t T DF P", P is the probability that the absolute value of t is at least T; in "f F DF1 DF2 P", P is the probability of a
value of at least F; and in "bound P DF T", T is the bound that the absolute value of t reaches with probability P. In
"normal P X", X is the value that a normal variable does not exceed with probability P.
"""

from mpmath import betainc, erfinv, findroot, log, mp, mpf, sqrt

mp.dps = 50


def t_two_sided(t, df):
    t, df = mpf(t), mpf(df)
    return betainc(df / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True)


def f_upper(f, df1, df2):
    f, df1, df2 = mpf(f), mpf(df1), mpf(df2)
    return betainc(df2 / 2, df1 / 2, 0, df2 / (df2 + df1 * f), regularized=True)


def show(name, *numbers):
    print(name, *(repr(float(n)) for n in numbers))


for df in [1, 2, 3, 4, 7, 10, 31, 105, 431, 1000, 65536, 1000000]:
    for t in [0.0, 1e-8, 0.001, 0.3, 1.0, 1.96, 2.73, 5.0, 10.0, 30.0]:
        show("t", t, df, t_two_sided(t, df))
for df in [1, 2, 5, 36, 400]:
    for t in [100.0, 2331.6, 1e8]:
        show("t", t, df, t_two_sided(t, df))
for df1 in [1, 2, 5, 10, 100]:
    for df2 in [1, 2, 9, 105, 431, 100000]:
        for f in [0.0, 1e-6, 0.2, 1.0, 1.3, 4.0, 34.99, 300.0]:
            show("f", f, df1, df2, f_upper(f, df1, df2))
for df in [1, 2, 3, 5, 10, 105, 431, 100000]:
    for p in [0.9, 0.5, 0.1, 0.05, 0.01, 0.001]:
        t = findroot(lambda u: log(t_two_sided(mp.exp(u), df)) - log(mpf(p)), mpf(0.5), tol=1e-40)
        show("bound", p, df, mp.exp(t))
for p in [1e-30, 1e-16, 1e-9, 0.0001, 0.02, 0.025, 0.1, 0.25, 0.4, 0.499, 0.501, 0.6, 0.75, 0.9, 0.975, 0.9999]:
    show("normal", p, sqrt(mpf(2)) * erfinv(2 * mpf(p) - 1))

#!/usr/bin/python3
"""Fused multiply-adds in rational arithmetic, rounded once: fma.py > fma_golden.txt

Each line is "f32" or "f64" and the bits of a, b, c and of a * b + c. Many of the sums lie half-way between two
numbers of the format or next to that, nearly cancel, or are subnormal; there a second rounding would show.
"""

import random
import struct
from fractions import Fraction

FORMATS = {"f32": ("<f", "<I", 24, -126, 127), "f64": ("<d", "<Q", 53, -1022, 1023)}


def rounded(x, digits, least, most):
    """Returns the number of the format that is nearest to x; of two, the even one; beyond the largest, an infinity."""
    if x == 0:
        return 0.0
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    while abs(x) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, least) - digits + 1)
    nearest = round(x / unit) * unit  # ties to even
    if abs(nearest) >= Fraction(2) ** (most + 1):
        return float("inf") if x > 0 else float("-inf")
    if nearest == 0:
        return 0.0 if x > 0 else -0.0
    return float(nearest)


def bits(x, form):
    return "%0*x" % (2 * struct.calcsize(form[0]), struct.unpack(form[1], struct.pack(form[0], x))[0])


def number(digits, low, high):
    """Returns a random number of at most so many binary digits, of which often few are 1, and with an exponent from
    low to high."""
    mantissa = random.getrandbits(digits) | 1 << digits - 1
    mantissa &= random.choice([-1, -1 << random.randrange(digits), 1 << digits - 1 | 1])
    return random.choice([-1, 1]) * Fraction(mantissa) * Fraction(2) ** (random.randint(low, high) - digits + 1)


def case(digits, least, most):
    """Returns random a, b and c of one of six kinds."""
    kind = random.randrange(6)
    middle = digits + 10
    low = least if kind == 0 else -middle
    a, b = number(digits, low // 2, middle), number(digits, low // 2, middle)
    if kind == 1:  # overflow
        a *= Fraction(2) ** (most - 2 * middle)
        c = number(digits, most - 4, most)
    elif kind == 2:  # c is the rounded product, which cancels
        c = -Fraction(rounded(a * b, digits, least, most))
    elif kind == 3:  # the product is near half a unit in the last place of c
        c = number(digits, 0, 4)
        a, b = number(digits, 0, 0), number(digits, 0, 0)
        a *= Fraction(2) ** random.randint(-digits - 2, -digits + 4)
    elif kind == 4:  # the product is far smaller than c
        c = number(digits, 0, 0)
        a, b = Fraction(random.choice([-1, 1])), Fraction(2) ** random.randint(-3 * digits, -digits)
    else:
        c = number(digits, low, middle)
    return a, b, c


random.seed(12)
for name, form in FORMATS.items():
    digits, least, most = form[2:]
    for _ in range(1500):
        a, b, c = (rounded(x, digits, least, most) for x in case(digits, least, most))
        if all(abs(x) < float("inf") for x in (a, b, c)):
            exact = Fraction(a) * Fraction(b) + Fraction(c)
            print(name, bits(a, form), bits(b, form), bits(c, form), bits(rounded(exact, digits, least, most), form))

"""Writes tests/golden/decimals_golden.txt: decimal numbers that are hard to read, and Python's float of
each, which is correctly rounded.

Usage: python3 decimals.py > decimals_golden.txt

A line has the bits of the double, in hexadecimal, and the text of the number.
"""

import random
import struct
from decimal import Decimal, getcontext

getcontext().prec = 1200
GREATEST = 0x7FEFFFFFFFFFFFFF  # the bits of the largest double
random.seed(14)


def put(text):
    print("%016x %s" % (struct.unpack("<Q", struct.pack("<d", float(text)))[0], text))


def double(bits):
    return Decimal(struct.unpack("<d", struct.pack("<Q", bits))[0])


def half_way(bits):
    """The point between a double and the next one; beyond the largest one, where infinity begins."""
    return double(bits) + (double(bits) - double(bits - 1)) / 2 if bits == GREATEST else \
        (double(bits) + double(bits + 1)) / 2


def put_around(middle, places):
    """The number, and those that differ from it in one unit of that place, counted from its first."""
    unit = Decimal(10) ** (middle.adjusted() - places)
    for number in middle, middle - unit, middle + unit:
        put(format(number, "e"))


for text in """0 -0 0.0 0e999999999 00000 1 -1 +1 1. .5 0.1 0.3 1e0 1E+5 1e-5 123456789012345678
    9007199254740993 9007199254740992.9999999999999999999999 9007199254740993.0000000000000000000001
    18446744073709551615 18446744073709551616 99999999999999999999 1e22 1e23 1e-22 1e-23 8.5e22
    2.2250738585072011e-308 2.2250738585072012e-308 2.2250738585072014e-308 4.9e-324 5e-324 3e-324 2e-324
    2.4703282292062327e-324 2.4703282292062328e-324 1e-400 1e400 1.7976931348623157e308
    1.7976931348623158e308 1.7976931348623159e308 1e308 1e309 -1e309 1e-999999999999 1e999999999999
    6.9294956446009195e15 3.5844466002796428e298 5.9604644775390625e-8 0.500000000000000166533453694""".split():
    put(text)
put("0." + "0" * 400 + "1e400")
put("1" + "0" * 400 + "e-400")
put("1" * 1000 + "e-1000")
put("0." + "9" * 1000)

for _ in range(40):  # the shortest text of any double
    put(repr(float(double(random.randrange(GREATEST)))))
for _ in range(40):  # few digits, many digits
    put("%.*e" % (random.randrange(25), random.uniform(-1, 1) * 10 ** random.randrange(-25, 25)))
for _ in range(60):  # a double has 53 bits: 17 to 24 digits of a half-way case are not far from it
    put("%.*e" % (random.randrange(15, 24), half_way(random.randrange(GREATEST))))
for bits in [0, 1, 2, 3, 0xFFFFFFFFFFFFF, 0x10000000000000, GREATEST - 1, GREATEST]:
    put_around(half_way(bits), 770)
for _ in range(16):
    put_around(half_way(random.randrange(GREATEST)), random.randrange(18, 770))
for _ in range(16):  # subnormal numbers
    put_around(half_way(random.getrandbits(random.randrange(1, 53))), random.randrange(18, 770))
for _ in range(16):
    put_around(half_way(0x3FF0000000000000 + random.getrandbits(58)), random.randrange(18, 60))
middle = format(half_way(0x0010000000000000), "f")
put(middle + "0" * 100)
put(middle + "0" * 100 + "1")

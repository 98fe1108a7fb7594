"""Files of the IDX format, as NumPy's arrays have them: idx.py > idx_golden.txt

The script also writes labels.idx.gz beside itself. Each line has a title, the shape, the elements as decimal numbers, and the bytes of the file in hexadecimal. Titles
that begin with "gzip" are compressed by Python.
"""

import gzip
import io
import os
import struct
import zlib

import numpy as np

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array):
    array = np.asarray(array)
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    return head + b"".join(struct.pack(">I", n) for n in array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def record(title, array, file=None):
    array = np.asarray(array)
    print(title, "[%s]" % ",".join(map(str, array.shape)), ",".join(repr(x.item()) for x in array.flatten()) or "-",
          (file or idx(array)).hex())


def compressed(content, level=9, name=""):
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", level, out, mtime=0) as file:
        file.write(content)
    return out.getvalue()


def with_all_fields(content):
    """A member with extra data, a name, a comment and a checksum of the header."""
    head = b"\x1f\x8b\x08" + bytes([1 | 2 | 4 | 8 | 16]) + bytes(6) + b"\3\0abc" + b"name\0" + b"comment\0"
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = deflate.compress(content) + deflate.flush()
    return (head + struct.pack("<H", zlib.crc32(head) & 0xffff) + data +
            struct.pack("<II", zlib.crc32(content), len(content)))


for code, values in (("u1", [0, 127, 128, 255]), ("i1", [-128, -1, 0, 127]), ("i2", [-2**15, -2, 255, 2**15 - 1]),
                     ("i4", [-2**31, 65536, -1, 2**31 - 1]), ("f4", [-1.5, 0.1, 2.0**-149, np.inf]),
                     ("f8", [0.1, -1e300, 5e-324, 2.0])):
    record(code, np.array(values, code).reshape(2, 2))
record("scalar", np.array(7, "u1"))
record("empty", np.zeros((0, 28, 28), "u1"))
record("labels", np.array([5, 0, 4, 1, 9, 2], "u1"))
images = (np.arange(2 * 14 * 14) % 251 // 50 * 50).astype("u1").reshape(2, 14, 14)
record("images", images)
record("gzip", images, compressed(idx(images), name="train-images-idx3-ubyte"))
record("gzip_stored", images[0], compressed(idx(images[0]), 0))
record("gzip_all_fields", images[1], with_all_fields(idx(images[1])))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "labels.idx.gz"), "wb") as file:
    file.write(compressed(idx(np.array([5, 0, 4], "u1"))))

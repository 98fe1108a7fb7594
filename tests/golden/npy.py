"""Writes tests/golden/npy_golden.txt: files of NumPy and what is in them.

Usage: python3 npy.py > npy_golden.txt

A line "array TITLE DTYPE NDIM SIZES ELEMENTS FILE" has the number of the dtype as which an array is
read, its shape, its elements as this dtype, row-major and little-endian, and the bytes of the .npy
file, both in hexadecimal ("." if there are none). Those with a title that begins with "save" are
what numpy.save makes of the elements. Lines "npz TITLE FILE" have archives of these arrays.
"""

import io

import numpy as np

DTYPES = [np.float32, np.float64, np.int64, np.bool_]
EDGES = {"f2": [0.0, -1.5, 65504, 6e-8, np.inf], "f4": [-0.0, 1e-45, 3.4e38, -np.inf, 0.1],
         "f8": [0.1, -1e300, 5e-324, np.inf, 1], "b1": [True, False, True, True, False],
         "i1": [-128, 127, 0, -1, 5], "i2": [-2**15, 2**15 - 1, 0, -1, 5],
         "i4": [-2**31, 2**31 - 1, 0, -1, 5], "i8": [-2**63, 2**63 - 1, 0, -1, 5],
         "u1": [0, 255, 1, 2, 3], "u2": [0, 2**16 - 1, 1, 2, 3], "u4": [0, 2**32 - 1, 1, 2, 3],
         "u8": [0, 2**63 - 1, 1, 2, 3]}
saved = {}


def dtype_of(array):
    if array.dtype.kind == "f":
        return 1 if array.dtype.itemsize == 8 else 0
    return 3 if array.dtype.kind == "b" else 2


def put(title, array, file):
    dtype = dtype_of(array)
    elements = array.astype(np.dtype(DTYPES[dtype]).newbyteorder("<")).tobytes()
    print("array", title, dtype, array.ndim, *array.shape, elements.hex() or ".", file.hex())


def bytes_of(array, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def put_text(title, array, header, version=1):
    """A file with a header that NumPy accepts, as other programs write it."""
    n = len(header).to_bytes(2 if version == 1 else 4, "little")
    file = b"\x93NUMPY" + bytes([version, 0]) + n + header.encode() + array.tobytes()
    assert (np.load(io.BytesIO(file)) == array).all()
    put(title, array, file)


for dtype in DTYPES:
    for shape in (), (3,), (2, 3), (0,), (2, 0, 3), (4, 1, 2), (1, 2) * 4:
        name = "save-%s-%s" % (np.dtype(dtype).name, "x".join(map(str, shape)) or "scalar")
        saved[name] = ((np.arange(np.prod(shape)) * 5 % 7 - 2) * 1.25).reshape(shape).astype(dtype)
        put(name, saved[name], bytes_of(saved[name]))
saved["save-long"] = np.zeros((1000000, 0, 200), np.float32)
put("save-long", saved["save-long"], bytes_of(saved["save-long"]))

for kind, values in EDGES.items():
    for order in "<>" if kind[1] > "1" else "<":
        put(order.replace("<", "little-").replace(">", "big-") + kind,
            np.array(values, np.dtype(kind).newbyteorder(order)),
            bytes_of(np.array(values, np.dtype(kind).newbyteorder(order))))
for shape in (3,), (2, 3), (2, 3, 4):
    for kind in "<f4", ">f8", "|u1", "<i2":
        array = np.asfortranarray(np.arange(np.prod(shape)).reshape(shape).astype(kind))
        put("fortran-%s-%d" % (kind[1:], len(shape)), array, bytes_of(array))
for version in (2, 0), (3, 0):
    put("version-%d" % version[0], np.arange(6.0).reshape(2, 3), bytes_of(np.arange(6.0).reshape(2, 3), version))

three = np.array([1, 2, 3], "<f4")
put_text("plain", three, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}")
put_text("quotes", three, '{"descr": "<f4", "fortran_order": False, "shape": (3,)}')
put_text("order", three, "{'shape': (3,), 'fortran_order': False, 'descr': '<f4'}\n")
put_text("tight", three, "{'shape':(3,),'fortran_order':False,'descr':'<f4'}")
put_text("blanks", three, " { 'shape' :\t( 3 , ) , 'fortran_order' : False , 'descr' : '<f4' , } \n")
put_text("python-2", three, "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), }\n")
put_text("no-last-comma", three.reshape(1, 3), "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3)}\n")
put_text("last-comma", three.reshape(1, 3), "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3,)}\n")
put_text("true", three.reshape(1, 3), "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3)}\n", 3)

for title, save in ("stored", np.savez), ("compressed", np.savez_compressed):
    file = io.BytesIO()
    save(file, **saved)
    print("npz", title, file.getvalue().hex())

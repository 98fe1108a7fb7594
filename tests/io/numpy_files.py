"""NumPy and the library read each other's .npy and .npz files: numpy_files.py LIBRARY."""

import ctypes as C
import io
import itertools
import os
import sys
import tempfile

import numpy as np

P = C.c_void_p


class Shape(C.Structure):
    _fields_ = [("ndim", C.c_int), ("dims", C.POINTER(C.c_int64))]


class Tensor(C.Structure):  # the public members of tg_tensor
    _fields_ = [("context", P), ("data", P), ("grad", P), ("dtype", C.c_int), ("ndim", C.c_int),
                ("requires_grad", C.c_bool), ("contiguous", C.c_bool), ("numel", C.c_int64),
                ("shape", C.c_int64 * 8), ("strides", C.c_int64 * 8)]


class Named(C.Structure):
    _fields_ = [("name", C.c_char_p), ("tensor", P)]


class State(C.Structure):
    _fields_ = [("context", P), ("n", C.c_int64), ("items", C.POINTER(Named))]


class Load(C.Structure):
    _fields_ = [("map", C.c_bool), ("convert", C.c_bool)]


def declare(name, result, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, arguments
    return f


lib = C.CDLL(sys.argv[1])
tg_open = declare("tg_open", P, P)
tg_close = declare("tg_close", None, P)
tg_error = declare("tg_error", C.c_char_p, P)
tg_scope_begin = declare("tg_scope_begin", None, P)
tg_scope_end = declare("tg_scope_end", None, P)
tg_empty = declare("tg_empty", P, P, C.c_int, Shape)
tg_copy_from = declare("tg_copy_from", C.c_bool, P, P, C.c_size_t)
tg_copy_to = declare("tg_copy_to", C.c_bool, P, P, C.c_size_t)
tg_transpose = declare("tg_transpose", P, P, C.c_int, C.c_int)
tg_state_new = declare("tg_state_new", P, P)
tg_state_add = declare("tg_state_add", C.c_bool, P, C.c_char_p, P)
tg_load_npy = declare("tg_load_npy", P, P, C.c_char_p, C.POINTER(Load))
tg_load_npz = declare("tg_load_npz", C.POINTER(State), P, C.c_char_p, C.POINTER(Load))
tg_save_npy = declare("tg_save_npy", C.c_bool, P, C.c_char_p, P)
tg_save_npz = declare("tg_save_npz", C.c_bool, P, C.c_char_p, P)
DTYPES = [np.float32, np.float64, np.int64, np.bool_]
TYPES = "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8".split()
SHAPES = [(), (1,), (3,), (2, 3), (0,), (2, 0, 3), (4, 1, 5), (1,) * 8, (2,) * 8, (1000,), (17, 33)]
random = np.random.RandomState(15)
tg = tg_open(None)


def check(holds):
    assert holds, tg_error(tg).decode()


def array_of(tensor):
    check(tensor)
    t = C.cast(tensor, C.POINTER(Tensor)).contents
    array = np.empty(tuple(t.shape[:t.ndim]), DTYPES[t.dtype])
    check(tg_copy_to(tensor, array.ctypes.data, array.nbytes))
    return array


def tensor_of(array):
    shape = Shape(array.ndim, (C.c_int64 * array.ndim)(*array.shape))
    tensor = tg_empty(tg, DTYPES.index(array.dtype.type), shape)
    check(tg_copy_from(tensor, np.ascontiguousarray(array).ctypes.data, array.nbytes))
    return tensor


def make(shape, dtype):
    return np.asarray(random.uniform(0, 100, shape)).astype(dtype)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


def read_arrays(path):
    """Every type, byte order, order of dimensions and version."""
    for shape, kind, order, fortran in itertools.product(SHAPES, TYPES, "<>", (False, True)):
        array = make(shape, np.dtype(kind).newbyteorder(order))
        if fortran:
            array = np.asfortranarray(array)
        with open(path, "wb") as file:
            version = ((1, 0), (2, 0), (3, 0))[random.randint(3)]
            np.lib.format.write_array(file, array, version)
        kept = {"b": np.bool_, "f": np.float64 if kind == "f8" else np.float32}
        for mapped in False, True:
            tg_scope_begin(tg)
            loaded = array_of(tg_load_npy(tg, path, Load(mapped, True)))
            assert same(loaded, array.astype(kept.get(array.dtype.kind, np.int64)))
            tg_scope_end(tg)


def write_arrays(path):
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        array, file = make(shape, dtype), io.BytesIO()
        check(tg_save_npy(tensor_of(array), path, None))
        np.save(file, array)
        assert file.getvalue() == open(path, "rb").read()
        if array.ndim > 1:
            check(tg_save_npy(tg_transpose(tensor_of(array), 0, 1), path, None))
            assert same(np.load(path), array.swapaxes(0, 1))


def exchange_archives(path):
    arrays = {"%d.weight" % i: make(shape, DTYPES[i % 4]) for i, shape in enumerate(SHAPES)}
    arrays["gr\u00fc\u00df/e"] = make((300, 400), np.float64)
    state = tg_state_new(tg)
    for name, array in arrays.items():
        check(tg_state_add(state, name.encode(), tensor_of(array)))
    check(tg_save_npz(state, path, None))
    with np.load(path) as archive:
        assert list(archive) == list(arrays) and all(same(archive[n], a) for n, a in arrays.items())
    for save in np.savez, np.savez_compressed:
        with open(path, "wb") as file:
            save(file, **arrays)
        loaded = tg_load_npz(tg, path, None)
        check(loaded)
        items = loaded.contents.items[:loaded.contents.n]
        assert [item.name.decode() for item in items] == list(arrays)
        assert all(same(array_of(item.tensor), arrays[item.name.decode()]) for item in items)


with tempfile.TemporaryDirectory() as folder:
    for part in read_arrays, write_arrays, exchange_archives:
        part(os.path.join(folder, "file").encode())
tg_close(tg)

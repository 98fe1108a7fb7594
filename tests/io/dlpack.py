"""NumPy and PyTorch see the memory of the library by DLPack, and the library theirs: dlpack.py LIBRARY.

The structs pass through capsules, in which Python's libraries hand them to each other. NumPy is given the newer
struct if it knows that. PyTorch need not be there."""

import ctypes as C
import gc
import sys

import numpy as np

try:
    import torch
except ImportError:
    torch = None

P = C.c_void_p


class Shape(C.Structure):
    _fields_ = [("ndim", C.c_int), ("dims", C.POINTER(C.c_int64))]


class Tensor(C.Structure):  # the public members of tg_tensor
    _fields_ = [("context", P), ("data", P), ("grad", P), ("dtype", C.c_int), ("ndim", C.c_int),
                ("requires_grad", C.c_bool), ("contiguous", C.c_bool), ("numel", C.c_int64),
                ("shape", C.c_int64 * 8), ("strides", C.c_int64 * 8)]


def declare(library, name, result, *arguments):
    f = getattr(library, name)
    f.restype, f.argtypes = result, arguments
    return f


lib = C.CDLL(sys.argv[1])
tg_open = declare(lib, "tg_open", P, P)
tg_close = declare(lib, "tg_close", None, P)
tg_error = declare(lib, "tg_error", C.c_char_p, P)
tg_clear_error = declare(lib, "tg_clear_error", None, P)
tg_scope_begin = declare(lib, "tg_scope_begin", None, P)
tg_scope_end = declare(lib, "tg_scope_end", None, P)
tg_arange = declare(lib, "tg_arange", P, P, C.c_int, C.c_double, C.c_double, C.c_double)
tg_reshape = declare(lib, "tg_reshape", P, P, Shape)
tg_t = declare(lib, "tg_t", P, P)
tg_item = declare(lib, "tg_item", C.c_double, P)
tg_sum = declare(lib, "tg_sum", P, P)
tg_fill_ = declare(lib, "tg_fill_", P, P, C.c_double)
tg_to_dlpack = declare(lib, "tg_to_dlpack", P, P)
tg_to_dlpack_versioned = declare(lib, "tg_to_dlpack_versioned", P, P)
tg_from_dlpack = declare(lib, "tg_from_dlpack", P, P, P)
tg_from_dlpack_versioned = declare(lib, "tg_from_dlpack_versioned", P, P, P)
make_capsule = declare(C.pythonapi, "PyCapsule_New", C.py_object, P, C.c_char_p, P)
pointer_of = declare(C.pythonapi, "PyCapsule_GetPointer", P, C.py_object, C.c_char_p)
rename = declare(C.pythonapi, "PyCapsule_SetName", C.c_int, C.py_object, C.c_char_p)
DTYPES = {0: np.float32, 1: np.float64, 2: np.int64, 3: np.bool_}
OLD, NEW, USED, USED_NEW = b"dltensor", b"dltensor_versioned", b"used_dltensor", b"used_dltensor_versioned"
HAS_NEWER = [int(n) for n in np.__version__.split(".")[:2]] >= [2, 1]  # whether NumPy knows the newer struct


class Lent:
    """What np.from_dlpack wants: an object that makes a capsule of a tensor of the library."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, stream=None, max_version=None, **others):
        if max_version and max_version[0] >= 1:
            return make_capsule(tg_to_dlpack_versioned(self.tensor), NEW, None)
        return make_capsule(tg_to_dlpack(self.tensor), OLD, None)


def borrow(tg, owner):
    """Returns the library's tensor over the memory of an array of NumPy or a tensor of PyTorch."""
    if HAS_NEWER and isinstance(owner, np.ndarray):
        capsule = owner.__dlpack__(max_version=(1, 0))
        tensor = tg_from_dlpack_versioned(tg, pointer_of(capsule, NEW))
        name = USED_NEW
    else:
        capsule = owner.__dlpack__()
        tensor = tg_from_dlpack(tg, pointer_of(capsule, OLD))
        name = USED
    if tensor:
        rename(capsule, name)
    return tensor


def view(tensor):
    """Returns what is in memory at a tensor of the library, as an array of NumPy."""
    t = Tensor.from_address(tensor)
    dtype = np.dtype(DTYPES[t.dtype])
    memory = (C.c_char * (t.numel * dtype.itemsize)).from_address(t.data)
    flat = np.frombuffer(memory, dtype, t.numel)
    return np.lib.stride_tricks.as_strided(flat, list(t.shape)[:t.ndim],
                                           [s * dtype.itemsize for s in list(t.strides)[:t.ndim]])


def shape(*sizes):
    return Shape(len(sizes), (C.c_int64 * len(sizes))(*sizes))


def ours(tg, dtype, n=6):
    """Returns a transposed matrix (3, n / 3) of 0, 1, ... in the library."""
    return tg_t(tg_reshape(tg_arange(tg, dtype, 0, n, 1), shape(n // 3, 3)))


def expected(n=6):
    return np.arange(n).reshape(n // 3, 3).T


def check_lending(to_theirs):
    """to_theirs makes an array or tensor of theirs of a tensor of ours."""
    for dtype in (0, 1, 2):
        for n in (6, 6000):
            tg = tg_open(None)
            tensor = ours(tg, dtype, n)
            theirs = to_theirs(tensor)
            assert tuple(theirs.shape) == (3, n // 3), theirs.shape
            assert np.array_equal(np.asarray(theirs), expected(n))
            assert np.asarray(theirs).dtype == DTYPES[dtype]
            view(tensor)[2, 1] = 77  # the memory is the same
            assert theirs[2, 1] == 77
            tg_close(tg)
            tg_close(tg_open(None))
            assert theirs[2, 1] == 77 and theirs[1, 0] == 1  # and stays
            del theirs
            gc.collect()


def check_borrowing(make, dtype):
    """make makes an array or tensor of theirs of NumPy's."""
    tg = tg_open(None)
    theirs = make(expected().astype(dtype))
    tg_scope_begin(tg)
    tensor = borrow(tg, theirs)
    assert tensor, tg_error(tg)
    assert np.array_equal(view(tensor), expected())
    assert tg_item(tg_sum(tensor)) == 15
    theirs[0, 0] = 5
    assert tg_item(tg_sum(tensor)) == 20
    assert tg_fill_(tensor, 2) and (np.asarray(theirs) == 2).all()
    before = sys.getrefcount(theirs)
    tg_scope_end(tg)  # gives the memory back
    if isinstance(theirs, np.ndarray):
        assert sys.getrefcount(theirs) == before - 1
    tg_close(tg)


def check_refusals():
    tg = tg_open(None)
    for array, message in ((np.zeros(3, np.int32), b"the elements are int (code 0, 32 bits, 1 lanes)"),
                           (np.arange(3.0)[::-1], b"stride -1 of dimension 0 is negative"),
                           (np.zeros((1,) * 9), b"9 dimensions")):
        assert not borrow(tg, array) and message in tg_error(tg), tg_error(tg)
        tg_clear_error(tg)
    if HAS_NEWER:
        array = np.arange(3.0)
        array.flags.writeable = False
        assert not tg_fill_(borrow(tg, array), 1) and b"read-only" in tg_error(tg)
    tg_close(tg)


check_lending(lambda tensor: np.from_dlpack(Lent(tensor)))
check_refusals()
for dtype in (np.float32, np.float64, np.int64):
    check_borrowing(lambda a: a, dtype)
    check_borrowing(np.ascontiguousarray, dtype)
done = "NumPy " + np.__version__
if torch:
    check_lending(lambda tensor: torch.utils.dlpack.from_dlpack(make_capsule(tg_to_dlpack(tensor), OLD, None)))
    for dtype in (np.float32, np.float64, np.int64):
        check_borrowing(torch.from_numpy, dtype)
    done += " and PyTorch " + torch.__version__
print("shared with", done)

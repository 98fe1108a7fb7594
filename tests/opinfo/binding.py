"""libtinygrad by ctypes. Its structs are written here; the types of its functions are read from its headers."""

import ctypes as C
import glob
import re

import torch


class Tensor(C.Structure):
    pass


P = C.POINTER(Tensor)
Tensor._fields_ = [("context", C.c_void_p), ("data", C.c_void_p), ("grad", P), ("dtype", C.c_int), ("ndim", C.c_int),
                   ("requires_grad", C.c_bool), ("numel", C.c_int64), ("shape", C.c_int64 * 8), ("strides", C.c_int64 * 8)]


class Shape(C.Structure):
    _fields_ = [("ndim", C.c_int), ("dims", C.POINTER(C.c_int64))]


class List(C.Structure):
    _fields_ = [("n", C.c_int), ("items", C.POINTER(P))]


class Indexed(C.Structure):
    _fields_ = [("values", P), ("indices", P)]


class Conv(C.Structure):
    _fields_ = [("bias", P), ("stride", C.c_int64 * 2), ("padding", C.c_int64 * 2), ("dilation", C.c_int64 * 2), ("groups", C.c_int64)]


class Pool(C.Structure):
    _fields_ = [("kernel", C.c_int64 * 2), ("stride", C.c_int64 * 2), ("padding", C.c_int64 * 2), ("dilation", C.c_int64 * 2), ("ceil_mode", C.c_bool), ("count_include_pad", C.c_bool), ("divisor_override", C.c_int64)]


class GradOptions(C.Structure):
    _fields_ = [("grad_outputs", List), ("create_graph", C.c_bool), ("allow_unused", C.c_bool)]


class Loss(C.Structure):
    _fields_ = [("reduction", C.c_int), ("weight", P), ("pos_weight", P), ("ignore_index", C.c_int64), ("label_smoothing", C.c_double), ("beta", C.c_double), ("delta", C.c_double), ("log_target", C.c_bool), ("full", C.c_bool), ("eps", C.c_double), ("log_input", C.c_bool), ("log_eps", C.c_double)]
STRUCTS = {"const tg_loss_options *": C.POINTER(Loss), "tg_loss_options": Loss}
TYPES = {"tg_tensor *": P, "const tg_tensor *": P, "tg_context *": C.c_void_p, "const tg_context *": C.c_void_p, "int": C.c_int, "int64_t": C.c_int64, "double": C.c_double,
         "bool": C.c_bool, "tg_shape": Shape, "tg_list": List, "tg_indexed": Indexed, "tg_dtype": C.c_int, "tg_bias": C.c_int, "const char *": C.c_char_p, "void": None,
         "const tg_options *": C.c_void_p, "tg_status": C.c_int, "uint64_t": C.c_uint64, "tg_tensor **": C.POINTER(P), "const tg_grad_options *": C.POINTER(GradOptions),
         "const tg_conv_options *": C.POINTER(Conv), "const tg_pool_options *": C.POINTER(Pool), "float *": C.c_void_p, "double *": C.c_void_p, "int64_t *": C.c_void_p, "bool *": C.c_void_p,
         "tg_conv_options": Conv, "tg_pool_options": Pool, "tg_grad_options": GradOptions}

def load(path, include):
    """Loads the library, and sets the types of the functions that the headers declare. A function with a type that is
    not in TYPES or STRUCTS stays unknown, and a sample that needs it is skipped."""
    lib = C.CDLL(path)
    for h in glob.glob(include + "/*.h"):
        text = re.sub(r"/\*.*?\*/", "", open(h).read(), flags=re.S)
        for m in re.finditer(r"TG_API\s+([^;{]*?)\b(tg_\w+)\(([^;]*?)\);", text, flags=re.S):
            ret, name, params = m.group(1).strip(), m.group(2), " ".join(m.group(3).split())
            types, ok = [], True
            if params != "void":
                for p in params.split(","):
                    p = p.strip()
                    q = re.match(r"(.*?[ *])(\w+)?$", p)
                    t = q.group(1).strip() if q else p
                    t = STRUCTS.get(t, TYPES.get(t))
                    if t is None: ok = False
                    types.append(t)
            r = ret.replace("TG_API", "").strip()
            if ok and (r in TYPES or r in STRUCTS):
                f = getattr(lib, name, None)
                if f is None: continue
                f.argtypes, f.restype = types, STRUCTS.get(r, TYPES.get(r))
                f.known = True
    return lib

F32, F64, I64, BOOL = torch.float32, torch.float64, torch.int64, torch.bool
DT = [F32, F64, I64, BOOL]
SIZE = [4, 8, 8, 1]


class Refused(Exception):
    """The library refused a call: it returned NULL. The text is its error code and message."""


class Skip(Exception):
    """The sample needs what the library does not have, such as complex numbers."""


class T:
    """A tensor of the library."""

    def __init__(self, p, tg):
        self.p, self.tg = p, tg

    @property
    def ndim(self):
        return self.p.contents.ndim

    @property
    def shape(self):
        return tuple(self.p.contents.shape[:self.ndim])

    @property
    def dtype(self):
        return DT[self.p.contents.dtype]

    def torch(self):
        return self.tg.to_torch(self)

class TG:
    """A context. tg.NAME(...) calls tg_NAME: tensors and lists are converted, and a refused call raises Refused."""

    def __init__(self, lib):
        self.lib = lib
        self.c = lib.tg_open(None)
        self.keep = []

    def close(self):
        self.lib.tg_close(self.c)

    def begin(self):
        self.lib.tg_scope_begin(self.c)
        self.keep = []

    def end(self):
        self.lib.tg_scope_end(self.c)
        self.lib.tg_clear_error(self.c)
        self.keep = []

    def shape(self, dims):
        dims = list(dims) if not isinstance(dims, int) else [dims]
        a = (C.c_int64 * (len(dims) + 1))(*[int(d) for d in dims])
        self.keep.append(a)
        return Shape(len(dims), C.cast(a, C.POINTER(C.c_int64)))

    def list(self, ts):
        """Returns a tg_list of these tensors."""
        a = (P * (len(ts) + 1))(*[t.p for t in ts])
        self.keep.append(a)
        return List(len(ts), C.cast(a, C.POINTER(P)))

    def from_torch(self, t):
        """Returns a tensor that shares the memory of a tensor of PyTorch."""
        if t.dtype not in DT: raise Skip("dtype")
        g = t.requires_grad and t.is_leaf or getattr(t, "wants", False)
        d = t.detach()
        if not d.is_contiguous() and any(s < 0 for s in d.stride()): d = d.contiguous()
        d = d.resolve_conj().resolve_neg()
        self.keep.append(d)
        name = ["f32", "f64", "i64", "bool"][DT.index(t.dtype)]
        p = getattr(self.lib, "tg_wrap_" + name)(self.c, self.shape(d.shape), self.shape(d.stride()), d.data_ptr() if d.numel() else None)
        self.check(p)
        if t.requires_grad: self.check(self.lib.tg_requires_grad_(p, True))
        return T(p, self)

    def check(self, p):
        if not p:
            raise Refused("%d %s" % (self.lib.tg_error_code(self.c), self.lib.tg_error(self.c).decode()))
        return p

    def to_torch(self, t):
        p = self.lib.tg_contiguous(self.lib.tg_detach(t.p))
        self.check(p)
        c = p.contents
        out = torch.empty(t.shape, dtype=t.dtype)
        if out.numel(): C.memmove(out.data_ptr(), c.data, out.numel() * SIZE[c.dtype])
        return out

    def conv(self, a):
        """Returns an argument as ctypes needs it."""
        if isinstance(a, T): return a.p
        if isinstance(a, torch.Size): return self.shape(a)
        if isinstance(a, (list, tuple)):
            if a and isinstance(a[0], T): return self.list(a)
            return self.shape(a)
        return a

    def __getattr__(self, name):
        f = getattr(self.lib, "tg_" + name, None)
        if f is None: raise Skip("missing tg_" + name)
        if not getattr(f, "known", False): raise Skip("unknown function tg_" + name)
        def call(*args):
            args = [self.conv(a) for a in args]
            args = [float(a) if t is C.c_double else a for a, t in zip(args, f.argtypes)]
            r = f(*args)
            if f.restype is P: return T(self.check(r), self)
            if f.restype is Indexed:
                self.check(r.values)
                return T(r.values, self), T(r.indices, self)
            if f.restype is List:
                if r.n == 0: self.check(None)
                return [T(r.items[i], self) for i in range(r.n)]
            return r
        return call

#!/usr/bin/python3
"""Linear algebra by torch.linalg: linalg.py > linalg_golden.txt"""

from common import *

# These algorithms are backward stable: their result is exact for an input that a few roundings have changed.
STABLE = Rule("composed", (40, 60, 60), absolute=True)
L = torch.linalg


def regular(shape, dtype, how="contiguous", grad=None):
    """Returns square matrices whose diagonal is so large that they are far from singular."""
    base, steps = layout(shape, how)
    t = values(base, dtype)
    view = look(t, steps)
    view += 3 * torch.eye(shape[-1], dtype=dtype) * torch.where(view.diagonal(0, -2, -1) < 0, -1, 1).to(dtype).unsqueeze(-1)
    return Input(t, steps, grad)


def symmetric(x):
    """Returns a symmetric matrix for any x: central differences change one element of x at a time."""
    return (x + x.transpose(-1, -2)) / 2


def positive(shape, dtype):
    """Returns symmetric positive definite matrices."""
    t = values(shape, dtype)
    return Input(t @ t.transpose(-1, -2) + torch.eye(shape[-1], dtype=dtype))


SQUARE = [(1, 1), (2, 2), (3, 3), (2, 3, 3), (2, 1, 2, 2)]


def cholesky_cases():
    for dtype in (F32, F64):
        for shape in SQUARE:
            case("cholesky", STABLE, lambda x: L.cholesky(symmetric(x[0])), [positive(shape, dtype)], differentiate=True)
        case("cholesky_lower", STABLE, lambda x: L.cholesky(x[0]), [Input(positive((3, 3), dtype).base, (), False)])
        case("cholesky_lower", STABLE, lambda x: L.cholesky(x[0]), [Input(torch.tensor([[4.0, NAN], [2.0, 5.0]], dtype=dtype), (), False)])
        case("cholesky_lower", STABLE, lambda x: L.cholesky(x[0]), [make((0, 0), dtype, grad=False)])
        for bad in ([[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[-1.0]]):
            case("cholesky_lower", STABLE, lambda x: L.cholesky(x[0]), [of(bad, dtype, grad=False)], fails=True)
        case("cholesky_lower", STABLE, lambda x: L.cholesky(x[0]), [make((2, 3), dtype)], fails=True)


def solve_cases():
    def triangular(x, flags):
        flags = int(flags)
        return L.solve_triangular(x[0], x[1], upper=bool(flags & 1), left=not flags & 2, unitriangular=bool(flags & 4))

    for dtype in (F32, F64):
        for flags in range(8):
            for shape, k in (((3, 3), 2), ((2, 2, 2), 1), ((1, 1), 3)):
                b = shape[:-2] + ((k, shape[-1]) if flags & 2 else (shape[-1], k))
                case("solve_triangular", STABLE, triangular, [regular(shape, dtype), make(b, dtype)], [flags], differentiate=True)
            b = (2, 3) if flags & 2 else (3, 2)
            case("solve_triangular", STABLE, triangular, [regular((2, 1, 3, 3), dtype), make((2,) + b, dtype)], [flags])
            case("solve_triangular", STABLE, triangular, [regular((3, 3), dtype, "transposed"), make(b, dtype, "normal", "sliced")], [flags])
        case("solve_triangular", STABLE, triangular, [regular((2, 2), dtype), make((3, 1), dtype)], [0], fails=True)
        for shape, b in (((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 2, 2), (2, 2)), ((2, 2, 2), (2, 2, 3)), ((1, 1), (1, 2)), ((2, 1, 2, 2), (3, 2, 1))):
            for how in ("contiguous", "transposed"):
                case("solve", STABLE, lambda x: L.solve(*x), [regular(shape, dtype, how if len(shape) == 2 else "contiguous"), make(b, dtype)], differentiate=True)
        case("solve", STABLE, lambda x: L.solve(*x), [of([[0.0, 1.0], [2.0, 0.0]], dtype), of([3.0, 4.0], dtype)], differentiate=True)
        case("solve", STABLE, lambda x: L.solve(*x), [of([[1.0, 2.0], [2.0, 4.0]], dtype), of([3.0, 4.0], dtype)], fails=True)
        case("solve", STABLE, lambda x: L.solve(*x), [make((2, 3), dtype), make((2,), dtype)], fails=True)
        case("solve", STABLE, lambda x: L.solve(*x), [make((0, 0), dtype, grad=False), make((0, 2), dtype, grad=False)])
        for shape in SQUARE:
            case("inv", STABLE, lambda x: L.inv(x[0]), [regular(shape, dtype)], differentiate=True)
        case("inv", STABLE, lambda x: L.inv(x[0]), [of([[1.0, 2.0], [2.0, 4.0]], dtype)], fails=True)


def det_cases():
    for dtype in (F32, F64):
        for shape in SQUARE:
            case("det", STABLE, lambda x: L.det(x[0]), [regular(shape, dtype)], differentiate=True)
            case("det", STABLE, lambda x: L.det(x[0]), [make(shape, dtype)])
        case("det", STABLE, lambda x: L.det(x[0]), [of([[1.0, 2.0], [2.0, 4.0]], dtype, grad=False)])
        case("det", STABLE, lambda x: L.det(x[0]), [make((0, 0), dtype, grad=False)])
        case("det", STABLE, lambda x: L.det(x[0]), [make((2, 3), dtype)], fails=True)


def lstsq_cases():
    """torch.linalg.lstsq with its default driver, gelsy, which has gradients."""
    f = lambda x: L.lstsq(x[0], x[1]).solution
    for dtype in (F32, F64):
        for shape, k in (((4, 2), 1), ((4, 2), 2), ((3, 3), 1), ((2, 4), 1), ((2, 5, 2), 1), ((2, 2, 3), 2), ((3, 1), 1), ((1, 3), 1)):
            for how in ("contiguous", "transposed"):
                case("lstsq", STABLE, f, [make(shape, dtype, "normal", how if len(shape) == 2 else "contiguous"), make(shape[:-1] + (k,), dtype)], differentiate=True)
        case("lstsq", STABLE, f, [make((4, 2), dtype), make((3, 1), dtype)], fails=True)


def low_rank(m, n, rank, dtype):
    """A matrix of exactly that rank."""
    return Input(values((m, rank), dtype, "dyadic") @ values((rank, n), dtype, "dyadic"))


def rank_cases():
    shortest = lambda x, rcond: (L.pinv(x[0], rtol=rcond) if rcond >= 0 else L.pinv(x[0])) @ x[1]
    for dtype in (F32, F64):
        for m, n, rank in ((5, 3, 2), (4, 4, 2), (3, 5, 2), (6, 2, 2), (2, 3, 2), (3, 3, 3)):
            for k in (1, 2):
                case("lstsq_rcond", STABLE, shortest, [low_rank(m, n, rank, dtype), make((m, k), dtype)], [-1])
        case("lstsq_rcond", STABLE, shortest, [of([[3.0, 0.0], [0.0, 0.5], [0.0, 0.0]], dtype), of([[6.0], [1.0], [7.0]], dtype)], [0.25])
        case("lstsq_rcond", STABLE, shortest, [of([[3.0, 0.0], [0.0, 0.5], [0.0, 0.0]], dtype), of([[6.0], [1.0], [7.0]], dtype)], [0.1])
        case("lstsq_rcond", STABLE, shortest, [make((0, 0), dtype, grad=False), make((0, 2), dtype, grad=False)], [-1])
        for m, n in ((5, 3), (3, 5), (4, 4)):
            case("lstsq_rcond", STABLE, shortest, [make((m, n), dtype, "normal"), make((m, 2), dtype)], [-1], differentiate=True)
        for shape in SQUARE + [(5, 3), (2, 4), (2, 3, 1), (0, 3, 3)]:
            case("cond", STABLE, lambda x: L.cond(x[0]), [make(shape, dtype, grad=False)])
        case("cond", STABLE, lambda x: L.cond(x[0]), [of([[1e3, 0.0], [0.0, 1e-3]], dtype, grad=False)])
        case("cond", STABLE, lambda x: L.cond(x[0]), [make((3,), dtype, grad=False)], fails=True)


def qr_cases():
    """The diagonal of r is made positive, which makes the factors unique."""
    def factors(x):
        q, r = L.qr(x)
        signs = torch.sign(r.detach().diagonal(0, -2, -1))
        return q * signs.unsqueeze(-2), r * signs.unsqueeze(-1)

    def wide(x):
        m = x.shape[-2]
        q, r = factors(x[..., :m])
        return q, torch.cat([r, q.transpose(-1, -2) @ x[..., m:]], -1)

    for dtype in (F32, F64):
        for shape in ((4, 2), (3, 3), (2, 4), (2, 5, 2), (2, 2, 3), (3, 1), (1, 3), (1, 1)):
            for how in ("contiguous", "transposed"):
                split = wide if shape[-2] < shape[-1] else factors
                for part, name in enumerate(("qr_q", "qr_r")):
                    case(name, STABLE, lambda x: split(x[0])[part], [make(shape, dtype, "normal", how if len(shape) == 2 else "contiguous")], differentiate=True)
        case("qr_r", STABLE, lambda x: factors(x[0])[1], [make((3,), dtype)], fails=True)


def spread(shape, dtype, how="contiguous"):
    """Returns matrices whose singular values, and whose eigenvalues if they are square, lie apart."""
    base, steps = layout(shape, how)
    t = values(base, dtype)
    diagonal = look(t, steps).diagonal(0, -2, -1)
    diagonal += 4 * torch.arange(1, diagonal.shape[-1] + 1, dtype=dtype)
    return Input(t, steps)


# The signs of singular vectors and eigenvectors are undetermined; these functions do not depend on them.
def singular(part):
    def f(a):
        u, s, vh = L.svd(a, full_matrices=False)
        return (u * u, s, vh * vh, (u * torch.cos(s).unsqueeze(-2)) @ vh)[part]
    return f


def eigen(part):
    def f(a):
        values, vectors = L.eigh(symmetric(a))
        return (values, vectors * vectors, (vectors * torch.cos(values).unsqueeze(-2)) @ vectors.transpose(-1, -2))[part]
    return f


def svd_cases():
    for dtype in (F32, F64):
        for shape in ((4, 2), (3, 3), (2, 4), (2, 5, 2), (2, 2, 3), (3, 1), (1, 3), (1, 1)):
            for how in ("contiguous", "transposed"):
                a = spread(shape, dtype, how if len(shape) == 2 else "contiguous")
                for part, name in enumerate(("svd_u", "svd_s", "svd_vh", "svd_of")):
                    case(name, STABLE, lambda x: singular(part)(x[0]), [a], differentiate=True)
                case("pinv", STABLE, lambda x, _: L.pinv(x[0]), [a], [-1], differentiate=True)
        for m, n, rank in ((5, 3, 2), (4, 4, 2), (3, 5, 2), (2, 3, 2), (3, 3, 3)):
            case("matrix_rank", STABLE, lambda x, _: L.matrix_rank(x[0]), [Input(low_rank(m, n, rank, dtype).base, (), False)], [-1])
        for shape in ((0, 3), (3, 0), (2, 0, 0), (0, 2, 2)):
            case("svd_s", STABLE, lambda x: L.svdvals(x[0]), [make(shape, dtype, grad=False)])
            case("pinv", STABLE, lambda x, _: L.pinv(x[0]), [make(shape, dtype, grad=False)], [-1])
            case("matrix_rank", STABLE, lambda x, _: L.matrix_rank(x[0]), [make(shape, dtype, grad=False)], [-1])
        for rcond in (0.1, 0.25):
            for name, f in (("pinv", L.pinv), ("matrix_rank", L.matrix_rank)):
                case(name, STABLE, lambda x, rcond: f(x[0], rtol=rcond), [of([[3.0, 0.0], [0.0, 0.5], [0.0, 0.0]], dtype, grad=False)], [rcond])
        case("svd_s", STABLE, lambda x: L.svdvals(x[0]), [make((3,), dtype)], fails=True)


def eigh_cases():
    for dtype in (F32, F64):
        for shape in SQUARE + [(5, 5)]:
            for part, name in enumerate(("eigh_values", "eigh_vectors", "eigh_of")):
                case(name, STABLE, lambda x: eigen(part)(x[0]), [spread(shape, dtype)], differentiate=True)
        for shape in ((0, 0), (2, 0, 0), (0, 2, 2)):
            case("eigh_values", STABLE, lambda x: eigen(0)(x[0]), [make(shape, dtype, grad=False)])
        case("eigh_values", STABLE, lambda x: eigen(0)(x[0]), [make((2, 3), dtype)], fails=True)


write(cholesky_cases, solve_cases, det_cases, lstsq_cases, rank_cases, qr_cases, svd_cases, eigh_cases)

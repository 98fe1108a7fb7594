"""What the scripts that write golden data share: records, tolerances, values and layouts. The expected values
and gradients in a record are those of PyTorch 1.13, which the scripts call.

Each line is a record, which has one case:

    op attributes
        < dtype shape steps values    an input: a leaf, and the steps of the view of it that the operation gets.
                                      Of an input that begins with <* the gradient is compared
        < @i steps                    an input that is another view of the leaf of input i
        > dtype shape tolerance values [# offset,strides | # copy]
                                      the result; for an operation that may give a view, also whether it does.
                                      "> fails" says that PyTorch refuses the call
        * values                      the gradient of the result, with which backward begins
        ' tolerance values            for each <*, the gradient of its leaf
        ? times                       1: the gradient agrees with central differences; 2: its own gradient, too

The elements of lists are separated by commas and steps by slashes; "-" is an empty list. Values are in
row-major order. Those of float32 and float64 are written as their bits, in 8 and 16 hexadecimal digits each
without a gap; those of bool as one digit each; those of int64 as a list of decimals. A step is a letter and
its numbers; VIEWS has the letters.

A tolerance says how far the library's value may be from the expected one: "=" means the same bits, "^k" at
most k u |value|, and "~k" at most k u S, where an S for each value follows the values. "~0" has no S and
means equal values. u is half of epsilon, k counts the roundings in both values, and S is the sum of the
absolute values of the terms. The expected float32 value of a result with k > 0 is PyTorch's float64 result,
rounded to float32: of the k roundings, this is one, and the library's own are the others. S is written with
its upper 16 (float32) or 20 (float64) bits and rounded up, which makes room for products of roundings.
"""

import math
import struct
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)

F32, F64, I64, BOOL = torch.float32, torch.float64, torch.int64, torch.bool
NAMES = {F32: "f32", F64: "f64", I64: "i64", BOOL: "bool"}
DTYPES = [F32, F64, I64, BOOL]
END = 2**63 - 1
INF, NAN = math.inf, math.nan

VIEWS = {
    "t": lambda x, a, b: x.transpose(a, b),
    "p": lambda x, *order: x.permute(order),
    "s": lambda x, d, start, end, step: cut(x, d, start, end, step),
    "n": lambda x, d, start, length: x.narrow(d, start, length),
    "e": lambda x, *shape: x.expand(shape),
    "v": lambda x, *shape: x.view(shape),
    "u": lambda x, d: x.unsqueeze(d),
    "l": lambda x, d, i: x.select(d, i),
    "d": lambda x, offset, a, b: x.diagonal(offset, a, b),
}


def cut(x, d, start, end, step):
    """Returns the slice start:end:step of x along dimension d."""
    return x[(slice(None),) * (d % x.ndim) + (slice(start, end, step),)]


def look(x, steps):
    """Returns the view of x that these steps lead to."""
    for letter, *numbers in steps:
        x = VIEWS[letter](x, *numbers)
    return x


class Input:
    """An input of a case. base is its leaf, or the number of the input whose leaf it shares; steps lead from the
    leaf to the view that the operation gets; grad says whether the gradient of the leaf is compared."""

    def __init__(self, base, steps=(), grad=None):
        self.base, self.steps = base, list(steps)
        self.grad = isinstance(base, torch.Tensor) and base.is_floating_point() if grad is None else grad


class Rule:
    """How an operation rounds, from which the tolerances of its cases follow.

    kind is one of
      "elementwise": the inputs broadcast, and an element of the result depends on one element of each input;
      "structural": the operation moves values;
      "linear": the operation sums products, whose number and sizes are found by running it on ones and on
        absolute values;
      "composed": the operation is a backward stable sequence of others, whose result may be wrong as if every
        input had been changed by a few roundings of itself. S is |value| + sum |d value / d input| |input|;
        with `absolute`, where a sum on the way cancels, the greatest |input| is added.
    forward counts the roundings in an element of the result, and terms[i] those in each term of the gradient of
    input i (or terms["all"] for every input), as (float32, float64, PyTorch's float64). None means that the
    library and PyTorch compute the same formula, so that the bits agree.
    scale(i, g, inputs, result) is what an error in a term of gradient i is relative to, if not to the term.
    absolute (unless composed): an error in the result is relative to the result for absolute inputs.
    size(result, attributes): an error in the result is relative to this.
    """

    def __init__(self, kind, forward=None, terms=None, scale=None, absolute=False, size=None):
        self.kind, self.forward, self.terms = kind, forward, terms or {}
        self.scale, self.absolute, self.size = scale, absolute, size


# ---- The text of a record.


def bits(t):
    """Returns the text of the values of t."""
    t = t.detach().contiguous().flatten()
    if t.dtype == I64:
        return listed(t.tolist())
    if t.dtype == BOOL:
        return "".join(str(int(v)) for v in t) or "-"
    code = "<f" if t.dtype == F32 else "<d"
    return "".join(struct.pack(code, v)[::-1].hex() for v in t.tolist()) or "-"


def upper_bits(scales, dtype):
    """Returns the upper hexadecimal digits of each scale, rounded up."""
    short, digits = {F32: (16, 4), F64: (44, 5)}[dtype]
    out = ""
    for s in scales.detach().to(F64).flatten().tolist():
        if s == 0:
            out += "0" * digits
            continue
        low = struct.unpack("<I", struct.pack("<f", s))[0] if dtype == F32 else \
            struct.unpack("<Q", struct.pack("<d", s))[0]
        out += format((low >> short) + 1, "0%dx" % digits)
    return out


def listed(numbers):
    return ",".join(n.hex() if isinstance(n, float) else str(int(n)) for n in numbers) or "-"


def step_text(steps):
    return "/".join(s[0] + listed(s[1:]) for s in steps) or "-"


def measured(t, k, scales=None):
    """Returns the text of a tolerance of k roundings and of the values of t; and of scales, if they are given."""
    if k is None or t.dtype in (I64, BOOL):
        return "= " + bits(t)
    if k == 0:
        return "~0 " + bits(t)
    if scales is None or t.numel() == 0:
        return "^%d %s" % (k, bits(t))
    return "~%d %s %s" % (k, bits(t), upper_bits(scales, t.dtype))


# ---- Running a case.

records, log = [], []


def run(function, inputs, attrs, dtype, change=lambda x: x):
    """Returns the leaves, the views of them, and the result of the function. Floating leaves are cast to dtype,
    unless that is None, and replaced by what `change` makes of them."""
    leaves, views = [], []
    for i in inputs:
        if isinstance(i.base, int):
            leaves.append(leaves[i.base])
        else:
            b = i.base.to(dtype) if dtype and i.base.is_floating_point() else i.base
            b = change(b) if b.is_floating_point() else b
            leaves.append(b.detach().clone().requires_grad_(i.grad))
        views.append(look(leaves[-1], i.steps))
    if dtype == F64:  # a number given to a float32 operation is rounded to float32
        attrs = [float(torch.tensor(a, dtype=F32)) if isinstance(a, float) and narrow(inputs) else a for a in attrs]
    return leaves, views, function(views, *attrs)


def narrow(inputs):
    """Whether an input is float32."""
    return any(isinstance(i.base, torch.Tensor) and i.base.dtype == F32 for i in inputs)


def wanted(inputs, leaves):
    """Returns the leaves whose gradients are compared."""
    return [x for i, x in zip(inputs, leaves) if i.grad and not isinstance(i.base, int)]


def gradients(inputs, leaves, out, g):
    """Returns the gradients of the wanted leaves, where g is that of out."""
    if not out.requires_grad:
        return [torch.zeros_like(x) for x in wanted(inputs, leaves)]
    found = torch.autograd.grad(out, wanted(inputs, leaves), g, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(x) if f is None else f for f, x in zip(found, wanted(inputs, leaves))]


def count_and_scale(rule, function, inputs, attrs, g):
    """Returns, for each gradient, how many terms each of its elements sums, the sum of their absolute values, and
    the roundings within a term, which are None if the bits agree."""
    leaves, views, out = run(function, inputs, attrs, F64)
    flat = torch.broadcast_tensors(*views) if rule.kind == "elementwise" else views
    flat = [v.detach().clone().requires_grad_(x.requires_grad) for v, x in zip(flat, leaves)]
    result = function(flat, *attrs)
    asked = [(n, f) for n, f in enumerate(flat) if f.requires_grad]
    parts = torch.autograd.grad(result, [f for _, f in asked], g.to(F64), allow_unused=True) if result.requires_grad else []
    answer = {id(x): [torch.zeros_like(x), torch.zeros_like(x), None] for x in wanted(inputs, leaves)}
    for (n, f), part in zip(asked, parts):
        part = torch.zeros_like(f) if part is None else part
        scale = rule.scale(n, g.to(F64), flat, result.detach()) if rule.scale else part.abs()
        view = views[n].expand(f.shape) if rule.kind == "elementwise" else views[n]
        slot = answer[id(leaves[n])]
        slot[0] += torch.autograd.grad(view, leaves[n], torch.ones_like(view), retain_graph=True)[0]
        slot[1] += torch.autograd.grad(view, leaves[n], scale.detach().expand(view.shape), retain_graph=True)[0]
        term = rule.terms.get(n, rule.terms.get("all"))
        slot[2] = term(flat, attrs) if callable(term) else term if slot[2] is None else slot[2]
    return [answer[id(x)] for x in wanted(inputs, leaves)]


def roundings(kind, dtype, n, term, exact):
    """Returns k for a sum of n terms, or None if the bits agree. Unless `term` counts the roundings within a
    term, each product of a linear operation has none beside those of the sum, and any other term has one."""
    if term is None and n <= 1:
        return None
    if exact or (term is None and n == 2):
        return 0
    single, double, torchs = term or ((0, 0, 0) if kind == "linear" else (1, 1, 1))
    return n - 1 + single + 1 if dtype == F32 else 2 * (n - 1) + double + torchs


def linear_measure(function, inputs, attrs, g):
    """Returns, for the result of a sum of products and for each gradient, how many terms each element sums and
    the sum of their absolute values."""
    answer = []
    for change in (torch.ones_like, torch.abs):
        leaves, _, out = run(function, inputs, attrs, F64, change)
        grads = gradients(inputs, leaves, out, change(g.to(F64)).expand(out.shape)) if g is not None else []
        answer.append([out.detach()] + grads)
    return list(zip(*answer))


def composed_scales(function, inputs, attrs, g=None, absolute=False):
    """Returns S for the result of a composed operation or, given g, for each of its gradients."""
    leaves, _, out = run(function, inputs, attrs, F64)
    if out.numel() == 0:
        return [torch.zeros_like(out)] if g is None else [torch.zeros_like(x) for x in wanted(inputs, leaves)]
    own = [n for n, i in enumerate(inputs) if i.grad and not isinstance(i.base, int)]
    at = [leaves[n].detach() for n in own] + ([] if g is None else [g.to(F64)])

    def result(*x):
        with torch.enable_grad():
            here = [i.base.to(F64) if isinstance(i.base, torch.Tensor) and i.base.is_floating_point() else i.base for i in inputs]
            x = [v if v.requires_grad else v.detach().requires_grad_() for v in x]
            for n, v in zip(own, x):
                here[n] = v
            here = [here[h] if isinstance(h, int) else h for h in here]
            out = function([look(h, i.steps) for h, i in zip(here, inputs)], *attrs)
            if g is None:
                return out
            found = torch.autograd.grad(out, x[:len(own)], x[-1], create_graph=True, allow_unused=True)
            return tuple(v * 0 if f is None else f for f, v in zip(found, x))

    jacobians = torch.autograd.functional.jacobian(result, tuple(at), create_graph=False, strict=False)
    outs = result(*at)
    outs, jacobians = ([outs], [jacobians]) if g is None else (outs, jacobians)
    scales = []
    for out, by_input in zip(outs, jacobians):
        s = out.detach().abs().clone()
        for v, j in zip(at, by_input):
            s += (j.abs().reshape(s.shape + (-1,)) * v.abs().flatten()).sum(-1)
        if absolute and at[0].numel():
            s = s + max(float(v.abs().max()) for v in at)
        scales.append(torch.where(torch.isfinite(s), s, torch.zeros_like(s)))
    return scales


def composed_k(rule, dtype):
    """Returns k for a composed operation."""
    return rule.forward[0] + 1 if dtype == F32 else rule.forward[1] + rule.forward[2]


def most(t):
    """Returns the greatest element of t, or 0 if there is none."""
    return int(t.max()) if t.numel() else 0


def close(name, native, exact, k, scales):
    """Notes in the log where PyTorch's own float32 result is farther from the exact one than k roundings allow."""
    finite = torch.isfinite(exact) & torch.isfinite(native)
    bound = 2 * (k + 1) * 2.0**-24 * scales.to(F64) + (k + 1) * 2.0**-149
    bad = finite & ((native.to(F64) - exact.to(F64)).abs() > bound)
    if bad.any():
        log.append("%s: PyTorch's float32 %s, from float64 %s" % (name, native[bad][0].item(), exact[bad][0].item()))


def result_text(op, rule, function, inputs, attrs, out, exact):
    """Returns the text of the result of a case and of its tolerance."""
    k, scales = None, None
    if out.is_floating_point() and rule.kind == "linear":
        n, scales = linear_measure(function, inputs, attrs, None)[0]
        k = roundings(rule.kind, out.dtype, most(n), rule.forward, exact)
    elif out.is_floating_point() and rule.kind == "composed":
        k, scales = composed_k(rule, out.dtype), out.detach().abs()
        if out.requires_grad:
            scales = composed_scales(function, inputs, attrs, None, rule.absolute)[0]
    elif out.is_floating_point() and rule.forward:
        forward = rule.forward(out, attrs, inputs) if callable(rule.forward) else rule.forward
        k = roundings(rule.kind, out.dtype, 1, forward, exact)
        if rule.absolute:
            scales = run(function, inputs, attrs, F64, torch.abs)[2]
        elif rule.size:
            scales = rule.size(out, attrs)
    if k and out.dtype == F32:
        wide = attrs if inputs else [DTYPES.index(F64)] + attrs[1:]
        rounded = run(function, inputs, wide, F64)[2].detach().to(F32)
        close(op, out.detach(), rounded, k, rounded.abs() if scales is None else scales)
        out = rounded
    return measured(out, k, scales)


def gradient_texts(op, rule, function, inputs, attrs, leaves, out, g, exact):
    """Returns the text of each gradient of a case and of its tolerance."""
    dtype = out.dtype
    native = gradients(inputs, leaves, out, g)
    if rule.kind == "composed":
        k = composed_k(rule, dtype)
        measures = [(k, s, None) for s in composed_scales(function, inputs, attrs, g, rule.absolute)]
    elif rule.kind == "linear":
        measures = [(n, s, rule.terms.get("all")) for n, s in linear_measure(function, inputs, attrs, g)[1:]]
    else:
        measures = count_and_scale(rule, function, inputs, attrs, g)
    wide, _, result = run(function, inputs, attrs, F64)
    rounded = gradients(inputs, wide, result, g.to(result.dtype))
    texts = []
    for have, true, (n, scales, term) in zip(native, rounded, measures):
        k = n if rule.kind == "composed" else roundings(rule.kind, have.dtype, most(n), term, exact)
        if k and have.dtype == F32:
            true = true.to(F32)
            close(op + " gradient", have, true, k, scales)
            have = true
        simple = not rule.scale and rule.kind not in ("linear", "composed") and most(n) <= 1
        texts.append("' " + measured(have, k, None if simple else scales))
    return texts


MOST_CHECKED = 24  # the most input elements of a case that central differences check


def smooth_times(function, inputs, attrs):
    """Returns 1 if PyTorch's gradient agrees with central differences, 2 if the gradient of the gradient does, too,
    and 0 if neither does or if the inputs are not float64 or are large."""
    leaves, _, _ = run(function, inputs, attrs, None)
    asked = wanted(inputs, leaves)
    if any(x.dtype != F64 for x in asked) or sum(x.numel() for x in asked) > MOST_CHECKED:
        return 0
    at = [n for n, i in enumerate(inputs) if i.grad and not isinstance(i.base, int)]

    def result(*x):
        here = [i.base for i in inputs]
        for n, v in zip(at, x):
            here[n] = v
        here = [here[h] if isinstance(h, int) else h for h in here]
        return function([look(h, i.steps) for h, i in zip(here, inputs)], *attrs)

    try:
        torch.autograd.gradcheck(result, asked)
    except RuntimeError:
        return 0
    try:
        torch.autograd.gradgradcheck(result, asked)
    except RuntimeError:
        return 1
    return 2


def case(op, rule, function, inputs, attrs=(), exact=False, view=False, fails=False, differentiate=False):
    """Adds a record of one case. exact says that every sum and product of these values is exact; view, that the
    result may be a view; fails, that PyTorch refuses the call; differentiate, that small float64 inputs are
    differentiated numerically as well."""
    attrs = list(attrs)
    text = [op, listed(attrs)]
    for i in inputs:
        text += ["<*" if i.grad and not isinstance(i.base, int) else "<"]
        text += ["@%d" % i.base] if isinstance(i.base, int) else [NAMES[i.base.dtype], listed(i.base.shape)]
        text += [step_text(i.steps)] + ([] if isinstance(i.base, int) else [bits(i.base)])
    if fails:
        try:
            run(function, inputs, attrs, None)
        except (RuntimeError, IndexError, ValueError):
            records.append(" ".join(text + ["> fails"]))
            return
        raise SystemExit("%s does not fail in PyTorch" % op)
    leaves, views, out = run(function, inputs, attrs, None)
    text += [">", NAMES[out.dtype], listed(out.shape), result_text(op, rule, function, inputs, attrs, out, exact)]
    if view and out.numel():
        shares = out.storage().data_ptr() == leaves[0].storage().data_ptr()
        text += ["#", listed([out.storage_offset()] + list(out.stride())) if shares else "copy"]
    if out.requires_grad:
        g = values(out.shape, out.dtype, "dyadic" if exact else "normal")
        text += ["*", bits(g)] + gradient_texts(op, rule, function, inputs, attrs, leaves, out, g, exact)
        times = smooth_times(function, inputs, attrs) if differentiate else 0
        text += ["? %d" % times] if times else []
    elif wanted(inputs, leaves):
        raise SystemExit("%s has no gradient" % op)
    records.append(" ".join(text))


# ---- Values.

EDGES = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.5, -0.3, 2.0, 1e-45, 1.2e-38, 3.4e38]
MILD = EDGES[:10] + [0.5, -0.5]
INTEGERS = [0, 1, -1, 7, -8, 2**63 - 1, -2**63, 2**32, 3]


def values(shape, dtype, kind="normal"):
    """Returns random values, the same on every run: the seed is the number of the call. "dyadic" values are
    multiples of 1/8, whose sums and products are exact; "ties" are small integers, of which many are equal."""
    r = torch.Generator()
    r.manual_seed(values.calls)
    values.calls += 1
    shape = tuple(shape)
    if dtype == BOOL:
        return torch.randint(0, 2, shape, generator=r).bool()
    if dtype == I64:
        return torch.randint(-9, 10, shape, generator=r)
    if kind == "normal":
        return torch.randn(shape, dtype=F64, generator=r).to(dtype)
    if kind == "positive":
        return (torch.rand(shape, dtype=F64, generator=r) * 3 + 0.2).to(dtype)
    if kind == "dyadic":
        return (torch.randint(-24, 25, shape, generator=r) / 8).to(dtype)
    if kind == "ties":
        return torch.randint(-2, 3, shape, generator=r).to(dtype)
    raise KeyError(kind)


values.calls = 0


def layout(shape, kind):
    """Returns the shape of a leaf, and steps from it to a view of the given shape and the layout that kind names."""
    shape = list(shape)
    n = len(shape)
    if kind == "contiguous" or n == 0:
        return shape, []
    if kind == "transposed":
        return [shape[-1]] + shape[1:-1] + shape[:1] * (n > 1), [("t", 0, -1)]
    if kind == "permuted":  # the last dimension of the base comes first
        return shape[1:] + shape[:1], [("p", n - 1) + tuple(range(n - 1))]
    if kind == "sliced":
        return shape[:-1] + [2 * shape[-1] + 1], [("s", -1, 1, END, 2)]
    if kind == "offset":
        return [shape[0] + 2] + shape[1:], [("n", 0, 1, shape[0])]
    if kind == "expanded":
        return [1] + shape[1:], [("e",) + tuple(shape)]
    if kind == "selected":
        return shape + [3], [("l", -1, 1)]
    if kind == "diagonal":
        return [shape[-1] + 1] + shape[:-1] + [shape[-1] + 1], [("d", 1, 0, -1)]
    if kind == "mixed":  # several steps
        return [2 * shape[-1]] + shape[:-1] + [2], \
            [("s", 0, 0, END, 2), ("p",) + tuple(range(1, n)) + (0, n), ("l", n, 0)]
    raise KeyError(kind)


LAYOUTS = ["contiguous", "transposed", "permuted", "sliced", "offset", "expanded", "selected", "diagonal", "mixed"]


def make(shape, dtype, kind="normal", how="contiguous", grad=None):
    """Returns an input of random values: a view of this shape, in the layout `how`."""
    base, steps = layout(shape, how)
    return Input(values(base, dtype, kind), steps, grad)


def of(numbers, dtype, shape=None, grad=None):
    """Returns a contiguous input of these numbers."""
    t = torch.tensor(numbers, dtype=dtype)
    return Input(t if shape is None else t.reshape(shape), (), grad)


# Shapes of two tensors that broadcast.
PAIRS = [((), ()), ((2, 3), (2, 3)), ((3,), ()), ((), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)),
         ((2, 3, 1), (4,)), ((1,), (2, 2)), ((4, 1, 2), (3, 1)), ((2, 0), (1, 1)), ((0,), (1,)),
         ((1, 1, 2), (2, 1, 1)), ((2, 1, 2, 1), (1, 3, 1, 2))]


def grid(numbers, dtype):
    """Returns two vectors that pair every number with every number."""
    n = len(numbers)
    t = torch.tensor(numbers, dtype=dtype)
    return t.reshape(n, 1).expand(n, n).clone().flatten(), t.expand(n, n).clone().flatten()


def number_cases(op, rule, f):
    """Adds cases of f(x, number), an operation of a tensor and a number."""
    for dtype in (F32, F64):
        for s, how in zip((0.1, -2.5, 3.0, 1e-3), LAYOUTS[1::2]):
            case(op, rule, f, [make((2, 3), dtype, "normal", how)], [s])
    for s in (0.0, -0.0, INF, NAN, 2.0):
        case(op, rule, f, [of(EDGES, F32)], [s])
    case(op, rule, f, [make((), F32)], [0.3])
    case(op, rule, f, [make((0, 2), F32)], [0.3])
    if not op.startswith("div"):
        for s in (3, -1):
            case(op, rule, f, [of(INTEGERS, I64)], [s])


def write(*families):
    """Runs the functions, which add records, and prints the records. A function may stand in a pair with a
    number: its random values then begin with that seed, and do not depend on the functions before it."""
    for family in families:
        if isinstance(family, tuple):
            values.calls, family = family
        family()
    print("\n".join(records))
    for line in log:
        print(line, file=sys.stderr)
    print(len(records), "records", file=sys.stderr)

#!/usr/bin/python3
"""Correct digits on NIST's certified regressions, ours beside R, GSL, NumPy and SciPy: nist.py BUILD

BUILD is the directory in which CMake has built libtinygrad.a and examples/regress. The script prints two tables in
Markdown. A rival that is not installed is left out. Debian's packages are r-base-core, libgsl-dev and python3-scipy.

The digits of a set are -log10 of the relative error of its worst coefficient, or of its worst standard error, and at
most 15 for linear sets and 11 for nonlinear ones, as many as are certified. Where the certified value is 0, the error
is the absolute one. "none" is a program that ends with an error, or cannot fit this set. Data and certified values are
those in tests/golden.
"""

import ast
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy
except ImportError:
    numpy = None
try:
    from scipy.optimize import curve_fit
except ImportError:
    curve_fit = None

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
LINEAR, NONLINEAR = (os.path.join(ROOT, "tests/golden", name) for name in ("certified.txt", "nist_nonlinear.txt"))


# ---- The models, of which tests/golden/nist_nonlinear.py has the formulas, in other languages.


def read_models():
    """Returns the lambda of each set, as a syntax tree."""
    tree = ast.parse(open(os.path.join(ROOT, "tests/golden/nist_nonlinear.py")).read())
    table = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "MODELS")
    models = {key.value: value for key, value in zip(table.keys, table.values)}
    models.update({name: models[name[:-1] + "1"] for name in ["Gauss2", "Gauss3", "Lanczos2", "Lanczos3"]})
    models["Thurber"] = models["Hahn1"]
    return models


C = {"+": "(%s + %s)", "-": "(%s - %s)", "*": "(%s * %s)", "/": "(%s / %s)", "**": "pow(%s, %s)", "neg": "(-%s)",
     "call": "%s(%s)", "number": "%s", "b": "B(%d)", "x": "X(%d)"}
R = {**C, "**": "(%s^%s)", "b": "b%d", "x": "x%d"}
OURS = {"+": "tg_add(%s, %s)", "-": "tg_sub(%s, %s)", "*": "tg_mul(%s, %s)", "/": "tg_div(%s, %s)",
        "**": "tg_pow(%s, %s)", "neg": "tg_neg(%s)", "call": "tg_%s(%s)", "number": "K(%s)", "b": "B(%d)", "x": "X(%d)"}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def translate(node, words, first):
    """Writes an expression in a language, whose words are given and whose indices begin at first."""
    def into(n):
        return translate(n, words, first)

    if isinstance(node, ast.BinOp):
        return words[OPERATORS[type(node.op)]] % (into(node.left), into(node.right))
    if isinstance(node, ast.UnaryOp):
        return words["neg"] % into(node.operand)
    if isinstance(node, ast.Call):
        return words["call"] % (node.func.id, into(node.args[0]))
    if isinstance(node, ast.Subscript):
        return words[node.value.id] % (node.slice.value + first)
    if isinstance(node, ast.Name):
        return words["number"] % repr(math.pi) if node.id == "pi" else words["x"] % first
    return words["number"] % float(node.value)


def write_models(models, directory):
    for name, words in (("ours", OURS), ("gsl", C)):
        with open(f"{directory}/{name}_models.inc", "w") as f:
            for key, model in models.items():
                f.write(f"MODEL({key}, {translate(model.body, words, 0)})\n")
    with open(f"{directory}/models.R", "w") as f:
        for key, model in models.items():
            f.write(f"{key} {translate(model.body, R, 1)}\n")


# ---- The sets, and what each program makes of them.


def read_sets(path, linear):
    """Returns for each set its rows, with y first, and the lists of numbers that follow them."""
    lines = iter(open(path).read().split("\n"))
    sets = {}
    for line in lines:
        if not line.startswith("set"):
            continue
        _, name, rows, *_ = line.split()
        data = [[float(v) for v in next(lines).split()] for _ in range(int(rows))]
        after = [next(lines).split() for _ in range(3 if linear else 4)]
        sets[name] = data, [[float(v) for v in values[1 if linear else 0:]] for values in after]
    return sets


def output_of(*command):
    """Returns what a program prints; what it says of itself beside that is left out."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def run_c(directory, source, libraries):
    program = f"{directory}/{source}"
    subprocess.run(["cc", "-O2", "-I", directory, "-I", f"{ROOT}/include", "-o", program, f"{HERE}/{source}.c",
                    *libraries, "-lm", "-pthread"], check=True)
    return output_of(program, LINEAR, NONLINEAR)


def fits_of_lines(text):
    """Reads the lines "SET START PROGRAM STATE NUMBER..." of the programs."""
    fits = {}
    for line in text.split("\n"):
        if line:
            name, start, by, state, *numbers = line.split()
            fits[name, int(start), by] = state == "converged", [float(v) if v != "NA" else math.nan for v in numbers]
    return fits


def fits_of_regress(program, directory, sets):
    """Fits the linear sets by the program: powers of x are terms, and a column of ones is the intercept."""
    fits = {}
    for name, (data, (exact, *_)) in sets.items():
        intercept = data[0][1] == 1
        powers = name == "pontius" or name == "filip" or name.startswith("wampler")
        names = ["x1"] if powers else [f"x{i + 1}" for i in range(len(exact) - intercept)]
        with open(f"{directory}/set.csv", "w") as f:
            print("y", *names, sep=",", file=f)
            for row in data:
                print(row[0], *row[1 + intercept:][:len(names)], sep=",", file=f)
        terms = ["x1"] + [f"x1^{k}" for k in range(2, len(exact))] if powers else names
        report = json.loads(output_of(program, f"{directory}/set.csv", "--target", "y", "--features", ", ".join(terms),
                                      "--json", *([] if intercept else ["--no-intercept"])))
        fits[name, 1, "regress"] = report["converged"], [c[key] for key in ("value", "standard_error")
                                                         for c in report["coefficients"]]
    return fits


def fits_of_python(models, linear, nonlinear):
    fits = {}
    if numpy:
        for name, (data, _) in linear.items():
            table = numpy.array(data)
            fits[name, 1, "numpy"] = True, list(numpy.linalg.lstsq(table[:, 1:], table[:, 0], rcond=None)[0])
    if not curve_fit:
        return fits
    warnings.simplefilter("ignore")
    numpy.seterr(all="ignore")
    names = {f: getattr(numpy, f) for f in ("exp", "cos", "sin", "pi")}
    for name, (data, after) in nonlinear.items():
        table = numpy.array(data).T
        f = eval(compile(ast.fix_missing_locations(ast.Expression(models[name])), name, "eval"),
                 {**names, "atan": numpy.arctan})
        for start in (0, 1):
            try:
                p, covariance = curve_fit(lambda x, *b: f(x, b), table[1] if len(table) == 2 else table[1:], table[0],
                                          after[start])
            except RuntimeError:  # "Optimal parameters not found"
                continue
            known = bool(numpy.isfinite(covariance).all())  # SciPy warns where it is not
            fits[name, start + 1, "scipy"] = known, [*p, *numpy.sqrt(numpy.diag(covariance))]
    return fits


# ---- The tables.


def digits(values, wanted, most):
    """Returns the correct digits of the worst value, between 0 and most."""
    errors = [abs(v - w) / (abs(w) if w else 1) for v, w in zip(values, wanted)]
    if not all(math.isfinite(e) for e in errors):
        return 0
    worst = max(errors)
    return min(most, max(0, -math.log10(worst))) if worst > 0 else most


def digits_of_fit(fit, exact, errors, most):
    """Returns the digits of the coefficients and of the standard errors, which may be missing."""
    n = len(exact)
    numbers = fit[1]
    return digits(numbers[:n], exact, most), digits(numbers[n:], errors, most) if len(numbers) == 2 * n else None


def print_row(*cells):
    print("|", " | ".join(cells), "|")


def print_table(title, programs, rows, fits, most):
    """Prints the digits of the rows (name, start, exact, errors), and returns them by program."""
    programs = {by: name for by, name in programs.items() if any(key[2] == by for key in fits)}
    print(f"\n{title}\n")
    print_row("", *programs.values())
    print_row(*["---"] * (len(programs) + 1))
    found = {by: [] for by in programs}
    for name, start, exact, errors in rows:
        cells = []
        for by in programs:
            fit = fits.get((name, start, by))
            got = digits_of_fit(fit, exact, errors, most) if fit else None
            found[by].append((fit and fit[0], got))
            cell = ", ".join("%.1f" % d for d in got if d is not None) if got else "none"
            cells.append(cell if not fit or fit[0] else f"({cell})")
        print_row(name if most == 15 else f"{name}, start {start}", *cells)
    return found


def print_counts(found):
    """Prints how many fits have so many digits, and how many have none though the program calls them done."""
    for least in (4, 6):
        counts = ([sum(bool(got) and got[i] >= least for _, got in fits) for i in (0, 1)] for fits in found.values())
        print_row(f"fits with {least} digits", *("%d, %d" % (p, e) for p, e in counts))
    wrong = (sum(bool(done) and got[0] < 1 for done, got in fits) for fits in found.values())
    print_row("fits without any, called done", *map(str, wrong))


def main():
    build = sys.argv[1]
    models = read_models()
    linear, nonlinear = read_sets(LINEAR, True), read_sets(NONLINEAR, False)
    with tempfile.TemporaryDirectory() as directory:
        write_models(models, directory)
        fits = fits_of_lines(run_c(directory, "ours", [f"{build}/libtinygrad.a"]))
        fits.update(fits_of_regress(f"{build}/examples/regress", directory, linear))
        if os.path.exists("/usr/include/gsl/gsl_multifit_nlinear.h"):
            fits.update(fits_of_lines(run_c(directory, "gsl", ["-lgsl", "-lgslcblas"])))
        if shutil.which("Rscript"):
            fits.update(fits_of_lines(output_of("Rscript", f"{HERE}/rival.R", LINEAR, NONLINEAR,
                                                f"{directory}/models.R")))
    fits.update(fits_of_python(models, linear, nonlinear))
    print_table("Linear sets: correct digits of the coefficients, and of their standard errors",
                {"lstsq": "`tg_lstsq`", "regress": "`regress`", "lm": "R `lm`", "lm_tol": "`lm(tol = 1e-14)`",
                 "gsl": "GSL `multifit_linear`", "numpy": "NumPy `lstsq`"},
                [(name, 1, *after[1:]) for name, (_, after) in linear.items()], fits, 15)
    print_counts(print_table(
        "Nonlinear sets: the same; in parentheses where the program itself says that it has not converged",
        {"curve_fit": "`tg_curve_fit`", "nls_default": "R `nls`", "nls_port": "R `nls`, port", "gsl_lm": "GSL lm",
         "gsl_dogleg": "GSL dogleg", "scipy": "SciPy `curve_fit`"},
        [(name, start, *after[2:]) for name, (_, after) in nonlinear.items() for start in (1, 2)], fits, 11))


main()

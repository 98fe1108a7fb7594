#!/usr/bin/python3
"""Times and memory of least squares, beside R and NumPy: times.py BUILD [ROUNDS [ROWSxCOLUMNS ...]]

BUILD is the directory in which CMake has built libtinygrad.a and examples/regress. The script prints two tables in
Markdown: fits of a matrix in memory, and fits of a CSV file by a program from its start to its end. All run on one
thread. Times are processor times, since a shared machine's wall clock also measures the others; a time is the median of
the rounds, and in each round all programs run one after the other (R's read.csv, which is slow, in the first round
only). Memory is the peak of the resident set; for a matrix, what the fit adds to the set before it.

A rival that is not installed is left out. Debian's packages are r-base-core, r-cran-data.table, python3-numpy and
python3-pandas. R and NumPy use the BLAS of the system, which LD_PRELOAD can replace, such as by libopenblas.so.0.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "../../../include")


def run(command):
    """Returns what a program prints, its processor time in seconds and its peak of memory in MB."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{command} failed")
        output.seek(0)
        return output.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def installed(*command):
    return shutil.which(command[0]) and subprocess.run(command, stdout=subprocess.DEVNULL,
                                                       stderr=subprocess.DEVNULL).returncode == 0


def print_row(*cells):
    print("|", " | ".join(cells), "|", flush=True)


def print_results(size, results):
    """Prints the medians of the times and the most memory of each program, and both as multiples of the first one."""
    medians = {name: (statistics.median(t for t, _ in runs), max(m for _, m in runs)) for name, runs in results.items()}
    seconds, memory = next(iter(medians.values()))
    for name, (s, m) in medians.items():
        print_row(size, name, f"{s:.3g} s", f"{s / seconds:.2g}", f"{m:.0f} MB")


def measure_matrices(programs, rounds, rows, columns):
    results = {name: [] for name in programs}
    sizes = (str(rows), str(columns))
    for _ in range(rounds):
        for name, command in programs.items():
            seconds, kilobytes = run([*command, "fit", *sizes])[0].split()
            results[name].append((float(seconds), float(kilobytes) / 1024))
    print_results(f"{rows:.0e} x {columns}".replace("e+0", "e"), results)


def measure_files(programs, rounds, rows, columns, path):
    results = {name: [] for name in programs}
    for i in range(rounds):
        for name, command in programs.items():
            if i == 0 or "read.csv" not in command:
                results[name].append(run([path if c == "FILE" else c for c in command])[1:])
    print_results(f"{rows:.0e} x {columns}, {os.path.getsize(path) >> 20} MB".replace("e+0", "e"), results)


def main():
    build = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    sizes = [tuple(map(int, s.split("x"))) for s in sys.argv[3:]] or [(1000000, 20), (10000000, 2)]
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "R_DATATABLE_NUM_THREADS": "1"})
    python, r = [sys.executable, f"{HERE}/rival.py"], ["Rscript", f"{HERE}/rival.R"]
    with tempfile.TemporaryDirectory() as directory:
        ours, path = f"{directory}/ours", f"{directory}/data.csv"
        subprocess.run(["cc", "-O2", "-I", INCLUDE, "-o", ours, f"{HERE}/ours.c", f"{build}/libtinygrad.a", "-lm",
                        "-pthread"], check=True)
        matrices = {"`tg_lstsq`": [ours]}
        files = {"`regress`": [f"{build}/examples/regress", "FILE", "--target", "y"]}
        if installed(sys.executable, "-c", "import numpy"):
            matrices["NumPy `lstsq`"] = python
        if installed("Rscript", "--version"):
            matrices["R `lm.fit`"] = r
        if installed("Rscript", "-e", "library(data.table)"):
            files["R, `fread` and `lm`"] = [*r, "fread", "FILE"]
        if installed("Rscript", "--version"):
            files["R, `read.csv` and `lm`"] = [*r, "read.csv", "FILE"]
        if installed(sys.executable, "-c", "import pandas"):
            files["pandas and NumPy"] = [*python, "read_csv", "FILE"]
        for title, measure in (("A matrix in memory", measure_matrices), ("A CSV file", measure_files)):
            print(f"\n{title}\n")
            print_row("size", "program", "time", "ratio", "memory")
            print_row(*["---"] * 5)
            for rows, columns in sizes:
                if measure == measure_matrices:
                    measure(matrices, rounds, rows, columns)
                else:
                    run([ours, "csv", str(rows), str(columns), path])
                    measure(files, rounds, rows, columns, path)


main()

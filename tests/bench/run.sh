#!/bin/sh
# Usage: run.sh PROGRAMS OUT. Runs the benchmark programs in the directory PROGRAMS, prints one table,
# and writes bench.json and bench.svg to the directory OUT. PyTorch is run by $BENCH_PYTHON or, if that
# is not set or has no PyTorch, by python3 or /usr/bin/python3.
set -e
programs=$1
out=$2

for python in "${BENCH_PYTHON:-python3}" /usr/bin/python3; do
    BENCH_PYTHON=$python
    "$python" -c 'import torch' 2>/dev/null && break
done
export BENCH_PYTHON
unset MAKEFLAGS MAKELEVEL # the build that is timed must not join the make that runs this script

rm -f "$out/bench.rows"
echo "$(date +%Y-%m-%d), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
printf '%-26s %-14s %12s  %-22s %13s %8s  %-10s %s\n' \
    name size ours rival theirs ratio target met
for family in lecture calls mlp gemm ops layers steady growth memory threads files csv program; do
    "$programs/bench_$family" "$out"
done

{
    echo '['
    sed '$!s/$/,/' "$out/bench.rows"
    echo ']'
} >"$out/bench.json"
met=$(grep -c '"met": true' "$out/bench.rows" || true)
missed=$(grep -c '"met": false' "$out/bench.rows" || true)
rm "$out/bench.rows"
echo "$met of $((met + missed)) targets met. Times are medians; a ratio is ours to theirs."

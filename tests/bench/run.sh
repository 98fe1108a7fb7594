#!/bin/sh
# Usage: run.sh PROGRAMS OUT [FAMILY...]. Runs the benchmark programs in the directory PROGRAMS, all of them unless
# families are named, prints one table, and writes bench.json and bench.svg to the directory OUT. If BENCH_QUICK is
# set, families leave out rows, and all rows are measured for a shorter time. PyTorch is run by $BENCH_PYTHON or, if that
# is not set or has no PyTorch, by python3 or /usr/bin/python3.
set -e
programs=$1
out=$2
shift 2

for python in "${BENCH_PYTHON:-python3}" /usr/bin/python3; do
    BENCH_PYTHON=$python
    "$python" -c 'import torch' 2>/dev/null && break
done
export BENCH_PYTHON
unset MAKEFLAGS MAKELEVEL # the build that is timed must not join the make that runs this script

rm -f "$out/bench.rows"
echo "$(date +%Y-%m-%d), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
echo "ours and theirs: the time of a run, where less is better, or GFLOP/s, where more is better"
echo "peak: which share of a core's arithmetic peak ours is; ratio: ours to theirs; target: what the ratio or ours is to be"
printf '%-26s %-16s %12s %6s  %-22s %13s %8s  %-10s %s\n' \
    name size ours peak rival theirs ratio target met
[ $# != 0 ] || set -- lecture calls mlp gemm ops layers conv networks steady growth memory threads rows files csv program
for family; do
    "$programs/bench_$family" "$out"
done

{
    echo '['
    sed '$!s/$/,/' "$out/bench.rows"
    echo ']'
} >"$out/bench.json"
count() { grep -c "$1" "$out/bench.rows" || true; }
leads=$(count '"standing": "leads"')
ties=$(count '"standing": "ties"')
lags=$(count '"standing": "lags"')
echo "Of $((leads + ties + lags)) rows with a rival, $leads lead (less than 0.9 times its time), $ties tie," \
    "$lags lag (more than 1.1 times)."
met=$(count '"met": true')
missed=$(count '"met": false')
rm "$out/bench.rows"
echo "$met of $((met + missed)) targets met. Times are medians; a ratio is ours to theirs."

#!/bin/sh
# Builds the library, runs the lecture's programs and the other examples, and writes their plots.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/src/cmake/setup.sh"

need_compiler
install_missing

echo "Building libtinygrad in $root/build"
build "$root/build" -DTINYGRAD_BUILD_EXAMPLES=ON -DTINYGRAD_BUILD_TESTS=OFF

mkdir -p "$root/out"
cd "$root/out"
echo "The programs run in $root/out, where they write their plots."
for name in yhat loss loop modules three_weights; do
    printf '\n==== examples/lecture_%s.c\n' "$name"
    "$root/build/examples/lecture_$name"
done
for name in lbfgs polynomial curve_fit logistic_regression own_op long_file digits digits_conv digits_export \
    checkpoint looking rows digits_ranks; do
    printf '\n==== examples/%s.c\n' "$name"
    "$root/build/examples/$name"
done
printf '\nPlots, for a browser:\n'
ls "$root"/out/*.svg

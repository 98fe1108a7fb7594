#!/bin/sh
# Builds the library, runs the lecture's programs and writes its plots.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/src/cmake/setup.sh"

need_compiler
install_missing

echo "Building libtinygrad in $root/build"
build "$root/build" -DTINYGRAD_BUILD_EXAMPLES=ON -DTINYGRAD_BUILD_TESTS=OFF

mkdir -p "$root/out"
cd "$root/out"
for name in yhat loss loop modules three_weights; do
    printf '\n==== examples/lecture_%s.c\n' "$name"
    "$root/build/examples/lecture_$name"
done
printf '\nPlots, for a browser: %s\n' "$root/out"

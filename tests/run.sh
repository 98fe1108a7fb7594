#!/bin/sh
# Usage: run.sh [CMAKE OPTION...]. Builds the library and its tests, and runs them all.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/src/cmake/setup.sh"

need_compiler
need libcmocka-dev "$(has_header cmocka.h)"
need universal-ctags 'ctags --version | grep -q Universal'
install_missing

echo "Building libtinygrad and its tests in $root/build"
build "$root/build" -DTINYGRAD_BUILD_TESTS=ON "$@"

cd "$root/build"
ctest --output-on-failure --no-tests=error --parallel "$(nproc)"

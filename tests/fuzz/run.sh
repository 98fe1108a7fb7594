#!/bin/sh
# Usage: run.sh [SECONDS [TARGET...]]. Builds the fuzz targets, each of which is a file beside this one,
# with clang's libFuzzer and sanitizers, and runs each of them for that many seconds (45), two at a time.
# A run begins with the inputs in corpus/TARGET. What it finds in addition stays in build-ci/fuzz/TARGET,
# and an input that fails in build-ci/fuzz/TARGET-*; `build-ci/fuzz/fuzz_TARGET FILE` runs it again.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/src/cmake/setup.sh"
need_compiler
need clang 'command -v clang'
need libclang-rt-dev 'echo "int main(void){}" | clang -fsanitize=address -xc - -o /dev/null'
install_missing

export seconds=${1:-45} here="$root/tests/fuzz" UBSAN_OPTIONS=print_stacktrace=1
[ $# = 0 ] || shift
targets=${*:-$(cd "$here" && ls *.c | sed 's/[.]c$//')}
out=$root/build-ci/fuzz
build "$out" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTINYGRAD_BUILD_TESTS=OFF \
    -DTINYGRAD_BUILD_EXAMPLES=OFF -DTINYGRAD_SANITIZE='fuzzer-no-link,address,undefined'
cd "$out"
for target in $targets; do
    clang -g -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I"$root/include" \
        -I"$root/src" "$here/$target.c" libtinygrad.a -lm -o "fuzz_$target"
    mkdir -p "$target"
done

printf '%s\n' $targets | xargs -P 2 -I TARGET sh -c '
    seeds=$here/corpus/TARGET
    [ -d "$seeds" ] || seeds=
    ./fuzz_TARGET -seed=1 -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2000 -print_final_stats=1 \
        -artifact_prefix=TARGET- TARGET $seeds >TARGET.log 2>&1 || { tail -n 60 TARGET.log >&2; exit 255; }
    sed -n "s/^stat::number_of_executed_units: */ok: TARGET, inputs: /p" TARGET.log'

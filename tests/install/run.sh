#!/bin/sh
# Builds a program with the library in every way that users have, and checks that it prints the same bits each
# time: with the library installed and moved afterwards; as a part of another project; from its sources without
# CMake; and as two files.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/src/cmake/setup.sh"

need_compiler
need g++ 'command -v c++'
need clang 'command -v clang'
need pkg-config 'command -v pkg-config'
install_missing

program=$root/tests/install/fit.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
strict='-Wall -Wextra -Wpedantic -Werror'

# same TITLE COMMAND...: checks that the command prints what the file $expect holds, which the first
# command has printed.
expect=expected
same()
{
    title=$1
    shift
    "$@" >printed
    [ -f $expect ] || cp printed $expect
    cmp $expect printed
    echo "ok: $title"
}

# empty TITLE FILE: checks that the file, which lists what is wrong, is empty.
empty()
{
    [ ! -s "$2" ] || { echo "$1:" >&2; cat "$2" >&2; exit 1; }
    echo "ok: $1"
}

build build -DTINYGRAD_BUILD_TESTS=OFF -DTINYGRAD_BUILD_EXAMPLES=OFF
cmake --install build --prefix "$work/installed" >/dev/null
mv installed prefix
prefix=$work/prefix

for file in README.md LICENSE; do cmp "$root/$file" "$prefix/share/doc/tinygrad/$file"; done
echo 'ok: README.md and LICENSE are installed'

cmake -S "$root/tests/install" -B found -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build found >/dev/null
same 'find_package, tinygrad::tinygrad' found/fit
same 'find_package, tinygrad::shared' found/fit_shared

cmake -S "$root/tests/install" -B fetched -DSOURCE="$root" >/dev/null
cmake --build fetched --parallel "$(nproc)" >/dev/null
same 'FetchContent' fetched/fit

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"
flags=$(pkg-config --cflags --libs tinygrad)
cc -std=c11 $strict "$program" $flags -o with_pkg_config
same 'pkg-config' ./with_pkg_config
cc -std=c11 $strict -static "$program" $(pkg-config --static --cflags --libs tinygrad) -o alone
same 'pkg-config --static' ./alone
if command -v mpicc >/dev/null; then
    cmake -S "$root" -B build -DTINYGRAD_MPI=ON >/dev/null
    cmake --build build --target tinygrad_mpi >/dev/null
    cmake --install build --prefix "$work/with_mpi" >/dev/null
    cmake -S "$root/tests/install" -B found_mpi -DRANKS=ON -DCMAKE_PREFIX_PATH="$work/with_mpi" >/dev/null
    cmake --build found_mpi >/dev/null
    expect=ranks
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    same 'find_package, tinygrad::mpi' found_mpi/exchange messages
    mpicc -std=c11 $strict "$root/tests/mpi/exchange.c" -o exchange \
        $(PKG_CONFIG_PATH="$work/with_mpi/lib/pkgconfig" pkg-config --cflags --libs tinygrad_mpi) -lm
    same 'pkg-config, tinygrad_mpi' env LD_LIBRARY_PATH="$work/with_mpi/lib" ./exchange messages
    expect=expected
    if cmake -S "$root/tests/install" -B none -DRANKS=ON -DCMAKE_PREFIX_PATH="$prefix" >none.log 2>&1; then
        echo 'find_package finds a component mpi that is not installed' >&2
        exit 1
    fi
    grep -q 'component mpi is not installed' none.log
    echo 'ok: find_package says that tinygrad::mpi is not installed'
else
    echo 'Not checked: libtinygrad_mpi, as there is no mpicc (Debian: libopenmpi-dev).'
fi

for compiler in c++ clang++; do
    $compiler -std=c++17 $strict -x c++ "$program" $flags -o in_cpp
    same "C++17, $compiler" ./in_cpp
    $compiler -std=c++17 $strict "$root/tests/install/cpp.cpp" $flags -o cpp
    ./cpp
    echo "ok: lists and exceptions in C++17, $compiler"
done
expect=options
for compiler in 'gcc -std=c11' 'clang -std=c11' 'g++ -std=c++17 -x c++' 'clang++ -std=c++17 -x c++' \
    'g++ -std=c++20 -x c++' 'clang++ -std=c++20 -x c++'; do
    $compiler $strict -Wconversion -Wshadow "$root/tests/install/options.c" -x none $flags -o begun
    same "options that begin with the defaults, $compiler" ./begun
done
# Compilers must warn of a value without the name of a member, which would go to the member after the defaults.
for macro in $(sed -n 's/^#define \(TG_[A-Z_]*\)_DEFAULTS.*/\1/p' "$prefix"/include/tinygrad/*.h); do
    for compiler in gcc clang; do
        printf '#include <tinygrad.h>\nint any(void) { return %s(2) != 0; }\n' "$macro" >unnamed.c
        $compiler -std=c11 -fsyntax-only -I"$prefix/include" unnamed.c 2>warnings
        grep -q 'excess elements' warnings || { echo "$compiler takes $macro(2)" >&2; exit 1; }
    done
done
echo 'ok: compilers warn of options without names'
# refused_in_cpp STATEMENT TEXT: checks that C++ compilers refuse the statement with a message that has the text, which
# tells the cure.
refused_in_cpp()
{
    printf '#include <string>\n#include <tinygrad.h>\nvoid any(tg_context *tg) { %s; }\n' "$1" >wrong.cc
    for compiler in c++ clang++; do
        if $compiler -std=c++11 -fsyntax-only -I"$prefix/include" wrong.cc 2>errors ||
            ! grep -q "$2" errors; then
            echo "$compiler takes $1, or does not say '$2'" >&2
            exit 1
        fi
    done
}
refused_in_cpp 'tg_ones(tg, TG_F32, TG_SHAPE(2.5))' 'must be cast to int64_t'
refused_in_cpp 'std::string s; tg_lambda(tg, [s](tg_tensor *x) { return s.empty() ? x : tg_relu(x); })' \
    'capture references, pointers and numbers'
printf '#include <tinygrad.h>\nvoid any(tg_context *tg) { tg_ones(tg, TG_F32, TG_SHAPE(2.5)); }\n' >wrong.c
for compiler in gcc clang; do
    ! $compiler -std=c11 -fsyntax-only -Werror -Wfloat-conversion -I"$prefix/include" wrong.c 2>errors ||
        { echo "$compiler does not warn of TG_SHAPE(2.5)" >&2; exit 1; }
done
echo 'ok: compilers refuse TG_SHAPE(2.5) and a lambda that cannot be copied'
expect=expected
unset LD_LIBRARY_PATH

for header in tinygrad.h $(cd "$prefix/include" && ls tinygrad/*.h); do
    printf '#include <%s>\nextern int any;\n' "$header" >alone.c
    cc -std=c11 $strict -Wstrict-prototypes -fsyntax-only -I"$prefix/include" alone.c
    c++ -std=c++17 $strict -fsyntax-only -I"$prefix/include" -x c++ alone.c
done
echo 'ok: each header alone, in C and C++'

sources=$(find "$root/src" -name '*.c' -not -path '*/mpi/*')
for flags in '-std=c11 -O2' '-std=gnu17 -O2 -march=native'; do
    cc $flags $strict -I"$root/include" $sources "$program" -lm -o plain
    same "cc $flags, no build system" ./plain
done

cc -std=c11 -O2 -D__STDC_NO_ATOMICS__ $strict -I"$root/include" $sources \
    "$program" -lm -o one_thread
same 'without <stdatomic.h>, on one thread' ./one_thread

cmake --build build --target amalgamation >/dev/null
for compiler in gcc clang; do
    $compiler -std=c11 -O2 -Wall -Wextra -Werror -I build "$program" build/tinygrad.c -lm -o two_files
    same "tinygrad.c and tinygrad.h, $compiler" ./two_files
done

# Without the pragmas and -ffp-contract=off, gcc contracts a product and a sum into one rounding. The library must
# notice this and refuse to open.
mkdir -p contracted
cp build/tinygrad.h contracted
sed '/pragma.*fp-contract=off/d' build/tinygrad.c >contracted/tinygrad.c
echo '#include <stdio.h>
#include <tinygrad.h>
int main(void) { puts(tg_error(tg_open(NULL))); }' >contracted/main.c
case $(uname -m) in x86_64) fused=-mfma ;; *) fused= ;; esac
gcc -std=c11 -O2 $fused -ffp-contract=fast -I contracted contracted/*.c -lm -o contracted/main
./contracted/main | grep -q 'open: the compiler has joined.*-ffp-contract=off'
echo 'ok: a build that contracts products and sums is refused'

for file in tinygrad.c tinygrad.h; do
    sed -n '/^ \* MIT License/,/^ \*\/$/{/^ \*\/$/d; s/^ \* \{0,1\}//p}' "build/$file" |
        cmp - "$root/LICENSE"
done
echo 'ok: both files begin with the licence'

# refused FLAG...: checks that the library does not compile with these flags, neither from its sources nor
# as two files, and that its #error says why.
refused()
{
    for source in "$root/src/context/context.c" build/tinygrad.c; do
        if cc -std=c11 -fsyntax-only "$@" -I"$root/include" -Ibuild "$source" 2>refusal; then
            echo "$source compiles with $*" >&2
            exit 1
        fi
        grep -q '#error' refusal
    done
    echo "ok: $* is refused"
}
for flag in -ffast-math -Ofast -funsafe-math-optimizations -ffinite-math-only; do refused $flag; done
[ "$(uname -m)" != x86_64 ] || refused -mfpmath=387

if [ "$(id -u)" -eq 0 ]; then
    printf '%s\n' '#include <stdio.h>' '#include <tinygrad.h>' \
        'int main(void) { puts(tg_simd_level(tg_open(NULL))); return 0; }' >level.c
    cc level.c -I"$prefix/include" "$prefix/lib/libtinygrad.a" -lm -pthread -o level
    cp level setuid_level
    chown nobody setuid_level
    chmod 4755 setuid_level
    TINYGRAD_SIMD= ./level >fastest
    TINYGRAD_SIMD=portable ./level | grep -qx portable
    TINYGRAD_SIMD=portable ./setuid_level | cmp - fastest
    echo 'ok: a setuid program does not read TINYGRAD_SIMD'
else
    echo 'Not checked: that a setuid program does not read TINYGRAD_SIMD, which only root can.'
fi

cc -E -P "$root/include/tinygrad.h" -I"$root/include" | tr '\n;' ' \n' |
    sed -n 's/.*visibility("default"))) [^(]*\(tg_[a-z0-9_]*\)(.*/\1/p' | sort >declared
nm -D --defined-only prefix/lib/libtinygrad.so | awk '{ print $3 }' | sort >exported
diff declared exported >differ || true
empty 'the shared library exports what the headers declare, nothing else' differ
nm -g --defined-only prefix/lib/libtinygrad.a | awk 'NF == 3 && $3 !~ /^tg_/' >strange
empty 'the static library defines only tg_ symbols' strange
readelf -d prefix/lib/libtinygrad.so | grep NEEDED | grep -Ev '\[lib[cm]\.so\.' >needed || true
empty 'the shared library needs libc and libm alone' needed

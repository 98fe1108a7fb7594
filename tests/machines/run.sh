#!/bin/sh
# Usage: run.sh [MACHINE...]. Builds for other machines, and runs on them, mostly in an emulator, a
# program whose results have the same bits everywhere, the examples, and a quick set of the tests.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/src/cmake/setup.sh"

# Calls the function that $step names for each machine, with the machine's name, C compiler and emulator, and
# the packages that these need.
each_machine()
{
    cross i686 i686-linux-gnu i386 env
    cross armhf arm-linux-gnueabihf armhf qemu-arm
    cross aarch64 aarch64-linux-gnu arm64 qemu-aarch64
    cross riscv64 riscv64-linux-gnu riscv64 qemu-riscv64
    cross s390x s390x-linux-gnu s390x qemu-s390x
    $step musl musl-gcc env musl-tools
    $step windows x86_64-w64-mingw32-gcc-posix /usr/lib/wine/wine64 \
        gcc-mingw-w64-x86-64-posix wine64
    $step cortex-m7 arm-none-eabi-gcc qemu-system-arm \
        gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
}

# cross NAME TRIPLET ARCHITECTURE EMULATOR: does so for a machine for which Debian has a cross compiler.
cross()
{
    $step "$1" "$2-gcc" "$4" "gcc-$2" "libc6-dev-$3-cross" qemu-user
}

# The tests that run on every machine, in their quick form; and those that Windows cannot run, as they fork,
# start programs by a shell or make a locale.
quick='fma tensor size autograd random random_calls binary_golden compare_golden make_golden
    in_place_golden unary_golden activation_golden choice_golden shapes_golden matmul_golden
    index_golden reductions_golden layers_golden optim lbfgs clip scheduler linalg faults bad_input
    refusals functions_golden decimal csv convert safetensors npy zip'
starting='threads examples page regress print sink source'
examples="regress $(cd "$root/examples" && ls *.c | sed 's/[.]c$//')"

all=$(step=echo && each_machine | cut -d ' ' -f 1)
wanted=${*:-$all}
work=$root/build-ci/machines
export TG_TEST_QUICK=1 WINEPREFIX="$work/wine" WINEDEBUG=-all

is_wanted()
{
    for machine in $wanted; do [ "$machine" != "$1" ] || return 0; done
    return 1
}

need_machine()
{
    is_wanted "$1" || return 0
    shift 3
    for package; do need "$package" "dpkg-query -W -f '\${Status}' $package | grep -q 'ok installed'"; done
}

# Fetches the source of Debian's cmocka with package lists of its own, as those of the system must not
# change.
fetch_cmocka()
{
    [ ! -f "$work/cmocka/src/cmocka.c" ] || return 0
    mkdir -p "$work/lists/partial" "$work/cmocka"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Component: main' "Codename: $release" | sed -n 1p >"$work/list"
    lists="-o Dir::Etc::SourceList=$work/list -o Dir::Etc::SourceParts=-
        -o Dir::State::Lists=$work/lists -o APT::Sandbox::User=root"
    cd "$work"
    apt-get $lists -qq update
    apt-get $lists -qq source --download-only cmocka >/dev/null
    tar xJf cmocka_*.orig.tar.xz -C cmocka --strip-components=1
    cd "$root"
}

# build_for COMPILER EMULATOR TARGET...: builds the targets, linked statically, since emulators lack the
# shared libraries.
build_for()
{
    compiler=$1 emulator=$2
    shift 2
    case $compiler in *mingw*) system=Windows ;; *) system=Linux ;; esac
    "$compiler" -O2 -I"$work/cmocka/include" -DHAVE_SIGNAL_H -DHAVE_MALLOC_H -DHAVE_INTTYPES_H \
        -DHAVE_STRINGS_H -DHAVE_STDINT_H -c "$work/cmocka/src/cmocka.c" -o "$directory/cmocka.o"
    ar rcs "$directory/libcmocka.a" "$directory/cmocka.o"
    cmake -S "$root" -B "$directory" -DCMAKE_SYSTEM_NAME=$system -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_RC_COMPILER=x86_64-w64-mingw32-windres -DCMAKE_EXE_LINKER_FLAGS=-static \
        -DCMOCKA_INCLUDE_DIR="$work/cmocka/include" -DCMOCKA_LIBRARY="$directory/libcmocka.a" \
        -DTINYGRAD_TEST_LAUNCHER="$emulator" -DTINYGRAD_TEST_TIMEOUT=1200
    cmake --build "$directory" --parallel "$(nproc)" --target machine_bits $examples "$@"
}

# Replaces the examples by scripts that start them in the emulator, for the tests that run them.
wrap_examples()
{
    for program in $examples; do
        [ "$(head -c 2 "$directory/examples/$program")" != '#!' ] || continue
        mv "$directory/examples/$program" "$directory/examples/$program.emulated"
        printf '#!/bin/sh\nexec %s -0 %s "$0.emulated" "$@"\n' "$emulator" "$program" \
            >"$directory/examples/$program"
        chmod +x "$directory/examples/$program"
    done
}

# Runs the examples one by one on a machine without a shell, and checks that they print the same as on this one.
run_examples()
{
    for program in $examples; do
        # digits takes too long, and regress needs arguments; looking prints times, and checkpoint goes on
        # from the file that it finds.
        case $program in digits* | regress | looking | checkpoint) continue ;; esac
        (
            cd "$directory" # for the plots that some write
            "$emulator" "examples/$program.exe" | tr -d '\r' >printed
            "$work/native/examples/$program" | cmp - printed
        )
    done
}

# Trains a network in 42 KB on a machine without an operating system, and checks that it prints the same bits as
# on this one.
run_bare_metal()
{
    here=$root/tests/machines/cortex-m7
    flags='-mcpu=cortex-m7 -mthumb -mfpu=fpv5-d16 -mfloat-abi=hard -std=c11 -O2 -ffp-contract=off
        -ffunction-sections -fdata-sections -Wall -Wextra -Werror'
    rm -rf "$directory"
    mkdir "$directory"
    cd "$directory"
    find "$root/src" -name '*.c' -not -path '*/mpi/*' | xargs -P "$(nproc)" -n 8 "$1" $flags -I"$root/include" -c
    "$1" $flags -I"$root/include" -DSMALL_NET_BYTES=43008 "$root/tests/machines/small_net.c" \
        "$here/start.c" -T "$here/board.ld" --specs=rdimon.specs -Wl,--gc-sections *.o -lm -o net.elf
    cc -O2 -I"$root/include" -DSMALL_NET_BYTES=0 "$root/tests/machines/small_net.c" \
        "$work/native/libtinygrad.a" -lm -pthread -o native
    timeout 300 "$2" -M mps2-an500 -nographic -semihosting -kernel net.elf >printed || {
        cat printed >&2
        exit 1
    }
    ./native 2>/dev/null | cmp - printed
    cd "$root"
}

# Runs a network that the library has written as C on the same machine, with an FPU for floats alone, and checks
# that it gives the bits of the library on this one.
run_exported()
{
    here=$root/tests/machines/cortex-m7
    flags='-mcpu=cortex-m7 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard -std=c99 -O2 -Wall -Wextra -Wconversion
        -Wpedantic -Werror'
    cd "$directory"
    cc -O2 -DWRITE -I"$root/include" "$root/tests/machines/exported_net.c" "$work/native/libtinygrad.a" -lm \
        -pthread -o write
    ./write >expected
    "$1" $flags -I. "$root/tests/machines/exported_net.c" "$here/start.c" -T "$here/board.ld" \
        --specs=rdimon.specs -lm -o exported.elf
    timeout 300 "$2" -M mps2-an500 -nographic -semihosting -kernel exported.elf >printed || {
        cat printed >&2
        exit 1
    }
    cmp expected printed
    cd "$root"
}

# run_machine NAME COMPILER EMULATOR PACKAGE...: if the machine is wanted, builds for it and runs the tests on it.
run_machine()
{
    is_wanted "$1" || return 0
    start=$(date +%s)
    directory=$work/$1
    if [ "$1" = cortex-m7 ]; then
        run_bare_metal "$2" "$3"
        run_exported "$2" "$3"
        echo "ok: $1, the same bits in 42 KB, and of a network written as C; $(($(date +%s) - start)) s"
        return
    fi
    case $1 in windows) set="$quick" suffix=.exe ;; *) set="$quick $starting" suffix= ;; esac
    mkdir -p "$directory"
    build_for "$2" "$3" $(printf 'test_%s ' $set) >"$directory/build.log" 2>&1 || {
        cat "$directory/build.log" >&2
        exit 1
    }
    built=$(date +%s)
    "$emulator" "$directory/tests/machine_bits$suffix" | tr -d '\r' | diff "$work/bits" -
    unset TG_TEST_EMULATED
    case $3 in
    qemu-*) wrap_examples && export TG_TEST_EMULATED=1 ;;
    *wine*) run_examples ;;
    esac
    names=$(printf '|%s' $set)
    (cd "$directory" && nice -n 5 ctest --output-on-failure --no-tests=error \
        --parallel "$(nproc)" -R "^test_(${names#|})\$" >ctest.log) || {
        cat "$directory/ctest.log" >&2
        exit 1
    }
    echo "ok: $1, $(grep -c Passed "$directory/ctest.log") tests and the same bits;" \
        "$((built - start)) s to build, $(($(date +%s) - built)) s to run"
}

for machine in $wanted; do
    echo "$all" | grep -qx "$machine" || {
        echo "There is no machine $machine, but these:" $all >&2
        exit 1
    }
done
need_compiler
need libcmocka-dev "$(has_header cmocka.h)"
need xz-utils 'command -v xz'
step=need_machine
each_machine
install_missing

mkdir -p "$work"
fetch_cmocka
build "$work/native" -DTINYGRAD_BUILD_TESTS=ON
"$work/native/tests/machine_bits" >"$work/bits"
step=run_machine
each_machine

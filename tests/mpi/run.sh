#!/bin/sh
# Usage: run.sh openmpi|mpich LIBRARY. Compiles libtinygrad_mpi and the programs beside this script with one
# implementation of MPI, links them with LIBRARY, a libtinygrad.a, and runs them on 1 to 7 ranks of this machine.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mpi=$1 library=$2
case $mpi in
openmpi)
    packages='openmpi-bin libopenmpi-dev' survive=--enable-recovery start='mpirun.openmpi --oversubscribe'
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    ;;
mpich) packages='mpich libmpich-dev' survive=-disable-auto-cleanup start=mpirun.mpich ;;
esac
if ! command -v "mpicc.$mpi" >/dev/null || ! command -v "mpirun.$mpi" >/dev/null; then
    echo "skipped: there is no mpicc.$mpi (Debian: $packages)"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for program in exchange training; do
    "mpicc.$mpi" -std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror \
        -I"$root/include" -I"$root/tests/support" "$root/tests/mpi/$program.c" "$root/src/mpi/mpi.c" "$library" -lm -pthread -o $program
done

# ranks N [OPTION] COMMAND...: runs the command on N ranks, and prints what it prints. The ranks must end within a
# minute.
ranks()
{
    n=$1
    shift
    timeout 60 $start -np "$n" "$@"
}

# expect TITLE: checks that the file "printed" has the lines of the standard input, in any order, among others.
expect()
{
    while IFS= read -r line; do
        grep -qxF "$line" printed || { echo "$1: there is no line '$line' in:" >&2; cat printed >&2; exit 1; }
    done
    echo "ok: $1"
}

for n in 1 2 3 4 7; do
    ranks $n ./exchange messages >printed 2>&1 || { cat printed >&2; exit 1; }
    printf '%s\n' "messages of $n ranks arrive" "lists of $n ranks agree" | expect "$mpi, $n ranks: messages and lists"
done
for n in 1 2 3 4 7; do
    ranks $n ./training >printed 2>&1 || { cat printed >&2; exit 1; }
    echo "$n ranks train as one" | expect "$mpi, $n ranks: hashes of training runs"
done
for program in rows digits_ranks; do
    mpicc.$mpi -std=c11 -O1 -DEXAMPLES_MPI -DEXAMPLES_DATA="\"$root/examples/data\"" -I"$root/include" \
        "$root/examples/$program.c" "$root"/examples/common/*.c "$root/src/mpi/mpi.c" "$library" -lm -pthread \
        -o $program
done
for command in './rows 300000' ./digits_ranks; do
    ranks 1 $command >alone 2>/dev/null
    ranks 4 $command >printed 2>/dev/null
    cmp alone printed
    echo "ok: $mpi: $command prints the same on 1 and on 4 ranks"
done
ranks 1 ./exchange before >printed 2>&1
echo 'MPI is not initialised: call MPI_Init first' | expect "$mpi: a call before MPI_Init"
ranks 1 ./exchange times >printed 2>&1
[ "$(grep -cxF 'the timeout of mpi_open is not a positive number of seconds' printed)" -eq 5 ] || { cat printed >&2; exit 1; }
echo "ok: $mpi: times that are no numbers of seconds"
for way in late dead; do
    rm -f failed.*
    ranks 4 $survive ./exchange $way >printed 2>&1 || true # mpirun tells of ranks that end without MPI_Finalize
    printf 'rank %s: an error in time\n' 0 2 3 | expect "$mpi: a rank is $way"
done

#!/bin/sh
# Usage: hosts.sh LIBRARY. Trains on ranks of two hosts: network namespaces of this machine, which only a
# virtual cable connects. The ranks must find the bits that one process finds. Needs root.
# Open MPI runs them. MPICH does not: its transport, UCX, often finds no way between two namespaces of one machine.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
library=$1 prefix=tinygrad$$- first=10.77.0.1 second=10.77.0.2

skip()
{
    echo "skipped: $1"
    exit 77
}

for tool in mpicc.openmpi mpirun.openmpi ip unshare; do
    command -v "$tool" >/dev/null || skip "there is no $tool (Debian: openmpi-bin, libopenmpi-dev, iproute2, util-linux)"
done
work=$(mktemp -d)
trap 'for host in $first $second; do ip netns delete "$prefix$host" 2>/dev/null || true; done; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
for host in $first $second; do
    ip netns add "$prefix$host" 2>/dev/null || skip 'network namespaces cannot be made here; root can on most machines'
done
ip link add cable1 netns "$prefix$first" type veth peer name cable2 netns "$prefix$second" 2>/dev/null ||
    skip 'there are no virtual cables (veth) here'
for n in 1 2; do
    ip -n "${prefix}10.77.0.$n" address add "10.77.0.$n/24" dev cable$n
    ip -n "${prefix}10.77.0.$n" link set cable$n up
    ip -n "${prefix}10.77.0.$n" link set lo up
done

# The system connects the ends of a cable some time after both are up.
tries=0
until ip -n "$prefix$first" link show cable1 | grep -q 'state UP' && ip -n "$prefix$second" link show cable2 | grep -q 'state UP'
do
    tries=$((tries + 1))
    [ $tries -lt 1000 ] || skip 'the cable between the hosts is never connected'
done

# on [OPTION...] HOST COMMAND: runs the command on a host. mpirun starts its daemons by it, with options of ssh.
cat >"$work/on" <<END
#!/bin/sh
while case \$1 in -*) true ;; *) false ;; esac; do shift; done
host=\$1
shift
exec ip netns exec "$prefix\$host" unshare --uts sh -c "hostname \$host; \$*"
END
chmod +x "$work/on"

# Memory that ranks of one machine share would bypass the cable.
network=10.77.0.0/24
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
start="mpirun.openmpi --mca plm_rsh_agent $work/on --mca oob_tcp_if_include $network --mca btl tcp,self \
    --mca btl_tcp_if_include $network --host $first:2,$second:2"
mpicc.openmpi -std=c11 -O1 -I"$root/include" -I"$root/tests/support" "$root/tests/mpi/training.c" \
    "$root/src/mpi/mpi.c" "$library" -lm -pthread -o "$work/training"
timeout 100 "$work/on" $first "$start -np 4 $work/training" >"$work/printed" 2>&1 || { cat "$work/printed" >&2; exit 1; }
grep -qxF '4 ranks train as one' "$work/printed" || { cat "$work/printed" >&2; exit 1; }
bytes=$("$work/on" $second cat /sys/class/net/cable2/statistics/rx_bytes)
[ "$bytes" -gt 1000000 ] || { echo "only $bytes bytes have gone through the cable" >&2; exit 1; }
echo "ok: 4 ranks on two hosts train as one, and $bytes bytes go through the cable"

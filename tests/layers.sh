#!/bin/sh
# Usage: layers.sh SOURCE OBJECTS. Calls between the folders of src go one way. This fails, and names
# both files, where an include or an unresolved symbol of an object file points another way. OBJECTS
# is a file with the paths of all object files of the library.
set -eu
export LC_ALL=C

# Each folder, and the folders that it may use.
layers='
kernels
context   kernels
tensor    context kernels
ops       tensor context kernels
random    state tensor context kernels
state     ops tensor context kernels
io        state ops tensor context kernels
linalg    ops tensor context kernels
autograd  ops tensor context kernels
nn        autograd linalg random state ops tensor context kernels
rows      nn autograd io state ops tensor context kernels
optim     nn autograd state ops tensor context kernels
data      random state ops tensor context
export    nn state ops tensor context kernels
mpi
'

cd "$1"
{
    echo "$layers" | awk 'NF { print "layer", $0 }'
    find src -name '*.c' | sed 's/\(.*\)\/\(.*\)/file \1 \2/'
    grep -n '^#include "\.\./' $(find src -name '*.[ch]' -o -name '*.inc' -o -name '*.def') |
        sed 's/^\([^:]*\):[0-9]*:#include "\.\.\/\([^"]*\)".*/include \1 src\/\2/'
    xargs nm -A -g < "$2" | sed 's/^.*\.dir\/[./]*\(src\/[^:]*\)\.o\(bj\)*:/symbol \1 /'
} | awk '
function folder(file,    parts) { split(file, parts, "/"); return parts[2] }
function check(from, to, what) {
    if (folder(from) == folder(to) || (folder(from), folder(to)) in may) return
    print from " may not use " to ": " what
    failed = 1
}
$1 == "file" { if (name[$3]++) { print "two files are called " $3 ": their object files cannot lie side by side"; failed = 1 } }
$1 == "layer" { for (i = 3; i <= NF; i++) may[$2, $i] }
$1 == "include" { check($2, $3, "an include") }
$1 == "symbol" && $(NF - 1) == "U" { needs[++n] = $2 " " $NF }
$1 == "symbol" && $(NF - 1) ~ /^[A-TV-Z]$/ { home[$NF] = $2; symbols++ }
END {
    for (i = 1; i <= n; i++) {
        split(needs[i], need, " ")
        if (need[2] in home) check(need[1], home[need[2]], need[2])
    }
    if (!symbols) { print "no symbols were found"; failed = 1 }
    exit failed
}'

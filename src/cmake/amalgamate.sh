#!/bin/sh
# Usage: amalgamate.sh DIRECTORY. Writes the whole library to tinygrad.h and tinygrad.c there.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(cd "$1" && pwd)

# Puts the project's own files in the place of the #include lines that name them: a header once, a
# .inc or .def as often as it is asked for, all of "public", if set, as one header of that name.
inline='
function directory(file) { sub(/[^\/]*$/, "", file); return file }

function find(name, from,    i, n, path, places) {
    n = split(from " src/ include/", places, " ")
    for (i = 1; i <= n; i++) {
        path = places[i] name
        while (sub(/[^\/]+\/\.\.\//, "", path)) {}
        if (known[path]) return path
    }
    return ""
}

function emit(file,    line, name, path) {
    if (file ~ /\.h$/ && seen[file]++) return
    while ((getline line < file) > 0) {
        path = ""
        if (line ~ /^[ \t]*#[ \t]*include[ \t]*["<]/) {
            name = line
            gsub(/^[^"<]*["<]|[">].*$/, "", name)
            path = find(name, directory(file))
        }
        if (path == "") print line
        else if (path ~ /^include\// && public == "") emit(path)
        else if (path !~ /^include\//) emit(path)
        else if (!seen[public]++) print "#include \"" public "\""
    }
    close(file)
}

BEGIN {
    for (i = 1; i < ARGC; i++) known[ARGV[i]] = 1
    for (i = 1; i < ARGC; i++) if (ARGV[i] ~ roots) emit(ARGV[i])
}'

cd "$root"
licence()
{
    echo '/* libtinygrad, the whole library in two files: tinygrad.h and tinygrad.c.'
    echo ' *'
    sed 's/^/ * /; s/ *$//' LICENSE
    echo ' */'
}

files=$(find include src -name '*.[ch]' -o -name '*.inc' -o -name '*.def' | sort)
{
    licence
    awk -v roots='^include/tinygrad[.]h$' "$inline" $files
} > "$out/tinygrad.h"
{
    licence
    echo '#define _DEFAULT_SOURCE 1' # before any header, for what some of the files need
    awk -v roots='[.]c$' -v public=tinygrad.h "$inline" $files
} > "$out/tinygrad.c"

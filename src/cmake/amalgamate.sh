#!/bin/sh
# Usage: amalgamate.sh DIRECTORY. Writes the whole library to two files in DIRECTORY: tinygrad.h has the
# public headers, and tinygrad.c all sources.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(cd "$1" && pwd)

# An awk program. It replaces each #include line that names a file of the project by the text of that
# file: a header only the first time, a .inc or .def each time. If the variable "public" is set, all
# public headers are replaced by one #include of the header that it names.
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

files=$(find include src ! -path 'src/mpi/*' \( -name '*.[ch]' -o -name '*.inc' -o -name '*.def' \) | sort)
{
    licence
    awk -v roots='^include/tinygrad[.]h$' "$inline" $files
} > "$out/tinygrad.h"
{
    licence
    echo '#define _DEFAULT_SOURCE 1' # some files need these, before any header
    echo '#define _FILE_OFFSET_BITS 64'
    awk -v roots='[.]c$' -v public=tinygrad.h "$inline" $files
} > "$out/tinygrad.c"

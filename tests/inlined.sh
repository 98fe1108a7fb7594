#!/bin/sh
# inlined.sh SOURCES LIST: no function that is always inlined is passed to another one by its address. gcc -O1
# refuses to compile a call through the address, as it does not know the function yet when it inlines.
set -eu
cd "$1"
grep -rhoE '^TG_INLINE [^(]*\(' --include='*.c' . | sed 's/($//; s/.*[ *]//' | sort -u > "$2"
status=0
while read -r name; do
    grep -rnE "[(,] *$name *[,)]" --include='*.c' . && status=1
done < "$2"
rm -f "$2"
exit $status

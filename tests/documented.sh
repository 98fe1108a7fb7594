#!/bin/sh
# Usage: documented.sh DIRECTORY. Every function, type and TG_ macro in the headers there has a
# comment of its own, which ends on the line above: that is the comment an editor shows. A heading,
# which begins with "/* ----", is none. Members of structs and enums have one above or beside them.
set -eu
find "$1" -name '*.h' -exec awk '
function need(has_comment) {
    seen++
    if (has_comment) return
    printf "%s:%d: no comment of its own: %s\n", FILENAME, FNR, $0
    missing++
}
FNR == 1 { ends = -1; body = inside = unfinished = 0 }

# A comment that is neither a heading nor beside a member can be that of the next line.
inside && /\*\/$/ { inside = 0; if (!other) ends = FNR; next }
inside { next }
/^ *\/\*/ { other = /^\/\* ----/; inside = !/\*\/$/; if (!inside && !other) ends = FNR; next }

/^#define TG_SET[0-9]/ { next } # twelve of one kind, whose first has a comment
/^(TG_API|typedef|enum|struct tg_|#define TG_)/ { need(ends == FNR - 1) }

/^[}]/ { body = 0 }
body && !unfinished { need(ends == FNR - 1 || /\/\*/) }
body { unfinished = body == "struct" && !/;/ }
body && /\/\*/ { other = 1; inside = !/\*\/$/ }
/^(typedef )?struct tg_.*[{]$/ { body = "struct" }
/^(typedef )?enum.*[{]$/ { body = "enum" }

END { if (missing || !seen) { printf "%d of %d have no comment\n", missing, seen; exit 1 } }
' {} +

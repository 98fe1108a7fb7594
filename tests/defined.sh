#!/bin/sh
# Usage: defined.sh SOURCE. Every function that a public header declares has a definition which ctags
# finds, and with it an editor, grep and a debugger: none is made by a macro that pastes its name.
set -eu
export LC_ALL=C
cd "$1"
if ! ctags --version 2>/dev/null | grep -q '^Universal Ctags'; then
    echo 'This test needs Universal Ctags (Debian: universal-ctags)'
    exit 1
fi
{
    ctags -x --languages=C --kinds-C=f -R src | awk '{ print "defined", $1 }'
    grep -rh '^TG_API' include | sed 's/^TG_API [^(]*\(tg_[a-z0-9_]*\)(.*/declared \1/'
} | awk '
$1 == "defined" { defined[$2] }
$1 == "declared" { declared++ }
$1 == "declared" && !($2 in defined) { print "ctags finds no definition of " $2; failed = 1 }
$1 == "TG_API" { print "this declaration was not understood: " $0; failed = 1 }
END {
    if (!declared) { print "no declarations were found"; failed = 1 }
    exit failed
}'

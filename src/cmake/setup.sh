# Functions for the scripts that build the project, which source this file. They set "root" to the top
# of the source tree.

# need PACKAGE COMMAND: notes that PACKAGE has to be installed if COMMAND fails.
missing=
need()
{
    sh -c "$2" >/dev/null 2>&1 || missing="$missing $1"
}

# has_header NAME: prints a command that fails if C programs cannot include <NAME>.
has_header()
{
    echo "echo '#include <$1>' | cc -E -"
}

# Installs the packages that "need" has noted, with Debian's apt-get.
install_missing()
{
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "These packages are missing, and only root can install them:$missing" >&2
        echo "On Debian: sudo apt-get install$missing" >&2
        exit 1
    fi
    echo "Installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

need_compiler()
{
    need gcc 'command -v cc'
    need libc6-dev "$(has_header math.h)"
    need cmake 'command -v cmake'
    need make 'command -v make'
}

# Reads the output of make, and prints how much of the build is done at every ten per cent.
show_progress()
{
    next=0
    while IFS= read -r line; do
        percent=${line#[}
        case $line in
            [[]*%]*) percent=$((${percent%%%*})) ;;
            *) continue ;;
        esac
        [ $percent -ge $next ] || continue
        printf '  %d %%' $percent
        next=$((percent - percent % 10 + 10))
    done
    [ $next -eq 0 ] || echo
}

# build DIRECTORY [OPTION...]: configures with the options and builds in DIRECTORY. If that fails,
# prints the output of the tools and exits.
build()
{
    directory=$1
    shift
    mkdir -p "$directory"
    rm -f "$directory/build.failed"
    {
        { cmake -S "$root" -B "$directory" "$@" &&
            cmake --build "$directory" --parallel "$(nproc)"; } || touch "$directory/build.failed"
    } 2>&1 | tee "$directory/build.log" | show_progress
    [ ! -e "$directory/build.failed" ] || {
        cat "$directory/build.log" >&2
        echo "The build in $directory failed." >&2
        exit 1
    }
}

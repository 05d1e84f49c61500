#!/bin/sh
# Installs program, man pages and completions of this checkout, or takes them away again. The program is built here, or taken
# from a file or an archive whose checksum is right. A second run changes nothing more.
set -eu

usage() {
    cat <<'END'
usage: ./install.sh [--prefix DIR] [--from FILE [--sha256 SUM]] [--no-man] [--no-completions] [--service] [--dry-run]
       ./install.sh --uninstall [--prefix DIR] [--dry-run]

  --prefix DIR      where to (default: $PREFIX, else ~/.local)
  --from FILE       a built program, or a .tar.gz with `aimux` and perhaps `man` and `completions`; else
                    `cargo build --release` makes one
  --sha256 SUM      its checksum; else the first word of FILE.sha256
  --no-man          without man pages
  --no-completions  without completions
  --service         also the units that start it at the first connection (`aimux service install`)
  --uninstall       take away all that this script has put there, and the units; config, keys and records stay
  --dry-run         say what would be done, and do nothing
END
}

fail() {
    status=$1
    shift
    echo "install.sh: $*" >&2
    exit "$status"
}

prefix=${PREFIX:-${HOME:-}/.local}
from='' wanted='' dry=no man=yes completions=yes service=no uninstall=no
while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --from | --sha256)
            [ $# -gt 1 ] || fail 64 "$1 needs a value"
            case $1 in
                --prefix) prefix=$2 ;;
                --from) from=$2 ;;
                --sha256) wanted=$2 ;;
            esac
            shift
            ;;
        --no-man) man=no ;;
        --no-completions) completions=no ;;
        --service) service=yes ;;
        --uninstall) uninstall=yes ;;
        --dry-run) dry=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; fail 64 "unknown argument: $1" ;;
    esac
    shift
done
case $prefix in
    /*) ;;
    *) fail 64 "the prefix must be an absolute path: $prefix" ;;
esac
case $from in
    '' | /*) ;;
    *) from=$PWD/$from ;;
esac
[ -n "$from" ] || [ -z "$wanted" ] || fail 64 "--sha256 goes with --from"
[ $uninstall = no ] || [ -z "$from" ] || fail 64 "--uninstall takes no program"
cd "$(dirname "$0")"

program_to=$prefix/bin/aimux
man_to=$prefix/share/man/man1
bash_to=$prefix/share/bash-completion/completions/aimux
zsh_to=$prefix/share/zsh/site-functions/_aimux
fish_to=$prefix/share/fish/vendor_completions.d/aimux.fish

sha256() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# check FILE: ends the script unless the file's checksum is the wanted one.
check() {
    [ -f "$1" ] || fail 66 "there is no file $1"
    if [ -z "$wanted" ]; then
        [ -f "$1.sha256" ] || fail 65 "give --sha256, or put its checksum into $1.sha256"
        read -r wanted _ <"$1.sha256" || [ -n "$wanted" ] || fail 65 "$1.sha256 is empty"
    fi
    found=$(sha256 "$1")
    [ "$found" = "$wanted" ] || fail 65 "the checksum of $1 is $found, not $wanted: nothing was installed"
}

# run COMMAND…: or says so only.
run() {
    if [ $dry = yes ]; then echo "would run: $*"; else "$@"; fi
}

# put FILE TARGET MODE: copies beside and renames, so that a running aimux keeps its own file.
put() {
    [ -f "$1" ] || return 0
    run mkdir -p "$(dirname "$2")"
    run cp "$1" "$2.new"
    run chmod "$3" "$2.new"
    run mv -f "$2.new" "$2"
}

# take FILE: and the folders that it leaves empty, up to the prefix.
take() {
    [ -e "$1" ] || return 0
    run rm -f "$1"
    [ $dry = no ] || return 0
    folder=$(dirname "$1")
    while [ "$folder" != "$prefix" ] && rmdir "$folder" 2>/dev/null; do folder=$(dirname "$folder"); done
}

if [ $uninstall = yes ]; then
    if [ -x "$program_to" ]; then
        # Units of nobody's are none of ours: that is no failure.
        run "$program_to" service uninstall >/dev/null 2>&1 || echo "the units were left: $program_to service uninstall"
    fi
    for page in "$man_to/aimux.1" "$man_to"/aimux-*.1; do take "$page"; done
    for file in "$bash_to" "$zsh_to" "$fish_to" "$program_to"; do take "$file"; done
    [ $dry = yes ] || [ ! -d "$prefix" ] || rmdir "$prefix" 2>/dev/null || :
    [ $dry = no ] || exit 0
    echo "aimux is gone from $prefix; config and keys stay in ${XDG_CONFIG_HOME:-${HOME:-}/.config}/aimux"
    exit 0
fi

# Where pages and completions come from.
pages=.
if [ -n "$from" ]; then
    check "$from"
    program=$from
    case $from in
        *.tar.gz | *.tgz)
            unpacked=$(mktemp -d)
            trap 'rm -rf "$unpacked"' EXIT
            trap 'exit 130' INT TERM
            tar -xzf "$from" -C "$unpacked" || fail 65 "$from cannot be unpacked"
            for found in "$unpacked"/aimux "$unpacked"/*/aimux; do [ -f "$found" ] && break; done
            [ -f "$found" ] || fail 65 "there is no aimux in $from"
            program=$found
            pages=$(dirname "$found")
            ;;
    esac
else
    command -v cargo >/dev/null 2>&1 || fail 69 "cargo was not found: install Rust first (https://rustup.rs)"
    run cargo build --release --locked
    program=${CARGO_TARGET_DIR:-target}/release/aimux
    # Not built yet: it is named all the same.
    [ $dry = no ] || [ -f "$program" ] || echo "would install: $program"
fi
put "$program" "$program_to" 755
if [ $man = yes ]; then
    for page in "$pages"/man/*.1; do put "$page" "$man_to/$(basename "$page")" 644; done
fi
if [ $completions = yes ]; then
    put "$pages/completions/aimux.bash" "$bash_to" 644
    put "$pages/completions/_aimux" "$zsh_to" 644
    put "$pages/completions/aimux.fish" "$fish_to" 644
fi
[ $service = no ] || run "$program_to" service install
[ $dry = no ] || exit 0
echo "installed $("$program_to" --version) in $prefix/bin"
case ":$PATH:" in *":$prefix/bin:"*) ;; *) echo "add $prefix/bin to PATH" ;; esac

#!/bin/sh
# Installs program, man pages and completions of this checkout. The program is built here, or taken from a file whose
# checksum is right.
set -eu

usage() {
    cat <<'END'
usage: ./install.sh [--prefix DIR] [--from FILE [--sha256 SUM]] [--dry-run]

  --prefix DIR    where to (default: $PREFIX, else ~/.local)
  --from FILE     a built program; else `cargo build --release` makes one
  --sha256 SUM    its checksum; else the first word of FILE.sha256
  --dry-run       say what would be done, and do nothing
END
}

fail() {
    status=$1
    shift
    echo "install.sh: $*" >&2
    exit "$status"
}

prefix=${PREFIX:-${HOME:-}/.local}
from='' wanted='' dry=no
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
cd "$(dirname "$0")"

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

if [ -n "$from" ]; then
    check "$from"
    program=$from
else
    command -v cargo >/dev/null 2>&1 || fail 69 "cargo was not found: install Rust first (https://rustup.rs)"
    run cargo build --release --locked
    program=${CARGO_TARGET_DIR:-target}/release/aimux
    # Not built yet: it is named all the same.
    [ $dry = no ] || [ -f "$program" ] || echo "would install: $program"
fi
put "$program" "$prefix/bin/aimux" 755
for page in man/*.1; do
    put "$page" "$prefix/share/man/man1/$(basename "$page")" 644
done
put completions/aimux.bash "$prefix/share/bash-completion/completions/aimux" 644
put completions/_aimux "$prefix/share/zsh/site-functions/_aimux" 644
put completions/aimux.fish "$prefix/share/fish/vendor_completions.d/aimux.fish" 644
[ $dry = no ] || exit 0
echo "installed $("$prefix/bin/aimux" --version) in $prefix/bin"
case ":$PATH:" in *":$prefix/bin:"*) ;; *) echo "add $prefix/bin to PATH" ;; esac

#!/bin/sh
# Builds aimux from this checkout and installs program, man pages and completions under PREFIX (default: ~/.local).
#   ./install.sh            PREFIX=/usr/local ./install.sh
set -eu
cd "$(dirname "$0")"
prefix=${PREFIX:-$HOME/.local}
command -v cargo >/dev/null 2>&1 || { echo "install.sh: cargo was not found: install Rust first (https://rustup.rs)" >&2; exit 69; }
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" \
    "$prefix/share/zsh/site-functions" "$prefix/share/fish/vendor_completions.d"
# Beside and renamed: a running aimux keeps its own file.
cp "$target/release/aimux" "$prefix/bin/.aimux.new"
chmod 755 "$prefix/bin/.aimux.new"
mv -f "$prefix/bin/.aimux.new" "$prefix/bin/aimux"
for page in man/*.1; do [ ! -f "$page" ] || cp "$page" "$prefix/share/man/man1/"; done
[ ! -f completions/aimux.bash ] || cp completions/aimux.bash "$prefix/share/bash-completion/completions/aimux"
[ ! -f completions/_aimux ] || cp completions/_aimux "$prefix/share/zsh/site-functions/_aimux"
[ ! -f completions/aimux.fish ] || cp completions/aimux.fish "$prefix/share/fish/vendor_completions.d/aimux.fish"
echo "installed $("$prefix/bin/aimux" --version) in $prefix/bin"
case ":$PATH:" in *":$prefix/bin:"*) ;; *) echo "add $prefix/bin to PATH" ;; esac

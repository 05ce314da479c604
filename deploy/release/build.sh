#!/bin/sh
# Builds the static binary, the same bytes whatever the directories are called: no
# path of the builder's is in it.
#
# usage: deploy/release/build.sh [TARGET]
#   TARGET  what rustc calls the system it is for (this machine)
#
# Prints where the binary is; honours CARGO_TARGET_DIR as cargo does.
set -eu
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
top=$PWD
target=${CARGO_TARGET_DIR:-$top/target}
triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}
case $triple in
*-linux-gnu) ;;
*) echo "release: a static binary is for Linux with glibc, not for $triple" >&2; exit 1 ;;
esac

# One flag a line, so that a directory's name may have spaces. The last mapping that
# fits counts.
unit=$(printf '\037')
map() { printf '%s--remap-path-prefix=%s=%s' "$unit" "$1" "$2"; }
CARGO_ENCODED_RUSTFLAGS="-Ctarget-feature=+crt-static$(
    map "${CARGO_HOME:-$HOME/.cargo}" /cargo
    map "$top" /tailport
    map "$target" /target
)"
export CARGO_ENCODED_RUSTFLAGS
# A target of its own keeps these flags from build scripts and macros.
"$cargo" build --release --locked --bin tailport --target "$triple" >&2
echo "$target/$triple/release/tailport"

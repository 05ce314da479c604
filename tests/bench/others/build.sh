#!/bin/sh
# Builds the programs that the benchmark compares with, all on the tailscale.com that
# vendor/libtailscale has, each as a user would who strips it.
#
# usage: tests/bench/others/build.sh [OUT]
#   OUT  where they go (target/bench): tsnet-proxy, tsnet-connect, libtailscale-forward;
#        what they are made of is below OUT/crate
# environment:
#   GO, CARGO   the commands
#
# Says nothing, and does nothing where Go and cargo notice that nothing has changed.
set -eu

cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$(cd ../../.. && pwd)/target}
out=${1:-$target/bench}
go=${GO:-go}
cargo=${CARGO:-cargo}
mkdir -p "$out/crate/source"
out=$(cd "$out" && pwd)

# What every module here must agree with.
version() { sed -n 's/^.*[[:space:]]tailscale\.com \(v[0-9.]*\)$/\1/p' "$1"; }
ours=$(version ../../../vendor/libtailscale/go.mod)
for pinned in tsnet/go.mod crate/libtailscale.mod; do
    [ -n "$ours" ] && [ "$(version $pinned)" = "$ours" ] ||
        { echo "bench: $pinned has not the tailscale.com of vendor/libtailscale: $ours" >&2; exit 1; }
done

# build ARGUMENT…, in the directory of a Go module
build() { GOWORK=off CGO_ENABLED=1 "$go" build -buildvcs=false -mod=readonly -trimpath -ldflags='-s -w' "$@"; }

# Go writes a program anew every time, and somebody may be running it.
install_new() { if cmp -s "$1" "$2"; then rm "$1"; else mv "$1" "$2"; fi; }

# ---- tsnet-proxy, and its other side -----------------------------------------

(cd tsnet && build -o "$out/tsnet-proxy.new" tailscale.com/cmd/tsnet-proxy && build -o "$out/tsnet-connect.new" .)
install_new "$out/tsnet-proxy.new" "$out/tsnet-proxy"
install_new "$out/tsnet-connect.new" "$out/tsnet-connect"

# ---- the published crate -----------------------------------------------------

# Its Go code builds at this version as it is. Cargo's copy of it is not to be written to.
source=$("$cargo" metadata --quiet --locked --format-version 1 --manifest-path crate/Cargo.toml |
    sed -n 's,.*"manifest_path":"\([^"]*/libtailscale-sys-[^"/]*\)/Cargo\.toml".*,\1/libtailscale,p')
[ -f "$source/tailscale.go" ] || { echo 'bench: cargo has no Go source of libtailscale-sys' >&2; exit 1; }
cp "$source/tailscale.go" "$source/tailscale.c" "$source/tailscale.h" "$source/go.mod" "$out/crate/source/"
pinned=$PWD/crate/libtailscale.mod
(cd "$out/crate/source" && build -modfile="$pinned" -buildmode=c-archive -o "$out/crate/libtailscale.a" .)

# With the answer given, the crate's build script is not run. Cargo does not look at the
# archive, but it does at every key.
host=$(rustc -vV | sed -n 's/^host: //p')
sum=$(cksum <"$out/crate/libtailscale.a")
cat >"$out/crate/config.toml" <<END
[target.$host.tailscale]
rustc-link-search = ["native=$out/crate"]
rustc-link-lib = ["static=tailscale"]
sum = "$sum"
END
CARGO_TARGET_DIR="$out/crate/target" "$cargo" build --quiet --locked --release --target "$host" \
    --manifest-path crate/Cargo.toml --config "$out/crate/config.toml"
cp "$out/crate/target/$host/release/libtailscale-forward" "$out/libtailscale-forward.new"
install_new "$out/libtailscale-forward.new" "$out/libtailscale-forward"

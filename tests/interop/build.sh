#!/bin/sh
# Builds the programs of others that `cargo test --test interop` runs against, at the
# versions that the go.mod beside this file pin, and installs what else those tests
# need and this machine lacks. Packages with a service in them are only unpacked.
#
# usage: tests/interop/build.sh [OUT]
#   OUT  where headscale, derper, tailscaled and tailscale go, and below root/ what
#        is unpacked (target/interop)
#
# PAGE=1 unpacks Chromium too. Go notices when there is nothing to do. Installing takes apt and root, as the tests
# themselves do.
set -eu

cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$(cd ../.. && pwd)/target}
out=${1:-$target/interop}
go=${GO:-go}

have() { (PATH="$PATH:/usr/sbin:/sbin" && command -v "$1" >/dev/null 2>&1); }

# ---- packages ----------------------------------------------------------------

missing=''
# need PROGRAM PACKAGE
need() { have "$1" || missing="$missing $2"; }
need ip iproute2
need iptables iptables
need nsenter util-linux
need ssh openssh-client
need sshd openssh-server
need Xvfb xvfb
need xterm xterm
need import imagemagick
need freerdp-shadow-cli freerdp2-shadow-x11
need xfreerdp freerdp2-x11
if [ -n "$missing" ]; then
    have apt-get || { echo "interop: install$missing" >&2; exit 1; }
    echo "interop: installing$missing" >&2
    apt-get update -qq >&2 || echo 'interop: going on with the lists that are there' >&2
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >&2
fi

root=$out/root
. ../unpack.sh
lists prometheus
unpack prometheus
# shellcheck disable=SC2046 # lists of packages
unpack haproxy $(lacking haproxy)
# shellcheck disable=SC2046
unpack netcat-openbsd $(lacking netcat-openbsd)
# The browser is large, and one test's.
# shellcheck disable=SC2046
[ -z "${PAGE:-}" ] || unpack chromium chromium-common $(lacking chromium)

# ---- programs ----------------------------------------------------------------

# What tailport's own archive leaves out stays out here too, but for the parts that make
# a daemon of it.
omitted=$(sed -n '/^const OMITTED/,/^];/s/^ *"\([a-z0-9_]*\)",$/,ts_omit_\1/p' ../../vendor/build/archive.rs |
    grep -v '_\(iptables\|osrouter\|outboundproxy\|unixsocketidentity\)$' | tr -d '\n')
[ -n "$omitted" ] || { echo 'interop: no OMITTED in vendor/build/archive.rs' >&2; exit 1; }

# build MODULE ARGUMENTS…
build() {
    start=$(date +%s)
    (cd "$1" && shift && GOWORK=off CGO_ENABLED=1 nice "$go" build -trimpath -buildvcs=false \
        -mod=readonly -ldflags='-s -w' -o "$out/" "$@")
    echo "interop: tests/interop/$1 built in $(($(date +%s) - start)) s" >&2
}

mkdir -p "$out"
build tailscale -tags="netgo,osusergo$omitted" \
    tailscale.com/cmd/tailscaled tailscale.com/cmd/tailscale tailscale.com/cmd/derper
build headscale github.com/juanfont/headscale/cmd/headscale

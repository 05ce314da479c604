#!/bin/sh
# Builds libtailscale.a of what the program's own is made of, and installs it with its
# header and a pkg-config file.
#
# usage: vendor/libtailscale/install.sh OUT
#   OUT  where it is built
# environment:
#   PREFIX   where it is installed (/usr/local)
#   DESTDIR  what comes before that while it is installed, for packages
#   SHARED   1: libtailscale.so too, for programs that load libraries
#   GO, CC   the Go command and the C compiler
set -eu

[ $# = 1 ] || { echo 'usage: vendor/libtailscale/install.sh OUT' >&2; exit 64; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
prefix=${PREFIX:-/usr/local}
cc=${CC:-cc}

# The parts that are left out, and the version, are the program's.
omitted=$(sed -n '/^const OMITTED/,/^];/s/^ *"\([a-z0-9_]*\)",$/,ts_omit_\1/p' ../build/archive.rs | tr -d '\n')
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' ../../Cargo.toml)
[ -n "$omitted" ] || { echo 'libtailscale: no OMITTED in vendor/build/archive.rs' >&2; exit 1; }
[ -n "$version" ] || { echo 'libtailscale: no version in Cargo.toml' >&2; exit 1; }

if [ "$(uname)" = Darwin ]; then
    libraries='-framework CoreFoundation -framework Security -framework IOKit -lresolv'
    shared=libtailscale.dylib
    whole="-Wl,-force_load,$out/libtailscale.a"
else
    libraries=-lpthread
    shared=libtailscale.so
    # Go's runtime cannot be unloaded.
    whole="-Wl,-soname,$shared -Wl,-z,nodelete -Wl,--whole-archive $out/libtailscale.a -Wl,--no-whole-archive"
fi

GOWORK=off CGO_ENABLED=1 CC=$cc "${GO:-go}" build -buildmode=c-archive -trimpath -buildvcs=false \
    -mod=readonly -ldflags='-s -w' -tags="netgo,osusergo$omitted" -o "$out/libtailscale.a" .
cat >"$out/libtailscale.pc" <<END
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: libtailscale
Description: A Tailscale node in a library
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -ltailscale $libraries
END

to=${DESTDIR:-}$prefix
mkdir -p "$to/lib/pkgconfig" "$to/include"
install -m 644 "$out/libtailscale.a" "$to/lib/"
install -m 644 tailscale.h "$to/include/"
install -m 644 "$out/libtailscale.pc" "$to/lib/pkgconfig/"
if [ "${SHARED:-}" = 1 ]; then
    # The archive's code can stand at any address, as a shared library's must.
    # shellcheck disable=SC2086 # lists of options
    $cc -shared -o "$out/$shared" $whole $libraries
    install -m 755 "$out/$shared" "$to/lib/"
fi
echo "libtailscale: installed below $to" >&2

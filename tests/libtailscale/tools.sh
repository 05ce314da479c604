#!/bin/sh
# Unpacks what the tests of the C library need and this machine lacks, without
# installing it: pkg-config and Python. Says where programs and libraries are.
#
# usage: tests/libtailscale/tools.sh OUT
#   OUT  where packages go
set -eu

out=$1
have_pkg_config() { pkg-config --version >/dev/null 2>&1; }
have_python() { python3 -c 'import ctypes' >/dev/null 2>&1; }

# unpack PACKAGE: with the packages that it needs and that are not there
unpack() {
    command -v apt-get >/dev/null || { echo "libtailscale: install $1" >&2; exit 1; }
    [ ! -e "$out/.$1" ] || return 0
    apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq >&2 || true
    packages=$(apt-get -s -qq --no-install-recommends install "$1" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    scratch=$(mktemp -d)
    mkdir -p "$out"
    (
        # shellcheck disable=SC2086 # a list of packages
        cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root download $packages >&2 || exit
        for package in ./*.deb; do dpkg -x "$package" "$out" || exit; done
    ) || { rm -rf "$scratch"; echo "libtailscale: unpacking $1: failed" >&2; exit 1; }
    rm -rf "$scratch"
    : >"$out/.$1"
}

have_pkg_config || unpack pkgconf
have_python || unpack python3

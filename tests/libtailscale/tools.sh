#!/bin/sh
# Unpacks what the tests of the C library need and this machine lacks, without
# installing it: pkg-config and Python. Says where programs and libraries are.
#
# usage: tests/libtailscale/tools.sh OUT
#   OUT  where packages go
set -eu

root=$1
. tests/unpack.sh
have_pkg_config() { pkg-config --version >/dev/null 2>&1; }
have_python() { python3 -c 'import ctypes' >/dev/null 2>&1; }

# whole PACKAGE: with the packages that it needs and that are not there
whole() {
    lists "$1"
    # shellcheck disable=SC2046 # a list of packages
    unpack "$1" $(apt-get -s -qq --no-install-recommends install "$1" | sed -n "s/^Inst \([^ ]*\) .*/\1/p" | grep -vx "$1")
}

have_pkg_config || whole pkgconf
have_python || whole python3

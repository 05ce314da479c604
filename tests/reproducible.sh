#!/bin/sh
# Two releases of the last commit, made in two directories whose names differ in
# length, are the same bytes. Takes two whole release builds.
#
# usage: tests/reproducible.sh
set -eu
cd "$(dirname "$0")/.."
top=$PWD
# Built once: it is no part of what is compared.
RELEASE_TOOLS=${CARGO_TARGET_DIR:-$top/target}/tools
export RELEASE_TOOLS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for folder in a another/directory; do
    began=$(date +%s)
    git clone --quiet "$top" "$work/$folder/tailport"
    (
        cd "$work/$folder/tailport"
        CARGO_TARGET_DIR=$work/$folder/out deploy/release/release.sh "$work/$folder/dist"
    )
    # One build at a time is enough for the disk.
    rm -rf "$work/$folder/out" "$work/$folder/tailport"
    echo "reproducible: a release in $(($(date +%s) - began)) s"
done

if ! diff "$work/a/dist/SHA256SUMS" "$work/another/directory/dist/SHA256SUMS"; then
    echo 'reproducible: FAILED: two builds differ' >&2
    exit 1
fi
(cd "$work/a/dist" && sha256sum --check --quiet SHA256SUMS)
echo 'reproducible: the same bytes twice:'
cat "$work/a/dist/SHA256SUMS"

#!/bin/sh
# Runs the limits suite: as the user who calls it, and when that is root a second
# time as a user without privileges, who has a lower limit of descriptors and may
# not lift it.
#
# usage: tests/limits.sh [FILTER]
#
# Figures go to stdout. What needs a control group runs only for root.
set -eu
cd "$(dirname "$0")/.."
filter=${1:-}

rights=''
[ "$(id -u)" -ne 0 ] || rights=--include-ignored
"${CARGO:-cargo}" test --locked --test limits -- --nocapture --test-threads=1 $rights $filter
[ "$(id -u)" -eq 0 ] || exit 0

# The other user can neither build nor look into root's directories: everything is
# put into one of his own.
target=${CARGO_TARGET_DIR:-target}
suite=$("${CARGO:-cargo}" test --locked --test limits --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"limits".*"executable":"\([^"]*\)".*/\1/p')
nobody=65534
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
cp "$suite" "$own/limits"
cp "$target/debug/tailport" "$target/tmp/tailnet" "$target/tmp/peer" "$own"
chown -R "$nobody:$nobody" "$own"
echo "limits: once more as user $nobody, with ${LIMITS_DESCRIPTORS:=4096} descriptors"
cd "$own"
ulimit -n "$LIMITS_DESCRIPTORS"
env -i PATH="$PATH" TMPDIR="$own" TAILPORT_TEST_PROGRAMS="$own" \
    setpriv --reuid="$nobody" --regid="$nobody" --clear-groups --no-new-privs \
    "$own/limits" --nocapture --test-threads=1 $filter

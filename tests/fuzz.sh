#!/bin/sh
# Bad input at scale, in its long form: at least a million cases in a few minutes.
#
#   tests/fuzz.sh                     100,000 cases of every cheap property
#   FUZZ_CASES=1000000 tests/fuzz.sh  as many as asked for
#   FUZZ_GO=2m tests/fuzz.sh          and every target under Go's own coverage-guided
#                                     fuzzing, so long each; Go compiles the whole
#                                     library anew for that, which takes minutes
#
# The short form of the same properties is part of the ordinary tests.
set -eu
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
go=${GO:-go}
FUZZ_CASES=${FUZZ_CASES:-100000}
export FUZZ_CASES
least=1000000

log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$(date +%s)

# Runs a command and keeps what it says of its cases; the command's failure ends all.
try() {
    echo "==> $*"
    { "$@" && echo "fuzz: passed"; } 2>&1 | tee -a "$log" | grep -v '^test \|^running \|^=== \|^ *--- PASS' || true
    [ "$(tail -n 1 "$log")" = "fuzz: passed" ] || { echo "fuzz: FAILED: $*" >&2; exit 1; }
}

try "$cargo" test --locked --test fuzz -- --nocapture
try "$cargo" test --locked --lib tailnet::mailbox::fuzz -- --nocapture
try "$cargo" test --locked --test seam_c -- --nocapture
cd vendor/libtailscale
try env GOWORK=off "$go" test -count=1 -timeout 20m -run '^TestBadInputAtScale$' -v .
if [ -n "${FUZZ_GO:-}" ]; then
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' fuzz_test.go); do
        try env GOWORK=off "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZ_GO" .
    done
fi

cases=$(sed -n 's/^.*fuzz: .*: \([0-9]*\) cases$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
echo "fuzz: $cases cases in $(($(date +%s) - began)) s, nothing found"
if [ "$FUZZ_CASES" -ge 100000 ] && [ "$cases" -lt "$least" ]; then
    echo "fuzz: fewer than $least: a property does not say how often it was tried" >&2
    exit 1
fi

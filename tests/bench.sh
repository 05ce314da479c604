#!/bin/sh
# Measures the program beside others that do the same, which it builds or unpacks first.
#
# usage: tests/bench.sh PROGRAM [ARGUMENT…]
#   PROGRAM    the tailport that is measured
#   ARGUMENT…  what `cargo bench --bench bench -- --help` lists
#   BEFORE     in the environment: another build of it, which has its turns at expose and
#              connect as well, for what a change gave
#
# What is built goes below target/bench, the results into its directory results.
set -eu
program=$(realpath "$1")
shift
BEFORE=${BEFORE:+$(realpath "$BEFORE")}
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

tests/bench/others/build.sh

# Without HAProxy the others are measured.
(
    root=$target/interop/root
    . tests/unpack.sh
    lists haproxy
    # shellcheck disable=SC2046 # a list of packages
    unpack haproxy $(lacking haproxy)
) || echo 'bench: going on without HAProxy' >&2

# All that the tests' helpers start is taken from here: the program is the one that is
# shipped, and not cargo's own build of it.
programs=$target/bench/programs
mkdir -p "$programs"
for module in tailnet peer; do
    (cd tests/$module && GOWORK=off "${GO:-go}" build -o "$programs/$module" .)
done
cp "$program" "$programs/tailport"
rm -f "$programs/before"
if [ -n "${BEFORE:-}" ]; then cp "$BEFORE" "$programs/before"; fi

TAILPORT_TEST_PROGRAMS=$programs "${CARGO:-cargo}" bench --locked --bench bench -- "$@"

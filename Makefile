# What there is to do with this repository. Every test step is a target of its own.
#
#   make demo           two nodes on a private tailnet, on this machine alone
#   make demo KEEP=1    the same, left up until Ctrl-C
#   make test           everything from nothing, quick steps first
#   make interop        the program against other software, in network namespaces (root)
#   make limits         ten thousand connections, storms, memory: figures and bounds
#   make fuzz           a million bad inputs
#   make bench          speed and cost beside other programs, to target/bench/results;
#                       a part of it: make bench BENCH='expose --rounds 2'; beside
#                       another build: make bench BEFORE=PROGRAM BENCH='expose --only bulk:8'
#   make build          target/release/tailport
#   make static         the same without a library beside it, for any Linux of this processor
#   make release        target/dist: tarball, Debian package, bill of materials, checksums
#   make image          the container image, and containers of it on a private tailnet (root)
#   make package        make release, and what comes out of it installed and purged (root)
#   make reproducible   two static builds in two directories are the same bytes
#   make libtailscale   the node as a C library, to PREFIX; SHARED=1: for loading too
#   make deny           licences and duplicates of the Rust dependencies (cargo-deny)
#   make setup          installs what is missing, says nothing when all is there

SHELL := bash
.DEFAULT_GOAL := help

# Where the installers of Rust and Go put them, for a shell that has not noticed yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin:/usr/local/go/bin
GO ?= go
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
SLOW_FIRST := echo 'Building. The Go half takes some minutes the first time and says nothing meanwhile.'

# ---- the demo ----------------------------------------------------------------

.PHONY: help demo build setup
help:
	@sed -n 's/^#   //p' Makefile

setup:
	@tests/setup.sh test

build:
	@tests/setup.sh build
	@$(SLOW_FIRST)
	$(CARGO) build --release --locked

# Another target that is installed: make static STATIC=aarch64-unknown-linux-gnu
STATIC ?= $(shell uname -m)-unknown-linux-gnu
.PHONY: static rootfs image
static:
	@tests/setup.sh build
	@$(SLOW_FIRST)
	@deploy/release/build.sh '$(STATIC)'

# What the image is made of, here or in the first stage of its Containerfile: its root,
# and beside it the directory that is to belong to its user.
ROOTFS := $(TARGET_DIR)/container
rootfs: static
	rm -rf '$(ROOTFS)/image' '$(ROOTFS)/state'
	install -D -m 755 '$(TARGET_DIR)/$(STATIC)/release/tailport' '$(ROOTFS)/image/usr/local/bin/tailport'
	install -D -m 644 /etc/ssl/certs/ca-certificates.crt '$(ROOTFS)/image/etc/ssl/certs/ca-certificates.crt'
	install -d -m 755 '$(ROOTFS)/image/var/lib'
	install -d -m 700 '$(ROOTFS)/state/tailport'

# Built by a podman that is only unpacked, and run by it.
image: rootfs
	sh tests/container/build.sh
	$(CARGO) test --locked --test container -- --ignored --test-threads=1

# PREFIX, DESTDIR and SHARED as the script says.
.PHONY: libtailscale
libtailscale:
	@tests/setup.sh build
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SHARED='$(SHARED)' GO='$(GO)' \
	    vendor/libtailscale/install.sh '$(TARGET_DIR)/libtailscale'

# The unoptimised build: the tests use it too, and it is there sooner.
demo:
	@tests/setup.sh build
	@$(SLOW_FIRST)
	$(CARGO) build --locked --bin tailport
	cd tests/tailnet && GOWORK=off $(GO) build -o '$(TARGET_DIR)/demo/tailnet' .
	cd tests/demo && GOWORK=off $(GO) build -o '$(TARGET_DIR)/demo/helper' .
	@KEEP='$(KEEP)' tests/demo.sh '$(TARGET_DIR)/debug/tailport' '$(TARGET_DIR)/demo/tailnet' '$(TARGET_DIR)/demo/helper'

# ---- the tests ---------------------------------------------------------------

# Integration tests, as cargo names them. The slow ones have steps of their own, and
# those against other software run under `make interop`.
SUITES := $(sort $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)) $(patsubst tests/%.rs,%,$(wildcard tests/*.rs)))
SLOW := e2e faults
QUICK := $(filter-out $(SLOW) interop limits,$(SUITES))
SLOW_HERE := $(filter $(SUITES),$(SLOW))
GO_MODULES := vendor/libtailscale deploy/release/inventory $(patsubst %/go.mod,%,$(wildcard tests/*/go.mod tests/bench/others/*/go.mod))

STEPS := setup fmt gofmt clippy unit quick e2e vet race $(filter-out e2e,$(SLOW_HERE))

.PHONY: test $(STEPS) faults
test:
	@start=$$SECONDS; for step in $(STEPS); do \
	    printf '\n==> make %s\n' $$step; began=$$SECONDS; \
	    $(MAKE) --no-print-directory $$step || { printf '\nmake test: FAILED in the step "make %s"\n' $$step >&2; exit 1; }; \
	    printf '<== make %s: %d s\n' $$step $$((SECONDS - began)); \
	done; printf '\nmake test: all steps passed in %d s: %s\n' $$((SECONDS - start)) '$(STEPS)'

fmt:
	$(CARGO) fmt --check

gofmt:
	@for module in $(GO_MODULES); do \
	    unformatted=$$(gofmt -l $$module) || exit 1; \
	    [ -z "$$unformatted" ] || { printf 'gofmt would change:\n%s\n' "$$unformatted" >&2; exit 1; }; \
	done; echo 'gofmt: $(GO_MODULES)'

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

unit:
	$(CARGO) test --locked --lib --bins

quick:
	$(CARGO) test --locked $(QUICK:%=--test %)
	$(CARGO) test --locked --doc

e2e:
	$(CARGO) test --locked --test e2e

faults:
	$(CARGO) test --locked --test $@

# With -race, what vet compiles is what the next step needs.
vet:
	@for module in $(GO_MODULES); do \
	    echo "go vet: $$module"; (cd $$module && GOWORK=off $(GO) vet -race ./...) || exit 1; \
	done

race:
	@for module in $(GO_MODULES); do \
	    echo "go test -race: $$module"; (cd $$module && GOWORK=off $(GO) test -race -count=1 -timeout 20m ./...) || exit 1; \
	done

# What the tests cannot do as anybody or in a minute; the scripts build what they need.
.PHONY: interop page limits fuzz
interop:
	@tests/setup.sh test
	sh tests/interop/build.sh
	$(CARGO) test --locked $(patsubst %,--test %,$(filter interop faults kubernetes snippets,$(SUITES))) -- --ignored --test-threads=1 --skip page::

# The status page in Debian's Chromium, which is unpacked below target/ (400 MB).
page:
	@tests/setup.sh test
	PAGE=1 sh tests/interop/build.sh
	$(CARGO) test --locked --test interop -- --ignored page::

# Bounds of time and memory hold on a machine that does nothing else: run it by itself.
limits:
	@tests/setup.sh test
	sh tests/limits.sh

fuzz:
	sh tests/fuzz.sh

# What is shipped, beside others. It too wants a machine that does nothing else.
.PHONY: bench
bench: static
	BEFORE='$(BEFORE)' tests/bench.sh '$(TARGET_DIR)/$(STATIC)/release/tailport' $(BENCH)

# ---- what is shipped ---------------------------------------------------------

.PHONY: release package reproducible
release:
	@tests/setup.sh build
	@$(SLOW_FIRST)
	deploy/release/release.sh

package: release
	tests/package.sh '$(TARGET_DIR)/dist'

reproducible:
	@tests/setup.sh build
	tests/reproducible.sh

.PHONY: deny
deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'make deny: cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	$(CARGO) deny --locked check bans licenses sources

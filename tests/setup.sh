#!/bin/sh
# Installs what the build, the demo and the tests need and this machine lacks.
#
# usage: tests/setup.sh [build|test]
#   build  a C compiler, libclang, Go, Rust, and an OpenSSH client and server
#   test   rustfmt and clippy as well (the default)
#
# Everything there: it says nothing, changes nothing and ends with 0. Otherwise it
# installs with apt, as root or through a sudo that asks nothing; on other systems
# and for what apt cannot give, it prints what to run and ends with 1. It never
# asks a question.
set -eu

what=${1:-test}
cd "$(dirname "$0")/.."

want_go=$(sed -n 's/^go //p' vendor/libtailscale/go.mod)
want_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
go=${GO:-go}
asked='' # the lines that a person has to run

say() { printf 'setup: %s\n' "$*" >&2; }
ask() { asked="$asked
    $*"; }
have() { command -v "$1" >/dev/null 2>&1; }
found() { ls "$@" 2>/dev/null | grep -q .; }

# at_least FOUND WANTED: compares versions such as 1.26.6.
at_least() {
    awk -v found="$1" -v wanted="$2" 'BEGIN {
        n = split(found, f, "."); m = split(wanted, w, ".")
        for (i = 1; i <= (n > m ? n : m); i++) {
            if (f[i] + 0 != w[i] + 0) exit(f[i] + 0 < w[i] + 0)
        }
    }'
}

# ---- what is there -----------------------------------------------------------

compiler_there() {
    # Compiled and linked: a compiler without the C library's headers is no use.
    probe=$(mktemp -d)
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' >"$probe/probe.c"
    code=0
    # shellcheck disable=SC2086 # CC may hold options
    ${CC:-cc} -pthread -o "$probe/probe" "$probe/probe.c" >/dev/null 2>&1 || code=1
    rm -rf "$probe"
    return $code
}

# libclang where the build looks for it, and on Linux the headers beside it.
libclang_there() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    config_dir=
    for config in llvm-config "${LLVM_CONFIG_PATH:-llvm-config}"; do
        have "$config" && config_dir=$("$config" --libdir 2>/dev/null) && break
    done
    if [ "$(uname)" = Darwin ]; then
        found "${config_dir:-/nowhere}"/libclang.dylib \
            /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
            /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/libclang.dylib \
            /usr/local/opt/llvm*/lib/libclang.dylib /opt/homebrew/opt/llvm*/lib/libclang.dylib
        return
    fi
    for dir in ${config_dir:-} /usr/lib/llvm*/lib /usr/lib64/llvm*/lib /usr/lib/*-linux-gnu \
        /usr/local/lib /usr/local/lib64 /usr/lib64 /usr/lib; do
        found "$dir"/libclang.so* "$dir"/libclang-[0-9]*.so* || continue
        found /usr/lib/llvm*/lib*/clang/*/include/stddef.h /usr/lib64/llvm*/lib*/clang/*/include/stddef.h \
            /usr/lib*/clang/*/include/stddef.h /usr/local/lib*/clang/*/include/stddef.h \
            "${config_dir:-/nowhere}"/clang/*/include/stddef.h && return 0
    done
    return 1
}

go_version() {
    # Asked inside the module, where Go changes to a newer toolchain if it may.
    (cd vendor/libtailscale && GOWORK=off "$go" env GOVERSION 2>/dev/null) | sed 's/^go//; s/[^0-9.].*//'
}
go_there() { have "$go" && at_least "$(go_version)" "$want_go"; }

rust_there() {
    have cargo && have rustc && at_least "$(rustc --version 2>/dev/null | cut -d' ' -f2)" "$want_rust"
}
rust_tools_there() { cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; }

ssh_client_there() { have ssh && have scp && have ssh-keygen; }
ssh_server_there() { (PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin" && have sshd); }
# Its package starts a login service where systemd runs: nobody gets that unasked.
ssh_server_welcome() { [ -n "${CI:-}${SETUP_SSHD:-}" ] || [ ! -d /run/systemd/system ]; }

# ---- apt ---------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

updated=
apt_update() {
    [ -z "$updated" ] || return 0
    updated=1
    as_root apt-get update -qq </dev/null >&2 || say 'apt-get update failed; going on with the lists that are there'
}

# apt_install PACKAGE…: true when it is installed afterwards.
apt_install() {
    have apt-get || return 1
    if ! as_root true 2>/dev/null; then
        ask "sudo apt-get install -y $*"
        return 0
    fi
    apt_update
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
        </dev/null >&2 || ask "apt-get install -y $*    # failed, see above"
}

# apt_version PACKAGE: the version that apt would install, without epoch and revision.
apt_version() {
    have apt-cache || return 0
    ! as_root true 2>/dev/null || apt_update
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | sed 's/^[0-9]*://; s/[-~+].*//; s/(none)//'
}

# package APT DNF PACMAN BREW: installs with apt, or says how the others do it.
package() {
    # shellcheck disable=SC2086 # lists of packages
    if have apt-get; then apt_install $1
    elif have dnf; then ask "sudo dnf install -y $2"
    elif have pacman; then ask "sudo pacman -S --needed --noconfirm $3"
    elif have brew; then ask "$4"
    else ask "with this system's package manager: $2"
    fi
}

# ---- Go and Rust -------------------------------------------------------------

install_go() {
    if have "$go"; then
        ask "Go $want_go or newer from https://go.dev/dl (here is $("$go" version 2>/dev/null | cut -d' ' -f3); GOTOOLCHAIN=auto lets it fetch a newer one itself)"
        return
    fi
    # From 1.21 on Go fetches the toolchain that go.mod asks for.
    version=$(apt_version golang-go)
    if [ -n "$version" ] && at_least "$version" 1.21; then
        apt_install golang-go ca-certificates
        have "$go" && ! go_there &&
            ask "Go $want_go or newer from https://go.dev/dl (the packaged one is older and did not fetch it)"
        return 0
    fi
    if have brew; then ask 'brew install go'
    elif have pacman; then ask 'sudo pacman -S --needed --noconfirm go'
    else ask "Go $want_go or newer from https://go.dev/dl"
    fi
}

install_rust() {
    if ! have rustup && ! have cargo; then
        if [ -n "$(apt_version rustup)" ]; then
            apt_install rustup ca-certificates
        else
            ask 'Rust from https://rustup.rs, then open a new shell'
            return
        fi
    fi
    if have rustup && ! have rustc || { have rustup && ! rustc --version >/dev/null 2>&1; }; then
        say 'installing the stable Rust toolchain'
        rustup toolchain install stable --profile minimal --component rustfmt,clippy </dev/null >&2 &&
            rustup default stable >&2
    fi
    rust_there && return
    if have rustup; then ask 'rustup update stable && rustup default stable'
    elif have cargo; then ask "Rust $want_rust or newer from https://rustup.rs (here is $(rustc --version 2>/dev/null))"
    fi
}

install_rust_tools() {
    if have rustup; then
        rustup component add rustfmt clippy </dev/null >&2 || ask 'rustup component add rustfmt clippy'
    else
        package 'rustfmt rust-clippy' 'rustfmt clippy' rust 'brew install rustup'
    fi
}

# ---- in order ----------------------------------------------------------------

install_compiler() { package 'gcc libc6-dev' 'gcc glibc-devel' gcc 'xcode-select --install'; }
install_libclang() { package libclang-dev clang-devel clang 'brew install llvm'; }
install_ssh_client() { package openssh-client openssh-clients openssh 'brew install openssh'; }
install_ssh_server() {
    if ssh_server_welcome; then
        package openssh-server openssh-server openssh 'brew install openssh'
    else
        say 'no sshd here, and installing one would start a login service on this machine;'
        say 'SETUP_SSHD=1 installs it all the same (without it, what needs sshd is left out or fails)'
    fi
}

# need CHECK INSTALL WHAT: installs what is not there, and looks again.
need() {
    if "$1"; then return 0; fi
    before=$asked
    "$2"
    if [ "$asked" = "$before" ] && ! "$1" && [ "$2" != install_ssh_server ]; then
        ask "$3: it was installed, but is not found or does not work"
    fi
}

need compiler_there install_compiler "a C compiler (${CC:-cc})"
need libclang_there install_libclang 'libclang with its headers'
need go_there install_go "Go $want_go or newer"
need rust_there install_rust "Rust $want_rust or newer"
if [ "$what" = test ] && rust_there; then
    need rust_tools_there install_rust_tools 'rustfmt and clippy'
fi
need ssh_client_there install_ssh_client 'ssh, scp and ssh-keygen'
need ssh_server_there install_ssh_server sshd

if [ -n "$asked" ]; then
    say "this is still needed:$asked"
    exit 1
fi

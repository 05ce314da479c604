# Debian packages unpacked below $root without being installed, so that no service of
# theirs is ever started. To be read by a script with `set -eu` that has set $root.

# unpack PACKAGE OTHER…: once; the first one stands for all
unpack() {
    [ ! -e "$root/.$1" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        { echo "unpack: $1 can be had on Debian alone" >&2; exit 1; }
    echo "unpacking $*" >&2
    scratch=$(mktemp -d)
    mkdir -p "$root"
    (
        cd "$scratch" || exit
        # The lists that are there may name what has been replaced since.
        download "$@" || { apt-get update -qq >&2 && download "$@"; } || exit
        for package in ./*.deb; do dpkg -x "$package" "$root" || exit; done
    ) || { rm -rf "$scratch"; echo "unpacking $*: failed" >&2; exit 1; }
    rm -rf "$scratch"
    : >"$root/.$1"
}

download() { apt-get -qq -o APT::Sandbox::User=root download "$@" >&2; }

# lacking PACKAGE: the libraries of other packages that it needs and that are not there
lacking() {
    apt-get -s -qq --no-install-recommends install "$1" 2>/dev/null | sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p'
}

# lists PACKAGE: what apt needs to know of it; without, it asks
lists() {
    apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq >&2 || true
}

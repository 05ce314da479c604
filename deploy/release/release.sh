#!/bin/sh
# Makes what is shipped: the tarball, the Debian package, the bill of materials, and
# the checksums of all three. The same commit and tools give the same bytes.
#
# usage: deploy/release/release.sh [OUT]
#   OUT  where they go (target/dist); what is there is removed
#
# Honours CARGO_TARGET_DIR, SOURCE_DATE_EPOCH (else the time of the commit) and
# RELEASE_TOOLS, where cargo-deb is or is put (target/tools).
set -eu
umask 022
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
go=${GO:-go}
target=${CARGO_TARGET_DIR:-$PWD/target}
out=${1:-$target/dist}
cargo_deb=3.8.0

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
triple=$(rustc -vV | sed -n 's/^host: //p')
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC

# ---- the program, and what it says of itself ---------------------------------

binary=$(deploy/release/build.sh)
# Where [package.metadata.deb] looks for it, as target/release/package.
made=$target/$triple/release/package
rm -rf "$made"
mkdir -p "$made/completions/bash" "$made/systemd" "$made/doc"
"$binary" man >"$made/tailport.1"
"$binary" completions bash >"$made/completions/bash/tailport"
"$binary" completions zsh >"$made/completions/_tailport"
"$binary" completions fish >"$made/completions/tailport.fish"

(cd deploy/release/inventory && GOWORK=off "$go" build -mod=readonly -o "$target/inventory" .)
"$target/inventory" -top . -binary "$binary" -target "$triple" -version "$version" \
    -epoch "$SOURCE_DATE_EPOCH" -bom "$made/doc/tailport.cdx.json" -licences "$made/doc/THIRD-PARTY-LICENSES"

rm -rf "$out"
mkdir -p "$out"
cp "$made/doc/tailport.cdx.json" "$out/tailport-$version-$triple.cdx.json"

# ---- the tarball -------------------------------------------------------------

name=tailport-$version-$triple
tree=$made/tree/$name
mkdir -p "$tree/man"
cp "$binary" "$made/doc/tailport.cdx.json" "$made/doc/THIRD-PARTY-LICENSES" "$tree"
cp "$made/tailport.1" "$tree/man"
cp -R "$made/completions" "$tree"
git ls-files README.md CHANGELOG.md LICENSE 'LICENSE-*' docs deploy |
    grep -v '^deploy/debian/\|^deploy/release/' |
    tar -cf - -T - | tar -xf - -C "$tree"
tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --mtime="@$SOURCE_DATE_EPOCH" -C "$made/tree" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
rm -rf "$made/tree"

# ---- the Debian package ------------------------------------------------------

# The units are the examples. The program is where a package puts it, and the main
# one reads the package's two files of settings in place of what the example has.
for unit in deploy/systemd/*.service deploy/systemd/*.socket deploy/*.service; do
    [ ! -e "$unit" ] || sed 's|/usr/local/bin/|/usr/bin/|g' "$unit" >"$made/systemd/${unit##*/}"
done
sed -i -e '/^Environment=TS_/d' \
    -e 's|^\[Service\]$|&\nEnvironment=TS_CONFIG=/etc/tailport/tailport.toml\nEnvironmentFile=-/etc/default/tailport|' \
    "$made/systemd/tailport.service"

# The newest section of CHANGELOG.md in the form that Debian's tools read.
{
    printf 'tailport (%s-1) unstable; urgency=medium\n\n' "$version"
    awk '/^## / { sections++ } sections == 1 && /^(- |  )/ { sub(/^- /, "* "); print "  " $0 }' CHANGELOG.md | fmt -t -w 78
    printf '\n -- %s  %s\n' "$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" "$(date -R -d "@$SOURCE_DATE_EPOCH")"
} >"$made/doc/changelog.Debian"
gzip -n9 "$made/doc"/* "$made/tailport.1"

tools=${RELEASE_TOOLS:-$target/tools}
PATH=$tools/bin:$PATH
if [ "$("$cargo" deb --version 2>/dev/null)" != "cargo-deb $cargo_deb" ]; then
    env -u CARGO_TARGET_DIR "$cargo" install --quiet --force --locked --root "$tools" cargo-deb --version "$cargo_deb" >&2
fi
"$cargo" deb --quiet --no-build --no-strip --target "$triple" --output "$out/" >&2

(cd "$out" && sha256sum -- * >SHA256SUMS)
ls -l "$out" >&2

#!/bin/bash
# What a release is made of: checksums, tarball, bill of materials, and the Debian
# package, which is installed, upgraded, removed and purged in a root of its own
# (target/package/root). Takes root and apt; installs mmdebstrap, lintian and jq.
#
# usage: tests/package.sh DIST
#   DIST  where deploy/release/release.sh put them
set -eu
cd "$(dirname "$0")/.."
dist=$(cd "$1" && pwd)
go=${GO:-go}
cargo=${CARGO:-cargo}
work=${CARGO_TARGET_DIR:-$PWD/target}/package
mkdir -p "$work"
export LC_ALL=C.UTF-8

say() { echo "package: $*"; }
fail() { echo "package: FAILED: $*" >&2; exit 1; }
# same WHAT FOUND WANTED
same() { [ "$2" = "$3" ] || fail "$1"$'\n'"$(diff <(echo "$3") <(echo "$2"))"; }
# pasted BEGINNING: the block of docs/packages.md that begins so, for this processor
pasted() {
    awk -v begins="$1" '/^```$/ && inside { inside = 0; if (index(block, begins) == 1) printf "%s", block }
        inside { block = block $0 "\n" } /^```sh$/ { inside = 1; block = "" }' docs/packages.md |
        sed "s/_amd64/_$(dpkg --print-architecture)/; s/x86_64-unknown-linux-gnu/$triple/" | grep . || fail "no block '$1'"
}

missing=()
for tool in mmdebstrap lintian jq; do command -v "$tool" >/dev/null || missing+=("$tool"); done
# This machine's own sources of Debian; without lists there are none.
sources() { apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 'Origin: Debian'; }
if [ ${#missing[@]} -gt 0 ] || [ -z "$(sources)" ]; then
    apt-get update -qq >&2 || say 'going on with the lists that are there'
fi
if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
fi

# ---- checksums, tarball, bill of materials -----------------------------------

(cd "$dist" && sha256sum --check --strict --quiet SHA256SUMS) || fail 'a checksum'
same 'what has a checksum' "$(cut -c 67- "$dist/SHA256SUMS" | sort)" "$(cd "$dist" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort)"

version=$("$cargo" pkgid --locked | sed 's/.*[#@]//')
triple=$(rustc -vV | sed -n 's/^host: //p')
name=tailport-$version-$triple
tree=$work/$name
rm -rf "$tree"
tar -xzf "$dist/$name.tar.gz" -C "$work"
for file in tailport README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT THIRD-PARTY-LICENSES tailport.cdx.json \
    man/tailport.1 completions/bash/tailport completions/_tailport completions/tailport.fish docs/tailport.toml deploy; do
    [ -s "$tree/$file" ] || fail "the tarball has no $file"
done
binary=$tree/tailport
same 'the version' "$(env -i "$binary" --version)" "tailport $version"
cmp -s "$tree/tailport.cdx.json" "$dist/$name.cdx.json" || fail 'two bills of materials'
size=$(stat -c %s "$binary")
[ "$size" -le 30000000 ] || fail "the program has $size bytes, 30000000 at most"
! readelf -lW "$binary" | grep INTERP || fail 'the program is not static'
for path in "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "$work"; do
    ! grep -qF "$path" "$binary" || fail "the program names $path"
done
say "a static program of $size bytes, without a path of the builder's"

# Go's own word for the modules, and cargo's for the crates.
listed() { sed -n "s|^ *\"purl\": \"pkg:$1/\(.*\)\",*\$|\1|p" "$tree/tailport.cdx.json" | sed 's/%2B/+/g' | sort; }
same 'Go modules in the bill' "$(listed golang | grep -v '^std@')" \
    "$("$go" version -m "$binary" | awk '$1 == "dep" { print $2 "@" $3 }' | sort)"
same 'crates in the bill' "$(listed cargo)" \
    "$("$cargo" tree --locked -e normal,no-proc-macro --target "$triple" --prefix none |
        awk '$1 != "tailport" { print $1 "@" substr($2, 2) }' | sort -u)"
block=$(pasted 'jq ')
said=$(cd "$dist" && sh -euc "$block")
same 'what jq says is in the bill' "$(echo "$said" | grep -c $'^pkg:[^\t]*\t[^\t]')" "$(jq '.components | length' "$tree/tailport.cdx.json")"
for text in 'GNU LESSER GENERAL PUBLIC LICENSE' 'Copyright (c) 2020 Tailscale Inc' 'Copyright notices for The Rust Standard Library'; do
    grep -q "$text" "$tree/THIRD-PARTY-LICENSES" || fail "no '$text' among the licences"
done
say "a bill of $(listed cargo | wc -l) crates and $(listed golang | wc -l) Go modules, with their licences"

# ---- the package, and a newer one --------------------------------------------

deb=$(echo "$dist"/tailport_*.deb)
lintian --fail-on error,warning "$deb" || fail 'lintian'

newer=$work/newer.deb
rm -rf "$work/newer"
dpkg-deb -R "$deb" "$work/newer"
sed -i 's/^Version: .*/&.1/' "$work/newer/DEBIAN/control"
echo '# A new line of the newer version.' >>"$work/newer/etc/default/tailport"
dpkg-deb --root-owner-group -Zgzip -b "$work/newer" "$newer" >/dev/null
rm -rf "$work/newer"

# ---- a root to install it in -------------------------------------------------

. /etc/os-release
base=$work/$VERSION_CODENAME.tar
if [ ! -e "$base" ]; then
    say "making a root of $VERSION_CODENAME"
    sources | mmdebstrap --quiet --format=tar --aptopt='Acquire::Retries "3"' --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$base.new" -
    mv "$base.new" "$base"
fi
root=$work/root
rm -rf "$root"
mkdir "$root"
trap 'rm -rf "$root"' EXIT
tar -xf "$base" -C "$root"
cp "$deb" "$root/older.deb"
cp "$newer" "$root/newer.deb"

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
install() { inside dpkg --force-confold -i "$1" >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "installing $1"; }; }
# All that is there but the books of dpkg itself.
files() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -printf '%p %m %U %l\n' | sort); }
asked() { cat "$root/asked" 2>/dev/null || true; }
nothing_runs() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/root")" != "$root" ] || fail "left running: $(tr '\0' ' ' <"$process/cmdline")"
    done
}

# ---- as the document has it ---------------------------------------------------

mkdir "$root/release"
cp "$dist"/* "$root/release"
printf '#!/bin/sh\nexec "$@"\n' >"$root/usr/bin/sudo"
printf '#!/bin/sh\necho "$*" >>/asked\n' >"$root/usr/bin/systemctl"
chmod 755 "$root/usr/bin/sudo" "$root/usr/bin/systemctl"
# Its answers are in the log: apt complains of what a root without a machine lacks.
paste() {
    block=$(pasted "$1")
    inside STATE_DIRECTORY=/nowhere sh -euc "cd /release; $block" </dev/null >"$work/paste.log" 2>&1 || { cat "$work/paste.log" >&2; fail "$block"; }
}
paste 'sha256sum '
same 'the version that apt installs' "$(inside tailport --version)" "tailport $version"
sed -i 's/^#\(\[\|[a-z_]* = \)/\1/' "$root/etc/tailport/tailport.toml"
paste 'tailport check '
same 'what is asked of systemd' "$(asked)" 'enable --now tailport'
inside dpkg --purge tailport >/dev/null 2>&1 || fail 'purging what apt has installed'
paste 'tar '
same 'the version without a package' "$(inside /usr/local/bin/tailport --version)" "tailport $version"
rm -r "$root/release" "$root/usr/local/bin/tailport" "$root/usr/bin/sudo" "$root/usr/bin/systemctl" "$root/asked"
say 'installed as the document has it'

bare=$(files)

# ---- without systemd ---------------------------------------------------------

install older.deb
same 'the installed version' "$(inside tailport --version)" "tailport $version"
inside TS_EXPOSE=22 TS_STATE_DIR=/nowhere tailport check >/dev/null || fail 'check'
# The two files of settings say nothing, and what they have as comments is right.
for file in default/tailport tailport/tailport.toml; do
    same "settings in effect in /etc/$file" "$(grep -v '^#\|^$' "$root/etc/$file")" ''
done
same 'the mode of the variables' "$(stat -c '%a %U' "$root/etc/default/tailport")" '640 root'
sed 's/^#\(\[\|[a-z_]* = \)/\1/' "$root/etc/tailport/tailport.toml" >"$root/example.toml"
mapfile -t variables < <(sed -n 's/^#\(TS_\)/\1/p' "$root/etc/default/tailport")
[ ${#variables[@]} -ge 6 ] || fail 'no variables in /etc/default/tailport'
for environment in 'TS_CONFIG=/example.toml' "${variables[*]}"; do
    # shellcheck disable=SC2086 # a list
    said=$(inside STATE_DIRECTORY=/nowhere $environment tailport check 2>&1) || fail "the examples: $said"
    [[ $said != *warning:* ]] || fail "the examples: $said"
done
rm "$root/example.toml"

cmp -s <(zcat "$root/usr/share/man/man1/tailport.1.gz") <(inside tailport man) || fail 'the manual page'
for shell in bash:bash-completion/completions/tailport zsh:zsh/vendor-completions/_tailport fish:fish/vendor_completions.d/tailport.fish; do
    cmp -s "$root/usr/share/${shell#*:}" <(inside tailport completions "${shell%%:*}") || fail "completions for ${shell%%:*}"
done
units=$root/usr/lib/systemd/system
same 'settings of the unit' "$(grep '^Environment' "$units/tailport.service")" \
    $'Environment=TS_CONFIG=/etc/tailport/tailport.toml\nEnvironmentFile=-/etc/default/tailport'
for program in $(sed -n 's/^Exec[A-Za-z]*=[-@:+!]*\([^ ]*\).*/\1/p' "$units"/tailport* | sort -u); do
    same "where the units find $program" "$(inside which "$program")" /usr/bin/tailport
done
same 'what is enabled' "$(find "$root/etc/systemd" -name '*tailport*' 2>/dev/null)" ''
nothing_runs
inside dpkg --purge tailport >/dev/null 2>&1 || fail 'purging without systemd'
same 'what an installation and a purge leave' "$(files)" "$bare"
say 'installed and purged without systemd'

# ---- with systemd, whose part a script plays ---------------------------------

mkdir -p "$root/run/systemd/system"
printf '#!/bin/sh\necho "$*" >>/asked\n' >"$root/usr/bin/systemctl"
chmod 755 "$root/usr/bin/systemctl"
mkdir -p -m 700 "$root/var/lib/private"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
bare=$(files)

install older.deb
same 'what a first installation asks of systemd' "$(asked)" '--system daemon-reload'

# In use: settings, an identity, and what `systemctl enable` makes.
echo TS_EXPOSE=22 >>"$root/etc/default/tailport"
used=$(cat "$root/etc/default/tailport")
mkdir "$root/var/lib/private/tailport" "$root/var/lib/private/tailport-second"
echo identity >"$root/var/lib/private/tailport/tailscaled.state"
ln -s private/tailport "$root/var/lib/tailport"
ln -s /usr/lib/systemd/system/tailport.service "$root/etc/systemd/system/multi-user.target.wants/tailport.service"
rm "$root/asked"
install newer.deb
same 'what an upgrade asks of systemd' "$(asked)" $'--system daemon-reload\ntry-restart tailport.service tailport@*.service'
same 'the settings after an upgrade' "$(cat "$root/etc/default/tailport")" "$used"
same 'the identity after an upgrade' "$(cat "$root/var/lib/tailport/tailscaled.state")" identity
[ -L "$root/etc/systemd/system/multi-user.target.wants/tailport.service" ] || fail 'an upgrade disabled the service'

rm "$root/asked"
inside dpkg --remove tailport >/dev/null 2>&1 || fail 'removing'
same 'what a removal asks of systemd' "$(asked)" $'stop tailport.* tailport@*\n--system daemon-reload'
[ ! -e "$root/usr/bin/tailport" ] || fail 'removed, and still there'
same 'the settings after a removal' "$(cat "$root/etc/default/tailport")" "$used"
same 'the identity after a removal' "$(cat "$root/var/lib/tailport/tailscaled.state")" identity

inside dpkg --purge tailport >/dev/null 2>&1 || fail 'purging'
rm -f "$root/asked"
same 'what a purge leaves' "$(files)" "$bare"
nothing_runs
say 'installed, upgraded, removed and purged with systemd'

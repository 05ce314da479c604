#!/bin/sh
# Makes the image of deploy/container from the root that `make rootfs` has put into
# target/container/image, with a podman that is unpacked and not installed.
#
# usage: tests/container/build.sh
#
# Leaves that podman as target/container/podman. All that it keeps is beside it.
set -eu

cd "$(dirname "$0")/../.."
out=${CARGO_TARGET_DIR:-$PWD/target}/container
root=$out/debian
. tests/unpack.sh

[ "$(id -u)" -eq 0 ] || { echo 'container: takes root' >&2; exit 1; }

# ---- podman ------------------------------------------------------------------

lists podman
# shellcheck disable=SC2046 # a list of packages
unpack podman conmon crun golang-github-containers-common $(lacking podman)

libraries=$root/usr/lib/$(uname -m)-linux-gnu:$root/lib/$(uname -m)-linux-gnu

# Neither podman nor its monitor hands an environment on to it.
cat >"$out/crun" <<END
#!/bin/sh
exec env LD_LIBRARY_PATH='$libraries' '$root/usr/bin/crun' --root '$out/run/crun' "\$@"
END

# Whose limits are lower than podman's defaults may not raise them.
cat >"$out/containers.conf" <<END
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
seccomp_profile = "$root/usr/share/containers/seccomp.json"
[engine]
cgroup_manager = "cgroupfs"
conmon_env_vars = ["PATH=$PATH", "HOME=$out/home", "LD_LIBRARY_PATH=$libraries", "CONTAINERS_CONF=$out/containers.conf"]
conmon_path = ["$root/usr/bin/conmon"]
events_logger = "none"
runtime = "crun"
[engine.runtimes]
crun = ["$out/crun"]
END

# No image comes from elsewhere, so there is nobody to be trusted.
mkdir -p "$out/home/.config/containers"
echo '{"default": [{"type": "reject"}]}' >"$out/home/.config/containers/policy.json"

# In a mount namespace of its own nothing stays mounted; and crun takes no machine
# that has both versions of control groups. Health checks are not systemd's to time.
cat >"$out/podman" <<END
#!/bin/sh
exec unshare --mount sh -c 'umount --lazy /sys/fs/cgroup/unified 2>/dev/null; exec "\$@"' sh \\
    env -i PATH="\$PATH" HOME='$out/home' DISABLE_HC_SYSTEMD=true \\
    LD_LIBRARY_PATH='$libraries' CONTAINERS_CONF='$out/containers.conf' \\
    '$root/usr/bin/podman' --storage-driver vfs --root '$out/store' --runroot '$out/run' --tmpdir '$out/run' "\$@"
END
chmod +x "$out/crun" "$out/podman"

# ---- the image ---------------------------------------------------------------

# What an earlier run has left. The one thing outside of target/ is a cache.
rm -rf "$out/store" "$out/run"
mkdir -p "$out/run"
[ -e /var/lib/containers ] || trap 'rm -rf /var/lib/containers' EXIT

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD)
"$out/podman" build --isolation chroot --format docker --layers=false \
    --build-context "build=$out" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --file deploy/container/Containerfile --tag tailport . >&2

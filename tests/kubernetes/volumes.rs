//! The program on volumes as the kubelet makes them for the user and fsGroup of the manifests:
//! a claim that belongs to root and the group, and a secret behind links in a directory that is
//! open to all, but mounted read-only.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// runAsUser, runAsGroup and fsGroup.
const ID: u32 = 65532;

/// Mounts the secret's directory for one process, and the program where its user finds it, which
/// is then who a container of the manifests is.
const IN_A_POD: &str = r#"
home=$1 options=$2 program=$3
shift 3
mount --bind "$home/secret" "$home/secret"
mount -o "remount,bind,$options" "$home/secret"
mount --bind "$program" "$home/tailport"
exec setpriv --reuid=65532 --regid=65532 --groups=65532 --bounding-set=-all --inh-caps=-all \
    --no-new-privs "$home/tailport" "$@"
"#;

/// What a pod of the manifests mounts.
struct Volumes(Home);

impl Volumes {
    /// A new claim, and a secret with this key.
    fn new(key: &str) -> Self {
        let volumes = Self(Home::new());
        let home = volumes.0.path();
        fs::set_permissions(home, Permissions::from_mode(0o755)).unwrap();
        fs::write(home.join("tailport"), "").unwrap();
        // An empty file system is 0755; fsGroup makes it the group's.
        made(&volumes.claim(), 0o2775);
        let now = volumes.secret().join("..2026_11_22_10_00_00.123456789");
        made(&now, 0o2755);
        let file = now.join("authkey");
        fs::write(&file, key).unwrap();
        given(&file, 0o440);
        symlink(now.file_name().unwrap(), volumes.secret().join("..data")).unwrap();
        symlink("..data/authkey", volumes.secret().join("authkey")).unwrap();
        made(&volumes.secret(), 0o3777);
        volumes
    }

    fn claim(&self) -> PathBuf {
        self.0.path().join("claim")
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    /// Settings of a pod; `options` are those of the secret's mount.
    fn settings(&self, tailnet: &Tailnet, options: &str) -> Settings {
        let home = self.0.path().to_str().unwrap();
        let own_mounts = ["unshare", "--mount", "--propagation", "private", "--"];
        let pod = ["sh", "-ec", IN_A_POD, "pod", home, options];
        Settings::on(tailnet)
            .launched_by(&[&own_mounts[..], &pod].concat())
            .set("TS_STATE_DIR", self.claim().join("state"))
            .set("TS_AUTHKEY_FILE", self.secret().join("authkey"))
    }

    /// What the kubelet's exec probe does: the program in the pod, asked by the pod's user.
    #[track_caller]
    fn is_ready(&self, node: &Tailport) {
        let output = Command::new("nsenter")
            .args(["--mount", "--target", &node.pid().to_string()])
            .args(["--setuid", &ID.to_string(), "--setgid", &ID.to_string()])
            .arg(self.0.path().join("tailport"))
            .arg("status")
            .env_clear()
            .env("TS_STATE_DIR", self.claim().join("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn made(directory: &Path, mode: u32) {
    fs::create_dir_all(directory).unwrap();
    given(directory, mode);
}

/// Root's and the group's, with this mode.
fn given(path: &Path, mode: u32) {
    chown(path, Some(0), Some(ID)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// What fsGroup does to a volume that has been in use.
fn give_to_the_group(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_to_the_group(&path);
        }
        let more = if path.is_dir() { 0o2770 } else { 0o660 };
        let mode = mode(&path) | more;
        chown(&path, None, Some(ID)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
}

/// Carries a line there and back.
#[track_caller]
fn carries(peer: &Peer, node: &Tailport) {
    peer.greet(node.address());
    peer.converse(node.at(7000));
}

#[test]
#[ignore = "needs root and mount namespaces: make interop"]
fn a_node_lives_on_its_claim_through_restarts_of_the_pod() {
    let tailnet = Tailnet::start();
    let (peer, echo) = (Peer::start(&tailnet), Server::echo());
    let volumes = Volumes::new(tailnet.key());
    let settings = volumes.settings(&tailnet, "ro");
    let settings = settings.expose(7000, echo.address());
    let mut node = settings.start(&tailnet);
    carries(&peer, &node);
    volumes.is_ready(&node);
    let state = volumes.claim().join("state");
    let made = fs::metadata(&state).unwrap();
    assert_eq!((made.uid(), made.gid(), mode(&state)), (ID, ID, 0o2700));
    let address = node.address();
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0, "{}", node.log());

    // The next pod finds what fsGroup has made of it, and needs no key.
    give_to_the_group(&volumes.claim());
    assert_eq!(mode(&state), 0o2770);
    let mut node = settings.unset("TS_AUTHKEY_FILE").start(&tailnet);
    assert_eq!(node.address(), address);
    carries(&peer, &node);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0, "{}", node.log());
}

#[test]
#[ignore = "needs root and mount namespaces: make interop"]
fn the_top_of_a_claim_is_open_to_others_and_is_refused() {
    let tailnet = Tailnet::start();
    let volumes = Volumes::new(tailnet.key());
    let settings = volumes.settings(&tailnet, "ro").set("TS_EXPOSE", "22");
    let mut node = settings.set("TS_STATE_DIR", volumes.claim()).spawn();
    assert_eq!(node.wait_code(PATIENCE), 64, "{}", node.log());
    assert!(node.log().contains("open to other users"), "{}", node.log());
}

/// The mode of a secret's directory is no harm only because nobody can write there.
#[test]
#[ignore = "needs root and mount namespaces: make interop"]
fn links_in_a_directory_that_is_open_to_all_and_writable_are_refused() {
    let tailnet = Tailnet::start();
    let volumes = Volumes::new(tailnet.key());
    let settings = volumes.settings(&tailnet, "rw").set("TS_EXPOSE", "22");
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), 64, "{}", node.log());
    assert!(node.log().contains("symbolic link"), "{}", node.log());
    assert!(!node.log().contains(tailnet.key()));
}

//! OpenSSH in both directions: a shell's output and a copied file arrive whole.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::host::{Host, succeed};
use crate::support::child::Child;
use crate::support::content::{self, MIB};
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::unpacked;
use crate::world;

const LENGTH: u64 = 64 * MIB;

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn ssh_and_scp_reach_a_server_behind_expose() {
    let world = world::turn();
    let keys = Keys::new();
    let sshd = Sshd::start(
        &world.ours,
        SocketAddr::from((Ipv4Addr::LOCALHOST, 2222)),
        &keys,
    );
    let node = world.start(&world.settings().expose(22, sshd.address));
    world.tun.wait_direct(node.address());
    visit(&world.tun.host, node.at(22), &keys);
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn ssh_and_scp_reach_a_server_through_connect() {
    let world = world::turn();
    let keys = Keys::new();
    let sshd = Sshd::start(
        &world.tun.host,
        SocketAddr::new(world.tun.v4(), 2222),
        &keys,
    );
    let node = world.start(&world.settings().connect(sshd.address));
    visit(&world.ours, node.local(), &keys);
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn ssh_and_scp_reach_a_server_by_a_proxy_command_that_speaks_socks5() {
    let world = world::turn();
    let mut keys = Keys::new();
    let sshd = Sshd::start(
        &world.tun.host,
        SocketAddr::new(world.tun.v4(), 2222),
        &keys,
    );
    let node = world.start(&world.settings().set("TS_SOCKS5_ADDR", "127.0.0.1:0"));
    let mut forwards = node.ready().forwards.iter();
    let socks5 = forwards.find(|forward| forward.kind == "socks5").unwrap();
    let nc = unpacked::command_line("bin/nc.openbsd");
    keys.proxy_command = Some(format!("{nc} -X 5 -x {} %h %p", socks5.listen));
    visit(&world.ours, sshd.address, &keys);
}

/// Runs a command, copies a file there and back, and looks at it on both ends.
#[track_caller]
fn visit(from: &Host, server: SocketAddr, keys: &Keys) {
    let remote = format!("root@{}", server.ip());
    let say = succeed(
        keys.client(from, "ssh", "-p", server)
            .args([&remote, "echo $SSH_CONNECTION; cat"]),
    );
    let said: Vec<&str> = say.split_whitespace().collect();
    assert_eq!(said.len(), 4, "four words and the end of a file: {say:?}");

    let directory = Home::new();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut local = fs::File::create(file("sent")).unwrap();
    let sent = content::send(&mut local, LENGTH, 7).unwrap();
    let copied = format!("{remote}:{}", file("copied"));
    succeed(
        keys.client(from, "scp", "-P", server)
            .args([&file("sent"), &copied]),
    );
    let sum = format!("sha256sum {}", file("copied"));
    let sum = succeed(keys.client(from, "ssh", "-p", server).args([&remote, &sum]));
    assert_eq!(sum.split_whitespace().next(), Some(sent.hash.as_str()));
    succeed(
        keys.client(from, "scp", "-P", server)
            .args([&copied, &file("returned")]),
    );
    let returned = content::receive(&mut fs::File::open(file("returned")).unwrap()).unwrap();
    assert_eq!(returned, sent);
}

/// A server's key and a user's, and how the user's client gets to the server.
struct Keys {
    home: Home,
    proxy_command: Option<String>,
}

impl Keys {
    fn new() -> Self {
        let home = Home::new();
        for name in ["server", "user"] {
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            succeed(keygen.arg(home.path().join(name)));
        }
        Self {
            home,
            proxy_command: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A client that asks nobody anything and trusts the server it finds.
    fn client(
        &self,
        from: &Host,
        program: &str,
        port_flag: &str,
        server: SocketAddr,
    ) -> std::process::Command {
        let mut command = from.command(program);
        command.args(["-q", "-F", "none", "-o", "BatchMode=yes"]);
        command.args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        if let Some(proxy) = &self.proxy_command {
            command.arg("-o").arg(format!("ProxyCommand={proxy}"));
        }
        command.arg("-i").arg(self.path("user"));
        command.args([port_flag, &server.port().to_string()]);
        command.stdin(std::process::Stdio::null());
        command
    }
}

/// A server on one of the machines.
struct Sshd {
    address: SocketAddr,
    _child: Child,
}

impl Sshd {
    fn start(host: &Host, address: SocketAddr, keys: &Keys) -> Self {
        let config = keys.path("sshd_config");
        fs::write(&config, configuration(address, keys)).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        // It starts itself again for every connection, and wants its full path.
        let mut command = host.command("/usr/sbin/sshd");
        let child = Child::start("sshd", command.args(["-D", "-e", "-f"]).arg(&config));
        eventually("sshd listens", PATIENCE, || {
            host.enter(|| std::net::TcpStream::connect(address).is_ok())
        });
        Self {
            address,
            _child: child,
        }
    }
}

fn configuration(address: SocketAddr, keys: &Keys) -> String {
    let path = |name: &str| path_text(&keys.path(name));
    let ip: IpAddr = address.ip();
    format!(
        "ListenAddress {ip}
Port {port}
HostKey {server}
AuthorizedKeysFile {user}
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
",
        port = address.port(),
        server = path("server"),
        user = path("user.pub"),
    )
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

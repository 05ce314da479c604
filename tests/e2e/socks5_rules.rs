//! The `[socks5]` table: a user with a password, and a list of destinations.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

use crate::stage;
use crate::support::server::Server;

const PASSWORD: &str = "open-sesame-wide";

/// What curl ends with when the proxy does not lead it there.
const CURL_PROXY: i32 = 97;

/// The code that curl ends with; the password goes to it by stdin.
fn curl(proxy: SocketAddr, login: &str, host: IpAddr, port: u16) -> Option<i32> {
    let mut child = Command::new("curl")
        .env_clear()
        .args(["-q", "--silent", "--http0.9", "--max-time", "60", "-K", "-"])
        .args(["--socks5-hostname", &proxy.to_string()])
        .arg(format!("http://{host}:{port}/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("this test needs curl: install the package curl");
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "proxy-user = \"{login}\"").expect("writing");
    drop(stdin);
    child.wait().expect("the end of curl").code()
}

#[test]
fn only_the_user_with_the_password_is_led_and_only_where_the_list_says() {
    let web = Server::serving(|mut stream| stream.write_all(b"hello\n"));
    let (peer, ports) = (stage::peer(), [stage::peer_port(), stage::peer_port()]);
    let _listening = ports.map(|port| peer.listen(port, web.address()));
    let host = peer.address();

    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let home = settings.directory().clone();
    let password = home.write_secret("password", PASSWORD);
    let text = format!(
        "[socks5]\nlisten = '127.0.0.1:0'\nuser = 'alice'\npassword_file = '{}'\n\
         allow = ['{host}:{}', '*.internal']\n",
        password.display(),
        ports[0]
    );
    let file = home.write_secret("tailport.toml", &text);
    let node = stage::start(&settings.set("TS_CONFIG", file));
    let proxy = node.ready().forwards[0].listen.parse().expect("an address");

    let wrong = ["alice:wrong", "bob:open-sesame-wide", "alice:"];
    for login in wrong {
        assert_eq!(
            curl(proxy, login, host, ports[0]),
            Some(CURL_PROXY),
            "{login}"
        );
    }
    let login = format!("alice:{PASSWORD}");
    assert_eq!(curl(proxy, &login, host, ports[1]), Some(CURL_PROXY));
    assert_eq!(web.total(), 0, "connections at the target");
    let line = node.wait_for_closing(|line| line.to_string().contains("list of destinations"));
    assert_eq!(line["ended"], "open_failed", "{line}");

    assert_eq!(curl(proxy, &login, host, ports[0]), Some(0));
    assert_eq!(web.total(), 1, "connections at the target");
    assert!(!node.log().contains("sesame"), "the password is in the log");
}

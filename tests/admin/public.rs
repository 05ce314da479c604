//! The admin endpoint: it is looked at, and only under its own names.

use crate::support::{LOGIN, Program};

#[tokio::test]
async fn everything_to_see_is_there_and_nothing_to_do() {
    let program = Program::start().await;
    for path in ["/", "/livez", "/readyz", "/metrics", "/status"] {
        let reply = program.ask_public("GET", path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(
            reply.head.contains("x-content-type-options: nosniff"),
            "{}",
            reply.head
        );
        assert!(
            reply.head.contains("cache-control: no-store"),
            "{}",
            reply.head
        );
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"] {
            let reply = program.ask_public(method, path).await;
            assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
            assert!(reply.head.contains("allow: get"), "{}", reply.head);
        }
    }
    for path in [
        "/peers",
        "/ping",
        "/reload",
        "/logout",
        "/status/",
        "/../status",
    ] {
        assert_eq!(program.ask_public("GET", path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn no_answer_has_the_login_url() {
    let program = Program::start().await;
    program.node.send_modify(|node| node.ask_for_login(LOGIN));
    for path in ["/", "/livez", "/readyz", "/metrics", "/status"] {
        let reply = program.ask_public("GET", path).await;
        assert!(!reply.body.contains("login.example"), "{path}: {reply:?}");
    }
    let status = program.ask_public("GET", "/status").await.json();
    assert_eq!(status["node"]["login_needed"], true);
    assert_eq!(status["ready"], false);
}

#[tokio::test]
async fn a_request_under_another_name_is_not_answered() {
    let program = Program::start().await;
    let port = program.address.port();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1:1",
        "",
    ] {
        for path in ["/", "/status", "/metrics"] {
            let reply = program
                .ask_as("GET", path, &format!("Host: {host}\r\n"))
                .await;
            assert_eq!(reply.status, 421, "{host:?} {path}");
            assert!(!reply.body.contains("tailport_"), "{reply:?}");
        }
    }
    let target = format!("http://evil.example:{port}/status");
    let lines = format!("Host: {}\r\n", program.address);
    assert_eq!(program.ask_as("GET", &target, &lines).await.status, 421);
    assert_eq!(
        program.ask_as("GET", "/status", "").await.status,
        421,
        "no host"
    );
    let local = format!("Host: localhost:{port}\r\n");
    assert_eq!(program.ask_as("GET", "/status", &local).await.status, 200);
}

//! The control socket: what the owner sees and asks for.

use tailport::admin::{Client, Phase, Unanswered};

use crate::support::{LOGIN, Program};

#[tokio::test]
async fn status_tells_node_forwards_and_connections() {
    let program = Program::start().await;
    let status = program.ask("GET", "/status", "").await.json();
    assert_eq!(status["ready"], true);
    assert_eq!(status["node"]["dns_name"], "office.tail.example");
    assert_eq!(status["connections"]["limit"], 1000);
    assert_eq!(status["forwards"][0]["name"], "expose 22/tcp");
    assert_eq!(status["forwards"][0]["accepted"], 1);
}

#[tokio::test]
async fn ready_and_live_are_told_apart() {
    let program = Program::start().await;
    assert_eq!(program.ask("GET", "/readyz", "").await.status, 200);
    program.node.send_modify(|node| node.enter("NeedsLogin"));
    let reply = program.ask("GET", "/readyz", "").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["reasons"][0]["code"], "not_running");
    assert_eq!(program.ask("GET", "/livez", "").await.status, 200);
    program
        .node
        .send_modify(|node| node.phase = Phase::Stopping);
    let reasons = program.ask("GET", "/readyz", "").await.json();
    assert_eq!(reasons["reasons"][0]["code"], "stopping");
}

#[tokio::test]
async fn the_owner_is_told_where_to_log_in() {
    let program = Program::start().await;
    program.node.send_modify(|node| node.ask_for_login(LOGIN));
    let status = program.ask("GET", "/status", "").await.json();
    assert_eq!(status["node"]["login_url"], LOGIN);
}

#[tokio::test]
async fn metrics_count_while_a_connection_is_open() {
    let program = Program::start().await;
    let open = program.ssh.begin();
    let reply = program.ask("GET", "/metrics", "").await;
    let line = "tailport_connections_active{forward=\"expose 22/tcp\"} 1\n";
    assert!(reply.body.contains(line), "{}", reply.body);
    assert!(reply.head.contains("version=0.0.4"), "{}", reply.head);
    drop(open);
}

#[tokio::test]
async fn the_client_asks_for_all_that_is_answered() {
    let program = Program::start().await;
    let client = Client::new(program.home.path());
    assert!(client.status().await.unwrap().ready);
    assert_eq!(client.peers().await.unwrap()[0].name, "rdp-host");
    assert!(client.ping("rdp-host").await.unwrap().direct);
    let refused = client.ping("nobody").await.unwrap_err();
    assert!(refused.to_string().contains("no peer is called \"nobody\""));
    let refused = client.reload().await.unwrap_err();
    assert!(matches!(refused, Unanswered::Refused(_)), "{refused}");
}

#[tokio::test]
async fn a_client_without_a_program_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let error = Client::new(home.path()).status().await.unwrap_err();
    assert!(error.to_string().contains("TS_STATE_DIR"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_its_reason() {
    let program = Program::start().await;
    for (method, path, body, status) in [
        ("POST", "/reload", "", 501),
        ("POST", "/logout", "", 501),
        ("GET", "/reload", "", 405),
        ("GET", "/logout", "", 405),
        ("GET", "/ping", "", 405),
        ("POST", "/status", "", 405),
        ("DELETE", "/metrics", "", 405),
        ("GET", "/nothing", "", 404),
        ("GET", "/", "", 404),
        ("POST", "/ping", "", 400),
        ("POST", "/ping", "{\"host\":7}", 400),
        ("POST", "/ping", &"x".repeat(5000), 400),
    ] {
        let reply = program.ask(method, path, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{reply:?}");
    }
}

//! The seam with the real Go half, without any tailnet: wrong and closed handles
//! are typed errors, drops give everything back, and nothing panics.
//!
//! One process is one environment and one set of counts, so this is one test.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use tailport::tailnet::{self, Environment, ErrorKind, Node, NodeOptions};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Bounds every wait: long enough for a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node whose control server nobody runs: port 9 of loopback.
fn options(dir: &Path) -> NodeOptions {
    NodeOptions {
        dir: dir.to_owned(),
        hostname: "seam".to_owned(),
        control_url: Some("http://127.0.0.1:9".to_owned()),
        auth_key: None,
        client_secret: None,
        tags: Vec::new(),
        ephemeral: false,
        keepalive: Duration::ZERO,
    }
}

#[test]
fn what_is_closed_wrong_or_dropped_is_an_error_and_leaves_nothing() {
    let set = BTreeMap::from([("TS_DEBUG_DISABLE_UDP_GSO", "true".to_owned())]);
    let environment = Environment {
        unset: &["TS_AUTHKEY"],
        set,
        log_upload: false,
        memory_limit: 0,
    };
    tailnet::init(&environment).unwrap();

    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        timeout(PATIENCE, a_newer_log_ends_the_older())
            .await
            .unwrap();
        timeout(PATIENCE, options_that_make_no_sense())
            .await
            .unwrap();
        timeout(PATIENCE, a_closed_node()).await.unwrap();
        timeout(PATIENCE, a_dropped_node()).await.unwrap();
        timeout(PATIENCE, questions_without_an_answer())
            .await
            .unwrap();
        timeout(PATIENCE, dials_cancelled_from_many_tasks())
            .await
            .unwrap();
        timeout(PATIENCE, a_dropped_dial_ends_beside_a_start_that_does_not())
            .await
            .unwrap();
    });
    drop(runtime);
    assert_all_given_back();
}

async fn a_newer_log_ends_the_older() {
    let mut older = tailnet::logs().unwrap();
    let _newer = tailnet::logs().unwrap();
    while let Some(line) = older.next().await {
        line.unwrap();
    }
}

async fn options_that_make_no_sense() {
    let error = Node::start(&options(Path::new(""))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(!error.retry());

    let dir = tempfile::tempdir().unwrap();
    let mut nameless = options(dir.path());
    nameless.tags = vec!["server".to_owned()];
    let error = Node::start(&nameless).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");

    let mut untagged = options(dir.path());
    untagged.client_secret = Some("tskey-client-a-b".into());
    let (node, mut starting) = Node::start(&untagged).unwrap();
    let error = starting.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoginRefused, "{error}");
    assert!(!error.to_string().contains("tskey"), "{error}");
    node.close().await.unwrap();
}

async fn a_closed_node() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut starting) = Node::start(&options(dir.path())).unwrap();
    let dialer = node.dialer();
    node.close().await.unwrap();

    let error = dialer.dial("100.64.0.1:22", PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let error = loop {
        match starting.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        [ErrorKind::Closed, ErrorKind::Canceled].contains(&error.kind()),
        "{error}"
    );
}

async fn a_dropped_node() {
    let dir = tempfile::tempdir().unwrap();
    let (node, starting) = Node::start(&options(dir.path())).unwrap();
    let dialer = node.dialer();
    drop((node, starting));
    let error = dialer.dial("100.64.0.1:22", PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    // What the drop began ends by itself; the folder must outlive it.
    while tailnet::count().unwrap().nodes > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn questions_without_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _starting) = Node::start(&options(dir.path())).unwrap();
    let questions = node.questions();
    let peer = "100.64.0.2".parse().unwrap();
    let error = questions.who_is(peer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRunning, "{error}");
    let error = questions.ping(peer, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRunning, "{error}");
    let status = questions.status().await.unwrap();
    assert_ne!(status.own.state, "Running");
    assert!(status.peers.is_empty());
    node.close().await.unwrap();
}

async fn dials_cancelled_from_many_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _starting) = Node::start(&options(dir.path())).unwrap();
    let dialer = node.dialer();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let dialer = dialer.clone();
            tokio::spawn(async move {
                let dial = dialer.dial("100.64.0.1:22", PATIENCE);
                // Cancelled, or refused because the node does not run: never made.
                if let Ok(answer) = timeout(Duration::from_millis(5), dial).await {
                    assert!(answer.is_err());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let error = node.dial("no\0address", PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAddress);
    let error = node.dial("no port", PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAddress, "{error}");
    node.close().await.unwrap();
}

/// A dial waits for a start, and this one waits for an API that does not answer.
async fn a_dropped_dial_ends_beside_a_start_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = silent.local_addr().unwrap();
    let (node, starting) = Node::start(&NodeOptions {
        client_secret: Some(format!("tskey-client-a-b?baseURL=http://{api}").into()),
        tags: vec!["tag:server".to_owned()],
        ..options(dir.path())
    })
    .unwrap();
    drop(starting);
    let at_rest = [1, 1, 0, 0]; // the mailbox is for the ends of junctions
    assert_alive(at_rest);
    let dial = node.dial("100.64.0.1:22", 2 * PATIENCE);
    assert!(timeout(Duration::from_millis(50), dial).await.is_err());
    assert_alive(at_rest);
    node.close().await.unwrap();
}

fn assert_all_given_back() {
    assert_alive([0; 4]);
}

/// The Go half learns of a closed descriptor a moment later: ask until it has. Expects as
/// many nodes, mailboxes and dials, connections, and those that linger.
fn assert_alive(expected: [u64; 4]) {
    let start = Instant::now();
    loop {
        let counts = tailnet::count().unwrap();
        let alive = [
            counts.nodes,
            counts.mailboxes,
            counts.connections,
            counts.lingering,
        ];
        if alive == expected {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "still alive: {counts:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

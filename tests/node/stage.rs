//! What the tests share: a tailnet, the Go half's environment, and nodes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use tailport::tailnet::{self, Environment, Node, NodeInfo, NodeOptions, StartEvent};
use tokio::time::timeout;

use crate::support::authority::Authority;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::STAY_HERE;
use crate::support::tailnet::Tailnet;

/// What runs beside the nodes.
struct Stage {
    tailnet: Tailnet,
    _authority: Authority,
}

/// The tailnet of all tests. Whoever asks first also sets up the Go half.
pub(crate) fn tailnet() -> &'static Tailnet {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    &STAGE.get_or_init(set).tailnet
}

fn set() -> Stage {
    let tailnet = Tailnet::start();
    let authority = Authority::start(&tailnet);
    let trust = authority.trust().display().to_string();
    let mut variables: BTreeMap<_, _> = STAY_HERE.map(|(name, value)| (name, value.into())).into();
    variables.insert("SSL_CERT_FILE", trust);
    variables.insert(
        "TS_DEBUG_ACME_DIRECTORY_URL",
        authority.directory_url().into(),
    );
    tailnet::init(&Environment {
        unset: &["TS_AUTHKEY"],
        set: variables,
        log_upload: false,
        memory_limit: 0,
    })
    .expect("setting up the Go half");
    Stage {
        tailnet,
        _authority: authority,
    }
}

/// How a node of the tailnet is started.
pub(crate) fn options(home: &Home, hostname: &str) -> NodeOptions {
    let key = fs::read_to_string(tailnet().key_file()).expect("reading the key");
    NodeOptions {
        dir: home.path().to_owned(),
        hostname: hostname.to_owned(),
        control_url: Some(tailnet().control_url().to_owned()),
        auth_key: Some(key.trim().into()),
        client_secret: None,
        tags: Vec::new(),
        ephemeral: false,
        keepalive: Duration::ZERO,
    }
}

/// Starts a node and waits until it runs.
pub(crate) async fn up(options: &NodeOptions) -> (Node, NodeInfo) {
    let (node, mut starting) = Node::start(options).expect("starting a node");
    let running = async {
        loop {
            if let StartEvent::Running(info) = starting.next().await.expect("the node comes up") {
                return info;
            }
        }
    };
    let info = in_time(running).await;
    (node, info)
}

/// Starts two nodes, by their homes and names, and waits until they reach each other.
pub(crate) async fn two(nodes: [(&Home, &str); 2]) -> [(Node, NodeInfo); 2] {
    let [(home, name), (other_home, other_name)] = nodes;
    let first = up(&options(home, name)).await;
    let second = up(&options(other_home, other_name)).await;
    for (_, info) in [&first, &second] {
        tailnet().wait_reachable(info.addresses[0]);
    }
    [first, second]
}

/// Bounds a wait.
pub(crate) async fn in_time<T>(waiting: impl Future<Output = T>) -> T {
    timeout(PATIENCE, waiting).await.expect("in time")
}

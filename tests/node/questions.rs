//! Questions about peers, and that a change of them is heard.

use tailport::tailnet::{ErrorKind, Event, Events, PeerPath};

use crate::stage::{self, in_time, up};
use crate::support::home::Home;
use crate::support::patience::PATIENCE;

/// Waits for a change of peers.
async fn peers_change(events: &mut Events) {
    let change = async {
        loop {
            let event = events.next().await.expect("the watch goes on");
            if event.expect("no trouble") == Event::PeersChanged {
                return;
            }
        }
    };
    in_time(change).await;
}

#[tokio::test]
async fn peers_are_named_listed_and_pinged() {
    let (home, other_home) = (Home::new(), Home::new());
    let (node, info) = up(&stage::options(&home, "asks")).await;
    let mut events = node.watch().unwrap();
    peers_change(&mut events).await;
    let (other, other_info) = up(&stage::options(&other_home, "answers")).await;
    let address = other_info.addresses[0];
    let questions = node.questions();
    let who = loop {
        match in_time(questions.who_is(address)).await {
            Ok(who) => break who,
            Err(error) => assert_eq!(error.kind(), ErrorKind::UnknownPeer, "{error}"),
        }
        peers_change(&mut events).await;
    };
    assert_eq!(who.name, "answers");
    assert_eq!(Some(&who.dns_name), other_info.dns_name.as_ref());
    assert_eq!(who.addresses, other_info.addresses);
    assert!(who.login.is_some() && who.tags.is_empty(), "{who:?}");

    let status = in_time(questions.status()).await.unwrap();
    assert_eq!(status.own.state, "Running");
    assert_eq!(status.own.node, info);
    let peer = |name: &str| status.peers.iter().find(|peer| peer.name == name).cloned();
    assert_eq!(peer("answers").unwrap().addresses, other_info.addresses);
    assert_eq!(peer("asks"), None, "a node is no peer of its own");

    let pong = in_time(questions.ping(address, PATIENCE)).await.unwrap();
    assert!(!pong.latency.is_zero());
    assert!(!matches!(pong.path, PeerPath::PeerRelay(_)), "{pong:?}");

    let nobody = "100.64.99.99".parse().unwrap();
    let error = in_time(questions.who_is(nobody)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownPeer, "{error}");
    let error = in_time(questions.ping(nobody, PATIENCE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownPeer, "{error}");

    let domain = "asks.elsewhere.example";
    let error = in_time(questions.certificate(domain)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCertificates, "{error}");

    other.close().await.unwrap();
    node.close().await.unwrap();
    for error in [
        questions.who_is(address).await.unwrap_err(),
        questions.status().await.unwrap_err(),
        questions.ping(address, PATIENCE).await.unwrap_err(),
        questions.certificate(domain).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

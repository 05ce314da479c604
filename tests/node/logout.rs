//! A node that gives its login up.

use tailport::tailnet::{ErrorKind, Event};

use crate::stage::{self, in_time, up};
use crate::support::home::Home;

#[tokio::test]
async fn a_logged_out_node_is_nobody_any_more() {
    let home = Home::new();
    let (node, info) = up(&stage::options(&home, "leaves")).await;
    let mut events = node.watch().unwrap();
    in_time(node.logout()).await.unwrap();
    let needs_login = async {
        let wanted = Event::State("NeedsLogin".to_owned());
        while events.next().await.unwrap().unwrap() != wanted {}
    };
    in_time(needs_login).await;
    let questions = node.questions();
    let error = in_time(questions.who_is(info.addresses[0]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRunning, "{error}");
    node.close().await.unwrap();
}

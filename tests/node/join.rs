//! How a node joins: with tags, which make it nobody's.

use crate::stage::{self, in_time, up};
use crate::support::home::Home;

#[tokio::test]
async fn a_node_joins_with_its_tags() {
    let home = Home::new();
    let mut options = stage::options(&home, "tagged");
    options.tags = vec!["tag:server".to_owned(), "tag:door".to_owned()];
    let (node, info) = up(&options).await;
    assert_eq!(stage::tailnet().node("tagged").unwrap().tags, options.tags);
    let who = in_time(node.questions().who_is(info.addresses[0]))
        .await
        .unwrap();
    assert_eq!((who.tags, who.login), (options.tags, None));
    node.close().await.unwrap();
}

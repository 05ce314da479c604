//! What those who run the program look at and ask for: status, health, metrics, actions.
//!
//! | file | its one idea |
//! |---|---|
//! | `node_status` | what is known of the node, and whether it is ready |
//! | `operations` | the trait behind which peers, ping, reload and logout are answered |
//! | `view` | all that there is to see, for every door |
//! | `report` | what `/status` answers |
//! | `exposition`, `exposition_text` | what `/metrics` answers |
//! | `time` | times in JSON |
//! | `serve` | HTTP at a door, within bounds |
//! | `routes` | which path is answered at which door |
//! | `control` | the control socket in the state directory |
//! | `client` | the other end of the control socket |
//! | `at` | where the admin endpoint listens, and its names |
//! | `page` | the status page |

mod at;
mod client;
mod control;
mod exposition;
mod exposition_text;
mod node_status;
mod operations;
mod page;
mod report;
mod routes;
mod serve;
mod time;
mod view;

pub use at::At;
pub use client::{Client, Unanswered};
pub use control::{ControlFile, ControlListener, NAME as CONTROL_SOCKET, open as open_control};
pub use node_status::{
    NEEDS_APPROVAL, NodeStatus, Phase, RUNNING, Remark, STATES, meaning, service_pending,
};
pub use operations::{Answer, LibraryCounts, Operations, PathCounts, Peer, Pong, Refusal};
pub use report::{Connections, ForwardReport, RecentReport, Report};
pub use routes::Door;
pub use serve::{CLIENTS, Listen, serve};
pub use view::View;

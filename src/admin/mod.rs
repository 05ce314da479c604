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

mod exposition;
mod exposition_text;
mod node_status;
mod operations;
mod report;
mod time;
mod view;

pub use node_status::{NodeStatus, Phase, RUNNING, Remark, STATES, meaning};
pub use operations::{Answer, LibraryCounts, Operations, Peer, Pong, Refusal};
pub use report::{Connections, ForwardReport, RecentReport, Report};
pub use view::View;

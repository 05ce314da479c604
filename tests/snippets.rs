//! What the documents tell a reader to paste does what they promise.
//!
//! Every block of code in the README, in docs/ and beside the Go half has an entry in
//! `table`, which names the test that runs it. Most run on a machine of their own, a network
//! namespace, because they use the ports and addresses that stand in the text; `make interop`
//! runs those.
//!
//! | file | its one idea |
//! |---|---|
//! | `documents` | the documents as Markdown |
//! | `table` | which test runs which block |
//! | `machine` | where blocks are pasted |
//! | `messages` | the runbook's table of problems |
//! | the others | the tests |

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

#[path = "snippets/documents.rs"]
mod documents;
#[path = "snippets/forwards.rs"]
mod forwards;
#[path = "interop/host.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod host;
#[path = "snippets/links.rs"]
mod links;
#[path = "snippets/machine.rs"]
mod machine;
#[path = "snippets/messages.rs"]
mod messages;
#[path = "snippets/operations.rs"]
mod operations;
#[path = "snippets/readme.rs"]
mod readme;
#[path = "snippets/runbook.rs"]
mod runbook;
#[path = "snippets/table.rs"]
mod table;

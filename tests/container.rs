//! The container: its image looked into and run as a container engine does, on the
//! private tailnet; and the compose file beside it.
//!
//! `make image` builds the image, with a podman that is unpacked below target/, and
//! runs the tests that need it. Containers share this machine's loopback.
//!
//! | file | its one idea |
//! |---|---|
//! | `engine` | that podman, and a container as a child process |
//! | `stage` | settings of a node in a container, and where its key lies |
//! | `pasted` | what the document has to be pasted |
//! | the others | the tests |

#![allow(clippy::unwrap_used)]

mod support;

#[path = "container/compose.rs"]
mod compose;
#[path = "snippets/documents.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod documents;
#[path = "container/engine.rs"]
mod engine;
#[path = "container/first_process.rs"]
mod first_process;
#[path = "container/image.rs"]
mod image;
#[path = "container/life.rs"]
mod life;
#[path = "container/pasted.rs"]
mod pasted;
#[path = "container/stage.rs"]
mod stage;
#[path = "container/trust.rs"]
mod trust;

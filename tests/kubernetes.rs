//! The manifests below deploy/kubernetes: Kubernetes knows all that is in them, kustomize builds
//! them, the program takes its part, and a pod's volumes are good enough for its checks.
//!
//! | file | its one idea |
//! |---|---|
//! | `manifests` | a manifest as the API's own types |
//! | `pods` | a pod, and the containers of ours in it |
//! | `objects` | what is asked of every object and every pod |
//! | `configuration` | the program and what it is given |
//! | `commands` | what the document has to be pasted |
//! | `volumes` | the program on volumes as the kubelet makes them |

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

#[path = "kubernetes/commands.rs"]
mod commands;
#[path = "kubernetes/configuration.rs"]
mod configuration;
#[path = "snippets/documents.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod documents;
#[path = "kubernetes/manifests.rs"]
mod manifests;
#[path = "kubernetes/objects.rs"]
mod objects;
#[path = "kubernetes/pods.rs"]
mod pods;
#[path = "kubernetes/volumes.rs"]
mod volumes;

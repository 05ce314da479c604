//! A manifest as the API's own types. A field that they do not have, the API server would drop:
//! here it is a mistake.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::go_program;

/// The kinds that are in use.
#[derive(Debug)]
pub(crate) enum Object {
    Service(Box<Service>),
    ServiceAccount,
    StatefulSet(Box<StatefulSet>),
    NetworkPolicy(NetworkPolicy),
    PodDisruptionBudget(PodDisruptionBudget),
}

impl Object {
    /// Reads one object.
    ///
    /// # Errors
    /// Every field that Kubernetes does not know, or the first one that is not what it has there.
    pub(crate) fn parse(value: Value) -> Result<Self, String> {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let kind = format!("{} {}", text("apiVersion"), text("kind"));
        Ok(match kind.as_str() {
            "v1 Service" => Self::Service(Box::new(typed(value)?)),
            "v1 ServiceAccount" => typed::<ServiceAccount>(value).map(|_| Self::ServiceAccount)?,
            "apps/v1 StatefulSet" => Self::StatefulSet(Box::new(typed(value)?)),
            "networking.k8s.io/v1 NetworkPolicy" => Self::NetworkPolicy(typed(value)?),
            "policy/v1 PodDisruptionBudget" => Self::PodDisruptionBudget(typed(value)?),
            other => return Err(format!("{other:?} is not among the kinds that are in use")),
        })
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    let mut unknown = Vec::new();
    let object = serde_ignored::deserialize(value, |path| unknown.push(path.to_string()));
    let object = object.map_err(|error| error.to_string())?;
    match unknown.is_empty() {
        true => Ok(object),
        false => Err(format!("unknown: {}", unknown.join(", "))),
    }
}

/// Where the manifests are.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes")
}

/// What can be applied as it is.
pub(crate) const KUSTOMIZATIONS: [&str; 3] = ["base", "overlays/example", "sidecar"];

/// The objects of a kustomization, built by kustomize's own library.
#[track_caller]
pub(crate) fn built(kustomization: &str) -> Vec<Object> {
    let output = Command::new(go_program::built("kubernetes"))
        .arg(directory().join(kustomization))
        .output()
        .unwrap();
    assert!(output.status.success(), "{kustomization}: {output:?}");
    objects(kustomization, &String::from_utf8(output.stdout).unwrap())
}

/// The objects of a text.
#[track_caller]
pub(crate) fn objects(name: &str, text: &str) -> Vec<Object> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    assert!(!values.is_empty(), "{name}: no object");
    let parsed = values.into_iter().map(Object::parse);
    parsed
        .map(|object| object.unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

/// Every file of objects: all but what only kustomize reads.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut ahead = vec![directory()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match name {
                _ if path.is_dir() => ahead.push(path),
                "kustomization.yaml" | "target.yaml" => {}
                _ => files.push(path),
            }
        }
    }
    files
}

#[test]
fn every_file_has_only_what_kubernetes_knows() {
    let files = files();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        objects(
            &file.display().to_string(),
            &fs::read_to_string(&file).unwrap(),
        );
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let statefulset = |text: &str| {
        let text = format!("{{apiVersion: apps/v1, kind: StatefulSet, spec: {text}}}");
        Object::parse(serde_saphyr::from_str(&text).unwrap())
    };
    let found = statefulset("{replicas: 1, template: {spec: {containers: [{name: a, imge: b}]}}}");
    let error = found.unwrap_err();
    // A question mark is an object that may be absent.
    let path = "spec.?.template.?.spec.?.containers.?.0.imge";
    assert_eq!(error, format!("unknown: {path}"));
    let error = statefulset("{replicas: one}").unwrap_err();
    assert!(error.contains("invalid type"), "{error}");
}

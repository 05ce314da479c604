//! A pod, and the containers of ours in it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::manifests::{KUSTOMIZATIONS, Object, built};

/// A pod as a StatefulSet makes it.
pub(crate) struct Pod {
    /// Of which kustomization.
    pub(crate) name: &'static str,
    pub(crate) set: StatefulSet,
    pub(crate) spec: PodSpec,
}

impl Pod {
    /// Those of all kustomizations.
    pub(crate) fn all() -> Vec<Self> {
        let mut pods = Vec::new();
        for name in KUSTOMIZATIONS {
            for object in built(name) {
                let Object::StatefulSet(set) = object else {
                    continue;
                };
                let spec = set.spec.clone().unwrap().template.spec.unwrap();
                let set = *set;
                pods.push(Self { name, set, spec });
            }
        }
        assert_eq!(pods.len(), KUSTOMIZATIONS.len());
        pods
    }

    /// All containers, those that start first too.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Container> {
        let first = self.spec.init_containers.iter().flatten();
        first.chain(&self.spec.containers)
    }

    /// The one that runs the program.
    pub(crate) fn ours(&self) -> &Container {
        let mut ours = self.containers().filter(|c| c.name == "tailport");
        let ours = (ours.next().unwrap(), ours.next());
        assert!(ours.1.is_none(), "{}", self.name);
        ours.0
    }

    /// The variables of the program, as the kubelet makes them for the first replica.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for variable in self.ours().env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (Some(value), None) => value.clone(),
                (None, Some(source)) => {
                    let field = source.field_ref.as_ref().unwrap();
                    assert_eq!(field.field_path, "metadata.name", "{}", self.name);
                    format!("{}-0", self.set.metadata.name.as_ref().unwrap())
                }
                other => panic!("{}: {}: {other:?}", self.name, variable.name),
            };
            // Only variables that stand above are known.
            let value =
                variables
                    .iter()
                    .fold(value, |value: String, (name, known): (&String, &String)| {
                        value.replace(&format!("$({name})"), known)
                    });
            assert!(!value.contains("$("), "{}: {value}", self.name);
            variables.insert(variable.name.clone(), value);
        }
        variables
    }
}

//! What is asked of every object and every pod: selectors that choose, as few rights as can be,
//! probes that ask what is answered, time enough to stop.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::manifests::{KUSTOMIZATIONS, Object, built};
use crate::pods::Pod;

const DOCUMENT: &str = include_str!("../../docs/kubernetes.md");

type Labels = BTreeMap<String, String>;

#[test]
fn selectors_choose_the_pods_of_their_own_and_no_others() {
    for name in KUSTOMIZATIONS {
        let objects = built(name);
        let templates = objects.iter().filter_map(|object| match object {
            Object::StatefulSet(set) => set.spec.as_ref()?.template.metadata.as_ref(),
            _ => None,
        });
        let labels: Vec<&Labels> = templates.filter_map(|m| m.labels.as_ref()).collect();
        let [labels] = labels[..] else {
            panic!("{name}: {labels:?}");
        };
        for object in &objects {
            let selector = match object {
                Object::ServiceAccount => continue,
                Object::Service(service) => service.spec.as_ref().unwrap().selector.as_ref(),
                Object::StatefulSet(set) => {
                    set.spec.as_ref().unwrap().selector.match_labels.as_ref()
                }
                Object::NetworkPolicy(policy) => {
                    let selector = policy.spec.as_ref().unwrap().pod_selector.as_ref();
                    selector.unwrap().match_labels.as_ref()
                }
                Object::PodDisruptionBudget(budget) => {
                    let selector = budget.spec.as_ref().unwrap().selector.as_ref();
                    selector.unwrap().match_labels.as_ref()
                }
            };
            // Less would choose pods of others too.
            assert_eq!(selector, Some(labels), "{name}: {object:?}");
        }
    }
}

#[test]
fn pods_have_as_few_rights_as_can_be() {
    for pod in Pod::all() {
        let (name, spec) = (pod.name, &pod.spec);
        assert_eq!(spec.automount_service_account_token, Some(false), "{name}");
        assert_eq!(spec.enable_service_links, Some(false), "{name}");
        assert_eq!(spec.host_network, None, "{name}");
        let context = spec.security_context.as_ref().unwrap();
        assert_eq!(context.run_as_non_root, Some(true), "{name}");
        let ids = [context.run_as_user, context.run_as_group, context.fs_group];
        assert_eq!(ids, [Some(65532); 3], "{name}");
        let seccomp = context.seccomp_profile.as_ref().unwrap();
        assert_eq!(seccomp.type_, "RuntimeDefault", "{name}");
        for container in pod.containers() {
            let context = container.security_context.as_ref().unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false), "{name}");
            assert_eq!(context.read_only_root_filesystem, Some(true), "{name}");
            assert_eq!(context.privileged, None, "{name}");
            let capabilities = context.capabilities.as_ref().unwrap();
            assert_eq!(capabilities.add, None, "{name}");
            assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]), "{name}");
            let limits = container.resources.as_ref().unwrap().limits.as_ref();
            assert!(limits.unwrap().contains_key("memory"), "{name}");
        }
    }
}

#[test]
fn mounts_have_volumes_and_secrets_are_not_for_all() {
    for pod in Pod::all() {
        let claims = pod.set.spec.as_ref().unwrap().volume_claim_templates.iter();
        let claims = claims
            .flatten()
            .filter_map(|claim| claim.metadata.name.clone());
        let volumes = pod.spec.volumes.iter().flatten();
        let known: BTreeSet<String> = volumes
            .clone()
            .map(|v| v.name.clone())
            .chain(claims)
            .collect();
        for mount in pod
            .containers()
            .flat_map(|c| c.volume_mounts.iter().flatten())
        {
            assert!(known.contains(&mount.name), "{}: {mount:?}", pod.name);
        }
        let secrets: Vec<_> = volumes
            .filter_map(|volume| volume.secret.as_ref())
            .collect();
        assert!(!secrets.is_empty(), "{}", pod.name);
        for secret in secrets {
            assert_eq!(secret.default_mode, Some(0o400), "{}", pod.name);
            let name = secret.secret_name.as_ref().unwrap();
            let told = DOCUMENT.contains(&format!("kubectl create secret generic {name} "));
            assert!(told || pod.name == "base", "docs/kubernetes.md: no {name}");
        }
    }
}

/// Which state it has is the node's identity: two pods with one claim would be one node.
#[test]
fn every_replica_has_a_claim_of_its_own() {
    for pod in Pod::all() {
        let claims = pod
            .set
            .spec
            .as_ref()
            .unwrap()
            .volume_claim_templates
            .as_ref();
        let names: Vec<_> = claims
            .unwrap()
            .iter()
            .map(|c| c.metadata.name.as_deref())
            .collect();
        assert_eq!(names, [Some("state")], "{}", pod.name);
    }
}

#[test]
fn a_sidecar_goes_on_and_the_application_starts_behind_it() {
    let pods = Pod::all();
    let sidecar = pods.iter().find(|pod| pod.name == "sidecar").unwrap();
    let first = sidecar.spec.init_containers.as_ref().unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].name, "tailport");
    assert_eq!(first[0].restart_policy.as_deref(), Some("Always"));
    assert!(first[0].startup_probe.is_some());
}

/// What the kubelet asks, either way.
#[track_caller]
fn is_answered(container: &Container, probe: &Probe, admin: Option<&str>) {
    if let Some(exec) = &probe.exec {
        let expected = ["/usr/local/bin/tailport", "status"].map(str::to_owned);
        assert_eq!(exec.command.as_deref(), Some(&expected[..]));
        return;
    }
    let get = probe.http_get.as_ref().unwrap();
    assert!(
        ["/livez", "/readyz"].contains(&get.path.as_deref().unwrap()),
        "{get:?}"
    );
    let port = match &get.port {
        IntOrString::Int(port) => *port,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let port = ports.find(|port| port.name.as_ref() == Some(name));
            port.unwrap().container_port
        }
    };
    // From outside of the pod, so not on its loopback.
    assert_eq!(admin, Some(format!("0.0.0.0:{port}").as_str()));
}

#[test]
fn probes_ask_what_is_answered() {
    for pod in Pod::all() {
        let (container, variables) = (pod.ours(), pod.variables());
        let admin = variables.get("TS_ADMIN_ADDR").map(String::as_str);
        for probe in [&container.startup_probe, &container.readiness_probe] {
            is_answered(container, probe.as_ref().unwrap(), admin);
        }
        let Some(liveness) = &container.liveness_probe else {
            continue;
        };
        is_answered(container, liveness, admin);
        // One that is not ready is not helped by a restart.
        let get = liveness.http_get.as_ref().unwrap();
        assert_eq!(get.path.as_deref(), Some("/livez"), "{}", pod.name);
    }
}

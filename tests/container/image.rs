//! The image: how large it is, what it says of itself, what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::engine::{IMAGE, PROGRAM, STATE, told};
use crate::stage::USER;

/// The most bytes that it may have.
const LARGEST: u64 = 30_000_000;

/// What podman knows of it.
pub(crate) fn inspected() -> Value {
    let text = told(&["image", "inspect", IMAGE]);
    let mut images: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(images.len(), 1, "{text}");
    images.remove(0)
}

/// Everything below a directory: its name, mode, type included, and owner.
fn content(root: &Path) -> BTreeMap<String, (u32, u32)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let name = entry.path();
            let name = name.strip_prefix(root).unwrap().to_str().unwrap();
            let mode = metadata.permissions().mode();
            found.insert(format!("/{name}"), (mode, metadata.uid()));
            if metadata.is_dir() {
                left.push(entry.path());
            }
        }
    }
    found
}

#[test]
#[ignore = "needs the image: make image"]
fn it_is_at_most_30_megabytes() {
    let size = inspected()["Size"].as_u64().expect("a number");
    println!("the image has {size} bytes");
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
#[ignore = "needs the image: make image"]
fn it_says_how_it_is_to_be_run_watched_and_stopped() {
    let image = inspected();
    let config = &image["Config"];
    assert_eq!(config["User"], format!("{USER}:{USER}"));
    assert_eq!(config["Entrypoint"], json!([PROGRAM]));
    assert_eq!(config["Cmd"], Value::Null);
    assert_eq!(config["Volumes"], json!({ STATE: {} }));
    assert_eq!(config["StopSignal"], "SIGTERM");
    let variables = config["Env"].as_array().expect("a list");
    assert!(
        variables.contains(&json!(format!("TS_STATE_DIR={STATE}"))),
        "{variables:?}"
    );
    let check = &image["Healthcheck"];
    assert_eq!(check["Test"], json!(["CMD", PROGRAM, "status"]));
}

#[test]
#[ignore = "needs the image: make image"]
fn its_labels_say_what_it_is() {
    let image = inspected();
    let label = |name: &str| {
        let value = &image["Labels"][format!("org.opencontainers.image.{name}")];
        value.as_str().expect("a label").to_owned()
    };
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    let revision = label("revision");
    assert!(
        revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{revision}"
    );
}

#[test]
#[ignore = "needs the image: make image"]
fn it_holds_the_program_certificates_and_a_private_place_for_the_state() {
    let root = told(&["image", "mount", IMAGE]);
    let found = content(Path::new(root.trim()));
    let directory = |mode: u32, user: u32| (0o040_000 | mode, user);
    let file = |mode: u32| (0o100_000 | mode, 0);
    let expected = [
        ("/etc", directory(0o755, 0)),
        ("/etc/ssl", directory(0o755, 0)),
        ("/etc/ssl/certs", directory(0o755, 0)),
        ("/etc/ssl/certs/ca-certificates.crt", file(0o644)),
        ("/usr", directory(0o755, 0)),
        ("/usr/local", directory(0o755, 0)),
        ("/usr/local/bin", directory(0o755, 0)),
        (PROGRAM, file(0o755)),
        ("/var", directory(0o755, 0)),
        ("/var/lib", directory(0o755, 0)),
        (STATE, directory(0o700, USER)),
    ];
    let expected = expected.map(|(name, what)| (name.to_owned(), what));
    assert_eq!(found, BTreeMap::from(expected));
}

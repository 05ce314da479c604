//! As process 1: signals that others get by default do not reach it, and it inherits
//! the orphans of its container.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::engine::{Container, Volume};
use crate::stage;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::tailnet::Tailnet;

/// A process's state and its parent.
fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// The children of a process.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

#[test]
#[ignore = "needs the image: make image"]
fn it_stops_while_it_waits_for_the_control_server() {
    let tailnet = Tailnet::start();
    tailnet.control("refuse");
    let settings = stage::settings(&tailnet).expose(7000, "127.0.0.1:9");
    let volume = Volume::new();
    let options = [volume.option(), stage::key(&settings, &tailnet)];
    let mut container = Container::run(&settings, &options);
    container
        .log()
        .wait(PATIENCE, |line| line.contains("cannot be asked yet"))
        .expect("a line in the log");
    assert_eq!(container.stop(), 0);
}

/// What `exec` leaves behind, and what runs in a process namespace that is shared:
/// nobody waits for it here. It costs an entry in the table of processes, no more.
#[test]
#[ignore = "needs the image: make image"]
fn orphans_of_its_container_stay_and_disturb_nothing() {
    let tailnet = Tailnet::start();
    let settings = stage::settings(&tailnet).expose(7000, "127.0.0.1:9");
    let volume = Volume::new();
    let options = [volume.option(), stage::key(&settings, &tailnet)];
    let mut container = Container::run(&settings, &options);
    container.ready();
    let pid = container.pid();
    assert_eq!(children(pid), [0; 0]);

    // The image has no shell: this machine's enters the container's processes. What it
    // leaves ends with its stdin.
    let mut shell = std::process::Command::new("nsenter")
        .args(["--target", &pid.to_string(), "--pid"])
        .args(["sh", "-c", "exec 3<&0; cat <&3 &"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("starting nsenter");
    let mut stdin = shell.stdin.take().unwrap();
    assert!(shell.wait().unwrap().success());
    let orphan = eventually_some("it has inherited an orphan", PATIENCE, || {
        children(pid).first().copied()
    });
    stdin.write_all(b"?").expect("it lives");
    drop(stdin);
    eventually("the orphan has ended", PATIENCE, || {
        state_and_parent(orphan) == Some(('Z', pid))
    });

    container.wait_healthy();
    assert_eq!(children(pid), [orphan], "health checks leave none");
    assert_eq!(container.stop(), 0);
    assert_eq!(state_and_parent(orphan), None);
}

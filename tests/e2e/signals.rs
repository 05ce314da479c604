//! Signals, wherever in the process they arrive.

use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::PATIENCE;
use crate::support::socket;

#[test]
fn a_hangup_without_a_file_ends_the_program_as_ever() {
    let settings = stage::settings().expose(7000, "127.0.0.1:9");
    // What ran the tests may have been told to ignore it, by nohup for one.
    let mut node = stage::start(&settings.launched_by(&["env", "--default-signal=HUP"]));
    node.hang_up();
    assert_eq!(node.wait_exit(PATIENCE).signal(), Some(1));
}

#[test]
fn signals_to_the_threads_that_run_go_harm_nothing() {
    let target = socket::listen();
    let settings = stage::settings();
    let text = format!(
        "[[expose]]\nlisten = 7000\ntarget = '{}'\n",
        socket::address(&target)
    );
    let file = settings.directory().write_secret("tailport.toml", &text);
    let mut node = stage::start(&settings.arguments(&["--config", file.to_str().unwrap()]));
    let mut client = stage::peer().dial(node.at(7000));
    let mut served = socket::accept(&target);

    // Go code runs as long as bytes flow.
    let (sent, got) = thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let sending = scope.spawn(move || {
            let sent = content::send(&mut served, 32 * MIB, 1).expect("sending");
            served.shutdown(Shutdown::Write).expect("half-closing");
            sent
        });
        let receiving = scope.spawn(move || {
            let _done = done;
            content::receive(&mut client).expect("an end of stream")
        });
        while is_done.try_recv() == Err(TryRecvError::Empty) {
            node.hang_up_each_thread();
        }
        let got = receiving.join().expect("the client");
        (sending.join().expect("the target"), got)
    });
    assert_eq!(got, sent);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}

//! Every wrong use of the calls is an answer (`c/misuse.c`), and leaves nothing behind.

use crate::conversation::ends_well;
use crate::program;
use crate::support::child::Child;
use crate::support::home::Home;

#[test]
fn wrong_handles_descriptors_and_buffers_are_answers() {
    let home = Home::new();
    let mut command = program::command(program::built("misuse", home.path()));
    command.arg(home.path());
    ends_well(Child::start("misuse", &mut command));
}

//! The runtime that everything of this half runs in.

use std::{io, num::NonZero, thread};

use tokio::runtime::{Builder, Runtime};

/// For how many processors there is a thread for the relays. The Go half, which encrypts,
/// has most of the work, about four fifths even with small messages; with a thread for
/// each processor they wake one another, and on two processors 16 exchanges at a time and
/// bulk took about 5 % more of their time.
const PROCESSORS_A_WORKER: usize = 4;

/// Builds it.
///
/// # Errors
/// When the system has no thread or no descriptor for it.
pub fn runtime() -> io::Result<Runtime> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(PROCESSORS_A_WORKER))
        .enable_all()
        .build()
}

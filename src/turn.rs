//! Tasks that go on in the thread that wakes them.
//!
//! What the Go half has to say comes in a thread of its own. Told to a task of the
//! runtime, it is a write that wakes a thread, which asks the system what there is, reads
//! it, and calls back: on two processors that was a tenth of the CPU of a connection with a
//! single request. So a thread that brings news takes a [`turn`]: the tasks of this file
//! that are woken in it go on there, one after the other, as far as each of them can.
//!
//! A turn is for decisions, which are short, and not for moving bytes: the thread is
//! somebody else's, and nothing interrupts a task in it. A task that is about to do more
//! [`leave`]s first. Woken by anybody else, by a socket or a timer, such a task goes on in
//! the runtime; and so does one that is woken again while it goes on.
//!
//! Nobody owns such a task but those who may wake it. One that the runtime can take on no
//! more, because it is shutting down, ends. One that nobody wakes is kept for as long as
//! the process: end what waits before the runtime.

mod joined;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

pub use joined::joined;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many tasks a turn carries on; the others go to the runtime. One piece of news wakes
/// a loop and the task that it begins.
const MOST: usize = 8;

thread_local! {
    /// What goes on in this thread's turn, while it takes one.
    static WOKEN: RefCell<Option<VecDeque<Arc<Task>>>> = const { RefCell::new(None) };
    /// Whether a task of this file goes on here now.
    static HERE: Cell<Here> = const { Cell::new(Here::Nobody) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Nobody,
    Staying,
    Leaving,
}

/// Takes a turn: tells its news in `body`, and carries on the first few of those who wait
/// for it. What they begin lives in `runtime`.
pub fn turn<T>(runtime: &Handle, body: impl FnOnce() -> T) -> T {
    if WOKEN.with_borrow(Option::is_some) {
        return body();
    }
    let _inside = runtime.enter();
    WOKEN.set(Some(VecDeque::new()));
    let _end = End;
    let told = body();
    for _ in 0..MOST {
        let next = WOKEN.with_borrow_mut(|woken| woken.as_mut().and_then(VecDeque::pop_front));
        let Some(task) = next else { break };
        task.go_on();
    }
    told
}

/// The end of a turn, by a panic too: what has not gone on does so in the runtime.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        for task in WOKEN.take().into_iter().flatten() {
            task.go_on_in_the_runtime();
        }
    }
}

/// Starts a task: in this turn, or else in the runtime that this is called in.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    let task = Task {
        runtime: Handle::current(),
        state: Mutex::new(State::Woken(Box::pin(work))),
    };
    Arc::new(task).be_woken();
}

/// Goes on in the runtime for good, if it does not yet.
///
/// # Cancel safety
/// Safe.
pub async fn leave() {
    let mut asked = false;
    poll_fn(|cx| {
        if mem::replace(&mut asked, true) || HERE.get() == Here::Nobody {
            return Poll::Ready(());
        }
        HERE.set(Here::Leaving);
        cx.waker().wake_by_ref(); // for what stands between the task and this future
        Poll::Pending
    })
    .await;
}

/// A task of this file.
struct Task {
    runtime: Handle,
    state: Mutex<State>,
}

enum State {
    /// It waits to be woken.
    Waiting(Work),
    /// It is about to go on somewhere.
    Woken(Work),
    /// It goes on now.
    Going { woken: bool },
    /// It is over, or the runtime has it for good.
    Gone,
}

impl Task {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it go on in this thread's turn, or else in the runtime.
    fn be_woken(self: Arc<Self>) {
        let task = WOKEN.with_borrow_mut(|woken| match woken {
            Some(woken) => {
                woken.push_back(self);
                None
            }
            None => Some(self),
        });
        if let Some(task) = task {
            task.go_on_in_the_runtime();
        }
    }

    fn go_on_in_the_runtime(self: Arc<Self>) {
        let runtime = self.runtime.clone();
        let expected = Expected(Some(self));
        runtime.spawn(async move { expected.goes_on() });
    }

    fn go_on(self: Arc<Self>) {
        let mut work = {
            let mut state = self.lock();
            match mem::replace(&mut *state, State::Going { woken: false }) {
                State::Woken(work) => work,
                other => {
                    *state = other;
                    return;
                }
            }
        };
        let waker = Waker::from(Arc::clone(&self));
        let before = HERE.replace(Here::Staying);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            work.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        let leaves = HERE.replace(before) == Here::Leaving;
        // A panic was told where it happened; what it leaves is dropped as at an end.
        let over = !matches!(polled, Ok(Poll::Pending));
        drop_quietly(polled);
        let mut state = self.lock();
        match *state {
            _ if over => {
                *state = State::Gone;
                drop(state);
                drop_quietly(work);
            }
            _ if leaves => {
                *state = State::Gone;
                drop(state);
                self.runtime.spawn(work);
            }
            State::Going { woken: true } => {
                *state = State::Woken(work);
                drop(state);
                self.go_on_in_the_runtime();
            }
            _ => *state = State::Waiting(work),
        }
    }

    /// Drops what it has not done; it does not go on just now.
    fn end(&self) {
        let rest = mem::replace(&mut *self.lock(), State::Gone);
        drop_quietly(rest);
    }
}

/// A task that the runtime is to carry on. It ends if the runtime does not, as at its own end.
struct Expected(Option<Arc<Task>>);

impl Expected {
    fn goes_on(mut self) {
        if let Some(task) = self.0.take() {
            task.go_on();
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.end();
        }
    }
}

/// Drops what is left of a task: a panic there must not reach the Go half either.
fn drop_quietly<T>(rest: T) {
    // What a panic carries may panic too, when it is dropped.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(rest))) {
        mem::forget(panic);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        {
            let mut state = self.lock();
            match mem::replace(&mut *state, State::Gone) {
                State::Waiting(work) => *state = State::Woken(work),
                State::Going { .. } => {
                    *state = State::Going { woken: true };
                    return;
                }
                other => {
                    *state = other;
                    return;
                }
            }
        }
        self.be_woken();
    }
}

#[cfg(test)]
mod tests;

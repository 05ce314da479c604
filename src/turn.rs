//! Tasks that go on in the thread that wakes them.
//!
//! What the Go half has to say comes in a thread of its own. Told to a task of the
//! runtime, it is a write that wakes a thread, which asks the system what there is, reads
//! it, and calls back: on two processors that was a quarter of what a connection with a
//! single request costs. So a thread that brings news takes a [`turn`]: the tasks of this
//! file that are woken in it go on there, until each of them waits for something else.
//!
//! A turn is for decisions, which are short, and not for moving bytes: the thread is
//! somebody else's, and nothing interrupts a task in it. A task that is about to do more
//! [`leave`]s first. Woken by anybody else, by a socket or a timer, such a task goes on in
//! the runtime.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many tasks a turn carries on; the others go to the runtime. One piece of news wakes
/// a loop and the task that it begins.
const LONGEST: usize = 8;

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

/// Takes a turn: tells its news in `body`, and carries on those who wait for it. What they
/// begin lives in `runtime`.
pub fn turn<T>(runtime: &Handle, body: impl FnOnce() -> T) -> T {
    if WOKEN.with_borrow(Option::is_some) {
        return body();
    }
    let _inside = runtime.enter();
    WOKEN.set(Some(VecDeque::new()));
    let _end = End;
    let told = body();
    for _ in 0..LONGEST {
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
    Task::start(Box::pin(work));
}

/// Goes on in the runtime for good, if it does not yet.
///
/// # Cancel safety
/// Safe.
pub async fn leave() {
    let mut asked = false;
    poll_fn(|_| {
        if mem::replace(&mut asked, true) || HERE.get() == Here::Nobody {
            return Poll::Ready(());
        }
        HERE.set(Here::Leaving);
        Poll::Pending
    })
    .await;
}

/// Starts a task and waits for what it returns; a panic goes on here.
///
/// # Cancel safety
/// Dropping the future ends the task.
pub async fn joined<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    let task = Task::start(Box::pin(async move {
        let mut work = Box::pin(work);
        let outcome = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await;
        drop(work);
        // Who does not hear of it any more has dropped the future.
        let _ = tell.send(outcome);
    }));
    let _task = EndOnDrop(task);
    match told.await {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => resume_unwind(ended_with_the_runtime()),
    }
}

fn ended_with_the_runtime() -> Box<dyn Any + Send> {
    Box::new("the task has ended with its runtime")
}

struct EndOnDrop(Arc<Task>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
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
    Going { woken: bool, ended: bool },
    /// It is over, or the runtime has it for good.
    Gone,
}

impl Task {
    fn start(work: Work) -> Arc<Self> {
        let task = Arc::new(Self {
            runtime: Handle::current(),
            state: Mutex::new(State::Woken(work)),
        });
        Arc::clone(&task).be_woken();
        task
    }

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
        runtime.spawn(async move { self.go_on() });
    }

    fn go_on(self: Arc<Self>) {
        let mut work = {
            let mut state = self.lock();
            let going = State::Going {
                woken: false,
                ended: false,
            };
            match mem::replace(&mut *state, going) {
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
        let mut state = self.lock();
        match *state {
            State::Going { ended, .. } if over || ended => {
                *state = State::Gone;
                drop(state);
                drop(work);
            }
            State::Going { .. } if leaves => {
                *state = State::Gone;
                drop(state);
                self.runtime.spawn(work);
            }
            State::Going { woken: true, .. } => {
                *state = State::Woken(work);
                drop(state);
                self.go_on_in_the_runtime();
            }
            _ => *state = State::Waiting(work),
        }
    }

    /// Drops what it has not done.
    fn end(&self) {
        let mut state = self.lock();
        if let State::Going { ended, .. } = &mut *state {
            *ended = true;
            return;
        }
        let rest = mem::replace(&mut *state, State::Gone);
        drop(state);
        drop(rest);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        {
            let mut state = self.lock();
            match mem::replace(&mut *state, State::Gone) {
                State::Waiting(work) => *state = State::Woken(work),
                State::Going { ended, .. } => {
                    *state = State::Going { woken: true, ended };
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

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Where tasks go on: in the thread that takes a turn, or in the runtime.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::*;

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn here() -> ThreadId {
    thread::current().id()
}

/// A task that says in which thread it goes on, first and after each news.
fn listener(news: &Arc<Notify>) -> (impl Future<Output = ()> + use<>, mpsc::Receiver<ThreadId>) {
    let (say, said) = mpsc::channel();
    let news = Arc::clone(news);
    let work = async move {
        while say.send(here()).is_ok() {
            news.notified().await;
        }
    };
    (work, said)
}

#[test]
fn what_is_woken_in_a_turn_goes_on_in_its_thread_before_the_turn_is_over() {
    let runtime = runtime();
    let news = Arc::new(Notify::new());
    let (work, said) = listener(&news);
    turn(runtime.handle(), || spawn(work));
    assert_eq!(said.try_recv(), Ok(here()));
    turn(runtime.handle(), || news.notify_one());
    assert_eq!(said.try_recv(), Ok(here()));

    let handle = runtime.handle().clone();
    let other = thread::spawn(move || {
        turn(&handle, || news.notify_one());
        here()
    });
    let other = other.join().unwrap();
    assert_eq!(said.try_recv(), Ok(other));
}

#[test]
fn what_is_woken_by_anybody_else_goes_on_in_the_runtime() {
    let runtime = runtime();
    let worker = runtime.block_on(async { tokio::spawn(async { here() }).await.unwrap() });
    let news = Arc::new(Notify::new());
    let (work, said) = listener(&news);
    runtime.block_on(async { spawn(work) });
    assert_eq!(said.recv_timeout(PATIENCE), Ok(worker));
    news.notify_one();
    assert_eq!(said.recv_timeout(PATIENCE), Ok(worker));
    // And in a turn again, once it waits.
    loop {
        turn(runtime.handle(), || news.notify_one());
        if said.recv_timeout(PATIENCE).unwrap() == here() {
            break;
        }
    }
}

#[test]
fn a_task_in_a_turn_has_the_runtimes_timers() {
    let runtime = runtime();
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            say.send(here()).unwrap();
        });
    });
    assert_ne!(said.recv_timeout(PATIENCE), Ok(here()));
}

#[test]
fn who_leaves_is_the_runtimes_for_good() {
    let runtime = runtime();
    let news = Arc::new(Notify::new());
    let (say, said) = mpsc::channel();
    let heard = Arc::clone(&news);
    turn(runtime.handle(), || {
        spawn(async move {
            say.send(here()).unwrap();
            leave().await;
            leave().await; // it is there already
            say.send(here()).unwrap();
            heard.notified().await;
            say.send(here()).unwrap();
        });
    });
    assert_eq!(said.recv_timeout(PATIENCE), Ok(here()));
    let worker = said.recv_timeout(PATIENCE).unwrap();
    assert_ne!(worker, here());
    turn(runtime.handle(), || news.notify_one());
    assert_eq!(said.recv_timeout(PATIENCE), Ok(worker));
}

#[test]
fn leaving_is_nothing_for_a_task_of_the_runtimes() {
    let runtime = runtime();
    runtime.block_on(leave());
    let left = runtime.block_on(async { tokio::spawn(leave()).await });
    assert!(left.is_ok());
}

#[test]
fn who_is_woken_while_it_goes_on_does_so_once_more() {
    let runtime = runtime();
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        spawn(async move {
            let mut before = false;
            poll_fn(|cx| {
                if mem::replace(&mut before, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            say.send(()).unwrap();
        });
    });
    said.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn no_wake_is_lost_however_they_fall() {
    const NEWS: usize = 20_000;
    let runtime = runtime();
    let (said, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (tell, told) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (over, ended) = mpsc::channel();
    let counts = Arc::clone(&heard);
    let mut told = told;
    runtime.block_on(async {
        spawn(async move {
            while told.recv().await.is_some() {
                counts.fetch_add(1, SeqCst);
            }
            over.send(()).unwrap();
        });
    });
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (tell, said, handle) = (tell.clone(), Arc::clone(&said), runtime.handle().clone());
            thread::spawn(move || {
                while said.fetch_add(1, SeqCst) < NEWS {
                    match number % 2 {
                        0 => turn(&handle, || tell.send(()).unwrap()),
                        _ => tell.send(()).unwrap(),
                    }
                }
            })
        })
        .collect();
    drop(tell);
    for thread in threads {
        thread.join().unwrap();
    }
    ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard.load(SeqCst), NEWS);
}

#[test]
fn a_turn_carries_on_so_many_and_leaves_the_rest_to_the_runtime() {
    let runtime = runtime();
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        for _ in 0..MOST + 3 {
            let say = say.clone();
            spawn(async move { say.send(here()).unwrap() });
        }
    });
    let places: Vec<_> = (0..MOST + 3)
        .map(|_| said.recv_timeout(PATIENCE).unwrap())
        .collect();
    let in_the_turn = places.iter().filter(|&&place| place == here()).count();
    assert_eq!(in_the_turn, MOST);
}

#[test]
fn a_turn_within_a_turn_is_the_same_one() {
    let runtime = runtime();
    let order = RefCell::new(Vec::new());
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        turn(runtime.handle(), || {
            let say = say.clone();
            spawn(async move { say.send("the task").unwrap() });
        });
        order.borrow_mut().extend(said.try_recv());
        order.borrow_mut().push("the outer turn");
    });
    order.borrow_mut().extend(said.try_recv());
    assert_eq!(*order.borrow(), ["the outer turn", "the task"]);
}

#[test]
fn a_panic_ends_its_task_alone() {
    let runtime = runtime();
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        spawn(async { panic!("on purpose") });
        spawn(async move { say.send(()).unwrap() });
    });
    assert_eq!(said.try_recv(), Ok(()));

    let (say, said) = mpsc::channel();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        turn(runtime.handle(), || {
            spawn(async move { say.send(here()).unwrap() });
            panic!("on purpose");
        });
    }));
    assert!(ended.is_err());
    assert_ne!(
        said.recv_timeout(PATIENCE),
        Ok(here()),
        "the runtime has it"
    );
    assert!(WOKEN.with_borrow(Option::is_none), "the turn is over");
}

#[test]
fn what_a_runtime_that_is_gone_was_to_carry_on_ends() {
    let runtime = runtime();
    let news = Arc::new(Notify::new());
    let (work, said) = listener(&news);
    turn(runtime.handle(), || spawn(work));
    said.recv_timeout(PATIENCE).unwrap();
    runtime.shutdown_timeout(PATIENCE);
    news.notify_one();
    assert_eq!(
        said.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn a_panic_in_what_is_dropped_ends_nothing_else() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("on purpose");
            }
        }
    }
    let runtime = runtime();
    let (say, said) = mpsc::channel();
    turn(runtime.handle(), || {
        let panics = Panics;
        spawn(poll_fn(move |_| {
            let _kept = &panics;
            Poll::Ready(())
        }));
        spawn(async move { say.send(()).unwrap() });
    });
    assert_eq!(said.try_recv(), Ok(()));
}

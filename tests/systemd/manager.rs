//! The manager's side of sd_notify: a socket, and what came over it so far.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;

/// A service manager that listens.
pub(crate) struct Manager {
    home: Home,
    heard: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Manager {
    /// Starts listening.
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let socket = UnixDatagram::bind(home.path().join("notify")).expect("a socket");
        let heard = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let hears = Arc::clone(&heard);
        // It ends with the test process, as the readers of outputs do.
        thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                lock(&hears.0).extend(text.lines().map(str::to_owned));
                hears.1.notify_all();
            }
        });
        Self { home, heard }
    }

    /// Starts the program as this manager does.
    pub(crate) fn of(&self, settings: Settings) -> Settings {
        settings.set("NOTIFY_SOCKET", self.home.path().join("notify"))
    }

    /// Every word so far, such as `READY=1`.
    pub(crate) fn heard(&self) -> Vec<String> {
        lock(&self.heard.0).clone()
    }

    /// How many words there are so far; see [`Manager::wait_from`].
    pub(crate) fn mark(&self) -> usize {
        lock(&self.heard.0).len()
    }

    /// The first word of which `wanted` is true, heard already or soon.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_from(0, what, wanted)
    }

    /// The same among the words after a [`Manager::mark`].
    #[track_caller]
    pub(crate) fn wait_from(
        &self,
        mark: usize,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + PATIENCE;
        let mut heard = lock(&self.heard.0);
        loop {
            if let Some(found) = heard[mark..].iter().find(|word| wanted(word)) {
                return found.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} is not among {:#?}", &heard[mark..]);
            let waited = self.heard.1.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this many words more that begin like this.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, count: usize, beginning: &str) {
        let mut mark = self.mark();
        for _ in 0..count {
            self.wait_from(mark, beginning, |word| word.starts_with(beginning));
            mark = self.mark();
        }
    }

    /// Waits for a status that contains a text.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, text: &str) -> String {
        self.wait(text, |word| {
            word.starts_with("STATUS=") && word.contains(text)
        })
    }

    /// The same among the words after a mark.
    #[track_caller]
    pub(crate) fn wait_for_status_from(&self, mark: usize, text: &str) -> String {
        self.wait_from(mark, text, |word| {
            word.starts_with("STATUS=") && word.contains(text)
        })
    }

    /// Where a word stands; it must have been heard once.
    #[track_caller]
    pub(crate) fn only(&self, word: &str) -> usize {
        let heard = self.heard();
        let mut places = (0..heard.len()).filter(|at| heard[*at] == word);
        let place = places.next();
        assert_eq!(places.next(), None, "{word} comes twice: {heard:#?}");
        place.unwrap_or_else(|| panic!("{word} is not among {heard:#?}"))
    }
}

fn lock(words: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    words.lock().unwrap_or_else(PoisonError::into_inner)
}

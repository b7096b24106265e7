//! One fsync of a folder for all who ask for it at the same time.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

/// The folders that somebody is making durable now.
static FOLDERS: LazyLock<Mutex<HashMap<PathBuf, Arc<Together>>>> = LazyLock::new(Mutex::default);

/// [`Together::sync`] of all who name the same folder.
pub(crate) fn folder(path: &Path, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let folders = || FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    let together = Arc::clone(folders().entry(path.to_owned()).or_default());
    let done = together.sync(sync);
    // the last one out: the map and this one hold it
    let mut folders = folders();
    if Arc::strong_count(&together) <= 2 {
        folders.remove(path);
    }
    done
}

/// Shares among those who come while one is going on the next one.
#[derive(Debug, Default)]
pub struct Together {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many have begun, and how many of them have ended.
    begun: u64,
    ended: u64,
    /// The last one that failed, and how: kind and number of the system.
    failed: Option<(u64, io::ErrorKind, Option<i32>)>,
}

impl Together {
    /// Returns after a `sync` that began after this was called, by whoever it was done.
    ///
    /// # Errors
    /// If that one failed, or a later one: what a failed one left behind, no later one makes good.
    pub fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        let mine = state.begun + 1;
        while state.ended < mine {
            if state.begun > state.ended {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            drop(state);
            let done = sync();
            state = self.lock();
            state.ended = state.begun;
            if let Err(error) = &done {
                state.failed = Some((state.ended, error.kind(), error.raw_os_error()));
            }
            self.turn.notify_all();
            return done;
        }
        match state.failed {
            Some((failed, kind, number)) if failed >= mine => {
                Err(number.map_or_else(|| kind.into(), io::Error::from_raw_os_error))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Lets `askers` ask while one is going on; gives what each was told, and how many were done in all.
    fn ask(askers: usize, then: fn() -> io::Result<()>) -> (Vec<io::Result<()>>, usize) {
        let (together, count) = (Together::default(), AtomicUsize::new(0));
        let (go_on, wait) = mpsc::channel::<()>();
        let (started, begun) = mpsc::channel();
        let told = std::thread::scope(|scope| {
            let (together, count) = (&together, &count);
            let first = scope.spawn(move || {
                together.sync(|| {
                    count.fetch_add(1, Ordering::SeqCst);
                    started.send(()).unwrap();
                    wait.recv().map_err(io::Error::other)
                })
            });
            begun.recv().unwrap();
            let others: Vec<_> = (0..askers)
                .map(|_| {
                    scope.spawn(move || {
                        together.sync(|| {
                            count.fetch_add(1, Ordering::SeqCst);
                            then()
                        })
                    })
                })
                .collect();
            // nothing is done for them as long as the first one lasts
            assert_eq!(count.load(Ordering::SeqCst), 1);
            go_on.send(()).unwrap();
            first.join().unwrap().unwrap();
            others.into_iter().map(|other| other.join().unwrap()).collect()
        });
        (told, count.into_inner())
    }

    #[test]
    fn nobody_is_content_with_one_that_began_before_and_few_are_done() {
        let (told, count) = ask(8, || Ok(()));
        assert!(told.iter().all(Result::is_ok));
        assert!((2..=9).contains(&count), "{count}");
    }

    #[test]
    fn a_failure_is_told_to_everyone_who_relied_on_it() {
        let (told, _) = ask(8, || Err(io::ErrorKind::StorageFull.into()));
        assert!(
            told.iter().all(|told| told.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::StorageFull)),
            "{told:?}"
        );
    }

    #[test]
    fn one_after_the_other_each_is_done() {
        let (together, mut count) = (Together::default(), 0);
        for _ in 0..3 {
            together
                .sync(|| {
                    count += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(count, 3);
    }
}

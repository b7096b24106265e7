//! One operation of the card at a time, and nobody waits for it on a processor's turn.
//!
//! A card needs half a second for what a processor does in a millisecond. Blocking work holds one of as many turns as
//! there are cores; a thread that comes to the card gives its turn back, waits in line for the card, and asks for a
//! turn again afterwards. So reading, hashing, sealing and writing of other documents go on, and the card always has
//! somebody in line.

use std::cell::RefCell;
use std::sync::Arc;

use envelope::key::WrapScheme;
use envelope::{Certificate, Digest, KeyError, SigningKey, UnwrapKey};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

thread_local! {
    /// The processor's turn that this thread holds, and where to ask for another.
    static HELD: RefCell<Option<(OwnedSemaphorePermit, Arc<Semaphore>)>> = const { RefCell::new(None) };
}

/// Runs `work` with a processor's turn that can be given back on the way.
pub(crate) fn with<T>(turn: OwnedSemaphorePermit, turns: Arc<Semaphore>, work: impl FnOnce() -> T) -> T {
    /// Also after a panic: the thread is used again.
    struct Clear;
    impl Drop for Clear {
        fn drop(&mut self) {
            HELD.take();
        }
    }
    HELD.set(Some((turn, turns)));
    let _clear = Clear;
    work()
}

/// Runs `work`, which waits for something else than a processor, without the turn that this thread may hold.
pub(crate) fn without<T>(work: impl FnOnce() -> T) -> T {
    let Some((turn, turns)) = HELD.take() else { return work() };
    drop(turn);
    let result = work();
    // The semaphore is never closed, and blocking threads belong to a runtime.
    if let Ok(handle) = Handle::try_current()
        && let Ok(turn) = handle.block_on(Arc::clone(&turns).acquire_owned())
    {
        HELD.set(Some((turn, turns)));
    }
    result
}

/// A key on a card: its users stand in one line, first come first served.
pub(crate) struct InLine<K> {
    key: K,
    line: Arc<Semaphore>,
}

impl<K> InLine<K> {
    /// Keys of one card share one `line`, a semaphore of one.
    pub(crate) const fn new(key: K, line: Arc<Semaphore>) -> Self {
        Self { key, line }
    }

    fn queued<T>(&self, operation: impl FnOnce(&K) -> T) -> T {
        without(|| {
            let place = Handle::try_current().ok().map(|handle| handle.block_on(self.line.acquire()));
            let result = operation(&self.key);
            drop(place);
            result
        })
    }
}

impl<K: SigningKey> SigningKey for InLine<K> {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        self.key.certificate()
    }

    fn chain(&self) -> Vec<Certificate> {
        self.key.chain()
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        self.queued(|key| key.sign(digest))
    }
}

impl<K: UnwrapKey> UnwrapKey for InLine<K> {
    fn certificate(&self) -> Result<Certificate, KeyError> {
        self.key.certificate()
    }

    fn unwrap(&self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.queued(|key| key.unwrap(scheme, wrapped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A key that is slow until told, counting how many use it at once.
    struct Slow {
        inside: AtomicUsize,
        most: AtomicUsize,
        others: Arc<Semaphore>,
    }

    impl UnwrapKey for Slow {
        fn certificate(&self) -> Result<Certificate, KeyError> {
            unreachable!("not asked")
        }
        fn unwrap(&self, _: WrapScheme, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
            let now = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            // While this one waits for the card, the processor's only turn must be free for others.
            let other = Handle::current().block_on(self.others.acquire()).unwrap();
            drop(other);
            self.inside.fetch_sub(1, Ordering::SeqCst);
            Ok(Zeroizing::new(Vec::new()))
        }
    }

    #[test]
    fn who_waits_for_the_card_lends_its_turn_to_others_and_one_uses_it_at_a_time() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let cores = Arc::new(Semaphore::new(1));
            let slow =
                Slow { inside: AtomicUsize::new(0), most: AtomicUsize::new(0), others: Arc::clone(&cores) };
            let key = Arc::new(InLine::new(slow, Arc::new(Semaphore::new(1))));
            let mut jobs = Vec::new();
            for _ in 0..8 {
                let turn = Arc::clone(&cores).acquire_owned().await.unwrap();
                let (cores, key) = (Arc::clone(&cores), Arc::clone(&key));
                jobs.push(tokio::task::spawn_blocking(move || {
                    with(turn, cores, || key.unwrap(WrapScheme::Pkcs1, &[]).map(drop))
                }));
            }
            for job in jobs {
                job.await.unwrap().unwrap();
            }
            assert_eq!(key.key.most.load(Ordering::SeqCst), 1);
            assert_eq!(cores.available_permits(), 1, "every turn came back");
        });
    }
}

//! Work with a card that is ready: what is repeated, what is given up, and whose fault it was.

use super::Owner;
use crate::client::{Helper, Listing};
use crate::error::Error;
use crate::pins::Pins;
use envelope::Digest;
use envelope::key::WrapScheme;
use std::time::Instant;
use zeroize::Zeroizing;

impl Owner {
    pub(crate) fn tokens(&mut self) -> Result<Listing, Error> {
        let listed = self.listing();
        if let Err(error) = &listed {
            let state = self.trouble(error);
            self.next_look = self.pause(&state).map(|pause| Instant::now() + pause);
            self.shared.announce(&state);
        }
        listed
    }

    pub(crate) fn sign(&mut self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.work(None, |helper, pins| helper.sign(pins, digest))
    }

    pub(crate) fn self_test(&mut self) -> Result<(), Error> {
        self.work(None, |helper, pins| helper.sign(pins, &[0x5a; 32]))?;
        self.work(None, |helper, pins| helper.self_test(pins))
    }

    /// Unwraps. Whether the ciphertext is bad, or the card, is found out with a ciphertext of our own.
    ///
    /// One that kills the module again and again, while nothing else does and our own does not, is bad as well: it would
    /// stop the card for everyone for ever. It takes [`DEADLY`] deaths in a row, since a good document must not be
    /// returned because somebody killed our helper twice.
    pub(crate) fn unwrap(&mut self, scheme: WrapScheme, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let name = envelope::sha256(wrapped);
        let done = self.work(Some(name), |helper, pins| {
            let first = helper.unwrap(pins, scheme, wrapped);
            if let Err(Error::Failed { .. }) = &first {
                helper.self_test(pins)?;
                return Err(Error::Refused);
            }
            first
        });
        let deaths = self.suspect.filter(|(suspect, _)| *suspect == name).map_or(0, |(_, deaths)| deaths);
        if !matches!(done, Err(Error::Deadline { .. } | Error::HelperDied { .. })) || deaths < DEADLY {
            return done;
        }
        if !self.shared.state().is_ready() {
            self.look();
        }
        self.work(Some(name), |helper, pins| helper.self_test(pins))?;
        tracing::warn!(deaths, "a ciphertext kills the card module, and is taken for unreadable");
        Err(Error::Refused)
    }

    /// One operation; once more when the session or the helper was lost and could be had again.
    /// `ciphertext` is what a peer sent, if anything: whose fault a death is.
    fn work<T>(
        &mut self,
        ciphertext: Option<Digest>,
        mut operation: impl FnMut(&mut Helper, &Pins) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut last = None;
        for _ in 0..2 {
            let state = self.shared.state();
            let helper = self.helper.as_mut().filter(|_| state.is_ready());
            let Some(helper) = helper else {
                return Err(last.unwrap_or_else(|| Error::NotReady(Box::new(state))));
            };
            self.operations = self.operations.saturating_add(1);
            let error = match operation(helper, &self.pins) {
                Ok(done) => {
                    self.failures = 0;
                    if self.suspect.is_some_and(|(suspect, _)| Some(suspect) == ciphertext) {
                        self.suspect = None;
                    }
                    return Ok(done);
                }
                Err(error @ (Error::Refused | Error::Unusable { .. })) => return Err(error),
                Err(error) => error,
            };
            if matches!(error, Error::HelperDied { .. } | Error::Deadline { .. }) {
                // A death elsewhere speaks for the suspect.
                let before = self.suspect.filter(|(suspect, _)| Some(*suspect) == ciphertext);
                self.suspect = ciphertext.map(|name| (name, before.map_or(0, |(_, deaths)| deaths) + 1));
            }
            // A login that was lost is had again by `look`, as far as the guard allows.
            let again = matches!(
                error,
                Error::SessionLost { .. }
                    | Error::CardGone { .. }
                    | Error::Failed { .. }
                    | Error::HelperDied { .. }
            );
            tracing::warn!(%error, again, "card operation failed");
            let failures = self.failures.saturating_add(1);
            let state = self.trouble(&error);
            self.failures = failures;
            if matches!(error, Error::Pin(_)) {
                // From a PIN for one operation: the way back is through the guard.
                self.drop_helper();
            }
            self.next_look = self.pause(&state).map(|pause| Instant::now() + pause);
            self.shared.announce(&state);
            if !again || failures > AGAIN {
                return Err(error);
            }
            self.look();
            last = Some(error);
        }
        let state = self.shared.state();
        Err(match last {
            Some(error) if state.is_ready() => error,
            _ => Error::NotReady(Box::new(state)),
        })
    }

    /// Starts a helper again that has grown too large: its module leaks.
    pub(super) fn look_after_helper(&mut self) {
        if self.operations < self.settings.care.look_every {
            return;
        }
        self.operations = 0;
        let used = self.helper.as_ref().and_then(Helper::memory).unwrap_or_default();
        if used > self.memory {
            tracing::warn!(
                used,
                limit = self.memory,
                "the card helper has grown too large and is started again"
            );
            self.drop_helper();
            self.look();
        }
    }
}

/// Failures in a row after which nothing is repeated at once any more, but with growing pauses. Each may cost a login.
const AGAIN: u32 = 3;

/// Deaths in a row during one ciphertext, none elsewhere, after which it is taken for unreadable.
const DEADLY: u32 = 5;

//! A virtual XCA card: what a card of the family does, in software, behind a real reader driver and a real PC/SC service.
//!
//! [`VirtualCard`] is the card in a test's hand: it can be pushed in, pulled out (also in the middle of an operation),
//! made slow, and asked how often it was used and how many PIN tries it saw. Behind it:
//!
//! - [`line`]: what vpcd, the virtual reader, says to a card (vsmartcard's protocol: a length and a command each);
//! - [`chip`]: the card's commands (ISO 7816-4 and -8): SELECT, READ BINARY, VERIFY, MSE, PSO;
//! - [`files`]: its PKCS#15 file tree (ISO 7816-15), so that OpenSC can drive it; [`der`] writes it.
//!
//! It is like a real card in what the node can notice: two RSA-2048 keys with cert1/SIGN and cert2/KEYX, PIN of 6 to 8
//! with three tries and then locked, no signature without a PIN, one operation at a time, slow. It is unlike one in that
//! OpenSC drives it and not the vendor's module: no real XCA card has been tried.

mod chip;
mod der;
mod files;
mod line;

pub use chip::{Counts, Operation};

use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use chip::Chip;

/// The PIN of every new virtual card.
pub const PIN: &str = "123456";
/// A PIN that is none.
pub const WRONG_PIN: &str = "654321";

/// What is printed on a card, so to speak.
pub struct Print {
    /// The card number: two letters and digits, 16 characters.
    pub number: String,
    /// Signature certificate, its CA's, and its key (PKCS#8), in DER.
    pub sign: KeyPair,
    /// The same for the encryption key.
    pub unwrap: KeyPair,
}

/// A key, its certificate, and the certificates above it.
pub struct KeyPair {
    /// PKCS#8, DER.
    pub key: Vec<u8>,
    /// The end entity's certificate first.
    pub certificates: Vec<Vec<u8>>,
}

impl KeyPair {
    /// Reads `NAME.key.pem` and `NAME.crt.pem` of `folder`.
    ///
    /// # Panics
    /// If they are not there or no PEM.
    #[must_use]
    pub fn read(folder: &Path, name: &str) -> Self {
        let file = |kind: &str| folder.join(format!("{name}.{kind}.pem"));
        let key = PrivatePkcs8KeyDer::from_pem_file(file("key")).expect("PKCS#8 key in PEM");
        let certificates = CertificateDer::pem_file_iter(file("crt")).expect("certificates in PEM");
        let certificates = certificates.map(|one| one.expect("certificate").as_ref().to_vec()).collect();
        Self { key: key.secret_pkcs8_der().to_vec(), certificates }
    }
}

/// A card, in a reader or in the hand. Dropping it pulls it out.
pub struct VirtualCard {
    shared: Arc<Shared>,
    line: Mutex<Option<line::Line>>,
}

/// What the card's owner and the reader's side share.
pub(crate) struct Shared {
    chip: Mutex<Chip>,
    /// Kept apart from the chip, so that a card can be watched and pulled while it is computing.
    desk: Mutex<Desk>,
    news: Condvar,
}

#[derive(Default)]
struct Desk {
    counts: Counts,
    slow: Duration,
    /// Pull the card in the middle of the next such operation.
    pull_during: Option<Operation>,
    mute: bool,
    inside: bool,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Desk) -> T) -> T {
        let made = change(&mut self.desk());
        self.news.notify_all();
        made
    }
}

impl VirtualCard {
    /// A new card with the PIN [`PIN`], in nobody's reader.
    ///
    /// # Panics
    /// If the keys are not RSA keys.
    #[must_use]
    pub fn new(print: &Print) -> Self {
        let shared =
            Shared { chip: Mutex::new(Chip::new(print)), desk: Mutex::default(), news: Condvar::new() };
        Self { shared: Arc::new(shared), line: Mutex::default() }
    }

    /// The card of member `code`, whose keys [`crate::pki::write`] has put into `folder`.
    ///
    /// # Panics
    /// If they are not there.
    #[must_use]
    pub fn of_member(folder: &Path, code: &str) -> Self {
        Self::new(&Print {
            number: format!("XC{:0>14}", code.trim_start_matches(|c: char| !c.is_ascii_digit())),
            sign: KeyPair::read(folder, &format!("{code}.sign")),
            unwrap: KeyPair::read(folder, &format!("{code}.enc")),
        })
    }

    /// Pushes the card into the reader that listens on `port` of this machine. The service notices within its polling
    /// time, some 0.4 s; [`crate::pcscd::Pcscd::insert`] waits for that.
    ///
    /// # Panics
    /// If the card is in a reader already, or nobody listens.
    pub fn insert(&self, port: u16) {
        let mut line = self.line();
        assert!(!self.is_inside(), "the card is in a reader already");
        *line = None;
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a reader listens");
        self.shared.change(|desk| desk.inside = true);
        *line = Some(line::Line::new(stream, Arc::clone(&self.shared)));
    }

    /// Pulls it out, whatever it is doing. Nothing happens if it is in the hand.
    pub fn remove(&self) {
        self.shared.change(|desk| desk.inside = false);
        *self.line() = None;
    }

    /// Whether it is in a reader.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.shared.desk().inside
    }

    /// Every private key operation takes this long from now on.
    pub fn slow(&self, operation: Duration) {
        self.shared.change(|desk| desk.slow = operation);
    }

    /// The card will be pulled in the middle of the next such operation: begun, perhaps done, never answered.
    pub fn pull_during(&self, operation: Operation) {
        self.shared.change(|desk| desk.pull_during = Some(operation));
    }

    /// It gives no proper answer to reset, from the next insertion on, as a card that is upside down.
    pub fn mute(&self, mute: bool) {
        self.shared.change(|desk| desk.mute = mute);
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.desk().counts
    }

    /// Waits until the card's counts are as wished; false after `longest`.
    #[must_use]
    pub fn wait(&self, longest: Duration, mut wished: impl FnMut(&Counts) -> bool) -> bool {
        let not_yet = |desk: &mut Desk| !wished(&desk.counts);
        let waited = self.shared.news.wait_timeout_while(self.shared.desk(), longest, not_yet);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until the card is out of its reader; false after `longest`.
    #[must_use]
    pub fn wait_pulled(&self, longest: Duration) -> bool {
        let waited = self.shared.news.wait_timeout_while(self.shared.desk(), longest, |desk| desk.inside);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// PIN tries left, as the card itself counts them.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        self.chip().tries_left()
    }

    /// What the CA does for a locked card: three tries again, same PIN.
    pub fn unlock(&self) {
        self.chip().unlock();
    }

    /// Another PIN, as after a change at the CA's counter.
    pub fn change_pin(&self, pin: &str) {
        self.chip().change_pin(pin);
    }

    fn chip(&self) -> MutexGuard<'_, Chip> {
        self.shared.chip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self) -> MutexGuard<'_, Option<line::Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The card through its helper: list, read, log in, sign, unwrap; synchronous, one caller at a time.

use crate::choose::{self, Use};
use crate::error::Error;
use crate::guard::Answer;
use crate::pin::Generation;
use crate::pins::Pins;
use crate::process::{Process, unexpected};
use crate::protocol::{CertificateEntry, KeyEntry, ModulusEntry, Reply, Request, Secret, Trouble};
use crate::settings::{Deadlines, Settings};
use crate::state::{Info, PinFlags, Token};
use envelope::key::{WrapScheme, card_rank, check_signature};
use envelope::{Certificate, Digest};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A helper process with the module loaded, and at most one card open.
///
/// The service has one in its supervisor ([`crate::Card`]); a command that works without the service has one of its own.
/// The process ends with the thread that started it, so keep both together.
/// When a call ends in [`Error::Deadline`], [`Error::HelperDied`] or [`Error::HelperAnswer`] the process is gone, and so
/// is every later call's chance: start another.
#[derive(Debug)]
pub struct Helper {
    process: Process,
    deadlines: Deadlines,
    library: String,
    open: Option<Open>,
}

/// The card that is open.
#[derive(Debug)]
struct Open {
    info: Arc<Info>,
    sign_id: Vec<u8>,
    unwrap_id: Vec<u8>,
    moduli: Vec<ModulusEntry>,
    lists_oaep: bool,
    keys: Option<Keys>,
    /// Of the PIN that the login was made with.
    generation: Option<Generation>,
    /// A private key has worked since the login.
    proved: bool,
}

/// The private keys, known after a login.
#[derive(Clone, Copy, Debug)]
struct Keys {
    sign: Key,
    unwrap: Key,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    index: u32,
    always_authenticate: bool,
}

/// What is in the readers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listing {
    /// Readers that the module knows, with or without a card.
    pub readers: u32,
    /// Initialised tokens.
    pub tokens: Vec<Token>,
}

impl Helper {
    /// Starts the helper and lets it load and initialise the module.
    ///
    /// # Errors
    /// [`Error::HelperStart`], [`Error::Module`], [`Error::Deadline`], [`Error::HelperDied`].
    pub fn start(settings: &Settings) -> Result<Self, Error> {
        let (process, library) = Process::start(settings)?;
        Ok(Self { process, deadlines: settings.deadlines, library, open: None })
    }

    /// What the module says of itself: maker, name, version.
    pub fn library(&self) -> &str {
        &self.library
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the process can still be asked.
    pub fn alive(&self) -> bool {
        self.process.alive()
    }

    /// Resident memory of the process, bytes, where the system tells.
    pub fn memory(&self) -> Option<u64> {
        self.process.memory()
    }

    /// The card that is open, as it was read.
    pub fn info(&self) -> Option<&Arc<Info>> {
        self.open.as_ref().map(|open| &open.info)
    }

    /// Whether a login has succeeded on the open card, and its keys were found.
    pub fn logged_in(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.keys.is_some())
    }

    /// Lists readers and cards.
    ///
    /// # Errors
    /// What the module or the process says.
    pub fn tokens(&mut self) -> Result<Listing, Error> {
        match self.process.ask("C_GetSlotList", &Request::Tokens, self.deadlines.list)? {
            Reply::Tokens { slots, tokens } => {
                let tokens = tokens.into_iter().map(|t| Token {
                    slot: t.slot,
                    reader: t.reader,
                    label: t.label,
                    manufacturer: t.manufacturer,
                    model: t.model,
                    serial: t.serial,
                    pin: PinFlags { count_low: t.count_low, final_try: t.final_try, locked: t.locked },
                    pin_min: t.pin_min as usize,
                    pin_max: t.pin_max as usize,
                    pin_pad: t.pin_pad,
                });
                Ok(Listing { readers: slots, tokens: tokens.collect() })
            }
            other => Err(failure(other)),
        }
    }

    /// Opens a card and reads its certificates; needs no PIN. A card that was open before is closed.
    ///
    /// # Errors
    /// [`Error::Unusable`] when the pair of certificates is not there; what the module or the process says.
    pub fn read(&mut self, token: &Token) -> Result<Arc<Info>, Error> {
        let (certificates, moduli, pkcs1, lists_oaep) = self.opened(token)?;
        if !pkcs1 {
            return Err(Error::Unusable { what: "the module does not list CKM_RSA_PKCS".to_owned() });
        }
        let found = choose::certificates(&certificates).map_err(|what| Error::Unusable { what })?;
        let ((sign, sign_id), (unwrap, unwrap_id)) = (found.sign, found.unwrap);
        let info = Arc::new(Info {
            token: token.clone(),
            module: self.library.clone(),
            organisation_oid: sign.certificate.organisation_oid().map(str::to_owned),
            rank: card_rank(&sign.certificate),
            sign,
            unwrap,
            authorities: found.authorities,
            oaep: false,
        });
        self.open = Some(Open {
            info: Arc::clone(&info),
            sign_id,
            unwrap_id,
            moduli,
            lists_oaep,
            keys: None,
            generation: None,
            proved: false,
        });
        Ok(info)
    }

    /// Every certificate on a card, with CKA_ID (text or hexadecimal) and label, for people to look at. Closes the card
    /// that is open.
    ///
    /// # Errors
    /// What the module or the process says.
    pub fn certificates(&mut self, token: &Token) -> Result<Vec<(String, String, Certificate)>, Error> {
        let (entries, ..) = self.opened(token)?;
        let readable = entries.into_iter().filter_map(|entry| {
            let certificate = Certificate::from_der(&entry.der).ok()?;
            Some((choose::printable(&entry.id), entry.label, certificate))
        });
        Ok(readable.collect())
    }

    #[allow(clippy::type_complexity, reason = "private, and named where it is taken apart")]
    fn opened(
        &mut self,
        token: &Token,
    ) -> Result<(Vec<CertificateEntry>, Vec<ModulusEntry>, bool, bool), Error> {
        self.open = None;
        match self.process.ask("C_OpenSession", &Request::Open { slot: token.slot }, self.deadlines.read)? {
            Reply::Opened { certificates, moduli, pkcs1, oaep } => Ok((certificates, moduli, pkcs1, oaep)),
            other => Err(failure(other)),
        }
    }

    /// Logs in to the open card, through the guard, and finds its private keys. Where the card lists OAEP, it is tried.
    ///
    /// # Errors
    /// [`Error::PinNeeded`], [`Error::PinSource`], [`Error::Pin`]: nothing was, or nothing more will be, presented.
    /// [`Error::Unusable`] when a private key is missing; what the module or the process says.
    pub fn login(&mut self, pins: &Pins) -> Result<Arc<Info>, Error> {
        let serial = self.opened_info()?.token.serial.clone();
        // The flags as they are now; and a helper that died unseen is noticed before a try is on record.
        let listing = self.tokens()?;
        let token = listing.tokens.into_iter().find(|t| t.serial == serial).ok_or_else(no_card)?;
        let (attempt, entry) = pins.begin(&token)?;
        let in_doubt = attempt.in_doubt();
        let pin = Secret(Zeroizing::new(entry.pin.expose().to_vec()));
        let reply = self.process.ask("C_Login", &Request::Login { pin }, self.deadlines.login);
        let answer = match &reply {
            Ok(Reply::Pin { rv }) => Answer::of(*rv),
            // The session was found dead before the PIN was presented.
            Ok(Reply::Trouble { during, .. }) if during == "C_GetSessionInfo" || during == "the request" => {
                Answer::NotPresented
            }
            // Whatever else happened, the PIN may have been on its way.
            _ => Answer::Failed(crate::guard::Outcome::Unclear),
        };
        let presented = pins.settle(attempt, answer);
        match reply {
            Ok(Reply::Pin { .. }) => {
                // The module says that somebody is logged in already: the keys will show.
                presented?;
            }
            Ok(other) => return Err(presented.err().unwrap_or_else(|| failure(other))),
            Err(error) => return Err(presented.err().unwrap_or(error)),
        }
        if let Some(open) = &mut self.open {
            open.generation = Some(entry.generation);
        }
        self.find_keys(pins)?;
        if in_doubt && !self.keys()?.sign.always_authenticate {
            // A module may take a PIN unseen and present it with the first operation. Nothing has worked since the
            // last login, so this one is proven before anybody relies on it. By a signature: what comes from outside,
            // and may have killed the module, is deciphered.
            self.sign(pins, &PROOF)?;
        }
        self.probe_oaep(pins)
    }

    fn find_keys(&mut self, pins: &Pins) -> Result<(), Error> {
        let reply = self.process.ask("C_FindObjects", &Request::Keys, self.deadlines.read)?;
        let keys = match self.notice(pins, reply)? {
            Reply::Keys { keys } => keys,
            other => return Err(failure(other)),
        };
        let open = self.open.as_mut().ok_or_else(no_card)?;
        let find = |key, id: &[u8], wanted| {
            choose::private_key(&keys, &open.moduli, key, id, wanted).map_err(|what| Error::Unusable { what })
        };
        let sign = find(&open.info.sign, &open.sign_id, Use::Sign)?;
        let unwrap = find(&open.info.unwrap, &open.unwrap_id, Use::Unwrap)?;
        let key = |index: u32| Key {
            index,
            always_authenticate: keys.get(index as usize).is_some_and(|k: &KeyEntry| k.always_authenticate),
        };
        open.keys = Some(Keys { sign: key(sign), unwrap: key(unwrap) });
        Ok(())
    }

    /// SoftHSM lists OAEP and refuses SHA-256; so what is listed is tried once. Not with a card that wants its PIN for
    /// every operation: the probe is not worth a try.
    fn probe_oaep(&mut self, pins: &Pins) -> Result<Arc<Info>, Error> {
        let open = self.open.as_ref().ok_or_else(no_card)?;
        let wants_pin = open.keys.is_some_and(|keys| keys.unwrap.always_authenticate);
        let works = open.lists_oaep && !wants_pin && {
            let certificate = open.info.unwrap.certificate.clone();
            let probe = envelope::sealed::wrap(&certificate, WrapScheme::OaepSha256, PROBE)
                .map_err(|e| Error::Unusable { what: e.to_string() })?;
            match self.unwrap(pins, WrapScheme::OaepSha256, &probe) {
                Ok(plain) => plain.as_slice() == PROBE,
                Err(e @ (Error::Deadline { .. } | Error::HelperDied { .. } | Error::HelperAnswer { .. })) => {
                    return Err(e);
                }
                Err(_) => false,
            }
        };
        let open = self.open.as_mut().ok_or_else(no_card)?;
        Arc::make_mut(&mut open.info).oaep = works;
        Ok(Arc::clone(&open.info))
    }

    /// The RSASSA-PKCS1-v1_5 signature over a SHA-256 digest.
    ///
    /// # Errors
    /// [`Error::NotReady`] without a login; [`Error::Pin`]; what the module or the process says.
    pub fn sign(&mut self, pins: &Pins, digest: &Digest) -> Result<Vec<u8>, Error> {
        let key = self.keys()?.sign;
        let mut data = DIGEST_INFO_SHA256.to_vec();
        data.extend_from_slice(digest);
        let (index, data) = (key.index, data.into());
        let reply = self.operate(key, pins, "C_Sign", |pin| Request::Sign { key: index, data, pin })?;
        let Reply::Signature { bytes } = reply else { return Err(failure(reply)) };
        // What the card gave is checked before anything is built on it: a card in trouble may answer rubbish.
        let info = self.opened_info()?;
        check_signature(&info.sign.certificate, digest, &bytes).map_err(|_| Error::Failed {
            during: "C_Sign".to_owned(),
            detail: "the signature does not verify".to_owned(),
        })?;
        Ok(bytes.into())
    }

    /// The wrapped bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] when the module says that the ciphertext does not decrypt; as [`Helper::sign`].
    pub fn unwrap(
        &mut self,
        pins: &Pins,
        scheme: WrapScheme,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key = self.keys()?.unwrap;
        let certificate = &self.opened_info()?.unwrap.certificate;
        // A ciphertext of another length is not for this key, and modules differ in what they say to it.
        if certificate.rsa_bits().is_none_or(|bits| bits.div_ceil(8) as usize != wrapped.len()) {
            return Err(Error::Refused);
        }
        let (oaep, data) = (scheme == WrapScheme::OaepSha256, wrapped.to_vec().into());
        let request = |pin| Request::Decrypt { key: key.index, oaep, data, pin };
        match self.operate(key, pins, "C_Decrypt", request)? {
            Reply::Plain { bytes } => Ok(bytes.0),
            other => Err(failure(other)),
        }
    }

    /// Unwraps a ciphertext of our own: what tells a broken card from a bad ciphertext.
    ///
    /// # Errors
    /// As [`Helper::unwrap`]; [`Error::Failed`] when something else comes out.
    pub fn self_test(&mut self, pins: &Pins) -> Result<(), Error> {
        let certificate = self.opened_info()?.unwrap.certificate.clone();
        let probe = envelope::sealed::wrap(&certificate, WrapScheme::Pkcs1, PROBE)
            .map_err(|e| Error::Unusable { what: e.to_string() })?;
        match self.unwrap(pins, WrapScheme::Pkcs1, &probe) {
            Ok(plain) if plain.as_slice() == PROBE => Ok(()),
            Ok(_) | Err(Error::Refused) => Err(Error::Failed {
                during: "C_Decrypt".to_owned(),
                detail: "the card does not decrypt what was encrypted for it".to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// One operation with a private key; with a PIN of its own where the key wants that.
    fn operate(
        &mut self,
        key: Key,
        pins: &Pins,
        during: &'static str,
        request: impl FnOnce(Option<Secret>) -> Request,
    ) -> Result<Reply, Error> {
        if !key.always_authenticate {
            let reply = self.process.ask(during, &request(None), self.deadlines.operate);
            if let (true, Some(open)) = (says_nothing(&reply), &mut self.open) {
                // What works next says that no try was lost; it need not be after another login.
                open.proved = false;
                pins.doubted(&open.info.token);
            }
            return self.notice(pins, reply?);
        }
        let serial = self.opened_info()?.token.serial.clone();
        let token = self.tokens()?.tokens.into_iter().find(|t| t.serial == serial).ok_or_else(no_card)?;
        let (attempt, entry) = pins.begin(&token)?;
        let pin = Secret(Zeroizing::new(entry.pin.expose().to_vec()));
        let reply = self.process.ask(during, &request(Some(pin)), self.deadlines.operate);
        // Some modules present the PIN at the very end, or at the beginning.
        let about_pin = match &reply {
            Ok(Reply::Trouble { rv, .. }) => Answer::is_about_the_pin(*rv),
            _ => None,
        };
        let otherwise = match &reply {
            Ok(Reply::Signature { .. } | Reply::Plain { .. } | Reply::Trouble { pin_taken: true, .. }) => {
                Answer::Success
            }
            // The operation could not be begun, so no PIN was asked for.
            Ok(Reply::Trouble { during, .. }) if during.ends_with("Init") || during == "the request" => {
                Answer::NotPresented
            }
            Ok(Reply::Pin { rv }) => Answer::of(*rv),
            _ => Answer::Failed(crate::guard::Outcome::Unclear),
        };
        let settled = pins.settle(attempt, about_pin.map_or(otherwise, Answer::Failed));
        match reply {
            Ok(Reply::Pin { .. }) => Err(settled.err().unwrap_or_else(|| Error::Failed {
                during: during.to_owned(),
                detail: "the module does not take a PIN for one operation".to_owned(),
            })),
            Ok(reply) => {
                settled?;
                if let Some(open) = &mut self.open {
                    // It had a login of its own, which it proves.
                    open.proved = false;
                }
                self.notice(pins, reply)
            }
            Err(error) => Err(settled.err().unwrap_or(error)),
        }
    }

    /// Counts a PIN error of a module that keeps the PIN and presents it by itself; and the first proof that the login
    /// was a real one.
    fn notice(&mut self, pins: &Pins, reply: Reply) -> Result<Reply, Error> {
        let Some(open) = &mut self.open else { return Ok(reply) };
        let about_pin = match &reply {
            Reply::Trouble { rv, .. } => Answer::is_about_the_pin(*rv),
            _ => None,
        };
        if let Some(outcome) = about_pin {
            let generation = open.generation.clone().unwrap_or_else(|| Generation::from("unknown"));
            let refusal = pins.noticed(&open.info.token, &generation, outcome);
            self.open = None;
            return Err(Error::Pin(refusal));
        }
        if !open.proved && matches!(reply, Reply::Signature { .. } | Reply::Plain { .. }) {
            open.proved = true;
            pins.proved(&open.info.token);
        }
        Ok(reply)
    }

    fn opened_info(&self) -> Result<&Arc<Info>, Error> {
        self.info().ok_or_else(no_card)
    }

    fn keys(&self) -> Result<Keys, Error> {
        self.open.as_ref().and_then(|open| open.keys).ok_or(Error::PinNeeded)
    }
}

/// Whether an operation without a PIN of its own has failed so that the module may have presented the PIN that it keeps.
fn says_nothing(reply: &Result<Reply, Error>) -> bool {
    match reply {
        Ok(Reply::Trouble { kind, rv, .. }) => {
            matches!(kind, Trouble::Other | Trouble::Session) && Answer::is_about_the_pin(*rv).is_none()
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// What a reply that is not the wanted one means.
fn failure(reply: Reply) -> Error {
    let Reply::Trouble { kind, during, detail, .. } = reply else { return unexpected(&reply) };
    match kind {
        Trouble::Module => Error::Module { detail: format!("{during}: {detail}") },
        Trouble::Ciphertext => Error::Refused,
        Trouble::Unusable => Error::Unusable { what: format!("{during}: {detail}") },
        Trouble::Session => Error::SessionLost { detail: format!("{during}: {detail}") },
        Trouble::Card => Error::CardGone { detail: format!("{during}: {detail}") },
        Trouble::Other => Error::Failed { during, detail },
        Trouble::Request => Error::HelperAnswer { detail },
    }
}

fn no_card() -> Error {
    Error::CardGone { detail: "the card is not there any more".to_owned() }
}

/// The digest that is signed to prove a login: of no message.
const PROOF: Digest = [0x5a; 32];

/// What self-tests wrap.
const PROBE: &[u8; 32] = b"di-node card self-test no secret";

/// DER of DigestInfo for SHA-256 up to the digest (RFC 8017 §9.2, note 1).
const DIGEST_INFO_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

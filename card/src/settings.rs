//! What the supervisor is told.

use crate::identity::Expected;
use envelope::Certificate;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the supervisor needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Program and arguments that end in [`crate::helper::main`]: `[/usr/bin/di-node, card-helper]`.
    pub helper: Vec<OsString>,
    /// The vendor's PKCS#11 module, a shared library. A name without `/` is looked for where the system looks for
    /// libraries.
    pub module: PathBuf,
    /// Environment of the helper beside what every module may need ([`KEPT`]).
    pub environment: Vec<(OsString, OsString)>,
    /// Which of several cards.
    pub choice: Choice,
    /// Whose card it must be.
    pub expected: Expected,
    /// CA certificates known from elsewhere; those on the card are added to them.
    pub authorities: Vec<Certificate>,
    /// How long each kind of call may take.
    pub deadlines: Deadlines,
    /// How the helper is kept healthy.
    pub care: Care,
}

impl Settings {
    /// The defaults for a helper and a module.
    pub fn new(helper: Vec<OsString>, module: impl Into<PathBuf>) -> Self {
        Self {
            helper,
            module: module.into(),
            environment: Vec::new(),
            choice: Choice::default(),
            expected: Expected::default(),
            authorities: Vec::new(),
            deadlines: Deadlines::default(),
            care: Care::default(),
        }
    }
}

/// Which card, where several are there. What is `None` fits every card.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// The token's serial number, compared after trimming, without regard to case.
    pub serial: Option<String>,
    /// The token's label, compared after trimming.
    pub label: Option<String>,
}

/// How long each kind of call may take before the helper is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// Starting the helper, loading and initialising the module.
    pub load: Duration,
    /// Listing readers and cards.
    pub list: Duration,
    /// Reading the certificates.
    pub read: Duration,
    /// C_Login.
    pub login: Duration,
    /// One signature or one unwrap.
    pub operate: Duration,
}

impl Default for Deadlines {
    /// A real card needs 0.3 to 3 s for an operation; ten times that is surely a hang.
    fn default() -> Self {
        Self {
            load: Duration::from_secs(20),
            list: Duration::from_secs(10),
            read: Duration::from_secs(30),
            login: Duration::from_secs(30),
            operate: Duration::from_secs(30),
        }
    }
}

/// How the helper is kept healthy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Care {
    /// How often an absent card is looked for where PC/SC does not tell.
    pub absent_probe: Duration,
    /// First and longest pause before the helper is started again after a failure.
    pub backoff: (Duration, Duration),
    /// Resident memory over which the helper is started again, bytes. Looked at every [`Care::look_every`] operations.
    pub memory: u64,
    /// After how many operations the helper's memory is looked at.
    pub look_every: u32,
    /// Calls that may wait for the card; more are refused with [`crate::Error::Busy`].
    pub queue: usize,
}

impl Default for Care {
    /// A helper with SoftHSM holds 8 MB, with OpenSC 12 MB: 128 MB is a leak. Starting again costs a login.
    fn default() -> Self {
        Self {
            absent_probe: Duration::from_secs(3),
            backoff: (Duration::from_millis(200), Duration::from_secs(60)),
            memory: 128 << 20,
            look_every: 256,
            queue: 1024,
        }
    }
}

/// What the helper inherits of our environment; everything else (credentials, tokens, proxies) stays out of a vendor's
/// reach.
pub const KEPT: &[&str] = &[
    // where modules keep a configuration or a cache of their own (SoftHSM, OpenSC, HiCOS)
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "SOFTHSM2_CONF",
    "OPENSC_CONF",
    // the socket of the smart card service, where it is not the usual one
    "PCSCLITE_CSOCK_NAME",
    // libraries that lie beside the module
    "LD_LIBRARY_PATH",
    // encodings of names, temporary files
    "LANG",
    "LC_ALL",
    "TMPDIR",
];

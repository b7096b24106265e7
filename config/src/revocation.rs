//! `[revocation]`: how the status of certificates is learned. The same for node and center but for one default.

use crate::Problem;
use crate::value::{Address, Bytes, Period};
use serde::{Deserialize, Serialize};

/// How the status of certificates is learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Revocation {
    /// What to do while it cannot be learned whether a certificate is revoked. Default: hard for a node, soft for a
    /// center.
    ///
    /// A node waits: what is sealed to a stolen key cannot be taken back, and a day of grace after the next update is
    /// long. A center lets its members in and notes it: each node judges for itself, and a fault of an authority's
    /// server must not stop everybody's mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RevocationMode>,
    /// What to do with a certificate that names no address for its status. Default: accept.
    pub without_address: WithoutAddress,
    /// The longest CRL that is fetched. Default: 20 MiB.
    pub max_size: Bytes,
    /// How long an answer is used after its next update. Default: 24 h.
    pub grace: Period,
    /// How long one fetch may take in all. Default: 60 s.
    pub timeout: Period,
    /// HTTP proxy, `host:port`. Default: none.
    #[serde(skip_serializing_if = "Address::is_empty")]
    pub proxy: Address,
    /// Whether addresses in loopback, private and link-local networks are asked too. Default: false.
    pub internal_addresses: bool,
}

/// What to do while the status cannot be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationMode {
    /// Wait.
    Hard,
    /// Go on, with a note.
    Soft,
    /// Ask nothing, know nothing.
    Off,
}

/// What to do with a certificate that names no address for its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutAddress {
    /// Rely on it: nobody could be asked.
    Accept,
    /// Do not.
    Refuse,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            mode: None,
            without_address: WithoutAddress::Accept,
            max_size: Bytes::mib(20),
            grace: Period::hours(24),
            timeout: Period::secs(60),
            proxy: Address::default(),
            internal_addresses: false,
        }
    }
}

impl Revocation {
    pub(crate) fn problems(&self, out: &mut Vec<Problem>) {
        let mut demand = |holds: bool, key: &str, what: &str| {
            if !holds {
                out.push(Problem::value(format!("revocation.{key}"), what));
            }
        };
        let sizes = Bytes::kib(64)..=Bytes::mib(1024);
        demand(sizes.contains(&self.max_size), "max-size", "應在 64 KiB 與 1024 MiB 之間");
        demand(self.grace <= Period::days(30), "grace", "不得大於 30d");
        let times = Period::millis(100)..=Period::minutes(60);
        demand(times.contains(&self.timeout), "timeout", "應在 100ms 與 60m 之間");
    }
}

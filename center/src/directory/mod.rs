//! Who the members are, from where they may come, what they may take, and their countersigned entries.

mod registry;
mod sqlite;

pub use registry::{NewMember, PutEntry, Quotas, Registry};
pub(crate) use registry::{make_folder, read_anchors};
pub use sqlite::SqliteDirectory;

use crate::Network;
use crate::error::Result;
use envelope::{Certificate, Digest};
use std::sync::Arc;
use wire::message::{DirectoryAnswer, Standing};

/// Largest registration accepted, bytes: [`wire::MAX_DIRECTORY_CODES`] of them fit in one reply.
pub const MAX_REGISTRATION: usize = 20_000;

/// What a session asks about members. All calls block; what another process wrote is seen at the next call, or when
/// the commit that is under way has ended.
pub trait Directory: Send + Sync + 'static {
    /// A member by its organisation code.
    fn member(&self, code: &str) -> Result<Option<Arc<Member>>>;
    /// The same without waiting for a disk, where it is in memory and still so.
    fn member_at_hand(&self, code: &str) -> Option<Arc<Member>>;
    /// How each mailbox stands, in the order asked.
    fn standings(&self, codes: &[&str]) -> Result<Vec<Standing>>;
    /// Standing and entry of each mailbox, in the order asked.
    fn answers(&self, codes: &[String]) -> Result<Vec<DirectoryAnswer>>;
    /// Every signing certificate that was ever registered for a member.
    fn signers(&self, member: &str) -> Result<Arc<[Certificate]>>;
}

/// A member as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Organisation code, 10 characters.
    pub code: String,
    /// For people.
    pub name: String,
    /// May neither connect nor be addressed.
    pub suspended: bool,
    /// May send; otherwise it is receive-only.
    pub may_send: bool,
    /// Its own limits, where they differ from the center's.
    pub quotas: Quotas,
    /// From where it may connect.
    pub networks: Vec<Network>,
    /// Its mailboxes that have an entry, and its own code first in any case.
    pub mailboxes: Vec<String>,
    /// SHA-256 of the signing certificate that is registered now: the one that may log in.
    pub signer: Option<Digest>,
}

impl Member {
    /// Whether the mailbox is one of its own.
    pub fn owns(&self, mailbox: &str) -> bool {
        self.mailboxes.iter().any(|own| own == mailbox)
    }
}

//! What every session needs, gathered once at start.

use crate::directory::Directory;
use crate::mailbox::Mailbox;
use crate::rate::Rate;
use crate::wake::Wake;
use config::CenterLimits;
use envelope::SigningKey;
use envelope::trust::Anchors;
use std::sync::Arc;

/// The center's code, stores, keys and limits.
pub(crate) struct Desk {
    /// The center's code.
    pub(crate) code: String,
    /// Parts, lines, receipts.
    pub(crate) mailbox: Arc<dyn Mailbox>,
    /// Members and entries.
    pub(crate) directory: Arc<dyn Directory>,
    /// Signs 系統確認.
    pub(crate) receipt_key: Arc<dyn SigningKey>,
    /// Anchors of members' certificates.
    pub(crate) anchors: Anchors,
    /// Whether members' certificates are revoked.
    pub(crate) revocation: revocation::Checker,
    /// Defaults of the limits per member.
    pub(crate) limits: CenterLimits,
    /// Parts a minute.
    pub(crate) parts: Rate,
    /// Requests a minute.
    pub(crate) requests: Rate,
    /// Bells of the waiting nodes.
    pub(crate) wake: Wake,
}

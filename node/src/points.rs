//! Every fail point of `di-node`, for the tests that end it at each of them. Only in a build with `failpoints`; a point that is
//! passed and not named here ends the process.

use durable::Step::{Card, Commit, Folder, Fsync, Receive, Remove, Rename, Send};
use durable::points::Steps;

/// Passed by every exchange of a node with a card.
const COMMON: Steps = &[
    ("drop", &[Rename, Remove]),
    ("work", &[Fsync, Folder, Remove]),
    ("spool", &[Fsync, Folder, Rename]),
    ("store", &[Commit]),
    ("archive", &[Fsync, Folder, Rename]),
    ("inbox", &[Fsync, Folder, Rename]),
    ("note", &[Rename]),
    ("session", &[Rename]),
    ("submit", &[Send, Receive]),
    ("offers", &[Send, Receive]),
    ("fetch", &[Send, Receive]),
    ("report", &[Send, Receive]),
    ("outcomes", &[Send, Receive]),
    ("directory", &[Send, Receive]),
    ("announcements", &[Send, Receive]),
    ("card", &[Card]),
    ("helper", &[Card]),
    ("card-seen", &[Fsync, Rename]),
    ("pin-guard", &[Fsync, Folder, Rename]),
];

/// Passed only after something else went wrong, after weeks, or with another configuration.
const RARE: Steps = &[
    ("drop", &[Fsync, Folder]),
    ("work", &[Rename]),
    ("spool", &[Remove]),
    ("archive", &[Remove]),
    ("inbox", &[Remove]),
    ("note", &[Remove]),
    ("session", &[Remove]),
    ("pin-guard", &[Remove]),
    ("open-list", &[Send, Receive]),
    ("revocation", &[Fsync, Folder, Rename]),
];

/// Tells them to `durable`.
pub(crate) fn declare() {
    durable::points::declare(COMMON, RARE);
}

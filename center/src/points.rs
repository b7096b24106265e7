//! Every fail point of `di-center`, for the tests that end it at each of them. Only in a build with `failpoints`; a point that
//! is passed and not named here ends the process.

use durable::Step::{Commit, Folder, Fsync, Receive, Remove, Rename, Send};
use durable::points::Steps;

/// Passed by every exchange with a letter above 64 kB.
const COMMON: Steps = &[
    ("request", &[Receive]),
    ("upload", &[Fsync, Rename]),
    ("bodies", &[Folder]),
    ("center", &[Commit]),
    ("reply", &[Send]),
];

/// Passed only after something else went wrong, or after weeks.
const RARE: Steps = &[("upload", &[Remove]), ("bodies", &[Remove]), ("revocation", &[Fsync, Folder, Rename])];

/// Tells them to `durable`.
pub(crate) fn declare() {
    durable::points::declare(COMMON, RARE);
}

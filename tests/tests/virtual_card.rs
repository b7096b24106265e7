//! The virtual card in a real reader driver, a real PC/SC service and Debian's OpenSC.
//!
//! - [`judged`]: that it is a card, judged by `pkcs11-tool` and `openssl`;
//! - [`presence`]: what `card::presence` sees of it;
//! - [`supervised`]: `card::Card` over it, through the helper process of the real `di-node`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

#[path = "virtual_card/judged.rs"]
mod judged;
#[path = "virtual_card/presence.rs"]
mod presence;
#[path = "virtual_card/supervised.rs"]
mod supervised;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use tests::pki;
use tests::virtual_card::VirtualCard;

const OWNER: &str = pki::MEMBERS[0].0;
const LONG: Duration = Duration::from_secs(30);

/// Everybody's keys, once for all tests of this file.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        pki::write(dir.path());
        dir
    });
    dir.path()
}

fn card() -> VirtualCard {
    VirtualCard::of_member(keys(), OWNER)
}

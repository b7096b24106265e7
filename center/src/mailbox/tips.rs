//! The newest of every member's lists, in memory: a look for news seldom asks the database.
//!
//! Right because whoever commits a change notes it here before anything later is committed or anyone is told
//! ([`crate::database::Database::write_then`]), and because another process's write forgets all.

use super::{Cursors, News};
use crate::known::Known;

/// By member code.
#[derive(Default)]
pub(super) struct Tips {
    members: Known<Tip>,
}

/// What is known of one member; `None` is unknown, 0 is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tip {
    /// How many notes were taken: what was read before one is not kept after it.
    pub(super) notes: u64,
    /// The newest line without a verdict,
    pub(super) line: Option<u64>,
    /// or one that was the newest, and may have its verdict now.
    pub(super) doubtful: bool,
    /// The newest outcome.
    pub(super) outcome: Option<u64>,
    /// The newest announcement.
    pub(super) announcement: Option<u64>,
}

impl Tip {
    /// What there is above the cursors.
    pub(super) fn news(&self, cursors: Cursors) -> Option<News> {
        let above = self.line? > cursors.offers;
        if above && self.doubtful {
            return None;
        }
        Some(News {
            offers: above,
            outcomes: self.outcome? > cursors.outcomes,
            announcements: self.announcement? > cursors.announcements,
        })
    }
}

impl Tips {
    /// What is known, and from now on noted. `version` as for [`Known`].
    pub(super) fn of(&self, version: i64, member: &str) -> Option<Tip> {
        self.members.with(version, |map| match map.get(member) {
            Some(tip) => *tip,
            None => *map.entry(member.to_owned()).or_default(),
        })
    }

    /// Keeps what was read after `before` was given by [`Tips::of`], if nothing was noted since.
    pub(super) fn keep(&self, version: i64, member: &str, before: Tip, read: Tip) {
        self.members.with(version, |map| {
            if let Some(tip) = map.get_mut(member).filter(|tip| **tip == before) {
                *tip = Tip { notes: tip.notes, ..read };
            }
        });
    }

    /// A new line.
    pub(super) fn line(&self, member: &str, seq: u64) {
        self.note(member, |tip| (tip.line, tip.doubtful) = (tip.line.map(|_| seq), false));
    }

    /// Lines of the reporter were settled, and the sender got an outcome.
    pub(super) fn report(&self, reporter: &str, sender: &str, outcome: u64) {
        self.note(reporter, |tip| tip.doubtful = true);
        self.note(sender, |tip| tip.outcome = tip.outcome.map(|_| outcome));
    }

    /// A new announcement.
    pub(super) fn announcement(&self) {
        self.members.all(|tip| {
            tip.notes += 1;
            tip.announcement = None;
        });
    }

    fn note(&self, member: &str, change: impl FnOnce(&mut Tip)) {
        self.members.change(member, |tip| {
            tip.notes += 1;
            change(tip);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Tip =
        Tip { notes: 0, line: Some(5), doubtful: false, outcome: Some(0), announcement: Some(0) };

    #[test]
    fn what_was_read_before_a_note_is_not_kept_after_it() {
        let tips = Tips::default();
        let before = tips.of(1, "A").unwrap();
        assert_eq!(before.news(Cursors::default()), None);
        tips.line("A", 6);
        tips.keep(1, "A", before, READ);
        assert_eq!(tips.of(1, "A").unwrap().news(Cursors::default()), None);
        let before = tips.of(1, "A").unwrap();
        tips.keep(1, "A", before, Tip { line: Some(6), ..READ });
        let news = |offers| tips.of(1, "A").unwrap().news(Cursors { offers, ..Cursors::default() });
        assert!(news(5).unwrap().offers && !news(6).unwrap().offers);
        tips.line("A", 7);
        assert!(news(6).unwrap().offers);
        assert_eq!(tips.of(2, "A").unwrap().news(Cursors::default()), None, "another process wrote");
        assert_eq!(tips.of(1, "A"), None);
    }

    #[test]
    fn a_report_puts_the_reporters_lines_in_doubt_and_tells_the_sender() {
        let tips = Tips::default();
        for member in ["A", "B"] {
            let before = tips.of(1, member).unwrap();
            tips.keep(1, member, before, READ);
        }
        tips.report("B", "A", 9);
        let news = |offers| tips.of(1, "B").unwrap().news(Cursors { offers, ..Cursors::default() });
        assert_eq!(news(4), None);
        assert!(!news(5).unwrap().offers, "whatever was settled, nothing is above");
        tips.line("B", 6);
        assert!(news(5).unwrap().offers);
        let news = tips.of(1, "A").unwrap().news(Cursors::default());
        assert_eq!(news, Some(News { offers: true, outcomes: true, announcements: false }));
        tips.announcement();
        assert_eq!(tips.of(1, "A").unwrap().announcement, None);
    }
}

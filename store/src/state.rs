//! Where a thing can stand, and the only moves it can make.
//!
//! ```text
//!  document              recipient line                             inbound
//!  Claimed ──► Sealed    Waiting ──► Accepted ──► Confirmed         Offered ──► Fetched ──► Archived ──► Confirmed
//!     │                   │  │        │  │  ▲                         │  ▲         │ ▲
//!     ▼                   │  │        │  ▼  │ a later round           ▼  │         ▼ │ a person's retry
//!  Refused                │  │        │ Returned ──┐                 Quarantined ◄───┘
//!                         ▼  ▼        ▼  │  │      │                   │    │ a later round
//!               Abandoned ◄──────────────┘  └─► OnPaper                └──► Reported ──► Offered
//! ```
//!
//! A person can end the waiting for an answer (`OnPaper`, `Abandoned`) from any state that is not final. `held`, the
//! next due time, attempts and the last label are columns beside the state: a pause and a retry never multiply the
//! drawing. Nothing "in progress" is stored.

/// An enum kept in the database by name.
macro_rules! stored {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in the order of the drawing.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name: in the database, in JSON, in filters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> Result<Self, crate::Error> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(crate::Error::Bad(concat!("unknown ", stringify!($name)))),
                }
            }
        }

        impl rusqlite::types::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                value.as_str()?.parse().map_err(|_| rusqlite::types::FromSqlError::InvalidType)
            }
        }
    };
}

stored! {
    /// Where an outbound document stands by itself; where its recipients stand is in its lines.
    Document {
        /// Taken from the drop folder; its files are ours and durable.
        Claimed = "claimed",
        /// Signed and sealed; only its parts and lines move from here on.
        Sealed = "sealed",
        /// Not sent, for a reason that its label says. Final.
        Refused = "refused",
    }
}

stored! {
    /// Where one recipient of an outbound document stands.
    Line {
        /// Sealed, not yet at the center (待發送).
        Waiting = "waiting",
        /// The center has it (系統確認).
        Accepted = "accepted",
        /// The recipient has archived it (使用者確認). Final.
        Confirmed = "confirmed",
        /// The recipient sent it back (使用者退文); a person resends, prints, or abandons.
        Returned = "returned",
        /// A person sent it on paper (補送紙本). Final.
        OnPaper = "on-paper",
        /// A person gave up on this recipient. Final.
        Abandoned = "abandoned",
    }
}

stored! {
    /// Where a document from somebody else stands.
    Inbound {
        /// The center holds it for us (公文到達).
        Offered = "offered",
        /// Its sealed bytes are in the spool (收文下載處理中).
        Fetched = "fetched",
        /// Opened, verified and safe in the archive (收文完成, not yet said so).
        Archived = "archived",
        /// 使用者確認 has reached the center (收文完成). Final.
        Confirmed = "confirmed",
        /// Bad, kept apart (收文異常, not yet said so, or not to be said).
        Quarantined = "quarantined",
        /// 使用者退文 has reached the center (收文異常). Final until a later round.
        Reported = "reported",
    }
}

stored! {
    /// The one word for an outbound document, derived from its state and its lines by [`Word::of`].
    Word {
        /// Not sealed yet (處理中).
        Claimed = "claimed",
        /// Not sent (未發送, with a reason).
        Refused = "refused",
        /// At least one recipient's part is not at the center yet (待發送).
        Waiting = "waiting",
        /// At the center for all; at least one recipient has not answered (系統確認).
        Accepted = "accepted",
        /// At least one recipient sent it back and nobody has dealt with it (使用者退文).
        Returned = "returned",
        /// Every recipient is final and at least one confirmed (使用者確認).
        Confirmed = "confirmed",
        /// Every recipient is final, none confirmed, at least one on paper (補送紙本).
        OnPaper = "on-paper",
        /// Given up for every recipient.
        Abandoned = "abandoned",
    }
}

stored! {
    /// What a recipient's receipt says.
    Verdict {
        /// 使用者確認: archived there.
        Confirmed = "confirmed",
        /// 使用者退文: bad there, with a label.
        Returned = "returned",
        /// 誤送通知: archived there, but it was not theirs. Comes after a confirmation and moves nothing.
        Misdirected = "misdirected",
    }
}

/// How urgent a document is (速別). Decides the order in queues, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// 普通件
    #[default]
    Normal,
    /// 速件
    Fast,
    /// 最速件
    Fastest,
}

impl Priority {
    /// Most urgent first.
    pub const URGENT_FIRST: [Self; 3] = [Self::Fastest, Self::Fast, Self::Normal];

    /// 0, 1, 2: larger is more urgent.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Fast => 1,
            Self::Fastest => 2,
        }
    }
}

impl rusqlite::types::ToSql for Priority {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.rank().into())
    }
}

impl rusqlite::types::FromSql for Priority {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::Normal),
            1 => Ok(Self::Fast),
            2 => Ok(Self::Fastest),
            other => Err(rusqlite::types::FromSqlError::OutOfRange(other)),
        }
    }
}

impl Document {
    /// Whether a document can go from here to `next` in one step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Claimed, Self::Sealed | Self::Refused))
    }
}

impl Line {
    /// Whether a recipient line can go from here to `next` in one step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Waiting, Self::Accepted)
                | (Self::Accepted, Self::Confirmed | Self::Returned)
                | (Self::Returned, Self::Accepted) // a later round
                | (Self::Waiting | Self::Accepted | Self::Returned, Self::OnPaper | Self::Abandoned)
        )
    }

    /// Whether nothing more is expected of this recipient.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::OnPaper | Self::Abandoned)
    }
}

impl Inbound {
    /// Whether a received document can go from here to `next` in one step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Offered, Self::Fetched | Self::Quarantined)
                | (Self::Fetched, Self::Archived | Self::Quarantined)
                | (Self::Fetched, Self::Offered) // the content file is gone or bad, or a later round came first
                | (Self::Archived, Self::Confirmed)
                | (Self::Quarantined, Self::Reported)
                | (Self::Quarantined, Self::Fetched) // a person's retry, before anything was answered
                | (Self::Quarantined | Self::Reported, Self::Offered) // a later round
        )
    }
}

impl Word {
    /// The word for a document in `state` with lines in these states. What needs a person comes first, then what is
    /// still open, then how it ended.
    #[must_use]
    pub fn of(state: Document, lines: &[Line]) -> Self {
        match state {
            Document::Claimed => return Self::Claimed,
            Document::Refused => return Self::Refused,
            Document::Sealed => {}
        }
        let any = |line| lines.contains(&line);
        if any(Line::Returned) {
            Self::Returned
        } else if any(Line::Waiting) {
            Self::Waiting
        } else if any(Line::Accepted) {
            Self::Accepted
        } else if any(Line::Confirmed) {
            Self::Confirmed
        } else if any(Line::OnPaper) {
            Self::OnPaper
        } else if any(Line::Abandoned) {
            Self::Abandoned
        } else {
            Self::Waiting
        }
    }

    /// Whether nothing more will happen to the document by itself or by a person.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Refused | Self::Confirmed | Self::OnPaper | Self::Abandoned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves<S: Copy + std::fmt::Display>(all: &[S], may: impl Fn(S, S) -> bool) -> Vec<String> {
        let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| may(*from, *to)).map(|(from, to)| format!("{from} {to}")).collect()
    }

    #[test]
    fn these_moves_and_no_others() {
        assert_eq!(moves(Document::ALL, Document::may_become), ["claimed sealed", "claimed refused"]);
        assert_eq!(
            moves(Line::ALL, Line::may_become),
            [
                "waiting accepted",
                "waiting on-paper",
                "waiting abandoned",
                "accepted confirmed",
                "accepted returned",
                "accepted on-paper",
                "accepted abandoned",
                "returned accepted",
                "returned on-paper",
                "returned abandoned",
            ]
        );
        assert_eq!(
            moves(Inbound::ALL, Inbound::may_become),
            [
                "offered fetched",
                "offered quarantined",
                "fetched offered",
                "fetched archived",
                "fetched quarantined",
                "archived confirmed",
                "quarantined offered",
                "quarantined fetched",
                "quarantined reported",
                "reported offered",
            ]
        );
    }

    #[test]
    fn final_lines_stay() {
        for line in Line::ALL.iter().filter(|line| line.is_final()) {
            assert!(Line::ALL.iter().all(|next| !line.may_become(*next)), "{line}");
        }
    }

    #[test]
    fn names_can_be_read_back() {
        for word in Word::ALL {
            assert_eq!(word.as_str().parse::<Word>().unwrap(), *word);
        }
        assert!("Waiting".parse::<Line>().is_err());
    }

    #[test]
    fn the_word_is_what_a_person_must_know_first() {
        use Line::{Abandoned, Accepted, Confirmed, OnPaper, Returned, Waiting};
        let of = |lines: &[Line]| Word::of(Document::Sealed, lines);
        assert_eq!(of(&[Confirmed, Waiting, Returned]), Word::Returned);
        assert_eq!(of(&[Confirmed, Accepted, Waiting]), Word::Waiting);
        assert_eq!(of(&[Confirmed, Accepted, OnPaper]), Word::Accepted);
        assert_eq!(of(&[Abandoned, OnPaper, Confirmed]), Word::Confirmed);
        assert_eq!(of(&[Abandoned, OnPaper]), Word::OnPaper);
        assert_eq!(of(&[Abandoned]), Word::Abandoned);
        assert_eq!(Word::of(Document::Refused, &[]), Word::Refused);
        assert_eq!(Word::of(Document::Claimed, &[]), Word::Claimed);
    }
}

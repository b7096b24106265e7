//! The messages, as `docs/protocol.md` §5–§6 defines them.
//!
//! Every value is plain: ids and digests are byte arrays, times are Unix milliseconds (UTC), codes are the
//! field's 10- or 17-character mailbox codes. Receipts, login statements, directory entries and sealed bytes are opaque here.
//! Indices (`#[n(…)]`) are part of the protocol and never reused.

use minicbor::{Decode, Decoder, Encode, decode};

/// A document's 128-bit id, fixed by the sender at claim.
pub type DocumentId = [u8; 16];
/// A SHA-256 value.
pub type Digest = [u8; 32];

/// Protocol versions. If you change a message, add a version here and a vector of the old one stays in `vectors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Version {
    /// 2026: the first.
    #[n(1)]
    V1,
    /// A node that was restored from a backup asks what it answered and submitted since.
    #[n(2)]
    V2,
}

impl Version {
    /// The newest that this program speaks.
    pub const NEWEST: Self = Self::V2;

    /// As it travels.
    pub fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// Reads the version of a `Hello`: one that is newer than ours counts as our newest, which we then answer.
fn newest_spoken<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<Version, decode::Error> {
    let at = d.position();
    match d.u32()? {
        0 => Err(decode::Error::message("no version has the number 0").at(at)),
        1 => Ok(Version::V1),
        _ => Ok(Version::NEWEST),
    }
}

/// How urgent a document is (速別): decides the order in queues, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Priority {
    /// 普通件
    #[default]
    #[n(0)]
    Normal,
    /// 速件
    #[n(1)]
    Fast,
    /// 最速件
    #[n(2)]
    Fastest,
}

/// One sealed message of a document: the unit of submission (protocol §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct PartKey {
    /// The document.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub document: DocumentId,
    /// Which container: 0 whole, 1 without attachments, 2 + n for the n-th recipient alone (行文單位保密).
    #[n(1)]
    pub variant: u16,
    /// Which group of recipients of that container.
    #[n(2)]
    pub group: u16,
    /// 0 for the first sending; each resend counts up.
    #[n(3)]
    pub round: u16,
}

/// A mailbox that a part is for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Addressee {
    /// 10 characters (organisation) or 17 (organisation and unit).
    #[n(0)]
    pub code: String,
    /// Whether the container it gets holds the attachments.
    #[n(1)]
    pub attachments: bool,
}

/// Everything that the center knows of a part; it never sees inside.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PartHeader {
    /// Which part.
    #[n(0)]
    pub key: PartKey,
    /// The mailbox that sends: the logged-in member or one of its units.
    #[n(1)]
    pub sender: String,
    /// For whom; at most [`crate::MAX_ADDRESSEES`].
    #[n(2)]
    pub addressees: Vec<Addressee>,
    /// 速別.
    #[n(3)]
    pub priority: Priority,
    /// SHA-256 of `META-INF/ASiCManifest001.xml`.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub manifest: Digest,
    /// SHA-256 of `META-INF/signature001.p7s`.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Digest,
    /// SHA-256 of the sealed bytes.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Digest,
    /// Length of the sealed bytes.
    #[n(7)]
    pub length: u64,
}

/// What a node asks. One request per stream; `Hello` and `Login` come first on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Opens the conversation (protocol §3.1).
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Proves the session key (protocol §3.2).
    #[n(1)]
    Login(#[n(0)] Login),
    /// Hands over a part. With `eager` the whole body follows at once; otherwise it follows after [`Reply::Go`],
    /// from the offset named there.
    #[n(2)]
    Submit {
        /// What is submitted.
        #[n(0)]
        header: PartHeader,
        /// Body follows without waiting; only for bodies up to [`crate::EAGER_LIMIT`].
        #[n(1)]
        eager: bool,
    },
    /// Mailbox lines not yet reported, oldest urgent first, with a sequence number above `after`.
    #[n(3)]
    Offers {
        /// Sequence number of the last one seen, 0 for all.
        #[n(0)]
        after: u64,
        /// At most so many.
        #[n(1)]
        limit: u16,
    },
    /// Answered as soon as there is anything newer than the cursors, or after `wait` seconds.
    #[n(4)]
    Watch {
        /// Offers cursor.
        #[n(0)]
        offers_after: u64,
        /// Outcomes cursor.
        #[n(1)]
        outcomes_after: u64,
        /// Announcements cursor.
        #[n(2)]
        announcements_after: u64,
        /// Seconds, at most [`crate::MAX_WATCH_SECONDS`].
        #[n(3)]
        wait: u16,
    },
    /// The sealed bytes of an offer, from an offset.
    #[n(5)]
    Fetch {
        /// The offer's sequence number.
        #[n(0)]
        seq: u64,
        /// Bytes that the node already holds.
        #[n(1)]
        offset: u64,
    },
    /// A receipt bundle (使用者確認, 使用者退文, 誤送通知) of the caller for one sender.
    #[n(6)]
    Report {
        /// DER `Receipt` of `envelope`.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        bundle: Vec<u8>,
    },
    /// Receipts for what the caller sent.
    #[n(7)]
    Outcomes {
        /// Sequence number of the last one stored, 0 for all.
        #[n(0)]
        after: u64,
        /// At most so many.
        #[n(1)]
        limit: u16,
    },
    /// Directory entries by mailbox code.
    #[n(8)]
    Directory {
        /// At most [`crate::MAX_DIRECTORY_CODES`].
        #[n(0)]
        codes: Vec<String>,
    },
    /// The center's announcements.
    #[n(9)]
    Announcements {
        /// Number of the last one seen, 0 for all.
        #[n(0)]
        after: u64,
        /// At most so many.
        #[n(1)]
        limit: u16,
    },
    /// Which of these parts does the center not hold? (protocol §4.7)
    #[n(10)]
    OpenList {
        /// Parts that the node believes accepted and not final.
        #[n(0)]
        parts: Vec<OpenPart>,
    },
    /// Mailbox lines that the caller reported at or after `since`: what a restored node has forgotten (protocol §4.10).
    #[n(11)]
    Answered {
        /// Center's time, Unix milliseconds.
        #[n(0)]
        since: i64,
        /// Sequence number of the last line of the page before, 0 for the first.
        #[n(1)]
        after: u64,
        /// At most so many.
        #[n(2)]
        limit: u16,
    },
    /// Parts that the center accepted from the caller at or after `since` (protocol §4.10).
    #[n(12)]
    Submitted {
        /// Center's time, Unix milliseconds.
        #[n(0)]
        since: i64,
        /// Number of the last part of the page before, 0 for the first.
        #[n(1)]
        after: u64,
        /// At most so many.
        #[n(2)]
        limit: u16,
    },
}

/// First words of a node.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The newest version that the node speaks; read as ours where it is newer (protocol §8).
    #[n(0)]
    #[cbor(decode_with = "newest_spoken")]
    pub version: Version,
    /// Its organisation code.
    #[n(1)]
    pub member: String,
}

/// The login proper.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Login {
    /// DER `SignedData` of the member's card over the session key (`envelope::login`).
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// Signature of the session key over this connection (`wire::login`).
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub proof: Vec<u8>,
}

/// A part in the open list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct OpenPart {
    /// Which part.
    #[n(0)]
    pub key: PartKey,
    /// Its manifest digest, so that the center can tell "other bytes" from "not here".
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub manifest: Digest,
}

/// What the center answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// To `Hello`.
    #[n(0)]
    Challenge(#[n(0)] Challenge),
    /// To `Login`: the connection is now the member's.
    #[n(1)]
    Welcome(#[n(0)] Welcome),
    /// To a `Submit` without `eager`: send the body from here.
    #[n(2)]
    Go {
        /// The center's durable offset.
        #[n(0)]
        offset: u64,
    },
    /// The part is durable: 系統確認.
    #[n(3)]
    Accepted {
        /// DER `Receipt` signed by the center; the same bytes at every repeat.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        receipt: Vec<u8>,
    },
    /// To `Offers`.
    #[n(4)]
    Offers {
        /// The lines, in the order in which they should be fetched.
        #[n(0)]
        offers: Vec<Offer>,
    },
    /// To `Watch`: what there is to ask for.
    #[n(5)]
    News {
        /// New offers.
        #[n(0)]
        offers: bool,
        /// New outcomes.
        #[n(1)]
        outcomes: bool,
        /// New announcements.
        #[n(2)]
        announcements: bool,
    },
    /// To `Fetch`: the body follows, from the offset asked for to the end.
    #[n(6)]
    Body {
        /// Total length, not the rest.
        #[n(0)]
        length: u64,
        /// SHA-256 of the whole.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        sealed: Digest,
    },
    /// To `Report`: every line of the bundle is durable.
    #[n(7)]
    Reported,
    /// To `Outcomes`.
    #[n(8)]
    Outcomes {
        /// In the order of their numbers.
        #[n(0)]
        outcomes: Vec<Outcome>,
    },
    /// To `Directory`: one answer per code, in the order asked.
    #[n(9)]
    Directory {
        /// The answers.
        #[n(0)]
        answers: Vec<DirectoryAnswer>,
    },
    /// To `Announcements`.
    #[n(10)]
    Announcements {
        /// In the order of their numbers.
        #[n(0)]
        announcements: Vec<Announcement>,
    },
    /// To `OpenList`: the parts that must be submitted again.
    #[n(11)]
    Missing {
        /// A subset of what was asked.
        #[n(0)]
        parts: Vec<PartKey>,
    },
    /// No.
    #[n(12)]
    Refused(#[n(0)] Refusal),
    /// To `Answered`.
    #[n(13)]
    Answered {
        /// In the order of their numbers.
        #[n(0)]
        lines: Vec<AnsweredLine>,
    },
    /// To `Submitted`.
    #[n(14)]
    Submitted {
        /// In the order of their numbers.
        #[n(0)]
        parts: Vec<SubmittedPart>,
    },
}

/// The center's half of the login.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// The version that both will speak.
    #[n(0)]
    pub version: Version,
    /// The center's code.
    #[n(1)]
    pub center: String,
    /// Fresh random bytes.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// The center's clock, so that a node with a wrong one can say so instead of failing.
    #[n(3)]
    pub time: i64,
}

/// Logged in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// The center's clock.
    #[n(0)]
    pub time: i64,
    /// New at each restore of the center from backup.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub epoch: [u8; 16],
    /// Largest sealed message accepted from this member, bytes.
    #[n(2)]
    pub max_length: u64,
    /// Most addressees in a part.
    #[n(3)]
    pub max_addressees: u16,
    /// Whether this member may send (a member can be receive-only).
    #[n(4)]
    pub may_send: bool,
    /// The member's mailbox codes: its own and those of its units.
    #[n(5)]
    pub mailboxes: Vec<String>,
}

/// A mailbox line.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    /// Number of the line at this center, growing.
    #[n(0)]
    pub seq: u64,
    /// The part as it was submitted, with this line's addressee only.
    #[n(1)]
    pub header: PartHeader,
    /// When the center accepted it.
    #[n(2)]
    pub accepted: i64,
    /// The center's receipt (DER), reduced to this line: the proof of that time.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub receipt: Vec<u8>,
}

/// A receipt for the sender.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Outcome {
    /// Number at this center, growing per sender.
    #[n(0)]
    pub seq: u64,
    /// DER `Receipt` as the receiver reported it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bundle: Vec<u8>,
}

/// A mailbox line that was reported.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AnsweredLine {
    /// The line as it was offered; its bytes can be fetched while the center keeps them.
    #[n(0)]
    pub offer: Offer,
    /// DER `Receipt` that settled it, as it was reported; absent where the center no longer has it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bundle: Option<Vec<u8>>,
}

/// A part of the caller's that the center accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SubmittedPart {
    /// Number at this center, growing.
    #[n(0)]
    pub number: u64,
    /// As it was submitted.
    #[n(1)]
    pub header: PartHeader,
    /// When the center accepted it.
    #[n(2)]
    pub accepted: i64,
    /// The center's receipt (DER), as it was given.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub receipt: Vec<u8>,
}

/// How a mailbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// May be addressed.
    #[n(0)]
    Active,
    /// Known, but may not be addressed now.
    #[n(1)]
    Suspended,
    /// Not known here.
    #[n(2)]
    Unknown,
}

/// What the directory says of a code.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DirectoryAnswer {
    /// The code asked for.
    #[n(0)]
    pub code: String,
    /// Whether it may be addressed.
    #[n(1)]
    pub standing: Standing,
    /// The entry, countersigned (`envelope::directory`); present when known.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub entry: Option<Vec<u8>>,
}

/// A notice of the center to its members.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Announcement {
    /// Number, growing.
    #[n(0)]
    pub number: u64,
    /// When published.
    #[n(1)]
    pub time: i64,
    /// One line.
    #[n(2)]
    pub title: String,
    /// Plain text.
    #[n(3)]
    pub body: String,
}

/// What a node should do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalClass {
    /// Try again later; `after` says when.
    #[n(0)]
    Retry,
    /// Someone must put something right first.
    #[n(1)]
    Wait,
    /// Never with these bytes.
    #[n(2)]
    Permanent,
}

/// A refusal: what, why, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Refusal {
    /// Stable label, listed in protocol §7 (`member-unknown`, `address-not-registered`, …).
    #[n(0)]
    pub label: String,
    /// What to do.
    #[n(1)]
    pub class: RefusalClass,
    /// One English sentence for the log.
    #[n(2)]
    pub detail: String,
    /// Codes that the refusal is about (every bad recipient, not only the first).
    #[n(3)]
    pub codes: Vec<String>,
    /// Seconds to wait before the next try, 0 if it makes no difference.
    #[n(4)]
    pub after: u32,
    /// With `part-conflict`: the receipt of the part that was accepted first.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub receipt: Option<Vec<u8>>,
}

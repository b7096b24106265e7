//! The limits of every message, checked after decoding and before sending (protocol §4.9).

use crate::{
    Error, MAX_ADDRESSEES, MAX_DIRECTORY_CODES, MAX_OPEN_PARTS, MAX_PAGE, MAX_WATCH_SECONDS, Result,
    message::{
        Addressee, Announcement, Challenge, DirectoryAnswer, Offer, PartHeader, Refusal, Reply, Request,
        Welcome,
    },
};

/// Names the first field that is out of its limits.
pub(crate) fn request(request: &Request) -> Result<()> {
    match request {
        Request::Hello(hello) => demand(is_code(&hello.member), "hello.member"),
        Request::Login(login) => {
            demand(within(&login.statement, MAX_STATEMENT), "login.statement")?;
            demand(within(&login.proof, MAX_PROOF), "login.proof")
        }
        Request::Submit { header, eager } => {
            part(header)?;
            demand(!eager || header.length <= crate::EAGER_LIMIT, "submit.eager")
        }
        Request::Offers { limit, .. } => page(*limit, "offers.limit"),
        Request::Outcomes { limit, .. } => page(*limit, "outcomes.limit"),
        Request::Announcements { limit, .. } => page(*limit, "announcements.limit"),
        Request::Watch { wait, .. } => demand(*wait <= MAX_WATCH_SECONDS, "watch.wait"),
        Request::Fetch { .. } => Ok(()),
        Request::Report { bundle } => demand(!bundle.is_empty(), "report.bundle"),
        Request::Directory { codes } => {
            demand((1..=MAX_DIRECTORY_CODES).contains(&codes.len()), "directory.codes")?;
            demand(codes.iter().all(|code| is_code(code)), "directory.codes")
        }
        Request::Answered { since, limit, .. } => {
            demand(is_time(*since), "answered.since")?;
            page(*limit, "answered.limit")
        }
        Request::Submitted { since, limit, .. } => {
            demand(is_time(*since), "submitted.since")?;
            page(*limit, "submitted.limit")
        }
        Request::OpenList { parts } => demand(parts.len() <= MAX_OPEN_PARTS, "open-list.parts"),
    }
}

/// The same for a reply.
pub(crate) fn reply(reply: &Reply) -> Result<()> {
    match reply {
        Reply::Challenge(Challenge { center, time, .. }) => {
            demand(is_center(center), "challenge.center")?;
            demand(is_time(*time), "challenge.time")
        }
        Reply::Welcome(Welcome { time, mailboxes, .. }) => {
            demand(is_time(*time), "welcome.time")?;
            demand(mailboxes.len() <= MAX_MAILBOXES, "welcome.mailboxes")?;
            demand(mailboxes.iter().all(|code| is_code(code)), "welcome.mailboxes")
        }
        Reply::Go { .. } | Reply::News { .. } | Reply::Body { .. } | Reply::Reported => Ok(()),
        Reply::Accepted { receipt } => demand(!receipt.is_empty(), "accepted.receipt"),
        Reply::Offers { offers } => {
            demand(offers.len() <= usize::from(MAX_PAGE), "offers")?;
            offers.iter().try_for_each(an_offer)
        }
        Reply::Answered { lines } => {
            demand(lines.len() <= usize::from(MAX_PAGE), "answered.lines")?;
            lines.iter().try_for_each(|line| an_offer(&line.offer))
        }
        Reply::Submitted { parts } => {
            demand(parts.len() <= usize::from(MAX_PAGE), "submitted.parts")?;
            parts.iter().try_for_each(|submitted| {
                part(&submitted.header)?;
                demand(is_time(submitted.accepted), "submitted.accepted")
            })
        }
        Reply::Outcomes { outcomes } => {
            demand(outcomes.len() <= usize::from(MAX_PAGE), "outcomes")?;
            demand(outcomes.iter().all(|outcome| !outcome.bundle.is_empty()), "outcome.bundle")
        }
        Reply::Directory { answers } => {
            demand(answers.len() <= MAX_DIRECTORY_CODES, "directory.answers")?;
            let good = |answer: &DirectoryAnswer| is_code(&answer.code);
            demand(answers.iter().all(good), "directory.code")
        }
        Reply::Announcements { announcements } => {
            demand(announcements.len() <= usize::from(MAX_PAGE), "announcements")?;
            let good = |a: &Announcement| {
                is_time(a.time) && a.title.len() <= MAX_TITLE && a.body.len() <= MAX_NOTICE
            };
            demand(announcements.iter().all(good), "announcement")
        }
        Reply::Missing { parts } => demand(parts.len() <= MAX_OPEN_PARTS, "missing.parts"),
        Reply::Refused(refused) => refusal(refused),
    }
}

fn an_offer(offer: &Offer) -> Result<()> {
    part(&offer.header)?;
    demand(is_time(offer.accepted), "offer.accepted")?;
    demand(offer.header.addressees.len() == 1, "offer.addressees")
}

fn part(header: &PartHeader) -> Result<()> {
    demand(is_code(&header.sender), "part.sender")?;
    demand((1..=usize::from(MAX_ADDRESSEES)).contains(&header.addressees.len()), "part.addressees")?;
    demand(header.addressees.iter().all(|Addressee { code, .. }| is_code(code)), "part.addressees")?;
    demand(header.length > 0, "part.length")
}

fn refusal(refusal: &Refusal) -> Result<()> {
    let label = &refusal.label;
    let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    demand(!label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(kebab), "refusal.label")?;
    demand(refusal.detail.len() <= MAX_DETAIL, "refusal.detail")?;
    demand(refusal.codes.len() <= usize::from(MAX_ADDRESSEES), "refusal.codes")?;
    demand(refusal.codes.iter().all(|code| is_code(code)), "refusal.codes")
}

fn page(limit: u16, field: &'static str) -> Result<()> {
    demand((1..=MAX_PAGE).contains(&limit), field)
}

fn within(bytes: &[u8], most: usize) -> bool {
    (1..=most).contains(&bytes.len())
}

/// A mailbox code: 10 characters (organisation) or 17 (organisation and unit), ASCII letters and digits.
fn is_code(code: &str) -> bool {
    matches!(code.len(), 10 | 17) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A center's code: up to 32 ASCII letters, digits and hyphens.
fn is_center(code: &str) -> bool {
    (1..=32).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Unix milliseconds between 1970 and 9999, so that no reader's arithmetic overflows.
fn is_time(time: i64) -> bool {
    (0..253_402_300_800_000).contains(&time)
}

fn demand(holds: bool, field: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::BadField(field)) }
}

const MAX_STATEMENT: usize = 60 * 1024;
/// A DER ECDSA signature on P-256 has at most 72 bytes.
const MAX_PROOF: usize = 80;
const MAX_MAILBOXES: usize = 1_000;
const MAX_TITLE: usize = 600;
const MAX_NOTICE: usize = 60_000;
const MAX_LABEL: usize = 64;
const MAX_DETAIL: usize = 2_000;

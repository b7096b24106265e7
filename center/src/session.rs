//! From an authenticated member's request to a reply: docs/protocol.md §4–§7, over two traits and without a socket.
//!
//! [`answer`] does everything except moving bodies; where a `Submit` wants its body, [`finish`] ends it when the body is
//! complete. Nothing here opens an envelope or reads the clock.

use crate::desk::Desk;
use crate::directory::Member;
use crate::error::{Error, Result};
use crate::mailbox::sqlite::DAY;
use crate::mailbox::{
    Answered, Content, Cursors, Fetched, INLINE, NewPart, News, Report, ReportLine, Reported, Source,
    Submitted, Upload, Waiting,
};
use envelope::receipt::{Kind, Receipt, ReceiptLine, Verdict, VerifiedReceipt};
use std::collections::HashSet;
use wire::message::{
    Announcement, AnsweredLine, DirectoryAnswer, Offer, Outcome, PartHeader, Refusal, Reply, Request,
    Standing, SubmittedPart,
};
use wire::refusal;

/// What is to be done with a request.
pub(crate) enum Answer {
    /// Send this.
    Reply(Reply),
    /// Take the body of this `Submit`, then [`finish`].
    Receive(Receive),
    /// Send this, then the source's bytes from the offset.
    Body { reply: Reply, source: Source, offset: u64, left: u64 },
}

/// Where a body goes.
pub(crate) enum Receive {
    /// Into memory: at most [`INLINE`].
    Memory,
    /// Into a file, from its offset.
    File(Box<dyn Upload>),
}

/// Bytes of lists in one reply; the rest of [`wire::MAX_REPLY`] is for what surrounds them.
const PAGE_BYTES: usize = wire::MAX_REPLY as usize - 256 * 1024;

/// Answers a request. A refusal is a reply; an error is the center's own trouble (see [`trouble`]).
pub(crate) fn answer(desk: &Desk, member: &Member, request: Request, now: i64) -> Result<Answer> {
    if let Some(no) = too_many(desk, member, now) {
        return Ok(refused(no));
    }
    let reply = match request {
        Request::Submit { header, eager } => return submit(desk, member, &header, eager, now),
        Request::Fetch { seq, offset } => return fetch(desk, member, seq, offset),
        Request::Offers { after, limit } => offers(desk, member, after, limit)?,
        Request::Watch { offers_after, outcomes_after, announcements_after, .. } => {
            let cursors = Cursors {
                offers: offers_after,
                outcomes: outcomes_after,
                announcements: announcements_after,
            };
            told(desk.mailbox.news(&member.code, cursors)?)
        }
        Request::Report { bundle } => report(desk, member, bundle, now)?,
        Request::Outcomes { after, limit } => {
            let outcomes = desk.mailbox.outcomes(&member.code, after, page(limit), PAGE_BYTES)?;
            Reply::Outcomes { outcomes: fitting(outcomes, |o: &Outcome| wire::codec::len(o)) }
        }
        Request::Directory { codes } => {
            if codes.len() > wire::MAX_DIRECTORY_CODES {
                return Ok(refused(refusal::TOO_MANY_CODES.refuse("too many codes in one request")));
            }
            let answers = desk.directory.answers(&codes)?;
            Reply::Directory { answers: fitting(answers, |a: &DirectoryAnswer| wire::codec::len(a)) }
        }
        Request::Announcements { after, limit } => {
            let announcements = desk.mailbox.announcements(after, page(limit), PAGE_BYTES)?;
            let announcements = fitting(announcements, |a: &Announcement| wire::codec::len(a));
            Reply::Announcements { announcements }
        }
        Request::OpenList { parts } => {
            if parts.len() > wire::MAX_OPEN_PARTS {
                return Ok(refused(refusal::TOO_MANY_CODES.refuse("too many parts in one request")));
            }
            Reply::Missing { parts: desk.mailbox.missing(&member.code, &parts)? }
        }
        Request::Answered { since, after, limit } => answered(desk, member, since, after, limit)?,
        Request::Submitted { since, after, limit } => {
            let parts = desk.mailbox.submitted(&member.code, since, after, page(limit), PAGE_BYTES)?;
            Reply::Submitted { parts: fitting(parts, |part: &SubmittedPart| wire::codec::len(part)) }
        }
        Request::Hello(_) | Request::Login(_) => {
            Reply::Refused(refusal::MALFORMED.refuse("the connection is logged in already"))
        }
    };
    Ok(Answer::Reply(reply))
}

/// Answers without waiting for a disk, if that can be: whether there is news, and lists with nothing above the cursor. Else
/// `None`, and the request was not counted.
pub(crate) fn at_hand(desk: &Desk, member: &Member, request: &Request, now: i64) -> Option<Reply> {
    // a cursor that is not asked for has nothing above it
    let end = Cursors { offers: u64::MAX, outcomes: u64::MAX, announcements: u64::MAX };
    let cursors = match *request {
        Request::Watch { offers_after, outcomes_after, announcements_after, .. } => {
            Cursors { offers: offers_after, outcomes: outcomes_after, announcements: announcements_after }
        }
        Request::Offers { after, .. } => Cursors { offers: after, ..end },
        Request::Outcomes { after, .. } => Cursors { outcomes: after, ..end },
        Request::Announcements { after, .. } => Cursors { announcements: after, ..end },
        _ => return None,
    };
    let news = desk.mailbox.news_at_hand(&member.code, cursors)?;
    let reply = match request {
        Request::Watch { .. } => told(news),
        _ if news != News::default() => return None,
        Request::Offers { .. } => Reply::Offers { offers: Vec::new() },
        Request::Outcomes { .. } => Reply::Outcomes { outcomes: Vec::new() },
        _ => Reply::Announcements { announcements: Vec::new() },
    };
    Some(too_many(desk, member, now).map_or(reply, Reply::Refused))
}

fn told(news: News) -> Reply {
    Reply::News { offers: news.offers, outcomes: news.outcomes, announcements: news.announcements }
}

fn too_many(desk: &Desk, member: &Member, now: i64) -> Option<Refusal> {
    let after = desk.requests.take(&member.code, desk.limits.requests_per_minute, now).err()?;
    Some(later(refusal::RATE_EXCEEDED.refuse("too many requests a minute"), after))
}

/// A `Submit` with its body.
pub(crate) fn submit_whole(
    desk: &Desk,
    member: &Member,
    header: &PartHeader,
    body: Vec<u8>,
    now: i64,
) -> Result<Reply> {
    if let Some(no) = too_many(desk, member, now) {
        return Ok(Reply::Refused(no));
    }
    match submit(desk, member, header, true, now)? {
        Answer::Reply(reply) => Ok(reply),
        Answer::Receive(_) => finish(desk, member, header, Content::Bytes(body), now),
        Answer::Body { .. } => Err(Error::Task),
    }
}

/// Submit (protocol §4.2), up to the body. What was accepted before is answered first, whatever changed since.
fn submit(desk: &Desk, member: &Member, header: &PartHeader, eager: bool, now: i64) -> Result<Answer> {
    if !member.may_send {
        return Ok(refused(refusal::MAY_NOT_SEND.refuse("the member is receive-only")));
    }
    if !member.owns(&header.sender) {
        let mut no = refusal::SENDER_NOT_YOURS.refuse("the sender is no mailbox of the member");
        no.codes.push(header.sender.clone());
        return Ok(refused(no));
    }
    if let Some(held) = desk.mailbox.held(&member.code, &header.key)? {
        return Ok(Answer::Reply(repeat(member, header, held)));
    }
    if let Some(no) = wrong_header(desk, member, header, eager) {
        return Ok(refused(no));
    }
    if let Some(no) = wrong_addressees(desk, header)? {
        return Ok(refused(no));
    }
    let per_minute = member.quotas.parts_per_minute.unwrap_or(desk.limits.parts_per_minute);
    if let Err(after) = desk.parts.take(&member.code, per_minute, now) {
        return Ok(refused(later(refusal::RATE_EXCEEDED.refuse("too many parts a minute"), after)));
    }
    let used = desk.mailbox.used(&member.code, now.div_euclid(DAY), &header.key)?;
    let total = used.accepted.saturating_add(used.unfinished).saturating_add(header.length);
    if total > bytes_per_day(desk, member) {
        return Ok(refused(over_quota(now)));
    }
    Ok(Answer::Receive(if header.length <= INLINE {
        Receive::Memory
    } else {
        Receive::File(desk.mailbox.upload(&member.code, header, now)?)
    }))
}

/// Submit, when the body is complete: the receipt is signed, and part, lines and receipt become durable together.
pub(crate) fn finish(
    desk: &Desk,
    member: &Member,
    header: &PartHeader,
    content: Content,
    now: i64,
) -> Result<Reply> {
    if let Content::Bytes(bytes) = &content
        && (bytes.len() as u64 != header.length || envelope::sha256(bytes) != header.sealed)
    {
        return Err(Error::DigestMismatch);
    }
    let lines: Vec<ReceiptLine> = header
        .addressees
        .iter()
        .map(|addressee| ReceiptLine {
            center: desk.code.clone(),
            document: header.key.document,
            round: header.key.round.into(),
            sender: header.sender.clone(),
            recipient: addressee.code.clone(),
            manifest: header.manifest,
            signature: header.signature,
            sealed: header.sealed,
            verdict: Verdict::Accepted,
            label: String::new(),
            arrived: now,
            archived: None,
        })
        .collect();
    let receipt = envelope::receipt::make_center(&lines, desk.receipt_key.as_ref(), now)
        .map_err(Error::envelope("the receipt key"))?
        .to_der();
    let submitted = desk.mailbox.submit(NewPart {
        member: member.code.clone(),
        header: header.clone(),
        content,
        receipt: receipt.clone(),
        accepted: now,
        bytes_per_day: bytes_per_day(desk, member),
    })?;
    Ok(match submitted {
        Submitted::Kept => {
            let members: HashSet<&str> =
                header.addressees.iter().map(|a| crate::organisation(&a.code)).collect();
            members.into_iter().for_each(|member| desk.wake.ring(member));
            tracing::info!(member = member.code, document = %hex(&header.key.document), variant = header.key.variant,
                group = header.key.group, round = header.key.round, addressees = header.addressees.len(),
                bytes = header.length, "part accepted");
            Reply::Accepted { receipt }
        }
        Submitted::Before(held) => repeat(member, header, held),
        Submitted::OverQuota => Reply::Refused(over_quota(now)),
    })
}

/// The same part again: the first receipt. With another manifest: never, and someone should know.
fn repeat(member: &Member, header: &PartHeader, held: crate::mailbox::Held) -> Reply {
    if held.manifest == header.manifest {
        return Reply::Accepted { receipt: held.receipt };
    }
    tracing::error!(member = member.code, document = %hex(&header.key.document), variant = header.key.variant,
        group = header.key.group, round = header.key.round, held = %hex(&held.manifest),
        offered = %hex(&header.manifest), "part-conflict: a part was submitted again with another manifest");
    let mut no = refusal::PART_CONFLICT.refuse("this part was accepted with another manifest");
    no.receipt = Some(held.receipt);
    Reply::Refused(no)
}

fn wrong_header(desk: &Desk, member: &Member, header: &PartHeader, eager: bool) -> Option<Refusal> {
    let mut seen = HashSet::new();
    let twice = header.addressees.iter().find(|addressee| !seen.insert(&addressee.code));
    if let Some(addressee) = twice {
        let mut no = refusal::PART_INVALID.refuse("an addressee is named twice");
        no.codes.push(addressee.code.clone());
        return Some(no);
    }
    if header.addressees.is_empty() || header.length == 0 || (eager && header.length > wire::EAGER_LIMIT) {
        return Some(refusal::PART_INVALID.refuse("no addressee, no body, or too long to be eager"));
    }
    let most = max_length(desk, member);
    if header.length > most {
        let detail = format!("{} bytes are more than the {most} allowed", header.length);
        return Some(refusal::TOO_LARGE.refuse(detail));
    }
    if header.addressees.len() > usize::from(desk.limits.addressees) {
        let detail =
            format!("{} addressees, {} are allowed", header.addressees.len(), desk.limits.addressees);
        return Some(refusal::TOO_MANY_ADDRESSEES.refuse(detail));
    }
    None
}

/// Every addressee that cannot be served, in one refusal.
fn wrong_addressees(desk: &Desk, header: &PartHeader) -> Result<Option<Refusal>> {
    let codes: Vec<&str> = header.addressees.iter().map(|a| a.code.as_str()).collect();
    let standings = desk.directory.standings(&codes)?;
    let of = |wanted: Standing| {
        let pairs = codes.iter().zip(&standings);
        pairs.filter(move |(_, s)| **s == wanted).map(|(code, _)| (*code).to_owned())
    };
    let (unknown, suspended) = (of(Standing::Unknown).count(), of(Standing::Suspended).count());
    let label = match (unknown, suspended) {
        (0, 0) => return Ok(None),
        (0, _) => refusal::RECIPIENT_SUSPENDED,
        _ => refusal::RECIPIENT_UNKNOWN,
    };
    let mut no = label.refuse(format!("{unknown} unknown, {suspended} suspended"));
    no.codes = of(Standing::Unknown).chain(of(Standing::Suspended)).collect();
    Ok(Some(no))
}

/// Offers (protocol §4.3): the lowest numbers above the cursor, so that the highest one seen is a right cursor, and
/// within the answer the urgent ones first. Each carries the center's receipt reduced to its line.
fn offers(desk: &Desk, member: &Member, after: u64, limit: u16) -> Result<Reply> {
    let mut offers = Vec::new();
    let mut size = 0;
    for line in desk.mailbox.offers(&member.code, after, page(limit))? {
        let offer = offer(line)?;
        size += wire::codec::len(&offer);
        if size > PAGE_BYTES && !offers.is_empty() {
            break;
        }
        offers.push(offer);
    }
    offers.sort_by_key(|offer| (std::cmp::Reverse(offer.header.priority), offer.seq));
    Ok(Reply::Offers { offers })
}

fn offer(line: Waiting) -> Result<Offer> {
    let recipient = line.header.addressees.first().map_or("", |a| a.code.as_str());
    let receipt = Receipt::reduce(&line.receipt, recipient)
        .map_err(Error::envelope("a stored receipt"))?
        .ok_or_else(|| Error::Damaged(format!("line {} is not in its receipt", line.seq)))?;
    Ok(Offer { seq: line.seq, header: line.header, accepted: line.accepted, receipt })
}

/// Answered (protocol §4.10): in the order of their numbers, each with the receipt that settled it.
fn answered(desk: &Desk, member: &Member, since: i64, after: u64, limit: u16) -> Result<Reply> {
    let lines = desk.mailbox.answered(&member.code, since, after, page(limit), PAGE_BYTES)?;
    let lines: Vec<AnsweredLine> = lines
        .into_iter()
        .map(|Answered { line, bundle }| Ok(AnsweredLine { offer: offer(line)?, bundle }))
        .collect::<Result<_>>()?;
    Ok(Reply::Answered { lines: fitting(lines, |line: &AnsweredLine| wire::codec::len(line)) })
}

/// Fetch (protocol §4.3): from the offset to the end.
fn fetch(desk: &Desk, member: &Member, seq: u64, offset: u64) -> Result<Answer> {
    Ok(match desk.mailbox.body(&member.code, seq)? {
        Fetched::Unknown => refused(refusal::OFFER_UNKNOWN.refuse("no such line in the member's mailboxes")),
        Fetched::Gone => refused(refusal::OFFER_GONE.refuse("the line was reported and its bytes dropped")),
        Fetched::Body { length, .. } if offset > length => {
            refused(refusal::OFFSET_INVALID.refuse(format!("offset {offset} of {length}")))
        }
        Fetched::Body { length, sealed, source } => {
            Answer::Body { reply: Reply::Body { length, sealed }, source, offset, left: length - offset }
        }
    })
}

/// Report (protocol §4.5): signed by the member, every line about a mailbox line of the member's, for one sender.
fn report(desk: &Desk, member: &Member, bundle: Vec<u8>, now: i64) -> Result<Reply> {
    let invalid = |detail: String| Ok(Reply::Refused(refusal::RECEIPT_INVALID.refuse(detail)));
    let receipt = match Receipt::from_der(&bundle) {
        Ok(receipt) => receipt,
        Err(e) => return invalid(format!("{} ({e})", e.label())),
    };
    let Some(sender) = receipt.lines().first().map(|line| crate::organisation(&line.sender).to_owned())
    else {
        return invalid("a bundle without lines".into());
    };
    for line in receipt.lines() {
        if !member.owns(&line.recipient) {
            let mut no =
                refusal::RECEIPT_NOT_YOURS.refuse("a line is for a mailbox that is not the member's");
            no.codes.extend(code(&line.recipient));
            return Ok(Reply::Refused(no));
        }
        if crate::organisation(&line.sender) != sender {
            return invalid("a bundle is for one sender".into());
        }
        if line.center != desk.code || line.verdict == Verdict::Accepted {
            return invalid("a line is of another center, or says what only the center says".into());
        }
    }
    if let Err(no) = signed_by(desk, member, &receipt, now)? {
        return Ok(Reply::Refused(no));
    }
    let mut lines = Vec::with_capacity(receipt.lines().len());
    for line in receipt.lines() {
        let Ok(round) = u16::try_from(line.round) else {
            return invalid("a round that no part can have".into());
        };
        lines.push(ReportLine {
            document: line.document,
            round,
            sender: line.sender.clone(),
            recipient: line.recipient.clone(),
            manifest: line.manifest,
            signature: line.signature,
            sealed: line.sealed,
            verdict: line.verdict as u8,
        });
    }
    let count = lines.len();
    let report = Report {
        reporter: member.code.clone(),
        sender: sender.clone(),
        lines,
        bundle,
        at: now,
        bytes_per_day: bytes_per_day(desk, member),
    };
    Ok(match desk.mailbox.report(report)? {
        Reported::Kept { contradictions } => {
            for document in contradictions {
                tracing::warn!(member = member.code, sender, document = %hex(&document),
                    "a later verdict contradicts the first one; it is forwarded, the first one stays");
            }
            tracing::info!(member = member.code, sender, lines = count, "report kept");
            desk.wake.ring(&sender);
            Reply::Reported
        }
        Reported::Before => Reply::Reported,
        Reported::OverQuota => Reply::Refused(over_quota(now)),
        Reported::NoLine(document) => {
            let no = refusal::RECEIPT_UNKNOWN_PART.refuse(format!("document {}", hex(&document)));
            Reply::Refused(later(no, 60))
        }
        Reported::OtherDigests(document) => {
            tracing::warn!(member = member.code, sender, document = %hex(&document), "a report with other digests");
            return invalid(format!(
                "the digests of document {} are not those that were offered",
                hex(&document)
            ));
        }
    })
}

/// The signer must be a certificate that is, or once was, registered for the member: a receipt is sent again with its
/// first bytes also after the card was renewed. So its validity is not asked again here; the login asked it.
fn signed_by(
    desk: &Desk,
    member: &Member,
    receipt: &Receipt,
    now: i64,
) -> Result<std::result::Result<VerifiedReceipt, Refusal>> {
    let mut why = refusal::RECEIPT_NOT_YOURS.refuse("no signing certificate is registered for the member");
    for signer in desk.directory.signers(&member.code)?.iter() {
        let at = now.clamp(signer.not_before(), signer.not_after().max(signer.not_before()));
        match receipt.verify_pinned(Kind::Receiver, signer, at) {
            Ok(verified) => return Ok(Ok(verified)),
            Err(envelope::Error::WrongSigner { .. }) => {
                why = refusal::RECEIPT_NOT_YOURS.refuse("the signer is not the member");
            }
            Err(e) => why = refusal::RECEIPT_INVALID.refuse(format!("{} ({e})", e.label())),
        }
    }
    Ok(Err(why))
}

/// What a member is told about the center's own trouble.
pub(crate) fn trouble(error: &Error) -> Refusal {
    match error {
        Error::Full { .. } => later(refusal::STORAGE_FULL.refuse("no space left"), 5),
        Error::TakenOver => later(refusal::BUSY.refuse("a newer request uploads this part"), 1),
        Error::DigestMismatch => {
            refusal::DIGEST_MISMATCH.refuse("the bytes do not hash to the header's digest; begin again at 0")
        }
        Error::Stopping => later(refusal::SHUTTING_DOWN.refuse("the center is stopping"), 5),
        _ => later(refusal::INTERNAL.refuse(error.label()), 5),
    }
}

/// The largest sealed message of a member, bytes.
pub(crate) fn max_length(desk: &Desk, member: &Member) -> u64 {
    member.quotas.max_length.unwrap_or_else(|| desk.limits.part.get())
}

fn bytes_per_day(desk: &Desk, member: &Member) -> u64 {
    member.quotas.bytes_per_day.unwrap_or_else(|| desk.limits.bytes_per_day.get())
}

fn over_quota(now: i64) -> Refusal {
    let left = (DAY - now.rem_euclid(DAY)) / 1000 + 1;
    later(
        refusal::QUOTA_EXCEEDED.refuse("the member's bytes of the day are used up"),
        u32::try_from(left).unwrap_or(60),
    )
}

fn refused(no: Refusal) -> Answer {
    Answer::Reply(Reply::Refused(no))
}

/// With a waiting time.
pub(crate) fn later(mut no: Refusal, after: u32) -> Refusal {
    no.after = after;
    no
}

fn page(limit: u16) -> u16 {
    limit.clamp(1, wire::MAX_PAGE)
}

/// As many of the first items as fit in a reply, at least one.
fn fitting<T>(mut items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<T> {
    let mut total = 0;
    let fits = items.iter().take_while(|item| {
        total += size(item);
        total <= PAGE_BYTES
    });
    let count = fits.count().max(1);
    items.truncate(count);
    items
}

/// A code from inside a bundle, if it can travel in a refusal.
fn code(text: &str) -> Option<String> {
    (matches!(text.len(), 10 | 17) && text.bytes().all(|b| b.is_ascii_alphanumeric()))
        .then(|| text.to_owned())
}

/// Ids and digests as they are logged.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;

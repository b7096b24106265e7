//! Who may come in: protocol §3, without a socket.
//!
//! Whether a card is revoked is judged at each login, so at least every twelve hours, by what is at hand; what is missing is
//! fetched beside. The entries of others that the directory gives are not judged here: each node does that for itself, as it
//! need not trust the center.

use crate::desk::Desk;
use crate::directory::Member;
use crate::error::Result;
use crate::session;
use envelope::login;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use wire::login::ProofFacts;
use wire::message::{Challenge, Hello, Login, Refusal, Version, Welcome};
use wire::refusal;

/// What the login must answer to.
pub(crate) struct Asked {
    pub(crate) member: String,
    pub(crate) version: Version,
    pub(crate) nonce: [u8; 32],
}

/// A member that came in.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its organisation code.
    pub(crate) member: String,
    /// Until when its statement is good, Unix milliseconds.
    pub(crate) until: i64,
    /// When it was last told that there is news.
    pub(crate) told: Mutex<Option<tokio::time::Instant>>,
}

/// To `Hello`: member, standing and source address are looked at before any signature is.
pub(crate) fn hello(
    desk: &Desk,
    hello: &Hello,
    from: IpAddr,
    now: i64,
) -> Result<std::result::Result<(Asked, Challenge), Refusal>> {
    if let Err(no) = presentable(desk, &hello.member, from)? {
        return Ok(Err(no));
    }
    let mut nonce = [0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| crate::Error::Task)?;
    let version = hello.version.min(Version::NEWEST);
    let challenge = Challenge { version, center: desk.code.clone(), nonce, time: now };
    Ok(Ok((Asked { member: hello.member.clone(), version, nonce }, challenge)))
}

/// To `Login`: the card's statement, the registered certificate, the proof of this connection.
pub(crate) fn login(
    desk: &Desk,
    asked: &Asked,
    login: &Login,
    exporter: &[u8; 32],
    from: IpAddr,
    now: i64,
) -> Result<std::result::Result<(Guest, Welcome), Refusal>> {
    let member = match presentable(desk, &asked.member, from)? {
        Ok(member) => member,
        Err(no) => return Ok(Err(no)),
    };
    let verified = match login::verify(&login.statement, &desk.code, &desk.anchors, now) {
        Ok(verified) => verified,
        Err(e) => return Ok(Err(explain(&e))),
    };
    if verified.statement.member != member.code {
        return Ok(Err(refusal::LOGIN_INVALID.refuse("the statement is for another member")));
    }
    if member.signer.as_ref() != Some(verified.signer.sha256()) {
        let detail = format!("the signer {} is not the registered certificate", verified.signer.subject());
        return Ok(Err(refusal::CERTIFICATE_NOT_REGISTERED.refuse(detail)));
    }
    if let Some(error) = desk.revocation.check(&verified.chain, now).error() {
        return Ok(Err(explain(error)));
    }
    let facts = ProofFacts {
        version: asked.version,
        member: &member.code,
        center: &desk.code,
        nonce: &asked.nonce,
        exporter,
    };
    if !wire::login::verify(&verified.statement.session_key, &facts, &login.proof) {
        return Ok(Err(refusal::LOGIN_INVALID.refuse("the proof is not for this connection")));
    }
    let welcome = Welcome {
        time: now,
        epoch: desk.mailbox.epoch()?,
        max_length: session::max_length(desk, &member),
        max_addressees: desk.limits.addressees,
        may_send: member.may_send,
        mailboxes: member.mailboxes.iter().take(MAX_MAILBOXES).cloned().collect(),
    };
    Ok(Ok((
        Guest { member: member.code.clone(), until: verified.statement.not_after, told: Mutex::default() },
        welcome,
    )))
}

/// At every request: the member may have been suspended, or its statement run out, since it came in.
pub(crate) fn still_welcome(
    desk: &Desk,
    guest: &Guest,
    now: i64,
) -> Result<std::result::Result<Arc<Member>, Refusal>> {
    Ok(match desk.directory.member(&guest.member)? {
        None => Err(refusal::MEMBER_UNKNOWN.refuse("the member is gone")),
        Some(member) => welcome(guest, member, now),
    })
}

/// [`still_welcome`] of a member whose standing is at hand.
pub(crate) fn welcome(
    guest: &Guest,
    member: Arc<Member>,
    now: i64,
) -> std::result::Result<Arc<Member>, Refusal> {
    if now > guest.until {
        return Err(refusal::LOGIN_EXPIRED.refuse("the login statement is past its end"));
    }
    if member.suspended {
        return Err(refusal::MEMBER_SUSPENDED.refuse("the member is suspended"));
    }
    Ok(member)
}

fn presentable(desk: &Desk, code: &str, from: IpAddr) -> Result<std::result::Result<Arc<Member>, Refusal>> {
    let Some(member) = desk.directory.member(code)? else {
        return Ok(Err(refusal::MEMBER_UNKNOWN.refuse("no member has this code")));
    };
    if member.suspended {
        return Ok(Err(refusal::MEMBER_SUSPENDED.refuse("the member is suspended")));
    }
    if !member.networks.iter().any(|network| network.contains(from)) {
        let detail = format!("{} is not registered for this member", from.to_canonical());
        return Ok(Err(refusal::ADDRESS_NOT_REGISTERED.refuse(detail)));
    }
    Ok(Ok(member))
}

fn explain(e: &envelope::Error) -> Refusal {
    let label = match e {
        envelope::Error::LoginRefused { what } if *what == login::EXPIRED => refusal::LOGIN_EXPIRED,
        envelope::Error::LoginRefused { what } if *what == login::NOT_YET || *what == login::TOO_LONG => {
            refusal::LOGIN_NOT_YET_VALID
        }
        envelope::Error::Untrusted { .. } | envelope::Error::IssuerNotCa { .. } => {
            refusal::CERTIFICATE_UNTRUSTED
        }
        envelope::Error::Revoked { .. } | envelope::Error::Held { .. } => refusal::CERTIFICATE_REVOKED,
        envelope::Error::RevocationUnknown { .. } => refusal::REVOCATION_UNKNOWN,
        envelope::Error::NoStatusAddress { .. } => refusal::CERTIFICATE_UNTRUSTED,
        envelope::Error::Expired { .. } | envelope::Error::NotYetValid { .. } => refusal::CERTIFICATE_EXPIRED,
        _ => refusal::LOGIN_INVALID,
    };
    label.refuse(format!("{} ({e})", e.label()))
}

/// What a `Welcome` can name (protocol §4.9).
const MAX_MAILBOXES: usize = 1_000;

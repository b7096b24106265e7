//! Signs a claimed document and seals it to its recipients; and seals it anew for a resend.
//!
//! Each container is signed once: one key operation. It is sealed as parts of the recipients' groups ([`make`](make::make)).
//! Everything is durable in the spool before the row that names it, or in the database with that row.
//!
//! A small unit that was just taken and needs nobody's answer is sealed before it is recorded ([`at_once`]): then it is one
//! step, and one commit. Whatever speaks against that is left to [`seal`], which says and records why.

mod make;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use envelope::container::{Role, UnitFile};
use envelope::directory::VerifiedEntry;
use store::outbound::{Claim, DocumentRow, Hint, Resending, ResentLine, Sealing};
use wire::message::Standing;

use super::directory::{self, Known};
use super::unit::{self, Unit, Wanted};
use super::{Step, Tools, store_trouble, trust};
use crate::flow::{Fault, Outcome};
use make::{Key, Shelf, groups, make, most_addressees, part};

/// Label: a container that a resend needs is no longer in the spool.
pub const CONTAINER_GONE: &str = "container-gone";

/// A document to be sent, read and accepted.
struct Read {
    unit: Unit,
    sender: String,
    wanted: Vec<Wanted>,
    /// Recipients whose code cannot be one.
    malformed: Vec<String>,
    files: Vec<UnitFile>,
    from: From,
    hints: Vec<Hint>,
}

/// Where the files of a unit are.
enum From {
    Folder(PathBuf),
    /// By their names.
    Memory(Vec<(String, Vec<u8>)>),
}

impl From {
    /// All of a file of at most `limit` bytes.
    fn read(&self, name: &str, limit: u64) -> Step<Cow<'_, [u8]>> {
        match self {
            Self::Folder(folder) => unit::read(&folder.join(name), limit).map(Cow::Owned),
            Self::Memory(files) => match files.iter().find(|(held, _)| held == name) {
                Some((_, bytes)) if bytes.len() as u64 <= limit => Ok(Cow::Borrowed(bytes)),
                _ => Err(Outcome::Stopped),
            },
        }
    }

    fn open(&self, name: &str) -> std::io::Result<Box<dyn std::io::Read + '_>> {
        match self {
            Self::Folder(folder) => Ok(Box::new(std::fs::File::open(folder.join(name))?)),
            Self::Memory(files) => {
                let found = files.iter().find(|(held, _)| held == name);
                let (_, bytes) = found.ok_or(std::io::ErrorKind::NotFound)?;
                Ok(Box::new(bytes.as_slice()))
            }
        }
    }
}

/// Reads, checks, signs and seals a unit that is not recorded yet, if nobody has to be asked. Its result is to be recorded
/// by [`store::Store::claim_sealed`].
///
/// # Errors
/// Whatever speaks against it. None of it is to be recorded: claimed first, the unit meets it again in [`seal`].
pub(crate) fn at_once(tools: &Tools, claim: &Claim, files: Vec<Vec<u8>>, now: i64) -> Step<Sealing> {
    trust::own_may_send(tools)?;
    let names = claim.files.iter().map(|file| file.name.clone());
    let from = From::Memory(names.zip(files).collect());
    let read = read(tools, &claim.files, &claim.di_name, from)?;
    let known = directory::known_freshly(tools, &read.codes()).ok_or(Outcome::Stopped)?;
    let resolved = allowed(tools, resolve(read.wanted.clone(), read.malformed.clone(), &known)?)?;
    let sealing = make(tools, claim.id, now, &read, resolved, &known)?;
    Ok(Sealing { about: Some(read.unit.about), ..sealing })
}

/// Reads, checks, signs and seals a claimed document. Its result is to be recorded by [`store::Store::sealed`].
///
/// # Errors
/// [`Outcome::Bad`] where it must not go out; faults and waits else.
pub async fn seal(tools: &Tools, row: &DocumentRow) -> Step<Sealing> {
    let (id, created, di_name) = (row.id, row.claimed_at, row.di_name.clone());
    let looked = tools.blocking(move |tools| {
        trust::own_may_send(tools)?;
        let claimed = tools.store.files(id).map_err(|e| store_trouble(&e))?;
        let from = From::Folder(crate::intake::work_dir(&tools.config, id));
        let read = read(tools, &claimed, &di_name, from)?;
        let known = directory::known_freshly(tools, &read.codes());
        let resolved = known.and_then(|known| {
            let resolved = resolve(read.wanted.clone(), read.malformed.clone(), &known).ok()?;
            Some((allowed(tools, resolved).ok()?, known))
        });
        // Mostly everybody is known, and all of it is one piece of work.
        let made = resolved.map(|(resolved, known)| make(tools, id, created, &read, resolved, &known));
        Ok((read, made))
    });
    let (read, made) = looked.await?;
    let about = read.unit.about.clone();
    if let Some(Ok(sealing)) = made {
        return Ok(Sealing { about: Some(about), ..sealing });
    }
    tools.store.described(id, about, tools.now()).await.map_err(|e| store_trouble(&e))?;
    if let Some(Err(outcome)) = made {
        return Err(outcome);
    }
    let codes = read.codes();
    let begun = tools.now();
    let mut known = directory::look_up(tools, &codes, false).await?;
    let mut resolved = resolve(read.wanted.clone(), read.malformed.clone(), &known);
    // Nobody is refused on an answer from before: a member may have been registered or resumed since.
    let stale = |(code, k): (&String, &Known)| (!k.is_usable() && k.is_older(begun)).then(|| code.clone());
    let stale: Vec<String> = known.iter().filter_map(stale).collect();
    if resolved.is_err() && !stale.is_empty() {
        known.extend(directory::look_up(tools, &stale, true).await?);
        resolved = resolve(read.wanted.clone(), read.malformed.clone(), &known);
    }
    let resolved = allowed(tools, resolved?)?;
    tools.blocking(move |tools| make(tools, id, created, &read, resolved, &known)).await
}

impl Read {
    /// Every mailbox code that a line could go to.
    fn codes(&self) -> Vec<String> {
        self.wanted.iter().flat_map(|w| w.codes.iter().cloned()).collect()
    }
}

/// Several lines with one code are one; not too many of them.
fn allowed(tools: &Tools, resolved: Vec<(String, Wanted)>) -> Step<Vec<(String, Wanted)>> {
    let resolved = unit::grouped(resolved);
    let most = tools.config.limits.recipients;
    if resolved.len() > most {
        let detail = format!("{} > {most}", resolved.len());
        return Err(Outcome::Bad { label: unit::TOO_MANY.into(), detail });
    }
    Ok(resolved)
}

/// Reads and judges a unit.
fn read(tools: &Tools, claimed: &[store::outbound::File], di_name: &str, from: From) -> Step<Read> {
    let config = &tools.config;
    let total: u64 = claimed.iter().map(|f| f.size).sum();
    if total > config.limits.document.get() {
        let detail = format!("{total} > {}", config.limits.document.get());
        return Err(Outcome::Bad { label: unit::TOO_LARGE.into(), detail });
    }
    let limits = unit::limits(config);
    let most = config.limits.di.get();
    let di = from.read(di_name, most)?;
    let sw = match claimed.iter().find(|f| f.role == "sw") {
        Some(file) => Some((file.name.as_str(), from.read(&file.name, most)?)),
        None => None,
    };
    let sw = sw.as_ref().map(|(name, bytes)| (*name, bytes.as_ref()));
    let own = config.party.code.as_str();
    let unit = unit::judge(&limits, (di_name, &di), sw, own)?;
    let sender = unit::may_go(config, &unit)?;
    for name in &unit.named {
        if !claimed.iter().any(|f| f.name == *name) {
            return Err(Outcome::Bad { label: unit::MISSING.into(), detail: name.clone() });
        }
    }
    let (wanted, malformed) = unit::wanted(&unit)?;
    let files = claimed.iter().map(|f| UnitFile {
        name: f.name.clone(),
        role: match f.role.as_str() {
            "di" => Role::Di,
            "sw" => Role::Sw,
            _ => Role::Attachment,
        },
        size: f.size,
        sha256: f.sha256,
        crc32: f.crc32,
    });
    let mut files: Vec<UnitFile> = files.collect();
    files.sort_by_key(|f| match f.role {
        Role::Di => 0,
        Role::Sw => 1,
        Role::Attachment => 2,
    });
    let hints = unit::hints(&unit);
    let mut unit = unit;
    unit.about.sender.clone_from(&sender);
    drop((di, sw));
    Ok(Read { unit, sender, wanted, malformed, files, from, hints })
}

/// Each line's mailbox: the unit's own if the directory has one, else the organisation's. All that cannot be addressed
/// are listed together, after those that are `wrong` already.
fn resolve(
    wanted: Vec<Wanted>,
    mut wrong: Vec<String>,
    known: &HashMap<String, Known>,
) -> Step<Vec<(String, Wanted)>> {
    let mut out = Vec::with_capacity(wanted.len());
    // One label for all where they are refused for the same reason, else the general one.
    let mut label = wrong.is_empty().then_some("");
    for line in wanted {
        let usable = |code: &&String| known.get(*code).is_some_and(Known::is_usable);
        match line.codes.iter().find(usable) {
            Some(code) => out.push((code.clone(), line)),
            None => {
                let code = line.codes.last().cloned().unwrap_or_default();
                let why = match known.get(&code).map(|k| (k.standing, k.ended)) {
                    Some((Standing::Suspended, _)) => "suspended",
                    Some((Standing::Active, ended)) => ended.unwrap_or("certificate-expired"),
                    Some((Standing::Unknown, _)) | None => "unknown",
                };
                label = label.filter(|label| label.is_empty() || *label == why).map(|_| why);
                let word = format!("{code} {} ({why})", line.name);
                if !wrong.contains(&word) {
                    wrong.push(word);
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(out);
    }
    let label = label.filter(|label| label.starts_with("certificate-")).unwrap_or(directory::BAD_CODES);
    Err(Outcome::Bad { label: label.into(), detail: wrong.join(", ") })
}

/// A recipient that was revoked ends nothing that was sent: a person is told.
fn stopped_resend(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Bad { label, detail } => Outcome::Fault(Fault::permanent(label, detail)),
        other => other,
    }
}

/// Seals a document anew for the recipients that a resend is asked for, with their present certificates. Its result
/// is to be recorded by [`store::Store::resent`].
///
/// # Errors
/// Faults and waits; [`CONTAINER_GONE`] when the sealed bytes were removed after their time.
pub async fn reseal(tools: &Tools, row: &DocumentRow) -> Step<Resending> {
    let outgoing = tools.store.document(row.id).map_err(|e| store_trouble(&e))?.ok_or(Outcome::Stopped)?;
    let wanted: Vec<_> = outgoing.lines.iter().filter(|l| l.resend).cloned().collect();
    let codes: Vec<String> = wanted.iter().map(|l| l.recipient.clone()).collect();
    let known = directory::look_up(tools, &codes, true).await?;
    let mut to: Vec<(u16, String, Arc<VerifiedEntry>)> = Vec::new();
    let mut wrong = Vec::new();
    for line in wanted {
        let variant = outgoing.parts.iter().find(|p| p.id == line.part).map(|p| p.variant);
        let entry = known.get(&line.recipient).filter(|k| k.standing == Standing::Active);
        match (variant, entry.and_then(|k| k.entry.clone())) {
            (Some(variant), Some(entry)) => to.push((variant, line.recipient, entry)),
            _ => wrong.push(line.recipient),
        }
    }
    if !wrong.is_empty() {
        let detail = wrong.join(", ");
        return Err(Outcome::Fault(Fault::permanent(directory::BAD_CODES, detail)));
    }
    let round = tools.store.next_round(row.id).map_err(|e| store_trouble(&e))?;
    let id = row.id;
    tools
        .blocking(move |tools| {
            let entries: Vec<_> = to.iter().map(|(_, code, entry)| (code.as_str(), entry)).collect();
            trust::may_seal(tools, &entries).map_err(stopped_resend)?;
            let most = most_addressees(tools);
            let mut shelf = Shelf::default();
            let mut resending = Resending { document: id, round, ..Resending::default() };
            for container in &outgoing.containers {
                let members: Vec<_> = to
                    .iter()
                    .filter(|(variant, ..)| *variant == container.variant)
                    .map(|(_, code, entry)| (code.clone(), entry.clone()))
                    .collect();
                if members.is_empty() {
                    continue;
                }
                for (group, members) in groups(&members, container.size, most).enumerate() {
                    let group = u16::try_from(group).unwrap_or(u16::MAX);
                    let variant = container.variant;
                    let source = tools.store.content(&container.file).map_err(|e| match e.label() {
                        "spool-missing" | "bad-request" => {
                            Outcome::Fault(Fault::permanent(CONTAINER_GONE, container.file.clone()))
                        }
                        _ => store_trouble(&e),
                    })?;
                    let source = std::io::BufReader::with_capacity(super::buffer(container.size), source);
                    let key = Key { document: id, variant, group, round };
                    let (new, sealed) = part(tools, key, source, container.size, members)?;
                    shelf.put(sealed);
                    resending.parts.push(new);
                    let sealed_to: Vec<_> =
                        members.iter().map(|(code, entry)| (code.as_str(), &entry.enc)).collect();
                    directory::keep(tools, &sealed_to)?;
                    for (code, entry) in members {
                        resending.lines.push(ResentLine {
                            recipient: code.clone(),
                            variant,
                            group,
                            certificate: *entry.enc.sha256(),
                        });
                    }
                }
            }
            resending.contents = shelf.keep(tools)?;
            Ok(resending)
        })
        .await
}

//! Signs a claimed document and seals it to its recipients; and seals it anew for a resend.
//!
//! Each container is signed once: one key operation. It is written to the spool and sealed as parts of the
//! recipients' groups. Everything is durable in the spool before the row that names it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile};
use envelope::directory::VerifiedEntry;
use envelope::sealed::Recipient;
use store::outbound::{Container, DocumentRow, Hint, NewLine, NewPart, Resending, ResentLine, Sealing};
use wire::message::Standing;

use super::directory::{self, Known};
use super::unit::{self, Unit, Wanted};
use super::{Step, Tools, own_trouble, store_trouble, trust};
use crate::flow::{Fault, Outcome};
use crate::telemetry::hex;

/// Label: a container that a resend needs is no longer in the spool.
pub const CONTAINER_GONE: &str = "container-gone";

/// Recipients of a part whose body is small; more only while the header stays no larger than the body.
const GROUP: usize = 50;
/// So many content files are held open until they are made durable together.
const TOGETHER: usize = 32;
/// About what one recipient costs in the header of a sealed message, bytes.
const RECIPIENT: u64 = 400;

/// A claimed document, read and accepted.
struct Read {
    unit: Unit,
    sender: String,
    wanted: Vec<Wanted>,
    /// Recipients whose code cannot be one.
    malformed: Vec<String>,
    files: Vec<UnitFile>,
    folder: PathBuf,
    hints: Vec<Hint>,
}

/// A container to be made: who gets it and which files are in it.
struct Plan {
    variant: u16,
    to: Vec<(String, Arc<VerifiedEntry>)>,
    files: Vec<UnitFile>,
    listed: Vec<Addressee>,
    withheld: u32,
}

/// Reads, checks, signs and seals a claimed document. Its result is to be recorded by [`store::Store::sealed`].
///
/// # Errors
/// [`Outcome::Bad`] where it must not go out; faults and waits else.
pub async fn seal(tools: &Tools, row: &DocumentRow) -> Step<Sealing> {
    let (id, created, di_name) = (row.id, row.claimed_at, row.di_name.clone());
    let looked = tools.blocking(move |tools| {
        trust::own_may_send(tools)?;
        let read = read(tools, id, &di_name)?;
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

/// Reads and judges what lies in the work folder.
fn read(tools: &Tools, id: [u8; 16], di_name: &str) -> Step<Read> {
    let config = &tools.config;
    let claimed = tools.store.files(id).map_err(|e| store_trouble(&e))?;
    let folder = crate::intake::work_dir(config, id);
    let total: u64 = claimed.iter().map(|f| f.size).sum();
    if total > config.limits.document.get() {
        let detail = format!("{total} > {}", config.limits.document.get());
        return Err(Outcome::Bad { label: unit::TOO_LARGE.into(), detail });
    }
    let limits = unit::limits(config);
    let most = config.limits.di.get();
    let di = unit::read(&folder.join(di_name), most)?;
    let sw = match claimed.iter().find(|f| f.role == "sw") {
        Some(file) => Some((file.name.as_str(), unit::read(&folder.join(&file.name), most)?)),
        None => None,
    };
    let sw = sw.as_ref().map(|(name, bytes)| (*name, bytes.as_slice()));
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
    Ok(Read { unit, sender, wanted, malformed, files, folder, hints })
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

/// Which containers there are: the whole one, a reduced one for those without attachments, or one for each recipient
/// where they must not learn of each other.
fn plans(read: &Read, to: Vec<(String, bool, Arc<VerifiedEntry>)>) -> Vec<Plan> {
    let reduced = |files: &[UnitFile]| -> (Vec<UnitFile>, u32) {
        let kept: Vec<_> = files.iter().filter(|f| f.role != Role::Attachment).cloned().collect();
        let withheld = u32::try_from(files.len() - kept.len()).unwrap_or(u32::MAX);
        (kept, withheld)
    };
    let addressee = |code: &String, attachments| Addressee { code: code.clone(), attachments };
    if read.unit.letter.hides_recipients() {
        let own: Vec<UnitFile> = read.files.iter().filter(|f| f.role != Role::Sw).cloned().collect();
        let alone = to.into_iter().zip(2_u16..).map(|((code, attachments, entry), variant)| {
            let (files, withheld) = if attachments { (own.clone(), 0) } else { reduced(&own) };
            let listed = vec![addressee(&code, attachments)];
            Plan { variant, to: vec![(code, entry)], files, listed, withheld }
        });
        return alone.collect();
    }
    let listed: Vec<_> = to.iter().map(|(code, attachments, _)| addressee(code, *attachments)).collect();
    let (without, withheld) = reduced(&read.files);
    let (mut whole, mut lesser) = (Vec::new(), Vec::new());
    for (code, attachments, entry) in to {
        // Where there is nothing to withhold, all get the same container.
        if attachments || withheld == 0 { &mut whole } else { &mut lesser }.push((code, entry));
    }
    let mut out = Vec::new();
    if !whole.is_empty() {
        out.push(Plan {
            variant: 0,
            to: whole,
            files: read.files.clone(),
            listed: listed.clone(),
            withheld: 0,
        });
    }
    if !lesser.is_empty() {
        out.push(Plan { variant: 1, to: lesser, files: without, listed, withheld });
    }
    out
}

/// Signs and seals everything into the spool.
fn make(
    tools: &Tools,
    id: [u8; 16],
    created: i64,
    read: &Read,
    resolved: Vec<(String, Wanted)>,
    known: &HashMap<String, Known>,
) -> Step<Sealing> {
    let mut sealing = Sealing { document: id, hints: read.hints.clone(), ..Sealing::default() };
    let mut to = Vec::with_capacity(resolved.len());
    for (code, line) in &resolved {
        let entry = known.get(code).and_then(|k| k.entry.clone()).ok_or(Outcome::Stopped)?;
        to.push((code.clone(), line.attachments, entry));
    }
    let entries: Vec<_> = to.iter().map(|(code, _, entry)| (code.clone(), Arc::clone(entry))).collect();
    let judged: Vec<_> = entries.iter().map(|(code, entry)| (code.as_str(), entry)).collect();
    let own = trust::may_seal(tools, &judged)?;
    let most = most_addressees(tools);
    let mut placed: HashMap<String, (u16, u16, envelope::Digest)> = HashMap::new();
    let mut drafts = Vec::new();
    for plan in plans(read, to) {
        let exchange = Exchange {
            document: id,
            kind: read.unit.about.kind.clone(),
            subject: read.unit.about.subject.clone(),
            created,
            sender: read.sender.clone(),
            recipients: plan.listed,
            withheld: plan.withheld,
        };
        let draft = Draft::new(&exchange, &plan.files).map_err(|e| refused(&e))?;
        let signed = draft.sign(tools.parts.sign.as_ref(), tools.now()).map_err(|e| own_trouble(&e))?;
        let name = format!("{}.{}.asice", hex(&id), plan.variant);
        let mut file = tools.store.spool().create(&name).map_err(|e| store_trouble(&e))?;
        let open = |file: &UnitFile| File::open(read.folder.join(&file.name));
        let written = {
            let total = plan.files.iter().map(|f| f.size).sum();
            let mut out = std::io::BufWriter::with_capacity(super::buffer(total), &mut file);
            let written = signed.write(&mut out, open).map_err(|e| refused(&e))?;
            out.flush().map_err(|e| super::io_trouble("spool-failed", &e))?;
            written
        };
        let path = file.path();
        for (group, members) in groups(&plan.to, written.length, most).enumerate() {
            let group = u16::try_from(group).unwrap_or(u16::MAX);
            let (part, sealed) = part(tools, id, plan.variant, group, 0, path, written.length, members)?;
            sealing.parts.push(part);
            drafts.push(sealed);
            for (code, entry) in members {
                placed.insert(code.clone(), (plan.variant, group, *entry.enc.sha256()));
            }
        }
        drafts.push(file);
        if drafts.len() >= TOGETHER {
            tools.store.spool().keep_all(std::mem::take(&mut drafts)).map_err(|e| store_trouble(&e))?;
        }
        sealing.containers.push(Container {
            variant: plan.variant,
            manifest: written.manifest,
            signature: written.signature,
            file: name,
            size: written.length,
        });
    }
    tools.store.spool().keep_all(drafts).map_err(|e| store_trouble(&e))?;
    for (code, line) in resolved {
        let Some((variant, group, certificate)) = placed.get(&code).copied() else { continue };
        sealing.lines.push(NewLine {
            recipient: code,
            name: line.name,
            copy: line.copy,
            attachments: line.attachments,
            paper: false,
            variant,
            group,
            certificate,
        });
    }
    let sealed_to: Vec<_> = entries.iter().map(|(code, entry)| (code.as_str(), &entry.enc)).collect();
    directory::keep(tools, &sealed_to)?;
    trust::keep(tools, id, &own)?;
    Ok(sealing)
}

/// A container that cannot be made from this unit: the unit's fault, unless it is our disk's or our key's.
fn refused(error: &envelope::Error) -> Outcome {
    match error {
        envelope::Error::BadName { .. }
        | envelope::Error::TooLarge { .. }
        | envelope::Error::DuplicateEntry { .. } => {
            Outcome::Bad { label: error.label().into(), detail: error.to_string() }
        }
        other => own_trouble(other),
    }
}

/// A recipient that was revoked ends nothing that was sent: a person is told.
fn stopped_resend(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Bad { label, detail } => Outcome::Fault(Fault::permanent(label, detail)),
        other => other,
    }
}

/// Groups of at most [`GROUP`], or of as many as keep the header no larger than the body; never more than `most`.
fn groups<T>(to: &[T], body: u64, most: usize) -> impl Iterator<Item = &[T]> {
    let fit = usize::try_from(body / RECIPIENT).unwrap_or(usize::MAX);
    to.chunks(fit.max(GROUP).min(most.max(1)))
}

/// Most addressees of a part that the center takes, as far as it is known.
fn most_addressees(tools: &Tools) -> usize {
    let state = tools.link.state();
    let told = state.borrow().up().map(|up| up.welcome.max_addressees);
    usize::from(told.unwrap_or(500).min(wire::MAX_ADDRESSEES))
}

/// Seals the container at `path` to one group. The sealed bytes are not durable yet.
#[expect(clippy::too_many_arguments, reason = "the four numbers are the part's key")]
fn part(
    tools: &Tools,
    id: [u8; 16],
    variant: u16,
    group: u16,
    round: u16,
    path: &std::path::Path,
    length: u64,
    members: &[(String, Arc<VerifiedEntry>)],
) -> Step<(NewPart, store::spool::Draft)> {
    let recipients: Vec<Recipient> = members
        .iter()
        .map(|(_, entry)| Recipient { certificate: entry.enc.clone(), oaep: entry.oaep })
        .collect();
    let name = format!("{}.{variant}.{group}.{round}.p7m", hex(&id));
    let mut file = tools.store.spool().create(&name).map_err(|e| store_trouble(&e))?;
    let source = File::open(path).map_err(|e| super::io_trouble("spool-failed", &e))?;
    let buffer = super::buffer(length);
    let source = BufReader::with_capacity(buffer, source);
    let info = {
        let mut out = std::io::BufWriter::with_capacity(buffer, &mut file);
        let info =
            envelope::sealed::seal(source, length, &recipients, &mut out).map_err(|e| own_trouble(&e))?;
        out.flush().map_err(|e| super::io_trouble("spool-failed", &e))?;
        info
    };
    Ok((NewPart { variant, group, sealed: info.sha256, length: info.length, file: name }, file))
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
            let mut drafts = Vec::new();
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
                let path = tools.store.spool().path(&container.file).map_err(|e| store_trouble(&e))?;
                if !path.exists() {
                    return Err(Outcome::Fault(Fault::permanent(CONTAINER_GONE, container.file.clone())));
                }
                for (group, members) in groups(&members, container.size, most).enumerate() {
                    let group = u16::try_from(group).unwrap_or(u16::MAX);
                    let variant = container.variant;
                    let (new, sealed) =
                        part(tools, id, variant, group, round, &path, container.size, members)?;
                    drafts.push(sealed);
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
            tools.store.spool().keep_all(drafts).map_err(|e| store_trouble(&e))?;
            Ok(resending)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_letters_go_in_groups_of_fifty_and_large_ones_in_one() {
        let to = vec![(); 120];
        let sizes = |body| groups(&to, body, 1_000).map(<[()]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(5_000), [50, 50, 20]);
        assert_eq!(sizes(30_000), [75, 45], "header no larger than the body");
        assert_eq!(sizes(10_000_000), [120]);
        let few: Vec<_> = groups(&to, 10_000_000, 40).map(<[()]>::len).collect();
        assert_eq!(few, [40, 40, 40], "never more than the center takes");
    }
}

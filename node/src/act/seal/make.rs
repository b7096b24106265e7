//! From a unit that was read and resolved to signed containers and sealed parts.
//!
//! What is large is written into the spool. What is small never becomes a file: it is recorded in the database, with the
//! row that names it.

use std::collections::HashMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use envelope::container::{Addressee, Draft, Exchange, Role, UnitFile};
use envelope::directory::VerifiedEntry;
use envelope::sealed::Recipient;
use store::content::{SMALL, Small};
use store::outbound::{Container, NewLine, NewPart, Sealing};

use super::Read as Unit;
use crate::act::directory::{self, Known};
use crate::act::unit::Wanted;
use crate::act::{Step, Tools, buffer, io_trouble, own_trouble, store_trouble, trust};
use crate::flow::Outcome;
use crate::telemetry::hex;

/// Recipients of a part whose body is small; more only while the header stays no larger than the body.
const GROUP: usize = 50;
/// So many content files are held open until they are made durable together.
const TOGETHER: usize = 32;
/// About what one recipient costs in the header of a sealed message, bytes.
const RECIPIENT: u64 = 400;
/// What manifest, signature and ZIP add to the files of a container, bytes; and the message around it.
const AROUND: u64 = 10 * 1024;

/// A container to be made: who gets it and which files are in it.
struct Plan {
    variant: u16,
    to: Vec<(String, Arc<VerifiedEntry>)>,
    files: Vec<UnitFile>,
    listed: Vec<Addressee>,
    withheld: u32,
}

/// A container or a sealed message while it is made.
pub(super) enum Made {
    File(store::spool::Draft),
    Bytes(Small),
}

impl Made {
    fn new(tools: &Tools, name: &str, small: bool) -> Step<Self> {
        if small {
            return Ok(Self::Bytes(Small { name: name.to_owned(), bytes: Vec::new() }));
        }
        tools.store.spool().create(name).map(Self::File).map_err(|e| store_trouble(&e))
    }

    /// Has all of it written; `trouble` is what an error of that means.
    fn fill<T>(
        &mut self,
        buffer: usize,
        trouble: fn(&envelope::Error) -> Outcome,
        write: impl FnOnce(&mut dyn Write) -> Result<T, envelope::Error>,
    ) -> Step<T> {
        match self {
            Self::Bytes(small) => write(&mut small.bytes).map_err(|e| trouble(&e)),
            Self::File(draft) => {
                let mut out = BufWriter::with_capacity(buffer, draft);
                let written = write(&mut out).map_err(|e| trouble(&e))?;
                out.flush().map_err(|e| io_trouble("spool-failed", &e))?;
                Ok(written)
            }
        }
    }

    fn read(&self, buffer: usize) -> Step<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Bytes(small) => Box::new(small.bytes.as_slice()),
            Self::File(draft) => {
                let file = std::fs::File::open(draft.path()).map_err(|e| io_trouble("spool-failed", &e))?;
                Box::new(BufReader::with_capacity(buffer, file))
            }
        })
    }
}

/// What was made so far: files to be made durable together, bytes to be recorded.
#[derive(Default)]
pub(super) struct Shelf {
    drafts: Vec<store::spool::Draft>,
    small: Vec<Small>,
}

impl Shelf {
    pub(super) fn put(&mut self, made: Made) {
        match made {
            Made::File(draft) => self.drafts.push(draft),
            Made::Bytes(small) => self.small.push(small),
        }
    }

    /// Makes files durable once there are many.
    fn relieve(&mut self, tools: &Tools) -> Step<()> {
        if self.drafts.len() < TOGETHER {
            return Ok(());
        }
        let drafts = std::mem::take(&mut self.drafts);
        tools.store.spool().keep_all(drafts).map(drop).map_err(|e| store_trouble(&e))
    }

    /// Makes all files durable; gives what is to be recorded.
    pub(super) fn keep(self, tools: &Tools) -> Step<Vec<Small>> {
        if !self.drafts.is_empty() {
            tools.store.spool().keep_all(self.drafts).map_err(|e| store_trouble(&e))?;
        }
        Ok(self.small)
    }
}

/// Which containers there are: the whole one, a reduced one for those without attachments, or one for each recipient
/// where they must not learn of each other.
fn plans(read: &Unit, to: Vec<(String, bool, Arc<VerifiedEntry>)>) -> Vec<Plan> {
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

/// Signs and seals everything; durable, or to be recorded, when it returns.
pub(super) fn make(
    tools: &Tools,
    id: [u8; 16],
    created: i64,
    read: &Unit,
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
    let mut shelf = Shelf::default();
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
        let total = plan.files.iter().map(|f| f.size).sum::<u64>();
        let small = total + AROUND <= SMALL && plan.to.len() <= GROUP;
        let mut container = Made::new(tools, &name, small)?;
        let written = container.fill(buffer(total), refused, |out| {
            signed.write(out, |file: &UnitFile| read.from.open(&file.name))
        })?;
        for (group, members) in groups(&plan.to, written.length, most).enumerate() {
            let group = u16::try_from(group).unwrap_or(u16::MAX);
            let key = Key { document: id, variant: plan.variant, group, round: 0 };
            let source = container.read(buffer(written.length))?;
            let (part, sealed) = part(tools, key, source, written.length, members)?;
            sealing.parts.push(part);
            shelf.put(sealed);
            for (code, entry) in members {
                placed.insert(code.clone(), (plan.variant, group, *entry.enc.sha256()));
            }
        }
        shelf.put(container);
        shelf.relieve(tools)?;
        sealing.containers.push(Container {
            variant: plan.variant,
            manifest: written.manifest,
            signature: written.signature,
            file: name,
            size: written.length,
        });
    }
    sealing.contents = shelf.keep(tools)?;
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

/// Groups of at most [`GROUP`], or of as many as keep the header no larger than the body; never more than `most`.
pub(super) fn groups<T>(to: &[T], body: u64, most: usize) -> impl Iterator<Item = &[T]> {
    let fit = usize::try_from(body / RECIPIENT).unwrap_or(usize::MAX);
    to.chunks(fit.max(GROUP).min(most.max(1)))
}

/// Most addressees of a part that the center takes, as far as it is known.
pub(super) fn most_addressees(tools: &Tools) -> usize {
    let state = tools.link.state();
    let told = state.borrow().up().map(|up| up.welcome.max_addressees);
    usize::from(told.unwrap_or(500).min(wire::MAX_ADDRESSEES))
}

/// Which part.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) document: [u8; 16],
    pub(super) variant: u16,
    pub(super) group: u16,
    pub(super) round: u16,
}

/// Seals a container of `length` bytes to one group. The sealed bytes are not durable yet.
pub(super) fn part(
    tools: &Tools,
    key: Key,
    source: impl Read,
    length: u64,
    members: &[(String, Arc<VerifiedEntry>)],
) -> Step<(NewPart, Made)> {
    let recipients: Vec<Recipient> = members
        .iter()
        .map(|(_, entry)| Recipient { certificate: entry.enc.clone(), oaep: entry.oaep })
        .collect();
    let Key { document, variant, group, round } = key;
    let name = format!("{}.{variant}.{group}.{round}.p7m", hex(&document));
    let small = length + RECIPIENT * members.len() as u64 + AROUND <= SMALL;
    let mut made = Made::new(tools, &name, small)?;
    let info = made
        .fill(buffer(length), own_trouble, |out| envelope::sealed::seal(source, length, &recipients, out))?;
    Ok((NewPart { variant, group, sealed: info.sha256, length: info.length, file: name }, made))
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

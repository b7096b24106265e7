//! What arrived: opened, verified, read, scanned, archived. Only faults of the document itself send it back.

use std::io::{BufReader, BufWriter, Write};
use std::sync::Arc;

use durable::Batch;
use envelope::container::{Limits, Role, StoredFile, Verified};
use envelope::receipt::Verdict;
use envelope::{Certificate, UnwrapKey};
use store::inbound::{Archiving, InboundRow};
use store::outbound::About;

use super::directory::{look_up_one, same_organisation};
use super::submit::verify_center;
use super::{
    Step, Tools, buffer, io_trouble, organisation, own_trouble, peer_trouble, scan, store_trouble, unit,
};
use crate::archive::{self, Arrived, Staged};
use crate::card::without;
use crate::flow::{Fault, Outcome, Why};

/// Label: container and mailbox line say different things.
pub const CONTRADICTION: &str = "transport-contradiction";
/// Label: signed by another organisation than the sender's.
pub const WRONG_SENDER: &str = "wrong-sender";
/// Label: the document does not name us as a recipient.
pub const NOT_ADDRESSED: &str = "not-addressed-to-us";
/// Label: the directory does not know the sender.
pub const SENDER_UNKNOWN: &str = "sender-not-in-directory";
/// Label: sealed to a certificate that none of our keys belongs to.
pub const KEY_CHANGED: &str = "recipient-key-changed";

/// What is known of a document that could not be archived, for lists.
pub type Heard = Option<About>;

/// A plaintext container: a small one in memory, another in a private file of the spool.
enum Container {
    File(store::spool::Draft),
    Bytes(Vec<u8>),
}

impl Container {
    fn view(&self) -> archive::Container<'_> {
        match self {
            Self::File(draft) => archive::Container::File(draft.path()),
            Self::Bytes(bytes) => archive::Container::Bytes(bytes),
        }
    }
}

/// Opened, verified and read.
struct Unpacked {
    container: Container,
    verified: Verified,
    unit: unit::Unit,
}

/// Where the sealed bytes are.
#[derive(Debug)]
pub enum Sealed {
    /// In the spool, under the name in the row.
    Spool,
    /// Here, and nowhere else; their digest is right.
    Memory(Arc<[u8]>),
}

/// Opens one received document, stages it in archive and delivery folder, and has `record` record that: with
/// [`store::Store::archived`] or [`store::Store::received`]. All of it is one piece of blocking work, from the sealed bytes to
/// the record; the disk, the scanner and the store are waited for without a processor's turn. `heard` is what could be read.
///
/// # Errors
/// [`Outcome::Bad`] where the document itself is at fault, [`Outcome::Gone`] where our copy of it is; those of `record`.
pub async fn open<T: Send + 'static>(
    tools: &Tools,
    id: i64,
    sealed: Sealed,
    heard: &mut Heard,
    record: impl FnOnce(&Tools, Archiving) -> Step<T> + Send + 'static,
) -> Step<T> {
    let row = tools.store.inbound_row(id).map_err(|e| store_trouble(&e))?.ok_or(Outcome::Stopped)?;
    let signer = sender(tools, &row.offer.sender, row.offer.accepted_at).await?;
    let work = move |tools: &Tools| {
        let mut known = None;
        let opened = unpack(tools, &row, &sealed, &signer, &mut known)
            .and_then(|unpacked| archiving(tools, &row, unpacked))
            .and_then(|archiving| without(|| record(tools, archiving)));
        Ok((opened, known))
    };
    let (opened, known) = tools.blocking(work).await?;
    *heard = known;
    opened
}

/// Staged, durable, scanned: ready to be recorded.
fn archiving(tools: &Tools, row: &InboundRow, unpacked: Unpacked) -> Step<Archiving> {
    let Unpacked { container, verified, unit } = unpacked;
    let before = confirmed_before(row);
    let (staged, batch) = stage(tools, &container, row, &unit.about, &verified.files, &unit.warnings)?;
    without(|| archive::settle(batch)).map_err(|e| archive_trouble(&e))?;
    let folder = archive::staged_path(&tools.config, &staged.staged);
    if let Err(outcome) = without(|| scan::scan_blocking(tools, &folder)) {
        // What was confirmed before a restore may lie in the archive since then.
        let config = &tools.config;
        let discarded = if before {
            archive::unstage(config, staged).map(drop)
        } else {
            archive::discard(config, &staged)
        };
        if let Err(trouble) = discarded {
            tracing::warn!(?trouble, "what was staged could not be removed; it will be at the next start");
        }
        return Err(outcome);
    }
    let staged = if before && tools.store.inbox_kept().map_err(|e| store_trouble(&e))? {
        // It lies, or lay, in this delivery folder already.
        archive::unstage(&tools.config, staged).map_err(|e| archive_trouble(&e))?
    } else {
        staged
    };
    Ok(Archiving {
        id: row.id,
        staged: staged.staged,
        delivered: staged.delivered,
        archive: staged.archive,
        about: unit.about,
        digest: content_digest(&verified.files),
        size: verified.files.iter().map(|f| f.size).sum(),
        files: verified.files.iter().map(stored).collect(),
        warnings: unit.warnings,
    })
}

/// Whether we confirmed it before a restore: only then is there a receipt before it is archived.
const fn confirmed_before(row: &InboundRow) -> bool {
    row.receipt.is_some()
}

/// The certificate that the sender signs with, by the directory as it stood at `at`: the unit's entry, or its
/// organisation's.
async fn sender(tools: &Tools, code: &str, at: i64) -> Step<Certificate> {
    for code in [code, organisation(code)] {
        if let Some(entry) = look_up_one(tools, code).await?.and_then(|known| known.entry_at(tools, at)) {
            return Ok(entry.sign.clone());
        }
    }
    Err(Outcome::Fault(Fault::retry(SENDER_UNKNOWN, code)))
}

fn contradiction(detail: impl Into<String>) -> Outcome {
    Outcome::Bad { label: CONTRADICTION.into(), detail: detail.into() }
}

fn unpack(
    tools: &Tools,
    row: &InboundRow,
    sealed: &Sealed,
    signer: &Certificate,
    heard: &mut Heard,
) -> Step<Unpacked> {
    check_receipt(tools, row)?;
    let container = decrypt(tools, row, sealed)?;
    let offer = &row.offer;
    let mut source = container.view().open().map_err(|e| archive_trouble(&e))?;
    let limits = Limits { length: offer.length, ..Limits::default() };
    let verified = envelope::container::verify(&mut source, &tools.parts.anchors, offer.accepted_at, &limits)
        .map_err(|e| peer_trouble(&e))?;
    let exchange = &verified.exchange;
    *heard = Some(About {
        kind: exchange.kind.clone(),
        subject: exchange.subject.clone(),
        sender: exchange.sender.clone(),
        priority: offer.priority,
        ..About::default()
    });
    if !same_organisation(&verified.signer, signer) {
        let detail = format!("{} for {}", verified.signer.subject(), offer.sender);
        return Err(Outcome::Bad { label: WRONG_SENDER.into(), detail });
    }
    if verified.manifest != offer.manifest || verified.signature != offer.signature {
        return Err(contradiction("digests"));
    }
    if exchange.document != offer.document {
        return Err(contradiction("document id"));
    }
    if exchange.sender != offer.sender {
        return Err(contradiction(format!("sender {} / {}", exchange.sender, offer.sender)));
    }
    let Some(addressed) = exchange.recipients.iter().find(|r| r.code == offer.recipient) else {
        return Err(Outcome::Bad { label: NOT_ADDRESSED.into(), detail: offer.recipient.clone() });
    };
    if addressed.attachments != offer.attachments {
        return Err(contradiction("attachments"));
    }
    super::trust::may_believe(tools, exchange.document, &verified.chain, offer.accepted_at)?;
    let unit = read(tools, &mut source, &verified)?;
    drop(source);
    Ok(Unpacked { container, verified, unit })
}

/// The center's receipt in the offer: the proof of the time at which the sender is judged.
fn check_receipt(tools: &Tools, row: &InboundRow) -> Step<()> {
    let offer = &row.offer;
    let invalid = |detail: String| Outcome::Fault(Fault::retry(super::submit::RECEIPT_INVALID, detail));
    let lines = verify_center(tools, &offer.receipt).map_err(invalid)?;
    let fits = lines.iter().any(|line| {
        line.center == tools.config.center.code
            && line.document == offer.document
            && line.round == u32::from(offer.round)
            && line.sender == offer.sender
            && line.recipient == offer.recipient
            && line.manifest == offer.manifest
            && line.sealed == offer.sealed
            && line.verdict == Verdict::Accepted
            && line.arrived == offer.accepted_at
    });
    if fits { Ok(()) } else { Err(invalid("it speaks of something else".into())) }
}

/// The plaintext; nothing of it is used before the tag has verified.
fn decrypt(tools: &Tools, row: &InboundRow, sealed: &Sealed) -> Step<Container> {
    let spool = tools.store.spool();
    let capacity = buffer(row.offer.length);
    let source: Box<dyn std::io::BufRead> = match sealed {
        Sealed::Memory(bytes) => Box::new(&bytes[..]),
        Sealed::Spool => match spool.open(&row.file) {
            Ok(file) => Box::new(BufReader::with_capacity(capacity, file)),
            Err(error) => {
                return Err(Outcome::Gone { label: error.label().into(), detail: error.to_string() });
            }
        },
    };
    let keys: Vec<&dyn UnwrapKey> = tools.parts.unwrap.iter().map(AsRef::as_ref).collect();
    // There was room for it as it came, and so there is for what is in it.
    let in_memory = matches!(sealed, Sealed::Memory(_)) || row.offer.length <= super::memory::SMALL;
    let (opened, container) = if in_memory {
        let mut bytes = Vec::with_capacity(usize::try_from(row.offer.length).unwrap_or_default());
        let opened = envelope::sealed::open(source, row.offer.length, &keys, &mut bytes);
        (opened, Container::Bytes(bytes))
    } else {
        let mut draft = spool.create(&format!("open-{}.asice", row.id)).map_err(|e| store_trouble(&e))?;
        let mut out = BufWriter::with_capacity(capacity, &mut draft);
        let opened = envelope::sealed::open(source, row.offer.length, &keys, &mut out);
        out.flush().map_err(|e| io_trouble("spool-failed", &e))?;
        drop(out);
        (opened, Container::File(draft))
    };
    match opened {
        Ok(_) => Ok(container),
        Err(error) if error.fault() == envelope::Fault::Peer => {
            // Before anybody is blamed: are these the bytes that came?
            if matches!(sealed, Sealed::Spool) {
                let path = spool.path(&row.file).map_err(|e| store_trouble(&e))?;
                let found = super::fetch::digest(&path).map_err(|e| io_trouble("spool-failed", &e))?;
                if found != (row.offer.length, row.offer.sealed) {
                    let detail = row.file.clone();
                    return Err(Outcome::Gone { label: super::fetch::MISMATCH.into(), detail });
                }
            }
            Err(match error {
                envelope::Error::NotForUs => {
                    Outcome::Bad { label: KEY_CHANGED.into(), detail: error.to_string() }
                }
                other => peer_trouble(&other),
            })
        }
        Err(error) => Err(own_trouble(&error)),
    }
}

/// The letter and its roster, judged like one of our own.
fn read(tools: &Tools, source: &mut archive::Source<'_>, verified: &Verified) -> Step<unit::Unit> {
    let limits = unit::limits(&tools.config);
    let mut take = |role: Role| -> Step<Option<(String, Vec<u8>)>> {
        let Some(file) = verified.files.iter().find(|f| f.role == role) else { return Ok(None) };
        if file.size > limits.size as u64 {
            let detail = format!("{}: {} > {}", file.name, file.size, limits.size);
            return Err(Outcome::Bad { label: "too-large".into(), detail });
        }
        let mut bytes = Vec::new();
        envelope::container::copy_file(source, file, &mut bytes).map_err(|e| peer_trouble(&e))?;
        Ok(Some((file.name.clone(), bytes)))
    };
    let missing = |detail: String| Outcome::Bad { label: unit::MISSING.into(), detail };
    let Some((name, di)) = take(Role::Di)? else { return Err(missing("DI".into())) };
    let sw = take(Role::Sw)?;
    let sw = sw.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let unit = unit::judge(&limits, (&name, &di), sw, &verified.exchange.sender)?;
    // What was withheld is not missing: attachments by 不含附件, the roster by 行文單位保密.
    let withheld = verified.exchange.withheld > 0;
    let roster = unit.roster_file.as_deref();
    for named in &unit.named {
        let excused = if Some(named.as_str()) == roster { unit.letter.hides_recipients() } else { withheld };
        if !excused && !verified.files.iter().any(|f| f.name == *named) {
            return Err(missing(named.clone()));
        }
    }
    Ok(unit)
}

fn stage(
    tools: &Tools,
    container: &Container,
    row: &InboundRow,
    about: &About,
    files: &[StoredFile],
    warnings: &str,
) -> Step<(Staged, Batch)> {
    if let Container::File(draft) = container {
        draft.sync().map_err(|e| store_trouble(&e))?;
    }
    let container = container.view();
    // The archive may have outlived the database: then it has this very container.
    let kept = if confirmed_before(row) {
        archive::kept_before(&tools.config, row, container).map_err(|e| archive_trouble(&e))?
    } else {
        None
    };
    let arrived = Arrived { row, about, container, files, warnings, kept };
    // A container in a file is moved away by rename; the draft then has nothing left to remove.
    archive::stage(&tools.config, &arrived, tools.now()).map_err(|e| archive_trouble(&e))
}

/// Trouble of archive and delivery folder: ours, never the document's.
pub(crate) fn archive_trouble(error: &archive::Error) -> Outcome {
    let detail = crate::error::chain(error);
    Outcome::Fault(match error.label() {
        "disk-full" | "disk-failed" => Fault::wait(Why::Disk, detail),
        label => Fault::retry(label, detail),
    })
}

fn stored(file: &StoredFile) -> store::outbound::File {
    store::outbound::File {
        name: file.name.clone(),
        role: match file.role {
            Role::Di => "di",
            Role::Sw => "sw",
            Role::Attachment => "attachment",
        }
        .into(),
        size: file.size,
        sha256: file.sha256,
        crc32: 0,
    }
}

/// Of names and bytes of all files: the same content under another id has the same.
fn content_digest(files: &[StoredFile]) -> envelope::Digest {
    let mut parts: Vec<(&str, &envelope::Digest)> =
        files.iter().map(|f| (f.name.as_str(), &f.sha256)).collect();
    parts.sort_unstable();
    let mut all = Vec::with_capacity(parts.len() * 64);
    for (name, digest) in parts {
        all.extend_from_slice(&(name.len() as u64).to_be_bytes());
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(digest);
    }
    envelope::sha256(&all)
}

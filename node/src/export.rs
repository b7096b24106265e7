//! `export`: everything that proves what became of one document, as files that need no di-node to be checked.
//!
//! | file | is |
//! |---|---|
//! | `ID.asice`, `ID-reduced.asice`, `ID-only-N.asice` | the container as signed: whole, without attachments, for one recipient alone |
//! | `ID.sealed.p7m`, `ID.sealed-2.p7m` … | the sealed messages, while they are kept |
//! | `ID.receipt-center-N.der`, `ID.receipt-user-N.der` | receipts of the center, and of the recipients (or ours) |
//! | `ID.evidence.zip`, `ID-reduced.evidence.zip` … | container, receipts, certificates and the authorities' answers about them in one file for `verify` |
//! | `ID/` | the files of the document |
//!
//! It reads the state folder itself and needs no running service. Nothing is overwritten.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use envelope::container::{self, Limits};
use envelope::evidence::{self, RecipientEvidence};
use envelope::receipt::{self, Receipt};
use envelope::status::Kind;
use envelope::{Certificate, Digest};
use serde::Serialize;
use store::Store;
use store::boxes::{Found, Incoming, Outgoing};
use store::content::Content;
use store::outbound::PartRow;

use crate::api::read::{self, hex};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::source::{failed, settings};
use crate::cli::{Done, Out};

/// 匯出憑據
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// 公文識別碼（可只寫開頭幾碼）
    #[arg(value_name = "識別碼")]
    id: String,
    /// 匯出到這個目錄；不存在時建立
    #[arg(short, long, value_name = "目錄")]
    output: PathBuf,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// What was written, and what could not be.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Files, in the order of writing.
    pub files: Vec<PathBuf>,
    /// What is no longer kept (sealed bytes after their time), in Chinese.
    pub missing: Vec<String>,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// Container or receipts cannot be read or written.
    #[error("container or evidence failed")]
    Envelope(#[from] envelope::Error),
    /// Nothing to export: not signed yet, or not opened yet.
    #[error("the document has no container")]
    Nothing,
    /// The target is there already.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Stable label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Store(error) => error.label(),
            Self::Envelope(error) => error.label(),
            Self::Nothing => "not-exportable",
            Self::Exists(_) => "target-exists",
            Self::Write { .. } => "target-failed",
        }
    }
}

/// Does it.
pub(crate) fn export(args: &Export, config: Option<&Path>, out: &mut Out) -> Done {
    let (settings, _) = settings(config)?;
    let store = Store::open_read_only(&settings.folders.state).map_err(|error| {
        let label = error.label();
        Failure::labelled(exit::NOT_FOUND, label).because(error)
    })?;
    let found = read::find(&store, &args.id).map_err(failed)?;
    let folder = crate::start::revocation_settings(&settings).folder;
    let exported = match found {
        Found::Document(id) => store
            .document(id)
            .map_err(Error::from)
            .and_then(|found| outbound(&store, &found.ok_or(Error::Nothing)?, &folder, &args.output)),
        Found::Inbound(row, _) => store.inbound(row).map_err(Error::from).and_then(|found| {
            let found = found.ok_or(Error::Nothing)?;
            inbound(&found, &store, &settings.folders.archive, &folder, &args.output)
        }),
    };
    let exported = exported.map_err(|error| {
        let code = match error {
            Error::Exists(_) | Error::Write { .. } => exit::CANNOT_CREATE,
            _ => exit::FAILED,
        };
        Failure::labelled(code, error.label()).because(error)
    })?;
    if args.json {
        out.json(&exported)?;
        return Ok(exit::OK);
    }
    let mut text = String::new();
    for file in &exported.files {
        text.push_str(&format!("{}\n", crate::table::plain(&file.display().to_string())));
    }
    for missing in &exported.missing {
        text.push_str(&format!("未匯出：{missing}\n"));
    }
    text.push_str("以 di-node verify 檔案 驗證；驗證時也會列出可用的 openssl 指令\n");
    out.text(&text)?;
    Ok(exit::OK)
}

/// Exports a document that we sent. `status` is the folder with the authorities' answers.
///
/// # Errors
/// It was never signed; a target exists; reading or writing fails.
pub fn outbound(store: &Store, found: &Outgoing, status: &Path, to: &Path) -> Result<Exported, Error> {
    if found.containers.is_empty() {
        return Err(Error::Nothing);
    }
    let id = hex(&found.document.id);
    let mut export = Writer::new(to, &id)?;
    for container in &found.containers {
        let name = format!("{id}{}", suffix(container.variant));
        let Some(mut file) = export.kept(store, &container.file, &format!("{name}.asice"))? else { continue };
        export.copy(&format!("{name}.asice"), &mut file)?;
    }
    let mut parts: Vec<&PartRow> = found.parts.iter().collect();
    parts.sort_by_key(|p| (p.round, p.variant, p.group));
    for (n, part) in (1u32..).zip(&parts) {
        let name = if n == 1 { format!("{id}.sealed.p7m") } else { format!("{id}.sealed-{n}.p7m") };
        let Some(mut file) = export.kept(store, &part.file, &name)? else { continue };
        export.copy(&name, &mut file)?;
    }
    let mut center = BTreeSet::new();
    center.extend(parts.iter().filter_map(|p| p.receipt));
    let user: BTreeSet<i64> = found.verdicts.iter().map(|v| v.receipt).collect();
    for (kind, receipts) in [("center", &center), ("user", &user)] {
        for (n, receipt) in (1u32..).zip(receipts) {
            if let Some(row) = store.receipt(*receipt)? {
                export.write(&format!("{id}.receipt-{kind}-{n}.der"), &row.bytes)?;
            }
        }
    }
    let mut unpacked = false;
    for container in &found.containers {
        let name = format!("{id}{}.evidence.zip", suffix(container.variant));
        let Some(mut file) = export.kept(store, &container.file, "")? else { continue };
        let recipients = recipients(store, found, container.variant)?;
        let length = file.seek(io::SeekFrom::End(0)).map_err(|e| export.failed(&container.file, e))?;
        rewind(&mut file, Path::new(&container.file))?;
        let certificates = certificates(&mut file)?;
        let path = export.path(&name);
        let out = export.create(&name)?;
        rewind(&mut file, &path)?;
        let mut answers = answers(store, &found.document.id, status, &certificates, &recipients)?;
        evidence::write(&out, &mut file, length, &recipients, &certificates, &mut answers)?;
        export.done(&name, &out)?;
        // The files once: the whole container comes first.
        if !unpacked {
            rewind(&mut file, &path)?;
            export.unpack(&mut file)?;
            unpacked = true;
        }
    }
    Ok(export.done)
}

/// Exports a document that we received, from the archive. `status` is the folder with the authorities' answers.
///
/// # Errors
/// It was not archived; a target exists; reading or writing fails.
pub fn inbound(
    found: &Incoming,
    store: &Store,
    archive: &Path,
    status: &Path,
    to: &Path,
) -> Result<Exported, Error> {
    let row = &found.inbound;
    if row.archive.is_empty() {
        return Err(Error::Nothing);
    }
    let id = hex(&row.offer.document);
    let mut export = Writer::new(to, &id)?;
    let folder = archive.join(&row.archive);
    let container = in_folder(&folder, ".asice").ok_or(Error::Nothing)?;
    let mut file = File::open(&container).map_err(|e| export.failed(&container.display().to_string(), e))?;
    export.copy(&format!("{id}.asice"), &mut file)?;
    match in_folder(&folder, ".p7m") {
        Some(sealed) => {
            let mut file =
                File::open(&sealed).map_err(|e| export.failed(&sealed.display().to_string(), e))?;
            export.copy(&format!("{id}.sealed.p7m"), &mut file)?;
        }
        None => {
            let name = format!("{id}.sealed.p7m");
            if let Some(mut file) = export.kept(store, &row.file, &name)? {
                export.copy(&name, &mut file)?;
            }
        }
    }
    let center = vec![row.offer.receipt.clone()];
    export.write(&format!("{id}.receipt-center-1.der"), &row.offer.receipt)?;
    let mut ours = Vec::new();
    if let Some(receipt) = &found.receipt {
        export.write(&format!("{id}.receipt-user-1.der"), &receipt.bytes)?;
        ours.push(receipt.bytes.clone());
    }
    let recipient = RecipientEvidence {
        code: row.offer.recipient.clone(),
        enc: None,
        registration: store.meta(&format!("directory.{}", row.offer.recipient))?,
        center_receipts: center,
        receiver_receipts: ours,
    };
    let name = format!("{id}.evidence.zip");
    let path = export.path(&name);
    rewind(&mut file, &path)?;
    let length = file.metadata().map_err(|e| export.failed(&name, e))?.len();
    let certificates = certificates(&mut file)?;
    rewind(&mut file, &path)?;
    let out = export.create(&name)?;
    let recipients = [recipient];
    let mut answers = answers(store, &row.offer.document, status, &certificates, &recipients)?;
    evidence::write(&out, &mut file, length, &recipients, &certificates, &mut answers)?;
    export.done(&name, &out)?;
    rewind(&mut file, &path)?;
    export.unpack(&mut file)?;
    Ok(export.done)
}

/// What each recipient of a container has to do with it: receipts of all rounds, certificate and registration.
fn recipients(store: &Store, found: &Outgoing, variant: u16) -> Result<Vec<RecipientEvidence>, Error> {
    let parts: Vec<&PartRow> = found.parts.iter().filter(|p| p.variant == variant).collect();
    let mut all = Vec::new();
    for line in &found.lines {
        let mine: Vec<&&PartRow> =
            parts.iter().filter(|p| p.addressees.iter().any(|(code, _)| *code == line.recipient)).collect();
        if mine.is_empty() {
            continue;
        }
        let mut center_receipts = Vec::new();
        for receipt in mine.iter().filter_map(|p| p.receipt) {
            center_receipts.extend(store.receipt(receipt)?.map(|r| r.bytes));
        }
        let mut receiver_receipts = Vec::new();
        for verdict in found.verdicts.iter().filter(|v| v.recipient == line.recipient) {
            receiver_receipts.extend(store.receipt(verdict.receipt)?.map(|r| r.bytes));
        }
        let stored = store.meta(&format!("certificate.{}", hex(&line.certificate)))?;
        all.push(RecipientEvidence {
            code: line.recipient.clone(),
            enc: stored.and_then(|der| Certificate::from_der(&der).ok()),
            registration: store.meta(&format!("directory.{}", line.recipient))?,
            center_receipts,
            receiver_receipts,
        });
    }
    Ok(all)
}

/// The certificates that the container's signature carries: the signer's and those above it.
fn certificates(file: &mut (impl Read + Seek)) -> Result<Vec<Certificate>, Error> {
    let checked = container::check(file, &everything())?;
    let mut all = vec![checked.signed.signer];
    all.extend(checked.signed.certificates);
    let mut seen: BTreeSet<Digest> = BTreeSet::new();
    all.retain(|c| seen.insert(*c.sha256()));
    Ok(all)
}

/// The authorities' answers about the signers of container and receipts: those that were relied on, and those at hand now.
fn answers(
    store: &Store,
    document: &[u8; 16],
    status: &Path,
    certificates: &[Certificate],
    recipients: &[RecipientEvidence],
) -> Result<Vec<(Kind, File)>, Error> {
    let mut signers = certificates.to_vec();
    for der in recipients.iter().flat_map(|r| &r.receiver_receipts) {
        let receipt = Receipt::from_der(der).and_then(|r| r.certificates(receipt::Kind::Receiver));
        signers.extend(receipt.unwrap_or_default());
    }
    let kept = crate::act::trust::kept(store, document)?;
    let stored = revocation::stored_for(status, &signers, &kept);
    let open = |s: &revocation::Stored| {
        let opened = File::open(&s.path).map(|file| (s.kind, file));
        opened.map_err(|source| Error::Write { path: s.path.clone(), source })
    };
    stored.iter().map(open).collect()
}

/// Our own containers are not refused for their size.
pub(crate) fn everything() -> Limits {
    Limits { length: u64::from(u32::MAX), files: 10_000, recipients: 100_000 }
}

fn suffix(variant: u16) -> String {
    match variant {
        0 => String::new(),
        1 => "-reduced".to_owned(),
        alone => format!("-only-{}", alone - 1),
    }
}

fn in_folder(folder: &Path, ending: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| {
            p.is_file() && p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending))
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

fn rewind(file: &mut impl Seek, path: &Path) -> Result<(), Error> {
    file.rewind().map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Writes into the target folder, and remembers what.
struct Writer {
    to: PathBuf,
    id: String,
    done: Exported,
}

impl Writer {
    fn new(to: &Path, id: &str) -> Result<Self, Error> {
        std::fs::create_dir_all(to).map_err(|source| Error::Write { path: to.to_owned(), source })?;
        Ok(Self { to: to.to_owned(), id: id.to_owned(), done: Exported::default() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.to.join(name)
    }

    fn failed(&self, name: &str, source: io::Error) -> Error {
        Error::Write { path: self.path(name), source }
    }

    /// Content, or `None` (noted, unless `name` is empty) if it is no longer kept.
    fn kept(&mut self, store: &Store, file: &str, name: &str) -> Result<Option<Content>, Error> {
        // A row names no file once it is no longer kept.
        if !file.is_empty() {
            match store.content(file) {
                Ok(file) => return Ok(Some(file)),
                Err(store::Error::SpoolMissing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !name.is_empty() {
            self.done.missing.push(format!("{name}（已不再保存）"));
        }
        Ok(None)
    }

    fn create(&self, name: &str) -> Result<File, Error> {
        let path = self.path(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(file),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists(path)),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "what a person asked for; no state of the node")]
    fn done(&mut self, name: &str, file: &File) -> Result<(), Error> {
        file.sync_all().map_err(|e| self.failed(name, e))?;
        self.done.files.push(self.path(name));
        Ok(())
    }

    fn copy(&mut self, name: &str, from: &mut impl Read) -> Result<(), Error> {
        let mut out = self.create(name)?;
        io::copy(from, &mut out).map_err(|e| self.failed(name, e))?;
        self.done(name, &out)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut out = self.create(name)?;
        out.write_all(bytes).map_err(|e| self.failed(name, e))?;
        self.done(name, &out)
    }

    /// The unit's files below `ID/`; their names were checked by the container's reader.
    fn unpack(&mut self, container: &mut (impl Read + Seek)) -> Result<(), Error> {
        let checked = container::check(container, &everything())?;
        let folder = self.path(&self.id);
        match std::fs::create_dir(&folder) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Exists(folder)),
            Err(source) => return Err(Error::Write { path: folder, source }),
        }
        for file in &checked.files {
            let name = format!("{}/{}", self.id, file.name);
            let out = self.create(&name)?;
            container::copy_file(container, file, &out)?;
            self.done(&name, &out)?;
        }
        Ok(())
    }
}

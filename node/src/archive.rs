//! Where received documents are kept and delivered.
//!
//! In three steps, so that the row lies between them: [`stage`] copies the files under a hidden name into the delivery
//! folder and moves the container into the archive, all of it durable; then the row is committed with both names; then
//! [`deliver`] renames. After a crash what is still staged is renamed, and what is gone was taken: it is never made again.
//! [`recover`] removes what was staged without a row.
//!
//! Delivery: `inbox/<mailbox>/<date>-<sender>-<number>-<id>/` with the files by their own names.
//! Archive: `archive/<yyyy>/<mm>/<mailbox>-<the same name>/` with `container.asice` and the center's `receipt.der`. The two are
//! apart: whoever empties the delivery folder loses nothing.

use crate::intake::place::Place;
use crate::intake::{disk_label, hex};
use config::NodeConfig;
use durable::Batch;
use envelope::container::{StoredFile, copy_file};
use jiff::tz::TimeZone;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use store::inbound::InboundRow;
use store::outbound::About;

/// Labels of this module that are in no other crate.
pub const LABELS: &[(&str, store::Class)] =
    &[("archive-failed", store::Class::Retry), ("delivery-name", store::Class::Wait)];

/// Why archive or delivery folder could not be written. Never the document's fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be made, moved or removed.
    #[error("{} cannot be {during}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// made, copied, synced, renamed, removed
        during: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the container did not come out as it was verified.
    #[error("{name} cannot be copied out of the container")]
    Copy {
        /// Its name.
        name: String,
        /// What the container said.
        #[source]
        source: envelope::Error,
    },
    /// Something else has the name in the delivery folder by now.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A recorded name is not one that this module makes.
    #[error("{0:?} is no name in the delivery folder")]
    Name(String),
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::File { source, during, .. } => disk_label(during, source).unwrap_or("archive-failed"),
            Self::Copy { source: envelope::Error::Io(source), .. } => {
                disk_label("", source).unwrap_or("archive-failed")
            }
            Self::Copy { .. } => "archive-failed",
            Self::Exists(_) | Self::Name(_) => "delivery-name",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> store::Class {
        match self.label() {
            "archive-failed" => store::Class::Retry,
            _ => store::Class::Wait,
        }
    }
}

/// A verified document on its way to the archive.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// Its row, `offer.receipt` loaded.
    pub row: &'a InboundRow,
    /// What it says.
    pub about: &'a About,
    /// The container.
    pub container: Container<'a>,
    /// What is in it.
    pub files: &'a [StoredFile],
    /// What was tolerated; goes into a note beside the container, if not empty.
    pub warnings: &'a str,
    /// Its folder in the archive, where that has it already ([`kept_before`]).
    pub kept: Option<PathBuf>,
}

/// A verified container.
#[derive(Debug, Clone, Copy)]
pub enum Container<'a> {
    /// In a private file, durable; it is moved away.
    File(&'a Path),
    /// A small one that is in no file yet.
    Bytes(&'a [u8]),
}

impl<'a> Container<'a> {
    /// Opens it to read.
    ///
    /// # Errors
    /// Faults of our own folders.
    pub(crate) fn open(self) -> Result<Source<'a>, Error> {
        Ok(match self {
            Self::Bytes(bytes) => Source::Bytes(Cursor::new(bytes)),
            Self::File(path) => {
                let file = File::open(path).map_err(at("opened", path))?;
                Source::File(BufReader::with_capacity(64 * 1024, file))
            }
        })
    }

    fn measure(self) -> Result<(u64, envelope::Digest), Error> {
        let measured = match self {
            Self::Bytes(bytes) => {
                envelope::container::measure(bytes).map_err(at("read", Path::new(CONTAINER)))?
            }
            Self::File(path) => measure(path)?,
        };
        Ok((measured.size, measured.sha256))
    }
}

fn measure(path: &Path) -> Result<envelope::container::Measure, Error> {
    let file = File::open(path).map_err(at("opened", path))?;
    envelope::container::measure(file).map_err(at("read", path))
}

/// Where it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Hidden name, relative to the delivery folder.
    pub staged: String,
    /// Final name, relative to the delivery folder.
    pub delivered: String,
    /// Its folder, relative to the archive.
    pub archive: String,
}

/// Copies the files out, moves the container. Leftovers of an earlier try are replaced. Durable after [`settle`].
///
/// # Errors
/// Faults of our own folders; the container is where it was or in the archive.
pub fn stage(config: &NodeConfig, arrived: &Arrived<'_>, _now: i64) -> Result<(Staged, Batch), Error> {
    let row = arrived.row;
    let mailbox = safe(&row.offer.recipient, 40);
    let box_path = config.folders.inbox.join(&mailbox);
    let mut folders = Vec::new();
    let box_place = make_all(INBOX, &config.folders.inbox, Path::new(&mailbox), &mut folders)?;
    let hidden = format!(".staged-{}", row.id);
    let plain_name = folder_name(row, arrived.about);
    // The row's number makes it this document's alone: all else in the name is the sender's choice, and what lies under
    // another's name is never removed.
    let archive = match &arrived.kept {
        Some(kept) => kept.clone(),
        None => month(row.offered_at).join(format!("{mailbox}-{plain_name}-{}", row.id)),
    };
    let name = free_name(&box_path, plain_name);
    let kept = config.folders.archive.join(&archive);
    remove_all(INBOX, &box_path.join(&hidden))?;
    if arrived.kept.is_none() {
        remove_all(ARCHIVE, &kept)?;
    }
    let keep = make_all(ARCHIVE, &config.folders.archive, &archive, &mut folders)?;
    let staged = box_place.make_folder(OsStr::new(&hidden)).map_err(at("made", &box_path.join(&hidden)))?;
    let mut container = arrived.container.open()?;
    let mut made = Vec::with_capacity(arrived.files.len() + 2);
    for file in arrived.files {
        let path = staged.path().join(&file.name);
        let mut out = staged.make(OsStr::new(&file.name)).map_err(at("made", &path))?;
        copy_file(&mut container, file, &mut out)
            .map_err(|source| Error::Copy { name: file.name.clone(), source })?;
        made.push((out, path));
    }
    let mut beside = |name: &str, bytes: &[u8]| -> Result<(), Error> {
        if arrived.kept.is_some() {
            return Ok(());
        }
        let path = keep.path().join(name);
        let mut out = keep.make(OsStr::new(name)).map_err(at("made", &path))?;
        out.write_all(bytes).map_err(at("written", &path))?;
        made.push((out, path));
        Ok(())
    };
    beside("receipt.der", &row.offer.receipt)?;
    if !arrived.warnings.is_empty() {
        beside("warnings.txt", arrived.warnings.as_bytes())?;
    }
    match arrived.container {
        Container::Bytes(bytes) => beside(CONTAINER, bytes)?,
        Container::File(path) if arrived.kept.is_none() => move_file(path, &keep)?,
        Container::File(_) => {}
    }
    let mut batch = Batch::default();
    for (file, path) in made {
        batch.file(file, path);
    }
    batch.folder(INBOX, staged.path());
    batch.folder(ARCHIVE, &kept);
    batch.folder(INBOX, &box_path);
    for (name, folder) in folders {
        batch.folder(name, &folder);
    }
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let staged = Staged {
        staged: format!("{mailbox}/{hidden}"),
        delivered: format!("{mailbox}/{name}"),
        archive: shown(&archive),
    };
    Ok((staged, batch))
}

/// Makes what was staged durable. Waits for the disk and for nothing else.
///
/// # Errors
/// Faults of our own folders; then all of it is to be staged anew.
pub fn settle(batch: Batch) -> Result<(), Error> {
    batch.sync().map_err(|(source, path)| Error::File { path, during: "synced", source })
}

/// The folder in the archive that holds exactly this container: after a restore the archive may be ahead of the database.
/// Looked for by the names that [`stage`] gives, from the month of acceptance on.
///
/// # Errors
/// Faults of our own folders.
pub fn kept_before(
    config: &NodeConfig,
    row: &InboundRow,
    container: Container<'_>,
) -> Result<Option<PathBuf>, Error> {
    let begin = format!("{}-", safe(&row.offer.recipient, 40));
    let sender = format!("-{}-", safe(&row.offer.sender, 40));
    let id = format!("-{}-", hex(row.offer.document.get(..4).unwrap_or_default()));
    let (ours, first) = (container.measure()?, month(row.offer.accepted_at));
    let archive = &config.folders.archive;
    for year in folders(archive)? {
        for month in folders(&archive.join(&year))? {
            let below = Path::new(&year).join(month);
            if below < first {
                continue;
            }
            for name in folders(&archive.join(&below))? {
                let text = name.to_string_lossy();
                if !(text.starts_with(&begin) && text.contains(&sender) && text.contains(&id)) {
                    continue;
                }
                let kept = archive.join(&below).join(&name).join(CONTAINER);
                if kept.is_file() && Container::File(&kept).measure()? == ours {
                    return Ok(Some(below.join(name)));
                }
            }
        }
    }
    Ok(None)
}

/// Takes back what was staged for the delivery folder; the archive keeps its part.
///
/// # Errors
/// Faults of our own folders.
pub fn unstage(config: &NodeConfig, staged: Staged) -> Result<Staged, Error> {
    remove_all(INBOX, &config.folders.inbox.join(plain(&staged.staged)?))?;
    Ok(Staged { staged: String::new(), delivered: String::new(), ..staged })
}

/// The hidden folder, to be scanned.
#[must_use]
pub fn staged_path(config: &NodeConfig, staged: &str) -> PathBuf {
    config.folders.inbox.join(staged)
}

/// Removes what was staged, container and all.
///
/// # Errors
/// Faults of our own folders.
pub fn discard(config: &NodeConfig, staged: &Staged) -> Result<(), Error> {
    remove_all(INBOX, &config.folders.inbox.join(plain(&staged.staged)?))?;
    remove_all(ARCHIVE, &config.folders.archive.join(plain(&staged.archive)?))
}

/// Renames into place; what is gone was delivered and taken. Done again, it does nothing.
///
/// # Errors
/// Faults of our own folders; [`Error::Exists`] if somebody put something by that name there.
pub fn deliver(config: &NodeConfig, staged: &str, delivered: &str) -> Result<(), Error> {
    let inbox = &config.folders.inbox;
    let (from, to) = (inbox.join(plain(staged)?), inbox.join(plain(delivered)?));
    let parent = to.parent().unwrap_or(inbox);
    // a folder is never renamed onto a folder that holds something; onto an empty one it would be
    if from.symlink_metadata().is_err() {
        return Ok(());
    }
    if to.symlink_metadata().is_ok() {
        return Err(Error::Exists(to));
    }
    crate::start::make_folders(parent).map_err(at("made", parent))?;
    durable::rename(INBOX, &from, &to).map_err(at("renamed", &from))?;
    sync(INBOX, parent)
}

/// Removes hidden leftovers that no row names; says how many. `known` are the staged names of rows not delivered yet.
///
/// # Errors
/// Faults of our own folders.
pub fn recover(config: &NodeConfig, known: &[String]) -> Result<usize, Error> {
    let inbox = &config.folders.inbox;
    let mut removed = 0;
    for mailbox in folders(inbox)? {
        for name in folders(&inbox.join(&mailbox))? {
            let Some(text) = name.to_str().filter(|n| n.starts_with(".staged-")) else { continue };
            let staged = format!("{}/{text}", mailbox.to_string_lossy());
            if !known.contains(&staged) {
                remove_all(INBOX, &inbox.join(&mailbox).join(&name))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Date, sender, number and the beginning of the id: what a person looks for, and mostly unique.
fn folder_name(row: &InboundRow, about: &About) -> String {
    let at = jiff::Timestamp::from_millisecond(row.offered_at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = at.to_zoned(zone()).strftime("%Y%m%d").to_string();
    let id = hex(row.offer.document.get(..4).unwrap_or_default());
    let mut parts = vec![date, safe(&row.offer.sender, 40)];
    let number = safe(&about.number, 90);
    if !number.is_empty() {
        parts.push(number);
    }
    parts.push(id);
    parts.join("-")
}

/// The name, with a number if something has it.
fn free_name(folder: &Path, name: String) -> String {
    let taken = |name: &str| folder.join(name).symlink_metadata().is_ok();
    if !taken(&name) {
        return name;
    }
    (2..).map(|n| format!("{name}-{n}")).find(|name| !taken(name)).unwrap_or(name)
}

fn month(at: i64) -> PathBuf {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    PathBuf::from(at.to_zoned(zone()).strftime("%Y/%m").to_string())
}

/// Folder names go by Taiwan's calendar on every machine.
fn zone() -> TimeZone {
    TimeZone::get("Asia/Taipei").unwrap_or(TimeZone::UTC)
}

/// One step of a path out of somebody's text, at most `length` bytes: letters and digits of any script, a few signs.
pub(crate) fn safe(text: &str, length: usize) -> String {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '（' | '）' | '(' | ')');
    let kept = text.chars().filter(|c| !c.is_control() && !c.is_whitespace());
    let mut out: String = kept.map(|c| if good(c) { c } else { '_' }).collect();
    while out.len() > length {
        out.pop();
    }
    out.trim_start_matches('.').trim_end_matches(['.', '_']).to_owned()
}

/// A recorded name must stay below its folder.
fn plain(name: &str) -> Result<&Path, Error> {
    let path = Path::new(name);
    let good = !name.is_empty() && path.components().all(|c| matches!(c, Component::Normal(_)));
    good.then_some(path).ok_or_else(|| Error::Name(name.to_owned()))
}

/// A container being read.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    File(BufReader<File>),
    Bytes(Cursor<&'a [u8]>),
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Bytes(bytes) => bytes.seek(to),
        }
    }
}

/// Opens a folder below one, making what is missing. Those in which one was made are `changed`: durable once they are synced.
fn make_all(
    name: &'static str,
    root: &Path,
    below: &Path,
    changed: &mut Vec<(&'static str, PathBuf)>,
) -> Result<Place, Error> {
    crate::start::make_folders(root).map_err(at("made", root))?;
    let mut place = Place::root(name, root).map_err(at("opened", root))?;
    for step in below.iter() {
        let path = place.path().join(step);
        place = match place.folder(step) {
            Ok(next) => next,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = place.make_folder(step).or_else(|e| {
                    // another worker was faster
                    if e.kind() == io::ErrorKind::AlreadyExists { place.folder(step) } else { Err(e) }
                });
                changed.push((name, place.path().to_owned()));
                made.map_err(at("made", &path))?
            }
            Err(e) => return Err(at("opened", &path)(e)),
        };
    }
    Ok(place)
}

/// The verified container becomes the archived one: renamed, or copied where the archive is on another file system.
fn move_file(from: &Path, to: &Place) -> Result<(), Error> {
    let target = to.path().join(CONTAINER);
    match durable::rename(ARCHIVE, from, &target) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
            let mut source = File::open(from).map_err(at("opened", from))?;
            let mut out = to.make(OsStr::new(CONTAINER)).map_err(at("made", &target))?;
            out.copy_from(&mut source).map_err(at("copied", &target))?;
            out.sync_all().map_err(at("synced", &target))?;
            durable::remove(ARCHIVE, from).map_err(at("removed", from))
        }
        other => other.map_err(at("renamed", from)),
    }
}

fn folders(path: &Path) -> Result<Vec<OsString>, Error> {
    let listing = match std::fs::read_dir(path) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at("read", path)(e)),
    };
    let folders = listing.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|e| e.file_name()).collect())
}

fn remove_all(name: &'static str, path: &Path) -> Result<(), Error> {
    match durable::remove_all(name, path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at("removed", path)(e)),
        _ => Ok(()),
    }
}

fn sync(name: &'static str, folder: &Path) -> Result<(), Error> {
    durable::sync_folder(name, folder).map_err(at("synced", folder))
}

fn at(during: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + 'static {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), during, source }
}

const CONTAINER: &str = "container.asice";
/// The names of these places at the points of `durable`.
const INBOX: &str = "inbox";
const ARCHIVE: &str = "archive";

#[cfg(test)]
mod tests {
    use super::*;
    use store::inbound::Offer;

    fn row(id: i64, document: u8) -> InboundRow {
        let offer = Offer {
            sender: "A11020200F".into(),
            recipient: "A99000000Z".into(),
            document: [document; 16],
            receipt: b"receipt".to_vec(),
            ..Offer::default()
        };
        InboundRow {
            id,
            state: store::state::Inbound::Fetched,
            offer,
            epoch: [0; 16],
            offered_at: 1_795_190_400_000, // 2026-11-21 00:00 in Taiwan, the day before in UTC
            changed_at: 0,
            archived_at: None,
            delivered_at: None,
            about: About::default(),
            digest: [0; 32],
            size: 0,
            file: String::new(),
            staged: String::new(),
            delivered: String::new(),
            archive: String::new(),
            duplicate_of: None,
            warnings: String::new(),
            answer: false,
            receipt: None,
            notice: String::new(),
            notice_receipt: None,
            read_at: None,
            trouble: store::outbound::Trouble::default(),
        }
    }

    struct Desk {
        dir: tempfile::TempDir,
        config: NodeConfig,
    }

    impl Desk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut config = NodeConfig::default();
            config::Settings::resolve(&mut config, dir.path());
            Self { dir, config }
        }

        /// A container is any file here: the files are stored in it at their offsets.
        fn stage(&self, row: &InboundRow, number: &str) -> Staged {
            let path = self.dir.path().join("spool.tmp");
            std::fs::write(&path, "..<函/>attachment").unwrap();
            let file = |name: &str, role, offset, bytes: &[u8]| StoredFile {
                name: name.into(),
                role,
                size: bytes.len() as u64,
                sha256: envelope::sha256(bytes),
                offset,
            };
            let files = [
                file("來文.di", envelope::container::Role::Di, 2, "<函/>".as_bytes()),
                file("附件 1.pdf", envelope::container::Role::Attachment, 8, b"attachment"),
            ];
            let about = About { number: number.into(), ..About::default() };
            let arrived = Arrived {
                row,
                about: &about,
                container: Container::File(&path),
                files: &files,
                warnings: "old-edition",
                kept: None,
            };
            let (staged, batch) = stage(&self.config, &arrived, 0).unwrap();
            settle(batch).unwrap();
            assert!(!path.exists(), "the container was moved, not copied");
            staged
        }

        fn inbox(&self) -> Vec<String> {
            let mut names: Vec<String> = folders(&self.config.folders.inbox.join("A99000000Z"))
                .unwrap()
                .into_iter()
                .map(|n| n.into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn staged_hidden_then_delivered_once_and_never_made_again() {
        let desk = Desk::new();
        let staged = desk.stage(&row(7, 0xab), "院臺字第1150000123號");
        assert_eq!(staged.staged, "A99000000Z/.staged-7");
        assert_eq!(staged.delivered, "A99000000Z/20261121-A11020200F-院臺字第1150000123號-abababab");
        assert_eq!(desk.inbox(), [".staged-7"]);
        let kept = desk.config.folders.archive.join(&staged.archive);
        assert!(staged.archive.starts_with("2026/11/A99000000Z-20261121-"));
        assert_eq!(std::fs::read(kept.join("container.asice")).unwrap(), "..<函/>attachment".as_bytes());
        assert_eq!(std::fs::read(kept.join("receipt.der")).unwrap(), b"receipt");

        deliver(&desk.config, &staged.staged, &staged.delivered).unwrap();
        let folder = desk.config.folders.inbox.join(&staged.delivered);
        assert_eq!(std::fs::read(folder.join("來文.di")).unwrap(), "<函/>".as_bytes());
        assert_eq!(std::fs::read(folder.join("附件 1.pdf")).unwrap(), b"attachment");
        deliver(&desk.config, &staged.staged, &staged.delivered).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        deliver(&desk.config, &staged.staged, &staged.delivered).unwrap();
        assert_eq!(desk.inbox(), [""; 0], "taken, not made again");
        assert!(kept.join("container.asice").exists(), "the archive is apart");
    }

    #[test]
    fn an_earlier_try_is_replaced_and_orphans_go_at_start() {
        let desk = Desk::new();
        let first = desk.stage(&row(7, 1), "1");
        let again = desk.stage(&row(7, 1), "1");
        assert_eq!(first, again);
        let other = desk.stage(&row(8, 2), "1");
        assert_eq!(recover(&desk.config, std::slice::from_ref(&again.staged)).unwrap(), 1);
        assert_eq!(desk.inbox(), [".staged-7"]);
        discard(&desk.config, &again).unwrap();
        assert_eq!(desk.inbox(), [""; 0]);
        assert!(!desk.config.folders.archive.join(&again.archive).exists());
        assert!(desk.config.folders.archive.join(&other.archive).exists(), "kept: a container is never lost");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_is_never_overwritten() {
        let desk = Desk::new();
        let first = desk.stage(&row(1, 5), "");
        deliver(&desk.config, &first.staged, &first.delivered).unwrap();
        let second = desk.stage(&row(2, 5), "");
        assert_eq!(second.delivered, format!("{}-2", first.delivered));
        std::fs::create_dir(desk.config.folders.inbox.join(&second.delivered)).unwrap();
        let error = deliver(&desk.config, &second.staged, &second.delivered).unwrap_err();
        assert_eq!((error.label(), error.class()), ("delivery-name", store::Class::Wait));
    }

    #[test]
    fn what_a_sender_writes_cannot_lead_out() {
        for (text, expected) in [
            ("../../etc/passwd", "_.._etc_passwd"),
            ("院臺字第 115 號", "院臺字第115號"),
            ("a/b\\c:d\u{202e}\n", "a_b_c_d"),
            ("....", ""),
        ] {
            assert_eq!(safe(text, 90), expected);
        }
        assert!(safe(&"函".repeat(200), 90).len() <= 90);
        let desk = Desk::new();
        let staged = desk.stage(&row(3, 9), "../../../../x");
        assert_eq!(staged.delivered.matches('/').count(), 1);
        for bad in ["../x", "/etc", "", "a/../../b"] {
            assert_eq!(deliver(&desk.config, bad, "A/b").unwrap_err().label(), "delivery-name");
        }
    }
}

//! What must hold when everything is settled, by the manifest and by everybody's own books.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use envelope::container::{self, Limits};
use envelope::trust::Anchors;
use store::Store;
use store::boxes::Filter;
use store::inbound::InboundRow;
use store::state::{Inbound, Line, Word};

use super::dice::Dice;
use super::house::{House, center};
use super::letters::{Letter, To, hex};

/// What is wrong; all zero when nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wrong {
    /// Copies that a recipient does not have, in its delivery folder or in its archive.
    pub lost: u64,
    /// Copies that are there more than once, letters that were sent twice.
    pub doubled: u64,
    /// Files that are not those that were dropped, states that differ between the sides or are not final.
    pub mismatched: u64,
    /// Evidence or receipts that do not verify.
    pub unverified: u64,
    /// Files left behind: in spool, work and staging, drafts, unfinished uploads.
    pub leftover: u64,
    /// Journals whose chain or database is broken.
    pub broken: u64,
    /// Of how many letters the evidence was exported and verified (on both sides).
    pub verified: u64,
}

/// Checks everything; every finding is printed. Evidence of at most `sample` letters is exported and verified, all of it
/// for a smaller run. Nobody may run.
///
/// # Panics
/// If the books cannot be read at all.
#[must_use]
pub fn check(house: &House, letters: &[Letter], sample: usize, dice: &mut Dice) -> Wrong {
    let mut wrong = Wrong::default();
    let mut ids = BTreeMap::new();
    for (node, code) in house.site.codes.iter().enumerate() {
        let store = house.store(node).expect("a node's store");
        if let Err(error) = store.check() {
            found(&mut wrong.broken, code, &format!("the journal or database: {error}"));
        }
        sent(&store, code, letters, &mut wrong, &mut ids);
        leftovers(house, node, &store, &mut wrong);
    }
    for node in 0..house.site.codes.len() {
        let store = house.store(node).expect("a node's store");
        received(house, node, &store, letters, &ids, &mut wrong);
    }
    at_center(house, letters, &ids, &mut wrong);
    let mut chosen: Vec<&Letter> = letters.iter().collect();
    dice.shuffle(&mut chosen);
    chosen.truncate(sample);
    for letter in chosen {
        evidence(house, letter, &ids, &mut wrong);
    }
    wrong
}

fn found(count: &mut u64, where_: &str, what: &str) {
    *count += 1;
    println!("WRONG at {where_}: {what}");
}

/// Every letter once in its sender's outbox, confirmed by all. Their ids by number.
fn sent(
    store: &Store,
    code: &str,
    letters: &[Letter],
    wrong: &mut Wrong,
    ids: &mut BTreeMap<String, [u8; 16]>,
) {
    let mut rows: BTreeMap<String, Vec<store::outbound::DocumentRow>> = BTreeMap::new();
    let mut filter = Filter { limit: 1_000, ..Filter::default() };
    loop {
        let page = store.outbox(&filter).expect("the outbox");
        let Some(last) = page.last() else { break };
        filter.before = Some((last.document.claimed_at, last.document.key));
        for row in page {
            rows.entry(row.document.di_name.clone()).or_default().push(row.document);
        }
    }
    for letter in letters.iter().filter(|letter| letter.from == code) {
        let mine = rows.get(&format!("{}.di", letter.number)).map(Vec::as_slice).unwrap_or_default();
        match mine {
            [] => found(&mut wrong.lost, code, &format!("{} was never claimed", letter.number)),
            [row] => {
                ids.insert(letter.number.clone(), row.id);
                let lines = store.lines(row.id).expect("its lines");
                let confirmed: BTreeSet<&str> = lines
                    .iter()
                    .filter(|line| line.state == Line::Confirmed)
                    .map(|line| line.recipient.as_str())
                    .collect();
                let due: BTreeSet<&str> = letter.to.iter().map(|to| to.code.as_str()).collect();
                if row.word != Word::Confirmed
                    || row.trouble.held
                    || confirmed != due
                    || lines.len() != due.len()
                {
                    found(
                        &mut wrong.mismatched,
                        code,
                        &format!("{} is {} ({})", letter.number, row.word, row.trouble.label),
                    );
                }
            }
            several => found(
                &mut wrong.doubled,
                code,
                &format!("{} was sent {} times", letter.number, several.len()),
            ),
        }
    }
}

/// Every copy once in the books, in the archive and in the delivery folder, with every byte.
fn received(
    house: &House,
    node: usize,
    store: &Store,
    letters: &[Letter],
    ids: &BTreeMap<String, [u8; 16]>,
    wrong: &mut Wrong,
) {
    let code = &house.site.codes.get(node).expect("a member").clone();
    let due: Vec<(&Letter, &To)> = letters
        .iter()
        .flat_map(|letter| letter.to.iter().filter(|to| to.code == *code).map(move |to| (letter, to)))
        .collect();
    let mut rows: BTreeMap<[u8; 16], Vec<InboundRow>> = BTreeMap::new();
    let mut filter = Filter { limit: 1_000, ..Filter::default() };
    let mut all = 0;
    loop {
        let page = store.inbox(&filter).expect("the inbox");
        let Some(last) = page.last() else { break };
        filter.before = Some((last.offered_at, last.id));
        for row in page {
            all += 1;
            rows.entry(row.offer.document).or_default().push(row);
        }
    }
    let expected = due.len() as u64 + house.before(node).received;
    for _ in expected..all {
        found(&mut wrong.doubled, code, "more letters in the books than were sent");
    }
    let delivered = by_letter(&house.folder(node, "inbox"));
    let pem = std::fs::read(house.site.dir.join("pki/anchors.pem")).expect("anchors");
    let anchors = Anchors::from_pem(&pem).expect("anchors");
    for (letter, to) in due {
        let number = &letter.number;
        let expected: BTreeMap<String, String> =
            letter.due_to(to).map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
        let mine = ids.get(number).and_then(|id| rows.get(id)).map(Vec::as_slice).unwrap_or_default();
        match mine {
            [] => found(&mut wrong.lost, code, &format!("{number} is not in the books")),
            [row] => {
                if row.state != Inbound::Confirmed || row.trouble.held {
                    found(&mut wrong.mismatched, code, &format!("{number} is {}", row.state));
                }
                match archived(
                    &house.folder(node, "archive").join(&row.archive),
                    &anchors,
                    row.offer.accepted_at,
                ) {
                    Ok(files) if files == expected => {}
                    Ok(_) => {
                        found(&mut wrong.mismatched, code, &format!("{number}: other files in the archive"))
                    }
                    Err(error) => found(&mut wrong.lost, code, &format!("{number} in the archive: {error}")),
                }
            }
            several => {
                found(&mut wrong.doubled, code, &format!("{number} is {} times in the books", several.len()))
            }
        }
        match delivered.get(&format!("{number}.di")).map(Vec::as_slice).unwrap_or_default() {
            [] => found(&mut wrong.lost, code, &format!("{number} was not delivered")),
            [folder] => match digests(folder) {
                Ok(files) if files == expected => {}
                _ => found(&mut wrong.mismatched, code, &format!("{number}: other files were delivered")),
            },
            several => {
                found(&mut wrong.doubled, code, &format!("{number} was delivered {} times", several.len()))
            }
        }
    }
}

/// The folders in which each DI lies, by its name. What is still on its way there has a name with a dot.
fn by_letter(inbox: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut folders: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in below(inbox) {
        let hidden = file.strip_prefix(inbox).is_ok_and(|path| path.iter().any(is_hidden));
        if !hidden && file.extension().is_some_and(|ending| ending == "di") {
            let (Some(name), Some(folder)) = (file.file_name(), file.parent()) else { continue };
            folders.entry(name.to_string_lossy().into_owned()).or_default().push(folder.to_owned());
        }
    }
    folders
}

/// Name and digest of each file of the container in an archive folder, verified.
fn archived(folder: &Path, anchors: &Anchors, at: i64) -> Result<BTreeMap<String, String>, String> {
    let path = folder.join("container.asice");
    let mut file = File::open(&path).map_err(|e| e.to_string())?;
    let verified =
        container::verify(&mut file, anchors, at, &Limits::default()).map_err(|e| e.to_string())?;
    Ok(verified.files.iter().map(|file| (file.name.clone(), hex(&file.sha256))).collect())
}

/// Name and digest of each file in a folder.
fn digests(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    std::fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, hex(&envelope::sha256(&std::fs::read(entry.path())?))))
        })
        .collect()
}

/// Nothing lies about that no row names.
fn leftovers(house: &House, node: usize, store: &Store, wrong: &mut Wrong) {
    let code = house.site.codes.get(node).expect("a member").clone();
    let mut left =
        |path: &Path, what: &str| found(&mut wrong.leftover, &code, &format!("{what}: {}", path.display()));
    let before = &house.before(node).failed;
    for name in ["drop", "work", "failed"] {
        for file in below(&house.folder(node, name)).iter().filter(|file| !before.contains(*file)) {
            left(file, "left in a folder that should be empty");
        }
    }
    for name in store.spool().orphans(&store.spool_names().expect("the spool's names")).expect("the spool") {
        left(Path::new(&name), "a file of the spool that no row names");
    }
    for name in ["sent", "inbox", "archive", "state"] {
        let folder = house.folder(node, name);
        for file in below(&folder) {
            // by which a node knows its delivery folder again after a restore
            let mark = file.strip_prefix(&folder).is_ok_and(|path| path == Path::new(".di-node-inbox"));
            if !mark && file.strip_prefix(&folder).is_ok_and(|path| path.iter().any(is_hidden)) {
                left(&file, "a hidden file");
            }
        }
    }
    let mut named = BTreeSet::new();
    let mut filter = Filter { limit: 1_000, ..Filter::default() };
    loop {
        let page = store.inbox(&filter).expect("the inbox");
        let Some(last) = page.last() else { break };
        filter.before = Some((last.offered_at, last.id));
        named.extend(page.into_iter().map(|row| house.folder(node, "archive").join(row.archive)));
    }
    for file in below(&house.folder(node, "archive")) {
        if !file.parent().is_some_and(|folder| named.contains(folder)) {
            left(&file, "in the archive, and no row names it");
        }
    }
}

/// Every part settled with 使用者確認 by everybody, no body or upload without a row.
fn at_center(house: &House, letters: &[Letter], ids: &BTreeMap<String, [u8; 16]>, wrong: &mut Wrong) {
    let db = center(&house.site).expect("the center's database");
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).expect("checked");
    if verdict != "ok" {
        found(&mut wrong.broken, "center", &verdict);
    }
    let confirmed = envelope::receipt::Verdict::Confirmed as u8;
    for letter in letters {
        let Some(id) = ids.get(&letter.number) else { continue };
        let sql = "SELECT l.recipient, l.verdict FROM line l JOIN part p ON p.id = l.part WHERE p.document = ?1 AND p.member = ?2";
        let lines: Vec<(String, Option<u8>)> = db
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_map((id, &letter.from), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .expect("mailbox lines");
        let settled: BTreeSet<&str> =
            lines.iter().filter(|(_, v)| *v == Some(confirmed)).map(|(code, _)| code.as_str()).collect();
        let due: BTreeSet<&str> = letter.to.iter().map(|to| to.code.as_str()).collect();
        if lines.len() > due.len() {
            found(
                &mut wrong.doubled,
                "center",
                &format!("{} has {} mailbox lines", letter.number, lines.len()),
            );
        } else if settled != due {
            found(&mut wrong.mismatched, "center", &format!("{} is not settled", letter.number));
        }
    }
    let named: BTreeSet<String> = db
        .prepare(
            "SELECT file FROM part WHERE file IS NOT NULL AND gone IS NULL UNION ALL SELECT file FROM upload",
        )
        .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
        .expect("names of bodies");
    for file in ["bodies", "uploads"].iter().flat_map(|name| below(&house.site.dir.join("center").join(name)))
    {
        let known = file.file_name().is_some_and(|name| named.contains(&*name.to_string_lossy()));
        if !known || file.parent().is_some_and(|folder| folder.ends_with("uploads")) {
            found(&mut wrong.leftover, "center", &format!("{}", file.display()));
        }
    }
}

/// `di-node export` and `di-node verify` of every evidence file and receipt, on both sides.
fn evidence(house: &House, letter: &Letter, ids: &BTreeMap<String, [u8; 16]>, wrong: &mut Wrong) {
    let Some(id) = ids.get(&letter.number) else { return };
    let all_right = std::iter::once(&letter.from).chain(letter.to.iter().map(|to| &to.code)).all(|code| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("out");
        let exported = house.site.di_node(code, &["export", &hex(id), "--output", &out.to_string_lossy()]);
        let mut verified = 0;
        for file in std::fs::read_dir(&out).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|ending| ending == "zip" || ending == "der") {
                let said = house.site.di_node(code, &["verify", &path.to_string_lossy()]);
                if !said.status.success() {
                    let text = String::from_utf8_lossy(&said.stdout);
                    found(
                        &mut wrong.unverified,
                        code,
                        &format!("{} of {}: {text}", path.display(), letter.number),
                    );
                    return false;
                }
                verified += 1;
            }
        }
        // The container's evidence, the center's receipt, the recipient's.
        if !exported.status.success() || verified < 3 {
            let text = String::from_utf8_lossy(&exported.stderr);
            found(
                &mut wrong.unverified,
                code,
                &format!("{}: {verified} files exported {text}", letter.number),
            );
            return false;
        }
        true
    });
    wrong.verified += u64::from(all_right);
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Every file below a folder, empty folders too.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let inner = below(&path);
            if inner.is_empty() && folder.file_name().is_some_and(|name| name == "drop" || name == "work") {
                out.push(path);
            } else {
                out.extend(inner);
            }
        } else {
            out.push(path);
        }
    }
    out
}

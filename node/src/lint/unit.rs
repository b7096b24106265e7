//! A DI and what lies beside it: files that it names, files that it does not name, and its roster.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use di_format::{Companion, Limits, Reading, Role, cross_check};

use super::{Item, item, load, of_problem};
use crate::table::plain;
use crate::words;

/// At most so many names of a folder are looked at.
const MANY: usize = 10_000;

/// A file near the DI.
struct Near {
    name: String,
    path: PathBuf,
    /// In the folder for attachments instead of the DI's own.
    attached: bool,
}

/// Everything that is said about the DI's companions; all of it is a warning, only the drop folder refuses.
pub(super) fn check(path: &Path, bytes: &[u8], reading: &Reading, given: &[PathBuf]) -> Vec<Item> {
    if reading.letter.is_none() {
        return Vec::new();
    }
    let near = near(path);
    let mut items = Vec::new();
    let mut taken: HashSet<&Path> = HashSet::new();
    let mut roster = None;
    for companion in reading.companions() {
        let found = find(&near, given, &companion.file);
        if companion.role == Role::Roster {
            roster = found.map(|(path, _)| path.to_owned());
        }
        taken.extend(found.map(|(path, _)| path));
        if companion.role == Role::Unreferenced {
            continue;
        }
        match found {
            None => items.push(about(reading, companion, "companion-missing", "")),
            Some((_, name)) if name != companion.file => {
                items.push(about(reading, companion, "companion-case", name));
            }
            Some(_) => {}
        }
    }
    let roster = roster.or_else(|| of_same_stem(path, &near)).or_else(|| only_pair(path, given));
    items.extend(unnamed(path, reading, &near, &taken, roster.as_deref()));
    if let Some(roster) = roster {
        items.extend(crossed(bytes, &roster));
    }
    items
}

/// What lies beside the DI and in `Attch/` (in any case), sorted by name.
fn near(di: &Path) -> Vec<Near> {
    let folder = match di.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut all = Vec::new();
    let mut attached = Vec::new();
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().take(MANY);
    for entry in entries(folder) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() {
            if name.eq_ignore_ascii_case("attch") {
                attached.push(entry.path());
            }
        } else {
            all.push(Near { name, path: entry.path(), attached: false });
        }
    }
    for entry in attached.iter().flat_map(|folder| entries(folder)) {
        if let (Ok(name), false) = (entry.file_name().into_string(), entry.path().is_dir()) {
            all.push(Near { name, path: entry.path(), attached: true });
        }
    }
    all.sort_by(|a, b| (a.attached, &a.name).cmp(&(b.attached, &b.name)));
    all
}

/// A named file with the name that it really has: beside the DI, in `Attch/`, among the files given; in each of them the
/// exact name first, then the only one that differs in case.
fn find<'a>(near: &'a [Near], given: &'a [PathBuf], name: &str) -> Option<(&'a Path, &'a str)> {
    let folded = name.to_lowercase();
    let pick = |all: Vec<(&'a Path, &'a str)>| {
        if let Some(exact) = all.iter().find(|(_, one)| *one == name) {
            return Some(*exact);
        }
        let mut like = all.into_iter().filter(|(_, one)| one.to_lowercase() == folded);
        like.next().filter(|_| like.next().is_none())
    };
    let of = |attached| near.iter().filter(move |one| one.attached == attached);
    let listed = |attached| of(attached).map(|one| (one.path.as_path(), one.name.as_str())).collect();
    let given = || {
        let named = |path: &'a PathBuf| Some((path.as_path(), path.file_name()?.to_str()?));
        given.iter().filter(|path| path.is_file()).filter_map(named).collect()
    };
    pick(listed(false)).or_else(|| pick(listed(true))).or_else(|| pick(given()))
}

fn ends(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|one| one.eq_ignore_ascii_case(extension))
}

fn stem(name: &str) -> String {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase()
}

fn own_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The SW with the DI's own stem.
fn of_same_stem(di: &Path, near: &[Near]) -> Option<PathBuf> {
    let wanted = stem(own_name(di));
    near.iter().find(|one| ends(&one.name, "sw") && stem(&one.name) == wanted).map(|one| one.path.clone())
}

/// The SW of `lint a.di b.sw`: one of each was given.
fn only_pair(di: &Path, given: &[PathBuf]) -> Option<PathBuf> {
    let mut rosters = given.iter().filter(|path| ends(own_name(path), "sw"));
    let first = rosters.next()?;
    let alone = rosters.next().is_none();
    let letters = given.iter().filter(|path| !ends(own_name(path), "sw")).count();
    (alone && letters == 1 && given.iter().any(|path| path == di)).then(|| first.clone())
}

/// Files that seem to belong to the DI and that it does not name. They do if their names begin as the DI's or its SW's does;
/// if the folder holds no other DI and one of the files that this one names, all of them do.
fn unnamed(
    di: &Path,
    reading: &Reading,
    near: &[Near],
    taken: &HashSet<&Path>,
    roster: Option<&Path>,
) -> Vec<Item> {
    let own = own_name(di);
    let stems: Vec<String> =
        [Some(own), roster.map(own_name)].into_iter().flatten().map(stem).filter(|s| !s.is_empty()).collect();
    let alone = near.iter().filter(|one| ends(&one.name, "di")).count() <= 1;
    let whole = alone && near.iter().any(|one| taken.contains(one.path.as_path()));
    let follows = |name: &str, stem: &str| {
        name.strip_prefix(stem).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let length = stems.iter().map(String::len).max().unwrap_or(0);
    let units = near.iter().filter(|one| ends(&one.name, "di") || ends(&one.name, "sw"));
    let longer: HashSet<String> =
        units.map(|one| stem(&one.name)).filter(|stem| stem.len() > length).collect();
    // what begins as a longer name of another DI does belongs to that one
    let begins = |name: &str| {
        let name = name.to_lowercase();
        stems.iter().any(|stem| follows(&name, stem)) && !longer.iter().any(|stem| follows(&name, stem))
    };
    let mut items = Vec::new();
    for one in near {
        let known = taken.contains(one.path.as_path()) || roster == Some(one.path.as_path());
        let other =
            (one.name == own && !one.attached) || ends(&one.name, "di") || one.name.starts_with(['.', '~']);
        if !known && !other && (whole || begins(&one.name)) {
            let label = "companion-unnamed";
            let message =
                format!("「{}」：{}。{}", plain(&one.name), words::what(label), words::remedy(label));
            items.push(item(label, "warning", (1, 1), &reading.root, message, false));
        }
    }
    items
}

/// One companion, at the line where its entity is declared.
fn about(reading: &Reading, companion: &Companion, label: &str, real: &str) -> Item {
    let entity = reading.entities.iter().find(|entity| entity.file == companion.file);
    let place = entity.map_or((1, 1), |entity| (entity.line, entity.column));
    let path = if entity.is_some() { "" } else { &reading.root };
    let mut what = format!("「{}」：{}", plain(&companion.file), words::what(label));
    if !real.is_empty() {
        what.push_str(&format!("，實際的檔名是「{}」", plain(real)));
    }
    item(label, "warning", place, path, format!("{what}。{}", words::remedy(label)), false)
}

/// The letter held against its roster.
fn crossed(di: &[u8], roster: &Path) -> Vec<Item> {
    let limits = Limits::default();
    // one more than is listed, so that the report knows of it
    let many = Limits { problems: limits.problems + 2, ..limits };
    let label = "roster-not-compared";
    let unusable = |why: &str| {
        let name = plain(own_name(roster));
        let what = format!("「{name}」（{why}）：{}", words::what(label));
        vec![item(label, "warning", (1, 1), "", format!("{what}。{}", words::remedy(label)), false)]
    };
    let Ok(bytes) = load(roster, &limits) else { return unusable("無法開啟") };
    let listed = di_format::read(&bytes, &limits);
    if listed.roster.is_none() || !listed.verdict.is_accepted() {
        return unusable(super::verdict(if listed.letter.is_some() { "" } else { listed.verdict.as_str() }));
    }
    cross_check(di, &bytes, &many).iter().map(of_problem).collect()
}

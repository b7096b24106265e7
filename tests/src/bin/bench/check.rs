//! Lost and doubled, by content: every file of every letter against what lies in the receiver's delivery folder and, in
//! a container, in its archive.

use std::collections::HashMap;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use envelope::container;
use tests::site::Site;

use crate::stage::{Digest, Unit, digest_of_file};

/// Letters, not files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// Something of it is missing or differs, in the delivery folder or in the archive.
    pub(crate) lost: usize,
    /// Something of it is there more than once.
    pub(crate) doubled: usize,
}

/// Looks until nothing is missing, for some seconds: the delivery is renamed into place just after the confirmation.
pub(crate) fn check(site: &Site, to: &str, units: &[Unit]) -> Counted {
    let start = Instant::now();
    loop {
        let counted = look(site, to, units);
        if counted.lost == 0 || start.elapsed() > Duration::from_secs(20) {
            return counted;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn look(site: &Site, to: &str, units: &[Unit]) -> Counted {
    let mut files: HashMap<&str, Found> = HashMap::new();
    for (name, digest) in units.iter().flat_map(|unit| &unit.files) {
        files.insert(name, Found { digest: *digest, delivered: 0, archived: 0 });
    }
    delivered(&site.folder(to, "inbox"), &mut files);
    archived(&site.folder(to, "archive"), &mut files);
    let of = |unit: &Unit| unit.files.iter().map(|(name, _)| files[name.as_str()]).collect::<Vec<_>>();
    let count = |wrong: fn(&Found) -> bool| units.iter().filter(|unit| of(unit).iter().any(wrong)).count();
    Counted {
        lost: count(|file| file.delivered == 0 || file.archived == 0),
        doubled: count(|file| file.delivered > 1 || file.archived > 1),
    }
}

/// How often exactly these bytes were found.
#[derive(Clone, Copy)]
struct Found {
    digest: Digest,
    delivered: u32,
    archived: u32,
}

fn delivered(folder: &Path, files: &mut HashMap<&str, Found>) {
    // Renamed just now.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            if !name.starts_with('.') {
                delivered(&path, files);
            }
        } else if let Some(found) = files.get_mut(&*name)
            && digest_of_file(&path).is_ok_and(|digest| digest == found.digest)
        {
            found.delivered += 1;
        }
    }
}

fn archived(folder: &Path, files: &mut HashMap<&str, Found>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            archived(&path, files);
        } else if entry.file_name() == "container.asice" {
            let mut source = BufReader::new(fs::File::open(&path).unwrap());
            let Ok(checked) = container::check(&mut source, &container::Limits::default()) else { continue };
            for file in &checked.files {
                if let Some(found) = files.get_mut(file.name.as_str())
                    && file.sha256 == found.digest
                {
                    found.archived += 1;
                }
            }
        }
    }
}

//! Taking a unit into memory: its DI is renamed out of the drop folder, and no copy is made of its files.
//!
//! In `work/` it is called `<id>~<where it lay>`, with `%` and `/` as `%25` and `%2F`: enough to put it back after a crash. It
//! stays there until the companions have gone, too.

use super::census::Census;
use super::claim::{
    Desk, Origin, Original, Setback, content_digest, digest_of, failed, return_to, safe_name,
};
use super::place::{Mark, Place};
use super::unit::{Key, Lists, Part, Search, Unit, search};
use super::{Error, hex, unhex};
use crate::act::memory::Room;
use di_format::Role;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Instant;
use store::Store;
use store::outbound::{Claim, Sealing};

/// Who signs and seals a unit before it is recorded.
pub(crate) trait AtOnce: Send + Sync {
    /// Whether one of so many bytes can be taken into memory now, and be it for that time only.
    fn may(&self, bytes: u64) -> Option<Room>;

    /// All bytes are given, in the order of the claim's files. `None` if it cannot be done at once, for whatever reason: then
    /// the unit is claimed first.
    fn seal(&self, claim: &Claim, files: Vec<Vec<u8>>) -> Option<Sealing>;

    /// Records both, once the DI is surely ours. False, and nothing is recorded, for what a claim would hold as a duplicate.
    fn record(&self, claim: Claim, sealing: Sealing) -> Result<bool, store::Error>;
}

/// Longest name that a file can have, bytes.
const LONGEST: usize = 255;

/// A unit in memory.
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) files: Vec<Vec<u8>>,
    /// What its DI is called in `work/`.
    pub(super) name: OsString,
}

impl Unit {
    /// All its files together.
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().fold(self.di.size, |sum, part| sum.saturating_add(part.mark.size))
    }
}

impl Desk {
    /// Takes a small unit. On a setback it is put back. `None` if its name is too long to be kept.
    pub(super) fn hold(&self, unit: &Unit, census: &Census) -> Result<Option<Held>, Setback> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Setback::Failed(Error::Random))?;
        let Some(name) = name(&hex(&id), &unit.key) else { return Ok(None) };
        unit.place.rename(&unit.key.di, &self.work, &name).map_err(|e| failed("renamed", unit, e))?;
        match self.read(unit, &name, census) {
            Ok((list, files)) => {
                let claim = Claim {
                    id,
                    drop_name: unit.key.shown(),
                    di_name: safe_name(&unit.key.di),
                    digest: content_digest(&list),
                    size: list.iter().map(|f| f.size).sum(),
                    files: list,
                    ..Claim::default()
                };
                Ok(Some(Held { claim, files, name }))
            }
            Err(setback) => {
                self.let_go(&unit.place, &unit.key, &name);
                Err(setback)
            }
        }
    }

    /// The DI back to where it was; it stays in `work/` at worst, and goes back at the next start.
    pub(super) fn let_go(&self, place: &Place, key: &Key, name: &OsStr) {
        if !return_to(&self.work, name, place, &key.di) {
            tracing::error!(
                di = key.shown(),
                "the DI could not be put back and stays in {}",
                self.work.path().display()
            );
        }
    }

    /// Makes it durable that a DI is no longer in the drop folder.
    pub(super) fn taken(&self, unit: &Unit) -> Result<(), Setback> {
        self.together.sync(|| self.work.sync()).map_err(|e| failed("synced", unit, e))
    }

    fn read(
        &self,
        unit: &Unit,
        name: &OsStr,
        census: &Census,
    ) -> Result<(Vec<store::outbound::File>, Vec<Vec<u8>>), Setback> {
        let io = |what| move |e| failed(what, unit, e);
        let (mut di, mark) = self.work.open(name).map_err(io("opened"))?;
        if !mark.same_content(&unit.di) {
            return Err(Setback::NotWhole("the DI changed"));
        }
        let own_name = safe_name(&unit.key.di);
        let (row, bytes) = whole(&mut di, &own_name, "di", &mark).map_err(io("read"))?;
        let (mut list, mut files) = (vec![row], vec![bytes]);
        for part in &unit.parts {
            // it names itself, or one file twice
            if part.mark.file == unit.di.file || list.iter().any(|f| f.name == part.called) {
                continue;
            }
            let opened = part.place(&unit.place).and_then(|place| place.open(&part.name));
            let (mut file, mark) = opened.map_err(io("opened"))?;
            if mark != part.mark {
                return Err(Setback::NotWhole("a companion changed"));
            }
            let (row, bytes) = whole(&mut file, &part.called, part.role, &mark).map_err(io("read"))?;
            list.push(row);
            files.push(bytes);
        }
        self.nobody_writes(unit, mark, census)?;
        Self::nothing_changed(unit, &self.work, name, &mark)?;
        Ok((list, files))
    }
}

/// All of a file as large as it was when it was looked at, and what a row says of it.
fn whole(
    file: &mut File,
    name: &str,
    role: &str,
    mark: &Mark,
) -> io::Result<(store::outbound::File, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(usize::try_from(mark.size).unwrap_or(0));
    let row = digest_of(&mut file.take(mark.size + 1), Some(&mut bytes), false, name, role, mark.size)?;
    // one that grows is not read to its end
    if row.size == mark.size { Ok((row, bytes)) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// What the DI of a unit is called in `work/`.
fn name(id: &str, key: &Key) -> Option<OsString> {
    let mut out = format!("{id}~").into_bytes();
    for (n, step) in key.folder.iter().chain(std::iter::once(&key.di)).enumerate() {
        if n > 0 {
            out.extend(b"%2F");
        }
        for byte in step.as_bytes() {
            match byte {
                b'%' => out.extend(b"%25"),
                other => out.push(*other),
            }
        }
    }
    (out.len() <= LONGEST).then(|| OsString::from_vec(out))
}

/// Which document, and where its DI lay, by a name in `work/`.
pub(super) fn named(name: &OsStr) -> Option<([u8; 16], Key)> {
    let bytes = name.as_bytes();
    let id = unhex(OsStr::from_bytes(bytes.get(..32)?))?;
    let lay = bytes.get(32..)?.strip_prefix(b"~")?;
    let mut steps = vec![Vec::new()];
    let mut rest = lay.iter();
    while let Some(byte) = rest.next() {
        match (byte, steps.last_mut()) {
            (b'%', _) => match (rest.next(), rest.next()) {
                (Some(b'2'), Some(b'F')) => steps.push(Vec::new()),
                (Some(b'2'), Some(b'5')) => steps.last_mut()?.push(b'%'),
                _ => return None,
            },
            (other, Some(step)) => step.push(*other),
            (_, None) => return None,
        }
    }
    let di = OsString::from_vec(steps.pop().filter(|step| !step.is_empty())?);
    let folder = steps.pop().map(OsString::from_vec);
    steps.is_empty().then_some((id, Key { folder, di }))
}

/// The originals of a recorded unit that are still there: after a crash nothing but their content tells.
pub(super) fn origin(drop: &Place, store: &Store, id: [u8; 16], key: Key) -> Origin {
    let Key { folder, di } = key;
    let place = folder.as_ref().map_or_else(|| Ok(drop.clone()), |folder| drop.folder(folder));
    let mut files = Vec::new();
    if let (Ok(place), Ok(rows)) = (place, store.files(id)) {
        let mut lists = Lists::default();
        for row in rows.iter().filter(|row| row.role != "di") {
            let role = if row.role == "sw" { Role::Roster } else { Role::Attachment };
            if let Ok(Search::Found(part)) = search(&place, &row.name, role, &mut lists, Instant::now())
                && is(&place, &part, row)
            {
                files.push(Original::of(&part));
            }
        }
    }
    Origin { folder, di, files }
}

fn is(beside: &Place, part: &Part, row: &store::outbound::File) -> bool {
    let Ok((mut file, mark)) = part.place(beside).and_then(|place| place.open(&part.name)) else {
        return false;
    };
    mark == part.mark
        && mark.size == row.size
        && whole(&mut file, &row.name, &row.role, &mark).is_ok_and(|(found, _)| found.sha256 == row.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_di_lay_is_told_by_its_name_in_the_work_folder() {
        let id = "00112233445566778899aabbccddeeff";
        let key = |folder: Option<&str>, di: &str| Key { folder: folder.map(Into::into), di: di.into() };
        for key in [key(None, "函.di"), key(Some("總務處 %2F"), "100%.di"), key(Some("~"), "%25.di")] {
            let name = name(id, &key).unwrap();
            assert!(!name.as_bytes().contains(&b'/'));
            assert_eq!(named(&name).unwrap(), (unhex(OsStr::new(id)).unwrap(), key));
        }
        assert_eq!(name(id, &key(None, &"函".repeat(84))), None, "longer than a name can be");
        for other in [id, "00112233445566778899aabbccddeeff~", "0011~x.di", &format!("{id}~%2G")[..]] {
            assert!(named(OsStr::new(other)).is_none(), "{other}");
        }
    }
}

//! The letters of a run, and the manifest: what was dropped, written and synced before it was.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::site::{Site, compose_letter, drop_files};

/// A letter as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Seven digits, no two alike; its DI is `NUMBER.di`.
    pub number: String,
    /// The sender's code.
    pub from: String,
    /// Its recipients.
    pub to: Vec<To>,
    /// Its files.
    pub files: Vec<Named>,
}

/// A recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct To {
    /// Code.
    pub code: String,
    /// Whether it gets the attachments.
    pub attachments: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Whether it is an attachment.
    pub attachment: bool,
}

impl Letter {
    /// Name and digest of what a recipient must get.
    pub fn due_to<'a>(&'a self, to: &'a To) -> impl Iterator<Item = (&'a str, &'a str)> {
        let due = self.files.iter().filter(|file| to.attachments || !file.attachment);
        due.map(|file| (file.name.as_str(), file.sha256.as_str()))
    }
}

/// The manifest's file: a JSON line for each letter.
#[derive(Debug)]
pub struct Manifest(File);

impl Manifest {
    /// A new one.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::options().create_new(true).append(true).open(path).map(Self)
    }

    /// Adds a letter; it is durable when this returns.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, letter: &Letter) -> io::Result<()> {
        let mut line = serde_json::to_vec(letter)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.sync_data()
    }

    /// Reads one back.
    ///
    /// # Errors
    /// The system's; a line that is no letter.
    pub fn read(path: &Path) -> io::Result<Vec<Letter>> {
        let text = std::fs::read_to_string(path)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Who writes to whom.
#[derive(Debug)]
pub struct Office {
    site: Site,
    dice: Dice,
    manifest: Manifest,
    dropped: Vec<Letter>,
}

impl Office {
    /// For the members of a site; most letters are from the first.
    #[must_use]
    pub const fn new(site: Site, seed: u64, manifest: Manifest) -> Self {
        Self { site, dice: Dice::new(seed), manifest, dropped: Vec::new() }
    }

    /// What was dropped so far.
    #[must_use]
    pub fn dropped(&self) -> &[Letter] {
        &self.dropped
    }

    /// Makes the next letter, enters it in the manifest, and drops it into its sender's folder.
    ///
    /// # Errors
    /// The system's.
    pub fn drop_next(&mut self) -> io::Result<()> {
        // One in five comes the other way: a key that signs also opens.
        let back = self.dice.roll(5) == 0;
        let all = self.dice.roll(3) == 0;
        let sizes = (0..self.dice.roll(4)).map(|_| size(&mut self.dice)).collect();
        self.drop_with(back, all, false, sizes)
    }

    /// [`Self::drop_next`] the chosen way: from the second member or from the first; rich ones to all, with attachments,
    /// one of them too large for memory, which the first recipient gets and the others do not; others without.
    ///
    /// # Errors
    /// The system's.
    pub fn drop_chosen(&mut self, back: bool, rich: bool) -> io::Result<()> {
        self.drop_with(back, rich, rich, if rich { vec![2_300_000, 3_000] } else { Vec::new() })
    }

    fn drop_with(&mut self, back: bool, all: bool, first: bool, sizes: Vec<usize>) -> io::Result<()> {
        let (letter, files) = self.compose(back, all, first, sizes);
        self.manifest.add(&letter)?;
        drop_files(&self.site.folder(&letter.from, "drop"), &files)?;
        self.dropped.push(letter);
        Ok(())
    }

    /// `all`: to all others; `first`: only the first of them gets the attachments.
    fn compose(
        &mut self,
        back: bool,
        all: bool,
        first: bool,
        sizes: Vec<usize>,
    ) -> (Letter, Vec<(String, Vec<u8>)>) {
        let number = format!("{:07}", 4_000_000 + self.dropped.len());
        let dice = &mut self.dice;
        let codes = &self.site.codes;
        let from = codes.get(usize::from(back)).expect("a site has members").clone();
        let mut others: Vec<&String> = codes.iter().filter(|code| **code != from).collect();
        dice.shuffle(&mut others);
        let named = (0..).zip(sizes);
        let attachments: Vec<(String, Vec<u8>)> =
            named.map(|(n, size): (usize, _)| (format!("{number}_{n}.bin"), dice.bytes(size))).collect();
        let to: Vec<To> = others
            .iter()
            .take(if all { others.len() } else { 1 })
            .enumerate()
            .map(|(n, code)| To {
                code: (*code).clone(),
                attachments: attachments.is_empty() || if first { n == 0 } else { dice.roll(3) > 0 },
            })
            .collect();
        let addressed: Vec<_> = to.iter().map(|to| (to.code.as_str(), to.attachments)).collect();
        let many = attachments.len();
        let files = compose_letter(&number, &from, &addressed, attachments);
        let named = files.iter().enumerate().map(|(n, (name, bytes))| Named {
            name: name.clone(),
            sha256: hex(&envelope::sha256(bytes)),
            attachment: n < many,
        });
        (Letter { files: named.collect(), number, from, to }, files)
    }
}

/// Mostly small, sometimes large: the center keeps up to 64 kB in its database, and above in files. About 30 kB on average,
/// of which eight copies lie about in the end: ten thousand letters fill some 4 GB.
fn size(dice: &mut Dice) -> usize {
    let bytes = match dice.roll(1_000) {
        0..800 => dice.between(1, 12_000),
        800..900 => dice.between(30_000, 100_000),
        900..940 => dice.between(200_000, 600_000),
        // never whole in memory
        _ => dice.between(2_200_000, 2_600_000),
    };
    usize::try_from(bytes).unwrap_or(1)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

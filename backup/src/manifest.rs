//! What a backup says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The newest layout of a backup that this program knows.
pub(crate) const FORMAT: u32 = 1;
/// The manifest's name in the folder.
pub(crate) const NAME: &str = "manifest.json";
/// The manifest's own digest, as `sha256sum` writes it.
pub(crate) const DIGEST: &str = "manifest.sha256";

/// Of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A member's node.
    Node,
    /// An exchange center.
    Center,
}

/// The end of a node's journal in the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Journal {
    /// How many lines.
    pub lines: u64,
    /// Hash of the last one, hexadecimal.
    pub head: String,
}

/// A file of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What a backup says of itself: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Layout of the backup.
    pub format: u32,
    /// Of what.
    pub kind: Kind,
    /// Version of the program that made it.
    pub program: String,
    /// The member's or the center's code.
    pub code: String,
    /// When the database was copied, Unix milliseconds UTC.
    pub created: i64,
    /// Schema of the database (`user_version`).
    pub schema: i64,
    /// The journal's end; a center has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// Whether the archive is in it; a center has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
    /// Files that a row names and that were not there: paths, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Files by their path in the backup, always with `/`.
    pub files: BTreeMap<String, Entry>,
}

impl Manifest {
    /// An empty one.
    #[must_use]
    pub fn new(kind: Kind, program: &str, code: &str) -> Self {
        Self {
            format: FORMAT,
            kind,
            program: program.to_owned(),
            code: code.to_owned(),
            created: 0,
            schema: 0,
            journal: None,
            archive: None,
            missing: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    /// All files together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.size).sum()
    }

    /// Files below a folder of the backup, with their paths relative to it.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        self.files
            .iter()
            .filter_map(move |(path, entry)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, entry)))
    }
}

/// Whether a path of a manifest stays in its folder.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && path.split('/').all(|step| !matches!(step, "" | "." | ".."))
}

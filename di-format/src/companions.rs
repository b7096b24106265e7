//! The files that a DI names.

use std::collections::HashMap;

use crate::extract;
use crate::tree::{Document, Node};
use crate::validate::{Entities, name_of};
use crate::{Entity, check_file_name};

/// What a file that the DI names is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The SW: the one that 交換表 names, or a declared `.sw` file where 受文者 names neither a roster nor a recipient.
    Roster,
    /// An attachment.
    Attachment,
    /// A DM (文書訊息檔).
    Message,
    /// Declared, but neither 交換表 nor 附件 refers to it.
    Unreferenced,
}

/// A file that the DI names and that belongs to the same unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Bare file name, checked by [`check_file_name`].
    pub file: String,
    /// What it is for.
    pub role: Role,
}

/// Collects the references of a document: the roster first, then the attachments, then what is only declared.
pub(crate) fn collect(
    document: &Document<'_>,
    entities: &Entities<'_>,
    declared: &[Entity],
) -> Vec<Companion> {
    let mut roles: HashMap<&str, Role> = HashMap::new();
    let mut files: Vec<(Role, &str)> = Vec::new();
    let mut inline = false;
    for node in document.root_element().descendants().filter(Node::is_element) {
        match name_of(node) {
            "受文者" => {
                let forms = ["全銜", "單位名", "姓名"];
                inline |= node.children().any(|child| child.is_element() && forms.contains(&name_of(child)));
            }
            "交換表" => {
                let entity = node.attribute("交換表單").unwrap_or_default().trim_matches(' ');
                if let Some(entity) = entities.get(entity) {
                    files.push((Role::Roster, &entity.file));
                }
            }
            "附件檔名" => {
                let value = node.attribute("附件名").unwrap_or_default();
                files.extend(extract::attachment_files(value, entities).map(|file| (Role::Attachment, file)));
            }
            _ => {}
        }
    }
    let mut unnamed_roster = !inline && files.iter().all(|(role, _)| *role != Role::Roster);
    for entity in declared {
        let role = if entity.name == "文書訊息表單" || entity.notation.eq_ignore_ascii_case("dm") {
            Role::Message
        } else if unnamed_roster && entity.file.to_ascii_lowercase().ends_with(".sw") {
            unnamed_roster = false;
            Role::Roster
        } else {
            Role::Unreferenced
        };
        files.push((role, &entity.file));
    }
    files.sort_by_key(|(role, _)| *role != Role::Roster); // stable: only the roster moves to the front
    files.retain(|(role, file)| check_file_name(file).is_ok() && roles.insert(file, *role).is_none());
    files.into_iter().map(|(role, file)| Companion { file: file.to_owned(), role }).collect()
}

//! The letters of the demonstration, as an office's document system would write them: exact bytes, CRLF, one of them
//! CP950. `.gitattributes` keeps git from touching them.

use std::fs;
use std::io;
use std::path::Path;

/// A unit to be dropped, and what must become of it.
pub(super) struct Letter {
    /// What it shows, for the narration.
    pub(super) shows: &'static str,
    /// 流水號, which tells the documents apart in the boxes.
    pub(super) serial: &'static str,
    /// Name and bytes of each file, the DI last: it is the commit mark.
    pub(super) files: &'static [(&'static str, &'static [u8])],
    /// How it must end.
    pub(super) end: End,
}

/// How a letter must end.
pub(super) enum End {
    /// Confirmed by each of these members (by their place), with all its files or without the attachments.
    Confirmed(&'static [(usize, With)]),
    /// Not sent, with this label.
    Refused(&'static str),
}

/// What a recipient gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// Everything.
    Attachments,
    /// DI and SW only (不含附件).
    Nothing,
}

macro_rules! file {
    ($unit:literal, $name:literal) => {
        ($name, include_bytes!(concat!("letters/", $unit, "/", $name)) as &[u8])
    };
}

pub(super) const LETTERS: &[Letter] = &[
    Letter {
        shows: "函（UTF-8），兩個中文檔名的附件，一個受文者",
        serial: "0000101",
        files: &[
            file!("attached", "閱讀推廣計畫書.txt"),
            file!("attached", "經費概算表.csv"),
            file!("attached", "1150000101.sw"),
            file!("attached", "1150000101.di"),
        ],
        end: End::Confirmed(&[(1, With::Attachments)]),
    },
    Letter {
        shows: "函（97 版，CP950），含碁銹裏墻恒粧嫺",
        serial: "0000102",
        files: &[
            file!("old", "115A000102-01.txt"),
            file!("old", "115A000102.sw"),
            file!("old", "1150000102.di"),
        ],
        end: End::Confirmed(&[(2, With::Attachments)]),
    },
    Letter {
        shows: "函，漏了主旨，必須退回並說明原因",
        serial: "0000103",
        files: &[file!("broken", "1150000103.sw"), file!("broken", "1150000103.di")],
        end: End::Refused("element-missing"),
    },
    Letter {
        shows: "書函，三個受文者：一個含附件、一個不含附件、一個不在交換表單（紙本）",
        serial: "0000104",
        files: &[
            file!("three", "活動海報.txt"),
            file!("three", "1150000104.sw"),
            file!("three", "1150000104.di"),
        ],
        end: End::Confirmed(&[(1, With::Attachments), (2, With::Nothing)]),
    },
];

impl Letter {
    /// Puts it into a drop folder, the DI last and by rename.
    #[expect(clippy::disallowed_methods, reason = "as a person would, from outside")]
    pub(super) fn drop_into(&self, folder: &Path) -> io::Result<()> {
        for (name, bytes) in self.files {
            let part = folder.join(format!("{name}.part"));
            fs::write(&part, bytes)?;
            fs::rename(&part, folder.join(name))?;
        }
        Ok(())
    }

    /// The files that a recipient must find, byte for byte.
    pub(super) fn files_for(&self, with: With) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        let wanted =
            move |name: &str| with == With::Attachments || name.ends_with(".di") || name.ends_with(".sw");
        self.files.iter().copied().filter(move |(name, _)| wanted(name))
    }
}

//! 函 and 簽, by their official DTDs.

use super::lists::present;
use super::out::Out;
use crate::Error;
use crate::letter::{Letter, Name, Number};
use crate::roster::Party;

impl Out {
    pub(super) fn letter(&mut self, letter: &Letter) -> Result<(), Error> {
        self.senders(&letter.senders)?;
        self.coded("函類別", Some(&letter.category))?;
        self.leaf("地址", &letter.address)?;
        present("聯絡方式", !letter.contacts.is_empty())?;
        for contact in &letter.contacts {
            self.leaf("聯絡方式", contact)?;
        }
        present("受文者", letter.recipient.is_some())?;
        self.recipient(letter)?;
        self.date(&letter.date)?;
        self.numbers(&letter.numbers)?;
        self.degrees(letter)?;
        self.attachments(&letter.attachments)?;
        self.subject("主旨", letter)?;
        self.paragraphs(&letter.paragraphs)?;
        present("正本", !letter.originals.is_empty())?;
        self.names("正本", &letter.originals)?;
        self.copies(&letter.copies)?;
        self.signatures(letter)
    }

    pub(super) fn memo(&mut self, letter: &Letter) -> Result<(), Error> {
        match letter.senders.as_slice() {
            [Party { name: Name::Unit(name), code, unit }] if code.is_empty() => {
                self.open("單位");
                self.leaf("單位名", name)?;
                if let Some(unit) = unit {
                    self.leaf("單位代碼", unit)?;
                }
                self.close("單位");
            }
            senders => self.senders(senders)?,
        }
        self.recipient(letter)?;
        match letter.numbers.first() {
            None => return Err(Error::Missing { element: "文號" }),
            Some(number @ Number::Parts { word, .. }) if word.is_empty() => self.parts(number)?,
            Some(number) => return Err(Error::Value { element: "文號", value: number.printed() }),
        }
        self.degrees(letter)?;
        if let Some(handling) = &letter.handling {
            self.coded("擬辦方式", Some(handling))?;
        }
        self.attachments(&letter.attachments)?;
        self.subject("主旨", letter)?;
        self.paragraphs(&letter.paragraphs)?;
        if !letter.submitted_to.is_empty() {
            self.open("敬陳");
            letter.submitted_to.iter().try_for_each(|person| self.superior(person))?;
            self.close("敬陳");
        }
        present("署名", !letter.signatures.is_empty())?;
        self.signatures(letter)?;
        self.leaf("年月日", &letter.date)
    }
}

//! The kinds without an official DTD, in the order that known producers have.

use super::lists::present;
use super::out::Out;
use crate::Error;
use crate::letter::Letter;
use crate::model::Kind;

impl Out {
    pub(super) fn order(&mut self, letter: &Letter) -> Result<(), Error> {
        self.senders(&letter.senders)?;
        present("令類別", !letter.category.is_empty())?;
        self.coded("令類別", Some(&letter.category))?;
        self.recipient(letter)?;
        self.date(&letter.date)?;
        self.numbers(&letter.numbers)?;
        self.degrees(letter)?;
        self.attachments(&letter.attachments)?;
        self.subject("主旨", letter)?;
        self.paragraphs(&letter.paragraphs)?;
        if !letter.originals.is_empty() {
            self.names("正本", &letter.originals)?;
        }
        self.copies(&letter.copies)?;
        self.signatures(letter)
    }

    pub(super) fn announcement(&mut self, letter: &Letter) -> Result<(), Error> {
        self.senders(&letter.senders)?;
        self.date(&letter.date)?;
        self.numbers(&letter.numbers)?;
        self.attachments(&letter.attachments)?;
        self.subject("主旨", letter)?;
        self.paragraphs(&letter.paragraphs)?;
        self.signatures(letter)
    }

    /// 開會通知單 and 會勘通知單.
    pub(super) fn notice(&mut self, letter: &Letter) -> Result<(), Error> {
        let (subject, time, place) = match letter.kind {
            Kind::InspectionNotice => ("會勘事由", "會勘時間", "會勘地點"),
            _ => ("開會事由", "開會時間", "開會地點"),
        };
        self.senders(&letter.senders)?;
        present("受文者", letter.recipient.is_some())?;
        self.recipient(letter)?;
        present("聯絡人及電話", !letter.contact_persons.is_empty())?;
        self.open("聯絡人及電話");
        for contact in &letter.contact_persons {
            self.person(&contact.person)?;
            self.leaf("電話", &contact.phone)?;
        }
        self.close("聯絡人及電話");
        self.date(&letter.date)?;
        self.numbers(&letter.numbers)?;
        self.degrees(letter)?;
        self.attachments(&letter.attachments)?;
        self.subject(subject, letter)?;
        present(time, !letter.times.is_empty())?;
        letter.times.iter().try_for_each(|when| self.time(time, when))?;
        self.wrapped(place, "文字", &letter.place)?;
        present("主持人", !letter.chairs.is_empty())?;
        self.open("主持人");
        letter.chairs.iter().try_for_each(|chair| self.person(chair))?;
        self.close("主持人");
        present("出席者", !letter.attendees.is_empty())?;
        self.names("出席者", &letter.attendees)?;
        if !letter.observers.is_empty() {
            self.names("列席者", &letter.observers)?;
        }
        self.copies(&letter.copies)?;
        if !letter.remarks.is_empty() {
            self.open("備註");
            self.paragraphs(&letter.remarks)?;
            self.close("備註");
        }
        self.signatures(letter)
    }

    /// 簽稿會核單.
    pub(super) fn consultation(&mut self, letter: &Letter) -> Result<(), Error> {
        self.recipient(letter)?;
        self.senders(&letter.senders)?;
        self.subject("案情摘要", letter)?;
        self.wrapped("承辦單位", "單位名", &letter.responsible)?;
        if let Some(number) = &letter.received_number {
            self.number("收文字號", number)?;
        }
        present("受會單位", !letter.opinions.is_empty())?;
        for one in &letter.opinions {
            self.wrapped("受會單位", "單位名", &one.unit)?;
            let [opinion] = one.opinion.as_slice() else {
                return Err(match one.opinion.first() {
                    None => Error::Missing { element: "會核意見" },
                    Some(first) => Error::NoPlace {
                        root: letter.kind.root(),
                        element: "會核意見",
                        value: first.name.clone(),
                    },
                });
            };
            self.open("會核意見");
            self.paragraphs(std::slice::from_ref(opinion))?;
            self.close("會核意見");
            self.moment("收會時間", &one.received)?;
            self.moment("會畢時間", &one.finished)?;
        }
        Ok(())
    }
}

//! From a [`Letter`] to its [`View`].

use super::{Block, Clause, Field, Heading, Point, Role, Value, View};
use crate::letter::{Entry, Extra, Item, Letter, Name, Paragraph, Person, Recipient, When};
use crate::model::Kind;
use crate::roster::Party;

pub(super) fn view(letter: &Letter) -> View {
    let title = if letter.category.is_empty() { letter.kind.root() } else { letter.category.as_str() };
    let mut page = Page { letter, blocks: Vec::new(), shown: vec![false; letter.extra.len()] };
    let filing = vec![
        page.filing(Role::FileNumber, "檔　　號：", "檔號"),
        page.filing(Role::Retention, "保存年限：", "保存年限"),
    ];
    page.fields();
    page.body();
    page.distribution();
    page.end();
    View {
        kind: letter.kind.root().to_owned(),
        filing,
        heading: Heading {
            senders: letter.senders.iter().map(party).collect(),
            title: title.to_owned(),
            title_first: letter.kind == Kind::Memo,
        },
        contact: contact(letter),
        blocks: page.blocks,
    }
}

fn contact(letter: &Letter) -> Vec<Field> {
    let mut fields = Vec::new();
    if !letter.address.is_empty() {
        let values = vec![Value::new(&letter.address)];
        fields.push(Field { role: Role::Address, label: "地址：".to_owned(), values });
    }
    let lines: Vec<Value> = letter.contacts.iter().filter(|line| !line.is_empty()).map(Value::new).collect();
    if !lines.is_empty() {
        fields.push(Field { role: Role::Contact, label: String::new(), values: lines });
    }
    fields
}

struct Page<'l> {
    letter: &'l Letter,
    blocks: Vec<Block>,
    /// Which extras have found a place.
    shown: Vec<bool>,
}

impl Page<'_> {
    const fn is_notice(&self) -> bool {
        matches!(self.letter.kind, Kind::MeetingNotice | Kind::InspectionNotice)
    }

    /// A field of the filing block: only what the DI says in an element of this name.
    fn filing(&mut self, role: Role, label: &str, name: &str) -> Field {
        let found = self.letter.extra.iter().position(|extra| extra.name == name && !extra.text.is_empty());
        let mut values = Vec::new();
        if let Some((extra, shown)) =
            found.and_then(|at| Some((self.letter.extra.get(at)?, self.shown.get_mut(at)?)))
        {
            *shown = true;
            values.push(Value::new(&extra.text));
        }
        Field { role, label: label.to_owned(), values }
    }

    /// A field; without values only where paper shows the label anyway.
    fn field(&mut self, role: Role, label: &str, always: bool, values: Vec<Value>) {
        let values: Vec<Value> = values.into_iter().filter(|value| !value.is_empty()).collect();
        if always || !values.is_empty() {
            self.blocks.push(Block::Field(Field { role, label: label.to_owned(), values }));
        }
    }

    /// 受文者 to 附件.
    fn fields(&mut self) {
        let letter = self.letter;
        let kind = letter.kind;
        let addressed = kind == Kind::Letter || self.is_notice();
        // Paper has these labels on everything that leaves the house.
        let dispatched = addressed || kind == Kind::Order;
        let recipient = letter.recipient.iter().map(recipient).collect();
        self.field(Role::Recipient, "受文者：", addressed, recipient);
        let numbers = letter.numbers.iter().map(|number| Value::new(number.printed())).collect();
        if kind == Kind::Memo {
            self.field(Role::Number, "文號：", false, numbers);
        } else {
            let dated = dispatched || kind == Kind::Announcement;
            self.field(Role::Date, "發文日期：", dated, vec![Value::new(&letter.date)]);
            self.field(Role::Number, "發文字號：", dated, numbers);
        }
        self.field(Role::Priority, "速別：", dispatched, vec![Value::new(&letter.priority)]);
        let level = letter.classification.level.clone().unwrap_or_default();
        let secrecy = vec![Value::new(level), Value::new(&letter.classification.condition)];
        self.field(Role::Classification, "密等及解密條件或保密期限：", dispatched, secrecy);
        let handling = letter.handling.iter().map(|code| Value::new(handling(code))).collect();
        self.field(Role::Handling, "擬辦方式：", false, handling);
        let attached =
            Value { notes: letter.attachments.files.clone(), ..Value::new(&letter.attachments.caption) };
        self.field(Role::Attachments, "附件：", dispatched, vec![attached]);
    }

    /// 主旨 or what stands for it, and 段落.
    fn body(&mut self) {
        let letter = self.letter;
        let (subject, time, place) = match letter.kind {
            Kind::MeetingNotice => ("開會事由：", "開會時間：", "開會地點："),
            Kind::InspectionNotice => ("會勘事由：", "會勘時間：", "會勘地點："),
            Kind::Consultation => ("案情摘要：", "時間：", "地點："),
            _ => ("主旨：", "時間：", "地點："),
        };
        self.blocks.push(Block::Clause(Clause {
            role: Role::Subject,
            label: subject.to_owned(),
            text: letter.subject.clone(),
            items: Vec::new(),
        }));
        let notice = self.is_notice();
        self.field(Role::Time, time, notice, letter.times.iter().map(|one| Value::new(when(one))).collect());
        self.field(Role::Place, place, notice, vec![Value::new(&letter.place)]);
        self.field(Role::Chair, "主持人：", notice, letter.chairs.iter().map(person).collect());
        let contacts = letter.contact_persons.iter().map(|one| {
            let person = person(&one.person).text;
            Value::new(spaced([person.as_str(), &one.phone]))
        });
        self.field(Role::Contact, "聯絡人及電話：", notice, contacts.collect());
        self.clauses(Role::Paragraph, "", &letter.paragraphs);
        let consultation = letter.kind == Kind::Consultation;
        self.field(Role::Responsible, "承辦單位：", consultation, vec![Value::new(&letter.responsible)]);
        let received = letter.received_number.iter().map(|number| Value::new(number.printed())).collect();
        self.field(Role::ReceivedNumber, "收文字號：", consultation, received);
        for opinion in &letter.opinions {
            let outside = std::mem::take(&mut self.blocks);
            self.field(Role::Consulted, "受會單位：", true, vec![Value::new(&opinion.unit)]);
            self.clauses(Role::Opinion, "會核意見：", &opinion.opinion);
            self.field(Role::Received, "收會時間：", true, vec![Value::new(when(&opinion.received))]);
            self.field(Role::Finished, "會畢時間：", true, vec![Value::new(when(&opinion.finished))]);
            let blocks = std::mem::replace(&mut self.blocks, outside);
            self.blocks.push(Block::Group { blocks });
        }
    }

    /// The first paragraph stands beside the label; its own name, if it has one, takes the label's place.
    fn clauses(&mut self, role: Role, label: &str, paragraphs: &[Paragraph]) {
        for (number, paragraph) in paragraphs.iter().enumerate() {
            let mut clause = clause(role, paragraph);
            if number == 0 && !label.is_empty() && clause.label != label {
                if clause.label.is_empty() {
                    label.clone_into(&mut clause.label);
                } else {
                    let head =
                        Clause { role, label: label.to_owned(), text: String::new(), items: Vec::new() };
                    self.blocks.push(Block::Clause(head));
                }
            }
            self.blocks.push(Block::Clause(clause));
        }
    }

    /// 正本 to 備註.
    fn distribution(&mut self) {
        let letter = self.letter;
        let notice = self.is_notice();
        let sent = letter.kind == Kind::Letter;
        let names = |entries: &[Entry]| entries.iter().map(entry).collect::<Vec<_>>();
        self.field(Role::Attendees, "出席者：", notice, names(&letter.attendees));
        self.field(Role::Observers, "列席者：", notice, names(&letter.observers));
        self.field(Role::Originals, "正本：", sent, names(&letter.originals));
        self.field(Role::Copies, "副本：", sent || notice, names(&letter.copies));
        self.clauses(Role::Remarks, "備註：", &letter.remarks);
    }

    /// 敬陳, 署名, the date of a 簽, and what has no other place.
    fn end(&mut self) {
        let letter = self.letter;
        let superiors = letter.submitted_to.iter().map(|one| {
            let parts = [one.title.as_deref(), one.name.as_deref()];
            Value::new(spaced(parts.map(Option::unwrap_or_default)))
        });
        self.field(Role::SubmittedTo, "敬陳　", false, superiors.collect());
        self.field(Role::Signature, "", false, letter.signatures.iter().map(Value::new).collect());
        if letter.kind == Kind::Memo {
            self.field(Role::Date, "", false, vec![Value::new(&letter.date)]);
        }
        for (extra, shown) in letter.extra.iter().zip(std::mem::take(&mut self.shown)) {
            if !shown {
                self.blocks.push(Block::Field(self::extra(extra)));
            }
        }
    }
}

impl Value {
    const fn is_empty(&self) -> bool {
        self.text.is_empty() && self.notes.is_empty() && self.code.is_empty()
    }
}

/// What has no other place, under the name of its element.
pub(super) fn extra(extra: &Extra) -> Field {
    let values = if extra.text.is_empty() { Vec::new() } else { vec![Value::new(&extra.text)] };
    Field { role: Role::Extra, label: format!("{}：", extra.name), values }
}

/// Texts with a full-width blank between them; empty ones are passed over.
fn spaced<const N: usize>(parts: [&str; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("　")
}

fn name(name: &Name) -> String {
    match name {
        Name::Person { name, title } => spaced([name, title.as_deref().unwrap_or_default()]),
        name => name.text().to_owned(),
    }
}

fn party(party: &Party) -> Value {
    let code = match &party.unit {
        Some(unit) => format!("{} {unit}", party.code).trim().to_owned(),
        None => party.code.clone(),
    };
    Value { code, ..Value::new(name(&party.name)) }
}

fn person(person: &Person) -> Value {
    let parts = [person.name.as_deref(), person.title.as_deref()];
    Value::new(spaced(parts.map(Option::unwrap_or_default)))
}

fn attached(included: Option<bool>) -> Option<String> {
    included.map(|included| if included { "含附件" } else { "不含附件" }.to_owned())
}

fn entry(entry: &Entry) -> Value {
    Value { notes: attached(entry.attachments).into_iter().collect(), ..Value::new(name(&entry.name)) }
}

fn recipient(recipient: &Recipient) -> Value {
    match recipient {
        Recipient::Roster { text, file } => {
            // A reader who is told nothing is told at least where it stands.
            let notes = file.iter().filter(|_| text.is_empty()).map(|file| format!("見交換表單 {file}"));
            Value { notes: notes.collect(), ..Value::new(text) }
        }
        Recipient::Text(text) => Value::new(text),
        Recipient::One(line) => {
            let notes = attached(line.attachments).into_iter().chain(line.combined_file.clone());
            Value { notes: notes.collect(), ..party(&line.party) }
        }
    }
}

fn when(when: &When) -> String {
    [when.date.as_str(), &when.weekday, when.time.as_deref().unwrap_or_default()].concat()
}

/// 擬辦方式 in words; 6 is explained nowhere.
fn handling(code: &str) -> &str {
    match code {
        "1" => "先簽後稿",
        "2" => "簽稿併陳",
        "3" => "以稿代簽",
        "4" => "雙稿",
        "5" => "多稿",
        other => other,
    }
}

/// A paragraph; where its text repeats its name (known from real letters), once is enough.
fn clause(role: Role, paragraph: &Paragraph) -> Clause {
    const COLONS: [char; 2] = ['：', ':'];
    let name = paragraph.name.trim();
    let bare = name.trim_end_matches(COLONS);
    let label = match name {
        "" => String::new(),
        _ if name.ends_with(COLONS) => name.to_owned(),
        _ => format!("{name}："),
    };
    let text = paragraph.text.as_deref().unwrap_or_default();
    let repeated = (!bare.is_empty()).then(|| text.strip_prefix(bare)?.strip_prefix(COLONS)).flatten();
    Clause {
        role,
        label,
        text: repeated.map_or(text, str::trim_start).to_owned(),
        items: points(&paragraph.items),
    }
}

/// The depth of this recursion is bounded by `Limits::depth`.
fn points(items: &[Item]) -> Vec<Point> {
    let point = |item: &Item| Point {
        marker: item.marker.clone(),
        text: item.text.clone().unwrap_or_default(),
        items: points(&item.items),
    };
    items.iter().map(point).collect()
}

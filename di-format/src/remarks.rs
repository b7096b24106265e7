//! Remarks on values. No DTD makes them, and none of them refuses anything: they tell a person where to look again.

use crate::fields::{self, ContactKind, DateFault};
use crate::finding::excerpt;
use crate::model::Kind;
use crate::tree::Node;
use crate::validate::{Validator, name_of, text_of};

impl Validator<'_, '_> {
    /// Everything that can be said about one element's value.
    pub(crate) fn values(&mut self, node: Node<'_, '_>, name: &str) {
        match name {
            "機關代碼" => self.code(node),
            "單位代碼" if self.grammar.kind() == Kind::Roster => self.unit_code(node),
            "含附件" => {
                let words = text_of(node);
                if !matches!(words.as_str(), "" | "含附件" | "不含附件") {
                    self.remark(
                        node,
                        "attachments-word",
                        format!("含附件 says {:?}", excerpt(&words)),
                        &words,
                    );
                }
            }
            "年月日" => {
                let text = text_of(node);
                match fields::date(&text).civil {
                    Ok(_) | Err(DateFault::Empty) => {}
                    Err(DateFault::Form) => {
                        self.remark(
                            node,
                            "date-form",
                            format!("{:?} is not written as a date", excerpt(&text)),
                            &text,
                        );
                    }
                    Err(DateFault::Impossible) => {
                        let message = format!("the calendar has no {:?}", excerpt(&text));
                        self.remark(node, "date-impossible", message, &text);
                    }
                }
            }
            "地址" => {
                let text = text_of(node);
                if let Some(odd) = fields::address(&text).odd {
                    let message = format!("{} is no postcode of 3, 5 or 6 digits", excerpt(odd));
                    self.remark(node, "postcode-form", message, odd);
                }
            }
            "聯絡方式" => self.contact(node),
            "段落" => self.heading(node),
            _ => {}
        }
    }

    fn code(&mut self, node: Node<'_, '_>) {
        let code = text_of(node);
        let roster = self.grammar.kind() == Kind::Roster;
        match code.len() {
            10 => {}
            0 if roster => self.remark(node, "code-form", "機關代碼 is empty".to_owned(), &code),
            0 => self.remark(node, "code-missing", "機關代碼 is empty".to_owned(), &code),
            17 if code.is_ascii() => {
                let message = format!("{code} holds organisation and unit");
                self.remark(node, "code-joined", message, &code);
            }
            _ if roster => {
                let message = format!("{} has neither 10 nor 17 characters", excerpt(&code));
                self.remark(node, "code-form", message, &code);
            }
            _ => {}
        }
        self.company_number(node, fields::company_number(&code));
    }

    /// A unit code of another length does not count, so the letter would go to the organisation.
    fn unit_code(&mut self, node: Node<'_, '_>) {
        let code = text_of(node);
        let counts = code.is_ascii() && code.len() == 7;
        if !counts && !code.is_empty() {
            self.remark(node, "code-form", format!("{} has not 7 characters", excerpt(&code)), &code);
        }
    }

    fn company_number(&mut self, node: Node<'_, '_>, number: Option<&str>) {
        if let Some(number) = number.filter(|number| !fields::is_company_number(number)) {
            let message = format!("{number} cannot be a 統一編號: its check digit is wrong");
            self.remark(node, "company-number", message, number);
        }
    }

    fn contact(&mut self, node: Node<'_, '_>) {
        let text = text_of(node);
        let line = fields::contact(&text);
        match line.kind {
            ContactKind::Mail if !line.value.is_empty() => {
                let said = line.value.chars().any(char::is_alphanumeric) && line.value != "無";
                if said && !line.value.contains(['@', '＠']) {
                    let message = format!("{:?} is no e-mail address", excerpt(line.value));
                    self.remark(node, "contact-form", message, line.value);
                }
            }
            ContactKind::Phone | ContactKind::Fax | ContactKind::Extension if !line.value.is_empty() => {
                let digits = line.value.chars().any(char::is_numeric);
                if !digits && line.value.contains(['@', '＠']) {
                    let message = format!("{:?} is no telephone number", excerpt(line.value));
                    self.remark(node, "contact-form", message, line.value);
                }
            }
            ContactKind::CompanyNumber => {
                let digits = line.value.len() == 8 && line.value.bytes().all(|byte| byte.is_ascii_digit());
                self.company_number(node, digits.then_some(line.value));
            }
            _ => {}
        }
    }

    /// 段落 whose text begins with its own 段名 once more.
    fn heading(&mut self, node: Node<'_, '_>) {
        let heading = node.attribute("段名").unwrap_or_default().trim_end_matches([':', '：', ' ']);
        let text = node.children().find(|child| child.is_element() && name_of(*child) == "文字");
        if let Some(text) = text.filter(|_| !heading.is_empty())
            && let Some(rest) = text_of(text).strip_prefix(heading)
            && rest.trim_start().starts_with([':', '：'])
        {
            self.remark(text, "heading-repeated", format!("the text repeats {}", excerpt(heading)), heading);
        }
    }
}

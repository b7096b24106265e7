//! `hold`, `release`, `retry`, `abandon`, `resend`, `settle`, `return`: a person's word on one document.

use std::path::Path;

use clap::Args;

use super::client::{Client, escaped};
use super::failure::Failure;
use super::source::settings;
use super::{Done, Out, exit};
use crate::api::view::{Document, Order};

/// 一件公文的處置
#[derive(Args, Debug)]
pub(crate) struct Held {
    /// 公文識別碼（可只寫開頭幾碼）
    #[arg(value_name = "識別碼")]
    id: String,
    #[command(flatten)]
    who: Who,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// 誰決定、為什麼
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// 理由，記入歷程；必填
    #[arg(short, long, value_name = "文字", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) reason: String,
    /// 承辦人，記入歷程；未指定時為登入帳號
    #[arg(long, value_name = "姓名")]
    pub(super) actor: Option<String>,
}

/// 一件公文的處置，可只限幾個收受者
#[derive(Args, Debug)]
pub(crate) struct Aimed {
    /// 公文識別碼（可只寫開頭幾碼）
    #[arg(value_name = "識別碼")]
    id: String,
    /// 只對這些收受者：機關代碼（不在交換表單的寫名稱），以逗號分隔或重複指定；未指定時為所有適用者
    #[arg(long, value_name = "代碼", value_delimiter = ',')]
    to: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// 退回收到的公文，或通知發文機關
#[derive(Args, Debug)]
pub(crate) struct Return {
    /// 公文識別碼（可只寫開頭幾碼）
    #[arg(value_name = "識別碼")]
    id: String,
    /// 內容或附件有錯漏；未指定時表示誤送（不是給本機關的）
    #[arg(long)]
    incomplete: bool,
    #[command(flatten)]
    who: Who,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

impl Who {
    /// The order that they give.
    pub(super) fn order(&self, to: &[String]) -> Order {
        Order {
            actor: self.actor.clone().unwrap_or_else(account),
            reason: self.reason.clone(),
            to: to.to_vec(),
            label: String::new(),
        }
    }
}

/// Sends the order to the service; these verbs need it, since only it may change anything.
pub(crate) fn send(verb: &str, held: &Held, config: Option<&Path>, out: &mut Out) -> Done {
    give(verb, &held.id, &held.who.order(&[]), held.json, config, out)
}

/// As [`send`], for some recipients.
pub(crate) fn aim(verb: &str, aimed: &Aimed, config: Option<&Path>, out: &mut Out) -> Done {
    give(verb, &aimed.id, &aimed.who.order(&aimed.to), aimed.json, config, out)
}

/// `return`.
pub(crate) fn back(back: &Return, config: Option<&Path>, out: &mut Out) -> Done {
    let label = if back.incomplete { store::INCOMPLETE } else { store::MISDIRECTED };
    let order = Order { label: label.to_owned(), ..back.who.order(&[]) };
    give("return", &back.id, &order, back.json, config, out)
}

pub(super) fn give(
    verb: &str,
    id: &str,
    order: &Order,
    json: bool,
    config: Option<&Path>,
    out: &mut Out,
) -> Done {
    let client = service(config)?;
    let document: Document = client.post(&format!("/v1/documents/{}/{verb}", escaped(id)), order)?;
    if json {
        out.json(&document)?;
        return Ok(exit::OK);
    }
    let (id, word, subject) = match &document {
        Document::Out(d) if d.row.subject.is_empty() => (&d.row.id, &d.row.word, &d.row.drop_name),
        Document::Out(d) => (&d.row.id, &d.row.word, &d.row.subject),
        Document::In(d) => (&d.row.id, &d.row.word, &d.row.subject),
    };
    out.line(&format!("{}　{word}　{}", id.get(..8).unwrap_or(id), crate::table::plain(subject)))?;
    Ok(exit::OK)
}

/// The running service.
pub(super) fn service(config: Option<&Path>) -> Result<Client, Failure> {
    let (settings, _) = settings(config)?;
    Client::find(&settings.api.socket)?.ok_or_else(|| Failure::labelled(exit::UNAVAILABLE, "service-down"))
}

/// Who is logged in, as the system says; the service adds the user id that cannot be forged.
pub(super) fn account() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()))
        .unwrap_or_else(|| "命令列".to_owned())
}

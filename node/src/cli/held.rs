//! `hold`, `release`, `abandon`: a person's word on one document.

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
    /// 理由，記入歷程
    #[arg(short, long, value_name = "文字", default_value = "")]
    reason: String,
    /// 承辦人，記入歷程；未指定時為登入帳號
    #[arg(long, value_name = "姓名")]
    actor: Option<String>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// Sends the order to the service; these verbs need it, since only it may change anything.
pub(crate) fn send(verb: &str, held: &Held, config: Option<&Path>, out: &mut Out) -> Done {
    let (settings, _) = settings(config)?;
    let Some(client) = Client::find(&settings.api.socket)? else {
        return Err(Failure::labelled(exit::UNAVAILABLE, "service-down"));
    };
    let order = Order { actor: held.actor.clone().unwrap_or_else(account), reason: held.reason.clone() };
    let path = format!("/v1/documents/{}/{verb}", escaped(&held.id));
    let document: Document = client.post(&path, &order)?;
    if held.json {
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

/// Who is logged in, as the system says; the service adds the user id that cannot be forged.
pub(super) fn account() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()))
        .unwrap_or_else(|| "命令列".to_owned())
}

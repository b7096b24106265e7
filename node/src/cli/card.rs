//! `card`: how the card stands, what is in the readers, what is on the card, and a person's word that its PIN may be
//! tried once more.
//!
//! One process touches the card: where the service runs it is asked, else these verbs look with a helper of their own
//! and never at a PIN.

use std::path::Path;

use ::card::guard::{Ask, Granted, Guard};
use ::card::pin;
use clap::{Args, Subcommand};
use config::NodeConfig;
use store::journal::{About, NewEntry};

use super::client::Client;
use super::failure::Failure;
use super::source::settings;
use super::{Civil, Done, Out, exit, now};
use crate::api::card::{certificate, of_state, readers, token, tries};
use crate::api::view;
use crate::card::find::{self, Found};
use crate::card::{self, Seen, tell};
use crate::table::{Table, plain};

/// Label: the settings name no card.
pub(crate) const NO_CARD: &str = "card-not-configured";
/// Label: the card is right; nobody has logged in.
pub(crate) const IDLE: &str = "card-idle";

/// 憑證 IC 卡
#[derive(Subcommand, Debug)]
pub(crate) enum Card {
    /// 卡片目前的狀況、還有幾天到期、PIN 碼還能試幾次
    Status(Shown),
    /// 列出讀卡機與插著的卡片
    List(Shown),
    /// 列出卡片上的憑證
    Certs(Shown),
    /// 允許再試一次 PIN 碼（不能解開已鎖的卡片）
    Retry(Retry),
}

/// Options of what only shows.
#[derive(Args, Debug)]
pub(crate) struct Shown {
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// 允許再試一次 PIN 碼
///
/// 程式連續失敗後會停止嘗試，以免鎖卡。先確認 PIN 碼正確，再用這個命令。已鎖的卡片要由持卡人以用戶代碼在憑證管理中心的網站解鎖，這個命令不能解鎖。
#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// 即使可能是最後一次機會也再試一次；錯了就會鎖卡
    #[arg(long, conflicts_with = "unlocked")]
    force: bool,
    /// 卡片曾被鎖住，已在憑證管理中心的網站解鎖
    #[arg(long)]
    unlocked: bool,
    /// 現在輸入 PIN 碼，交給執行中的服務使用（只留在記憶體）
    #[arg(long)]
    pin: bool,
    /// 由這個檔案描述子讀 PIN 碼（第一行），交給執行中的服務使用
    #[arg(long, value_name = "編號", conflicts_with = "pin")]
    pin_fd: Option<u32>,
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

/// Does it.
pub(super) fn card(verb: &Card, config: Option<&Path>, out: &mut Out) -> Done {
    let (settings, _) = settings(config)?;
    if !settings.card.is_used() {
        return Err(Failure::labelled(exit::CONFIG, NO_CARD));
    }
    let service = Client::find(&settings.api.socket)?;
    match verb {
        Card::Status(shown) => status(shown, &settings, service.as_ref(), out),
        Card::List(shown) => list(shown, &settings, service.as_ref(), out),
        Card::Certs(shown) => certs(shown, &settings, service.as_ref(), out),
        Card::Retry(retry) => self::retry(retry, &settings, service.as_ref(), out),
    }
}

fn status(shown: &Shown, settings: &NodeConfig, service: Option<&Client>, out: &mut Out) -> Done {
    let card: view::Card = match service {
        Some(client) => client.get("/v1/card")?,
        None => idle(settings, &look(settings)),
    };
    if shown.json {
        out.json(&card)?;
    } else {
        if service.is_none() {
            out.line("服務未執行；以下是現在讀到的")?;
        }
        out.text(&describe(&card, &Civil::local()))?;
    }
    let good = card.ready || card.state == IDLE;
    Ok(if good { exit::OK } else { exit::FAILED })
}

fn list(shown: &Shown, settings: &NodeConfig, service: Option<&Client>, out: &mut Out) -> Done {
    let cards: view::Cards = match service {
        Some(client) => client.get("/v1/card/list")?,
        None => {
            let found = look(settings);
            let chosen = found.token.as_ref().and_then(|t| t.as_ref().ok()).map(|t| t.serial.clone());
            let tokens = match &found.tokens {
                Some(Ok(tokens)) => tokens,
                _ => &Vec::new(),
            };
            view::Cards {
                readers: found.readers.as_ref().map(readers).unwrap_or_default(),
                tokens: tokens.iter().map(|t| token(t, chosen.as_ref() == Some(&t.serial))).collect(),
            }
        }
    };
    if shown.json {
        out.json(&cards)?;
        return Ok(exit::OK);
    }
    let mut text = String::new();
    for reader in &cards.readers {
        let inside = match reader.slot.as_str() {
            "card" => "有卡片",
            "mute" => "有卡片，但沒有反應",
            _ => "沒有卡片",
        };
        text.push_str(&format!("讀卡機　{}：{inside}\n", plain(&reader.name)));
    }
    if cards.readers.is_empty() {
        text.push_str("讀卡機　（PC/SC 沒有讀卡機）\n");
    }
    if cards.tokens.is_empty() {
        text.push_str("卡片　　（程式庫看不到卡片）\n");
    } else {
        let mut table = Table::new(&["使用", "卡號", "標籤", "型號", "讀卡機"]);
        for token in &cards.tokens {
            let chosen = if token.chosen { "✓" } else { "" };
            let cells: [&str; 5] = [chosen, &token.serial, &token.label, &token.model, &token.reader];
            table.row(&cells.map(plain));
        }
        text.push_str(&table.render());
    }
    out.text(&text)?;
    Ok(exit::OK)
}

fn certs(shown: &Shown, settings: &NodeConfig, service: Option<&Client>, out: &mut Out) -> Done {
    let certificates = match service {
        Some(client) => client.get::<view::Card>("/v1/card")?.certificates,
        None => on_card(look(settings))?,
    };
    if shown.json {
        out.json(&certificates)?;
        return Ok(exit::OK);
    }
    if certificates.is_empty() {
        out.line("沒有讀到憑證")?;
        return Ok(exit::FAILED);
    }
    let civil = Civil::local();
    for certificate in &certificates {
        let purpose = purpose(&certificate.purpose);
        let names: Vec<&str> = [&certificate.id, &certificate.label]
            .into_iter()
            .map(String::as_str)
            .filter(|n| !n.is_empty())
            .collect();
        out.text(&format!(
            "{purpose}憑證{}\n  主體　{}\n  簽發　{}\n  序號　{}\n  效期　{} 至 {}（{}）\n  SHA-256　{}\n",
            if names.is_empty() { String::new() } else { format!("（{}）", names.join("，")) },
            plain(&certificate.subject),
            plain(&certificate.issuer),
            certificate.serial,
            civil.second(certificate.not_before),
            civil.second(certificate.not_after),
            days(certificate.days),
            certificate.sha256,
        ))?;
    }
    Ok(exit::OK)
}

/// All certificates on the card, also those that the node has no use for.
fn on_card(mut found: Found) -> Result<Vec<view::Certificate>, Failure> {
    let (Some(Ok(helper)), Some(Ok(token))) = (&mut found.helper, &found.token) else {
        let trouble = trouble(&found);
        return Err(failed(&trouble));
    };
    let own = found.info.as_ref().and_then(|info| info.as_ref().ok());
    let all = helper.certificates(token).map_err(|error| failed(&find::Trouble::from(&error)))?;
    let now = now();
    let shown = all.into_iter().map(|(id, label, of)| {
        let purpose = match own {
            Some(info) if info.sign.certificate == of => "sign",
            Some(info) if info.unwrap.certificate == of => "encrypt",
            _ if of.is_ca() => "authority",
            _ => "",
        };
        certificate(purpose, &id, &label, &of, now)
    });
    Ok(shown.collect())
}

fn purpose(name: &str) -> &'static str {
    match name {
        "sign" => "簽章",
        "encrypt" => "加密",
        "authority" => "簽發機構",
        _ => "其他",
    }
}

fn days(days: i64) -> String {
    if days < 0 { "已過期".to_owned() } else { format!("還有 {days} 天") }
}

fn retry(retry: &Retry, settings: &NodeConfig, service: Option<&Client>, out: &mut Out) -> Done {
    let (ask, name) = match (retry.force, retry.unlocked) {
        (true, _) => (Ask::Forced, "forced"),
        (false, true) => (Ask::Unlocked, "unlocked"),
        (false, false) => (Ask::Once, "once"),
    };
    let actor = retry.actor.clone().unwrap_or_else(super::held::account);
    let Some(client) = service else { return retry_alone(retry, ask, name, &actor, settings, out) };
    let order =
        view::Retry { actor, reason: retry.reason.clone(), ask: name.to_owned(), pin: entered(retry)? };
    let retried: view::Retried = client.post("/v1/card/retry", &order)?;
    if retry.json {
        out.json(&retried)?;
    } else {
        if retried.granted {
            out.line(&permitted(retried.left))?;
        }
        out.text(&describe(&retried.card, &Civil::local()))?;
    }
    Ok(if retried.card.ready { exit::OK } else { exit::FAILED })
}

/// Without a service: the permit is on record, and the service uses it when it starts.
fn retry_alone(
    retry: &Retry,
    ask: Ask,
    name: &str,
    actor: &str,
    settings: &NodeConfig,
    out: &mut Out,
) -> Done {
    if retry.pin || retry.pin_fd.is_some() {
        return Err(Failure::labelled(exit::UNAVAILABLE, "service-down"));
    }
    let found = look(settings);
    let Some(Ok(token)) = &found.token else { return Err(failed(&trouble(&found))) };
    let unusable = |refusal: ::card::guard::Refusal| {
        let what = crate::words::what(refusal.label());
        let left = tell::left(refusal.left());
        let what = if left.is_empty() { what } else { format!("{what}（{left}）") };
        Failure::new(exit::FAILED, refusal.label(), what)
    };
    let guard = Guard::open(&card::guard_folder(settings)).map_err(unusable)?;
    let granted =
        guard.grant(&token.serial, ask, Some(token.pin), actor, &retry.reason, now()).map_err(unusable)?;
    noted(settings, name, actor, &retry.reason);
    let (granted, left) = match granted {
        Granted::Given { left, .. } => (true, left),
        Granted::NotNeeded => (false, None),
    };
    let card = idle(settings, &found);
    if retry.json {
        out.json(&view::Retried { granted, left, card })?;
    } else if granted {
        out.line(&permitted(left))?;
        out.line("服務啟動後會使用這一次")?;
    } else {
        out.line("不需允許：沒有停止嘗試的紀錄")?;
    }
    Ok(exit::OK)
}

/// What a permit is, what it risks, and what it is not.
fn permitted(left: Option<u32>) -> String {
    let before = tell::left(left);
    let before =
        if before.is_empty() { "還剩幾次機會不明".to_owned() } else { format!("試之前{before}") };
    format!("已允許再試一次（{before}；連錯三次會鎖卡）。這個命令不能解開已鎖的卡片")
}

/// Into the journal as far as there is one; the guard's record has it in any case.
fn noted(settings: &NodeConfig, name: &str, actor: &str, why: &str) {
    let state = &settings.folders.state;
    if store::Store::open_read_only(state).is_err() {
        return;
    }
    let Ok(store) = store::Store::open(state, now()) else { return };
    let colon = if why.is_empty() { "" } else { ": " };
    let entry = NewEntry {
        actor: actor.to_owned(),
        event: "card-retry".into(),
        about: About::Node,
        detail: format!("{name}{colon}{why}"),
        alarm: false,
    };
    // The permit stands all the same.
    let _ = store.journal(entry, now()).wait();
}

/// A PIN that the person enters now, if one is asked for.
fn entered(retry: &Retry) -> Result<Option<String>, Failure> {
    let source = match (retry.pin, retry.pin_fd) {
        (true, _) => card::question(),
        (false, Some(number)) => pin::Source::Descriptor(number),
        (false, None) => return Ok(None),
    };
    card::harden();
    let refused = |error: pin::Error| Failure::labelled(exit::FAILED, error.label());
    let entry = pin::Supply::open(source).and_then(|supply| supply.entry()).map_err(refused)?;
    let text = std::str::from_utf8(entry.pin.expose());
    Ok(Some(text.map_err(|_| Failure::labelled(exit::FAILED, "pin-malformed"))?.to_owned()))
}

fn look(settings: &NodeConfig) -> Found {
    let card = &settings.card;
    let wanted = card.module.as_deref().map(|module| card::settings(card, module));
    find::look(card::readers(card).as_ref(), wanted.as_ref())
}

/// What a look of our own found, as the service would tell it.
fn idle(settings: &NodeConfig, found: &Found) -> view::Card {
    let now = now();
    let seen = Seen::load(&settings.folders.state);
    let Some(Ok(info)) = &found.info else {
        let trouble = trouble(found);
        let mut card = of_state(&::card::State::Starting, seen.as_ref(), now);
        card.state = trouble.label.to_owned();
        card.word = crate::words::what(trouble.label);
        card.reason = view::Reason::of(trouble.label, &trouble.detail);
        return card;
    };
    let mut card = of_state(&::card::State::Ready { info: info.clone() }, seen.as_ref(), now);
    let status =
        Guard::open(&card::guard_folder(settings)).and_then(|g| g.status(&info.token.serial, now)).ok();
    let label = match status.as_ref().and_then(|status| status.refusal.as_ref()) {
        Some(refusal) => refusal.label(),
        None if info.token.pin.locked => "pin-locked",
        None => IDLE,
    };
    card.ready = false;
    card.state = label.to_owned();
    card.word = crate::words::what(label);
    card.reason = view::Reason::of(label, "").filter(|_| label != IDLE);
    card.tries = status.as_ref().map(tries);
    card
}

/// Why a look found no card that can be used.
fn trouble(found: &Found) -> find::Trouble {
    if let Some(Err(error)) = &found.helper {
        return error.into();
    }
    if let Some(Err(error)) = &found.tokens {
        return error.into();
    }
    if let Some(Err(state)) = &found.token {
        return state.into();
    }
    if let Some(Err(trouble)) = &found.info {
        return trouble.clone();
    }
    let by_readers = found.readers.as_ref().and_then(|snapshot| snapshot.state.label());
    find::Trouble { label: by_readers.unwrap_or("card-absent"), detail: String::new() }
}

fn failed(trouble: &find::Trouble) -> Failure {
    let what = crate::words::what(trouble.label);
    let what = if trouble.detail.is_empty() { what } else { format!("{what}：{}", trouble.detail) };
    Failure::new(exit::FAILED, trouble.label, what)
}

/// The card for people.
pub(super) fn describe(card: &view::Card, civil: &Civil) -> String {
    let since = card.since.map(|at| format!("（自 {}）", civil.minute(at))).unwrap_or_default();
    let mut text = format!("卡片：{}{since}\n", card.word);
    if let Some(reason) = &card.reason {
        if !reason.detail.is_empty() {
            text.push_str(&format!("　　{}\n", plain(&reason.detail)));
        }
        text.push_str(&format!("　　處理：{}\n", reason.remedy));
    }
    if let Some(token) = &card.token {
        let rank = card.rank.as_deref().map(|rank| format!("，{rank}")).unwrap_or_default();
        text.push_str(&format!("卡號：{}（{}{rank}）\n", plain(&token.serial), plain(&token.label)));
    }
    if let Some(name) = &card.organisation {
        let oid = card.organisation_oid.as_deref().map(|oid| format!("（OID {oid}）")).unwrap_or_default();
        text.push_str(&format!("機關：{}{oid}\n", plain(name)));
    }
    for certificate in &card.certificates {
        text.push_str(&format!(
            "{}憑證：至 {}，{}\n",
            purpose(&certificate.purpose),
            civil.second(certificate.not_after),
            days(certificate.days)
        ));
    }
    if let Some(tries) = &card.tries {
        let mut said = if tries.failed == 0 {
            "沒有失敗的紀錄".to_owned()
        } else {
            format!("已連續失敗 {} 次", tries.failed)
        };
        if let Some(left) = tries.left {
            said.push_str(&format!("，{}", tell::left(Some(left))));
        }
        if tries.permitted {
            said.push_str("，已允許再試一次");
        }
        text.push_str(&format!("PIN 碼：{said}\n"));
    }
    text
}

//! The story of a demonstration: who, what happens in which order, what is told, and what must be true at the end.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::letters::{End, LETTERS, With};
use super::site::Site;
use super::token::Token;
use super::{Failed, Options, pki};
use crate::api::view::{Document, InRow, OutDocument, OutRow, Page};
use crate::cli::client::Client;

/// A member of the demonstration.
pub(super) struct Member {
    /// 機關代碼, as in the letters.
    pub(super) code: &'static str,
    /// 全銜, as in the letters.
    pub(super) name: &'static str,
}

/// The sender first.
const MEMBERS: [Member; 3] = [
    Member { code: "XC20261101", name: "範例文化基金會" },
    Member { code: "XC20261102", name: "樣本市立圖書館" },
    Member { code: "XC20261103", name: "示範大學" },
];
const SENDER: &Member = &MEMBERS[0];
/// A name in the fourth letter that is in no roster.
const ON_PAPER: &str = "範例里辦公處";
const UP_WITHIN: Duration = Duration::from_secs(30);
const NOTE_WITHIN: Duration = Duration::from_secs(5);
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// The intake lets a file rest before it removes the original from the drop folder.
const TIDY_WITHIN: Duration = Duration::from_secs(10);
/// How often the nodes are asked what is new.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const SLOW_STEP: Duration = Duration::from_millis(1_500);
const SLOW_EVENT: Duration = Duration::from_millis(350);

/// Events that a person follows; the rest of the journal is detail.
const TOLD: &[&str] = &[
    "claimed",
    "duplicate",
    "sealed",
    "refused",
    "accepted",
    "confirmed",
    "returned",
    "offered",
    "fetched",
    "archived",
    "quarantined",
    "delivered",
];

pub(super) fn tell(options: &Options) -> Result<(), Failed> {
    let start = Instant::now();
    let pause = |time: Duration| {
        if options.slow {
            std::thread::sleep(time);
        }
    };
    let step = |text: &str| {
        println!("\n▶ {text}");
        pause(SLOW_STEP);
    };
    println!("公文電子交換展示：一個交換中心、三個會員，全部在本機，金鑰與憑證都是一次性的。");
    let mut site = Site::new(options.keep.as_deref())?;

    step("製作一次性憑證（GRCA → XCA 的形狀）、註冊單位與交換中心的金鑰");
    let today = jiff::Zoned::now().date();
    pki::make(&site.pki(), &MEMBERS, today)?;

    if let Some(token) = Token::make(options, site.dir(), &site.pki(), SENDER)? {
        println!("  {} 的金鑰在{}", SENDER.name, token.told);
        site.on_token(SENDER, token);
    }

    step("啟動交換中心；三個會員各自設定，登錄資料由註冊單位副署");
    site.center()?;
    for member in &MEMBERS {
        site.enrol(member)?;
        println!("  {}（{}）已登錄", member.name, member.code);
    }
    for member in &MEMBERS {
        site.node(member)?;
    }
    let clients = connected(&mut site)?;

    step(&format!("{} 投件：", SENDER.name));
    let drop = site.folder_of(SENDER, "drop");
    let dropped = crate::cli::now();
    for letter in LETTERS {
        println!("  第{}號　{}", letter.serial, letter.shows);
        letter.drop_into(&drop).map_err(|e| Failed::io("投件", e))?;
    }

    step("過程（時間由投件起算）");
    let settled = Instant::now();
    let mut told = Told::default();
    loop {
        for line in told.news(&clients, dropped)? {
            println!("{line}");
            pause(SLOW_EVENT);
        }
        let missing = unmet(&clients, &site)?;
        if missing.is_empty() {
            break;
        }
        site.all_alive()?;
        if settled.elapsed() > DONE_WITHIN {
            return Err(Failed::new(format!("下列各項沒有達成：\n  {}", missing.join("\n  "))));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    for line in told.news(&clients, dropped)? {
        println!("{line}");
    }

    step("收發文狀態表");
    for member in &MEMBERS {
        println!("\n{}（{}）", member.name, member.code);
        print!("{}", site.di_node(member, &[OsStr::new("status")])?);
    }
    if options.pkcs11.is_some() {
        step(&format!("{} 的卡片", SENDER.name));
        print!("{}", site.di_node(SENDER, &[OsStr::new("card"), OsStr::new("status")])?);
    }
    explain_refusal(&site)?;
    tidied(&mut site)?;
    keep_evidence(&mut site, &clients, options.keep.as_deref())?;
    println!("\n✓ 全部如預期：每個狀態都到了，每個位元組都相符（{:.1} 秒）。", start.elapsed().as_secs_f64());
    Ok(())
}

/// A client for each node, once it is logged in at the center.
fn connected(site: &mut Site) -> Result<Vec<Client>, Failed> {
    let start = Instant::now();
    let mut clients = Vec::new();
    while let Some(member) = MEMBERS.get(clients.len()) {
        site.all_alive()?;
        let socket = site.folder_of(member, "state").join("api.sock");
        if let Ok(Some(client)) = Client::find(&socket)
            && client.get::<crate::api::view::Health>("/v1/health").is_ok_and(|health| health.connected)
        {
            clients.push(client);
            continue;
        }
        if start.elapsed() > UP_WITHIN {
            return Err(Failed::new(format!("{} 沒有連上交換中心", member.name)));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(clients)
}

fn get<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<T, Failed> {
    client.get(path).map_err(|failure| Failed::new(format!("節點沒有回答 {path}：{}", failure.render(false))))
}

fn outbox(client: &Client) -> Result<Vec<OutRow>, Failed> {
    Ok(get::<Page<OutRow>>(client, "/v1/outbox?limit=100")?.documents)
}

fn inbox(client: &Client) -> Result<Vec<InRow>, Failed> {
    Ok(get::<Page<InRow>>(client, "/v1/inbox?limit=100")?.documents)
}

/// What has been told already: per member and document, how much of its history.
#[derive(Default)]
struct Told(BTreeMap<(usize, String), u64>);

impl Told {
    /// The new events of all documents of all members, in the order of time, which counts from `dropped` (Unix
    /// milliseconds): when it happened, not when it was heard of.
    fn news(&mut self, clients: &[Client], dropped: i64) -> Result<Vec<String>, Failed> {
        let mut news = Vec::new();
        for (n, (client, member)) in clients.iter().zip(&MEMBERS).enumerate() {
            let sent = outbox(client)?.into_iter().map(|row| (row.id, row.changed_at));
            let received = inbox(client)?.into_iter().map(|row| (row.id, row.changed_at));
            for (id, _) in sent.chain(received) {
                let (number, side, history) = match get(client, &format!("/v1/documents/{id}"))? {
                    Document::Out(document) => (document.row.number, "發", document.history),
                    Document::In(document) => (document.row.number, "收", document.history),
                };
                let seen = self.0.entry((n, id.clone())).or_default();
                for event in history.iter().filter(|e| e.seq > *seen && TOLD.contains(&e.event.as_str())) {
                    let number = if number.is_empty() { id.get(..8).unwrap_or(&id) } else { &number };
                    news.push((event.at, format!("{side}　{}　{number}　{}", member.name, event.what)));
                }
                *seen = history.last().map_or(*seen, |last| last.seq);
            }
        }
        news.sort_by_key(|(at, _)| *at);
        let told = news.into_iter().map(|(at, line)| {
            let after = at.saturating_sub(dropped);
            format!("  {:>3}.{:03} 秒　{line}", after / 1_000, after.rem_euclid(1_000))
        });
        Ok(told.collect())
    }
}

/// What is still missing of the expected end: empty when all is as it must be.
fn unmet(clients: &[Client], site: &Site) -> Result<Vec<String>, Failed> {
    let [sender, ..] = clients else { return Err(Failed::new("沒有節點")) };
    let sent = outbox(sender)?;
    let mut missing = Vec::new();
    for letter in LETTERS {
        let Some(row) = sent.iter().find(|row| row.drop_name.contains(letter.serial)) else {
            missing.push(format!("第{}號還沒收下", letter.serial));
            continue;
        };
        match &letter.end {
            End::Refused(label) => {
                let reason = row.reason.as_ref().map_or("", |reason| reason.label.as_str());
                if row.state != "refused" || reason != *label {
                    missing.push(format!(
                        "第{}號應為未送出（{label}），現為{}（{reason}）",
                        letter.serial, row.word
                    ));
                }
            }
            End::Confirmed(recipients) => {
                if row.state != "confirmed" {
                    missing.push(format!("第{}號應為使用者確認，現為{}", letter.serial, row.word));
                    continue;
                }
                let document: Document = get(sender, &format!("/v1/documents/{}", row.id))?;
                let Document::Out(document) = document else {
                    return Err(Failed::new("發文匣的公文不見了"));
                };
                missing.extend(wrong_lines(letter.serial, &document, recipients));
                for (n, with) in *recipients {
                    let Some(member) = MEMBERS.get(*n) else { continue };
                    let expected: Vec<_> = letter.files_for(*with).collect();
                    let inbox = site.folder_of(member, "inbox");
                    missing.extend(wrong_files(
                        letter.serial,
                        member,
                        &inbox,
                        &expected,
                        letter.files.iter().map(|(f, _)| *f),
                    ));
                }
            }
        }
    }
    Ok(missing)
}

/// The lines of a document against who must have confirmed.
fn wrong_lines(serial: &str, document: &OutDocument, recipients: &[(usize, With)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if document.lines.len() != recipients.len() {
        wrong.push(format!(
            "第{serial}號應有 {} 個電子受文者，現有 {}",
            recipients.len(),
            document.lines.len()
        ));
    }
    for (n, with) in recipients {
        let Some(member) = MEMBERS.get(*n) else { continue };
        let line = document.lines.iter().find(|line| line.code == member.code);
        if !line.is_some_and(|l| l.state == "confirmed" && l.attachments == (*with == With::Attachments)) {
            wrong.push(format!("第{serial}號的受文者 {} 沒有如預期確認", member.name));
        }
    }
    if serial == "0000104" && !document.unmatched.iter().any(|name| name.contains(ON_PAPER)) {
        wrong.push(format!("第{serial}號沒有指出 {ON_PAPER} 可能為紙本"));
    }
    wrong
}

/// What was delivered against what was dropped: each file once, byte for byte, and nothing that was withheld.
fn wrong_files<'a>(
    serial: &str,
    member: &Member,
    inbox: &Path,
    expected: &[(&str, &[u8])],
    all: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut delivered = Vec::new();
    walk(inbox, &mut delivered);
    all.filter_map(|name| {
        let found: Vec<_> =
            delivered.iter().filter(|path| path.file_name() == Some(OsStr::new(name))).collect();
        let wanted = expected.iter().find(|(file, _)| *file == name).map(|(_, bytes)| *bytes);
        match (wanted, found.as_slice()) {
            (None, []) => None,
            (Some(bytes), [path]) if fs::read(path).is_ok_and(|read| read == bytes) => None,
            (Some(_), [_]) => Some(format!("第{serial}號：{} 收到的 {name} 內容不符", member.name)),
            (Some(_), []) => Some(format!("第{serial}號：{} 沒有收到 {name}", member.name)),
            (Some(_), _) => Some(format!("第{serial}號：{} 收到 {name} {} 次", member.name, found.len())),
            (None, _) => Some(format!("第{serial}號：{} 不應收到 {name}", member.name)),
        }
    })
    .collect()
}

/// Every delivered file below a folder; what is being staged (hidden) is not delivered yet.
fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// Shows the note beside the letter that was refused.
fn explain_refusal(site: &Site) -> Result<(), Failed> {
    // The note follows the row: two steps, the second one a moment later.
    let start = Instant::now();
    let note = loop {
        let mut files = Vec::new();
        walk(&site.folder_of(SENDER, "failed"), &mut files);
        match files.into_iter().find(|path| path.extension().is_some_and(|e| e == "txt")) {
            Some(note) => break note,
            None if start.elapsed() > NOTE_WITHIN => return Err(Failed::new("failed 資料夾裡沒有說明檔")),
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    let text = fs::read_to_string(note).map_err(|e| Failed::io("讀說明檔", e))?;
    println!("\n未送出的那一件，failed 資料夾裡的說明：");
    for line in text.trim_start_matches('\u{feff}').lines() {
        println!("  │ {line}");
    }
    Ok(())
}

/// Waits until the sender's folders are as the closing lines say: nothing left where letters are put in or worked on.
fn tidied(site: &mut Site) -> Result<(), Failed> {
    let start = Instant::now();
    loop {
        let mut left = Vec::new();
        walk(&site.folder_of(SENDER, "drop"), &mut left);
        let work = site.folder_of(SENDER, "work");
        left.extend(fs::read_dir(work).into_iter().flatten().flatten().map(|entry| entry.path()));
        let Some(first) = left.first() else { return Ok(()) };
        site.all_alive()?;
        if start.elapsed() > TIDY_WITHIN {
            return Err(Failed::new(format!(
                "{} 的 drop 與 work 資料夾沒有清空：還有 {} 項，例如 {}",
                SENDER.name,
                left.len(),
                first.display()
            )));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// With `--keep`: exports what proves the exchange, stops everything, and says where the files lie.
fn keep_evidence(site: &mut Site, clients: &[Client], keep: Option<&Path>) -> Result<(), Failed> {
    if keep.is_some() {
        let evidence = site.dir().join("evidence");
        let ids: Vec<String> = clients
            .iter()
            .take(1)
            .map(outbox)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .filter(|row| row.state == "confirmed")
            .map(|row| row.id)
            .collect();
        for id in ids {
            site.di_node(
                SENDER,
                &[OsStr::new("export"), OsStr::new(&id), OsStr::new("-o"), evidence.as_os_str()],
            )?;
        }
    }
    site.stop()?;
    let dir = site.dir().display();
    println!("\n檔案在：");
    for member in &MEMBERS {
        println!("  {}　收到的公文　{}", member.name, site.folder_of(member, "inbox").display());
    }
    println!(
        "  {}　已送出／未送出　{}、{}",
        SENDER.name,
        site.folder_of(SENDER, "sent").display(),
        site.folder_of(SENDER, "failed").display()
    );
    if keep.is_some() {
        println!("  憑據　{dir}/evidence　金鑰與憑證　{dir}/pki");
        println!("再次啟動：di-center --config {dir}/center.toml run");
        let start = format!("di-node --config {dir}/node-{}.toml run", SENDER.code);
        println!("　　　　　{}", site.by_hand(SENDER, &start));
    } else {
        println!("（展示結束後刪除；要保留請用 di-node demo --keep 資料夾）");
    }
    Ok(())
}

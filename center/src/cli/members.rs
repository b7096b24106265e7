//! `di-center member …`: also while the center runs.

use super::{Json, print, table};
use crate::directory::{Member as Record, NewMember, Quotas, Registry};
use crate::error::{Error, Result};
use crate::{Network, now};
use clap::{Args, Subcommand};
use config::CenterConfig;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Member {
    /// 新增會員，或取代其名稱、位址與限額（停權狀態不變）
    Add(Add),
    /// 加入或更新登錄資料（註冊單位副署過的檔案）
    Register {
        /// 登錄資料檔
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// 列出全部會員
    List(Json),
    /// 顯示一個會員
    Show {
        /// 機關代碼
        code: String,
        #[command(flatten)]
        json: Json,
    },
    /// 停權：不得連線，也不得收件
    Suspend {
        /// 機關代碼
        code: String,
    },
    /// 解除停權
    Resume {
        /// 機關代碼
        code: String,
    },
    /// 由 CSV 匯入：欄位 code,name,addresses,registrations,may-send（後四欄可空；多值以空白分隔）
    Import {
        /// UTF-8 的 CSV 檔，第一列是欄名；登錄資料的路徑以 CSV 所在資料夾為準
        file: PathBuf,
    },
    /// 固定位址
    #[command(subcommand)]
    Address(Address),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// 機關代碼，10 碼
    code: String,
    /// 機關名稱；不寫則取自登錄資料
    #[arg(long)]
    name: Option<String>,
    /// 可連線的固定位址或網段，可重複
    #[arg(long = "address", value_name = "IP|CIDR")]
    addresses: Vec<String>,
    /// 登錄資料檔，可重複（機關與各單位信箱）
    #[arg(long = "registration", value_name = "FILE")]
    registrations: Vec<PathBuf>,
    /// 只能收文
    #[arg(long)]
    receive_only: bool,
    /// 單一密文上限，例如 "20 MiB"
    #[arg(long, value_name = "SIZE")]
    max_length: Option<config::value::Bytes>,
    /// 每分鐘送件數上限
    #[arg(long, value_name = "N")]
    parts_per_minute: Option<u32>,
    /// 每日送件位元組上限，例如 "10 GiB"
    #[arg(long, value_name = "SIZE")]
    bytes_per_day: Option<config::value::Bytes>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Address {
    /// 增加一個位址或網段
    Add {
        /// 機關代碼
        code: String,
        /// IP 位址或網段
        address: String,
    },
    /// 移除一個位址或網段
    Remove {
        /// 機關代碼
        code: String,
        /// IP 位址或網段
        address: String,
    },
}

pub(super) fn run(config: &CenterConfig, command: &Member) -> Result<()> {
    let registry = Registry::open(config)?;
    match command {
        Member::Add(add) => {
            let member = NewMember {
                code: add.code.clone(),
                name: add.name.clone().unwrap_or_default(),
                may_send: !add.receive_only,
                addresses: add.addresses.iter().map(|text| text.parse()).collect::<Result<_>>()?,
                quotas: Quotas {
                    max_length: add.max_length.map(config::value::Bytes::get),
                    parts_per_minute: add.parts_per_minute,
                    bytes_per_day: add.bytes_per_day.map(config::value::Bytes::get),
                },
            };
            put(&registry, member, add.name.is_some(), &add.registrations)
        }
        Member::Register { files } => files
            .iter()
            .try_for_each(|file| register(&registry, &read(file)?).map(drop).map_err(|e| in_file(e, file))),
        Member::List(Json { json }) => list(&registry.members()?, *json),
        Member::Show { code, json } => {
            let member = registry.member(code)?.ok_or_else(|| Error::NoMember(code.clone()))?;
            show(&member, json.json);
            Ok(())
        }
        Member::Suspend { code } => {
            registry.suspend(code, now())?;
            print(&format!("已停權：{code}。現有連線的下一個請求起生效。"));
            Ok(())
        }
        Member::Resume { code } => {
            registry.resume(code, now())?;
            print(&format!("已解除停權：{code}"));
            Ok(())
        }
        Member::Import { file } => import(&registry, file),
        Member::Address(Address::Add { code, address }) => {
            let network: Network = address.parse()?;
            registry.add_address(code, network, now())?;
            print(&format!("{code} 可由 {network} 連線。"));
            Ok(())
        }
        Member::Address(Address::Remove { code, address }) => {
            let network: Network = address.parse()?;
            let removed = registry.remove_address(code, network, now())?;
            print(&if removed {
                format!("{code} 不再可由 {network} 連線（下次連線起）。")
            } else {
                format!("{code} 本來就沒有登記 {network}。")
            });
            Ok(())
        }
    }
}

fn put(registry: &Registry, mut member: NewMember, named: bool, registrations: &[PathBuf]) -> Result<()> {
    // all of them before anything is stored: a member must not stay behind without its entries
    let files: Vec<Vec<u8>> = registrations.iter().map(|file| read(file)).collect::<Result<_>>()?;
    for (bytes, file) in files.iter().zip(registrations) {
        let entry = registry.check_entry(bytes, now()).map_err(|e| in_file(e, file))?;
        let of = crate::organisation(&entry.code);
        if of != member.code && registry.member(of)?.is_none() {
            return Err(Error::NoMember(of.to_owned()));
        }
    }
    if !named && let Some(before) = registry.member(&member.code)? {
        member.name = before.name;
    }
    registry.put_member(&member, now())?;
    for bytes in &files {
        let put = register(registry, bytes)?;
        if !named && put.code == member.code {
            member.name = put.name;
            registry.put_member(&member, now())?;
        }
    }
    print(&format!("會員 {} {}", member.code, member.name));
    if member.addresses.is_empty() {
        print("提醒：還沒有登記固定位址，這個會員還不能連線（--address 或 member address add）。");
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Error::file("read", file, e))
}

/// The error with the name of the file.
fn in_file(error: Error, file: &Path) -> Error {
    match error {
        Error::Envelope { what, source } => {
            Error::Envelope { what: format!("{}: {what}", file.display()), source }
        }
        other => other,
    }
}

fn register(registry: &Registry, bytes: &[u8]) -> Result<crate::PutEntry> {
    let put = registry.put_entry(bytes, now())?;
    let what = if put.changed { "已登錄" } else { "已有相同的登錄" };
    print(&format!("{what}：{} {}（第 {} 號）", put.code, put.name, put.number));
    Ok(put)
}

fn import(registry: &Registry, file: &Path) -> Result<()> {
    let bad = |line: u64, why: String| Error::Import { line, why };
    let text = std::fs::read_to_string(file).map_err(|e| Error::file("read", file, e))?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().map_err(|e| bad(1, e.to_string()))?.clone();
    let known = ["code", "name", "addresses", "registrations", "may-send"];
    if let Some(column) = header.iter().find(|column| !known.contains(column)) {
        return Err(bad(1, format!("不認得的欄位「{column}」；欄位有：{}", known.join(", "))));
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut count = 0;
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let of = |name: &str| {
            header.iter().position(|column| column == name).and_then(|i| record.get(i)).unwrap_or_default()
        };
        let may_send = match of("may-send") {
            "" | "true" | "1" | "yes" | "是" => true,
            "false" | "0" | "no" | "否" => false,
            other => return Err(bad(line, format!("may-send 應為 true 或 false，不是「{other}」"))),
        };
        let addresses = of("addresses").split_whitespace().map(str::parse).collect::<Result<_>>();
        let member = NewMember {
            code: of("code").to_owned(),
            name: of("name").to_owned(),
            may_send,
            addresses: addresses.map_err(|e| bad(line, e.to_string()))?,
            quotas: Quotas::default(),
        };
        let registrations: Vec<_> = of("registrations").split_whitespace().map(|f| folder.join(f)).collect();
        let named = !member.name.is_empty();
        put(registry, member, named, &registrations).map_err(|e| bad(line, e.chain()))?;
        count += 1;
    }
    print(&format!("匯入 {count} 個會員。"));
    Ok(())
}

fn list(members: &[Record], json: bool) -> Result<()> {
    if json {
        let all: Vec<_> = members.iter().map(as_json).collect();
        print(&serde_json::to_string_pretty(&all).unwrap_or_default());
        return Ok(());
    }
    let rows: Vec<Vec<String>> = members
        .iter()
        .map(|m| {
            vec![
                m.code.clone(),
                m.name.clone(),
                standing(m).to_owned(),
                (if m.may_send { "收發" } else { "只收" }).to_owned(),
                addresses(m).join(" "),
                m.mailboxes.len().to_string(),
            ]
        })
        .collect();
    print(&table::render(&["代碼", "名稱", "狀態", "權限", "固定位址", "信箱"], &rows));
    Ok(())
}

fn show(member: &Record, json: bool) {
    if json {
        print(&serde_json::to_string_pretty(&as_json(member)).unwrap_or_default());
        return;
    }
    print(&format!("代碼：{}", member.code));
    print(&format!("名稱：{}", member.name));
    print(&format!("狀態：{}", standing(member)));
    print(&format!("權限：{}", if member.may_send { "收文與發文" } else { "只能收文" }));
    print(&format!("固定位址：{}", addresses(member).join(" ")));
    print(&format!("信箱：{}", member.mailboxes.join(" ")));
    let signer =
        member.signer.map_or_else(|| "（尚無登錄資料，不能登入）".to_owned(), |d| crate::session::hex(&d));
    print(&format!("簽章憑證 SHA-256：{signer}"));
    let Quotas { max_length, parts_per_minute, bytes_per_day } = member.quotas;
    let or_default = |n: Option<u64>| n.map_or_else(|| "依設定檔".to_owned(), |n| n.to_string());
    print(&format!("單一密文上限（位元組）：{}", or_default(max_length)));
    print(&format!("每分鐘件數上限：{}", or_default(parts_per_minute.map(u64::from))));
    print(&format!("每日位元組上限：{}", or_default(bytes_per_day)));
}

fn standing(member: &Record) -> &'static str {
    match (member.suspended, member.signer) {
        (true, _) => "停權",
        (false, None) => "未登錄",
        (false, Some(_)) => "有效",
    }
}

fn addresses(member: &Record) -> Vec<String> {
    member.networks.iter().map(Network::to_string).collect()
}

fn as_json(member: &Record) -> serde_json::Value {
    serde_json::json!({
        "code": member.code,
        "name": member.name,
        "standing": if member.suspended { "suspended" } else { "active" },
        "registered": member.signer.is_some(),
        "may-send": member.may_send,
        "addresses": addresses(member),
        "mailboxes": member.mailboxes,
        "signer-sha256": member.signer.map(|d| crate::session::hex(&d)),
        "max-length": member.quotas.max_length,
        "parts-per-minute": member.quotas.parts_per_minute,
        "bytes-per-day": member.quotas.bytes_per_day,
    })
}

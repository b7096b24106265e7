//! `di-node doctor` over the virtual card: what it prints, what it costs the card, and what a stranger may read.
//!
//! The outputs in docs/manual.md are those of this test. After a change: `DI_MANUAL=write cargo test -p tests --test doctor`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use config::{KeyFile, NodeConfig, Transport};
use serde_json::Value;
use tests::pcscd::{Pcscd, opensc_module};
use tests::pki::{self, MEMBERS, Shape};
use tests::virtual_card::{KeyPair, PIN, Print, VirtualCard, WRONG_PIN};
use tests::world::World;

/// An office: a center, its settings with a card, a reader.
struct Office {
    dir: PathBuf,
    pcscd: Pcscd,
    config: PathBuf,
    world: World,
}

impl Office {
    async fn open() -> Self {
        pki::shape(Shape { ends: vec![("ended", -3), ("XC00000001.enc2", -3)], ..Shape::default() });
        let world = World::registered(1, Transport::Auto, |_, _| {}).await;
        let mut pcscd = Pcscd::prepare();
        pcscd.plug_at_next_start(false);
        pcscd.run();
        let own = &world.nodes[0].config;
        let dir = own.keys.sign.key.as_ref().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let office = Self { config: dir.join("di-node.toml"), pcscd, world, dir };
        office.settings(|_| {});
        office
    }

    /// Settings with a card; `change` says what else.
    fn settings(&self, change: impl FnOnce(&mut NodeConfig)) {
        let mut settings = self.world.nodes[0].config.clone();
        settings.keys = config::Keys::default();
        settings.keys.sign = KeyFile::default();
        settings.card.module = Some(opensc_module());
        settings.card.pin_file = Some(self.pin(PIN));
        let pem = std::fs::read(self.pki().join("XC00000001.sign.crt.pem")).unwrap();
        let own = envelope::Certificate::all_from_pem(&pem).unwrap().remove(0);
        settings.card.organisation_oid = own.organisation_oid().map(str::to_owned);
        change(&mut settings);
        std::fs::write(&self.config, config::to_toml(&settings)).unwrap();
    }

    fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    fn pin(&self, pin: &str) -> PathBuf {
        let path = self.dir.join("card-pin");
        std::fs::write(&path, pin).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn doctor(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = self.pcscd.command(tests::binary("di-node"));
        command.arg("--config").arg(&self.config).arg("doctor").args(args).env("TZ", "Asia/Taipei");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a person sees, with the temporary folder under another name; and the exit code.
    fn shown(&self, args: &[&str]) -> (String, i32) {
        let output = self.doctor(args, "");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        (text.replace(&self.dir.display().to_string(), "/srv/di-node"), output.status.code().unwrap())
    }

    fn statuses(&self, args: &[&str], stdin: &str) -> Vec<(String, String)> {
        let output = self.doctor(args, stdin);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = all["checks"].as_array().unwrap();
        for check in checks {
            let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["detail", "id", "name", "remedy", "status"], "stable keys");
        }
        let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
        checks.iter().map(|check| (text(check, "id"), text(check, "status"))).collect()
    }
}

fn status<'a>(all: &'a [(String, String)], id: &str) -> &'a str {
    &all.iter().find(|(found, _)| found == id).unwrap_or_else(|| panic!("no check {id}")).1
}

fn card_of(folder: &Path, number: &str, sign: &str, unwrap: &str) -> VirtualCard {
    VirtualCard::new(&Print {
        number: number.to_owned(),
        sign: KeyPair::read(folder, sign),
        unwrap: KeyPair::read(folder, unwrap),
    })
}

/// Without what differs from run to run and from machine to machine.
fn normal(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = line.split_once("作業系統：").map_or(line, |(before, _)| before);
        let mut digits = false;
        for c in line.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !digits {
                out.push('0');
            }
            digits = c.is_ascii_digit();
        }
        out.push('\n');
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn what_doctor_prints_is_what_the_manual_shows() {
    let mut office = Office::open().await;
    let pki = office.pki();
    let mut page = String::new();
    let mut show = |office: &Office, title: &str, args: &[&str], code: i32| {
        let (text, found) = office.shown(args);
        // Which machine ran the test is nobody's business.
        let text = match text.split_once("，核心 ") {
            Some((before, after)) => format!("{before}\n{}", after.split_once('\n').unwrap().1),
            None => text,
        };
        assert_eq!(found, code, "{title}:\n{text}");
        write!(page, "**{title}**（結束碼 {code}）\n\n```text\n$ di-node doctor{}\n{text}```\n\n", {
            let args = args.join(" ");
            if args.is_empty() { args } else { format!(" {args}") }
        })
        .unwrap();
        text
    };

    let text = show(&office, "沒有讀卡機", &[], 1);
    assert!(text.contains("✗ 2 讀卡機檢測：沒有偵測到讀卡機（0x8010002E）"), "{text}");
    // The module can be judged without a reader, the card not.
    assert!(text.contains("✓ 3 IC卡相關驅動程式檢測") && text.contains("\n? 4 IC卡讀取測試\n"), "{text}");

    office.pcscd.stop();
    office.pcscd.plug_at_next_start(true);
    office.pcscd.run();
    let text = show(&office, "沒有卡片", &[], 1);
    assert!(text.contains("✗ 4 IC卡讀取測試：讀卡機內沒有卡片"), "{text}");

    let other = card_of(&pki, "XC00000000000002", "XC00000002.sign", "XC00000002.enc");
    office.pcscd.insert(&other, 0);
    let text = show(&office, "插錯卡片", &[], 1);
    assert!(text.contains("不是本機關登記的卡片") && text.contains(MEMBERS[1].1), "{text}");
    drop(other);

    let ended = card_of(&pki, "XC00000000000003", "ended", "XC00000001.enc2");
    office.pcscd.insert(&ended, 0);
    let text = show(&office, "憑證過期的卡片", &[], 1);
    assert!(text.contains("✗ 9 IC卡簽章憑證效期讀取：憑證已過期"), "{text}");
    assert!(text.contains("✗ 8 IC卡加解密憑證效期讀取：憑證已過期"), "{text}");
    drop(ended);

    let card = card_of(&pki, "XC00000000000001", "XC00000001.sign", "XC00000001.enc");
    office.pcscd.insert(&card, 0);
    let text = show(&office, "一切正常", &["--pin"], 0);
    assert!(text.contains("✓ 5 PIN驗證碼：正確") && text.contains("✓ 7 IC卡簽章測試："), "{text}");
    assert!(!text.contains('✗') && !text.contains('?'), "{text}");

    // Without --pin nothing is presented; with it once, and a wrong one is not tried again by itself.
    assert_eq!(status(&office.statuses(&["--json"], ""), "pin"), "skipped");
    assert_eq!(card.tries_left(), 3);
    office.pin(WRONG_PIN);
    assert_eq!(status(&office.statuses(&["--json", "--pin"], ""), "pin"), "fail");
    assert_eq!(card.tries_left(), 2, "one try");
    let again = office.statuses(&["--json", "--pin"], "");
    assert_eq!((status(&again, "pin"), status(&again, "sign")), ("fail", "unknown"));
    assert_eq!(card.tries_left(), 2, "the same source is not tried again");
    assert_eq!(status(&office.statuses(&["--json"], ""), "pin"), "fail", "a stop is told without --pin too");

    // A stranger's report names nobody.
    let report = office.dir.join("report.txt");
    office.doctor(&["--report", report.to_str().unwrap()], "");
    let report = std::fs::read_to_string(report).unwrap();
    let dir = office.dir.display().to_string();
    for private in
        ["XC00000000000001", "XC00000001", MEMBERS[0].1, PIN, WRONG_PIN, &dir, "CENTER\"", "127.0.0.1"]
    {
        assert!(!report.contains(private), "{private} in:\n{report}");
    }
    for useful in ["ATR", "CKA_ID", "opensc-pkcs11.so", "RSA 2048"] {
        assert!(report.contains(useful), "{useful} not in:\n{report}");
    }

    // Locked, as by a browser on the same machine.
    for _ in 0..2 {
        let mut tool = office.pcscd.command("pkcs11-tool");
        tool.arg("--module").arg(opensc_module()).args(["--login", "--pin", WRONG_PIN, "--test"]);
        assert!(!tool.stdin(Stdio::null()).output().unwrap().status.success());
    }
    assert_eq!(card.tries_left(), 0);
    // Nobody knows before the card is asked; a person allows that.
    let mut retry = office.pcscd.command(tests::binary("di-node"));
    retry.arg("--config").arg(&office.config).args(["card", "retry", "-r", "已核對"]);
    let output = retry.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("已允許再試一次（還剩幾次機會不明") && said.contains("不能解開已鎖的卡片"),
        "{said}"
    );
    let text = show(&office, "鎖卡", &["--pin"], 1);
    assert!(text.contains("✗ 5 PIN驗證碼：卡片已鎖卡"), "{text}");

    compare(&page);
}

/// The manual has what was printed.
fn compare(page: &str) {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/manual.md");
    let text = std::fs::read_to_string(&manual).unwrap();
    let (begin, end) = ("<!-- doctor: begin -->\n", "<!-- doctor: end -->");
    let from = text.find(begin).expect("begin mark") + begin.len();
    let to = text.find(end).expect("end mark");
    if std::env::var_os("DI_MANUAL").is_some_and(|value| value == "write") {
        std::fs::write(&manual, format!("{}{page}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert_eq!(
        normal(&text[from..to]),
        normal(page),
        "docs/manual.md: run `DI_MANUAL=write cargo test -p tests --test doctor`"
    );
}

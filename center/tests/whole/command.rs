//! The program `di-center`, as people and scripts call it.

use crate::pki::{CODES, PKI, entry, registration};
use crate::world::{now, settings};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn call(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_di-center"))
        .current_dir(dir)
        .args(["--config", "center.toml"])
        .args(args)
        .output()
        .unwrap()
}

fn good(dir: &Path, args: &[&str]) -> String {
    let output = call(dir, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn bad(dir: &Path, args: &[&str]) -> String {
    let output = call(dir, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&good(dir, args)).unwrap()
}

/// A folder with settings, keys and member A's entry.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = settings(dir.path());
    std::fs::write(dir.path().join("center.toml"), config::to_toml(&config)).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    put("registrar.key.pem", PKI.registrar.key_pem.as_bytes());
    put("registrar.crt.pem", PKI.registrar.cert_pem.as_bytes());
    put("a.entry", &entry(&PKI.members[0], CODES[0], "甲機關", 1, now()));
    put("x.entry", &entry(&PKI.members[3], CODES[0], "路人", 2, now()));
    dir
}

const COUNTERSIGN: [&str; 6] =
    ["registrar", "countersign", "--key", "registrar.key.pem", "--cert", "registrar.crt.pem"];

#[test]
fn from_nothing_to_a_registered_member() {
    let dir = folder();
    let dir = dir.path();
    // init makes a receipt key where there is none, and never twice
    std::fs::remove_file(dir.join("receipt.key.pem")).unwrap();
    std::fs::remove_file(dir.join("receipt.crt.pem")).unwrap();
    assert!(good(dir, &["init"]).contains("已產生系統確認金鑰"));
    let made = std::fs::read(dir.join("receipt.key.pem")).unwrap();
    good(dir, &["init"]);
    assert_eq!(std::fs::read(dir.join("receipt.key.pem")).unwrap(), made);
    assert!(good(dir, &["config", "check"]).contains("沒有問題"));
    assert!(good(dir, &["config", "show"]).contains("TEST-CENTER"));

    let countersigned = good(dir, &[&COUNTERSIGN[..], &["a.entry", "-o", "a.registration"]].concat());
    assert!(countersigned.contains(CODES[0]) && countersigned.contains("甲機關"), "{countersigned}");
    let again = bad(dir, &[&COUNTERSIGN[..], &["a.entry", "-o", "a.registration"]].concat());
    assert!(again.contains("目的地已存在，不覆寫") && again.contains("a.registration"), "{again}");
    // a member whose certificate nobody vouches for is not countersigned
    assert!(bad(dir, &[&COUNTERSIGN[..], &["x.entry", "-o", "x.registration"]].concat()).contains("處理："));
    assert!(!dir.join("x.registration").exists());

    let add = ["member", "add", CODES[0], "--registration", "a.registration", "--address", "203.0.113.7"];
    assert!(good(dir, &add).contains("甲機關"));
    good(dir, &["member", "address", "add", CODES[0], "127.0.0.0/8"]);
    let member = json(dir, &["member", "show", CODES[0], "--json"]);
    assert_eq!(member["name"], "甲機關", "the name comes from the registration");
    assert_eq!(member["addresses"], serde_json::json!(["127.0.0.0/8", "203.0.113.7"]));
    assert_eq!(member["registered"], true);
    good(dir, &["member", "suspend", CODES[0]]);
    assert_eq!(json(dir, &["member", "list", "--json"])[0]["standing"], "suspended");
    assert!(good(dir, &["member", "list"]).contains("停權"));
    good(dir, &["member", "resume", CODES[0]]);
    good(dir, &["member", "address", "remove", CODES[0], "203.0.113.7"]);
    assert_eq!(json(dir, &["member", "list", "--json"])[0]["addresses"], serde_json::json!(["127.0.0.0/8"]));
    good(dir, &["restore-epoch"]);
    assert_eq!(json(dir, &["status", "--json"])["members"], 1);
}

#[test]
fn an_unusable_registration_leaves_no_member_behind() {
    let dir = folder();
    let dir = dir.path();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
    put("good", &registration(&PKI.members[0], CODES[0], "甲機關", 1, now()));
    // a member under nobody's anchor; a registrar who is none; no registration at all; another organisation's
    put("member", &registration(&PKI.members[3], CODES[0], "路人", 2, now()));
    let own = entry(&PKI.members[0], CODES[0], "甲機關", 2, now());
    put("registrar", &envelope::directory::countersign(&own, &PKI.members[1].sign.key, now()).unwrap());
    put("other", &registration(&PKI.members[1], CODES[1], "乙機關", 1, now()));
    for (file, said) in [
        ("member", "trust.anchors of center.toml"),
        ("registrar", "trust.registrar-anchors of center.toml"),
        ("a.entry", "a.entry"),
        ("other", CODES[1]),
        ("missing", "missing"),
    ] {
        let error = bad(dir, &["member", "add", CODES[0], "--registration", "good", "--registration", file]);
        assert!(error.contains(said) && error.contains("處理："), "{file}: {error}");
        assert_eq!(json(dir, &["member", "list", "--json"]), serde_json::json!([]), "{file}");
    }

    // the organisation and its unit, whose mailbox has the longer code
    let unit = format!("{}UNIT001", CODES[0]);
    put("unit", &registration(&PKI.members[0], &unit, "甲機關", 1, now()));
    good(dir, &["member", "add", CODES[0], "--registration", "good", "--registration", "unit"]);
    let member = json(dir, &["member", "show", CODES[0], "--json"]);
    assert_eq!(member["mailboxes"], serde_json::json!([CODES[0], unit]));
    // an older entry changes nothing of a member that is there
    put("older", &registration(&PKI.members[0], CODES[0], "甲機關改名", 1, now()));
    let error = bad(dir, &["member", "add", CODES[0], "--name", "丁", "--registration", "older"]);
    assert!(error.contains("center-stale-entry"), "{error}");
    assert_eq!(json(dir, &["member", "show", CODES[0], "--json"])["name"], "甲機關");
}

#[test]
fn members_from_a_csv() {
    let dir = folder();
    let dir = dir.path();
    good(dir, &[&COUNTERSIGN[..], &["a.entry", "-o", "a.registration"]].concat());
    let csv = format!(
        "\u{feff}code,name,addresses,registrations,may-send\r\n\
         {},,127.0.0.1 192.0.2.0/24,a.registration,true\r\n{},乙機關,,,否\r\n",
        CODES[0], CODES[1]
    );
    std::fs::write(dir.join("members.csv"), csv).unwrap();
    for _ in 0..2 {
        assert!(good(dir, &["member", "import", "members.csv"]).contains("匯入 2 個會員"));
    }
    let members = json(dir, &["member", "list", "--json"]);
    assert_eq!(members[0]["name"], "甲機關");
    assert_eq!(members[1]["may-send"], false);
    std::fs::write(dir.join("bad.csv"), format!("code,addresses\n{},somewhere\n", CODES[2])).unwrap();
    let error = bad(dir, &["member", "import", "bad.csv"]);
    assert!(error.contains("line 2") && error.contains("somewhere") && error.contains("處理："), "{error}");
    std::fs::write(dir.join("bad.csv"), "code,colour\n").unwrap();
    assert!(bad(dir, &["member", "import", "bad.csv"]).contains("colour"));
}

#[test]
fn errors_say_what_and_where_and_what_to_do() {
    let dir = folder();
    let dir = dir.path();
    let error = bad(dir, &["member", "show", "Z00000000Z"]);
    assert!(
        error.contains("Z00000000Z") && error.contains("center-no-member") && error.contains("處理："),
        "{error}"
    );
    assert!(bad(dir, &["member", "add", "short"]).contains("center-bad-code"));
    assert!(bad(dir, &["member", "address", "add", CODES[0], "nowhere"]).contains("center-bad-network"));
    let text = std::fs::read_to_string(dir.join("center.toml")).unwrap();
    std::fs::write(dir.join("center.toml"), format!("colour = 1\n{text}")).unwrap();
    let error = bad(dir, &["config", "check"]);
    assert!(error.contains("center.toml:1:1") && error.contains("colour"), "{error}");
    std::fs::remove_file(dir.join("center.toml")).unwrap();
    assert!(bad(dir, &["run"]).contains("center.toml"));
}

#[cfg(unix)]
#[test]
fn runs_until_it_is_told_to_stop() {
    let dir = folder();
    let dir = dir.path();
    let mut center = Command::new(env!("CARGO_BIN_EXE_di-center"))
        .current_dir(dir)
        .args(["--config", "center.toml", "run", "--mischief", "5", "--mischief-seed", "7"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(center.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("TEST-CENTER"));
    // members and announcements change while it runs
    good(dir, &["member", "add", CODES[0], "--name", "甲機關"]);
    assert!(good(dir, &["announce", "停機公告", "--body", "今晚八時"]).contains("第 1 號"));
    assert_eq!(json(dir, &["status", "--json"])["announcements"], 1);
    let killed = Command::new("kill").args(["-TERM", &center.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(center.wait().unwrap().success());
    assert!(lines.map(Result::unwrap).any(|line| line.contains("已停止")));
}

//! Late and unanswered, as an office has it: who has not confirmed by the next working day, and what a person does then.
//! Whole processes and the command line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::fs;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use serde_json::Value;
use tests::binary;
use tests::site::{Process, Site, drop_letter, eventually};

const SOON: Duration = Duration::from_secs(60);

/// A site and the names of its three members.
struct Office {
    site: Site,
    us: String,
    b: String,
    c: String,
    _dir: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        let bins = binary("di-node");
        let dir = tempfile::tempdir().unwrap();
        let site = Site::make(dir.path(), bins.parent().unwrap());
        let [us, b, c] = [0, 1, 2].map(|n| site.codes[n].clone());
        Self { site, us, b, c, _dir: dir }
    }

    /// `di-node` of a member: exit code and what it printed.
    fn run(&self, member: &str, args: &[&str]) -> (i32, String) {
        let output = self.site.di_node(member, args);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// A verb that must work.
    fn must(&self, member: &str, args: &[&str]) -> String {
        let (code, text) = self.run(member, args);
        assert_eq!(code, 0, "{args:?}: {text}");
        text
    }

    fn outcome(&self, args: &[&str]) -> Value {
        let (code, text) = self.run(&self.us, &[&["outcome", "--json"], args].concat());
        assert!(matches!(code, 0 | 1), "{args:?}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The recipients of `outcome` that are of these letters: code, state, round, day.
    fn told(&self, args: &[&str], letters: &[&str]) -> Vec<(String, String, u64, String)> {
        let found = self.outcome(args);
        let ours = found["electronic"].as_array().unwrap().iter();
        let ours = ours.filter(|r| letters.contains(&r["id"].as_str().unwrap()));
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        ours.map(|r| (text(&r["code"]), text(&r["word"]), r["round"].as_u64().unwrap(), text(&r["due"])))
            .collect()
    }

    /// The id of the letter with this number, once it is in the outbox.
    fn id(&self, number: &str) -> String {
        let socket = self.site.socket(&self.us);
        eventually("the letter is in the outbox", SOON, || {
            let page = self.site.get(&socket, "/v1/outbox?limit=50").ok()?;
            let letters = page["documents"].as_array()?.iter();
            let id = letters.filter(|d| d["subject"].as_str().is_some_and(|s| s.contains(number)));
            id.filter_map(|d| d["id"].as_str().map(str::to_owned)).next()
        })
    }

    fn up(&self, member: &str) -> Process {
        let node = self.site.node(member);
        let socket = self.site.socket(member);
        eventually("the node answers", SOON, || self.site.get(&socket, "/v1/health").ok());
        node
    }

    /// Events of a document with who and why, as the journal has them.
    fn journal(&self, member: &str, id: &str) -> Vec<(String, String, String)> {
        let found = self.site.get(&self.site.socket(member), &format!("/v1/documents/{id}")).unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let events = found["history"].as_array().unwrap().iter();
        events.map(|e| (text(&e["event"]), text(&e["actor"]), text(&e["detail"]))).collect()
    }
}

/// The office calendar of the years around `today`, as it is published, with one day off more.
fn calendar(today: Date, off: Date) -> String {
    let mut text = String::from("\u{feff}西元日期,星期,是否放假,備註\r\n");
    let first = Date::new(today.year(), 1, 1).unwrap();
    let weekdays = ["一", "二", "三", "四", "五", "六", "日"];
    for date in first.series(1.day()).take_while(|date| date.year() <= today.year() + 1) {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (flag, name) =
            if date == off { (2, "全國放假一日") } else { (if weekend { 2 } else { 0 }, "") };
        let weekday = weekdays[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()];
        text += &format!("{},{weekday},{flag},{name}\r\n", date.strftime("%Y%m%d"));
    }
    text
}

/// Days are counted here: the test does not begin when one is about to end.
fn away_from_midnight() {
    let system = jiff::tz::TimeZone::system();
    let named = std::env::var_os("TZ").is_some_and(|tz| !tz.is_empty());
    let utc = matches!(system.iana_name(), None | Some("UTC" | "Etc/UTC"));
    let taipei = jiff::tz::TimeZone::get("Asia/Taipei").unwrap();
    let zone = if utc && !named { taipei } else { system };
    let day = |later: Duration| (jiff::Timestamp::now() + later).to_zoned(zone.clone()).date();
    eventually("a new day", Duration::from_secs(400), || {
        (day(Duration::ZERO) == day(Duration::from_secs(300))).then_some(())
    });
}

#[test]
fn who_has_not_confirmed_by_the_next_working_day_and_what_a_person_does_then() {
    away_from_midnight();
    let office = Office::new();
    let (us, b, c) = (office.us.as_str(), office.b.as_str(), office.c.as_str());
    let center = office.site.center();
    let sender = office.up(us);

    // the calendar: the next weekday becomes a holiday
    let days =
        || -> Value { serde_json::from_str(&office.must(us, &["calendar", "show", "--json"])).unwrap() };
    let day = |value: &Value| value.as_str().unwrap().parse::<Date>().unwrap();
    let before = days();
    assert!(!before["uncovered"].as_array().unwrap().is_empty(), "nothing is imported yet");
    let (today, off) = (day(&before["today"]), day(&before["next"]));
    let file = office.site.dir.join("辦公日曆.csv");
    fs::write(&file, calendar(today, off)).unwrap();
    office.must(us, &["calendar", "import", &file.to_string_lossy(), "--actor", "王小明"]);
    let after = days();
    assert_eq!(after["uncovered"].as_array().unwrap().len(), 0);
    let due = day(&after["next"]);
    assert!(due > off, "{off} is off now");
    fs::write(&file, "Subject,Start Date\n").unwrap();
    let (code, text) = office.run(us, &["calendar", "import", &file.to_string_lossy()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("calendar-unreadable"), "{text}");

    // two letters; nobody answers
    let drop = office.site.folder(us, "drop");
    let _ = drop_letter(&drop, "7000001", us, &[b, c], &[("bin", b"one")]);
    let _ = drop_letter(&drop, "7000002", us, &[c], &[("bin", b"two")]);
    let (one, two) = (office.id("7000001"), office.id("7000002"));
    let letters = [one.as_str(), two.as_str()];
    let waits = |code: &str, round: u64| (code.to_owned(), "系統確認".to_owned(), round, due.to_string());
    eventually("the center has both", SOON, || {
        (office.told(&[], &letters) == [waits(b, 0), waits(c, 0), waits(c, 0)]).then_some(())
    });
    assert_eq!(office.told(&["--due"], &letters), [], "today nobody is late");
    assert_eq!(
        office.told(&["--due", "--date", &off.to_string()], &letters),
        [],
        "a holiday counts for nothing"
    );
    let by = ["--due", "--date", &due.to_string()];
    assert_eq!(office.told(&by, &letters), [waits(b, 0), waits(c, 0), waits(c, 0)]);
    assert_eq!(office.run(us, &[&["outcome"], &by[..]].concat()).0, 1, "somebody must do something");
    let printed = office.must(us, &["paper", "--date", &due.to_string()]);
    assert!(printed.contains("已電子交換未確認") && printed.contains(c), "{printed}");

    // a decision has a reason, and fits
    assert_eq!(office.run(us, &["resend", &one, "--to", b]).0, 64);
    assert_eq!(office.run(us, &["paper", &one, "--to", b]).0, 64);
    let (code, text) = office.run(us, &["resend", &one, "--to", "XC00000000", "--reason", "x"]);
    assert_eq!((code, text.contains("recipient-unknown-here")), (1, true), "{text}");
    assert_eq!(office.run(us, &["retry", &one, "--reason", "x"]).0, 1, "there is nothing to try");

    // one: sent again to B, who was away and gets it once
    office.must(us, &["resend", &one, "--to", b, "--reason", "對方更換主機", "--actor", "王小明"]);
    eventually("the center has the second round", SOON, || {
        let found = office.outcome(&[&one]);
        let line = &found["electronic"][0];
        (line["round"] == 1 && line["resending"] == false).then_some(())
    });
    let receiver = office.up(b);
    eventually("B confirms", SOON, || {
        let told = office.told(&[&one], &letters);
        (told[0] == (b.to_owned(), "使用者確認".to_owned(), 1, String::new())).then_some(())
    });
    let inbox = || {
        let page = office.site.get(&office.site.socket(b), "/v1/inbox?limit=50").unwrap();
        let all = page["documents"].as_array().unwrap().clone();
        all.into_iter().filter(|d| d["id"] == one.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(inbox().len(), 1, "both rounds are one letter");

    // another: on paper; a third: given up
    office.must(us, &["paper", &one, "--to", c, "--reason", "對方停電", "--actor", "王小明"]);
    office.must(us, &["abandon", &two, "--to", c, "--reason", "內容已併入前函", "--actor", "李科長"]);
    assert_eq!(office.told(&by, &letters), [], "nothing is left to do");
    assert_eq!(office.run(us, &["resend", &two, "--reason", "x"]).0, 1, "it is final");
    let paper = office.must(us, &["paper", &one, "--list"]);
    assert!(paper.contains("補送紙本") && paper.contains(c), "to print it again: {paper}");
    let html = office.must(us, &["paper", &one, "--html"]);
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("已電子交換未確認"), "{html}");

    // B finds after its confirmation that something is missing: the sender is told, once, and nothing moves
    assert_eq!(office.run(b, &["return", &one]).0, 64);
    eventually("B's confirmation is at the center", SOON, || {
        (inbox()[0]["state"] == "confirmed").then_some(())
    });
    office.must(b, &["return", &one, "--incomplete", "--reason", "缺附件二", "--actor", "陳收文"]);
    assert_eq!(office.run(b, &["return", &one, "--reason", "再一次"]).0, 1);
    let told = eventually("the sender is told", SOON, || {
        let found = office.outcome(&["--due"]);
        let ours = found["electronic"].as_array()?.iter().find(|r| r["id"] == one.as_str())?.clone();
        Some(ours)
    });
    assert_eq!((told["code"].as_str().unwrap(), told["word"].as_str().unwrap()), (b, "使用者確認"));
    assert_eq!(told["reason"]["label"], "incomplete");
    assert_eq!(told["due"], today.to_string().as_str());
    let (code, text) = office.run(us, &["outcome", &one]);
    assert!(code == 0 && text.contains("錯漏"), "{text}");
    office.must(us, &["settle", &one, "--reason", "已電話說明，另函補送", "--actor", "王小明"]);
    assert_eq!(office.told(&["--due"], &letters), []);

    // C comes back and confirms what went out on paper or was given up: told, and settled by a person
    let late = office.up(c);
    eventually("what comes late is told", SOON, || {
        let told = office.told(&["--due"], &letters);
        let states: Vec<&str> = told.iter().map(|t| t.1.as_str()).collect();
        (states == ["補送紙本", "已放棄"]).then_some(())
    });
    office.must(us, &["settle", &one, "--to", c, "--reason", "已告知對方", "--actor", "王小明"]);
    office.must(us, &["settle", &two, "--reason", "已告知對方", "--actor", "王小明"]);
    assert_eq!(office.told(&["--due"], &letters), []);

    // who and why, each in the journal
    let said = office.journal(us, &format!("out:{one}"));
    for (event, actor, why) in [
        ("resend-asked", "王小明", "對方更換主機"),
        ("on-paper", "王小明", "對方停電"),
        ("notice-settled", "王小明", "已電話說明，另函補送"),
    ] {
        let found = said.iter().find(|(e, ..)| e == event).unwrap_or_else(|| panic!("{event} in {said:?}"));
        assert!(found.1.starts_with(actor) && found.1.contains("uid"), "{found:?}");
        assert!(found.2.ends_with(why), "{found:?}");
    }
    let returned = office.journal(b, &format!("in:{one}"));
    let asked = returned.iter().find(|(e, ..)| e == "notify-asked").unwrap();
    assert!(asked.1.starts_with("陳收文") && asked.2 == "incomplete: 缺附件二", "{asked:?}");
    for process in [center, sender, receiver, late] {
        assert!(process.stop().success());
    }
    for code in [us, b, c] {
        let store = store::Store::open_read_only(&office.site.folder(code, "state")).unwrap();
        store.verify_chain().unwrap();
    }
    // without the service the same is read from the folder
    assert_eq!(office.told(&[&one], &letters).len(), 2);
    assert_eq!(office.run(us, &["resend", &one, "--reason", "x"]).0, 69, "but nothing is changed");
}

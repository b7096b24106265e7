//! What a person sees, and what a stranger may.

use super::*;

fn check(id: &'static str, status: Status, detail: &str, remedy: &str) -> Check {
    Check::new(Name(id, id), status, detail.into(), remedy.into(), detail.into())
}

#[test]
fn the_exit_code_tells_failed_from_unknown() {
    let of = |statuses: &[Status]| {
        code(&statuses.iter().map(|status| check("x", *status, "", "")).collect::<Vec<_>>())
    };
    assert_eq!(of(&[Status::Ok, Status::Skipped]), exit::OK);
    assert_eq!(of(&[Status::Ok, Status::Unknown]), exit::UNDECIDED);
    assert_eq!(of(&[Status::Unknown, Status::Fail]), exit::FAILED);
}

#[test]
fn without_configuration_and_module_nothing_fails_and_the_nine_stand_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let patient = Patient { settings: Settings::Missing, service: None, now: now(), civil: Civil::taipei() };
    let args = Doctor { pin: false, pin_fd: None, module: None, report: None, json: false };
    let (mut checks, facts) = hicos::nine(&args, &patient);
    let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "作業系統",
            "讀卡機檢測",
            "IC卡相關驅動程式檢測",
            "IC卡讀取測試",
            "PIN驗證碼",
            "IC卡加解密測試",
            "IC卡簽章測試",
            "IC卡加解密憑證效期讀取",
            "IC卡簽章憑證效期讀取"
        ]
    );
    checks.extend(own::checks(&patient, &facts));
    let ids: std::collections::HashSet<_> = checks.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), checks.len(), "every id once");
    assert!(checks.iter().skip(9).all(|check| check.status == Status::Skipped));
    let path = folder.path().join("report.txt");
    report::write(&path, &checks, 9, &facts, &patient).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("sign-dates"));
    assert!(report::write(&path, &checks, 9, &facts, &patient).is_err(), "nothing is overwritten");
}

#[test]
fn what_follows_from_an_earlier_check_is_a_sign_alone_and_what_is_idle_for_one_reason_is_told_once() {
    let before = Check::unknown(hicos::DRIVER, BEFORE, "");
    let idle = |name| Check::skipped(Name(name, name), NO_CONFIG);
    let checks = [Check::fail(hicos::READER, "card-no-reader", "0x8010002E"), before, idle("a"), idle("b")];
    let text = render(&checks, 2);
    assert!(
        text.contains("✗ 1 讀卡機檢測：沒有偵測到讀卡機（0x8010002E）\n    處理：確認讀卡機已接上"),
        "{text}"
    );
    assert!(text.contains("\n? 2 IC卡相關驅動程式檢測\n"), "{text}");
    assert!(text.contains("\n– a、b：沒有設定檔，未檢測\n"), "{text}");
}

#[test]
fn the_last_sieve_leaves_no_half_of_a_name() {
    let private = ["範例文化基金會".to_owned(), "範例文化".to_owned(), "TP12".to_owned(), String::new()];
    let text = report::scrubbed("範例文化基金會 TP12 範例文化".to_owned(), &private);
    assert_eq!(text, "〔略〕 〔略〕 〔略〕");
}

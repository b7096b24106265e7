//! Checks 3 to 9 where the service has the card: it is asked, so that one process touches the card.

use crate::api::view::{Card, Outcome, Tested};
use crate::card::find::{self, Found};

use super::hicos::{CARD, DECRYPT, DRIVER, ENC_DATES, Facts, PIN, SIGN, SIGN_DATES, dates_of, fill};
use super::{Check, Doctor, Patient, Status};
use crate::cli::client::Client;

/// States before which the module itself is the trouble.
const MODULE: [&str; 3] = ["card-module", "card-helper", "card-starting"];
/// The state in which it signs and opens.
const IN: &str = "card-ready";

/// Module to signing certificate. The service has the PIN: nobody is asked for one, and `--pin` allows the two operations.
pub(super) fn look(
    args: &Doctor,
    patient: &Patient,
    client: &Client,
    found: &Found,
    checks: &mut Vec<Check>,
    facts: &mut Facts,
) {
    let card: Card = match client.get("/v1/card") {
        Ok(card) => card,
        Err(failure) => {
            super::card::readers(found, false, checks);
            return checks.push(Check::unknown(DRIVER, failure.label(), ""));
        }
    };
    super::card::readers(found, card.token.is_some(), checks);
    let module = patient.config().and_then(|config| config.card.module.as_deref());
    facts.lines.extend(module.map(|module| format!("程式庫檔名：{}", find::file_name(module))));
    facts.private.extend(card.token.iter().map(|token| token.serial.clone()));
    let detail = card.reason.as_ref().map(|reason| reason.detail.clone()).unwrap_or_default();
    let state = card.state.as_str();
    if MODULE.contains(&state) {
        return checks.push(Check::fail(DRIVER, state, &detail).shared(state));
    }
    checks.push(Check::ok(DRIVER, card.module.as_deref().unwrap_or("已載入（服務執行中）")));
    let Some(token) = &card.token else {
        return checks.push(Check::fail(CARD, state, &detail).shared(state));
    };
    if state == "card-wrong" {
        return checks.push(Check::fail(CARD, state, &detail).shared(state));
    }
    let name = card.organisation.as_deref().unwrap_or_default();
    let rank = card.rank.as_deref().map(|rank| format!("，{rank}")).unwrap_or_default();
    let detail_of = format!("「{name}」的卡片（卡號 {}{rank}）", token.serial);
    checks.push(Check::ok(CARD, detail_of).shared(format!("兩張憑證俱全{rank}")));
    if state == IN {
        checks.push(Check::ok(PIN, "正確（服務已登入）"));
        test(args, client, checks);
    } else {
        checks.push(Check::fail(PIN, state, &detail).shared(state));
        fill_two(checks, |name| Check::unknown(name, super::BEFORE, ""));
    }
    for (name, purpose) in [(ENC_DATES, "encrypt"), (SIGN_DATES, "sign")] {
        match card.certificates.iter().find(|certificate| certificate.purpose == purpose) {
            Some(certificate) => {
                checks.push(dates_of(name, certificate.not_before, certificate.not_after, patient));
            }
            None => checks.push(Check::unknown(name, super::BEFORE, "")),
        }
    }
}

fn test(args: &Doctor, client: &Client, checks: &mut Vec<Check>) {
    if !args.pin && args.pin_fd.is_none() {
        return fill_two(checks, |name| Check::skipped(name, super::PIN_NOT_ASKED).remedy(""));
    }
    match client.post::<Tested>("/v1/card/test", &()) {
        Ok(tested) => {
            for (name, outcome) in [(DECRYPT, tested.decrypt), (SIGN, tested.sign)] {
                let Outcome { took, reason } = outcome;
                checks.push(match reason {
                    None => Check::ok(name, format!("{took} 毫秒")),
                    Some(reason) => {
                        Check::of(name, Status::Fail, &reason.label, &reason.detail).shared(reason.label)
                    }
                });
            }
        }
        Err(failure) => fill_two(checks, |name| Check::unknown(name, failure.label(), "")),
    }
}

fn fill_two(checks: &mut Vec<Check>, with: impl Fn(super::Name) -> Check) {
    let rest = checks.len();
    let mut both = checks.clone();
    fill(&mut both, with);
    checks.extend(both.into_iter().skip(rest).take(2));
}

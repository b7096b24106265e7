//! The nine checks of the HiCOS tool, by its names and in its order.

use envelope::Certificate;
use envelope::trust::Purpose;

use super::{Check, Doctor, Name, Patient, Settings};

/// Id and name of each.
pub(super) const NINE: [Name; 9] = [OS, READER, DRIVER, CARD, PIN, DECRYPT, SIGN, ENC_DATES, SIGN_DATES];
pub(super) const OS: Name = Name("os", "作業系統");
pub(super) const READER: Name = Name("reader", "讀卡機檢測");
pub(super) const DRIVER: Name = Name("driver", "IC卡相關驅動程式檢測");
pub(super) const CARD: Name = Name("card", "IC卡讀取測試");
pub(super) const PIN: Name = Name("pin", "PIN驗證碼");
pub(super) const DECRYPT: Name = Name("decrypt", "IC卡加解密測試");
pub(super) const SIGN: Name = Name("sign", "IC卡簽章測試");
pub(super) const ENC_DATES: Name = Name("enc-dates", "IC卡加解密憑證效期讀取");
pub(super) const SIGN_DATES: Name = Name("sign-dates", "IC卡簽章憑證效期讀取");

/// From so many days on a certificate's end is told as a warning.
const FEW_DAYS: i64 = 90;
const DAY: i64 = 86_400_000;

/// What the nine checks learned that others need, and what a report may tell of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The card's certificates with what each is for.
    pub(super) certificates: Vec<(Certificate, Purpose)>,
    /// CA certificates on the card.
    pub(super) authorities: Vec<Certificate>,
    /// Lines about reader, module and card for strangers: models and mechanisms, nobody's numbers.
    pub(super) lines: Vec<String>,
    /// What must not be in a report: serials, labels, names.
    pub(super) private: Vec<String>,
}

/// All nine.
pub(super) fn nine(args: &Doctor, patient: &Patient) -> (Vec<Check>, Facts) {
    let mut checks = vec![system()];
    let mut facts = Facts::default();
    let by_files = match &patient.settings {
        Settings::Given(config, _) => !config.card.is_used(),
        Settings::Missing | Settings::Wrong(_) => false,
    };
    if by_files && args.module.is_none() {
        fill(&mut checks, |name| Check::skipped(name, super::FILE_KEYS));
    } else {
        super::card::look(args, patient, &mut checks, &mut facts);
    }
    fill(&mut checks, |name| Check::unknown(name, super::BEFORE, ""));
    (checks, facts)
}

/// The checks that are still missing.
pub(super) fn fill(checks: &mut Vec<Check>, with: impl Fn(Name) -> Check) {
    for name in NINE.iter().skip(checks.len()) {
        checks.push(with(*name));
    }
}

/// 1: what runs here. It always passes: where the program runs, it runs.
fn system() -> Check {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned());
    let kernel = rustix::system::uname();
    let detail = format!("{name}，核心 {}，{}", kernel.release().to_string_lossy(), std::env::consts::ARCH);
    Check::ok(OS, detail)
}

/// A certificate's time: from, to, days left.
pub(super) fn dates(name: Name, certificate: &Certificate, patient: &Patient) -> Check {
    dates_of(name, certificate.not_before(), certificate.not_after(), patient)
}

/// As [`dates`].
pub(super) fn dates_of(name: Name, not_before: i64, not_after: i64, patient: &Patient) -> Check {
    let now = patient.now;
    let (from, until) = (patient.civil.second(not_before), patient.civil.second(not_after));
    let days = not_after.saturating_sub(now).div_euclid(DAY);
    let over = match (now < not_before, now > not_after) {
        (true, _) => Some("certificate-not-yet-valid"),
        (false, true) => Some("certificate-expired"),
        (false, false) => None,
    };
    if let Some(label) = over {
        let more = format!("{from} 至 {until}");
        let check = Check::fail(name, label, &more);
        let check = match label {
            "certificate-expired" => check.remedy(crate::words::remedy(super::EXPIRED)),
            _ => check,
        };
        return check.shared(format!("{label}：{days} 天"));
    }
    let check =
        Check::ok(name, format!("{from} 至 {until}，還有 {days} 天")).shared(format!("還有 {days} 天"));
    if days < FEW_DAYS { check.remedy(crate::words::remedy(super::EXPIRES_SOON)) } else { check }
}

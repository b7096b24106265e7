//! What people are told of a card and its state, in Chinese: particulars beside the sentence of the label.

use ::card::identity::Mismatch;
use ::card::{Info, State, Token};
use envelope::Certificate;
use envelope::key::CardRank;

/// What a state has to say beyond its label's sentence; may be empty.
pub(crate) fn particulars(state: &State) -> String {
    match state {
        State::Starting | State::NoReader | State::NoCard | State::UnknownCard | State::Ready { .. } => {
            String::new()
        }
        State::NoHelper { detail }
        | State::NoModule { detail }
        | State::NoService { detail }
        | State::ServiceRefused { detail }
        | State::Broken { detail } => detail.clone(),
        State::OtherCard { found } => format!("插著的是{}", tokens(found)),
        State::Ambiguous { found } => tokens(found),
        State::NoKeys { what, token } => format!("{}；{what}", self::token(token)),
        State::WrongCard { what, info } => format!("插著的是{}；{}", whose(info), mismatch(what, info)),
        State::PinNeeded { why, .. } => left(why.left),
    }
}

/// How many tries are left, where the card says so.
pub(crate) fn left(left: Option<u32>) -> String {
    left.filter(|left| *left > 0).map(|left| format!("還剩 {left} 次機會")).unwrap_or_default()
}

/// Why it is not the right card.
fn mismatch(what: &Mismatch, info: &Info) -> String {
    let registered = |which: &str, own: &Certificate| {
        format!("它的{which}憑證（序號 {}）不是向交換中心登記的那一張", own.serial_hex())
    };
    match what {
        Mismatch::Organisation { expected, found: Some(found) } => {
            format!("它的機關 OID 是 {found}，應為 {expected}")
        }
        Mismatch::Organisation { expected, found: None } => {
            format!("它的憑證沒有載明機關 OID，應為 {expected}")
        }
        Mismatch::TwoOrganisations { sign, unwrap } => {
            format!("它的簽章憑證屬於 {sign}，加密憑證卻屬於 {unwrap}")
        }
        Mismatch::SignCertificate => registered("簽章", &info.sign.certificate),
        Mismatch::UnwrapCertificate => registered("加密", &info.unwrap.certificate),
    }
}

/// Whose card it is, its rank and its number.
pub(crate) fn whose(info: &Info) -> String {
    let certificate = &info.sign.certificate;
    let name = certificate.organisation().unwrap_or_else(|| certificate.subject());
    let rank = info.rank.map(|rank| format!("，{}", self::rank(rank))).unwrap_or_default();
    format!("「{name}」的卡片（卡號 {}{rank}）", info.token.serial)
}

/// 正卡 or 附卡.
pub(crate) const fn rank(rank: CardRank) -> &'static str {
    match rank {
        CardRank::Primary => "正卡",
        CardRank::Secondary => "附卡",
    }
}

/// A token by label and number.
pub(crate) fn token(token: &Token) -> String {
    format!("{}（卡號 {}）", token.label, token.serial)
}

fn tokens(found: &[Token]) -> String {
    if found.is_empty() {
        return "無法辨識的卡片".to_owned();
    }
    found.iter().map(token).collect::<Vec<_>>().join("、")
}

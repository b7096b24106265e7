//! The roots of all kinds, and what older editions have otherwise.
//!
//! Official: 函, 簽 and 交換表單 of edition 104. Everything else is inferred from what producers emit, and a little wider
//! than what they emit: elements whose absence is known to be harmless are optional.

use super::syntax::{attributes, cm, elements};
use super::{AttributeDecl, Edition, ElementDecl, Kind};

/// The declaration of the root element.
pub(super) const fn root(kind: Kind, edition: Edition) -> &'static [ElementDecl] {
    match (kind, edition) {
        (Kind::Letter, Edition::E104) => LETTER,
        (Kind::Letter, Edition::E91) => LETTER_91,
        (Kind::Letter, _) => LETTER_93,
        (Kind::Memo, _) => MEMO,
        (Kind::Roster, Edition::E104) => ROSTER,
        (Kind::Roster, _) => ROSTER_OLDER,
        (Kind::Order, _) => ORDER,
        (Kind::Announcement, Edition::E93) => ANNOUNCEMENT_93,
        (Kind::Announcement, _) => ANNOUNCEMENT,
        (Kind::MeetingNotice, _) => MEETING_NOTICE,
        (Kind::InspectionNotice, _) => INSPECTION_NOTICE,
        (Kind::Consultation, _) => CONSULTATION,
    }
}

// Official: 104_2_utf8.dtd, 104_5_utf8.dtd, 104_roster_utf8.dtd.
const LETTER: &[ElementDecl] = elements! {
    函 { (發文機關+, 函類別, 地址, 聯絡方式+, 受文者, 發文日期, 發文字號+, 速別?, 密等及解密條件或保密期限?, 附件?, 主旨, 段落*, 正本, 副本?, 署名*) }
};
const MEMO: &[ElementDecl] = elements! {
    簽 { ((發文機關|單位), 受文者?, 文號, 速別?, 密等及解密條件或保密期限?, 擬辦方式?, 附件?, 主旨, 段落*, 敬陳?, 署名, 年月日) }
};
const ROSTER: &[ElementDecl] = elements! {
    交換表單 { (((姓名, 職稱?, 機關代碼, 單位代碼?) | (單位名, 機關代碼, 單位代碼) | (全銜, 機關代碼)), 含附件?, 內含本文與附件之可攜式文件檔名?, 本別?)+ }
};

// Inferred: older editions.
const LETTER_91: &[ElementDecl] = elements! {
    函 { (發文機關+, 函類別?, 地址?, 聯絡方式*, 受文者, 速別?, (密等及解密條件 | 密等及解密條件或保密期限)?, 發文日期, 發文字號+, 附件?, 主旨, 段落*, 正本, 副本?, 署名*) }
};
const LETTER_93: &[ElementDecl] = elements! {
    函 { (發文機關+, 函類別?, 地址?, 聯絡方式*, 受文者, 發文日期, 發文字號+, 速別?, 密等及解密條件或保密期限?, 附件?, 主旨, 段落*, 正本, 副本?, 署名*) }
};
const ROSTER_OLDER: &[ElementDecl] = elements! {
    交換表單 { (((姓名, 職稱?, 機關代碼, 單位代碼?) | (單位名, 機關代碼, 單位代碼) | (全銜, 機關代碼)), 含附件?)+ }
};

// Inferred: kinds without a public DTD.
const ORDER: &[ElementDecl] = elements! {
    令 { (發文機關+, 令類別?, 地址?, 聯絡方式*, 受文者?, 發文日期, 發文字號+, 速別?, 密等及解密條件或保密期限?, 附件?, 主旨, 段落*, 正本?, 副本?, 署名*) }
};
const ANNOUNCEMENT: &[ElementDecl] = elements! {
    公告 { (發文機關+, 發文日期, 發文字號+, 附件?, 主旨, 段落*, 署名*) }
};
// 93_D.dtd: with a 受文者; where it stands is a guess, the place that it has in a 函
const ANNOUNCEMENT_93: &[ElementDecl] = elements! {
    公告 { (發文機關+, 受文者?, 發文日期, 發文字號+, 附件?, 主旨, 段落*, 署名*) }
};
const MEETING_NOTICE: &[ElementDecl] = elements! {
    開會通知單 { (發文機關+, 受文者, 聯絡人及電話, 發文日期, 發文字號+, 速別?, 密等及解密條件或保密期限?, 附件?, 開會事由, 開會時間+, 開會地點, 主持人, 出席者, 列席者?, 副本?, 備註?, 署名*) }
};
const INSPECTION_NOTICE: &[ElementDecl] = elements! {
    會勘通知單 { (發文機關+, 受文者, 聯絡人及電話, 發文日期, 發文字號+, 速別?, 密等及解密條件或保密期限?, 附件?, (會勘事由 | 開會事由), (會勘時間 | 開會時間)+, (會勘地點 | 開會地點), 主持人, 出席者, 列席者?, 副本?, 備註?, 署名*) }
};
const CONSULTATION: &[ElementDecl] = elements! {
    簽稿會核單 { (受文者?, 發文機關, 案情摘要, 承辦單位, 收文字號?, (受會單位, 會核意見, 收會時間, 會畢時間)+) }
};

/// Elements that only an older edition has, or has otherwise.
pub(super) const fn older(edition: Edition) -> &'static [ElementDecl] {
    match edition {
        Edition::E91 => OLDER_91,
        _ => &[],
    }
}

const OLDER_91: &[ElementDecl] = elements! {
    密等及解密條件 { (密等, 解密條件) }
    解密條件 { (PCDATA) }
};

/// Attributes that an older edition has otherwise.
pub(super) const fn older_attributes(edition: Edition) -> &'static [AttributeDecl] {
    match edition {
        Edition::E91 | Edition::E93 | Edition::E97 => OLDER_ATTRIBUTES,
        Edition::E99 | Edition::E104 => &[],
    }
}

const OLDER_ATTRIBUTES: &[AttributeDecl] = attributes! {
    密等 代碼 (普通|密|機密|極機密|絕對機密) "普通";
    速別 代碼 (普通件|速件|最速件) "普通件";
};

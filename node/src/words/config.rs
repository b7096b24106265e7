//! Words for the labels of `config`.

use super::{Words, w};

pub(super) const WORDS: &[Words] = &[
    w(
        "config-unreadable",
        "設定檔無法讀取",
        "以 --config 指定設定檔，或建立 ./di-node.toml；第一次使用請執行 di-node setup",
    ),
    w("config-syntax", "設定檔的語法不正確", "依所指的行與欄更正；字串要加引號"),
    w("config-unknown-key", "設定檔有不認得的鍵", "更正鍵名；所有可用的鍵見 config/node.example.toml"),
    w("config-value", "設定檔的值不正確", "依訊息更正該值"),
    w("config-missing", "設定檔缺少必要的鍵", "補上該鍵；範例見 config/node.example.toml"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_label_has_words() {
        super::super::assert_complete(super::WORDS, config::LABELS.iter().map(|(l, _)| *l));
    }
}

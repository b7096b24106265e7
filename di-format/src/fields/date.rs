//! 年月日: dates of the Republic's calendar in all the ways they are written.

use std::fmt;

use super::{digit, squeezed};

/// A day of the civil calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// Year of the common era; 1912 is the first of the Republic.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Civil {
    /// The year of the Republic: 115 for 2026.
    #[must_use]
    pub const fn roc_year(self) -> u16 {
        self.year.saturating_sub(1911)
    }

    fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        let year = u16::try_from(year).ok().filter(|year| *year >= 1912)?;
        let day = u8::try_from(day).ok().filter(|day| (1..=days).contains(day))?;
        Some(Self { year, month: u8::try_from(month).ok()?, day })
    }
}

impl fmt::Display for Civil {
    /// `2026-01-02`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Why a text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateFault {
    /// There is no text.
    Empty,
    /// It is not written as a date.
    Form,
    /// It is written as a date, but the calendar has no such day.
    Impossible,
}

/// A date as written and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date<'a> {
    /// The text as written; it is what is shown.
    pub raw: &'a str,
    /// The day, or why there is none.
    pub civil: Result<Civil, DateFault>,
}

/// Reads a date: `中華民國115年1月2日`, `民國…`, without either, with full-width digits or Chinese numerals
/// (`一百十五年`, `一一五年`, `元年`), with blanks anywhere, `115/1/2`, `115.1.2`, `115-1-2`, `1150102`, `990102`;
/// a weekday behind it is passed over. Years from 1912 on, and years after 西元, are those of the common era.
#[must_use]
pub fn date(raw: &str) -> Date<'_> {
    let text = squeezed(raw);
    if text.is_empty() {
        return Date { raw, civil: Err(DateFault::Empty) };
    }
    let civil = match numbers(without_weekday(&text)) {
        None => Err(DateFault::Form),
        Some((era, year, month, day)) => {
            let year = match era {
                Some(true) => year,
                None if year >= 1912 => year,
                _ if year == 0 => 0,
                _ => year + 1911,
            };
            Civil::new(year, month, day).ok_or(DateFault::Impossible)
        }
    };
    Date { raw, civil }
}

fn without_weekday(text: &str) -> &str {
    let text = text
        .strip_suffix([')', '）'])
        .and_then(|inner| inner.rsplit_once(['(', '（']))
        .map_or(text, |(date, _)| date);
    for word in ["星期", "週"] {
        if let Some((date, day)) = text.rsplit_once(word)
            && day.chars().count() == 1
        {
            return date;
        }
    }
    text
}

/// Era (`true`: the common one) if named, year, month, day.
fn numbers(text: &str) -> Option<(Option<bool>, u32, u32, u32)> {
    let (era, rest) = if let Some(rest) = text.strip_prefix("西元") {
        (Some(true), rest)
    } else if let Some(rest) = text.strip_prefix("中華民國").or_else(|| text.strip_prefix("民國")) {
        (Some(false), rest)
    } else {
        (None, text)
    };
    if let Some((year, rest)) = rest.split_once('年') {
        let (month, rest) = rest.split_once('月')?;
        let day = rest.strip_suffix(['日', '號'])?;
        let year = if year == "元" { 1 } else { numeral(year)? };
        return Some((era, year, numeral(month)?, numeral(day)?));
    }
    let parts: Vec<&str> = rest.split(['/', '／', '.', '．', '-', '－']).collect();
    if let [year, month, day] = parts.as_slice() {
        return Some((era, decimal(year)?, decimal(month)?, decimal(day)?));
    }
    let digits: Vec<u32> = rest.chars().map(digit).collect::<Option<_>>()?;
    let all = digits.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(*digit));
    match digits.len() {
        6..=8 => Some((era, all / 10_000, all / 100 % 100, all % 100)),
        _ => None,
    }
}

/// One to four digits.
fn decimal(text: &str) -> Option<u32> {
    let digits: Vec<u32> = text.chars().map(digit).collect::<Option<_>>()?;
    (1..=4).contains(&digits.len()).then(|| digits.iter().fold(0, |sum, digit| sum * 10 + digit))
}

/// Digits, or Chinese numerals below ten thousand, written out (一百十五) or one by one (一一五).
fn numeral(text: &str) -> Option<u32> {
    if let Some(value) = decimal(text) {
        return Some(value);
    }
    if text.is_empty() || text.chars().count() > 8 {
        return None;
    }
    let single: Option<Vec<u32>> = text.chars().map(chinese_digit).collect();
    if let Some(digits) = single {
        return (digits.len() <= 4).then(|| digits.iter().fold(0, |sum, digit| sum * 10 + digit));
    }
    let (mut sum, mut waiting) = (0, None);
    for character in text.chars() {
        let unit = match character {
            '十' | '拾' => 10,
            '百' | '佰' => 100,
            '千' | '仟' => 1000,
            '廿' => {
                sum += 20;
                continue;
            }
            '卅' => {
                sum += 30;
                continue;
            }
            _ => {
                waiting = Some(chinese_digit(character)?);
                continue;
            }
        };
        sum += waiting.take().unwrap_or(1) * unit;
    }
    Some(sum + waiting.unwrap_or(0))
}

const fn chinese_digit(character: char) -> Option<u32> {
    Some(match character {
        '〇' | '○' | '零' | '０' => 0,
        '一' | '壹' => 1,
        '二' | '貳' => 2,
        '三' | '參' | '叁' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陸' => 6,
        '七' | '柒' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_day_in_all_forms() {
        for raw in [
            "中華民國115年1月2日",
            "中華民國 115 年 01 月 02 日",
            "民國115年1月2日",
            "115年1月2日",
            "中華民國１１５年１月２日",
            "中華民國一百一十五年一月二日",
            "中華民國一百十五年一月二日",
            "中華民國一一五年一月二日",
            "中華民國　115年1月2日　",
            "115/1/2",
            "115/01/02",
            "115.1.2",
            "115-01-02",
            "１１５／１／２",
            "1150102",
            "20260102",
            "2026年1月2日",
            "西元2026年1月2日",
            "2026-01-02",
            "115年1月2日（星期五）",
            "115年1月2日星期五",
            "115年1月2日(五)",
        ] {
            let found = date(raw);
            assert_eq!(found.raw, raw);
            assert_eq!(found.civil.map(|civil| civil.to_string()).as_deref(), Ok("2026-01-02"), "{raw}");
        }
    }

    #[test]
    fn other_days() {
        for (raw, iso) in [
            ("中華民國九十一年十二月三十一日", "2002-12-31"),
            ("中華民國九十九年十月廿一日", "2010-10-21"),
            ("民國一○四年三月廿五日", "2015-03-25"),
            ("民國一百零四年三月五日", "2015-03-05"),
            ("中華民國元年1月1日", "1912-01-01"),
            ("8年1月1日", "1919-01-01"),
            ("104/3/5", "2015-03-05"),
            ("1040305", "2015-03-05"),
            ("990305", "2010-03-05"),
            ("中華民國113年2月29日", "2024-02-29"),
        ] {
            let found = date(raw).civil;
            assert_eq!(found.map(|civil| civil.to_string()).as_deref(), Ok(iso), "{raw}");
        }
        assert_eq!(date("104/3/5").civil.map(Civil::roc_year), Ok(104));
    }

    #[test]
    fn what_is_no_day() {
        for raw in [
            "115年2月29日",
            "115年13月1日",
            "115年4月31日",
            "115年1月0日",
            "0年1月1日",
            "1151301",
            "民國115年1月99日",
        ] {
            assert_eq!(date(raw).civil, Err(DateFault::Impossible), "{raw}");
        }
        for raw in ["明天", "115年1月", "年月日", "115年一2月3日", "1/2", "11501", "115年1月2", "千年萬月日"]
        {
            assert_eq!(date(raw).civil, Err(DateFault::Form), "{raw}");
        }
        for raw in ["", " 　"] {
            assert_eq!(date(raw).civil, Err(DateFault::Empty), "{raw}");
        }
        let long = "九".repeat(100_000);
        assert_eq!(date(&long).civil, Err(DateFault::Form));
    }
}

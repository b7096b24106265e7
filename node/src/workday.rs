//! Working days: weekends off unless a calendar of 行政院人事行政總處 says otherwise. Pure: no clock, no files.
//!
//! The calendar is the open-data CSV 「中華民國政府行政機關辦公日曆表」 (data.gov.tw 14718): `西元日期,星期,是否放假,備註`, one line
//! for each day of a year, 0 for a working day and 2 for a day off, UTF-8 with or without byte order mark, or Big5. A
//! year is taken whole or not at all: a half calendar would be wrong in silence. A year without a calendar has weekends
//! only, and whoever prints a date of it says so.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

/// Days in JSON.
mod day {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A day that is not as its weekday says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The day, `2026-02-16`.
    #[serde(with = "day")]
    pub date: Date,
    /// Whether offices work: a make-up Saturday, say.
    pub working: bool,
    /// 備註: the holiday's name; may be empty.
    pub name: String,
}

/// One year of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Year {
    /// Of the Christian era.
    pub year: i16,
    /// Days that are not as their weekday says, in their order.
    pub exceptions: Vec<Exception>,
    /// Name of the file that it came from, for people.
    #[serde(default)]
    pub source: String,
    /// SHA-256 of that file, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// When it was imported, Unix milliseconds.
    #[serde(default)]
    pub imported_at: i64,
    /// Who imported it.
    #[serde(default)]
    pub actor: String,
}

/// What is known of working days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, Year>,
}

/// Why a file is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither UTF-8 nor Big5.
    #[error("neither UTF-8 nor Big5")]
    Encoding,
    /// The first line is not the known heading.
    #[error("line 1: {0:?} is not 西元日期,星期,是否放假,備註")]
    Heading(String),
    /// A line is not one of a calendar.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A day of the year is missing.
    #[error("{year} lacks {count} days, {first} the first")]
    Incomplete {
        /// Which year.
        year: i16,
        /// The first missing day.
        first: Date,
        /// How many are missing.
        count: usize,
    },
    /// So few or so many days off that it cannot be right.
    #[error("{year} has {working} working days")]
    Implausible {
        /// Which year.
        year: i16,
        /// How many working days it would have.
        working: usize,
    },
}

/// Labels of [`Error`].
pub const LABELS: &[&str] = &["calendar-unreadable", "calendar-incomplete"];

impl Error {
    /// Stable label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "calendar-incomplete",
            Self::Encoding | Self::Heading(_) | Self::Line { .. } | Self::Implausible { .. } => {
                "calendar-unreadable"
            }
        }
    }
}

/// Longest wait that may be set, working days.
pub const MOST_DAYS: u16 = 60;
/// A year of offices has about 250 working days.
const PLAUSIBLE: std::ops::RangeInclusive<usize> = 200..=290;
const HEADING: [&str; 4] = ["西元日期", "星期", "是否放假", "備註"];

/// Reads a calendar file: one year or more, each whole.
///
/// # Errors
/// [`Error`], for the first thing that is wrong.
pub fn read(bytes: &[u8]) -> Result<Vec<Year>, Error> {
    let text = decode(bytes)?;
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut days: BTreeMap<i16, BTreeMap<Date, (bool, String)>> = BTreeMap::new();
    for (at, record) in lines.records().enumerate() {
        let line = at as u64 + 1;
        let wrong = |what: String| Error::Line { line, what };
        let record = record.map_err(|e| wrong(e.to_string()))?;
        let field = |n: usize| record.get(n).unwrap_or_default().trim();
        if line == 1 {
            if (0..4).any(|n| HEADING.get(n) != Some(&field(n))) {
                let found: Vec<&str> = record.iter().take(6).collect();
                return Err(Error::Heading(found.join(",").chars().take(60).collect()));
            }
            continue;
        }
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let date =
            Date::strptime("%Y%m%d", field(0)).map_err(|_| wrong(format!("{:?} is no date", field(0))))?;
        if field(1) != weekday(date) {
            return Err(wrong(format!("{date} is a 星期{}, not {:?}", weekday(date), field(1))));
        }
        let working = match field(2) {
            "0" => true,
            "2" => false,
            other => return Err(wrong(format!("是否放假 is {other:?}, not 0 or 2"))),
        };
        if days.entry(date.year()).or_default().insert(date, (working, field(3).to_owned())).is_some() {
            return Err(wrong(format!("{date} is there twice")));
        }
    }
    if days.is_empty() {
        return Err(Error::Line { line: 2, what: "no day follows".to_owned() });
    }
    days.into_iter().map(|(year, days)| whole(year, days)).collect()
}

fn whole(year: i16, days: BTreeMap<Date, (bool, String)>) -> Result<Year, Error> {
    let all = Date::new(year, 1, 1).map_or(0, |first| usize::try_from(first.days_in_year()).unwrap_or(0));
    if days.len() != all {
        let first = Date::new(year, 1, 1)
            .ok()
            .and_then(|first| first.series(1.day()).take(all).find(|day| !days.contains_key(day)));
        let first = first.unwrap_or_default();
        return Err(Error::Incomplete { year, first, count: all.saturating_sub(days.len()) });
    }
    let working = days.values().filter(|(working, _)| *working).count();
    if !PLAUSIBLE.contains(&working) {
        return Err(Error::Implausible { year, working });
    }
    let exceptions = days.into_iter().filter(|(date, (working, _))| *working != is_weekday(*date));
    let exceptions = exceptions.map(|(date, (working, name))| Exception { date, working, name }).collect();
    Ok(Year {
        year,
        exceptions,
        source: String::new(),
        sha256: String::new(),
        imported_at: 0,
        actor: String::new(),
    })
}

/// UTF-8 with or without byte order mark, else Big5.
fn decode(bytes: &[u8]) -> Result<String, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let text = encoding_rs::BIG5.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(std::borrow::Cow::into_owned).ok_or(Error::Encoding)
}

/// 一 to 日.
#[must_use]
pub fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "一",
        Weekday::Tuesday => "二",
        Weekday::Wednesday => "三",
        Weekday::Thursday => "四",
        Weekday::Friday => "五",
        Weekday::Saturday => "六",
        Weekday::Sunday => "日",
    }
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl Year {
    /// Whether it can stand in a calendar: its exceptions are of the year, in their order, and exceptions indeed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let fits = |e: &Exception| e.date.year() == self.year && e.working != is_weekday(e.date);
        let dates: Vec<Date> = self.exceptions.iter().map(|e| e.date).collect();
        self.exceptions.iter().all(fits) && dates.is_sorted_by(|a, b| a < b) && dates.len() <= 200
    }
}

impl Calendar {
    /// Of these years; a later one replaces an earlier of the same number.
    #[must_use]
    pub fn new(years: impl IntoIterator<Item = Year>) -> Self {
        Self { years: years.into_iter().map(|year| (year.year, year)).collect() }
    }

    /// Its years, the earliest first.
    pub fn years(&self) -> impl Iterator<Item = &Year> {
        self.years.values()
    }

    /// Whether holidays of that year are known.
    #[must_use]
    pub fn covers(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// What the calendar says of a day beyond its weekday.
    #[must_use]
    pub fn exception(&self, date: Date) -> Option<&Exception> {
        let year = self.years.get(&date.year())?;
        let at = year.exceptions.binary_search_by_key(&date, |e| e.date).ok()?;
        year.exceptions.get(at)
    }

    /// Whether offices work on that day.
    #[must_use]
    pub fn is_working(&self, date: Date) -> bool {
        self.exception(date).map_or_else(|| is_weekday(date), |e| e.working)
    }

    /// The `n`-th working day after `date`; with 0 `date` itself.
    #[must_use]
    pub fn after(&self, date: Date, n: u16) -> Date {
        let mut day = date;
        for _ in 0..n.min(MOST_DAYS) {
            loop {
                let Ok(next) = day.tomorrow() else { return day };
                day = next;
                if self.is_working(day) {
                    break;
                }
            }
        }
        day
    }

    /// The last day whose `n`-th following working day is not after `date`: what was sent by then is due by `date`.
    #[must_use]
    pub fn last_due_by(&self, date: Date, n: u16) -> Date {
        let mut day = date;
        while self.after(day, n) > date {
            let Ok(before) = day.yesterday() else { return day };
            day = before;
        }
        day
    }

    /// How many working days lie after `due` up to `date`; 0 on the day itself and before.
    #[must_use]
    pub fn late(&self, due: Date, date: Date) -> u16 {
        let mut late = 0;
        let mut day = due;
        while day < date {
            let Ok(next) = day.tomorrow() else { return late };
            day = next;
            late += u16::from(self.is_working(day));
            if late >= 999 {
                return late;
            }
        }
        late
    }

    /// The years from `from` to `to` that have weekends only.
    #[must_use]
    pub fn uncovered(&self, from: Date, to: Date) -> Vec<i16> {
        (from.year()..=to.year()).filter(|year| !self.covers(*year)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// A whole year as the office publishes it, with these days other than their weekday.
    pub(crate) fn sheet(year: i16, other: &[(&str, bool, &str)]) -> String {
        let first = Date::new(year, 1, 1).unwrap();
        let mut text = String::from("西元日期,星期,是否放假,備註\r\n");
        for date in first.series(1.day()).take_while(|date| date.year() == year) {
            let told = other.iter().find(|(day, ..)| *day == date.to_string());
            let working = told.map_or_else(|| is_weekday(date), |(_, working, _)| *working);
            let flag = if working { 0 } else { 2 };
            let name = told.map_or("", |(_, _, name)| name);
            text += &format!("{},{},{flag},{name}\r\n", date.strftime("%Y%m%d"), weekday(date));
        }
        text
    }

    /// 2023 as it was: the long new year with its make-up Saturdays, and the end of the year.
    fn calendar() -> Calendar {
        let spring = ["20", "23", "24", "25", "26", "27"].map(|d| format!("2023-01-{d}"));
        let mut other: Vec<(&str, bool, &str)> =
            spring.iter().map(|d| (d.as_str(), false, "農曆春節")).collect();
        other.push(("2023-01-02", false, "補假"));
        other.push(("2023-01-07", true, "補行上班"));
        other.push(("2023-02-04", true, "補行上班"));
        let mut years = read(sheet(2023, &other).as_bytes()).unwrap();
        years.extend(read(sheet(2024, &[("2024-01-01", false, "開國紀念日")]).as_bytes()).unwrap());
        Calendar::new(years)
    }

    #[test]
    fn weekends_alone_where_nothing_is_known() {
        let none = Calendar::default();
        assert_eq!(none.after(day("2026-11-27"), 1), day("2026-11-30"), "Friday to Monday");
        assert_eq!(none.after(day("2026-11-28"), 1), day("2026-11-30"), "Saturday to Monday");
        assert_eq!(none.after(day("2026-11-24"), 1), day("2026-11-25"));
        assert_eq!(none.after(day("2026-12-31"), 1), day("2027-01-01"), "nobody said that it is a holiday");
        assert_eq!(none.uncovered(day("2026-12-31"), day("2027-01-01")), [2026, 2027]);
    }

    #[test]
    fn long_holidays_and_make_up_saturdays() {
        let calendar = calendar();
        assert_eq!(calendar.after(day("2023-01-19"), 1), day("2023-01-30"), "over the new year");
        assert_eq!(calendar.after(day("2023-01-25"), 1), day("2023-01-30"), "sent within it");
        assert_eq!(calendar.after(day("2023-01-06"), 1), day("2023-01-07"), "a Saturday to make up");
        assert_eq!(calendar.after(day("2023-02-03"), 2), day("2023-02-06"));
        assert_eq!(calendar.exception(day("2023-01-07")).unwrap().name, "補行上班");
        assert_eq!(calendar.late(day("2023-01-19"), day("2023-01-29")), 0, "nobody is late on holidays");
        assert_eq!(calendar.late(day("2023-01-19"), day("2023-01-31")), 2);
        assert_eq!(calendar.late(day("2023-01-19"), day("2023-01-18")), 0);
    }

    #[test]
    fn year_ends_and_leap_days() {
        let calendar = calendar();
        assert_eq!(calendar.after(day("2022-12-30"), 1), day("2023-01-03"), "from a year that is not known");
        assert_eq!(calendar.after(day("2023-12-29"), 1), day("2024-01-02"));
        assert_eq!(calendar.after(day("2024-02-28"), 1), day("2024-02-29"));
        assert_eq!(calendar.after(day("2024-02-29"), 1), day("2024-03-01"));
        assert_eq!(read(sheet(2024, &[]).as_bytes()).unwrap()[0].exceptions, []);
        let lines = sheet(2024, &[]).lines().count();
        assert_eq!(lines, 367);
        assert_eq!(calendar.uncovered(day("2022-12-31"), day("2025-01-01")), [2022, 2025]);
    }

    #[test]
    fn the_file_is_read_in_utf8_with_mark_and_in_big5() {
        let text = sheet(2026, &[("2026-01-01", false, "開國紀念日"), ("2026-02-07", true, "補行上班")]);
        let plain = read(text.as_bytes()).unwrap();
        assert_eq!(plain[0].exceptions.len(), 2);
        assert!(plain[0].is_sound());
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        assert_eq!(read(&marked).unwrap(), plain);
        let (big5, _, lossy) = encoding_rs::BIG5.encode(&text);
        assert!(!lossy);
        assert_eq!(read(&big5).unwrap(), plain);
        let both = text.clone() + sheet(2027, &[]).split_once('\n').unwrap().1;
        assert_eq!(read(both.as_bytes()).unwrap().iter().map(|y| y.year).collect::<Vec<_>>(), [2026, 2027]);
    }

    #[test]
    fn what_is_no_calendar_is_refused_with_its_line() {
        let good = sheet(2026, &[]);
        let said = |text: &str| read(text.as_bytes()).unwrap_err();
        let google = said("Subject,Start Date,Start Time\n");
        assert!(matches!(google, Error::Heading(_)) && google.label() == "calendar-unreadable");
        assert!(matches!(said(""), Error::Line { line: 2, .. }));
        assert_eq!(
            said(&good.replace("20260105,一,0", "20260105,二,0")).to_string(),
            "line 6: 2026-01-05 is a 星期一, not \"二\""
        );
        assert_eq!(
            said(&good.replace("20260105,一,0", "20260105,一,1")).to_string(),
            "line 6: 是否放假 is \"1\", not 0 or 2"
        );
        assert_eq!(
            said(&good.replace("20260105", "20260132")).to_string(),
            "line 6: \"20260132\" is no date"
        );
        assert!(
            said(&good.replace("20260106,二", "20260105,一"))
                .to_string()
                .contains("line 7: 2026-01-05 is there twice")
        );
        let missing = said(&good.replace("20260106,二,0,\r\n", ""));
        assert_eq!(missing, Error::Incomplete { year: 2026, first: day("2026-01-06"), count: 1 });
        assert_eq!(missing.label(), "calendar-incomplete");
        let all_off = good.replace(",0,", ",2,");
        assert_eq!(said(&all_off), Error::Implausible { year: 2026, working: 0 });
        assert_eq!(read(b"\x80\xff\xff").unwrap_err(), Error::Encoding);
    }

    #[test]
    fn a_year_with_days_that_are_no_exceptions_is_not_sound() {
        let mut year = read(sheet(2026, &[("2026-01-01", false, "")]).as_bytes()).unwrap().remove(0);
        year.exceptions[0].working = true;
        assert!(!year.is_sound(), "a Thursday that is a working day");
        year.exceptions[0] = Exception { date: day("2027-01-01"), working: false, name: String::new() };
        assert!(!year.is_sound(), "of another year");
    }

    proptest! {
        /// The two directions agree, so that what the database selects is what is shown as due.
        #[test]
        fn what_is_due_by_a_day_is_what_was_sent_by_the_last_day_before_it(
            sent in 0..800_i64, until in 0..800_i64, n in 0..6_u16,
        ) {
            let calendar = calendar();
            let from = day("2022-11-01");
            let (sent, until) = (from.saturating_add(sent.days()), from.saturating_add(until.days()));
            let due = calendar.after(sent, n);
            prop_assert!(due >= sent && (n == 0 || calendar.is_working(due)));
            prop_assert_eq!(due <= until, sent <= calendar.last_due_by(until, n));
            prop_assert_eq!(calendar.late(due, until) > 0, due < until && calendar.after(due, 1) <= until);
        }
    }
}

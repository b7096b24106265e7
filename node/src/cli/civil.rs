//! Times as people read and write them: the machine's time zone, and Taiwan's where the machine names none.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, Zoned};

/// A time zone to read and print with.
#[derive(Clone, Debug)]
pub(crate) struct Civil(TimeZone);

impl Civil {
    /// The zone of the environment variable `TZ`; else the machine's, unless it is plain UTC as on an unconfigured
    /// server; else Asia/Taipei.
    pub(crate) fn local() -> Self {
        let taipei = || TimeZone::get("Asia/Taipei").unwrap_or(TimeZone::UTC);
        let system = TimeZone::system();
        let named = std::env::var_os("TZ").is_some_and(|v| !v.is_empty());
        let utc = system.is_unknown()
            || system == TimeZone::UTC
            || matches!(system.iana_name(), None | Some("UTC" | "Etc/UTC" | "Etc/UCT" | "UCT" | "Zulu"));
        Self(if utc && !named { taipei() } else { system })
    }

    /// Taiwan's zone, whatever the machine says.
    #[cfg(test)]
    pub(crate) fn taipei() -> Self {
        Self(TimeZone::get("Asia/Taipei").unwrap_or(TimeZone::UTC))
    }

    fn zoned(&self, at: i64) -> Zoned {
        Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.0.clone())
    }

    /// `2026-11-21 11:32:05` of Unix milliseconds.
    pub(crate) fn second(&self, at: i64) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `11:32` for tables of one day.
    pub(crate) fn hour(&self, at: i64) -> String {
        self.zoned(at).strftime("%H:%M").to_string()
    }

    /// `11-21 11:32` for tables.
    pub(crate) fn minute(&self, at: i64) -> String {
        self.zoned(at).strftime("%m-%d %H:%M").to_string()
    }

    /// `2026-11-21 11:32:05.123` for histories, where order within a second matters.
    pub(crate) fn milli(&self, at: i64) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
    }

    /// `+08:00`.
    pub(crate) fn offset(&self, at: i64) -> String {
        self.zoned(at).strftime("%:z").to_string()
    }

    /// First and last millisecond of the day in which `now` lies.
    pub(crate) fn today(&self, now: i64) -> (i64, i64) {
        self.day(self.zoned(now).date()).unwrap_or((i64::MIN, i64::MAX))
    }

    /// The day in which `at` lies.
    pub(crate) fn date(&self, at: i64) -> Date {
        self.zoned(at).date()
    }

    /// The first millisecond of a day; the earliest or latest time there is for a day that the zone cannot place.
    pub(crate) fn start(&self, date: Date) -> i64 {
        self.day(date).map_or(i64::MIN, |(start, _)| start)
    }

    fn day(&self, date: Date) -> Option<(i64, i64)> {
        let start = date.to_zoned(self.0.clone()).ok()?;
        let end = start.checked_add(1.day()).ok()?;
        Some((start.timestamp().as_millisecond(), end.timestamp().as_millisecond().saturating_sub(1)))
    }

    /// Reads `2026-11-21`, `2026-11-21 08:30[:15]`, the same with `T`, an RFC 3339 time with offset, `today`,
    /// `yesterday`, `今天`, `昨天`, or `7d`/`12h`/`30m` before `now`. `last` asks for the end of what was named (a day's or minute's last
    /// millisecond) instead of its beginning.
    pub(crate) fn read(&self, text: &str, now: i64, last: bool) -> Option<i64> {
        let text = text.trim();
        let pick = |(from, to): (i64, i64)| if last { to } else { from };
        match text {
            "today" | "今天" | "今日" => return Some(pick(self.today(now))),
            "yesterday" | "昨天" | "昨日" => {
                return self.day(self.zoned(now).date().yesterday().ok()?).map(pick);
            }
            "now" | "現在" => return Some(now),
            _ => {}
        }
        if let Some(ago) = before(text) {
            return now.checked_sub(ago);
        }
        if let Ok(stamp) = text.parse::<Timestamp>() {
            return Some(stamp.as_millisecond());
        }
        if text.len() <= 10 {
            return self.day(text.replace('/', "-").parse().ok()?).map(pick);
        }
        let (date, time) = text.split_once(['T', ' '])?;
        let date: Date = date.replace('/', "-").parse().ok()?;
        let time: Time = time.trim().parse().ok()?;
        let at = DateTime::from_parts(date, time).to_zoned(self.0.clone()).ok()?.timestamp().as_millisecond();
        let whole_minute = text.matches(':').count() == 1;
        Some(match (last, whole_minute) {
            (true, true) => at.saturating_add(59_999),
            (true, false) => at.saturating_add(999),
            (false, _) => at,
        })
    }
}

/// `2026-11-21T03:32:05.123Z`: how JSON carries times.
pub(crate) fn rfc3339(at: i64) -> String {
    let stamp = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let stamp = stamp.round(Unit::Millisecond).unwrap_or(stamp);
    format!("{stamp:.3}")
}

/// Unix milliseconds by the machine's clock.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn before(text: &str) -> Option<i64> {
    let unit = match text.chars().next_back()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count: i64 = text.get(..text.len().checked_sub(1)?)?.parse().ok()?;
    count.checked_mul(unit).filter(|_| count >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 00:30:00 in Taipei, still the 20th in UTC.
    const NOW: i64 = 1_795_192_200_000;

    #[test]
    fn today_is_taiwans_day_not_utcs() {
        let civil = Civil::taipei();
        let (from, to) = civil.today(NOW);
        assert_eq!(civil.second(from), "2026-11-21 00:00:00");
        assert_eq!(civil.second(to), "2026-11-21 23:59:59");
        assert_eq!(rfc3339(from), "2026-11-20T16:00:00.000Z");
    }

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let civil = Civil::taipei();
        let read = |text, last| civil.read(text, NOW, last).map(rfc3339);
        assert_eq!(read("2026-11-21", false).as_deref(), Some("2026-11-20T16:00:00.000Z"));
        assert_eq!(read("2026-11-21", true).as_deref(), Some("2026-11-21T15:59:59.999Z"));
        assert_eq!(read("2026-11-21 08:30", false).as_deref(), Some("2026-11-21T00:30:00.000Z"));
        assert_eq!(read("2026/11/21T08:30", true).as_deref(), Some("2026-11-21T00:30:59.999Z"));
        assert_eq!(read("2026-11-21T00:30:00Z", false).as_deref(), Some("2026-11-21T00:30:00.000Z"));
        assert_eq!(read("昨天", false).as_deref(), Some("2026-11-19T16:00:00.000Z"));
        assert_eq!(read("1d", false).as_deref(), Some("2026-11-19T16:30:00.000Z"));
        for wrong in ["", "2026-13-01", "明", "-3d", "25:00", "2026-11-21 25:00"] {
            assert_eq!(read(wrong, false), None, "{wrong}");
        }
    }
}

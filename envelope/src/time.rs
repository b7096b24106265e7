//! Times as ASN.1 and XML write them, to and from Unix milliseconds. Years 1970 to 9999.

use crate::error::Error;
use crate::tlv::{self, Tlv};
use der::DateTime;
use std::time::Duration;

fn civil(at: i64) -> Result<DateTime, Error> {
    let seconds =
        u64::try_from(at.div_euclid(1000)).map_err(|_| Error::Argument { what: "a time before 1970" })?;
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_err(|_| Error::Argument { what: "a time after 9999" })
}

fn from_parts(parts: [u32; 6]) -> Option<i64> {
    let [year, month, day, hour, minute, second] = parts;
    let small = |n: u32| u8::try_from(n).ok();
    let year = u16::try_from(year).ok()?;
    let time =
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?).ok()?;
    i64::try_from(time.unix_duration().as_secs()).ok()?.checked_mul(1000)
}

/// Two digits each, after the first number.
fn numbers(first: &[u8], rest: &[u8]) -> Option<[u32; 6]> {
    fn number(digits: &[u8]) -> Option<u32> {
        digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))
    }
    let mut out = [number(first)?, 0, 0, 0, 0, 0];
    if rest.len() != 10 {
        return None;
    }
    for (slot, digits) in out.iter_mut().skip(1).zip(rest.chunks(2)) {
        *slot = number(digits)?;
    }
    Some(out)
}

/// GeneralizedTime in whole seconds (RFC 5280 §4.1.2.5.2).
pub(crate) fn generalized(at: i64) -> Result<Vec<u8>, Error> {
    let t = civil(at)?;
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minutes(),
        t.seconds()
    );
    Ok(tlv::element(tlv::GENERALIZED_TIME, &[text.as_bytes()]))
}

/// UTCTime to 2049, GeneralizedTime from 2050 (RFC 5652 §11.3).
pub(crate) fn signing_time(at: i64) -> Result<Vec<u8>, Error> {
    let t = civil(at)?;
    if t.year() >= 2050 {
        return generalized(at);
    }
    let text = format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}Z",
        t.year() % 100,
        t.month(),
        t.day(),
        t.hour(),
        t.minutes(),
        t.seconds()
    );
    Ok(tlv::element(tlv::UTC_TIME, &[text.as_bytes()]))
}

/// Either of the two, strictly in the form that DER and CMS prescribe.
pub(crate) fn from_tlv(time: Tlv<'_>, what: &'static str) -> Result<i64, Error> {
    let bad = Error::BadValue { what };
    let Some((b'Z', digits)) = time.value.split_last() else { return Err(bad) };
    let parts = match time.tag {
        tlv::UTC_TIME => {
            digits.split_at_checked(2).and_then(|(year, rest)| numbers(year, rest)).map(|mut parts| {
                let [year, ..] = &mut parts;
                *year += if *year < 50 { 2000 } else { 1900 };
                parts
            })
        }
        tlv::GENERALIZED_TIME => digits.split_at_checked(4).and_then(|(year, rest)| numbers(year, rest)),
        _ => None,
    };
    parts.and_then(from_parts).ok_or(bad)
}

/// RFC 3339 in UTC with milliseconds: `2026-11-21T03:29:26.123Z`.
pub(crate) fn rfc3339(at: i64) -> Result<String, Error> {
    let t = civil(at)?;
    Ok(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minutes(),
        t.seconds(),
        at.rem_euclid(1000)
    ))
}

/// Reads exactly the form of [`rfc3339`].
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let frame_fits = bytes.len() == 24
        && bytes.iter().zip(b"dddd-dd-ddTdd:dd:dd.dddZ").all(|(byte, pattern)| match pattern {
            b'd' => byte.is_ascii_digit(),
            exact => byte == exact,
        });
    if !frame_fits {
        return None;
    }
    let digits: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_digit).collect();
    let (seconds, millis) = digits.split_at_checked(14)?;
    let (year, rest) = seconds.split_at_checked(4)?;
    let millis = millis.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    Some(from_parts(numbers(year, rest)?)? + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_back() {
        // date -u -d 2026-11-21T03:29:26Z +%s
        let at = 1_795_231_766_123;
        assert_eq!(rfc3339(at).unwrap(), "2026-11-21T03:29:26.123Z");
        assert_eq!(from_rfc3339("2026-11-21T03:29:26.123Z"), Some(at));
        for bad in
            ["2026-11-21T03:29:26Z", "2026-13-21T03:29:26.123Z", "2026-11-21 03:29:26.123Z", "２026", ""]
        {
            assert_eq!(from_rfc3339(bad), None, "{bad}");
        }
        for (bytes, whole) in [
            (signing_time(at).unwrap(), at - 123),
            (generalized(at).unwrap(), at - 123),
            (signing_time(2_524_608_000_000).unwrap(), 2_524_608_000_000), // 2050
        ] {
            let tlv = tlv::Der::new(&bytes, "t").next().unwrap();
            assert_eq!(from_tlv(tlv, "t").unwrap(), whole);
        }
        assert!(rfc3339(-1).is_err());
    }
}

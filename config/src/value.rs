//! Values whose unit, form or secrecy belongs to the type: a wrong one is refused where it stands in the file.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A size in bytes, written `"20 MiB"`, `"8 kB"` or `"512 B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A length of time, written `"500ms"`, `"30s"`, `"15m"`, `"12h"` or `"30d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A value that is never printed: `Debug`, `Display` and `config show` give `****`.
///
/// It is overwritten by nothing when dropped; a passphrase belongs into a file of its own (`passphrase-file`).
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// 機關代碼: ten characters, capital letters and digits. Empty only as "not set".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

/// 單位代碼: seven characters, capital letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(String);

/// A network address, written `"host:port"` or `"[v6]:port"`. Empty only as "not set".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Bytes {
    /// `n` times 1024.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// `n` times 1024².
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Period {
    /// `n` milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// `n` seconds.
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` minutes.
    pub const fn minutes(n: u64) -> Self {
        Self::secs(n * 60)
    }

    /// `n` hours.
    pub const fn hours(n: u64) -> Self {
        Self::minutes(n * 60)
    }

    /// `n` days of 24 hours.
    pub const fn days(n: u64) -> Self {
        Self::hours(n * 24)
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The duration in milliseconds, capped at `i64::MAX`, for arithmetic with Unix times.
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Secret {
    /// Wraps a value.
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself. Never log or print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Code {
    /// The code, or the empty string when it is not set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is not set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Unit {
    /// The seven characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Host name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is not set.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty()
    }
}

const SIZES: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("kiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

const PERIODS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A number and a unit of the table; the longest unit that fits the end decides.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        measure(text, &SIZES).map(Self).ok_or_else(|| {
            format!("「{text}」不是大小，請寫數字與單位，例如 \"20 MiB\"、\"512 kB\"（單位：B kB MB GB KiB MiB GiB）")
        })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = SIZES.iter().find(fits).copied().unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        measure(text, &PERIODS).map(Self::millis).ok_or_else(|| {
            format!("「{text}」不是時間長度，請寫數字與單位，例如 \"30s\"、\"15m\"（單位：ms s m h d）")
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, factor): &&(&str, u64)| millis != 0 && millis.is_multiple_of(*factor);
        let (unit, factor) = PERIODS.iter().rev().find(fits).copied().unwrap_or(("s", 1_000));
        write!(f, "{}{unit}", millis / factor)
    }
}

fn capital(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

impl FromStr for Code {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || capital(text, 10) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("「{text}」不是機關代碼：應為 10 個大寫英文字母或數字，例如 \"A11020200F\""))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Unit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if capital(text, 7) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("「{text}」不是單位代碼：應為 7 個大寫英文字母或數字，例如 \"U100000\""))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let split = text.rsplit_once(':').and_then(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            let host = match bare {
                Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(|a| a.to_string())?,
                None if host.is_empty() || host.contains(':') || host.contains(char::is_whitespace) => {
                    return None;
                }
                None => host.to_owned(),
            };
            Some(Self { host, port: port.parse().ok()? })
        });
        split.ok_or_else(|| {
            format!(
                "「{text}」不是網路位址，請寫「主機:連接埠」（host:port），例如 \"center.example.tw:9941\""
            )
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.is_empty(), self.host.contains(':')) {
            (true, _) => Ok(()),
            (false, true) => write!(f, "[{}]:{}", self.host, self.port),
            (false, false) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(if self.0.is_empty() { "" } else { "****" })
    }
}

/// Serde by the text form, so that a refusal carries the place of the value.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    )*};
}
as_text!(Bytes, Period, Code, Unit, Address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_periods_read_and_print_with_their_unit() {
        for (text, bytes) in [("20 MiB", 20 << 20), ("8kB", 8000), ("1 GiB", 1 << 30), ("5 B", 5)] {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
        }
        for size in [Bytes(0), Bytes(7), Bytes::kib(64), Bytes::mib(100), Bytes(1_500_000)] {
            assert_eq!(size.to_string().parse::<Bytes>().unwrap(), size);
        }
        for period in
            [Period::millis(500), Period::secs(90), Period::hours(12), Period::days(30), Period::secs(0)]
        {
            assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
        assert_eq!(Period::hours(36).to_string(), "36h");
        for bad in ["30 parsecs", "", "s", "-3s", "99999999999999999999 B", "18446744073709551615 GiB", "3"] {
            assert!(bad.parse::<Bytes>().is_err() && bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn codes_units_and_addresses() {
        assert!("A11020200F".parse::<Code>().is_ok());
        for bad in ["A11020200", "a11020200f", "A11020200FF", "公文公文", "A1102020 F"] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
        assert!("U100000".parse::<Unit>().is_ok() && "U1".parse::<Unit>().is_err());
        let v6: Address = "[::1]:9941".parse().unwrap();
        assert_eq!((v6.host(), v6.port(), v6.to_string().as_str()), ("::1", 9941, "[::1]:9941"));
        for bad in ["center", "center:", ":1", "center:70000", "::1:9941", "a b:1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_never_shows() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(format!("{secret} {secret:?}"), "**** ****");
        assert_eq!(secret.expose(), "hunter2");
    }
}

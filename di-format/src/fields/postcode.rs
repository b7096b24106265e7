//! 地址: a postcode may stand in front, without a blank.

use super::digit;

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'a> {
    /// As written.
    pub raw: &'a str,
    /// The postcode in ASCII digits: 3, 5 or 6 of them. `None` if there is none.
    pub postcode: Option<String>,
    /// What follows the postcode; the whole address if there is none.
    pub street: &'a str,
    /// Leading digits that look like a postcode of a wrong length.
    pub odd: Option<&'a str>,
}

/// Takes an address apart. A number in front that belongs to the street (`12樓`) is no postcode.
#[must_use]
pub fn address(text: &str) -> Address<'_> {
    let none = |odd| Address { raw: text, postcode: None, street: text, odd };
    let trimmed = text.trim_start();
    // 100-52 and 100-523 are written as well
    let end = trimmed
        .char_indices()
        .find(|(at, character)| digit(*character).is_none() && !(*character == '-' && *at > 0))
        .map_or(trimmed.len(), |(at, _)| at);
    let (head, rest) = trimmed.split_at(end);
    let digits: String =
        head.chars().filter_map(digit).filter_map(|value| char::from_digit(value, 10)).collect();
    let street = rest.trim_start();
    if digits.len() < 2 || street.starts_with(['號', '樓', '巷', '弄', '段', '鄰', '之', '街', '路', 'F'])
    {
        return none(None);
    }
    let good = match head.split_once('-') {
        None => matches!(digits.len(), 3 | 5 | 6),
        Some((first, second)) => {
            first.chars().count() == 3 && matches!(second.chars().count(), 2 | 3) && !second.contains('-')
        }
    };
    if good {
        return Address { raw: text, postcode: Some(digits), street, odd: None };
    }
    none(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_of_all_lengths() {
        for (text, postcode, street) in [
            ("116臺北市文山區試院路1之2號", Some("116"), "臺北市文山區試院路1之2號"),
            ("10052臺北市中正區仁愛路1段50號", Some("10052"), "臺北市中正區仁愛路1段50號"),
            ("100523 臺北市", Some("100523"), "臺北市"),
            ("100-52臺北市", Some("10052"), "臺北市"),
            ("１００臺北市", Some("100"), "臺北市"),
            ("嘉禾市東湖路100號", None, "嘉禾市東湖路100號"),
            ("12樓之3", None, "12樓之3"),
            ("", None, ""),
        ] {
            let found = address(text);
            assert_eq!(
                (found.postcode.as_deref(), found.street, found.odd),
                (postcode, street, None),
                "{text}"
            );
        }
        for (text, odd) in [("1005臺北市", "1005"), ("1005234臺北市", "1005234"), ("10-052臺北市", "10-052")]
        {
            assert_eq!(address(text).odd, Some(odd), "{text}");
            assert_eq!(address(text).street, text);
        }
    }
}

//! PEM (RFC 7468), as lenient as key files in offices need: text around the blocks, any line length, CRLF.

use std::fmt::Write as _;

/// Each block's label and content (`None` when the base64 is broken), in order.
pub(crate) fn blocks(pem: &[u8]) -> impl Iterator<Item = (String, Option<Vec<u8>>)> {
    let text = String::from_utf8_lossy(pem).into_owned();
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) {
            open = Some((label.to_owned(), String::new()));
        } else if line.starts_with("-----END ") {
            if let Some((label, body)) = open.take() {
                found.push((label, decode(&body)));
            }
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
        }
    }
    found.into_iter()
}

/// One block.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        let _ = writeln!(out, "{line}");
        rest = tail;
    }
    let _ = writeln!(out, "-----END {label}-----");
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().chain([0, 0].iter()).take(3).fold(0u32, |n, b| (n << 8) | u32::from(*b));
        for i in 0..4 {
            let digit = ALPHABET.get((n >> (18 - 6 * i)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut n, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|a| *a == digit)?;
        n = (n << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((n >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
        }
        assert_eq!(decode("Zg="), None);
        assert_eq!(decode("Z!=="), None);
    }

    #[test]
    fn blocks_are_found_among_other_text() {
        let der: Vec<u8> = (0..200).collect();
        let pem =
            format!("Bag Attributes\r\n{}x\n{}", encode("CERTIFICATE", &der), encode("PRIVATE KEY", b"k"));
        let found: Vec<_> = blocks(pem.replace('\n', "\r\n").as_bytes()).collect();
        assert_eq!(found, [("CERTIFICATE".into(), Some(der)), ("PRIVATE KEY".into(), Some(b"k".to_vec()))]);
    }
}

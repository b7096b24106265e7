//! As much DER (X.690) as the card's own files need.

/// One value under `tag`.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a card's file is small").to_be_bytes();
    let mut out = vec![tag];
    match length {
        [0, short @ 0..=0x7f] => out.push(short),
        [0, one] => out.extend([0x81, one]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

pub(super) fn utf8(text: &str) -> Vec<u8> {
    value(0x0c, text.as_bytes())
}

pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    value(0x04, bytes)
}

pub(super) fn integer(n: u16) -> Vec<u8> {
    match n.to_be_bytes() {
        [0, low @ 0..=0x7f] => value(0x02, &[low]),
        [high @ 0..=0x7f, low] => value(0x02, &[high, low]),
        [high, low] => value(0x02, &[0, high, low]),
    }
}

pub(super) fn enumerated(n: u8) -> Vec<u8> {
    value(0x0a, &[n])
}

/// A named bit list of at most 16 bits: no trailing zero bits.
pub(super) fn bits(set: &[u8]) -> Vec<u8> {
    let highest = set.iter().copied().max().unwrap_or(0);
    let all = set.iter().fold(0_u16, |all, bit| all | 0x8000 >> bit).to_be_bytes();
    let unused = 7 - highest % 8;
    let used = if highest < 8 { &all[..1] } else { &all[..] };
    value(0x03, &[&[unused][..], used].concat())
}

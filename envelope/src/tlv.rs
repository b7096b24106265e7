//! Definite-length DER (X.690 §10), read from a slice and written to one. The subset of our own formats: one-byte tags,
//! shortest lengths. Every length is checked against what is there; nothing is allocated while reading.

use crate::error::Error;
use const_oid::ObjectIdentifier;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// `[0]` constructed: EXPLICIT, or IMPLICIT over a SET or SEQUENCE.
pub(crate) const CONTEXT_0: u8 = 0xa0;
pub(crate) const CONTEXT_1: u8 = 0xa1;

/// One element: its tag, its value, and all of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Der<'a> {
    /// Over the bytes `input`; `what` names the structure in errors.
    pub(crate) fn new(input: &'a [u8], what: &'static str) -> Self {
        Self { rest: input, what }
    }

    /// The inside of the single element `tag` that makes up all of `input`.
    pub(crate) fn only(input: &'a [u8], tag: u8, what: &'static str) -> Result<Self, Error> {
        let mut outer = Self::new(input, what);
        let inner = outer.expect(tag)?;
        outer.end()?;
        Ok(Self::new(inner.value, what))
    }

    fn bad<T>(&self) -> Result<T, Error> {
        Err(Error::NotDer { what: self.what })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    pub(crate) fn next(&mut self) -> Result<Tlv<'a>, Error> {
        let Some((tag, length, header)) = header(self.rest) else { return self.bad() };
        let Some(end) = header.checked_add(length) else { return self.bad() };
        let (Some(raw), Some(value), Some(rest)) =
            (self.rest.get(..end), self.rest.get(header..end), self.rest.get(end..))
        else {
            return self.bad();
        };
        self.rest = rest;
        Ok(Tlv { tag, value, raw })
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Tlv<'a>, Error> {
        let tlv = self.next()?;
        if tlv.tag == tag { Ok(tlv) } else { self.bad() }
    }

    /// The next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, Error> {
        if self.peek() == Some(tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// The inside of the next element, which must have this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Self, Error> {
        Ok(Self { rest: self.expect(tag)?.value, what: self.what })
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { self.bad() }
    }

    pub(crate) fn oid(&mut self) -> Result<ObjectIdentifier, Error> {
        let tlv = self.expect(OID)?;
        ObjectIdentifier::from_bytes(tlv.value).or_else(|_| self.bad())
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Error> {
        Ok(self.expect(OCTET_STRING)?.value)
    }

    pub(crate) fn digest(&mut self) -> Result<[u8; 32], Error> {
        let octets = self.octets()?;
        octets.try_into().or_else(|_| self.bad())
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        let tlv = self.expect(UTF8_STRING)?;
        core::str::from_utf8(tlv.value).or_else(|_| self.bad())
    }

    /// A non-negative INTEGER (or `tag`) that fits an i64.
    pub(crate) fn unsigned(&mut self, tag: u8) -> Result<i64, Error> {
        let tlv = self.expect(tag)?;
        let shortest = match tlv.value {
            [] => false,
            [0, second, ..] => second & 0x80 != 0,
            [first, ..] => first & 0x80 == 0,
        };
        if !shortest || tlv.value.len() > 8 {
            return self.bad();
        }
        Ok(tlv.value.iter().fold(0, |n, b| (n << 8) | i64::from(*b)))
    }

    /// A non-negative INTEGER that fits a u32.
    pub(crate) fn small(&mut self) -> Result<u32, Error> {
        let n = self.unsigned(INTEGER)?;
        u32::try_from(n).or_else(|_| self.bad())
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Error> {
        match self.expect(BOOLEAN)?.value {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => self.bad(),
        }
    }
}

/// Tag, length of the value, length of the header. `None`: not DER, or not all of the header is there.
pub(crate) fn header(input: &[u8]) -> Option<(u8, usize, usize)> {
    let (&tag, rest) = input.split_first()?;
    if tag & 0x1f == 0x1f || tag == 0 {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    if first < 0x80 {
        return Some((tag, usize::from(first), 2));
    }
    let count = usize::from(first & 0x7f);
    // 0: indefinite; more than 6 bytes: larger than anything we carry.
    if count == 0 || count > 6 {
        return None;
    }
    let bytes = rest.get(..count)?;
    let length = bytes.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b));
    if bytes.first() == Some(&0) || length < 0x80 {
        return None;
    }
    Some((tag, usize::try_from(length).ok()?, 2 + count))
}

/// Tag and length of an element whose value is `length` bytes long.
pub(crate) fn make_header(tag: u8, length: u64) -> Vec<u8> {
    let mut out = vec![tag];
    if let (true, Ok(short)) = (length < 0x80, u8::try_from(length)) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        let significant = bytes.get(skip..).unwrap_or_default();
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        out.extend_from_slice(significant);
    }
    out
}

/// An element made of `parts`.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = make_header(tag, length as u64);
    out.reserve(length);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub(crate) fn oid(oid: &ObjectIdentifier) -> Vec<u8> {
    element(OID, &[oid.as_bytes()])
}

/// A non-negative number with `tag` (INTEGER or ENUMERATED).
pub(crate) fn unsigned(tag: u8, n: u64) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count().min(7);
    let significant = bytes.get(skip..).unwrap_or_default();
    let sign: &[u8] = if significant.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
    element(tag, &[sign, significant])
}

/// A SET OF in DER order (X.690 §11.6).
pub(crate) fn set_of(tag: u8, mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    let parts: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
    element(tag, &parts)
}

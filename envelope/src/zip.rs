//! ZIP (APPNOTE 6.3.10) in the narrowest form that every unpacker understands: stored entries, sizes in the local
//! headers, no data descriptors, no extra fields, no comments, no ZIP64; entries lie one behind the other without gaps.

use crate::error::Error;
use crate::{Digest, digest_of, names};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom, Write};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_LEN: u64 = 30;
const CENTRAL_LEN: u64 = 46;
const END_LEN: u64 = 22;
const VERSION: u16 = 20;
/// Made on Unix: unzip takes names of other makers through a code page, whatever their flag says.
const MADE_BY: u16 = 3 << 8 | VERSION;
/// A plain file that its owner may write.
const ATTRIBUTES: u32 = 0o100_644 << 16;
const UTF8: u16 = 1 << 11;
/// 1980-01-01, the first day that ZIP knows: the same files give the same bytes at any time.
const DATE: u16 = (1 << 5) | 1;
const BUFFER: usize = 64 * 1024;

const fn malformed(what: &'static str) -> Error {
    Error::ContainerMalformed { what }
}

/// An entry that is to be written, or was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) crc32: u32,
    /// Where its bytes begin.
    pub(crate) offset: u64,
}

/// The fields that local header and central directory have in common, in their common order and encoding.
fn common(entry: &Entry) -> Result<Vec<u8>, Error> {
    let size = u32::try_from(entry.size).map_err(|_| too_large())?;
    let name_len = u16::try_from(entry.name.len()).map_err(|_| too_large())?;
    let flags = if entry.name.is_ascii() { 0 } else { UTF8 };
    let mut out = Vec::with_capacity(26);
    for short in [VERSION, flags, 0, 0, DATE] {
        out.extend(short.to_le_bytes());
    }
    for long in [entry.crc32, size, size] {
        out.extend(long.to_le_bytes());
    }
    out.extend(name_len.to_le_bytes());
    out.extend([0, 0]);
    Ok(out)
}

const fn too_large() -> Error {
    Error::TooLarge { what: "the container", limit: u32::MAX as u64 }
}

/// The length of the whole file with these entries.
pub(crate) fn length(entries: &[Entry]) -> Result<u64, Error> {
    let each = |e: &Entry| LOCAL_LEN + CENTRAL_LEN + 2 * e.name.len() as u64;
    let total = entries.iter().try_fold(END_LEN, |sum, e| sum.checked_add(each(e))?.checked_add(e.size));
    total.filter(|t| *t < u64::from(u32::MAX)).ok_or(too_large())
}

/// Writes entries and counts and hashes everything that passes.
pub(crate) struct Writer<W> {
    out: W,
    hash: Context,
    position: u64,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, hash: Context::new(&SHA256), position: 0, entries: Vec::new(), buffer: vec![0; BUFFER] }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.position += bytes.len() as u64;
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// An entry from memory.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let entry = Entry {
            name: name.to_owned(),
            size: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
            offset: 0,
        };
        self.begin(entry)?;
        self.put(bytes)
    }

    /// An entry from a reader, which must give exactly the bytes that were announced.
    pub(crate) fn stream(
        &mut self,
        name: &str,
        size: u64,
        crc32: u32,
        sha256: &Digest,
        mut source: impl Read,
    ) -> Result<(), Error> {
        self.begin(Entry { name: name.to_owned(), size, crc32, offset: 0 })?;
        let changed = || Error::FileChanged { name: name.to_owned() };
        let (mut hash, mut crc, mut left) = (Context::new(&SHA256), crc32fast::Hasher::new(), size);
        let mut buffer = core::mem::take(&mut self.buffer);
        loop {
            let n = read(&mut source, &mut buffer)?;
            let chunk = buffer.get(..n).unwrap_or_default();
            left = left.checked_sub(n as u64).ok_or_else(changed)?;
            if n == 0 {
                break;
            }
            hash.update(chunk);
            crc.update(chunk);
            self.put(chunk)?;
        }
        self.buffer = buffer;
        if left == 0 && crc.finalize() == crc32 && digest_of(hash) == *sha256 {
            Ok(())
        } else {
            Err(changed())
        }
    }

    fn begin(&mut self, mut entry: Entry) -> Result<(), Error> {
        let header = [&LOCAL.to_le_bytes(), common(&entry)?.as_slice(), entry.name.as_bytes()].concat();
        self.put(&header)?;
        entry.offset = self.position;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the central directory; gives length and SHA-256 of the whole, and the writer back.
    pub(crate) fn finish(mut self) -> Result<(u64, Digest, W), Error> {
        let start = self.position;
        for entry in core::mem::take(&mut self.entries) {
            let local = entry.offset - LOCAL_LEN - entry.name.len() as u64;
            let mut record = Vec::with_capacity(128);
            record.extend(CENTRAL.to_le_bytes());
            record.extend(MADE_BY.to_le_bytes());
            record.extend(common(&entry)?);
            // comment length, disk, internal attributes
            record.extend([0; 6]);
            record.extend(ATTRIBUTES.to_le_bytes());
            record.extend(u32::try_from(local).map_err(|_| too_large())?.to_le_bytes());
            record.extend(entry.name.as_bytes());
            self.put(&record)?;
            self.entries.push(entry);
        }
        let count = u16::try_from(self.entries.len()).map_err(|_| too_large())?;
        let directory = u32::try_from(self.position - start).map_err(|_| too_large())?;
        let mut end = Vec::with_capacity(22);
        end.extend(END.to_le_bytes());
        end.extend([0; 4]);
        end.extend(count.to_le_bytes());
        end.extend(count.to_le_bytes());
        end.extend(directory.to_le_bytes());
        end.extend(u32::try_from(start).map_err(|_| too_large())?.to_le_bytes());
        end.extend([0; 2]);
        self.put(&end)?;
        self.out.flush()?;
        Ok((self.position, digest_of(self.hash), self.out))
    }
}

/// Bounds for a file that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) length: u64,
    pub(crate) entries: usize,
}

/// Longest entry name that is read, bytes: `unit/` and 255.
const MAX_NAME: u64 = 5 + 255;

/// The entries of a ZIP file that follows every rule of this module; second, its length. Names are valid UTF-8, differ,
/// and differ also when case is ignored; nothing more is said of them.
pub(crate) fn entries<R: Read + Seek>(source: &mut R, bounds: &Bounds) -> Result<(Vec<Entry>, u64), Error> {
    let length = source.seek(SeekFrom::End(0))?;
    if length > bounds.length.min(u64::from(u32::MAX)) {
        return Err(Error::TooLarge { what: "the container", limit: bounds.length });
    }
    let end_at = length.checked_sub(END_LEN).ok_or(malformed("shorter than an empty ZIP file"))?;
    let end = bytes_at(source, end_at, END_LEN)?;
    let mut end = Fields(&end);
    let is_end = end.long()? == END && end.short()? == 0 && end.short()? == 0;
    let (count, count_again) = (u64::from(end.short()?), u64::from(end.short()?));
    let (size, start, comment) = (u64::from(end.long()?), u64::from(end.long()?), end.short()?);
    if !is_end || count != count_again || comment != 0 {
        return Err(malformed("no end record at the end of the file"));
    }
    if count > bounds.entries as u64 {
        return Err(Error::TooLarge {
            what: "the number of container entries",
            limit: bounds.entries as u64,
        });
    }
    if start + size != end_at || size > count * (CENTRAL_LEN + MAX_NAME) {
        return Err(malformed("the central directory is not where it belongs"));
    }
    let directory = bytes_at(source, start, size)?;
    let mut directory = Fields(&directory);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut position = 0;
    for _ in 0..count {
        if directory.long()? != CENTRAL {
            return Err(malformed("central directory record"));
        }
        let made_by = directory.short()?;
        let shared = directory.take(26)?;
        let comment_disk_internal = directory.take(6)?;
        if made_by != MADE_BY || comment_disk_internal != [0; 6] || directory.long()? != ATTRIBUTES {
            return Err(malformed("an entry's comment or attributes"));
        }
        let local = u64::from(directory.long()?);
        let name_len = Fields(shared.get(22..24).unwrap_or_default()).short()?;
        let name = directory.take(usize::from(name_len))?;
        if local != position {
            return Err(malformed("entries overlap or leave gaps"));
        }
        let header_len = LOCAL_LEN + name.len() as u64;
        if local + header_len > start {
            return Err(malformed("an entry reaches into the central directory"));
        }
        if bytes_at(source, local, header_len)? != [&LOCAL.to_le_bytes(), shared, name].concat() {
            return Err(malformed("a local header differs from the central directory"));
        }
        let entry = parse(shared, name, local + header_len)?;
        position = entry.offset + entry.size;
        if position > start {
            return Err(malformed("an entry reaches into the central directory"));
        }
        if !seen.insert(names::folded(&entry.name)) {
            return Err(Error::DuplicateEntry { name: entry.name });
        }
        found.push(entry);
    }
    if position != start || !directory.0.is_empty() {
        return Err(malformed("bytes that belong to no entry"));
    }
    Ok((found, length))
}

/// One entry from the fields that both headers share.
fn parse(shared: &[u8], name: &[u8], offset: u64) -> Result<Entry, Error> {
    let mut fields = Fields(shared);
    let version = fields.short()?;
    let flags = fields.short()?;
    let method = fields.short()?;
    fields.long()?; // time and date
    let crc32 = fields.long()?;
    let (packed, size) = (fields.long()?, fields.long()?);
    fields.short()?;
    let extra = fields.short()?;
    if version > VERSION || flags & !UTF8 != 0 || method != 0 || packed != size || extra != 0 {
        return Err(malformed("an entry is not plainly stored"));
    }
    let name = String::from_utf8(name.to_vec()).map_err(|_| malformed("an entry name is not UTF-8"))?;
    if !name.is_ascii() && flags & UTF8 == 0 {
        return Err(malformed("a name without the UTF-8 flag"));
    }
    Ok(Entry { name, size: u64::from(size), crc32, offset })
}

/// Little-endian fields, each of them checked to be there.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(malformed("a record is cut short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn short(&mut self) -> Result<u16, Error> {
        let bytes = self.take(2)?.try_into().map_err(|_| malformed("a record is cut short"))?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn long(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?.try_into().map_err(|_| malformed("a record is cut short"))?;
        Ok(u32::from_le_bytes(bytes))
    }
}

/// `length` bytes from `at`; the caller has bounded `length`.
fn bytes_at<R: Read + Seek>(source: &mut R, at: u64, length: u64) -> Result<Vec<u8>, Error> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| too_large())?];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads an entry's bytes: all of them, in pieces, with the CRC checked at the end. Gives their SHA-256.
pub(crate) fn stream<R: Read + Seek>(
    source: &mut R,
    entry: &Entry,
    buffer: &mut [u8],
) -> Result<Digest, Error> {
    source.seek(SeekFrom::Start(entry.offset))?;
    let (mut hash, mut crc, mut left) = (Context::new(&SHA256), crc32fast::Hasher::new(), entry.size);
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = buffer.get_mut(..want).unwrap_or_default();
        source.read_exact(chunk)?;
        hash.update(chunk);
        crc.update(chunk);
        left -= want as u64;
    }
    if crc.finalize() != entry.crc32 {
        return Err(Error::DigestMismatch { name: entry.name.clone() });
    }
    Ok(digest_of(hash))
}

/// An entry of at most `limit` bytes, in memory.
pub(crate) fn load<R: Read + Seek>(source: &mut R, entry: &Entry, limit: u64) -> Result<Vec<u8>, Error> {
    if entry.size > limit {
        return Err(Error::TooLarge { what: "a container entry", limit });
    }
    let bytes = bytes_at(source, entry.offset, entry.size)?;
    if crc32fast::hash(&bytes) != entry.crc32 {
        return Err(Error::DigestMismatch { name: entry.name.clone() });
    }
    Ok(bytes)
}

/// As `Read::read`, again after an interruption.
pub(crate) fn read(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

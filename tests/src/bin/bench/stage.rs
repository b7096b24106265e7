//! Letters made before the clock starts, on the same file system, and dropped by renaming.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256};
use tests::site::letter;

pub(crate) type Digest = [u8; 32];

/// A letter with its roster and one attachment.
pub(crate) struct Unit {
    /// Names with the digest of what is in them, the DI last.
    pub(crate) files: Vec<(String, Digest)>,
    /// Of all of them together.
    pub(crate) bytes: usize,
    staged: PathBuf,
}

impl Unit {
    /// Makes one of so many bytes in all (or a little more, if that is less than letter and roster take).
    pub(crate) fn make(
        staged: &Path,
        number: usize,
        from: &str,
        to: &[&str],
        bytes: usize,
        priority: &str,
    ) -> Self {
        fs::create_dir_all(staged).unwrap();
        let name = format!("{number:07}");
        let attached = format!("{name}_0.bin");
        let (di, roster) = letter(&name, from, to, std::slice::from_ref(&attached), priority);
        let rest = bytes.saturating_sub(di.len() + roster.len()).max(16);
        let bytes = di.len() + roster.len() + rest;
        let mut files = Vec::new();
        let attachment = noise(number as u64, rest, &fs::File::create(staged.join(&attached)).unwrap());
        files.push((attached, attachment.unwrap()));
        for (ending, text) in [("sw", roster), ("di", di)] {
            let file = format!("{name}.{ending}");
            fs::write(staged.join(&file), &text).unwrap();
            files.push((file, digest(text.as_bytes())));
        }
        Self { files, bytes, staged: staged.to_owned() }
    }

    /// Into the drop folder, the DI last: from then on it is in flight.
    pub(crate) fn drop_into(&self, folder: &Path) {
        for (file, _) in &self.files {
            fs::rename(self.staged.join(file), folder.join(file)).unwrap();
        }
    }

    /// As [`Unit::drop_into`], but the DI is written in its place and closed; says when that was.
    pub(crate) fn write_into(&self, folder: &Path) -> Instant {
        for (file, _) in &self.files {
            if file.ends_with(".di") {
                let text = fs::read(self.staged.join(file)).unwrap();
                fs::write(folder.join(file), text).unwrap();
            } else {
                fs::rename(self.staged.join(file), folder.join(file)).unwrap();
            }
        }
        Instant::now()
    }
}

/// So many of them, on the disk.
pub(crate) fn make(
    staged: &Path,
    first: usize,
    count: usize,
    from: &str,
    to: &str,
    bytes: usize,
) -> Vec<Unit> {
    let make = |number| Unit::make(staged, number, from, &[to], bytes, "普通件");
    let units = (first..first + count).map(make).collect();
    // what is still to be written would disturb the measurement
    rustix::fs::sync();
    units
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(bytes);
    finish(hash)
}

/// The digest of a file, read in pieces.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut hash = Hashing(Context::new(&SHA256));
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(finish(hash.0))
}

struct Hashing(Context);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn finish(hash: Context) -> Digest {
    hash.finish().as_ref().try_into().unwrap()
}

/// Bytes that no program can make smaller, another sequence for each seed.
fn noise(seed: u64, length: usize, mut out: impl Write) -> io::Result<Digest> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (mut hash, mut left) = (Context::new(&SHA256), length);
    let mut block = vec![0; 64 * 1024];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let piece = &block[..left.min(block.len())];
        hash.update(piece);
        out.write_all(piece)?;
        left -= piece.len();
    }
    Ok(finish(hash))
}

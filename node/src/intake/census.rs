//! Who writes into a file right now: one pass over `/proc` for everyone who asks.
//!
//! A lease (`F_SETLEASE`) would answer this for one file; it has no safe wrapper, so the open files and the shared
//! mappings of all processes are looked through. A pass takes a millisecond or two; whoever asks while one is running shares
//! the next one, and passes in a row leave the processor alone several times as long as they took. Mappings are looked through only for
//! those who have no better sign: a file is reported closed only when its last mapping is gone, too (but not on overlayfs).

use super::place::{FileId, Mark};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::CStr;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What can be said about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// Nobody has it open for writing or mapped shared and writable.
    None,
    /// Somebody has.
    Some,
    /// Nobody whom we may look at; only processes of root cannot be looked at.
    NoneButRoot,
    /// A process that could write it cannot be looked at.
    Unknown,
}

/// One pass shared by many.
#[derive(Debug, Default)]
pub(super) struct Census {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Files asked for since the last pass began.
    wanted: HashSet<FileId>,
    /// Somebody wants mappings looked through, too.
    mappings: bool,
    /// Number of the pass that `wanted` will be looked up in.
    next: u64,
    running: bool,
    /// The last finished pass.
    seen: Arc<Seen>,
    rest_until: Option<Instant>,
    /// Threads of the kernel, which have no open files: most of the list on a small machine.
    kernel: Kernel,
}

/// By number and inode in `/proc`: another process by that number has another inode.
type Kernel = HashSet<(u64, u64)>;

#[derive(Debug, Default)]
struct Seen {
    pass: u64,
    held: HashSet<FileId>,
    /// Effective users and groups of processes that could not be looked at.
    closed_users: HashSet<u32>,
    closed_groups: HashSet<u32>,
    /// Not even the list of processes is complete, or there is no `/proc`.
    hidden: bool,
}

impl Census {
    /// Who writes into each of these files, at some moment after the call began.
    pub(super) fn writers(&self, files: &[Mark], mappings: bool) -> Vec<Writers> {
        let seen = self.pass(files, mappings);
        files.iter().map(|file| seen.about(file)).collect()
    }

    fn pass(&self, files: &[Mark], mappings: bool) -> Arc<Seen> {
        let mut state = self.lock();
        state.wanted.extend(files.iter().map(|file| file.file));
        state.mappings |= mappings;
        let mine = state.next;
        loop {
            if state.seen.pass > mine {
                return Arc::clone(&state.seen);
            }
            if state.running {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            if let Some(rest) = state.rest_until.map(|t| t.saturating_duration_since(Instant::now())) {
                drop(state);
                std::thread::sleep(rest);
                state = self.lock();
            }
            let (wanted, mappings) = (std::mem::take(&mut state.wanted), std::mem::take(&mut state.mappings));
            state.next += 1;
            let pass = state.next;
            let mut kernel = std::mem::take(&mut state.kernel);
            drop(state);
            let begun = Instant::now();
            let mut seen = look(&wanted, mappings, Path::new("/proc"), &mut kernel);
            seen.pass = pass;
            state = self.lock();
            state.kernel = kernel;
            state.seen = Arc::new(seen);
            state.running = false;
            let now = Instant::now();
            state.rest_until = Some(now + (now - begun).min(LONGEST_REST / REST) * REST);
            self.turn.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn about(&self, file: &Mark) -> Writers {
        if self.held.contains(&file.file) {
            return Writers::Some;
        }
        let others = file.mode & 0o002 != 0 && self.closed_users.iter().any(|user| *user != 0);
        let owner = file.owner != 0 && self.closed_users.contains(&file.owner);
        let group = file.mode & 0o020 != 0 && self.closed_groups.contains(&file.group);
        if others || owner || group {
            return Writers::Unknown;
        }
        if self.hidden || self.closed_users.contains(&0) { Writers::NoneButRoot } else { Writers::None }
    }
}

/// How many times as long as the last pass took the processor is left alone: passes use a tenth of one at most.
const REST: u32 = 9;
const LONGEST_REST: Duration = Duration::from_millis(100);

fn look(wanted: &HashSet<FileId>, maps: bool, proc: &Path, kernel: &mut Kernel) -> Seen {
    let mut seen = Seen::default();
    let Ok(root) = open_folder(CWD, proc) else {
        return Seen { hidden: true, ..seen };
    };
    // with `hidepid` the first process of the system cannot be seen by others
    seen.hidden = rustix::fs::statat(&root, "1", AtFlags::SYMLINK_NOFOLLOW).is_err();
    let own = std::process::id().to_string();
    let (mut names, mut buffer) = (room(), room());
    let before = std::mem::take(kernel);
    let mut processes = RawDir::new(&root, &mut names);
    while let Some(process) = processes.next() {
        let Ok(process) = process else {
            seen.hidden = true;
            break;
        };
        let name = process.file_name().to_str().unwrap_or_default();
        // we never open a file of the drop folder for writing
        if !name.bytes().all(|b| b.is_ascii_digit()) || name == own {
            continue;
        }
        let which = (name.parse().unwrap_or(0), process.ino());
        if before.contains(&which) {
            kernel.insert(which);
            continue;
        }
        let open = descriptors(&root, name, wanted, &mut seen.held, &mut buffer);
        if open.is_none_or(|open| open == 0) && is_kernel(&root, name) {
            kernel.insert(which);
            continue;
        }
        let seen_all = open.is_some() && (!maps || mappings(&root, name, wanted, &mut seen.held));
        if !seen_all {
            closed(&root, name, &mut seen);
        }
    }
    seen
}

/// Whether it is a thread of the kernel, by its flags (proc(5): the seventh field behind the name, PF_KTHREAD).
fn is_kernel(proc: &OwnedFd, process: &str) -> bool {
    let stat = read(proc, &format!("{process}/stat")).unwrap_or_default();
    let behind = stat.rsplit(|b| *b == b')').next().unwrap_or_default();
    let flags = behind.split(|b| *b == b' ').filter(|field| !field.is_empty()).nth(6);
    let flags = flags.and_then(|f| std::str::from_utf8(f).ok()).and_then(|f| f.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & 0x0020_0000 != 0)
}

type Room = Vec<MaybeUninit<u8>>;

/// For the names that the system gives at a time.
fn room() -> Room {
    vec![MaybeUninit::uninit(); ROOM]
}

const ROOM: usize = 16 * 1024;

fn open_folder(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn read(at: impl AsFd, path: &str) -> std::io::Result<Vec<u8>> {
    let file = rustix::fs::openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    std::fs::File::from(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks through open files and gives how many there are; `None` if that is not allowed. A process that ended meanwhile
/// writes no more.
fn descriptors(
    proc: &OwnedFd,
    process: &str,
    wanted: &HashSet<FileId>,
    held: &mut HashSet<FileId>,
    buffer: &mut Room,
) -> Option<usize> {
    let folder = match open_folder(proc, format!("{process}/fd")) {
        Ok(folder) => folder,
        Err(error) => return (!is_denied(error)).then_some(0),
    };
    let mut open = 0;
    let mut listing = RawDir::new(&folder, buffer);
    while let Some(Ok(descriptor)) = listing.next() {
        let name = descriptor.file_name();
        if name.to_bytes().first() == Some(&b'.') {
            continue;
        }
        open += 1;
        let file = match behind(&folder, name) {
            Ok(file) => file,
            Err(error) if is_denied(error) => return None,
            Err(_) => continue,
        };
        if !wanted.contains(&file) || held.contains(&file) {
            continue;
        }
        let info = format!("{process}/fdinfo/{}", name.to_string_lossy());
        if read(proc, &info).is_ok_and(|info| writes(&info)) {
            held.insert(file);
        }
    }
    Some(open)
}

fn is_denied(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}

/// Which file a descriptor is. This follows the link of the kernel, by file and not by name; it opens nothing and asks no
/// other machine.
fn behind(folder: &OwnedFd, descriptor: &CStr) -> rustix::io::Result<FileId> {
    match rustix::fs::statx(folder, descriptor, AtFlags::STATX_DONT_SYNC, StatxFlags::INO) {
        Ok(stat) => {
            let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
            Ok(FileId { device, inode: stat.stx_ino })
        }
        Err(Errno::NOSYS) => Ok(FileId::of(&rustix::fs::statat(folder, descriptor, AtFlags::empty())?)),
        Err(error) => Err(error),
    }
}

/// Whether `flags:` (octal) has O_WRONLY or O_RDWR.
fn writes(info: &[u8]) -> bool {
    let info = String::from_utf8_lossy(info);
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|f| u64::from_str_radix(f.trim(), 8).ok()).is_some_and(|f| f & 0o3 != 0)
}

/// Looks through mappings: `start-end rw-s offset major:minor inode path`.
fn mappings(proc: &OwnedFd, process: &str, wanted: &HashSet<FileId>, held: &mut HashSet<FileId>) -> bool {
    let maps = match read(proc, &format!("{process}/maps")) {
        Ok(maps) => maps,
        Err(error) => return error.kind() != std::io::ErrorKind::PermissionDenied,
    };
    for line in maps.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ').filter(|f| !f.is_empty());
        let Some(&[_, b'w', _, b's']) = fields.nth(1) else { continue };
        let inode =
            fields.nth(2).and_then(|f| std::str::from_utf8(f).ok()).and_then(|f| f.parse::<u64>().ok());
        let Some(inode) = inode.filter(|i| *i != 0) else { continue };
        // the device shown here is that of the lowest file system, which need not be the one that `stat` shows:
        // the inode alone decides, since a false alarm only costs a wait
        held.extend(wanted.iter().filter(|file| file.inode == inode));
    }
    true
}

/// Notes whose process it was that could not be looked at.
fn closed(proc: &OwnedFd, process: &str, seen: &mut Seen) {
    let Ok(stat) = rustix::fs::statat(proc, process, AtFlags::SYMLINK_NOFOLLOW) else { return };
    seen.closed_users.insert(stat.st_uid);
    if stat.st_uid == 0 {
        return;
    }
    let status = read(proc, &format!("{process}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mut fields = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        seen.closed_groups.extend(line.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    };
    fields("Gid:");
    fields("Groups:");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::place::{Entry, Place};
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    /// A child that does something to a file, says "ready", and undoes it when its input closes.
    fn child(script: &str, file: &Path) -> Child {
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child
    }

    fn mark(path: &Path) -> Mark {
        let place = Place::root("drop", path.parent().unwrap()).unwrap();
        match place.look(path.file_name().unwrap()).unwrap() {
            Some(Entry::File(mark)) => mark,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sees_open_for_writing_and_shared_mappings_of_other_processes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.di");
        fs::File::create(&path).unwrap().write_all(&[b'x'; 5000]).unwrap();
        let census = Census::default();
        let nobody = census.writers(&[mark(&path)], true);
        assert!(matches!(nobody[..], [Writers::None | Writers::NoneButRoot]), "{nobody:?}");
        let end = "print('ready', flush=True); sys.stdin.read()";
        for (script, expected) in [
            ("f = open(sys.argv[1], 'ab')", true),
            ("f = open(sys.argv[1], 'r+b')", true),
            ("f = open(sys.argv[1], 'rb')", false),
            ("f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()", true),
            (
                "f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close()",
                false,
            ),
        ] {
            let mut writer = child(&format!("import mmap, sys\n{script}\n{end}"), &path);
            let found = census.writers(&[mark(&path)], true);
            assert_eq!(found == [Writers::Some], expected, "{script}: {found:?}");
            drop(writer.stdin.take());
            writer.wait().unwrap();
            assert_ne!(census.writers(&[mark(&path)], true), [Writers::Some], "{script}, ended");
        }
    }

    #[test]
    fn a_writer_behind_more_descriptors_than_are_read_at_a_time_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.di");
        fs::write(&path, "x").unwrap();
        let script = "import os, sys\nmany = [os.dup(0) for _ in range(900)]\nf = open(sys.argv[1], 'ab')\n\
                      print('ready', flush=True); sys.stdin.read()";
        let mut writer = child(script, &path);
        assert!(900 * size_of::<u64>() * 3 > ROOM, "each name takes three words at least");
        assert_eq!(Census::default().writers(&[mark(&path)], false), [Writers::Some]);
        drop(writer.stdin.take());
        writer.wait().unwrap();
    }

    #[test]
    fn a_writer_through_another_name_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a.di"), dir.path().join("b"));
        fs::write(&path, "x").unwrap();
        fs::hard_link(&path, &other).unwrap();
        let mut writer = child(
            "import sys\nf = open(sys.argv[1], 'ab')\nprint('ready', flush=True); sys.stdin.read()",
            &other,
        );
        assert_eq!(Census::default().writers(&[mark(&path)], true), [Writers::Some]);
        drop(writer.stdin.take());
        writer.wait().unwrap();
    }

    #[test]
    fn askers_at_the_same_time_share_passes_and_each_gets_an_answer_from_after_its_question() {
        let dir = tempfile::tempdir().unwrap();
        let census = Census::default();
        std::thread::scope(|scope| {
            for i in 0..16 {
                let (census, path) = (&census, dir.path().join(format!("{i}")));
                scope.spawn(move || {
                    fs::write(&path, "x").unwrap();
                    assert_ne!(census.writers(&[mark(&path)], true), [Writers::Some]);
                });
            }
        });
        assert!(census.lock().seen.pass <= 16);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_free() {
        let mut file = {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.di");
            fs::write(&path, "x").unwrap();
            mark(&path)
        };
        (file.owner, file.group, file.mode) = (1000, 100, 0o100_640);
        let seen = |users: &[u32], groups: &[u32]| Seen {
            closed_users: users.iter().copied().collect(),
            closed_groups: groups.iter().copied().collect(),
            ..Seen::default()
        };
        assert_eq!(seen(&[], &[]).about(&file), Writers::None);
        assert_eq!(seen(&[0], &[]).about(&file), Writers::NoneButRoot);
        assert_eq!(seen(&[0, 1001], &[100]).about(&file), Writers::NoneButRoot);
        assert_eq!(seen(&[1000], &[]).about(&file), Writers::Unknown);
        file.mode = 0o100_660;
        assert_eq!(seen(&[1001], &[100]).about(&file), Writers::Unknown);
        file.mode = 0o100_602;
        assert_eq!(seen(&[1001], &[7]).about(&file), Writers::Unknown);
        let nothing = look(&HashSet::from([file.file]), true, Path::new("/nonexistent"), &mut Kernel::new());
        assert_eq!(nothing.about(&file), Writers::NoneButRoot);
    }
}

//! What users do to PIN files, and what must not show.

#![allow(clippy::disallowed_methods, reason = "these are the users' hands")]

use super::*;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

const SECRET: &str = "739105";

fn private(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn from_file(path: &Path) -> Result<Entry, Error> {
    Supply::open(Source::File(path.to_owned())).unwrap().entry()
}

#[test]
fn one_line_end_is_not_part_of_it() {
    let pin = |text: &str| Pin::new(Zeroizing::new(text.as_bytes().to_vec()), "x");
    for text in ["739105", "739105\n", "739105\r\n"] {
        assert_eq!(pin(text).unwrap().expose(), SECRET.as_bytes());
    }
    assert_eq!(pin(" 739105 ").unwrap().expose(), b" 739105 ", "blanks may be meant");
    for text in ["", "\n", "739105\n\n", "739105\n739106\n", "\u{0}739105", &"1".repeat(LONGEST + 1)] {
        assert_eq!(pin(text).unwrap_err().label(), "pin-malformed", "{text:?}");
    }
    let eight = pin("12345678").unwrap();
    assert!(eight.fits(6, 8).is_ok() && eight.fits(0, 0).is_ok());
    assert_eq!(eight.fits(6, 7).unwrap_err().label(), "pin-length");
    assert_eq!(eight.fits(9, 0).unwrap_err().label(), "pin-length");
}

#[test]
fn a_file_is_new_when_it_was_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pin");
    private(&path, "739105\n");
    let first = from_file(&path).unwrap();
    assert_eq!(first.pin.expose(), SECRET.as_bytes());
    assert_eq!(from_file(&path).unwrap().generation, first.generation);
    // A backup that resets times, a change of mode: the same.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(from_file(&path).unwrap().generation, first.generation);
    // Replaced, as editors do.
    private(&dir.path().join("new"), "739105\n");
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    let second = from_file(&path).unwrap();
    assert_ne!(second.generation, first.generation);
    // Written in place.
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_ne!(from_file(&path).unwrap().generation, second.generation);
}

#[test]
fn a_generation_tells_nothing_of_the_pin() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pin");
    private(&path, "739105\n");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let generation = |content: &str| {
        let mut file = File::options().write(true).truncate(true).open(&path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.set_modified(time).unwrap();
        from_file(&path).unwrap().generation
    };
    let first = generation("739105\n");
    assert!(!first.as_str().contains(SECRET));
    assert_eq!(first, generation("12345678"), "neither its digits nor its length");
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pin");
    private(&path, "739105\n");
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(from_file(&path).unwrap_err().label(), "pin-not-private", "{mode:o}");
    }
    assert_eq!(from_file(&dir.path().join("none")).unwrap_err().label(), "pin-unreadable");
    // Not held up by a pipe, and not by a folder.
    assert_eq!(from_file(dir.path()).unwrap_err().label(), "pin-unreadable");
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(from_file(&pipe).unwrap_err().label(), "pin-unreadable");
}

#[test]
fn credentials_are_files_of_the_credentials_folder_only() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pin"), "739105").unwrap();
    let credential = |name: &str| read::credential(Some(dir.path().as_os_str()), name);
    let entry = credential("pin").unwrap();
    assert_eq!(entry.pin.expose(), SECRET.as_bytes());
    // systemd writes it anew at each start: that alone is no new PIN.
    std::fs::remove_file(dir.path().join("pin")).unwrap();
    std::fs::write(dir.path().join("pin"), "739105").unwrap();
    assert_eq!(credential("pin").unwrap().generation, entry.generation);
    for name in ["", ".", "..", "../pin", "/etc/passwd", "none"] {
        assert_eq!(credential(name).unwrap_err().label(), "pin-unreadable", "{name}");
    }
    assert_eq!(read::credential(None, "pin").unwrap_err().label(), "pin-unreadable");
}

#[test]
fn a_descriptor_is_read_once_to_its_end() {
    use std::os::fd::AsRawFd;
    let (read_end, mut write_end) = std::io::pipe().unwrap();
    write_end.write_all(b"739105\n").unwrap();
    drop(write_end);
    let number = u32::try_from(read_end.as_raw_fd()).unwrap();
    let supply = Supply::open(Source::Descriptor(number)).unwrap();
    let (one, two) = (supply.entry().unwrap(), supply.entry().unwrap());
    assert_eq!((one.pin.expose(), one.generation), (two.pin.expose(), two.generation));
    // A loop that starts us again with the same PIN in a pipe does not make it a new one.
    let (read_end, mut write_end) = std::io::pipe().unwrap();
    write_end.write_all(b"739105\n").unwrap();
    drop(write_end);
    let again = read::descriptor(u32::try_from(read_end.as_raw_fd()).unwrap()).unwrap();
    assert_eq!(again.generation.as_str(), format!("descriptor {}", read_end.as_raw_fd()));
    assert_eq!(Supply::open(Source::Descriptor(9999)).unwrap_err().label(), "pin-unreadable");
    // A file behind a descriptor is as old as the file.
    let dir = tempfile::tempdir().unwrap();
    private(&dir.path().join("pin"), "739105");
    let generation = || {
        let file = File::open(dir.path().join("pin")).unwrap();
        let number = u32::try_from(file.as_raw_fd()).unwrap();
        Supply::open(Source::Descriptor(number)).unwrap().entry().unwrap().generation
    };
    assert_eq!(generation(), generation());
}

#[test]
fn debug_and_errors_show_nothing() {
    let pin = Pin::new(Zeroizing::new(SECRET.as_bytes().to_vec()), "x").unwrap();
    let supply = Supply::Given(Entry { pin: pin.clone(), generation: Generation::entered("x") });
    let shown = format!("{pin:?} {supply:?} {:?} {}", pin.fits(8, 9), pin.fits(8, 9).unwrap_err());
    assert!(!shown.contains(SECRET) && shown.contains("****"), "{shown}");
    let two_lines = Pin::new(Zeroizing::new(format!("{SECRET}\n{SECRET}").into_bytes()), "x").unwrap_err();
    assert!(!format!("{two_lines:?} {two_lines}").contains(SECRET));
}

/// A terminal: what the user's side is, and what the program's.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let program = rustix::fs::open(
        name.as_c_str(),
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
        rustix::fs::Mode::empty(),
    );
    (user.into(), program.unwrap().into())
}

#[test]
fn the_terminal_shows_nothing_and_is_as_before() {
    use rustix::termios::{LocalModes, tcgetattr};
    let echo = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    type Answer = Result<&'static [u8], &'static str>;
    let typed: &[(&[u8], Answer)] = &[
        (b"739105\r", Ok(b"739105")),
        (b"7391x\x7f05\n", Ok(b"739105")),
        (b"000000\x15739105\n", Ok(b"739105")),
        (b"7391\x03", Err("pin-cancelled")),
        (b"\x04", Err("pin-cancelled")),
        (b"\n", Err("pin-malformed")),
        (&[b'1'; 100], Err("pin-malformed")),
    ];
    for (keys, expected) in typed {
        let (mut user, program) = terminal();
        let watched = program.try_clone().unwrap();
        let asked = std::thread::spawn(move || prompt::ask_at(program, "PIN: "));
        // The question is there, so the echo is off.
        let mut shown = [0; 5];
        user.read_exact(&mut shown).unwrap();
        assert_eq!(&shown, b"PIN: ");
        assert!(!tcgetattr(&watched).unwrap().local_modes.intersects(echo));
        user.write_all(keys).unwrap();
        if keys.len() == 100 {
            user.write_all(b"\n").unwrap();
        }
        let answer = asked.join().unwrap();
        match (answer, expected) {
            (Ok(pin), Ok(expected)) => assert_eq!(pin.expose(), *expected),
            (Err(error), Err(label)) => assert_eq!(error.label(), *label),
            (answer, _) => panic!("{keys:?}: {answer:?}"),
        }
        assert!(tcgetattr(&watched).unwrap().local_modes.contains(echo), "the echo is back");
        let mut rest = [0; 64];
        let length = user.read(&mut rest).unwrap();
        assert_eq!(&rest[..length], b"\r\n", "only the line end is shown");
    }
}

#[test]
fn every_label_is_listed_once() {
    let source = Arc::new(std::io::Error::other(""));
    let all = [
        Error::Unreadable { place: "x".into(), source },
        Error::NotPrivate("x".into()),
        Error::Malformed("x".into()),
        Error::Length { min: 6, max: 8 },
        Error::Cancelled,
    ];
    let told: Vec<_> = all.iter().map(|error| (error.label(), error.class())).collect();
    assert_eq!(told, LABELS);
}

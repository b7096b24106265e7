//! The drop folder: half files, missing files, wrong encodings, names that lead out, too much of everything, a full disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use config::Transport;
use config::value::{Bytes, Period};
use store::state::{Inbound, Word};
use tests::pki::MEMBERS;
use tests::world::{Unit, World, eventually, read_all, to};

use crate::assert_explained;

/// A writer in another process: each line that it prints is a step it has reached; a line to it lets it go on.
struct Writer(Child);

impl Writer {
    /// `data` is what it writes, `path` where; the script has both.
    fn new(script: &str, source: &Path, path: &Path) -> Self {
        let prelude = "import mmap, sys\n\
                       def step():\n    print('step', flush=True)\n    sys.stdin.readline()\n\
                       data, path = open(sys.argv[1], 'rb').read(), sys.argv[2]\nhalf = len(data) // 2\n";
        let child = Command::new("python3")
            .args(["-c", &format!("{prelude}{script}")])
            .args([source, path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut writer = Self(child);
        writer.reached();
        writer
    }

    fn reached(&mut self) {
        let mut line = String::new();
        // One byte at a time: nothing of the next line may be swallowed.
        BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "step\n");
    }

    fn go_on(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

const PAUSES: &str =
    "f = open(path, 'wb')\nf.write(data[:half])\nf.flush()\nstep()\nf.write(data[half:])\nf.close()\n";
/// What it writes first reads to its end as a letter: only the open file tells that more comes.
const PAUSES_AT_THE_END: &str =
    "f = open(path, 'wb')\nf.write(data[:-20])\nf.flush()\nstep()\nf.write(data[-20:])\nf.close()\n";
const REOPENS: &str = "f = open(path, 'wb')\nf.write(data[:half])\nf.close()\nstep()\n\
                       f = open(path, 'ab')\nstep()\nf.write(data[half:])\nf.close()\n";
const MAPS: &str = "f = open(path, 'w+b')\nf.truncate(len(data))\nm = mmap.mmap(f.fileno(), len(data))\nf.close()\n\
                    m[:half] = data[:half]\nstep()\nm[half:] = data[half:]\nm.close()\n";

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_never_taken_and_the_whole_arrives() {
    let settle = Duration::from_millis(600);
    let slow = |_, config: &mut config::NodeConfig| config.intake.settle = Period::millis(600);
    let world = World::with(2, Transport::Auto, slow).await;
    let drop = world.nodes[0].config.folders.drop.clone();
    let big: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let source = |name: &str, bytes: &[u8]| {
        let path = world.dir().join(format!("source-{name}"));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let letter = |name: &str| Unit::letter(name, &[to(1)], &[(&format!("{name}.bin"), &big)], &[]);
    let beside = |unit: &Unit, except: &str| {
        for (name, bytes) in unit.files.iter().filter(|(name, _)| name != except) {
            std::fs::write(drop.join(name), bytes).unwrap();
        }
    };
    let mut writers = Vec::new();
    let mut units = Vec::new();

    let mut paused = letter("停筆");
    paused.di.1.extend_from_slice("<!-- 二十個以上的位元組 -->\n".as_bytes());
    beside(&paused, "");
    writers.push(Writer::new(PAUSES_AT_THE_END, &source("1", &paused.di.1), &drop.join(&paused.di.0)));
    units.push(paused);

    let reopened = letter("續寫");
    beside(&reopened, "");
    let mut writer = Writer::new(REOPENS, &source("2", &reopened.di.1), &drop.join(&reopened.di.0));
    // Back within the settle time, and then it holds the file open.
    writer.go_on();
    writer.reached();
    writers.push(writer);
    units.push(reopened);

    for (script, name) in [(PAUSES, "附件停筆"), (MAPS, "附件映射")] {
        let unit = letter(name);
        let file = format!("{name}.bin");
        writers.push(Writer::new(script, &source(name, &big), &drop.join(&file)));
        beside(&unit, &file);
        std::fs::write(drop.join(&unit.di.0), &unit.di.1).unwrap();
        units.push(unit);
    }

    // Nobody else waits for them.
    let good = Unit::letter("好的", &[to(1)], &[], &[]);
    world.nodes[0].put(&good);
    world.nodes[0].until(&good, Word::Confirmed).await;
    let since = Instant::now();
    eventually("several settle times pass", || {
        assert_eq!(world.nodes[0].outbox().len(), 1, "half a file was taken");
        (since.elapsed() > 3 * settle).then_some(())
    })
    .await;
    writers.iter_mut().for_each(Writer::go_on);
    std::mem::drop(writers);
    for unit in &units {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all());
    }
    world.stop().await;
}

/// Replaces text inside the DI.
fn changed(unit: &Unit, from: &str, to: &str) -> Unit {
    let mut unit = unit.clone();
    let text = String::from_utf8(unit.di.1.clone()).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    unit.di.1 = text.replace(from, to).into_bytes();
    unit
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_its_reason_kept_and_in_nobodys_way() {
    let strict = |_, config: &mut config::NodeConfig| {
        config.intake.patience = Period::millis(1_500);
        config.limits.document = Bytes::kib(1_024);
        config.limits.di = Bytes::kib(64);
        config.limits.recipients = 1;
    };
    let world = World::with(2, Transport::Auto, strict).await;
    let drop = world.nodes[0].config.folders.drop.clone();
    let secret = world.dir().join("secret");
    std::fs::write(&secret, "not for anybody").unwrap();
    let letter = |name: &str| Unit::letter(name, &[to(1)], &[(&format!("{name}.txt"), b"x")], &[]);
    let named = |name: &str, file: &str| {
        let mut unit = changed(&letter(name), &format!("\"{name}.txt\""), &format!("\"{file}\""));
        unit.files.retain(|(file, _)| file.ends_with(".sw"));
        unit
    };
    let alone = |name: &str, ending: &str| {
        let mut unit = letter(name);
        unit.files.retain(|(file, _)| file.ends_with(ending));
        unit
    };
    let mut cases: Vec<(&str, Unit)> = Vec::new();

    let mut half = letter("寫到一半");
    half.di.1.truncate(half.di.1.len() * 2 / 3);
    while std::str::from_utf8(&half.di.1).is_err() {
        half.di.1.pop();
    }
    cases.push(("malformed", half));
    cases.push(("companion-missing", alone("缺附件", ".sw")));
    cases.push(("companion-missing", alone("缺交換表", ".txt")));
    std::os::unix::fs::symlink(&secret, drop.join("連結.txt")).unwrap();
    cases.push(("companion-missing", alone("連結", ".sw")));
    let mut bytes = letter("亂碼");
    let at = bytes.di.1.windows(6).position(|w| w == "主旨".as_bytes()).unwrap();
    bytes.di.1.splice(at + 20..at + 20, [0xff, 0xfe, 0x80]);
    cases.push(("encoding", bytes));
    cases.push(("file-name", named("上層", "../secret")));
    cases.push(("file-name", named("絕對", "/etc/passwd")));
    cases.push(("file-name", named("磁碟", "C:\\secret")));
    cases.push(("character", named("零字元", "a\0b")));
    cases.push((
        "document-too-large",
        Unit::letter("過大", &[to(1)], &[("過大.bin", &vec![0; 1_100_000])], &[]),
    ));
    let mut long = letter("過長");
    long.di.1.extend(vec![b' '; 70_000]);
    cases.push(("too-large", long));
    cases.push(("too-many-recipients", Unit::letter("太多", &[to(0), to(1)], &[], &[])));

    for (_, unit) in &cases {
        world.nodes[0].put(unit);
    }
    // The bytes decide over the declaration: sent, with a warning.
    let declared = changed(&letter("宣告"), "encoding=\"UTF-8\"", "encoding=\"BIG5\"");
    world.nodes[0].put(&declared);
    let good = letter("好的");
    world.nodes[0].put(&good);

    for (label, unit) in &cases {
        let refused = world.nodes[0].until(unit, Word::Refused).await;
        let trouble = &refused.document.trouble;
        assert_eq!(trouble.label, *label, "{}: {}", unit.di.0, trouble.detail);
        assert_explained(label);
        assert!(refused.parts.is_empty(), "{} was sealed", unit.di.0);
    }
    for unit in [&declared, &good] {
        let sent = world.nodes[0].until(unit, Word::Confirmed).await;
        let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
        assert_eq!(world.nodes[1].delivered(&got), unit.all());
        assert_eq!(got.warnings.contains("encoding-declared"), std::ptr::eq(unit, &declared));
    }
    assert_eq!(world.nodes[1].inbox().len(), 2, "nothing bad has left the house");

    // Each lies in failed/ with the letter as it was, and with words for people.
    let failed = &world.nodes[0].config.folders.failed;
    for (label, unit) in &cases {
        let stem = unit.di.0.trim_end_matches(".di");
        let find = |ending: &str| {
            let names =
                std::fs::read_dir(failed).ok()?.map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names = names.filter(|name| name.starts_with(&format!("{stem}-")));
            names.find(|name| name.ends_with(".txt") == (ending == ".txt"))
        };
        let note = eventually(&format!("the note of {stem}"), || find(".txt")).await;
        let note = std::fs::read_to_string(failed.join(note)).unwrap();
        for said in [node::words::what(label), node::words::remedy(label)] {
            assert!(note.contains(&said), "{stem}: {note}");
        }
        assert!(note.contains(label), "the label too, for programs");
        let kept = read_all(&failed.join(find("").expect("the folder beside the note")));
        assert!(kept.contains(&unit.di), "{stem}: the letter is kept as it was");
        assert!(!kept.iter().any(|(_, bytes)| bytes == b"not for anybody"), "a link was followed");
    }
    assert!(secret.exists());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_center_is_away_everything_goes_as_far_as_it_can_and_on_by_itself() {
    let mut world = World::new(3, Transport::Auto).await;
    let known = Unit::letter("先前", &[to(1)], &[], &[]);
    world.nodes[0].put(&known);
    world.nodes[0].until(&known, Word::Confirmed).await;
    world.center_down().await;
    // Whom we wrote to a moment ago we know; whom we never wrote to we must ask about.
    let sealed = Unit::letter("已封", &[to(1)], &[], &[]);
    let claimed = Unit::letter("待查", &[to(2)], &[], &[]);
    for unit in [&sealed, &claimed] {
        world.nodes[0].put(unit);
    }
    let first = world.nodes[0].until(&sealed, Word::Waiting).await;
    assert_eq!((first.parts.len(), first.containers.len()), (1, 1));
    let waits = eventually("it waits for the link", || {
        let rows = world.nodes[0].outbox();
        rows.into_iter().find(|row| row.di_name == claimed.di.0 && row.trouble.label == "waits-for-link")
    })
    .await;
    assert_eq!((waits.word, waits.trouble.attempts), (Word::Claimed, 0), "no attempt is spent");
    assert_explained(&waits.trouble.label);
    let link = world.nodes[0].running.as_ref().unwrap().link();
    let label = eventually("the link knows why it is down", || match &*link.borrow() {
        node::link::LinkState::Down { label, .. } if label != "link-connecting" => Some(label.clone()),
        _ => None,
    })
    .await;
    assert_explained(&label);
    world.center_up().await;
    for unit in [&sealed, &claimed] {
        world.nodes[0].until(unit, Word::Confirmed).await;
    }
    let sent = world.nodes[0].until(&sealed, Word::Confirmed).await;
    assert_eq!(sent.parts[0].manifest, first.parts[0].manifest, "what was sealed is what was sent");
    assert_eq!(sent.parts[0].sealed, first.parts[0].sealed);
    world.stop().await;
}

/// A small file system in memory; gone when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path);
        if command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        assert!(std::env::var_os("CI").is_none(), "a file system cannot be mounted here, and CI is set");
        eprintln!(
            "SKIPPED: a small file system cannot be mounted here (it needs root), so no disk becomes full"
        );
        None
    }

    /// Takes all room but about so many bytes.
    fn fill(&self, but: usize) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut many = 0;
        while let Ok(written) = file.write(&[0; 4_096]) {
            many += written;
        }
        file.set_len(u64::try_from(many.saturating_sub(but)).unwrap()).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_drop_side_says_so_and_takes_the_letter_when_there_is_room() {
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    let Some(small) = Small::mount(world.dir().join("small"), "2m") else { return };
    world.nodes[0].config.folders.drop = small.0.join("drop");
    world.nodes[0].config.folders.work = small.0.join("work");
    for node in &mut world.nodes {
        node.start().await;
    }
    let unit = Unit::letter("滿了", &[to(1)], &[("滿了.bin", &[7; 100_000])], &[]);
    let drop = small.0.join("drop");
    for (name, bytes) in &unit.files {
        std::fs::write(drop.join(name), bytes).unwrap();
    }
    let hidden = drop.join(".letter");
    std::fs::write(&hidden, &unit.di.1).unwrap();
    let filler = small.fill(50_000);
    std::fs::rename(hidden, drop.join(&unit.di.0)).unwrap();
    let alarm = eventually("an alarm about the full disk", || {
        world.nodes[0].store().alarms(10).unwrap().into_iter().find(|a| a.detail.contains("disk-full"))
    })
    .await;
    assert!(alarm.detail.contains("滿了.di"), "{}", alarm.detail);
    assert!(drop.join(&unit.di.0).exists(), "it waits where it was");
    // What comes in is not held up.
    let (code, name) = MEMBERS[1];
    let other = Unit::letter_from(code, name, "來函", &[to(0)], &[], &[]);
    world.nodes[1].put(&other);
    world.nodes[1].until(&other, Word::Confirmed).await;
    std::fs::remove_file(filler).unwrap();
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&got), unit.all());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_state_folder_waits_with_its_label_and_goes_on_by_itself() {
    let mut world = World::registered(2, Transport::Auto, |_, _| {}).await;
    let Some(small) = Small::mount(world.dir().join("small"), "12m") else { return };
    world.nodes[0].config.folders.state = small.0.join("state");
    world.nodes[0].config.api.socket = small.0.join("api.sock");
    for node in &mut world.nodes {
        node.start().await;
        node.ready().await;
    }
    let filler = small.fill(700_000);
    let unit = Unit::letter("滿了", &[to(1)], &[("滿了.bin", &[7; 1_000_000])], &[]);
    world.nodes[0].put(&unit);
    let waits = eventually("it waits for room", || {
        world.nodes[0].outbox().into_iter().find(|row| row.trouble.label == "waits-for-disk")
    })
    .await;
    assert_eq!((waits.word, waits.trouble.attempts), (Word::Claimed, 0), "no attempt is spent");
    assert_explained(&waits.trouble.label);
    std::fs::remove_file(filler).unwrap();
    let sent = world.nodes[0].until(&unit, Word::Confirmed).await;
    let got = world.nodes[1].received(sent.document.id, Inbound::Confirmed).await;
    assert_eq!(world.nodes[1].delivered(&got), unit.all());
    world.stop().await;
}

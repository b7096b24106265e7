//! What survives, what is refused, what is seen when somebody changed the past.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Barrier};

use rusqlite::Connection;
use store::Store;
use store::journal::NewEntry;

use crate::common::*;

fn copy(from: &Path, to: &Path) {
    for name in ["node.db", "node.db-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let (dir, store) = open();
    for n in 1..=20 {
        store.claim(claim(n), 1000).wait().unwrap();
        // the files as a crash would leave them now, without the shared memory
        let crashed = tempfile::tempdir().unwrap();
        copy(dir.path(), crashed.path());
        let after = Store::open(crashed.path(), 0).unwrap();
        assert_eq!(after.find("0000", 100).unwrap().len(), n as usize);
        after.check().unwrap();
    }
}

#[test]
fn a_log_cut_anywhere_behind_an_acknowledged_commit_loses_nothing_of_it() {
    let (dir, store) = open();
    store.claim(claim(1), 1000).wait().unwrap();
    let kept = fs::metadata(dir.path().join("node.db-wal")).unwrap().len();
    store.claim(claim(2), 1000).wait().unwrap();
    let wal = fs::read(dir.path().join("node.db-wal")).unwrap();
    let db = fs::read(dir.path().join("node.db")).unwrap();
    drop(store);
    let end = wal.len() as u64;
    assert!(end > kept);
    for cut in (kept..end).step_by(997).chain([end - 1, end]) {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("node.db"), &db).unwrap();
        fs::write(crashed.path().join("node.db-wal"), &wal[..usize::try_from(cut).unwrap()]).unwrap();
        let after = Store::open(crashed.path(), 0).unwrap();
        assert!(after.document(id(1)).unwrap().is_some(), "cut at {cut}");
        let second = after.document(id(2)).unwrap();
        assert_eq!(second.is_some(), cut == end, "all of a commit or nothing, cut at {cut}");
        after.check().unwrap();
    }
}

#[test]
fn it_is_all_there_when_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    sent(&store, 1, 2);
    let before = store.document(id(1)).unwrap();
    let unawaited = store.claim(claim(2), 5);
    drop(store); // what was asked for is written
    unawaited.wait().unwrap();
    let store = Store::open(dir.path(), 0).unwrap();
    assert_eq!(store.document(id(1)).unwrap(), before);
    assert!(store.document(id(2)).unwrap().is_some());
    store.check().unwrap();
}

#[test]
fn only_one_process_works_in_a_folder() {
    let (dir, store) = open();
    assert_eq!(Store::open(dir.path(), 0).unwrap_err().label(), "already-running");
    // looking is allowed
    store.claim(claim(1), 1).wait().unwrap();
    let looking = Store::open_read_only(dir.path()).unwrap();
    assert!(looking.document(id(1)).unwrap().is_some());
    assert_eq!(looking.claim(claim(2), 1).wait().unwrap_err().label(), "store-closed");
    let another = store.clone();
    drop(store);
    assert_eq!(Store::open(dir.path(), 0).unwrap_err().label(), "already-running", "a clone is left");
    drop(another);
    Store::open(dir.path(), 0).unwrap();
}

#[test]
fn looking_needs_no_running_node_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Store::open_read_only(dir.path()).unwrap_err().label(), "not-found");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let store = Store::open(dir.path(), 0).unwrap();
    store.claim(claim(1), 1).wait().unwrap();
    drop(store);
    assert!(Store::open_read_only(dir.path()).unwrap().document(id(1)).unwrap().is_some());
    Store::open(dir.path(), 0).unwrap();
}

#[test]
fn a_newer_database_is_refused_untouched() {
    let (dir, store) = open();
    drop(store);
    let path = dir.path().join("node.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = fs::read(&path).unwrap();
    let error = Store::open(dir.path(), 0).unwrap_err();
    assert_eq!(error.label(), "database-newer");
    assert!(error.to_string().contains("99"));
    assert_eq!(Store::open_read_only(dir.path()).unwrap_err().label(), "database-newer");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_database_is_refused() {
    let (dir, store) = open();
    for n in 1..=50 {
        store.claim(claim(n), 1).wait().unwrap();
    }
    drop(store);
    let path = dir.path().join("node.db");
    let sound = fs::read(&path).unwrap();
    // no database at all; cut; pages overwritten
    let cut = sound[..sound.len() / 2].to_vec();
    let mut overwritten = sound.clone();
    for byte in &mut overwritten[4096 * 3..4096 * 12] {
        *byte = 0xa5;
    }
    for bytes in
        [b"this is no database, but it is long enough to look at it as one".repeat(99), cut, overwritten]
    {
        fs::write(&path, &bytes).unwrap();
        let error = Store::open(dir.path(), 0).unwrap_err();
        assert_eq!(error.label(), "database-damaged", "{error}");
    }
    fs::write(&path, &sound).unwrap();
    Store::open(dir.path(), 0).unwrap().check().unwrap();
}

#[test]
fn the_journal_can_not_be_changed_and_shows_it_if_it_was() {
    let (dir, store) = open();
    sent(&store, 1, 1);
    let lines = store.verify_chain().unwrap();
    drop(store);
    let path = dir.path().join("node.db");
    let conn = Connection::open(&path).unwrap();
    let change = "UPDATE journal SET actor = 'somebody else' WHERE event = 'sealed'";
    assert!(conn.execute(change, []).is_err(), "a trigger forbids it");
    assert!(conn.execute("DELETE FROM journal WHERE event = 'sealed'", []).is_err());
    drop(conn);
    let sound = fs::read(&path).unwrap();
    let tampers = [
        change,
        "UPDATE journal SET at = at + 1 WHERE event = 'sealed'",
        "UPDATE journal SET detail = detail || ' ' WHERE event = 'claimed'",
        "UPDATE journal SET alarm = 1 WHERE event = 'sealed'",
        "UPDATE journal SET document = zeroblob(16) WHERE event = 'sealed'",
        "DELETE FROM journal WHERE event = 'claimed'",
        "DELETE FROM journal WHERE event = 'claimed'; UPDATE journal SET seq = seq - 1 WHERE seq > 2",
    ];
    for tamper in tampers {
        fs::write(&path, &sound).unwrap();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete;").unwrap();
        conn.execute_batch(tamper).unwrap();
        drop(conn);
        let store = Store::open(dir.path(), 0).unwrap();
        assert_eq!(store.verify_chain().unwrap_err().label(), "database-damaged", "{tamper}");
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(Store::open(dir.path(), 0).unwrap().verify_chain().unwrap(), lines + 1);
}

#[test]
fn sixty_four_threads_each_see_their_own_writes() {
    let (_dir, store) = open();
    let start = Arc::new(Barrier::new(64));
    std::thread::scope(|scope| {
        for thread in 0..64_u32 {
            let (store, start) = (store.clone(), Arc::clone(&start));
            scope.spawn(move || {
                start.wait();
                for n in 0..8 {
                    let n = thread * 8 + n + 1;
                    let part = sent(&store, n, 1);
                    assert_eq!(store.part(part).unwrap().unwrap().document, id(n));
                    store.accepted(part, vec![1], 1, 1).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(store.open_parts(0, 10_000).unwrap().len(), 512);
    store.check().unwrap();
}

#[test]
fn of_many_who_want_the_same_move_one_gets_it() {
    let (_dir, store) = open();
    store.claim(claim(1), 1).wait().unwrap();
    let tickets: Vec<_> = (0..64).map(|_| store.sealed(sealing(1, 1), 2)).collect();
    let won = tickets.into_iter().filter_map(|ticket| ticket.wait().ok()).count();
    assert_eq!(won, 1);
}

#[test]
fn a_ticket_can_be_awaited() {
    let (_dir, store) = open();
    let mut answered = std::pin::pin!(store.journal(NewEntry::default(), 1).into_future());
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let seq = loop {
        match answered.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => break answer.unwrap(),
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(seq, 2);
}

#[test]
fn content_files_are_whole_or_not_there() {
    let (_dir, store) = open();
    let spool = store.spool();
    let mut draft = spool.create("a.p7m").unwrap();
    draft.write_all(b"sealed").unwrap();
    assert_eq!(spool.open("a.p7m").unwrap_err().label(), "spool-missing");
    assert_eq!(draft.keep().unwrap(), 6);
    assert_eq!(fs::read(spool.path("a.p7m").unwrap()).unwrap(), b"sealed");
    drop(spool.create("b").unwrap());
    assert_eq!(spool.orphans(&["a.p7m".into()]).unwrap(), Vec::<String>::new(), "a dropped draft is gone");

    let (mut partial, offset) = spool.resume("c").unwrap();
    assert_eq!(offset, 0);
    partial.write_all(b"half").unwrap();
    drop(partial);
    let (mut partial, offset) = spool.resume("c").unwrap();
    assert_eq!(offset, 4);
    partial.write_all(b"whole").unwrap();
    assert_eq!(spool.sweep(&["a.p7m".into()], &["c".into()]).unwrap(), 0);
    assert_eq!(partial.keep().unwrap(), 9);
    assert_eq!(fs::read(spool.path("c").unwrap()).unwrap(), b"halfwhole");
    drop(spool.resume("d").unwrap());
    assert_eq!(spool.sweep(&["a.p7m".into()], &[]).unwrap(), 2, "the unknown and the half-fetched");
    assert_eq!(spool.orphans(&[]).unwrap(), ["a.p7m"]);
    spool.remove("a.p7m").unwrap();
    spool.remove("a.p7m").unwrap();

    for name in ["", ".x", "a/b", "../x", "a b", "公文", "x.draft", "x.partial", &"x".repeat(121)] {
        assert_eq!(spool.create(name).unwrap_err().label(), "bad-request", "{name:?}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_look_in() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = Store::open(&state, 0).unwrap();
    let mut draft = store.spool().create("x").unwrap();
    draft.write_all(b"x").unwrap();
    draft.keep().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&store.spool().path("x").unwrap()), 0o600);
}

#[test]
fn every_error_has_a_listed_label() {
    let labels: Vec<_> = store::LABELS.iter().map(|(label, _)| *label).collect();
    let (_dir, store) = open();
    let seen = [
        store.refused(id(1), "", "", 0).wait().unwrap_err(),
        store.set_meta("store.epoch", vec![]).wait().unwrap_err(),
        store.spool().open("none").unwrap_err(),
    ];
    for error in seen {
        assert!(labels.contains(&error.label()), "{error}");
    }
}

#[test]
fn several_content_files_become_durable_together_and_one_that_fails_names_none() {
    let (_dir, store) = open();
    let spool = store.spool();
    let draft = |name: &str, bytes: &[u8]| {
        let mut draft = spool.create(name).unwrap();
        draft.write_all(bytes).unwrap();
        draft
    };
    let lengths = spool.keep_all(vec![draft("a.asice", b"whole"), draft("a.p7m", b"sealed")]).unwrap();
    assert_eq!(lengths, [5, 6]);
    assert_eq!(fs::read(spool.path("a.asice").unwrap()).unwrap(), b"whole");
    assert_eq!(fs::read(spool.path("a.p7m").unwrap()).unwrap(), b"sealed");
    // A folder by the second name: it cannot be renamed onto, and the caller is told.
    let taken = spool.path("b.p7m").unwrap();
    fs::create_dir(&taken).unwrap();
    let failed = spool.keep_all(vec![draft("b.asice", b"whole"), draft("b.p7m", b"sealed")]).unwrap_err();
    assert_eq!(failed.label(), "disk-failed");
    assert!(taken.is_dir());
}

//! Units that are sealed before they are recorded.

use super::*;
use crate::act::memory::{Memory, Room};
use std::sync::Mutex;
use store::outbound::{Claim, Container, NewLine, NewPart, Sealing};
use store::state::Document;

/// Seals what it is allowed to, without a key: the content is the unit's own bytes.
struct Sealer {
    store: Store,
    memory: Memory,
    seals: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl AtOnce for Sealer {
    fn may(&self, bytes: u64) -> Option<Room> {
        self.memory.room(bytes)
    }

    fn seal(&self, claim: &Claim, files: Vec<Vec<u8>>) -> Option<Sealing> {
        self.asked.lock().unwrap().push(claim.drop_name.clone());
        for (row, bytes) in claim.files.iter().zip(&files) {
            assert_eq!(envelope::sha256(bytes), row.sha256, "{}", row.name);
        }
        let small = |name: &str| store::content::Small { name: name.into(), bytes: files.concat() };
        self.seals.then(|| Sealing {
            document: claim.id,
            containers: vec![Container {
                variant: 0,
                manifest: [1; 32],
                signature: [2; 32],
                file: "c".into(),
                size: claim.size,
            }],
            parts: vec![NewPart {
                variant: 0,
                group: 0,
                sealed: [3; 32],
                length: claim.size,
                file: "p".into(),
            }],
            lines: vec![NewLine { recipient: "XC00000001".into(), ..NewLine::default() }],
            contents: vec![small("c"), small("p")],
            ..Sealing::default()
        })
    }

    fn record(&self, claim: Claim, sealing: Sealing) -> Result<bool, store::Error> {
        Ok(self.store.claim_sealed(claim, sealing, None, now()).wait()?.is_some())
    }
}

/// Starts the intake with a sealer; gives what it is asked.
fn start(desk: &mut Desk, seals: bool, cut_off: CutOff) -> Arc<Mutex<Vec<String>>> {
    let asked = Arc::default();
    let sealer =
        Sealer { store: desk.store.clone(), memory: Memory::default(), seals, asked: Arc::clone(&asked) };
    let (config, wake) = (&desk.config, Arc::clone(&desk.wake));
    let intake =
        Intake::start(config, desk.store.clone(), wake, Troubles::default(), Some(Box::new(sealer)), cut_off);
    desk.intake = Some(intake.unwrap());
    asked
}

fn left(desk: &Desk) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    [names(&desk.config.folders.drop), names(&desk.config.folders.work)].concat()
}

#[test]
fn a_small_unit_is_sealed_before_it_is_recorded_and_leaves_nothing_behind() {
    let mut desk = Desk::idle(100);
    start(&mut desk, true, CutOff::default());
    desk.watching();
    desk.put("總務處/100%.pdf", "pdf");
    desk.put("總務處/100%.di", di(&["100%.pdf"]));
    let one = desk.wait(1).remove(0);
    assert_eq!((one.document.state, one.document.drop_name.as_str()), (Document::Sealed, "總務處/100%.di"));
    let mut kept = Vec::new();
    let mut content = desk.store.content(&one.containers[0].file).unwrap();
    std::io::Read::read_to_end(&mut content, &mut kept).unwrap();
    assert_eq!(kept, [di(&["100%.pdf"]).as_bytes(), b"pdf"].concat());
    eventually("the originals go", || left(&desk).is_empty().then_some(()));
    assert!(std::fs::read_dir(desk.store.spool().folder()).unwrap().next().is_none(), "nothing was a file");
}

#[test]
fn what_is_not_sealed_at_once_is_claimed_and_what_was_sent_before_is_held() {
    let mut desk = Desk::idle(100);
    let asked = start(&mut desk, false, CutOff::default());
    desk.watching();
    desk.put("a.pdf", "pdf");
    desk.put("a.di", di(&["a.pdf"]));
    let (names, bytes) = desk.only();
    assert_eq!(
        (names.len(), bytes[1].as_slice()),
        (2, b"pdf".as_slice()),
        "claimed, with its files in work/"
    );
    assert_eq!(*asked.lock().unwrap(), ["a.di"], "asked once");
    desk.stop();
    // the same again: a duplicate, though it could be sealed
    start(&mut desk, true, CutOff::default());
    desk.watching();
    desk.put("b/a.pdf", "pdf");
    desk.put("b/a.di", di(&["a.pdf"]));
    let again = desk.wait(2).into_iter().find(|one| one.document.drop_name == "b/a.di").unwrap();
    assert!(again.document.trouble.held && again.document.duplicate_of.is_some());
    assert_eq!(again.document.state, Document::Claimed);
}

#[test]
fn one_during_which_the_process_ended_is_put_back_and_claimed_before_it_is_looked_into() {
    let mut desk = Desk::idle(100);
    std::fs::create_dir_all(&desk.config.folders.work).unwrap();
    let name = "00112233445566778899aabbccddeeff~a%2Fx.di";
    std::fs::write(desk.config.folders.work.join(name), di(&[])).unwrap();
    let cut_off = recover(&desk.config, &desk.store, 0).unwrap();
    assert!(desk.drop("a/x.di").exists());
    let asked = start(&mut desk, true, cut_off);
    assert_eq!(desk.wait(1)[0].document.state, Document::Claimed);
    // another by another name is not suspected
    desk.put("y.di", di(&[]) + "\n");
    desk.wait(2);
    assert_eq!(*asked.lock().unwrap(), ["y.di"]);
}

#[test]
fn after_a_crash_behind_the_row_what_still_is_what_it_says_goes_and_nothing_else() {
    let mut desk = Desk::idle(60_000);
    start(&mut desk, true, CutOff::default());
    desk.watching();
    for name in ["a.pdf", "b.pdf"] {
        desk.put(name, name);
    }
    desk.put("a.di", di(&["a.pdf", "b.pdf"]));
    desk.wait(1);
    desk.stop();
    assert_eq!(left(&desk).len(), 3, "{:?}", left(&desk));
    desk.put("b.pdf", "another by that name");
    recover(&desk.config, &desk.store, 0).unwrap();
    desk.config.intake.settle = config::value::Period::millis(100);
    start(&mut desk, true, CutOff::default());
    eventually("gone", || (left(&desk) == ["b.pdf"]).then_some(()));
    assert_eq!(desk.claimed().len(), 1);
}

//! What must hold when all is over, whatever happened on the way: every document archived exactly once with identical
//! bytes, every state final and the same on both sides, every journal whole, nothing left in a spool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config::value::Period;
use store::boxes::Filter;
use store::state::{Inbound, Line, Word};

use crate::world::{Unit, World, eventually, to};

/// What was dropped, so that nothing that comes can hide what does not.
#[derive(Debug, Default)]
pub struct Sent {
    letters: Vec<Letter>,
}

#[derive(Debug)]
struct Letter {
    from: usize,
    recipients: Vec<usize>,
    unit: Unit,
}

impl Sent {
    /// Drops a letter at member `from` for these members. `name` is the DI's, without its ending, and is used once.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn drop(&mut self, world: &World, from: usize, recipients: &[usize], name: &str, attachment: &[u8]) {
        let node = world.nodes.get(from).expect("a member");
        let to: Vec<_> = recipients.iter().map(|member| to(*member)).collect();
        let file = format!("{name}.bin");
        let unit = Unit::letter_from(&node.code, &node.name, name, &to, &[(&file, attachment)], &[]);
        node.put(&unit);
        self.letters.push(Letter { from, recipients: recipients.to_vec(), unit });
    }

    /// How many letters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Waits until every letter from `first` on is 使用者確認 at its sender.
    ///
    /// # Panics
    /// If one is not within `deadline`, with where it stands.
    pub async fn confirmed(&self, world: &World, first: usize, deadline: Duration) {
        let began = Instant::now();
        let until = began + deadline;
        for letter in self.letters.get(first..).unwrap_or_default() {
            let sender = world.nodes.get(letter.from).expect("a member");
            loop {
                let row = sender.outbox().into_iter().find(|row| row.di_name == letter.unit.di.0);
                if row.as_ref().is_some_and(|row| row.word == Word::Confirmed) {
                    break;
                }
                let link = sender.running.as_ref().map(|running| running.link().borrow().clone());
                assert!(
                    Instant::now() < until,
                    "not within {deadline:?}: {} is confirmed; {row:?}, {link:?}",
                    letter.unit.di.0
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Waits until every letter is confirmed, then checks everything. All nodes run, and are restarted for it.
    ///
    /// # Panics
    /// At the first thing that does not hold.
    pub async fn settled(&self, world: &mut World, deadline: Duration) {
        self.confirmed(world, 0, deadline).await;
        // How many received documents each member must have.
        let mut due: BTreeMap<usize, usize> = BTreeMap::new();
        for letter in &self.letters {
            self.arrived(world, letter, &mut due).await;
        }
        for (member, node) in world.nodes.iter().enumerate() {
            let due = due.get(&member).copied().unwrap_or_default();
            let sent = self.letters.iter().filter(|letter| letter.from == member).count();
            assert_eq!(node.inbox().len(), due, "{} has received each once", node.code);
            assert_eq!(node.outbox().len(), sent, "{} has sent each once", node.code);
            assert_eq!(files(&node.config.folders.inbox, "di"), due, "{} was given each once", node.code);
            assert_eq!(
                files(&node.config.folders.archive, "asice"),
                due,
                "{} has archived each once",
                node.code
            );
            eventually("nothing is left to be done", || {
                let store = node.store();
                let over = store.next_due().expect("store").is_none()
                    && store.to_answer(1).expect("store").is_empty()
                    && store.to_report(1).expect("store").is_empty()
                    && store.to_deliver(1).expect("store").is_empty();
                over.then_some(())
            })
            .await;
            let held = Filter { held: Some(true), ..Filter::default() };
            assert!(node.store().outbox(&held).expect("store").is_empty(), "nothing is held");
            node.store().verify_chain().expect("the journal is whole");
        }
        for node in &mut world.nodes {
            // What is done need not be kept any longer; then nothing at all may be there.
            node.config.limits.keep_sealed = Period::millis(0);
            node.stop().await;
            node.start().await;
            let spool = node.store().spool().folder().to_owned();
            eventually("the spool is empty", || (names(&spool).is_empty()).then_some(())).await;
        }
    }

    async fn arrived(&self, world: &World, letter: &Letter, due: &mut BTreeMap<usize, usize>) {
        let sender = world.nodes.get(letter.from).expect("a member");
        let rows = sender.outbox();
        let mut of_it = rows.iter().filter(|row| row.di_name == letter.unit.di.0);
        let row = of_it.next().expect("it is there");
        assert!(of_it.next().is_none(), "{} was claimed once", letter.unit.di.0);
        let lines = sender.store().lines(row.id).expect("store");
        assert_eq!(lines.len(), letter.recipients.len());
        assert!(lines.iter().all(|line| line.state == Line::Confirmed), "{lines:?}");
        for member in &letter.recipients {
            *due.entry(*member).or_default() += 1;
            let node = world.nodes.get(*member).expect("a member");
            let got: Vec<_> = node.inbox().into_iter().filter(|got| got.offer.document == row.id).collect();
            let [got] = got.as_slice() else { panic!("{} times at {}", got.len(), node.code) };
            assert!(got.state == Inbound::Archived || got.state == Inbound::Confirmed, "{}", got.state);
            // The center had the confirmation before the sender; that the receiver knows so comes by itself.
            node.received(row.id, Inbound::Confirmed).await;
            assert!(node.delivered(got) == letter.unit.all(), "every byte of {}", letter.unit.di.0);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Files with that ending anywhere below, in hidden folders too: what is there is still on its way.
fn files(folder: &Path, ending: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let of = |path: PathBuf| {
        if path.is_dir() {
            return files(&path, ending);
        }
        usize::from(path.extension().is_some_and(|found| found == ending))
    };
    entries.map(of).sum()
}

//! What a person does meanwhile: looks after the card, has a letter that was set apart tried again; and waiting until
//! everything is settled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::house::{House, Who};
use super::letters::{Letter, hex};
use store::journal::About;

/// So long without any progress, and what is left is stuck.
const PATIENCE: Duration = Duration::from_secs(180);

/// Somebody at the console, and what they had to do.
#[derive(Debug, Default)]
pub struct Person {
    /// How often the card was allowed another try after a kill inside a login.
    pub card_retries: u64,
    /// How many letters were set apart because the process died in the same step three times, and tried again.
    pub set_apart: u64,
    /// How often somebody ended without being killed.
    pub fell: u64,
    /// The last alarm seen of each node.
    seen: BTreeMap<usize, u64>,
    last_look: Option<Instant>,
}

impl Person {
    /// Looks around, at most a few times a second.
    ///
    /// # Panics
    /// If a card has been used up.
    pub fn look(&mut self, house: &House) {
        if self.last_look.is_some_and(|last| last.elapsed() < Duration::from_millis(250)) {
            return;
        }
        self.last_look = Some(Instant::now());
        if house.has_card() {
            self.card(house);
        }
        for node in 0..house.site.codes.len() {
            self.alarms(house, node);
        }
    }

    /// A kill inside a login counts as a failed try, and only a person may allow the next one.
    fn card(&mut self, house: &House) {
        let code = house.site.codes.first().expect("a member");
        let Ok(card) = house.site.get(&house.site.socket(code), "/v1/card") else { return };
        let how = match card.get("state").and_then(|state| state.as_str()).unwrap_or_default() {
            "pin-stopped" | "pin-unclear" => vec!["card", "retry"],
            "pin-tries-spent" => vec!["card", "retry", "--force"],
            used @ ("pin-last-try" | "pin-locked") => panic!("a kill has used up the card: {used}"),
            _ => return,
        };
        if house.site.di_node(code, &how).status.success() {
            self.card_retries += 1;
        }
    }

    /// `di-node retry` for what was set apart.
    fn alarms(&mut self, house: &House, node: usize) {
        let Ok(store) = house.store(node) else { return };
        let last = self.seen.get(&node).copied().unwrap_or_default();
        let Ok(mut alarms) = store.alarms(100) else { return };
        alarms.retain(|line| line.seq > last);
        for line in alarms.iter().rev() {
            if line.detail.starts_with(node::flow::DIED) {
                let id = match line.about {
                    About::Document(id) => Some(id),
                    About::Inbound(row) => {
                        store.inbound(row).ok().flatten().map(|found| found.inbound.offer.document)
                    }
                    About::Node => None,
                };
                let Some(id) = id else { continue };
                let code = house.site.codes.get(node).expect("a member");
                let tried = house.site.di_node(code, &["retry", &hex(&id), "--reason", "程式已重新啟動"]);
                if !tried.status.success() {
                    // The node is away; the next look does it.
                    return;
                }
                self.set_apart += 1;
            }
            self.seen.insert(node, line.seq);
        }
    }
}

/// What is not settled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// Letters that their sender has not seen confirmed by all recipients.
    pub unconfirmed: u64,
    /// Copies that their recipient has not received and confirmed.
    pub unreceived: u64,
    /// Things in drop and work folders, staged deliveries, unfinished uploads, notes to be written.
    pub things: u64,
}

impl Open {
    /// Nothing at all.
    #[must_use]
    pub fn is_settled(self) -> bool {
        self == Self::default()
    }
}

/// Whether a letter of these is still on its way, by what the senders know. What cannot be asked counts as settled.
#[must_use]
pub fn unsettled(house: &House, dropped: &[Letter]) -> bool {
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    for letter in dropped {
        *sent.entry(&letter.from).or_default() += 1;
    }
    let open = |(node, code): (usize, &String)| {
        let sent = sent.get(code.as_str()).copied().unwrap_or_default();
        house.confirmed(node).is_some_and(|confirmed| confirmed < sent)
    };
    house.site.codes.iter().enumerate().any(open)
}

/// What is open of these letters.
#[must_use]
pub fn open(house: &House, dropped: &[Letter]) -> Open {
    let mut open = Open::default();
    for (node, code) in house.site.codes.iter().enumerate() {
        let sent = dropped.iter().filter(|letter| letter.from == *code).count() as u64;
        let due = dropped.iter().flat_map(|letter| &letter.to).filter(|to| to.code == *code).count() as u64;
        open.unconfirmed += sent.abs_diff(house.confirmed(node).unwrap_or_default());
        open.unreceived += due.abs_diff(house.received(node).unwrap_or_default());
        open.things += ["drop", "work"].iter().map(|name| many(&house.folder(node, name))).sum::<u64>();
        let waiting = house.store(node).and_then(|store| {
            Ok(store.to_deliver(1_000)?.len() + store.to_note(1_000)?.len() + store.to_report(1_000)?.len())
        });
        open.things += waiting.map_or(1, |many| many as u64);
    }
    open.things += many(&house.site.dir.join("center/uploads"));
    open
}

fn many(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// Waits until nothing is open, everybody running; what is open when there was no progress for minutes.
pub fn settle(house: &mut House, person: &mut Person, dropped: &[Letter]) -> Open {
    let (mut last, mut since, mut told) = (Open::default(), Instant::now(), Instant::now());
    loop {
        for who in house.fallen() {
            println!("{} ended by itself and is started again", house.name(who));
            person.fell += 1;
        }
        house.start_all();
        person.look(house);
        let now = open(house, dropped);
        if now.is_settled() {
            return now;
        }
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return now;
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            println!(
                "waiting: {} letters to be confirmed, {} copies to arrive, {} things about",
                now.unconfirmed, now.unreceived, now.things
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a target has done work since its last start; false after some seconds without.
pub fn until_worked(house: &mut House, person: &mut Person, who: Who, dropped: &[Letter]) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if house.worked(who) {
            return true;
        }
        if !unsettled(house, dropped) {
            return false;
        }
        person.look(house);
        std::thread::sleep(Duration::from_millis(15));
    }
    false
}

//! A failing history as a line of text, and back: `DI_MODEL_LOG='seal:not submit:0:after:. …' cargo test -p node flow::model::replay`.

use super::{Die, Event, Found, Side, World};

pub(super) fn write(events: &[Event]) -> String {
    events.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// `None` if a word is none of ours.
pub(super) fn read(log: &str) -> Option<Vec<Event>> {
    log.split_whitespace().map(event).collect()
}

fn word(event: &Event) -> String {
    let lost = |yes: &bool| if *yes { "lost" } else { "." };
    match event {
        Event::Tick(ms) => format!("tick:{ms}"),
        Event::Jump(s, ms) => format!("jump:{}:{ms}", name(&SIDES, *s)),
        Event::Flip(s, what) => format!("flip:{}:{}", name(&SIDES, *s), name(&WORLDS, *what)),
        Event::Seal(die) => format!("seal:{}", name(&DEATHS, *die)),
        Event::Submit(part, die, yes) => format!("submit:{part}:{}:{}", name(&DEATHS, *die), lost(yes)),
        Event::Pull => "pull".into(),
        Event::Offer(to) => format!("offer:{to}"),
        Event::Fetch(to, die, yes) => format!("fetch:{to}:{}:{}", name(&DEATHS, *die), lost(yes)),
        Event::Open(to, die, found) => {
            format!("open:{to}:{}:{}", name(&DEATHS, *die), name(&FINDINGS, *found))
        }
        Event::Answer => "answer".into(),
        Event::Report(to, die) => format!("report:{to}:{}", name(&DEATHS, *die)),
        Event::Backup => "backup".into(),
        Event::Restore => "restore".into(),
        Event::OpenList => "open-list".into(),
        Event::Forge(to) => format!("forge:{to}"),
        Event::Resend(to) => format!("resend:{to}"),
    }
}

fn event(word: &str) -> Option<Event> {
    let parts: Vec<&str> = word.split(':').collect();
    Some(match *parts.as_slice() {
        ["tick", ms] => Event::Tick(ms.parse().ok()?),
        ["jump", s, ms] => Event::Jump(value(&SIDES, s)?, ms.parse().ok()?),
        ["flip", s, what] => Event::Flip(value(&SIDES, s)?, value(&WORLDS, what)?),
        ["seal", die] => Event::Seal(value(&DEATHS, die)?),
        ["submit", part, die, lost] => {
            Event::Submit(part.parse().ok()?, value(&DEATHS, die)?, lost == "lost")
        }
        ["pull"] => Event::Pull,
        ["offer", to] => Event::Offer(to.parse().ok()?),
        ["fetch", to, die, lost] => Event::Fetch(to.parse().ok()?, value(&DEATHS, die)?, lost == "lost"),
        ["open", to, die, found] => {
            Event::Open(to.parse().ok()?, value(&DEATHS, die)?, value(&FINDINGS, found)?)
        }
        ["answer"] => Event::Answer,
        ["report", to, die] => Event::Report(to.parse().ok()?, value(&DEATHS, die)?),
        ["backup"] => Event::Backup,
        ["restore"] => Event::Restore,
        ["open-list"] => Event::OpenList,
        ["forge", to] => Event::Forge(to.parse().ok()?),
        ["resend", to] => Event::Resend(to.parse().ok()?),
        _ => return None,
    })
}

fn name<T: Copy + PartialEq>(table: &[(&'static str, T)], wanted: T) -> &'static str {
    table.iter().find(|(_, value)| *value == wanted).map_or("?", |(name, _)| name)
}

fn value<T: Copy>(table: &[(&str, T)], wanted: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

const SIDES: [(&str, Side); 2] = [("sender", Side::Sender), ("receiver", Side::Receiver)];
const WORLDS: [(&str, World); 4] =
    [("key", World::Key), ("link", World::Link), ("disk", World::Disk), ("scanner", World::Scanner)];
const DEATHS: [(&str, Die); 3] = [("not", Die::Not), ("before", Die::Before), ("after", Die::After)];
const FINDINGS: [(&str, Found); 4] =
    [("good", Found::Good), ("bad", Found::Bad), ("missing", Found::Missing), ("trouble", Found::Trouble)];

//! What is asked of the center regularly: offers, outcomes, announcements, the open list, and the sweep of old files.

use crate::link::News;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Offers,
    Outcomes,
    Announcements,
    OpenList,
    Sweep,
    /// Our own directory entry.
    Own,
    /// What a restored node has forgotten: once, before everything else, and not among [`Self::ALL`].
    CatchUp,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Offers, Self::Outcomes, Self::Announcements, Self::OpenList, Self::Sweep, Self::Own];

    const fn index(self) -> usize {
        match self {
            Self::Offers => 0,
            Self::Outcomes => 1,
            Self::Announcements => 2,
            Self::OpenList => 3,
            Self::Sweep => 4,
            Self::Own => 5,
            Self::CatchUp => 6,
        }
    }

    /// Whether it judges by time.
    const fn judges(self) -> bool {
        matches!(self, Self::Outcomes | Self::Own | Self::Sweep)
    }

    /// Done again after so long without news, milliseconds.
    const fn every(self) -> i64 {
        match self {
            Self::Offers | Self::Outcomes => 60_000,
            Self::Announcements => 600_000,
            Self::OpenList | Self::Sweep | Self::Own | Self::CatchUp => 86_400_000,
        }
    }
}

/// After a failure.
pub(crate) const AGAIN: i64 = 2_000;

#[derive(Debug, Default)]
struct Pump {
    running: bool,
    /// News came; also while it runs.
    wanted: bool,
    at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Pumps([Pump; 6]);

impl Pumps {
    fn want(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            if let Some(pump) = self.0.get_mut(kind.index()) {
                pump.wanted = true;
            }
        }
    }

    /// The center has something new of the kinds whose counters have turned since `before`.
    pub(crate) fn want_news(&mut self, before: News, now: News) {
        let turned = [
            (now.offers != before.offers, Kind::Offers),
            (now.outcomes != before.outcomes, Kind::Outcomes),
            (now.announcements != before.announcements, Kind::Announcements),
        ];
        for (_, kind) in turned.into_iter().filter(|(turned, _)| *turned) {
            self.want(&[kind]);
        }
    }

    /// Connected (again): what came meanwhile, and whether the directory still says of us what is true.
    pub(crate) fn want_connected(&mut self) {
        self.want(&[Kind::Offers, Kind::Outcomes, Kind::Announcements, Kind::Own]);
    }

    /// The clock jumped: nothing is waited for by the old time.
    pub(crate) fn at_once(&mut self) {
        self.0.iter_mut().for_each(|pump| pump.at = 0);
    }

    /// What the directory says of us.
    pub(crate) fn want_own(&mut self) {
        self.want(&[Kind::Own]);
    }

    /// A new epoch: everything is compared.
    pub(crate) fn want_all(&mut self) {
        self.want(&Kind::ALL);
    }

    /// What to begin now; counted as running from here on. Nothing that judges by time while the clocks differ.
    pub(crate) fn due(&mut self, now: i64, clock: bool) -> Vec<Kind> {
        let mut out = Vec::new();
        for kind in Kind::ALL {
            let Some(pump) = self.0.get_mut(kind.index()) else { continue };
            if !pump.running && (clock || !kind.judges()) && (pump.wanted || pump.at <= now) {
                (pump.running, pump.wanted) = (true, false);
                out.push(kind);
            }
        }
        out
    }

    pub(crate) fn ended(&mut self, kind: Kind, failed: bool, now: i64) {
        if let Some(pump) = self.0.get_mut(kind.index()) {
            pump.running = false;
            pump.at = now + if failed { AGAIN } else { kind.every() };
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self, now: i64, clock: bool) -> Option<i64> {
        let may = |(kind, pump): &(Kind, &Pump)| !pump.running && (clock || !kind.judges());
        let due = Kind::ALL.into_iter().zip(&self.0).filter(may);
        due.map(|(_, pump)| if pump.wanted { now } else { pump.at }).min()
    }
}

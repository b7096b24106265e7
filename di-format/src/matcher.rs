//! One engine for all content models: positions of the model, and which may follow which.
//!
//! The construction is Glushkov's; a state is a set of positions in one word, so matching a list of children is linear
//! in its length whatever the model, and the positions that may follow say what was expected.

use std::collections::VecDeque;

use crate::model::Cm;

/// A set of positions; no model has more than 64.
type Set = u64;

/// A content model made ready for matching.
#[derive(Debug, Clone)]
pub(crate) struct Automaton {
    names: Vec<&'static str>,
    follow: Vec<Set>,
    first: Set,
    last: Set,
    nullable: bool,
    /// Where the entries of repeated groups begin.
    starts: Set,
}

/// Where a list of children leaves its model; `C` is what stands for a child, such as its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breach<C> {
    /// Elements are missing before this child, or at the end (`None`); `after` is the last child that fitted.
    Missing { before: Option<C>, names: Vec<&'static str>, after: Option<C> },
    /// The child is part of the model but stands at the wrong place; within an entry of a repeated group, after `late`,
    /// which it should precede.
    Order { child: C, expected: Vec<&'static str>, late: Option<&'static str> },
    /// The child was there already and may not be repeated.
    Repeated { child: C, expected: Vec<&'static str> },
    /// The model has no such child at all.
    Foreign { child: C, expected: Vec<&'static str> },
}

/// The entry of a repeated group that is being read.
#[derive(Default)]
struct Entry {
    /// The positions met so far, the one that begins it first.
    met: Vec<Set>,
    /// How many breaches were found before it.
    breaches: usize,
}

struct Part {
    nullable: bool,
    first: Set,
    last: Set,
}

impl Automaton {
    pub(crate) fn new(model: &Cm) -> Self {
        let mut automaton =
            Self { names: Vec::new(), follow: Vec::new(), first: 0, last: 0, nullable: true, starts: 0 };
        let part = automaton.add(model);
        (automaton.first, automaton.last, automaton.nullable) = (part.first, part.last, part.nullable);
        automaton
    }

    fn add(&mut self, model: &Cm) -> Part {
        match model {
            Cm::Empty | Cm::Any | Cm::Text => Part { nullable: true, first: 0, last: 0 },
            Cm::El(name) => {
                let bit = 1_u64.checked_shl(u32::try_from(self.names.len()).unwrap_or(u32::MAX)).unwrap_or(0);
                self.names.push(name);
                self.follow.push(0);
                Part { nullable: false, first: bit, last: bit }
            }
            Cm::Seq(parts) => {
                let mut whole = Part { nullable: true, first: 0, last: 0 };
                for model in *parts {
                    let part = self.add(model);
                    self.link(whole.last, part.first);
                    if whole.nullable {
                        whole.first |= part.first;
                    }
                    whole.last = if part.nullable { whole.last | part.last } else { part.last };
                    whole.nullable &= part.nullable;
                }
                whole
            }
            Cm::Alt(parts) => {
                let mut whole = Part { nullable: false, first: 0, last: 0 };
                for model in *parts {
                    let part = self.add(model);
                    whole.first |= part.first;
                    whole.last |= part.last;
                    whole.nullable |= part.nullable;
                }
                whole
            }
            Cm::Opt(inner) => Part { nullable: true, ..self.add(inner) },
            Cm::Star(inner) | Cm::Plus(inner) => {
                let part = self.add(inner);
                self.link(part.last, part.first);
                if part.first != part.last {
                    self.starts |= part.first; // more than one element long
                }
                Part { nullable: part.nullable || matches!(model, Cm::Star(_)), ..part }
            }
        }
    }

    fn link(&mut self, from: Set, to: Set) {
        for (position, follow) in self.follow.iter_mut().enumerate() {
            if from & bit(position) != 0 {
                *follow |= to;
            }
        }
    }

    /// Positions that may follow a state; the start state is `None`.
    fn next(&self, state: Option<Set>) -> Set {
        let Some(state) = state else { return self.first };
        positions(state).filter_map(|position| self.follow.get(position)).fold(0, |all, follow| all | follow)
    }

    /// Those of some positions that have a name.
    fn with_name(&self, set: Set, name: &str) -> Set {
        let same = |position: &usize| self.names.get(*position).is_some_and(|known| *known == name);
        positions(set).filter(same).fold(0, |all, position| all | bit(position))
    }

    fn accepts(&self, state: Option<Set>) -> bool {
        state.map_or(self.nullable, |state| state & self.last != 0)
    }

    /// All positions with a name.
    fn named(&self, name: &str) -> Set {
        self.with_name(Set::MAX, name)
    }

    fn names_of(&self, set: Set) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for (position, name) in self.names.iter().enumerate() {
            if set & bit(position) != 0 && !names.contains(name) {
                names.push(name);
            }
        }
        names
    }

    /// True if the model has this name anywhere.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// What may stand first.
    pub(crate) fn first_names(&self) -> Vec<&'static str> {
        self.names_of(self.first)
    }

    /// True if the children are exactly what the model says.
    pub(crate) fn matches<'n>(&self, children: impl Iterator<Item = &'n str>) -> bool {
        let mut state = None;
        for name in children {
            let next = self.with_name(self.next(state), name);
            if next == 0 {
                return false;
            }
            state = Some(next);
        }
        self.accepts(state)
    }

    /// Every place where the children leave the model, and true, or about `limit` of them and false.
    ///
    /// Wrong children are passed over, missing ones supposed to be there.
    pub(crate) fn breaches<'n, C: Copy>(
        &self,
        children: impl Iterator<Item = (C, &'n str)>,
        limit: usize,
    ) -> (Vec<Breach<C>>, bool) {
        let mut breaches = Vec::new();
        let mut moved = Vec::new();
        let mut state = None;
        let mut after = None;
        let mut seen: Set = 0;
        let mut entry = Entry::default();
        for (child, name) in children {
            if breaches.len() >= limit {
                return (breaches, false);
            }
            let may = self.next(state);
            let named = self.named(name);
            if may & named != 0 {
                state = Some(may & named);
            } else if named == 0 {
                breaches.push(Breach::Foreign { child, expected: self.names_of(may) });
                continue;
            } else if seen & named != 0 && !self.may_come_again(named) {
                breaches.push(Breach::Repeated { child, expected: self.names_of(may) });
                continue;
            } else if let Some((position, late)) = self.late(&entry, state, named) {
                // the reader, too, counts it to the entry, so it is not missing there
                let own = breaches.get_mut(entry.breaches..).unwrap_or_default();
                if let Some(names) = own.iter_mut().find_map(|breach| match breach {
                    Breach::Missing { names, .. } if names.contains(&name) => Some(names),
                    _ => None,
                }) {
                    names.retain(|missing| *missing != name);
                }
                breaches.push(Breach::Order { child, expected: self.names_of(may), late });
                entry.met.push(position);
                continue;
            } else if let Some((names, reached)) =
                self.shortest(state, |at| Some(self.next(at) & named).filter(|set| *set != 0))
            {
                breaches.push(Breach::Missing { before: Some(child), names, after });
                state = Some(reached);
            } else {
                let expected = self.names_of(may);
                breaches.push(if seen & named != 0 {
                    Breach::Repeated { child, expected }
                } else {
                    seen |= named;
                    moved.push(name);
                    Breach::Order { child, expected, late: None }
                });
                continue;
            }
            seen |= named;
            after = Some(child);
            let reached = state.unwrap_or_default();
            if reached & self.starts != 0 {
                entry = Entry { met: vec![reached], breaches: breaches.len() };
            } else if !entry.met.is_empty() && !entry.met.contains(&reached) {
                entry.met.push(reached);
            }
        }
        if !self.accepts(state)
            && let Some((names, _)) = self.shortest(state, |at| self.accepts(at).then(|| at.unwrap_or(0)))
        {
            breaches.push(Breach::Missing { before: None, names, after });
        }
        // what is only at the wrong place is not missing
        breaches.retain_mut(|breach| match breach {
            Breach::Missing { names, .. } => {
                names.retain(|name| !moved.contains(name));
                !names.is_empty()
            }
            _ => true,
        });
        (breaches, true)
    }

    /// Whether a child that cannot stand here belongs further up in its own entry, where it was not met: its position,
    /// and the first element met that it should precede.
    fn late(&self, entry: &Entry, state: Option<Set>, named: Set) -> Option<(Set, Option<&'static str>)> {
        let start = *entry.met.first()?;
        let position = self.within(start) & named & !self.within(state?);
        if position == 0 || entry.met.contains(&position) {
            return None;
        }
        let follow = self.within(position);
        let first = entry.met.iter().find(|met| **met & follow != 0).map(|met| self.names_of(*met));
        Some((position, first.and_then(|names| names.first().copied())))
    }

    /// What may come after a position within the same entry.
    fn within(&self, from: Set) -> Set {
        let mut reached = self.next(Some(from)) & !self.starts;
        loop {
            let more = reached | (self.next(Some(reached)) & !self.starts);
            if more == reached {
                return reached;
            }
            reached = more;
        }
    }

    /// True if one of the positions lies on a loop, so that it may legally be met a second time.
    fn may_come_again(&self, named: Set) -> bool {
        let mut reached = self.next(Some(named));
        loop {
            let more = reached | self.next(Some(reached));
            if more == reached {
                return reached & named != 0;
            }
            reached = more;
        }
    }

    /// The shortest list of elements to suppose until `done` gives a state, and that state.
    fn shortest(
        &self,
        state: Option<Set>,
        done: impl Fn(Option<Set>) -> Option<Set>,
    ) -> Option<(Vec<&'static str>, Set)> {
        let mut queue: VecDeque<(Option<Set>, Vec<usize>)> = [(state, Vec::new())].into();
        let mut visited: Set = 0;
        while let Some((at, path)) = queue.pop_front() {
            if let Some(reached) = done(at) {
                let names = path.iter().filter_map(|position| self.names.get(*position).copied());
                return Some((names.collect(), reached));
            }
            let fresh = self.next(at) & !visited;
            visited |= fresh;
            for position in (0..self.names.len()).filter(|position| fresh & bit(*position) != 0) {
                let mut longer = path.clone();
                longer.push(position);
                queue.push_back((Some(bit(position)), longer));
            }
        }
        None
    }
}

/// The positions in a set, ascending.
fn positions(mut set: Set) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = usize::try_from(set.trailing_zeros()).ok()?;
        if set == 0 {
            return None;
        }
        set &= set - 1;
        Some(position)
    })
}

fn bit(position: usize) -> Set {
    u32::try_from(position).ok().and_then(|position| 1_u64.checked_shl(position)).unwrap_or(0)
}

#[cfg(test)]
mod tests;

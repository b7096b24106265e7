//! Whose answer is missed: told in the journal once on each working day, so that nobody has to remember to look.

use store::journal::{About, NewEntry};

use super::{Step, Tools, store_trouble};
use crate::api::{calendar, outcome};
use crate::cli::civil::Civil;

/// Event: recipients that have not confirmed by the working day on which they should have.
pub const UNANSWERED: &str = "unanswered";

/// The day on which it was told last.
const TOLD: &str = "unanswered.told";
/// More are not counted.
const MOST: u32 = 10_000;
/// When offices begin, milliseconds after midnight.
const OPENING: i64 = 8 * 3_600_000;
const DAY: i64 = 86_400_000;

/// Looks who is missed by today, and tells it with an alarm, once a working day.
///
/// # Errors
/// Those of the store.
pub async fn look(tools: &Tools) -> Step<()> {
    let told = tools.blocking(missed).await?;
    let Some((day, entry)) = told else { return Ok(()) };
    let now = tools.now();
    tools.store.journal(entry, now).await.map_err(|e| store_trouble(&e))?;
    tools.store.set_meta(TOLD, day.into_bytes()).await.map_err(|e| store_trouble(&e))
}

fn missed(tools: &Tools) -> Step<Option<(String, NewEntry)>> {
    let now = tools.now();
    let (civil, trouble) = (Civil::local(), |e: store::Error| store_trouble(&e));
    let today = civil.date(now);
    let day = today.to_string();
    if !calendar::kept(&tools.store).map_err(trouble)?.is_working(today)
        || tools.store.meta(TOLD).map_err(trouble)?.is_some_and(|told| told == day.as_bytes())
    {
        return Ok(None);
    }
    let many =
        outcome::missed(&tools.store, tools.config.outcome.working_days, now, MOST).map_err(trouble)?;
    if many == 0 {
        return Ok(None);
    }
    let entry = NewEntry {
        actor: store::NODE.into(),
        event: UNANSWERED.into(),
        about: About::Node,
        detail: format!("{many} recipients by {day}"),
        alarm: true,
    };
    Ok(Some((day, entry)))
}

/// How long until offices begin again, milliseconds.
#[must_use]
pub fn until_opening(now: i64) -> i64 {
    let civil = Civil::local();
    let opening = civil.start(civil.date(now)).saturating_add(OPENING);
    if opening > now { opening - now } else { opening.saturating_add(DAY).saturating_sub(now).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_opening_is_within_a_day() {
        for hour in 0..48 {
            let now = 1_795_192_200_000 + hour * 3_600_000;
            let wait = until_opening(now);
            assert!((1..=DAY).contains(&wait));
            let civil = Civil::local();
            assert_eq!(civil.second(now + wait).get(11..), Some("08:00:00"));
        }
    }
}

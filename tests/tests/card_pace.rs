//! The pace of a card: one signature a document sent, and nothing else of a document waits for it. So a slow card is kept
//! busy, and documents go out as fast as it signs.
//!
//! The figures: `cargo test -p tests --test card_pace -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::time::{Duration, Instant};

use tests::pcscd::{Pcscd, opensc_module};
use tests::site::{Site, drop_letter};
use tests::virtual_card::{PIN, VirtualCard};
use tests::{binary, site};

const LONG: Duration = Duration::from_secs(90);
/// An operation of the slow card.
const SLOW: Duration = Duration::from_millis(400);
const LETTERS: u64 = 20;

/// `2026-11-21T03:32:05.123Z` of the same day or the next, as Unix milliseconds.
struct Stamp(i64);

impl std::str::FromStr for Stamp {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let time = text.split_once('T').ok_or(())?.1.trim_end_matches('Z');
        let mut parts = time.split([':', '.']).map(|part| part.parse::<i64>());
        let mut next = || parts.next().and_then(Result::ok).ok_or(());
        let of_day = ((next()? * 60 + next()?) * 60 + next()?) * 1_000 + next()?;
        let now = tests::world::now();
        let day = 86_400_000;
        let at = now - now % day + of_day;
        Ok(Self(if at > now + day / 2 { at - day } else { at }))
    }
}

#[test]
fn documents_go_out_as_fast_as_a_slow_card_signs() {
    let bins = binary("di-node");
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), bins.parent().unwrap());
    let (ours, other) = (site.codes[0].clone(), site.codes[1].clone());
    let card = VirtualCard::of_member(&site.dir.join("pki"), &ours);
    let pcscd = Pcscd::start();
    pcscd.insert(&card, 0);
    site.change_to_card(&ours, &opensc_module(), PIN, &pcscd.environment());
    let _center = site.center();
    let _other = site.node(&other);
    let _ours = site.node_in(&ours, pcscd.environment());
    let status = |code: &str| site.get(&site.socket(code), "/v1/status").unwrap_or_default();
    site::eventually("the card is ready and the center reached", LONG, || {
        let status = status(&ours);
        (status["card"]["ready"] == true && status["link"]["connected"] == true).then_some(())
    });
    let count = |which: &str, word: &str| {
        let status = status(&ours);
        let counts = status["counts"].as_array().cloned().unwrap_or_default();
        let fits = counts.iter().filter(|c| c["box"] == which && c["word"] == word);
        fits.filter_map(|c| c["count"].as_u64()).sum::<u64>()
    };

    // When events of a kind were recorded since some moment, as seconds from it: the first, and the usual gap between two.
    let pace = |event: &str, since: i64| {
        let page = site.get(&site.socket(&ours), "/v1/journal?after=0&limit=1000").unwrap_or_default();
        let at = |entry: &serde_json::Value| entry["at"].as_str()?.parse::<Stamp>().ok().map(|at| at.0);
        let events = page.as_array().cloned().unwrap_or_default();
        let times = events.iter().filter(|e| e["event"] == event).filter_map(at).filter(|at| *at >= since);
        let times: Vec<i64> = times.collect();
        let mut gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let middle = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
        format!(
            "the first {event} after {} ms, then every {middle} ms",
            times.first().map_or(0, |at| at - since)
        )
    };

    // Sending: one signature a document, whatever the number of recipients.
    card.slow(SLOW);
    let third = site.codes[2].clone();
    let (before, signed) = (count("out", "使用者確認") + count("out", "系統確認"), card.counts().signatures);
    let (begun, since) = (Instant::now(), tests::world::now());
    for n in 0..LETTERS {
        let _ = drop_letter(
            &site.folder(&ours, "drop"),
            &format!("{:07}", 7_000_000 + n),
            &ours,
            &[other.as_str(), third.as_str()],
            &[("bin", b"attachment")],
        );
    }
    site::eventually("all letters are at the center", LONG, || {
        let now = count("out", "使用者確認") + count("out", "系統確認");
        (now >= before + LETTERS).then_some(())
    });
    let took = begun.elapsed().as_secs_f64();
    let signed = card.counts().signatures - signed;
    let busy = f64::from(u32::try_from(signed).unwrap()) * SLOW.as_secs_f64();
    println!(
        "sent {LETTERS} documents in {took:.1} s: {:.2} documents/s with a card of {:.1} operations/s; {signed} signatures; the card was busy {:.0} %",
        20.0 / took,
        1.0 / SLOW.as_secs_f64(),
        100.0 * busy / took
    );
    println!("{}", pace("sealed", since));
    assert_eq!(signed, LETTERS, "one signature a document");
    assert!(busy / took > 0.7, "the card was busy {busy:.1} s of {took:.1} s");

    // Receiving: one opening a document, and confirmations together.
    let (before, counts) = (count("in", "收文完成"), card.counts());
    let (begun, since) = (Instant::now(), tests::world::now());
    for n in 0..LETTERS {
        let number = format!("{:07}", 8_000_000 + n);
        let to = [ours.as_str()];
        let _ = drop_letter(&site.folder(&other, "drop"), &number, &other, &to, &[("bin", b"attachment")]);
    }
    site::eventually("all letters are archived", LONG, || {
        (count("in", "收文完成") >= before + LETTERS).then_some(())
    });
    let took = begun.elapsed().as_secs_f64();
    let (opened, confirmed) =
        (card.counts().decipherments - counts.decipherments, card.counts().signatures - counts.signatures);
    let operations = u32::try_from(opened + confirmed).unwrap();
    println!(
        "received {LETTERS} documents in {took:.1} s: {:.2} documents/s; {opened} decipherments (OpenSC computes each twice) and {confirmed} signatures of confirmations so far; the card was busy {:.0} %",
        20.0 / took,
        100.0 * f64::from(operations) * SLOW.as_secs_f64() / took
    );
    println!("{}", pace("archived", since));
    assert!(confirmed < LETTERS / 2, "confirmations are signed together: {confirmed}");
}

//! What `card::presence` sees: cards, readers and the service come and go.

use std::time::{Duration, Instant};

use tests::pcscd::{Pcscd, Refusing, Watch};

use super::card;

#[test]
fn presence_follows_the_card() {
    let pcscd = Pcscd::start();
    let card = card();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-absent");

    let pushed = Instant::now();
    pcscd.insert(&card, 0);
    let first = watch.until("card-in");
    println!("from insertion to news of it: {} ms", pushed.elapsed().as_millis());
    assert!(first.text.contains("Virtual XCA") && first.text.contains("MOICA family"), "{}", first.text);

    card.remove();
    watch.until("card-absent");
    pcscd.insert(&card, 0);
    assert_ne!(watch.until("card-in").events, first.events, "another insertion of the same card is news");
    let took = watch.stop();
    assert!(took < Duration::from_secs(1), "the watcher took {took:?} to stop");
}

#[test]
fn only_the_reader_that_is_wanted_counts() {
    let mut pcscd = Pcscd::start();
    let (visitor, ours) = (card(), card());
    pcscd.insert(&visitor, 0);
    let mut any = Watch::start(pcscd.environment(), None);
    assert!(any.until("card-in").text.contains("00 00"));

    let mut named = Watch::start(pcscd.environment(), Some("xca 00 01"));
    let empty = named.until("card-absent");
    assert!(empty.text.contains("Virtual XCA 00 01"), "{}", empty.text);
    pcscd.insert(&ours, 1);
    assert!(named.until("card-in").text.contains("Virtual XCA 00 01"));

    // another reader was plugged in instead
    pcscd.stop();
    pcscd.replace_at_next_start("Front Desk");
    pcscd.run();
    let missing = named.until("card-reader-missing");
    assert!(missing.text.contains("Front Desk 00 00"), "says what there is: {}", missing.text);
    assert!(any.until("card-absent").text.contains("Front Desk 00 00"), "any reader will do");
}

#[test]
fn presence_outlives_the_service() {
    let mut pcscd = Pcscd::prepare();
    let card = card();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-no-service");
    pcscd.run();
    watch.until("card-absent");
    for end in [Pcscd::kill, Pcscd::stop] {
        pcscd.insert(&card, 0);
        watch.until("card-in");
        end(&mut pcscd);
        watch.until("card-no-service");
        pcscd.run();
        watch.until("card-absent");
    }
    assert!(!watch.ever("card-service-refused"), "a dying service is no refusal: {:#?}", watch.seen);
    pcscd.kill();
    watch.until("card-no-service");
    assert!(watch.stop() < Duration::from_secs(1));
}

#[test]
fn a_refusal_is_told_apart_from_absence() {
    let refusing = Refusing::start();
    let mut watch = Watch::start(refusing.environment(), None);
    watch.until("card-service-refused");
    assert!(!watch.ever("card-no-service"));
    assert!(watch.stop() < Duration::from_secs(1));
}

#[test]
fn a_reader_comes_and_goes() {
    let mut pcscd = Pcscd::prepare();
    pcscd.plug_at_next_start(false);
    pcscd.run();
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-no-reader");
    for _ in 0..2 {
        pcscd.stop();
        pcscd.plug_at_next_start(true);
        pcscd.run();
        watch.until("card-absent");
        pcscd.stop();
        pcscd.plug_at_next_start(false);
        pcscd.run();
        watch.until("card-no-reader");
    }
    Watch::start(pcscd.environment(), Some("xca")).until("card-no-reader");
}

#[test]
fn a_card_that_does_not_answer_its_reset() {
    let pcscd = Pcscd::start();
    let card = card();
    card.mute(true);
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-absent");
    card.insert(pcscd.port(0));
    watch.until("card-mute");
    card.remove();
    watch.until("card-absent");
    card.mute(false);
    pcscd.insert(&card, 0);
    watch.until("card-in");
}

#[test]
fn a_service_that_hangs_does_not_hold_the_watcher() {
    let pcscd = Pcscd::start();
    let card = card();
    pcscd.insert(&card, 0);
    let mut watch = Watch::start(pcscd.environment(), None);
    watch.until("card-in");
    pcscd.freeze();
    let took = watch.stop();
    assert!(took < Duration::from_secs(4), "the watcher took {took:?} to stop");
    let watch = Watch::start(pcscd.environment(), None);
    let took = watch.stop();
    assert!(took < Duration::from_secs(4), "the watcher took {took:?} to stop before its first look");
    pcscd.thaw();
}

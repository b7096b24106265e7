//! What a user would miss: an answer that comes, one that is kept, one that is renewed.

use crate::authority::Authority;
use crate::common::{DAY, Does, Running, World, answered, label, now};
use envelope::status::Kind;
use revocation::{Mode, Settings, stored_for};
use std::sync::atomic::{AtomicI64, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_known_at_first_and_everything_once_the_lists_came() {
    let world = World::new().await;
    let [good, revoked, held] = ["good", "revoked", "held"].map(|name| world.ca.issue(name, "v3_sign"));
    let before = now() - DAY;
    world.ca.revoke("revoked", "keyCompromise");
    world.ca.revoke("held", "certificateHold");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = world.checker();
    let first = running.check(&world.chain(&good));
    assert_eq!(label(&first), "revocation-unknown");
    assert_eq!(first.error().unwrap().class(), envelope::Class::Wait);
    assert!(!running.checker.in_trouble(), "the first try is under way");
    let report = running.until(&world.chain(&good), answered).await;
    assert_eq!((label(&report), report.note), ("ok", None));
    assert_eq!(report.certificates.len(), 2, "the authority's own certificate is asked about too");
    assert!(report.certificates.iter().all(|c| c.finding.unwrap().kind == Kind::Crl));
    // From the list that is at hand, at once.
    assert_eq!(label(&running.check(&world.chain(&revoked))), "certificate-revoked");
    assert_eq!(label(&running.check(&world.chain(&held))), "certificate-held");
    // Something that happened before.
    for certificate in [&revoked, &held] {
        assert_eq!(label(&running.checker.check(&world.chain(certificate), before)), "ok");
    }
    let mut seen = world.host.seen();
    seen.sort();
    assert_eq!(seen, ["/ca.crl", "/part-1.crl"], "each list once, the partition before the complete list");
    running.stop().await;

    // A restart: from disk, without the network, verified again.
    let stopped = revocation::Checker::open(world.settings(), now).unwrap();
    assert_eq!(label(&stopped.check(&world.chain(&revoked), now())), "certificate-revoked");
    assert_eq!(label(&stopped.check(&world.chain(&good), now())), "ok");
    assert_eq!(stopped.places().iter().filter(|p| p.usable).count(), 2);
    // The same seen from beside, without a checker; and nothing is made where nothing is.
    let seen = revocation::look(&world.settings(), now()).unwrap();
    assert_eq!(seen.iter().filter(|p| p.usable && p.entries.is_some()).count(), 2);
    assert!(revocation::look(&world.settings(), now() + 4 * DAY).unwrap().iter().all(|p| !p.usable));
    let nowhere = Settings::new(world.dir.path().join("nowhere"));
    assert_eq!(revocation::look(&nowhere, now()).unwrap(), []);
    assert!(!nowhere.folder.exists());
    drop(stopped);
    // What lies there is believed for its signature only.
    let answers = world.dir.path().join("revocation/answers");
    for entry in std::fs::read_dir(&answers).unwrap().flatten() {
        let mut bytes = std::fs::read(entry.path()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(entry.path(), bytes).unwrap();
    }
    let bent = revocation::Checker::open(world.settings(), now).unwrap();
    assert_eq!(label(&bent.check(&world.chain(&good), now())), "revocation-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_complete_list_and_the_responder_stand_in() {
    let world = World::new().await;
    let one = world.ca.issue("one", "v3_sign");
    world.ca.issue("responder", "v3_ocsp");
    // The partition is gone; the complete list is there.
    world.host.at("complete.crl", Does::Gives(world.ca.crl("crl_plain", "")));
    let running = world.checker();
    let report = running.until(&world.chain(&one), answered).await;
    assert_eq!(label(&report), "ok");
    assert!(world.host.seen().contains(&"/part-1.crl".to_owned()));
    running.stop().await;
    std::fs::remove_dir_all(world.dir.path().join("revocation")).unwrap();
    // Both are gone; a responder answers.
    world.host.at("complete.crl", Does::Says(503));
    world.host.at("ocsp", Does::Ocsp(world.ca.clone(), "responder"));
    world.ca.revoke("one", "affiliationChanged");
    let running = world.checker();
    let report = running.until(&world.chain(&one), answered).await;
    assert_eq!(label(&report), "certificate-revoked");
    assert_eq!(report.certificates[0].finding.unwrap().kind, Kind::Ocsp);
    running.stop().await;
    // The answer is kept over a restart too.
    let again = revocation::Checker::open(world.settings(), now).unwrap();
    assert_eq!(label(&again.check(&world.chain(&one), now())), "certificate-revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_decide_what_is_not_known() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    let soft = Running::start(Settings { mode: Mode::Soft, ..world.settings() }, now);
    let report = soft.check(&world.chain(&leaf));
    assert_eq!((label(&report), report.note), ("ok", Some("revocation-unknown")));
    // But what is known counts.
    world.ca.revoke("leaf", "keyCompromise");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let report = soft.until(&world.chain(&leaf), |r| r.error().is_some()).await;
    assert_eq!(label(&report), "certificate-revoked");
    soft.stop().await;
    let off = Running::start(Settings { mode: Mode::Off, ..world.settings() }, now);
    assert!(off.check(&world.chain(&leaf)).certificates.is_empty());
    off.stop().await;
    // Without an address there is nobody to ask.
    let silent = world.root.issue("silent", "v3_ocsp");
    let chain = [silent, world.root.cert.clone()];
    let hard = revocation::Checker::open(world.settings(), now).unwrap();
    let report = hard.check(&chain, now());
    assert_eq!((label(&report), report.note), ("ok", Some("status-address-missing")));
    let strict = Settings { accept_without_address: false, ..world.settings() };
    let strict = revocation::Checker::open(strict, now).unwrap();
    assert_eq!(label(&strict.check(&chain, now())), "status-address-missing");
}

static LATER: AtomicI64 = AtomicI64::new(0);

fn later() -> i64 {
    now() + LATER.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_renewed_ahead_and_used_for_a_day_after_their_end() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = Running::start(world.settings(), later);
    let chain = world.chain(&leaf);
    running.until(&chain, answered).await;
    // The host is down for good: its lists of two days are good for three.
    for path in ["part-1.crl", "ca.crl"] {
        world.host.at(path, Does::Says(500));
    }
    LATER.store(3 * DAY - 60_000, Ordering::SeqCst);
    running.after(0).await;
    let report = running.checker.check(&chain, later());
    assert_eq!(label(&report), "ok");
    // Renewal was tried long before; what failed is told.
    world.ca.revoke("leaf", "keyCompromise");
    LATER.store(3 * DAY + 60_000, Ordering::SeqCst);
    let report = running.until(&chain, |r| label(r) == "revocation-unknown").await;
    assert!(report.certificates[0].finding.is_none());
    running.after(1).await;
    running.until(&chain, |_| running.checker.in_trouble()).await;
    running.stop().await;
}

static AHEAD: AtomicI64 = AtomicI64::new(0);

fn ahead() -> i64 {
    now() + AHEAD.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_list_is_noticed_without_being_asked_for() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = Running::start(world.settings(), ahead);
    let chain = world.chain(&leaf);
    running.until(&chain, answered).await;
    let older = world.ca.crl("crl_part", "");
    world.ca.revoke("leaf", "keyCompromise");
    let newer = world.ca.crl("crl_part", "");
    world.host.at("part-1.crl", Does::Gives(newer));
    // Nobody waits; half a day later it is asked for again by itself. The sleep ends with any event: another's question.
    AHEAD.store(DAY, Ordering::SeqCst);
    let other = world.ca.issue("other", "v3_other_part");
    running.check(&world.chain(&other));
    let report = running.until(&chain, |r| r.error().is_some()).await;
    assert_eq!(label(&report), "certificate-revoked");
    // A list from before, played again: refused, what is at hand stays.
    world.host.at("part-1.crl", Does::Gives(older));
    AHEAD.store(2 * DAY, Ordering::SeqCst);
    running.check(&world.chain(&other));
    let set_back = |running: &Running| {
        running.checker.places().iter().any(|p| p.trouble.as_ref().is_some_and(|t| t.0 == "crl-set-back"))
    };
    running.until(&chain, |_| set_back(&running)).await;
    assert_eq!(label(&running.check(&chain)), "certificate-revoked");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_document_relied_on_is_kept_as_evidence() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = world.checker();
    let chain = world.chain(&leaf);
    let report = running.until(&chain, answered).await;
    let answers: Vec<_> = report.answers().collect();
    assert_eq!(answers.len(), 2);
    running.checker.keep(answers.clone()).unwrap();
    running.checker.keep(answers.clone()).unwrap();
    running.stop().await;
    let folder = world.dir.path().join("revocation");
    // Present ones by the chain; kept ones by digest even when nothing else is left.
    assert_eq!(stored_for(&folder, &chain, &[]).len(), 2);
    std::fs::remove_dir_all(folder.join("answers")).unwrap();
    assert_eq!(stored_for(&folder, &chain, &[]).len(), 0);
    let kept = stored_for(&folder, &chain, &answers);
    assert_eq!(kept.len(), 2);
    for stored in kept {
        let bytes = std::fs::read(stored.path).unwrap();
        assert!(answers.contains(&envelope::sha256(&bytes)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_asked_for_everything() {
    let world = World::new().await;
    // The addresses lead nowhere; only the proxy can help.
    let nowhere = Authority::root_at(&world.dir.path().join("nowhere"), "http://crl.invalid/");
    let leaf = nowhere.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(nowhere.crl("crl_part", "")));
    let proxy = Some(("127.0.0.1".to_owned(), world.host.port));
    let running = Running::start(Settings { proxy, internal: false, ..world.settings() }, now);
    let chain = [leaf, nowhere.cert.clone()];
    assert_eq!(label(&running.until(&chain, answered).await), "ok");
    assert_eq!(world.host.seen(), ["http://crl.invalid/part-1.crl"]);
    running.stop().await;
}

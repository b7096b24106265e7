//! Hosts that lie, drip, flood, hang and lead in circles.

use crate::authority::Authority;
use crate::common::{Does, Host, Running, World, answered, label, now};
use envelope::status::Kind;
use revocation::Settings;
use std::time::{Duration, Instant};

/// Why the partition did not come.
fn trouble(running: &Running) -> Option<&'static str> {
    let places = running.checker.places();
    let place = places.iter().find(|p| p.kind == Kind::Crl && p.url.ends_with("part-1.crl"))?;
    place.trouble.as_ref().map(|t| t.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_answer_has_its_label_and_none_counts() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    let list = world.ca.crl("crl_part", "");
    let other = world.root.below(&world.dir.path().join("other"));
    let own = |path: &str| format!("{}{path}", world.host.base);
    let half = list[..list.len() / 2].to_vec();
    for (does, expected) in [
        (Does::Gives(b"<html>maintenance</html>".to_vec()), "crl-malformed"),
        (Does::Gives(Vec::new()), "crl-malformed"),
        (Does::Gives(half.clone()), "crl-malformed"),
        (Does::Announces(list.len() as u64, half), "status-http-failed"),
        (Does::Gives(other.crl("crl_part", "")), "crl-wrong-issuer"),
        (Does::Gives(world.ca.crl("crl_delta", "")), "crl-delta"),
        (
            Does::Gives(
                world.ca.crl("crl_part", "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z"),
            ),
            "crl-stale",
        ),
        (
            Does::Gives(
                world.ca.crl("crl_part", "-crl_lastupdate 20400101000000Z -crl_nextupdate 20400102000000Z"),
            ),
            "crl-from-future",
        ),
        (Does::Announces(1 << 40, vec![0x30]), "crl-too-large"),
        (Does::Floods, "crl-too-large"),
        (Does::Drips, "status-host-slow"),
        (Does::Hangs, "status-host-slow"),
        (Does::Babbles, "status-http-failed"),
        (Does::Says(404), "status-http-status"),
        (Does::Sends(own("part-1.crl")), "status-redirects"),
        (Does::Sends("https://127.0.0.1/part-1.crl".to_owned()), "status-address-refused"),
        (Does::Sends("file:///etc/passwd".to_owned()), "status-address-refused"),
    ] {
        let _ = std::fs::remove_dir_all(world.dir.path().join("revocation"));
        let timeout = if matches!(does, Does::Drips | Does::Hangs) { 700 } else { 20_000 };
        world.host.at("part-1.crl", does);
        let settings =
            Settings { timeout: Duration::from_millis(timeout), limit: 1 << 20, ..world.settings() };
        let running = Running::start(settings, now);
        let chain = world.chain(&leaf);
        let report = running.until(&chain, |_| trouble(&running).is_some()).await;
        assert_eq!(trouble(&running), Some(expected));
        assert_eq!(label(&report), "revocation-unknown", "{expected}");
        running.stop().await;
        let left = std::fs::read_dir(world.dir.path().join("revocation/incoming")).unwrap().count();
        assert_eq!(left, 0, "{expected}: nothing is left behind");
    }
    // One that leads on to the right place is followed.
    let _ = std::fs::remove_dir_all(world.dir.path().join("revocation"));
    world.host.at("part-1.crl", Does::Sends("/moved/list.crl".to_owned()));
    world.host.at("list.crl", Does::Gives(list));
    let running = world.checker();
    assert_eq!(label(&running.until(&world.chain(&leaf), answered).await), "ok");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_delays_nobody_else() {
    let world = World::new().await;
    let slow = Host::start().await;
    let hanging = Authority::root_at(&world.dir.path().join("hanging"), &slow.base);
    for path in ["part-1.crl", "complete.crl", "ocsp"] {
        slow.at(path, Does::Hangs);
    }
    let leaf = world.ca.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = Running::start(Settings { timeout: Duration::from_secs(600), ..world.settings() }, now);
    let stuck = [hanging.issue("stuck", "v3_sign"), hanging.cert.clone()];
    let begun = Instant::now();
    assert_eq!(label(&running.check(&stuck)), "revocation-unknown");
    assert!(begun.elapsed() < Duration::from_millis(500), "asking never waits");
    assert_eq!(label(&running.until(&world.chain(&leaf), answered).await), "ok");
    assert_eq!(label(&running.check(&stuck)), "revocation-unknown");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_not_asked_for_every_document() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    let running = world.checker();
    let chain = world.chain(&leaf);
    let troubled =
        |running: &Running| running.checker.places().iter().filter(|p| p.trouble.is_some()).count() == 3;
    running.until(&chain, |_| troubled(&running) && world.host.seen().len() == 4).await;
    assert!(running.checker.in_trouble());
    for _ in 0..200 {
        assert_eq!(label(&running.check(&chain)), "revocation-unknown");
    }
    // 404 from each of the leaf's three places, and the authority's own list.
    assert_eq!(world.host.seen().len(), 4, "{:?}", world.host.seen());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_addresses_are_not_asked_unless_allowed() {
    let world = World::new().await;
    let leaf = world.ca.issue("leaf", "v3_sign");
    world.host.at("part-1.crl", Does::Gives(world.ca.crl("crl_part", "")));
    let running = Running::start(Settings { internal: false, ..world.settings() }, now);
    let chain = world.chain(&leaf);
    running.until(&chain, |_| trouble(&running).is_some()).await;
    assert_eq!(trouble(&running), Some("status-address-internal"));
    assert!(world.host.seen().is_empty());
    running.stop().await;
}

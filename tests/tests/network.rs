//! A bad network, a center that misbehaves, partners that fall silent: everything arrives once, with every byte, and nobody
//! waits for somebody else's trouble. The short forms run with the other tests; `make network` runs the long ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, reason = "bytes of test letters")]

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use config::value::Period;
use config::{NodeConfig, Transport};
use node::link::LinkState;
use rustix::process::{Pid, Signal, kill_process};
use store::state::{Line as LineState, Word};
use tests::binary;
use tests::relay::{Dice, Fate, Line, Relay};
use tests::settled::Sent;
use tests::site::{self, Site, drop_letter};
use tests::world::{Unit, World, eventually, now, to};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::Carrier;

/// Everything must have come by then; most of it is there within a second.
const PATIENCE: Duration = Duration::from_secs(180);

/// `DI_NETWORK_ROUNDS` and `DI_NETWORK_SEED`: how often each trouble comes, and the dice.
fn rounds() -> u64 {
    std::env::var("DI_NETWORK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn seed() -> u64 {
    let seed = std::env::var("DI_NETWORK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_128);
    println!("DI_NETWORK_SEED={seed} DI_NETWORK_ROUNDS={}", rounds());
    seed
}

/// A world in which every member has a relay of its own to the center.
async fn lines(
    members: usize,
    transport: Transport,
    change: impl Fn(usize, &mut NodeConfig),
) -> (World, Vec<Relay>) {
    let relays = RefCell::new(Vec::new());
    let seed = seed();
    let world = World::registered(members, transport, |member, config| {
        let center: SocketAddr = config.center.address.to_string().parse().unwrap();
        let relay = Relay::start(center, seed + member as u64);
        config.center.address = relay.address().to_string().parse().unwrap();
        relays.borrow_mut().push(relay);
        change(member, config);
    })
    .await;
    let mut world = world;
    for node in &mut world.nodes {
        node.start().await;
    }
    for node in &world.nodes {
        node.ready().await;
    }
    (world, relays.into_inner())
}

fn carrier(world: &World, member: usize) -> Option<Carrier> {
    world.nodes[member].running.as_ref()?.link().borrow().up().map(|up| up.carrier)
}

fn label(world: &World, member: usize) -> Option<String> {
    match &*world.nodes[member].running.as_ref()?.link().borrow() {
        LinkState::Down { label, .. } => Some(label.clone()),
        LinkState::Up(_) => None,
    }
}

/// Waits for it as long as everything may take.
async fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    let until = began + PATIENCE;
    loop {
        if let Some(found) = look() {
            println!("{what}: {:?}", began.elapsed());
            return found;
        }
        assert!(Instant::now() < until, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Letters both ways: small ones, and a large one each, so that something is under way for a while.
fn both_ways(sent: &mut Sent, world: &World, name: &str, large: usize) {
    for (from, recipient) in [(0, 1), (1, 0)] {
        for n in 0..3_u8 {
            sent.drop(world, from, &[recipient], &format!("{name}-{from}{n}"), &[n; 3_000]);
        }
        let bytes: Vec<u8> = (0..large).map(|n| (n % 251) as u8).collect();
        sent.drop(world, from, &[recipient], &format!("{name}-{from}大"), &bytes);
    }
}

const MS: Duration = Duration::from_millis(1);

fn troubles() -> [(&'static str, Line); 6] {
    let good = Line::GOOD;
    [
        ("loss", Line { loss: 10, delay: 2 * MS, ..good }),
        ("delay", Line { delay: 60 * MS, ..good }),
        ("reordering", Line { delay: 5 * MS, jitter: 40 * MS, ..good }),
        ("duplication", Line { duplicate: 40, delay: MS, jitter: 10 * MS, ..good }),
        ("bandwidth", Line { bytes_per_second: Some(400_000), ..good }),
        ("everything", Line { loss: 5, duplicate: 10, delay: 20 * MS, jitter: 30 * MS, ..good }),
    ]
}

/// Letters in both directions under each trouble, all confirmed while it lasts; then cuts and silence at any moment.
async fn under_every_trouble(transport: Transport, tcp: bool) {
    let (mut world, relays) = lines(2, transport, |_, _| {}).await;
    let mut sent = Sent::default();
    for round in 0..rounds() {
        for (name, line) in troubles() {
            let began = Instant::now();
            relays.iter().for_each(|relay| relay.set(line));
            let first = sent.len();
            both_ways(&mut sent, &world, &format!("{name}{round}"), 150_000);
            sent.confirmed(&world, first, PATIENCE).await;
            println!("{name}: {} letters in {:?}", sent.len() - first, began.elapsed());
        }
        relays.iter().for_each(|relay| relay.set(Line { bytes_per_second: Some(1_500_000), ..Line::GOOD }));
        let (first, began) = (sent.len(), Instant::now());
        both_ways(&mut sent, &world, &format!("cuts{round}"), 600_000);
        let mut dice = Dice::new(seed() + round);
        for n in 0..6 {
            // How long a cut is away from the last is part of the trouble; nothing is waited for here.
            tokio::time::sleep(Duration::from_millis(50 + dice.below(250))).await;
            if tcp || n < 2 {
                // A QUIC connection then comes from another port, to which the center does not follow it.
                relays[n % 2].cut();
            } else {
                relays[n % 2].set(Line { silent: n < 4, ..Line::GOOD });
            }
        }
        relays.iter().for_each(|relay| relay.set(Line::GOOD));
        sent.confirmed(&world, first, PATIENCE).await;
        println!("cuts: {} letters in {:?}", sent.len() - first, began.elapsed());
    }
    sent.settled(&mut world, PATIENCE).await;
    let counts: Vec<_> = relays.iter().map(Relay::counts).collect();
    println!("{counts:?}");
    for counts in counts {
        if tcp {
            assert!(counts.bytes > 300_000 && counts.datagrams == 0, "it went through the relay: {counts:?}");
        } else {
            assert!(counts.lost > 10 && counts.doubled > 10, "the line was bad: {counts:?}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trouble_of_a_line_only_delays_over_quic() {
    under_every_trouble(Transport::Quic, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trouble_of_a_line_only_delays_over_tcp() {
    under_every_trouble(Transport::Tcp, true).await;
}

async fn where_udp_is_blocked_tcp_carries_everything() {
    let (mut world, relays) = lines(2, Transport::Auto, |_, _| {}).await;
    for node in 0..2 {
        // On a busy machine TCP may win the race.
        let until = Instant::now() + PATIENCE;
        while carrier(&world, node) != Some(Carrier::Quic) {
            assert!(Instant::now() < until, "QUIC never wins");
            world.nodes[node].stop().await;
            world.nodes[node].start().await;
            world.nodes[node].ready().await;
        }
    }
    let mut sent = Sent::default();
    both_ways(&mut sent, &world, "先", 100_000);
    sent.confirmed(&world, 0, PATIENCE).await;
    // From now on, in the middle of everything.
    let first = sent.len();
    both_ways(&mut sent, &world, "後", 400_000);
    relays.iter().for_each(|relay| relay.set(Line { udp: false, ..Line::GOOD }));
    patiently("over TCP", || (carrier(&world, 0) == Some(Carrier::Tcp)).then_some(())).await;
    sent.confirmed(&world, first, PATIENCE).await;
    sent.settled(&mut world, PATIENCE).await;
    // A node that starts behind such a firewall loses no more than the head start of QUIC.
    world.nodes[0].stop().await;
    world.nodes[0].start().await;
    world.nodes[0].ready().await;
    assert_eq!(carrier(&world, 0), Some(Carrier::Tcp));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_that_misbehaves_in_every_fifth_request_loses_and_doubles_nothing() {
    for transport in [Transport::Quic, Transport::Tcp] {
        let mut world = World::registered(3, transport, |_, _| {}).await;
        world.config.mischief = config::Mischief { percent: 20, seed: seed(), stall: Period::millis(300) };
        world.center_down().await;
        world.center_up().await;
        for node in &mut world.nodes {
            node.start().await;
        }
        let mut sent = Sent::default();
        for n in 0..8 * rounds() {
            let size = if n % 4 == 0 { 300_000 } else { 2_000 };
            for from in 0..3_usize {
                let others: Vec<usize> = (0..3).filter(|member| *member != from).collect();
                sent.drop(&world, from, &others, &format!("胡鬧{from}-{n}"), &vec![n as u8; size]);
            }
        }
        sent.settled(&mut world, PATIENCE).await;
        world.stop().await;
    }
}

async fn half_open(transport: Transport) {
    let (mut world, relays) = lines(2, transport, |_, _| {}).await;
    let mut sent = Sent::default();
    for round in 0..rounds() {
        let first = sent.len();
        let slow = Line { bytes_per_second: Some(800_000), ..Line::GOOD };
        relays.iter().for_each(|relay| relay.set(slow));
        both_ways(&mut sent, &world, &format!("半開{round}"), 400_000);
        // Something is under way, both ways.
        let before = relays.each_moved();
        patiently("bytes move", || {
            relays.each_moved().iter().zip(&before).all(|(a, b)| *a > b + 50_000).then_some(())
        })
        .await;
        let began = Instant::now();
        relays.iter().for_each(Relay::vanish);
        relays.iter().for_each(|relay| relay.set(Line::GOOD));
        sent.confirmed(&world, first, PATIENCE).await;
        println!("{transport:?}: all confirmed {:?} after both peers vanished", began.elapsed());
    }
    sent.settled(&mut world, PATIENCE).await;
    world.stop().await;
}

/// Bytes that went through each relay.
trait Moved {
    fn each_moved(&self) -> Vec<u64>;
}

impl Moved for Vec<Relay> {
    fn each_moved(&self) -> Vec<u64> {
        self.iter().map(|relay| relay.counts().bytes).collect()
    }
}

async fn silent_or_dead(transport: Transport, dead: bool) {
    let (mut world, relays) = lines(2, transport, |_, _| {}).await;
    let mut sent = Sent::default();
    // The directory is known, and something is being sent.
    sent.drop(&world, 0, &[1], "之前", &[1; 1_000]);
    sent.confirmed(&world, 0, PATIENCE).await;
    if dead {
        world.center_down().await;
    } else {
        relays.iter().for_each(|relay| relay.set(Line { silent: true, ..Line::GOOD }));
    }
    for n in 0..12 {
        sent.drop(&world, 0, &[1], &format!("其間{n}"), &[n; 1_000]);
    }
    let node = &world.nodes[0];
    let mut bad = Unit::letter("壞的", &[to(1)], &[], &[]);
    let text = String::from_utf8(bad.di.1).unwrap();
    let (before, rest) = text.split_once("<主旨>").unwrap();
    bad.di.1 = format!("{before}{}", rest.split_once("</主旨>").unwrap().1).into_bytes();
    node.put(&bad);
    // Claimed, all of them; what is wrong with the bad one is told, in its note too.
    node.until(&bad, Word::Refused).await;
    eventually("a note says why", || {
        let mut notes = std::fs::read_dir(&node.config.folders.failed).ok()?.flatten();
        notes.find(|note| note.path().extension() == Some("txt".as_ref()))
    })
    .await;
    eventually("the drop folder is empty", || {
        let left = std::fs::read_dir(&node.config.folders.drop).unwrap().flatten();
        (left.filter(|entry| entry.path().is_file()).count() == 0).then_some(())
    })
    .await;
    assert_eq!(node.outbox().len(), sent.len() + 1);
    // Those that wait say for what, and cost no tries.
    if dead {
        world.center_up().await;
    } else {
        patiently("the link is known to be down", || label(&world, 0)).await;
        // One that starts meets a handshake that never ends.
        world.nodes[1].stop().await;
        world.nodes[1].start().await;
        let unreachable = || label(&world, 1).filter(|label| label == "center-unreachable");
        patiently("a handshake is not waited for without end", unreachable).await;
        relays.iter().for_each(|relay| relay.set(Line::GOOD));
    }
    sent.confirmed(&world, 0, PATIENCE).await;
    assert_eq!(world.nodes[1].inbox().len(), sent.len());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_recipient_never_blocks_another() {
    let mut world = World::new(3, Transport::Auto).await;
    let mut sent = Sent::default();
    world.nodes[1].stop().await;
    for n in 0..30 {
        let recipients: &[usize] = if n % 3 == 2 { &[1, 2] } else { &[1] };
        sent.drop(&world, 0, recipients, &format!("給死者{n}"), &[n; 2_000]);
    }
    let first = sent.len();
    sent.drop(&world, 0, &[2], "給活者", &[1; 2_000]);
    sent.confirmed(&world, first, PATIENCE).await;
    eventually("the living has its copy of each", || (world.nodes[2].inbox().len() == 11).then_some(()))
        .await;
    eventually("and its lines are final, the others are not", || {
        let node = &world.nodes[0];
        let lines = node.outbox().into_iter().flat_map(|row| node.store().lines(row.id).unwrap());
        let confirmed: Vec<_> = lines.filter(|line| line.state == LineState::Confirmed).collect();
        assert!(confirmed.iter().all(|line| line.recipient == world.nodes[2].code));
        (confirmed.len() == 11).then_some(())
    })
    .await;
    world.nodes[1].start().await;
    sent.settled(&mut world, PATIENCE).await;
    world.stop().await;
}

/// Bytes of a letter in whose middle the address changes.
const SIZE: u64 = 3_000_000;

/// The address that the center sees of member 0 changes in the middle of a large letter: to one that is registered, to one
/// that is not, and back.
async fn moves_to(transport: Transport) {
    let (mut world, relays) = lines(3, transport, |_, _| {}).await;
    let registry = world.registry();
    let code = world.nodes[0].code.clone();
    registry.add_address(&code, "127.0.0.1".parse().unwrap(), now()).unwrap();
    registry.add_address(&code, "127.0.0.2".parse().unwrap(), now()).unwrap();
    assert!(registry.remove_address(&code, "127.0.0.0/8".parse().unwrap(), now()).unwrap());
    let slow = Line { bytes_per_second: Some(1_500_000), ..Line::GOOD };
    let from = |to: u8| Line { source: Ipv4Addr::new(127, 0, 0, to), ..slow };
    let moves = |to: u8, fate: Fate| relays[0].after(SIZE * 6 / 10, from(to), fate);
    let mut sent = Sent::default();
    let large: Vec<u8> = (0..SIZE).map(|n| (n % 249) as u8).collect();

    relays[0].set(slow);
    let before = relays.each_moved()[0];
    // Nobody tells a TCP connection that its address is gone.
    moves(2, if transport == Transport::Tcp { Fate::Vanished } else { Fate::Stays });
    sent.drop(&world, 0, &[1], "搬家一", &large);
    sent.confirmed(&world, 0, PATIENCE).await;
    assert_eq!(relays[0].line(), from(2));
    let took = relays.each_moved()[0] - before;
    println!("{transport:?}: {took} bytes moved for {SIZE}");
    assert!(took < SIZE * 14 / 10, "it went on at the durable offset, not from the start: {took}");

    let first = sent.len();
    let before = relays.each_moved()[0];
    moves(3, if transport == Transport::Tcp { Fate::Cut } else { Fate::Stays });
    sent.drop(&world, 0, &[1], "搬家二", &large);
    let refused = || label(&world, 0).filter(|label| label == "address-not-registered");
    patiently("it is refused by its address", refused).await;
    // Others are not concerned.
    sent.drop(&world, 1, &[2], "他人", &[1; 1_000]);
    sent.confirmed(&world, first + 1, PATIENCE).await;
    assert!(world.nodes[0].outbox().iter().any(|row| row.word != Word::Confirmed), "it waits");
    relays[0].set(from(2));
    sent.confirmed(&world, 0, PATIENCE).await;
    let took = relays.each_moved()[0] - before;
    println!("{transport:?}: {took} bytes moved for {SIZE}, with a stay abroad");
    assert!(took < SIZE * 14 / 10, "it went on at the durable offset, not from the start: {took}");
    sent.settled(&mut world, PATIENCE).await;
    world.stop().await;
}

/// Connections that say nothing, and some that begin a handshake and never end it.
#[tokio::test(flavor = "multi_thread")]
async fn silent_strangers_at_the_center_keep_nobody_out() {
    let mut world = World::registered(2, Transport::Tcp, |_, _| {}).await;
    let center: SocketAddr = world.config.listen;
    let mut strangers = Vec::new();
    for n in 0..40 {
        let mut stream = tokio::net::TcpStream::connect(center).await.unwrap();
        if n % 2 == 0 {
            // A TLS record that announces more than ever comes.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        strangers.push(stream);
    }
    for node in &mut world.nodes {
        node.start().await;
    }
    let mut sent = Sent::default();
    both_ways(&mut sent, &world, "陌生", 100_000);
    sent.settled(&mut world, PATIENCE).await;
    // They are put out, all of them.
    for mut stream in strangers {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await.unwrap();
        assert!(ended.is_err() || ended.is_ok_and(|read| read == 0));
    }
    world.stop().await;
}

#[test]
fn a_recipient_that_is_stopped_holds_up_nobody_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::make(dir.path(), binary("di-node").parent().unwrap());
    let [from, stopped, other] = [0, 1, 2].map(|n| site.codes[n].clone());
    let center = site.center();
    let nodes = [&from, &stopped, &other].map(|code| site.node(code));
    for code in [&from, &stopped, &other] {
        let up = || site.get(&site.socket(code), "/v1/status").ok();
        site::eventually("the node runs", PATIENCE, up);
    }
    let victim = Pid::from_raw(nodes[1].id().try_into().unwrap()).unwrap();
    kill_process(victim, Signal::STOP).unwrap();
    let drop = site.folder(&from, "drop");
    let letters = |to: &[&str], first: usize| {
        for n in first..first + 4 {
            let _ = drop_letter(&drop, &format!("{:07}", 4_000_000 + n), &from, to, &[("bin", &[7; 20_000])]);
        }
    };
    letters(&[&stopped], 0);
    letters(&[&stopped, &other], 10);
    letters(&[&other], 20);
    let confirmed = |code: &str| {
        let store = store::Store::open_read_only(&site.folder(&from, "state")).ok()?;
        let rows = store.outbox(&store::boxes::Filter { limit: 1_000, ..Default::default() }).ok()?;
        let new = rows.iter().filter(|row| row.document.di_name.starts_with("40000"));
        let lines = new.flat_map(|row| store.lines(row.document.id).unwrap_or_default());
        Some(lines.filter(|line| line.recipient == code && line.state == LineState::Confirmed).count())
    };
    site::eventually("the others confirm", PATIENCE, || (confirmed(&other)? == 8).then_some(()));
    assert_eq!(confirmed(&stopped), Some(0));
    kill_process(victim, Signal::CONT).unwrap();
    site::eventually("it goes on", PATIENCE, || (confirmed(&stopped)? == 8).then_some(()));
    for process in nodes.into_iter().chain([center]) {
        let name = process.name.clone();
        assert!(process.stop().success(), "{name} stops in order");
    }
}

async fn timed(what: &str, scenario: impl Future<Output = ()>) {
    let began = Instant::now();
    scenario.await;
    println!("{what}: all over after {:?}", began.elapsed());
}

/// Together, since each of them is mostly a matter of waiting for a time-out; none of them is a sleep of ours.
#[tokio::test(flavor = "multi_thread")]
async fn silence_half_open_connections_and_another_address_are_left_within_a_bounded_time() {
    tokio::join!(
        timed("UDP blocked", where_udp_is_blocked_tcp_carries_everything()),
        timed("half-open, QUIC", half_open(Transport::Quic)),
        timed("half-open, TCP", half_open(Transport::Tcp)),
        timed("silent center, QUIC", silent_or_dead(Transport::Quic, false)),
        timed("silent center, TCP", silent_or_dead(Transport::Tcp, false)),
        timed("dead center", silent_or_dead(Transport::Auto, true)),
        timed("another address, QUIC", moves_to(Transport::Quic)),
        timed("another address, TCP", moves_to(Transport::Tcp)),
    );
}

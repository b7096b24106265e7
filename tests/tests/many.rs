//! One letter to a thousand recipients.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use store::outcome::Which;
use store::state::{Line, Word};
use tests::world::{To, Unit, World};

const MANY: usize = 1_000;

/// Mailboxes of units: a thousand members would need a thousand pairs of keys, and show nothing more here.
fn units(organisation: &str) -> Vec<(String, String)> {
    (1..=MANY).map(|n| (format!("{organisation}{n:07}"), format!("第{n}處"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_recipients_by_a_raised_limit_with_one_signature_for_each_container() {
    let limit = |_, config: &mut config::NodeConfig| config.limits.recipients = MANY;
    let mut world = World::registered(2, config::Transport::Auto, limit).await;
    let mailboxes = units(&world.nodes[1].code);
    world.put_units(&world.nodes[1].code, &mailboxes);
    world.nodes[0].start().await;
    world.nodes[0].ready().await;
    let to = |(n, (code, name)): (usize, &(String, String))| To {
        code: code.clone(),
        name: name.clone(),
        // the last hundred must not get the attachment
        attachments: Some(n < MANY - 100),
    };
    let to: Vec<To> = mailboxes.iter().enumerate().map(to).collect();
    let unit = Unit::letter("千處", &to, &[("附件.txt", b"attachment")], &["某某協會"]);
    world.nodes[0].put(&unit);
    let sent = world.nodes[0].until(&unit, Word::Accepted).await;
    assert_eq!((sent.lines.len(), sent.containers.len()), (MANY, 2), "whole and reduced, each signed once");
    for part in &sent.parts {
        let many = part.addressees.len();
        // about 400 bytes of header for each: no larger than the body, or fifty
        assert!(many <= 50 || many as u64 * 400 <= part.length, "{many} in {} bytes", part.length);
        let container = sent.containers.iter().find(|c| c.variant == part.variant).unwrap();
        assert_eq!((part.manifest, part.signature), (container.manifest, container.signature));
        assert!(part.addressees.iter().all(|(_, attachments)| *attachments == (part.variant == 0)));
    }
    assert_eq!(sent.lines.iter().filter(|l| !l.attachments).count(), 100);

    // where each stands, as `outcome` asks; and one is looked after without the others
    let node = &world.nodes[0];
    let id = sent.document.id;
    let (found, more) = node.store().outcomes(Which::Document(id), 10).unwrap();
    assert!(!more && found.len() == 1 && found[0].hints.len() == 1);
    assert!(found[0].lines.iter().all(|l| l.line.state == Line::Accepted && l.at_center));
    let one = mailboxes[499].0.clone();
    node.store().on_paper(id, vec![one.clone()], "王小明", "停電", tests::world::now()).wait().unwrap();
    let open = Which::Open { waiting_before: i64::MAX, back_before: i64::MAX };
    let (open, _) = node.store().outcomes(open, 10_000).unwrap();
    assert_eq!(open[0].lines.len(), MANY - 1);
    assert!(open[0].lines.iter().all(|l| l.line.recipient != one));
    world.stop().await;
}

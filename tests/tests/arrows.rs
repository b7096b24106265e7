//! The arrows of ARCHITECTURE.md, held against what Cargo knows: who may name whom, and which outside crate has which single door.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Member → the members that it may name in its normal dependencies.
const ARROWS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("di-format", &[]),
    ("envelope", &[]),
    ("durable", &[]),
    ("card", &["durable", "envelope"]),
    // two binaries share it, and it is the only one that speaks to certificate authorities
    ("revocation", &["durable", "envelope"]),
    ("wire", &[]),
    ("store", &["durable"]),
    // two binaries make and read the same kind of folder
    ("backup", &["durable"]),
    ("center", &["backup", "config", "durable", "envelope", "revocation", "wire"]),
    (
        "node",
        &["backup", "card", "config", "di-format", "durable", "envelope", "revocation", "store", "wire"],
    ),
    ("fake-module", &[]),
    (
        "tests",
        &[
            "backup",
            "card",
            "center",
            "config",
            "di-format",
            "durable",
            "envelope",
            "fake-module",
            "node",
            "revocation",
            "store",
            "wire",
        ],
    ),
];

/// Outside crate → the members that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("cms", &["envelope"]),
    ("der", &["envelope"]),
    ("quick-xml", &["di-format", "envelope"]),
    ("roxmltree", &["di-format", "envelope"]),
    ("quinn", &["wire"]),
    ("rustls", &["wire"]),
    ("rusqlite", &["store", "center"]),
    ("notify", &["node"]),
    ("cryptoki", &["card"]),
    ("cryptoki-sys", &["fake-module"]),
    ("pcsc", &["card"]),
];

/// Crates that must be nowhere in the product, however deep.
const NOWHERE: &[&str] = &["rsa", "openssl", "openssl-sys", "native-tls"];

fn metadata() -> cargo_metadata::Metadata {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(root).other_options(["--locked".to_owned()]).exec().unwrap()
}

/// Normal and build dependencies by name, for each workspace member.
fn named_by_members(metadata: &cargo_metadata::Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|member| {
            let names = member.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
            (member.name.to_string(), names.map(|d| d.name.clone()).collect())
        })
        .collect()
}

#[test]
fn members_name_only_whom_the_picture_allows() {
    let metadata = metadata();
    let named = named_by_members(&metadata);
    let expected: BTreeSet<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        named.keys().cloned().collect::<BTreeSet<_>>(),
        expected,
        "a member came or went: draw its arrows"
    );
    for (member, allowed) in ARROWS {
        for dependency in named[*member].iter().filter(|d| expected.contains(*d)) {
            assert!(allowed.contains(&dependency.as_str()), "{member} must not depend on {dependency}");
        }
    }
}

#[test]
fn outside_crates_have_one_door_each() {
    let metadata = metadata();
    let named = named_by_members(&metadata);
    for (outside, doors) in DOORS {
        for (member, dependencies) in named.iter().filter(|(member, _)| *member != "tests") {
            let through = dependencies.contains(*outside);
            assert!(
                !through || doors.contains(&member.as_str()),
                "{member} must reach {outside} through {doors:?}"
            );
        }
    }
}

#[test]
fn the_programs_that_people_run_have_no_fail_points() {
    for name in ["di-node", "di-center"] {
        let program = std::fs::read(tests::binary(name)).unwrap();
        // the search of the standard library is compiled for speed, one of ours here would not be
        let program = String::from_utf8_lossy(&program);
        for word in ["DI_FAILPOINT", "DI_FAULTS", "DI_RECORD"] {
            assert!(!program.contains(word), "{name} can be told to fail");
        }
    }
}

#[test]
fn a_second_crypto_provider_is_nowhere() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let name_of: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.to_string())).collect();
    let node_of: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let mut open: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|p| ["node", "center"].contains(&p.name.as_str()))
        .map(|p| &p.id)
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let name = &name_of[id];
        assert!(!NOWHERE.contains(&name.as_str()), "{name} is in the product's dependency tree");
        for dependency in &node_of[id].deps {
            if dependency.dep_kinds.iter().any(|k| k.kind != DependencyKind::Development) {
                open.push(&dependency.pkg);
            }
        }
    }
    assert!(seen.len() > 50, "the walk found only {} crates: it did not walk", seen.len());
}

//! The node's own: settings, keys in files, service, folders and disk, trust. The way to the center is [`super::center`].

use std::path::{Path, PathBuf};

use config::NodeConfig;
use envelope::trust::{Anchors, Purpose};
use rustix::fs::Access;

use super::hicos::Facts;
use super::{Check, Name, Patient, Settings, Status, center};
use crate::setup::inspect::{self, Trouble};

const CONFIG: Name = Name("config", "設定檔");
const KEY_SIGN: Name = Name("key-sign", "簽章金鑰檔");
const KEY_OPEN: Name = Name("key-open", "解密金鑰檔");
const SERVICE: Name = Name("service", "節點服務");
const FOLDERS: Name = Name("folders", "資料夾");
const DISK: Name = Name("disk", "磁碟可用空間");
const ANCHORS: Name = Name("anchors", "信任的憑證機構");
const REVOCATION: Name = Name("revocation", "憑證廢止資料（CRL、OCSP）");
const ADDRESS_BOOK: Name = Name("address-book", "機關地址簿");

/// Less free space than this is a fault: a day's documents and the database must fit. Bytes.
const LEAST_FREE: u64 = 1 << 30;

/// All of them, in order.
pub(super) fn checks(patient: &Patient, facts: &Facts) -> Vec<Check> {
    let mut out = vec![settings(patient)];
    let Some(config) = patient.config() else {
        let skipped = |name| Check::skipped(name, super::NO_CONFIG);
        out.extend([SERVICE, FOLDERS, DISK].map(skipped));
        out.extend(center::checks(patient));
        out.extend([ANCHORS, REVOCATION, ADDRESS_BOOK].map(skipped));
        return out;
    };
    let anchors =
        config.trust.anchors.as_deref().map(inspect::certificates).map(|read| read.map(Anchors::new));
    let known = anchors.as_ref().and_then(|read| read.as_ref().ok());
    if !config.card.is_used() {
        out.push(key(KEY_SIGN, &config.keys.sign, known, Purpose::Sign, patient));
    }
    for file in &config.keys.unwrap {
        out.push(key(KEY_OPEN, file, known, Purpose::Encrypt, patient));
    }
    out.push(match &patient.service {
        Some(_) => Check::ok(SERVICE, "執行中"),
        None => Check::skipped(SERVICE, super::SERVICE_DOWN),
    });
    out.push(folders(config));
    out.push(disk(config));
    out.extend(center::checks(patient));
    out.push(match &anchors {
        None => Check::skipped(ANCHORS, super::NO_CONFIG),
        Some(Err(trouble)) => Check::fail(ANCHORS, &trouble.label, &trouble.detail),
        Some(Ok(anchors)) => trusted(anchors, facts, patient),
    });
    out.push(revocation(config, patient));
    out.push(Check::skipped(ADDRESS_BOOK, super::NOT_BUILT));
    out
}

fn settings(patient: &Patient) -> Check {
    match &patient.settings {
        Settings::Given(_, path) => Check::ok(CONFIG, path.display().to_string()).shared("可用"),
        Settings::Missing => {
            Check::skipped(CONFIG, super::NO_CONFIG).remedy(crate::words::remedy(super::NO_CONFIG))
        }
        Settings::Wrong(failure) => {
            let check = Check::fail(CONFIG, failure.label(), "");
            Check { detail: failure.sentence(), ..check }
        }
    }
}

/// A key file with its certificate.
fn key(
    name: Name,
    file: &config::KeyFile,
    anchors: Option<&Anchors>,
    purpose: Purpose,
    patient: &Patient,
) -> Check {
    match inspect::load_key(file) {
        Err(Trouble { label, detail }) => Check::fail(name, &label, &detail),
        Ok(key) => {
            let own = key.own_certificate();
            let chain = envelope::SigningKey::chain(&key);
            match inspect::judge(own, &chain, anchors, purpose, patient.now) {
                Err(error) => Check::fail(name, error.label(), own.subject()),
                Ok(()) => super::hicos::dates(name, own, patient),
            }
        }
    }
}

/// All are there and may be written, or can be made.
fn folders(config: &NodeConfig) -> Check {
    for folder in all(config) {
        let there = nearest(folder);
        let may = there.is_some_and(|path| {
            path.is_dir() && rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        });
        if !may {
            return Check::fail(FOLDERS, super::NOT_ROOM, &folder.display().to_string());
        }
    }
    let f = &config.folders;
    if device(&f.drop) != device(&f.work) {
        return Check::fail(FOLDERS, "work-apart-from-drop", "");
    }
    Check::ok(FOLDERS, config.folders.root.display().to_string()).shared("可寫入")
}

/// The disk with the least room.
fn disk(config: &NodeConfig) -> Check {
    let free = |path: &Path| {
        let stat = rustix::fs::statvfs(nearest(path)?).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    };
    let least = all(config).into_iter().filter_map(|folder| Some((free(folder)?, folder))).min();
    match least {
        None => Check::unknown(DISK, "folder-unusable", ""),
        Some((free, folder)) if free < LEAST_FREE => {
            let more = format!("{} 僅餘 {} MiB", folder.display(), free >> 20);
            Check::fail(DISK, super::DISK_LOW, &more)
        }
        Some((free, _)) => Check::ok(DISK, format!("{} GiB", free >> 30)),
    }
}

fn all(config: &NodeConfig) -> [&PathBuf; 7] {
    let f = &config.folders;
    [&f.drop, &f.work, &f.sent, &f.failed, &f.inbox, &f.archive, &f.state]
}

/// The folder, or the nearest above it that is there.
fn nearest(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|path| path.exists())
}

fn device(folder: &Path) -> Option<u64> {
    rustix::fs::stat(nearest(folder)?).ok().map(|stat| stat.st_dev)
}

/// The lists and answers at hand, as the service keeps them.
fn revocation(config: &NodeConfig, patient: &Patient) -> Check {
    let settings = crate::start::revocation_settings(config);
    if settings.mode == ::revocation::Mode::Off {
        return Check::skipped(REVOCATION, super::REVOCATION_OFF);
    }
    let places = match ::revocation::look(&settings, patient.now) {
        Ok(places) => places,
        Err(error) => return Check::unknown(REVOCATION, error.label(), ""),
    };
    if places.is_empty() {
        return Check::skipped(REVOCATION, super::REVOCATION_NONE);
    }
    if let Some(bad) = places.iter().find(|place| !place.usable) {
        let label = bad.trouble.as_ref().map_or("revocation-unknown", |(label, ..)| label);
        return Check::fail(REVOCATION, label, &format!("{}；{}", bad.authority, bad.url));
    }
    let oldest = places.iter().filter_map(|place| place.this_update).min();
    let until = places.iter().filter_map(|place| place.next_update).min();
    let age = oldest.map(|at| (patient.now - at).max(0) / 3_600_000);
    let mut detail = format!("{} 處", places.len());
    if let Some(hours) = age {
        detail.push_str(&format!("，最舊的 {hours} 小時前發布"));
    }
    if let Some(until) = until {
        detail.push_str(&format!("，用到 {}", patient.civil.second(until)));
    }
    Check::ok(REVOCATION, detail)
}

/// The anchors, and whether the card's certificates stand under them.
fn trusted(anchors: &Anchors, facts: &Facts, patient: &Patient) -> Check {
    let certificates = anchors.certificates();
    if certificates.is_empty() {
        return Check::fail(ANCHORS, "anchor-missing", "");
    }
    for (own, purpose) in &facts.certificates {
        if let Err(error) = inspect::judge(own, &facts.authorities, Some(anchors), *purpose, patient.now)
            && !matches!(error, envelope::Error::Expired { .. } | envelope::Error::NotYetValid { .. })
        {
            return Check::fail(ANCHORS, error.label(), own.subject());
        }
    }
    let valid = certificates.iter().filter(|c| envelope::trust::valid_at(c, patient.now).is_ok()).count();
    if valid == 0 {
        return Check::of(ANCHORS, Status::Fail, "certificate-expired", "");
    }
    let own = if facts.certificates.is_empty() { "" } else { "，卡片的憑證由其簽發" };
    Check::ok(ANCHORS, format!("{} 張，其中 {valid} 張在效期內{own}", certificates.len()))
}

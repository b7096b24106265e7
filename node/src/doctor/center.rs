//! The way to the center, without a login: the handshake shows that it is the right center and how late it is there, and
//! the center looks at member and source address before any signature. So no card is touched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::NodeConfig;
use wire::message::Challenge;
use wire::{ClientTls, Connector, Credentials, Timing, Transport, login::CredentialFuture, refusal};

use super::{Check, Name, Patient, Status};
use crate::link::MAX_SKEW;

const QUIC: Name = Name("center-quic", "交換中心（QUIC，UDP）");
const TCP: Name = Name("center-tcp", "交換中心（TCP）");
const MEMBER: Name = Name("member", "交換中心的會員登記");
const SOURCE: Name = Name("source-address", "連線來源位址");
const CLOCK: Name = Name("clock", "本機時間");

/// How long one way may take.
const PATIENCE: Duration = Duration::from_secs(6);

/// Asks nothing of the center but its challenge.
struct Knock {
    member: String,
    time: Mutex<Option<i64>>,
}

/// The knock was heard: what ends a conversation that went as far as it should.
#[derive(Debug, thiserror::Error)]
#[error("only knocking")]
struct Knocked;

impl Credentials for Knock {
    fn member(&self) -> &str {
        &self.member
    }

    fn credential<'a>(&'a self, challenge: &'a Challenge) -> CredentialFuture<'a> {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.time);
        Box::pin(async { Err(Box::new(Knocked) as Box<dyn std::error::Error + Send + Sync>) })
    }
}

/// What one way told.
struct Heard {
    took: Duration,
    /// The center's clock minus ours, milliseconds.
    skew: Option<i64>,
    /// What the center or the network said instead.
    error: Option<wire::Error>,
}

impl Heard {
    /// The center answered, whatever it said.
    fn reached(&self) -> bool {
        matches!(self.error, None | Some(wire::Error::Refused(_)))
    }

    fn refusal(&self) -> Option<&str> {
        match &self.error {
            Some(error @ wire::Error::Refused(_)) => Some(error.label()),
            _ => None,
        }
    }
}

/// QUIC, TCP, membership, source address, clock.
pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let names = [QUIC, TCP, MEMBER, SOURCE, CLOCK];
    let all = |status: Status, label: &str| names.map(|name| Check::of(name, status, label, "")).to_vec();
    let Some(config) = patient.config() else { return all(Status::Skipped, super::NO_CONFIG) };
    let Some(anchors) = config.center.anchors.as_deref() else {
        return all(Status::Skipped, super::NO_CONFIG);
    };
    let tls = std::fs::read(anchors)
        .map_err(|_| "center-anchors")
        .and_then(|pem| ClientTls::new(&pem, config.center.tls_name()).map_err(|_| "center-anchors"));
    let tls = match tls {
        Ok(tls) => tls,
        Err(label) => {
            let mut out = all(Status::Unknown, super::BEFORE);
            out.insert(0, Check::fail(QUIC, label, ""));
            out.remove(1);
            return out;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return all(Status::Unknown, "no-runtime") };
    let (quic, tcp) = runtime.block_on(async {
        let knock = |transport| knock(config, tls.clone(), transport);
        tokio::join!(knock(Transport::Quic), knock(Transport::Tcp))
    });
    judge(config, &quic, &tcp)
}

async fn knock(config: &NodeConfig, tls: ClientTls, transport: Transport) -> Heard {
    let center = &config.center;
    let timing = Timing { connect: PATIENCE, ..Timing::default() };
    let connector = Connector::new(tls, center.address.host(), center.address.port(), &center.code)
        .transport(transport)
        .timing(timing)
        .bind(center.source_address);
    let knock = Arc::new(Knock { member: config.party.code.as_str().to_owned(), time: Mutex::default() });
    let began = Instant::now();
    let result = connector.connect(Arc::clone(&knock) as Arc<dyn Credentials>).await;
    let took = began.elapsed();
    let time = *knock.time.lock().unwrap_or_else(PoisonError::into_inner);
    let error = match result {
        Ok(connected) => {
            connected.connection.close().await;
            None
        }
        // Our own refusal to log in: everything before it went well.
        Err(wire::Error::Credential(_)) => None,
        Err(error) => Some(error),
    };
    Heard { took, skew: time.map(|time| time.saturating_sub(crate::cli::now())), error }
}

fn judge(config: &NodeConfig, quic: &Heard, tcp: &Heard) -> Vec<Check> {
    let other = |heard: &Heard| heard.reached();
    let only = config.center.transport;
    let mut out = vec![
        way(QUIC, quic, other(tcp), super::QUIC_BLOCKED, only == config::Transport::Tcp),
        way(TCP, tcp, other(quic), super::TCP_BLOCKED, only == config::Transport::Quic),
    ];
    let said = [quic, tcp].into_iter().find(|heard| heard.reached());
    let Some(said) = said else {
        out.extend([MEMBER, SOURCE, CLOCK].map(|name| Check::unknown(name, super::BEFORE, "")));
        return out;
    };
    let refusal = said.refusal();
    let not_member = refusal
        .filter(|label| [refusal::MEMBER_UNKNOWN.name, refusal::MEMBER_SUSPENDED.name].contains(label));
    let not_here = refusal.filter(|label| *label == refusal::ADDRESS_NOT_REGISTERED.name);
    out.push(match (not_member, refusal) {
        (Some(label), _) => Check::fail(MEMBER, label, config.party.code.as_str()),
        (None, Some(label)) if not_here.is_none() => Check::unknown(MEMBER, label, ""),
        _ => Check::ok(MEMBER, format!("{} 為會員", config.party.code)).shared("為會員"),
    });
    let from = config.center.source_address.map(|address| address.to_string());
    out.push(match (not_here, refusal) {
        (Some(label), _) => Check::fail(SOURCE, label, from.as_deref().unwrap_or_default()),
        (None, Some(_)) => Check::unknown(SOURCE, super::BEFORE, ""),
        (None, None) => {
            let detail = from.map_or_else(
                || "與登記的固定位址相符".to_owned(),
                |from| format!("{from}，與登記的固定位址相符"),
            );
            Check::ok(SOURCE, detail).shared("與登記的固定位址相符")
        }
    });
    out.push(match said.skew {
        None => Check::unknown(CLOCK, super::BEFORE, ""),
        Some(skew) if skew.abs() > MAX_SKEW => Check::fail(CLOCK, crate::link::CLOCK_SKEW, &difference(skew)),
        Some(skew) => Check::ok(CLOCK, difference(skew)),
    });
    out
}

fn way(name: Name, heard: &Heard, other_works: bool, blocked: &str, unused: bool) -> Check {
    match &heard.error {
        _ if unused => Check::skipped(name, super::ONE_CARRIER),
        None | Some(wire::Error::Refused(_)) => {
            Check::ok(name, format!("可連線（{} 毫秒）", heard.took.as_millis()))
        }
        Some(error @ wire::Error::Unreachable { .. }) if other_works => {
            Check::fail(name, blocked, "").shared(format!("{blocked} [{}]", error.label()))
        }
        Some(error) => Check::fail(name, error.label(), "").shared(error.label()),
    }
}

/// The difference of the clocks in words.
fn difference(skew: i64) -> String {
    let seconds = skew.abs() / 1000;
    match (seconds, skew > 0) {
        (0, _) => "與交換中心相差不到 1 秒".to_owned(),
        (_, true) => format!("比交換中心慢 {seconds} 秒"),
        (_, false) => format!("比交換中心快 {seconds} 秒"),
    }
}

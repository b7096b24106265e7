//! Where the command line reads from: the running service; where none runs, the state folder itself, read-only.

use std::path::{Path, PathBuf};

use config::NodeConfig;
use store::Store;

use super::client::{Client, escaped};
use super::exit;
use super::failure::Failure;
use crate::api::outcome::{self, Asked};
use crate::api::read::{self, Query};
use crate::api::view::{Calendar, Document, InRow, OutRow, Outcomes, Overview, Page};
use crate::api::{Party, overview};

/// Where settings are looked for when `--config` is not given.
const PLACES: [&str; 2] = ["di-node.toml", "/etc/di-node/di-node.toml"];

/// The settings and the file they came from.
///
/// # Errors
/// No file, or a wrong one.
pub(crate) fn settings(given: Option<&Path>) -> Result<(NodeConfig, PathBuf), Failure> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => PLACES.iter().map(PathBuf::from).find(|p| p.exists()).ok_or_else(|| {
            let what = format!("找不到設定檔（{}）", PLACES.join("、"));
            Failure::new(exit::CONFIG, "config-unreadable", what)
        })?,
    };
    match config::load::<NodeConfig>(&path) {
        Ok(settings) => Ok((settings, path)),
        Err(error) => {
            let what = if error.notes().is_empty() {
                format!("設定檔「{}」無法讀取", path.display())
            } else {
                format!("設定檔「{}」有誤", path.display())
            };
            let failure = Failure::new(exit::CONFIG, error.label(), what);
            Err(if error.notes().is_empty() {
                failure.because(SourceOf(error))
            } else {
                failure.block(error.to_string())
            })
        }
    }
}

/// Shows only what is behind an error: its own sentence has been said.
#[derive(Debug)]
struct SourceOf(config::Error);

impl std::fmt::Display for SourceOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match std::error::Error::source(&self.0) {
            Some(source) => write!(f, "{source}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for SourceOf {}

/// What answers questions.
pub(crate) enum Source {
    /// The running service.
    Service(Client),
    /// The state folder of a node that does not run.
    Folder(Box<(Store, NodeConfig)>),
}

impl Source {
    /// The service of these settings, or their state folder.
    ///
    /// # Errors
    /// Neither is there, or the service is not for us.
    pub(crate) fn open(settings: NodeConfig) -> Result<Self, Failure> {
        if let Some(client) = Client::find(&settings.api.socket)? {
            return Ok(Self::Service(client));
        }
        match Store::open_read_only(&settings.folders.state) {
            Ok(store) => Ok(Self::Folder(Box::new((store, settings)))),
            Err(error @ (store::Error::NotFound(_) | store::Error::Folder { .. })) => {
                let what = format!("節點服務沒有執行，也還沒有資料（{}）", settings.folders.state.display());
                Err(Failure::new(exit::UNAVAILABLE, "service-down", what).because(error))
            }
            Err(error) => Err(Failure::labelled(exit::UNAVAILABLE, error.label()).because(error)),
        }
    }

    /// The node as a whole.
    ///
    /// # Errors
    /// The service's or the store's, as below.
    pub(crate) fn overview(&self) -> Result<Overview, Failure> {
        match self {
            Self::Service(client) => client.get("/v1/status"),
            Self::Folder(held) => {
                let (store, settings) = &**held;
                let code = settings.party.code.to_string();
                let party = Party {
                    code: &code,
                    name: &settings.party.name,
                    center: &settings.center.code,
                    receive_only: settings.receive_only,
                    working_days: settings.outcome.working_days,
                    started_at: None,
                };
                overview(store, &party, None).map_err(failed)
            }
        }
    }

    /// A page of 發文匣.
    ///
    /// # Errors
    /// As [`Source::overview`].
    pub(crate) fn outbox(&self, query: &Query) -> Result<Page<OutRow>, Failure> {
        match self {
            Self::Service(client) => client.get(&format!("/v1/outbox?{}", parameters(query))),
            Self::Folder(held) => read::outbox(&held.0, query).map_err(failed),
        }
    }

    /// A page of 收文匣.
    ///
    /// # Errors
    /// As [`Source::overview`].
    pub(crate) fn inbox(&self, query: &Query) -> Result<Page<InRow>, Failure> {
        match self {
            Self::Service(client) => client.get(&format!("/v1/inbox?{}", parameters(query))),
            Self::Folder(held) => read::inbox(&held.0, query).map_err(failed),
        }
    }

    /// One document with everything.
    ///
    /// # Errors
    /// None or several have this id; or as [`Source::overview`].
    pub(crate) fn document(&self, id: &str) -> Result<Document, Failure> {
        match self {
            Self::Service(client) => client.get(&format!("/v1/documents/{}", escaped(id))),
            Self::Folder(held) => read::document(&held.0, id).map_err(failed),
        }
    }
}

impl Source {
    /// What became of what was sent.
    ///
    /// # Errors
    /// As [`Source::document`].
    pub(crate) fn outcome(&self, asked: &Asked) -> Result<Outcomes, Failure> {
        match self {
            Self::Service(client) => {
                let mut path = format!("/v1/outcome?limit={}&due={}", asked.limit, asked.due);
                for (name, value) in [("id", &asked.id), ("date", &asked.date)] {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", escaped(value)));
                    }
                }
                client.get(&path)
            }
            Self::Folder(held) => {
                let patience = held.1.outcome.working_days;
                outcome::outcome(&held.0, asked, patience, super::now()).map_err(failed)
            }
        }
    }

    /// What is known of working days.
    ///
    /// # Errors
    /// As [`Source::overview`].
    pub(crate) fn calendar(&self) -> Result<Calendar, Failure> {
        match self {
            Self::Service(client) => client.get("/v1/calendar"),
            Self::Folder(held) => crate::api::calendar::view(&held.0, super::now()).map_err(failed),
        }
    }
}

/// A reading's error as a failure of the verb.
pub(crate) fn failed(error: read::Error) -> Failure {
    let label = error.label();
    let code = match label {
        "not-found" | "id-ambiguous" => exit::NOT_FOUND,
        "api-bad-request" => exit::USAGE,
        _ => exit::UNAVAILABLE,
    };
    match error {
        read::Error::Store(error) => Failure::labelled(code, label).because(error),
        other => Failure::new(code, label, format!("{}：{}", crate::words::what(label), other.detail())),
    }
}

fn parameters(query: &Query) -> String {
    let mut text = format!("limit={}", query.limit);
    let mut add = |name: &str, value: &str| text.push_str(&format!("&{name}={}", escaped(value)));
    if let Some(since) = query.since {
        add("since", &since.to_string());
    }
    if let Some(until) = query.until {
        add("until", &until.to_string());
    }
    if !query.states.is_empty() {
        add("state", &query.states.join(","));
    }
    if let Some(before) = &query.before {
        add("before", before);
    }
    text
}

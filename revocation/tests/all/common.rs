//! A host that answers as told, and a chain whose addresses point at it.

use crate::authority::Authority;
use envelope::Certificate;
use revocation::{Checker, Report, Settings};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub const DAY: i64 = 86_400_000;

pub fn run(program: &str, dir: &Path, args: &[&str]) -> Output {
    let output = try_run(program, dir, args);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub fn try_run(program: &str, dir: &Path, args: &[&str]) -> Output {
    let command = Command::new(program).args(args).current_dir(dir).env("LC_ALL", "C.UTF-8").output();
    command.unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"))
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What a host does with a request.
#[derive(Clone)]
pub enum Does {
    /// 200 with this body.
    Gives(Vec<u8>),
    /// 200, an announced length, and this much of it; then the connection ends.
    Announces(u64, Vec<u8>),
    /// 200, chunked, without end.
    Floods,
    /// 200, chunked, a byte every 20 ms.
    Drips,
    /// Nothing at all.
    Hangs,
    /// Not HTTP.
    Babbles,
    /// Another status.
    Says(u16),
    /// 302.
    Sends(String),
    /// Answers an OCSP request by openssl: authority's folder and signer.
    Ocsp(Arc<Authority>, &'static str),
}

type Routes = Arc<Mutex<HashMap<String, Does>>>;

pub struct Host {
    pub base: String,
    pub port: u16,
    routes: Routes,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (routes, seen) = (Routes::default(), Arc::new(Mutex::new(Vec::new())));
        let (all, log) = (routes.clone(), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, all.clone(), log.clone()));
            }
        });
        Self { base: format!("http://127.0.0.1:{port}/"), port, routes, seen, task }
    }

    pub fn at(&self, path: &str, does: Does) {
        self.routes.lock().unwrap().insert(path.to_owned(), does);
    }

    /// What was asked for, in order: as in the request line.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn send(mut stream: TcpStream, parts: Vec<Vec<u8>>) {
    for part in parts {
        if stream.write_all(&part).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn serve(mut stream: TcpStream, routes: Routes, log: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut buffer = [0; 4096];
        let Ok(n @ 1..) = stream.read(&mut buffer).await else { return };
        request.extend_from_slice(&buffer[..n]);
        let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap_or(0);
        if request.len() >= end + 4 + length {
            break (head, request[end + 4..].to_vec());
        }
    };
    let asked = head.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(asked.clone());
    let path = asked.rsplit('/').next().unwrap_or_default().to_owned();
    let does = routes.lock().unwrap().get(&path).cloned().unwrap_or(Does::Says(404));
    let ok =
        |length: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match does {
        Does::Gives(body) => send(stream, vec![ok(body.len() as u64).into(), body]).await,
        Does::Announces(length, body) => send(stream, vec![ok(length).into(), body]).await,
        Does::Says(status) => {
            send(stream, vec![format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").into()]).await
        }
        Does::Sends(to) => {
            send(
                stream,
                vec![format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into()],
            )
            .await;
        }
        Does::Babbles => send(stream, vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()]).await,
        Does::Hangs => std::future::pending().await,
        Does::Floods => {
            let block = [b"10000\r\n".as_slice(), &[0x30; 0x10000], b"\r\n"].concat();
            send(stream, [vec![chunked.into()], vec![block; 2_000]].concat()).await;
        }
        Does::Drips => {
            if stream.write_all(chunked.as_bytes()).await.is_err() {
                return;
            }
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            loop {
                beat.tick().await;
                if stream.write_all(b"1\r\n0\r\n").await.is_err() {
                    return;
                }
            }
        }
        Does::Ocsp(authority, signer) => {
            let work = move || authority.ocsp(&length, signer, "-ndays 1");
            let body = tokio::task::spawn_blocking(work).await.unwrap();
            send(stream, vec![ok(body.len() as u64).into(), body]).await;
        }
    }
}

/// Root → authority → leaves, with addresses at `host`.
pub struct World {
    pub dir: tempfile::TempDir,
    pub host: Host,
    pub root: Authority,
    pub ca: Arc<Authority>,
}

impl World {
    pub async fn new() -> Self {
        let host = Host::start().await;
        let dir = tempfile::tempdir().unwrap();
        let root = Authority::root_at(&dir.path().join("root"), &host.base);
        let ca = Arc::new(root.below(&dir.path().join("ca")));
        // The authority's own certificate is asked about too.
        host.at("ca.crl", Does::Gives(root.crl("crl_plain", "")));
        Self { dir, host, root, ca }
    }

    pub fn chain(&self, leaf: &Certificate) -> Vec<Certificate> {
        vec![leaf.clone(), self.ca.cert.clone(), self.root.cert.clone()]
    }

    pub fn settings(&self) -> Settings {
        Settings {
            internal: true,
            timeout: Duration::from_secs(20),
            ..Settings::new(self.dir.path().join("revocation"))
        }
    }

    pub fn checker(&self) -> Running {
        Running::start(self.settings(), now)
    }
}

/// A checker whose background runs.
pub struct Running {
    pub checker: Checker,
    stop: Option<oneshot::Sender<()>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    pub fn start(settings: Settings, clock: fn() -> i64) -> Self {
        let checker = Checker::open(settings, clock).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(checker.clone().run(async {
            let _ = stopped.await;
        }));
        Self { checker, stop: Some(stop), task: Some(task) }
    }

    pub fn check(&self, chain: &[Certificate]) -> Report {
        self.checker.check(chain, now())
    }

    /// Asks again whenever something came, until the report is as wanted.
    pub async fn until(&self, chain: &[Certificate], mut wanted: impl FnMut(&Report) -> bool) -> Report {
        let mut changed = self.checker.changed();
        let asking = async {
            loop {
                let report = self.check(chain);
                if wanted(&report) {
                    return report;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), asking).await {
            Ok(report) => report,
            Err(_) => panic!("{:?}\n{:?}", self.check(chain), self.checker.places()),
        }
    }

    /// Waits until `count` more answers came or failed to come.
    pub async fn after(&self, count: u64) {
        let mut changed = self.checker.changed();
        let begun = *changed.borrow_and_update();
        let enough = changed.wait_for(|n| *n >= begun + count);
        tokio::time::timeout(Duration::from_secs(30), enough).await.unwrap().unwrap();
    }

    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.task.take().unwrap().await.unwrap();
    }
}

/// The label of a chain: `ok`, or why it is refused.
pub fn label(report: &Report) -> &'static str {
    report.error().map_or("ok", envelope::Error::label)
}

/// Nothing is missing any more.
pub fn answered(report: &Report) -> bool {
    label(report) != "revocation-unknown"
}

//! The verbs against a real store, a real socket and the real service loop of the API.

mod proofs;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use store::Store;
use store::outbound::{About, Claim};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Out, call, exit, now};
use crate::api::{Local, Socket, serve, view};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A node's folder with a store that holds one document and a second one with the same bytes.
struct Bench {
    dir: TempDir,
    config: PathBuf,
    store: Option<Store>,
}

const FIRST: [u8; 16] = [0xa1; 16];
const SECOND: [u8; 16] = [0xb2; 16];

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("node.toml");
        std::fs::write(
            &config,
            "[party]\ncode = \"XC12345678\"\nname = \"測試協會\"\n[keys.sign]\nkey = \"k\"\ncertificate = \"c\"\n\
             [[keys.unwrap]]\nkey = \"k\"\ncertificate = \"c\"\n[center]\naddress = \"localhost:1\"\ncode = \"C1\"\n\
             anchors = \"a\"\nreceipt-certificate = [\"r\"]\nregistrar-anchors = \"g\"\n[trust]\nanchors = \"a\"\n",
        )
        .unwrap();
        let store = Store::open(&dir.path().join("state"), now()).unwrap();
        let claim = |id, name: &str| Claim {
            id,
            drop_name: name.to_owned(),
            di_name: name.to_owned(),
            digest: [7; 32],
            size: 10,
            about: About { subject: "有關\u{1b}[2J申請一案".to_owned(), ..About::default() },
            ..Claim::default()
        };
        assert_eq!(store.claim(claim(FIRST, "一.di"), now()).wait().unwrap().duplicate_of, None);
        assert_eq!(store.claim(claim(SECOND, "二.di"), now()).wait().unwrap().duplicate_of, Some(FIRST));
        Self { dir, config, store: Some(store) }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("state/api.sock")
    }

    fn run(&self, args: &[&str]) -> (u8, String) {
        run(&self.config, args)
    }
}

fn run(config: &Path, args: &[&str]) -> (u8, String) {
    let sink = Sink::default();
    let all = ["di-node", "--config"].iter().map(OsString::from);
    let all = all.chain([config.as_os_str().to_owned()]).chain(args.iter().map(OsString::from));
    let code = call(all, &mut Out::to(sink.clone()));
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    (code, text)
}

/// The service's API over the bench's store, in a thread of its own until dropped.
struct Service {
    stop: CancellationToken,
    woken: Arc<AtomicU32>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Service {
    fn start(bench: &mut Bench) -> Self {
        let (stop, woken) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let store = bench.store.take().unwrap();
        let (path, token, counter) = (bench.socket(), stop.clone(), Arc::clone(&woken));
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let socket = Socket::bind(&path).unwrap();
                let local = Local {
                    store,
                    link: Arc::new(|| view::Link {
                        connected: false,
                        reason: view::Reason::of("center-unreachable", "x"),
                        ..view::Link::default()
                    }),
                    card: None,
                    troubles: crate::trouble::Troubles::default(),
                    wake: Arc::new(move || {
                        counter.fetch_add(1, Ordering::SeqCst);
                    }),
                    started_at: now(),
                    code: "XC12345678".to_owned(),
                    name: "測試協會".to_owned(),
                    center: "C1".to_owned(),
                    receive_only: false,
                    working_days: 1,
                };
                tell.send(()).unwrap();
                serve(socket, local, token).await;
            });
        });
        told.recv().unwrap();
        Self { stop, woken, thread: Some(thread) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn the_second_press_of_send_is_held_and_released_by_a_person_whose_name_is_kept() {
    let mut bench = Bench::new();
    let service = Service::start(&mut bench);
    let (code, text) = bench.run(&["status"]);
    assert_eq!(code, exit::OK);
    assert!(text.contains("暫停（疑似重複）") && text.contains("待簽章"), "{text}");
    assert!(text.contains("連不上交換中心") && text.contains("處理："), "{text}");
    let (_, text) = bench.run(&["status", "--state", "暫停", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["outbox"].as_array().unwrap().len(), 1);
    assert_eq!(json["outbox"][0]["duplicate_of"], "a1".repeat(16));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));

    let (code, text) = bench.run(&["release", "b2", "--reason", "對方要求再送", "--actor", "王小明"]);
    assert_eq!(code, exit::OK);
    assert!(text.contains("待簽章"), "{text}");
    assert_eq!(service.woken.load(Ordering::SeqCst), 1, "the loop must be told");
    // Twice is once too often, and says so.
    assert_eq!(bench.run(&["release", "b2", "--reason", "再按一次"]).0, exit::FAILED);
    let (_, text) = bench.run(&["show", "b2", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    let released = json["history"].as_array().unwrap().iter().find(|e| e["event"] == "released").unwrap();
    assert!(released["actor"].as_str().unwrap().starts_with("王小明 (uid "), "{released}");
    assert_eq!(released["detail"], "對方要求再送");

    assert_eq!(bench.run(&["abandon", "b2", "--reason", "重複"]).0, exit::OK);
    let (_, text) = bench.run(&["show", "b2"]);
    assert!(text.contains("已放棄") && text.contains("承辦人放棄"), "{text}");
    assert!(!text.contains("檢查不合"), "{text}");
    assert!(bench.run(&["status", "--state", "已放棄"]).1.contains("b2b2b2b2"));
    assert!(!bench.run(&["status", "--state", "未送出"]).1.contains("b2b2b2b2"));
    // A pause is told with the person's reason, also where the document already waited for something.
    assert_eq!(bench.run(&["hold", "a1", "--reason", "等核示"]).0, exit::OK);
    for args in [&["status"][..], &["show", "a1"]] {
        let (_, text) = bench.run(args);
        assert!(text.contains("暫停") && text.contains("等核示"), "{text}");
        assert!(!text.contains("等候與交換中心連線"), "{text}");
    }
    assert_eq!(bench.run(&["status", "--since", "2026-11-22", "--until", "2026-11-21"]).0, exit::USAGE);
    assert_eq!(bench.run(&["lint", "no-such-file.di"]).0, exit::UNREADABLE);
    // Nobody acts in the node's own name.
    assert_eq!(bench.run(&["hold", "a1", "--reason", "冒名", "--actor", "node"]).0, exit::FAILED);
}

#[test]
fn without_a_service_reading_works_and_orders_say_what_to_do() {
    let mut bench = Bench::new();
    drop(bench.store.take());
    let (code, text) = bench.run(&["status"]);
    assert_eq!(code, exit::OK);
    assert!(text.contains("服務未執行") && text.contains("暫停（疑似重複）"), "{text}");
    assert!(!text.contains('\u{1b}'), "what came from outside must not steer the terminal");
    let (code, text) = bench.run(&["show", "a1a1"]);
    assert_eq!(code, exit::OK);
    assert!(text.contains("自資料夾收下"), "{text}");
    assert_eq!(bench.run(&["show", "ffff"]).0, exit::NOT_FOUND);
    assert_eq!(bench.run(&["show", "沒有這個檔.di"]).0, exit::NOT_FOUND);
    assert_eq!(bench.run(&["hold", "a1", "--reason", "等核示"]).0, exit::UNAVAILABLE);
    assert_eq!(bench.run(&["export", "a1", "-o", "x"]).0, exit::FAILED, "not signed yet");
    assert_eq!(bench.run(&["status", "--since", "明天"]).0, exit::USAGE);
    assert_eq!(bench.run(&["status", "--state", "已讀"]).0, exit::USAGE);
    let yesterday = bench.run(&["status", "--until", "昨天"]).1;
    assert!(yesterday.contains("發文匣：沒有公文"), "{yesterday}");
}

#[test]
fn a_missing_folder_or_configuration_is_said_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&dir.path().join("none.toml"), &["status"]).0, exit::CONFIG);
    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "[partie]\n").unwrap();
    assert_eq!(run(&bad, &["status"]).0, exit::CONFIG);
    let bench = Bench::new();
    let text = std::fs::read_to_string(&bench.config).unwrap();
    let fresh = dir.path().join("node.toml");
    std::fs::write(&fresh, text).unwrap();
    assert_eq!(run(&fresh, &["status"]).0, exit::UNAVAILABLE);
    assert!(!dir.path().join("state").exists(), "looking must not make anything");
}

#[test]
fn pages_end_and_nothing_is_left_out() {
    let mut bench = Bench::new();
    let store = bench.store.as_ref().unwrap();
    for n in 0..60u8 {
        let mut id = [0xc0; 16];
        id[1] = n;
        let claim =
            Claim { id, drop_name: format!("{n}.di"), digest: [n.wrapping_add(100); 32], ..Claim::default() };
        store.claim(claim, now()).wait().unwrap();
    }
    let service = Service::start(&mut bench);
    let listed = |limit: &str| {
        let json: Value =
            serde_json::from_str(&bench.run(&["status", "--json", "--limit", limit]).1).unwrap();
        (json["outbox"].as_array().unwrap().len(), json["more"].as_bool().unwrap())
    };
    assert_eq!(listed("62"), (62, false));
    assert_eq!(listed("61"), (61, true));
    assert_eq!(listed("1000"), (62, false));
    // Page by page through the API itself.
    let client = super::client::Client::find(&bench.socket()).unwrap().unwrap();
    let (mut seen, mut before) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let page: view::Page<view::OutRow> = client.get(&format!("/v1/outbox?limit=7{before}")).unwrap();
        for row in page.documents {
            assert!(seen.insert(row.id));
        }
        let Some(next) = page.next else { break };
        before = format!("&before={next}");
    }
    assert_eq!(seen.len(), 62);
    drop(service);
}

#[test]
fn wrong_requests_are_refused_and_silent_connections_do_not_block() {
    let mut bench = Bench::new();
    let _service = Service::start(&mut bench);
    let _silent: Vec<_> =
        (0..8).map(|_| std::os::unix::net::UnixStream::connect(bench.socket()).unwrap()).collect();
    let client = super::client::Client::find(&bench.socket()).unwrap().unwrap();
    for path in [
        "/v1/outbox?since=x",
        "/v1/outbox?state=never",
        "/v1/outbox?other=1",
        "/v1/nothing",
        "/v1/outbox?before=1",
    ] {
        let refused = client.get::<Value>(path).unwrap_err();
        assert_eq!(refused.label(), "api-bad-request", "{path}");
    }
    let refused = client.get::<Value>("/v1/documents/zz").unwrap_err();
    assert_eq!(refused.label(), "not-found");
    let long = view::Order { actor: "甲".to_owned(), reason: "長".repeat(40_000), ..Default::default() };
    let refused = client.post::<Value>("/v1/documents/a1/hold", &long).unwrap_err();
    assert_eq!(refused.label(), "api-bad-request");
    let health: view::Health = client.get("/v1/health").unwrap();
    assert!(health.ok && !health.connected);
}

#[test]
fn the_service_answers_on_its_own_socket_only_to_its_own_account() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let service = Service::start(&mut bench);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.socket()), 0o600);
    assert_eq!(mode(&bench.dir.path().join("state")), 0o700);
    drop(service);
    assert!(!bench.socket().exists(), "a stopped service leaves no socket");
}

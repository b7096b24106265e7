//! The site of a demonstration: folders, configurations, center and nodes, made with the commands that people use.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Failed;
use super::story::Member;
use super::token::Token;

/// The demonstration's center.
pub(super) const CENTER: &str = "DEMO-CENTER";
const STOP_WITHIN: Duration = Duration::from_secs(20);
const UP_WITHIN: Duration = Duration::from_secs(20);

/// Where everything lies, and what runs.
pub(super) struct Site {
    dir: PathBuf,
    own: bool,
    di_node: PathBuf,
    di_center: PathBuf,
    running: Vec<Running>,
    /// Where the keys of one member are, instead of in files.
    token: Option<(&'static str, Token)>,
}

struct Running {
    name: String,
    child: Child,
}

impl Site {
    /// An empty place: `keep`, or a temporary folder that goes away with the site.
    pub(super) fn new(keep: Option<&Path>) -> Result<Self, Failed> {
        let di_node = std::env::current_exe().map_err(|e| Failed::io("找不到自己的程式檔", e))?;
        let di_center = di_node.with_file_name("di-center");
        if !di_center.is_file() {
            return Err(Failed::new(format!(
                "{} 不存在；展示需要 di-center 與 di-node 放在同一資料夾（make build 會放在 target/release）",
                di_center.display()
            )));
        }
        let (dir, own) = match keep {
            Some(dir) => (dir.to_owned(), false),
            None => (std::env::temp_dir().join(format!("di-demo-{}", std::process::id())), true),
        };
        // Private keys will lie here. Somebody else's folder of that name is not taken over.
        let made = fs::DirBuilder::new().recursive(!own).mode(0o700).create(&dir);
        made.map_err(|e| Failed::io(&format!("建立展示資料夾 {}", dir.display()), e))?;
        if fs::read_dir(&dir).map_err(|e| Failed::io("讀取展示資料夾", e))?.next().is_some() {
            return Err(Failed::new(format!("{} 不是空的；請給一個新的資料夾", dir.display())));
        }
        let dir = fs::canonicalize(dir).map_err(|e| Failed::io("讀取展示資料夾", e))?;
        Ok(Self { dir, own, di_node, di_center, running: Vec::new(), token: None })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    /// From now on this member's keys are on a token.
    pub(super) fn on_token(&mut self, member: &Member, token: Token) {
        self.token = Some((member.code, token));
    }

    /// A member's command as a person types it: with the token in sight and the PIN on standard input, where it has one.
    pub(super) fn by_hand(&self, member: &Member, command: &str) -> String {
        self.token_of(member.code).map_or_else(|| command.to_owned(), |token| token.by_hand(command))
    }

    fn token_of(&self, member: &str) -> Option<&Token> {
        self.token.as_ref().filter(|(code, _)| *code == member).map(|(_, token)| token)
    }

    pub(super) fn config_of(&self, member: &Member) -> PathBuf {
        self.dir.join(format!("node-{}.toml", member.code))
    }

    pub(super) fn folder_of(&self, member: &Member, name: &str) -> PathBuf {
        self.dir.join(format!("node-{}", member.code)).join(name)
    }

    /// Writes `center.toml`, lets `di-center init` make the rest, and starts it.
    pub(super) fn center(&mut self) -> Result<(), Failed> {
        let port = free_port().map_err(|e| Failed::io("找一個空的連接埠", e))?;
        let text = format!(
            "# 展示用的交換中心設定\ncode = \"{CENTER}\"\nlisten = \"127.0.0.1:{port}\"\ndata = \"center\"\n\n\
             [tls]\ncertificate = \"pki/center-tls.crt.pem\"\nkey = \"pki/center-tls.key.pem\"\n\n\
             [receipt]\nkey = \"pki/center-receipt.key.pem\"\ncertificate = \"pki/center-receipt.crt.pem\"\n\n\
             [trust]\nanchors = \"pki/anchors.pem\"\nregistrar-anchors = \"pki/registrar.crt.pem\"\n"
        );
        fs::write(self.center_config(), text).map_err(|e| Failed::io("寫 center.toml", e))?;
        self.di_center(["init"])?;
        let mut command = Command::new(&self.di_center);
        command.arg("--config").arg(self.center_config()).arg("run");
        self.start("center", command)?;
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            self.all_alive()?;
            if start.elapsed() > UP_WITHIN {
                return Err(Failed::new("交換中心沒有開始接受連線"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn center_config(&self) -> PathBuf {
        self.dir.join("center.toml")
    }

    /// `di-node setup` by the member, the registrar's countersignature, `di-center member add`.
    pub(super) fn enrol(&self, member: &Member) -> Result<(), Failed> {
        let pki = |name: &str| self.pki().join(name).into_os_string();
        let own = |ending: &str| pki(&format!("{}.{ending}.pem", member.code));
        let entry = self.dir.join(format!("pki/{}.entry", member.code));
        let registration = self.dir.join(format!("pki/{}.registration", member.code));
        let center = fs::read_to_string(self.center_config()).map_err(|e| Failed::io("讀 center.toml", e))?;
        let address =
            center.split("listen = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let mut setup = Command::new(&self.di_node);
        setup.arg("setup").args(["--code", member.code, "--name", member.name]);
        let token = self.token_of(member.code);
        let keys = match token {
            None => vec![
                ("--sign-key", own("sign.key")),
                ("--sign-cert", own("sign.crt")),
                ("--enc-key", own("enc.key")),
                ("--enc-cert", own("enc.crt")),
            ],
            Some(token) => vec![
                ("--pkcs11", token.module.clone().into_os_string()),
                ("--token", token.label.clone().into()),
                ("--pin-fd", "0".into()),
            ],
        };
        for (flag, value) in keys {
            setup.arg(flag).arg(value);
        }
        for (flag, value) in [
            ("--anchors", pki("anchors.pem")),
            ("--center", address.into()),
            ("--center-code", CENTER.into()),
            ("--center-anchors", pki("center-ca.pem")),
            ("--center-receipt-cert", pki("center-receipt.crt.pem")),
            ("--registrar-anchors", pki("registrar.crt.pem")),
            ("--root", format!("node-{}", member.code).into()),
            ("--output", self.config_of(member).into_os_string()),
            ("--entry-out", entry.clone().into_os_string()),
        ] {
            setup.arg(flag).arg(value);
        }
        finish_with(setup, &format!("設定 {}", member.name), token)?;
        self.di_center([
            OsStr::new("registrar"),
            OsStr::new("countersign"),
            OsStr::new("--key"),
            &pki("registrar.key.pem"),
            OsStr::new("--cert"),
            &pki("registrar.crt.pem"),
            entry.as_os_str(),
            OsStr::new("-o"),
            registration.as_os_str(),
        ])?;
        self.di_center([
            OsStr::new("member"),
            OsStr::new("add"),
            OsStr::new(member.code),
            OsStr::new("--address"),
            OsStr::new("127.0.0.1"),
            OsStr::new("--registration"),
            registration.as_os_str(),
        ])
    }

    /// Starts a member's node.
    pub(super) fn node(&mut self, member: &Member) -> Result<(), Failed> {
        let mut command = Command::new(&self.di_node);
        command.arg("--config").arg(self.config_of(member)).arg("run");
        self.start(member.code, command)
    }

    /// `di-node --config … ARGS` of a member; gives what it printed.
    pub(super) fn di_node(&self, member: &Member, args: &[&OsStr]) -> Result<String, Failed> {
        let mut command = Command::new(&self.di_node);
        command.arg("--config").arg(self.config_of(member)).args(args);
        finish_with(
            command,
            &format!("di-node {}", args.join(OsStr::new(" ")).display()),
            self.token_of(member.code),
        )
    }

    fn di_center<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<(), Failed> {
        let mut command = Command::new(&self.di_center);
        command.arg("--config").arg(self.center_config()).args(args);
        finish(command, "di-center").map(drop)
    }

    fn start(&mut self, name: &str, mut command: Command) -> Result<(), Failed> {
        let logs = self.dir.join("log");
        let log = fs::create_dir_all(&logs).and_then(|()| fs::File::create(logs.join(format!("{name}.log"))));
        let log = log.map_err(|e| Failed::io("建立紀錄檔", e))?;
        let other = log.try_clone().map_err(|e| Failed::io("建立紀錄檔", e))?;
        command.stdin(Stdio::null()).stdout(log).stderr(other);
        let token = self.token_of(name);
        if let Some(token) = token {
            token.show(&mut command);
        }
        let child = command.spawn().and_then(|mut child| {
            token.map_or(Ok(()), |token| token.tell(&mut child))?;
            Ok(child)
        });
        let child = child.map_err(|e| Failed::io(&format!("啟動 {name}"), e))?;
        self.running.push(Running { name: name.to_owned(), child });
        Ok(())
    }

    /// An error with the end of its log if a program is gone.
    pub(super) fn all_alive(&mut self) -> Result<(), Failed> {
        let dir = self.dir.join("log");
        for running in &mut self.running {
            if let Ok(Some(status)) = running.child.try_wait() {
                let log = tail(&dir.join(format!("{}.log", running.name)));
                return Err(Failed::new(format!("{} 結束了（{status}）。紀錄的結尾：\n{log}", running.name)));
            }
        }
        Ok(())
    }

    /// Asks all programs to end, nodes first, and waits for them.
    pub(super) fn stop(&mut self) -> Result<(), Failed> {
        let mut result = Ok(());
        while let Some(mut running) = self.running.pop() {
            if let Err(failed) = stop(&mut running) {
                result = Err(failed);
            }
        }
        result
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for running in &mut self.running {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if self.own {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn stop(running: &mut Running) -> Result<(), Failed> {
    let pid = i32::try_from(running.child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let start = Instant::now();
    loop {
        match running.child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(Failed::new(format!("{} 沒有正常結束（{status}）", running.name)));
            }
            Ok(None) if start.elapsed() < STOP_WITHIN => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = running.child.kill();
                let _ = running.child.wait();
                return Err(Failed::new(format!("{} 要求停止後沒有結束", running.name)));
            }
        }
    }
}

/// Runs a command to its end; what it printed, or an error with what it said.
fn finish(command: Command, what: &str) -> Result<String, Failed> {
    finish_with(command, what, None)
}

/// As [`finish`], with a token and its PIN.
fn finish_with(mut command: Command, what: &str, token: Option<&Token>) -> Result<String, Failed> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(token) = token {
        token.show(&mut command);
    }
    let output = command.spawn().and_then(|mut child| {
        if let Some(token) = token {
            // Who does not ask for the PIN may be gone already.
            let _ = token.tell(&mut child);
        }
        child.wait_with_output()
    });
    let output = output.map_err(|e| Failed::io(what, e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failed::new(format!("{what}（{}）：{}", output.status, said.trim())))
}

/// A port that is free for TCP and UDP at this moment. Not one of those that the system gives to outgoing connections: the
/// center is stopped and started again on it, and such a connection could have it meanwhile.
fn free_port() -> std::io::Result<u16> {
    let free = |port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map(|_| port)
    };
    let mut last = None;
    for _ in 0..1_000 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|e| std::io::Error::other(e.to_string()))?;
        match free(10_000 + u16::from_ne_bytes(random) % 20_000) {
            Ok(port) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}

/// The last two kilobytes of a log.
fn tail(log: &Path) -> String {
    let read = fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2_048)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    read.map_or_else(|e| e.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

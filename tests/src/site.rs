//! A site as people have it: one center and three nodes as real processes over what `di-node demo --keep` left.
//!
//! Used by the tests that measure or kill processes, and by `bench`.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A kept demo: keys, configurations and folders.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where everything lies.
    pub dir: PathBuf,
    /// Member codes, the sender first.
    pub codes: Vec<String>,
    bins: PathBuf,
}

impl Site {
    /// Makes one with the binaries of `bins`.
    ///
    /// # Panics
    /// If the demo does not end well; its output is in the message.
    #[must_use]
    pub fn make(dir: &Path, bins: &Path) -> Self {
        Self::demo(dir, bins, None)
    }

    /// Makes one whose sender has its keys on a SoftHSM token. Start that node with [`Site::token`].
    ///
    /// # Panics
    /// If the demo does not end well; its output is in the message.
    #[must_use]
    pub fn make_with_token(dir: &Path, bins: &Path, softhsm: &Path) -> Self {
        let site = Self::demo(dir, bins, Some(softhsm));
        // The demo gives the PIN by a pipe; a node that is started again and again reads it from a file.
        let sender = site.codes.first().expect("the demo has members");
        let (pin, config) = (site.dir.join("token.pin"), site.config(sender));
        let private = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&pin);
        private.and_then(|mut file| file.write_all(b"246802")).expect("PIN file");
        let text = fs::read_to_string(&config).expect("settings");
        let text = text.replace("pin-fd = 0", &format!("pin-file = {:?}", pin.display().to_string()));
        fs::write(config, text).expect("settings");
        site
    }

    /// What shows a node the token of [`Site::make_with_token`].
    #[must_use]
    pub fn token(&self) -> Vec<(OsString, OsString)> {
        vec![("SOFTHSM2_CONF".into(), self.dir.join("softhsm/softhsm2.conf").into())]
    }

    fn demo(dir: &Path, bins: &Path, token: Option<&Path>) -> Self {
        let keep = dir.join("site");
        let output = Command::new(bins.join("di-node"))
            .args(["demo", "--keep"])
            .arg(&keep)
            .args(token.iter().flat_map(|module| [Path::new("--pkcs11"), module]))
            .stdin(Stdio::null())
            .output()
            .expect("di-node starts");
        assert!(output.status.success(), "demo: {}", String::from_utf8_lossy(&output.stderr));
        let mut codes: Vec<String> = fs::read_dir(&keep)
            .expect("kept folder")
            .filter_map(|e| e.expect("entry").file_name().into_string().ok())
            .filter_map(|n| Some(n.strip_prefix("node-")?.strip_suffix(".toml")?.to_owned()))
            .collect();
        codes.sort();
        Self { dir: keep, codes, bins: bins.to_owned() }
    }

    /// The same site, run by the programs of another folder.
    #[must_use]
    pub fn run_by(&self, bins: &Path) -> Self {
        Self { bins: bins.to_owned(), ..self.clone() }
    }

    /// The folder of its programs.
    #[must_use]
    pub fn bins(&self) -> &Path {
        &self.bins
    }

    /// Starts the center.
    #[must_use]
    pub fn center(&self) -> Process {
        self.center_under(&[])
    }

    /// Starts the center behind another program, which gets its command line: `strace …`.
    #[must_use]
    pub fn center_under(&self, wrapper: &[OsString]) -> Process {
        let mut command = self.command(wrapper, "di-center");
        Process::start(
            "center",
            command.arg("--config").arg(self.dir.join("center.toml")).arg("run"),
            &self.dir,
        )
    }

    /// Starts the center with more in its environment.
    #[must_use]
    pub fn center_in(&self, environment: Vec<(OsString, OsString)>) -> Process {
        let mut command = Command::new(self.bins.join("di-center"));
        command.arg("--config").arg(self.dir.join("center.toml")).arg("run").envs(environment);
        Process::start("center", &mut command, &self.dir)
    }

    /// Starts a member's node.
    #[must_use]
    pub fn node(&self, code: &str) -> Process {
        self.node_in(code, Vec::new())
    }

    /// Starts a member's node with more in its environment.
    #[must_use]
    pub fn node_in(&self, code: &str, environment: Vec<(OsString, OsString)>) -> Process {
        self.node_under(code, &[], environment)
    }

    /// The same behind another program.
    #[must_use]
    pub fn node_under(
        &self,
        code: &str,
        wrapper: &[OsString],
        environment: Vec<(OsString, OsString)>,
    ) -> Process {
        let mut command = self.command(wrapper, "di-node");
        let command = command.arg("--config").arg(self.config(code)).arg("run").envs(environment);
        Process::start(code, command, &self.dir)
    }

    fn command(&self, wrapper: &[OsString], program: &str) -> Command {
        let program = self.bins.join(program);
        let Some((first, rest)) = wrapper.split_first() else { return Command::new(program) };
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }

    /// Sets `key` in `[table]` of a settings file (`node-CODE.toml`, `center.toml`) in which it is not set.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn set(&self, file: &str, table: &str, key: &str, value: &str) {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path).expect("settings");
        let header = format!("[{table}]\n");
        let text = if text.contains(&header) {
            text.replacen(&header, &format!("{header}{key} = {value}\n"), 1)
        } else {
            format!("{text}\n{header}{key} = {value}\n")
        };
        fs::write(path, text).expect("settings");
    }

    /// A member's settings.
    #[must_use]
    pub fn config(&self, code: &str) -> PathBuf {
        self.dir.join(format!("node-{code}.toml"))
    }

    /// Moves a member's keys from files to the card that is in the reader, as a person would: new settings by
    /// `di-node setup`, the registrar countersigns, the center takes the new entry (number 2). The files of the keys
    /// stay where they are, unused. Neither center nor node should run.
    ///
    /// # Panics
    /// If a command of it fails.
    pub fn change_to_card(&self, code: &str, module: &Path, pin: &str, environment: &[(OsString, OsString)]) {
        let pin_file = self.dir.join("pki").join(format!("{code}.pin"));
        let private = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&pin_file);
        private.and_then(|mut file| file.write_all(pin.as_bytes())).expect("PIN file");
        let old = fs::read_to_string(self.config(code)).expect("settings");
        let center = fs::read_to_string(self.dir.join("center.toml")).expect("settings");
        fs::remove_file(self.config(code)).expect("settings");
        let value = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"')).expect("a value").to_owned()
        };
        let run = |program: &str, args: &[&str]| {
            let mut command = Command::new(self.bins.join(program));
            command.args(args).current_dir(&self.dir).envs(environment.iter().cloned()).stdin(Stdio::null());
            let output = command.output().expect("program starts");
            let said = [&output.stdout[..], &output.stderr].concat();
            assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&said));
        };
        let (entry, registration) = (format!("pki/{code}.2.entry"), format!("pki/{code}.2.registration"));
        let (module, pin_file) = (module.to_string_lossy(), pin_file.to_string_lossy());
        run(
            "di-node",
            &[
                "setup",
                &format!("--code={code}"),
                &format!("--name={}", value(&old, "name")),
                &format!("--pkcs11={module}"),
                &format!("--pin-file={pin_file}"),
                "--anchors=pki/anchors.pem",
                &format!("--center={}", value(&center, "listen")),
                &format!("--center-code={}", value(&center, "code")),
                "--center-anchors=pki/center-ca.pem",
                "--center-receipt-cert=pki/center-receipt.crt.pem",
                "--registrar-anchors=pki/registrar.crt.pem",
                &format!("--root=node-{code}"),
                &format!("--output=node-{code}.toml"),
                &format!("--entry-out={entry}"),
                "--number=2",
            ],
        );
        let signed = [
            "--key",
            "pki/registrar.key.pem",
            "--cert",
            "pki/registrar.crt.pem",
            &entry,
            "-o",
            &registration,
        ];
        run("di-center", &[&["registrar", "countersign"][..], &signed].concat());
        run("di-center", &["--config", "center.toml", "member", "register", &registration]);
    }

    /// `di-node --config … ARGS`, waited for.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn di_node(&self, code: &str, args: &[&str]) -> std::process::Output {
        Command::new(self.bins.join("di-node"))
            .arg("--config")
            .arg(self.config(code))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("di-node starts")
    }

    /// `di-center --config … ARGS`, waited for.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn di_center(&self, args: &[&str]) {
        let mut command = self.command(&[], "di-center");
        let command = command.arg("--config").arg(self.dir.join("center.toml")).args(args);
        let output = command.stdin(Stdio::null()).output().expect("di-center starts");
        assert!(output.status.success(), "di-center {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A node's folder by its name in the configuration (`drop`, `inbox`, `archive` …).
    #[must_use]
    pub fn folder(&self, code: &str, name: &str) -> PathBuf {
        self.dir.join(format!("node-{code}")).join(name)
    }

    /// A node's local API.
    #[must_use]
    pub fn socket(&self, code: &str) -> PathBuf {
        self.folder(code, "state").join("api.sock")
    }

    /// As [`get`].
    ///
    /// # Errors
    /// As [`get`].
    pub fn get(&self, socket: &Path, path: &str) -> std::io::Result<serde_json::Value> {
        get(socket, path)
    }
}

/// GET over the local API of a node.
///
/// # Errors
/// When nobody listens or the answer is no JSON.
pub fn get(socket: &Path, path: &str) -> std::io::Result<serde_json::Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: local\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(serde_json::from_str(body)?)
}

/// A running program; killed when dropped.
pub struct Process {
    /// For messages.
    pub name: String,
    child: Child,
}

impl Process {
    /// Starts it; what it says goes to `NAME.log` in `dir`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, dir: &Path) -> Self {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join(format!("{name}.log")))
            .expect("log file");
        let other = log.try_clone().expect("log file");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(other).spawn().expect("program starts");
        Self { name: name.to_owned(), child }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Highest resident memory so far, kB (VmHWM).
    ///
    /// # Panics
    /// If the process is gone.
    #[must_use]
    pub fn peak_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("process lives");
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Lets [`Process::peak_kb`] begin anew from what is resident now. Where the system does not allow that, the peak
    /// stays that of the whole life.
    pub fn reset_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.id()), "5");
    }

    /// User and system time so far, ms (in steps of 10).
    ///
    /// # Panics
    /// If the process is gone.
    #[must_use]
    pub fn cpu_ms(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("process lives");
        let after = stat.rsplit_once(')').expect("stat").1;
        let ticks =
            |n: usize| after.split_whitespace().nth(n).and_then(|t| t.parse::<u64>().ok()).expect("ticks");
        (ticks(11) + ticks(12)) * 10
    }

    /// Whether it has ended by itself, or was killed by somebody else.
    ///
    /// # Panics
    /// If the system does not say.
    #[must_use]
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }

    /// Has it stand still (SIGSTOP): it keeps its connections and locks, and answers nobody.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let _ = kill_process(pid, signal);
    }

    /// kill -9.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits for the end.
    ///
    /// # Panics
    /// If it does not end within 30 s.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.signal(Signal::TERM);
        eventually("the program stops", Duration::from_secs(30), || self.child.try_wait().expect("wait"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer, every few milliseconds.
///
/// # Panics
/// After `deadline`, with `what`.
pub fn eventually<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a valid 函 with its roster and attachments into `drop`, the DI last, as a document system does.
/// Returns the names of the attachments.
///
/// # Panics
/// If the folder cannot be written.
#[must_use]
pub fn drop_letter(
    drop: &Path,
    number: &str,
    sender: &str,
    recipients: &[&str],
    attachments: &[(&str, &[u8])],
) -> Vec<String> {
    let recipients: Vec<_> = recipients.iter().map(|code| (*code, true)).collect();
    let named = attachments.iter().enumerate();
    let attachments: Vec<_> =
        named.map(|(n, (ending, bytes))| (format!("{number}_{n}.{ending}"), bytes.to_vec())).collect();
    let names = attachments.iter().map(|(name, _)| name.clone()).collect();
    drop_files(drop, &compose_letter(number, sender, &recipients, attachments)).expect("letter");
    names
}

/// Writes files into `drop` in their order, the last one under another name first: it is the commit mark.
///
/// # Errors
/// If the folder cannot be written.
pub fn drop_files(drop: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let Some(((last, bytes), before)) = files.split_last() else { return Ok(()) };
    for (name, bytes) in before {
        fs::write(drop.join(name), bytes)?;
    }
    let part = drop.join(format!("{last}.part"));
    fs::write(&part, bytes)?;
    fs::rename(part, drop.join(last))
}

/// A valid 函 to recipients with (`true`) or without attachments: the attachments, `NUMBER.sw` and `NUMBER.di`.
#[must_use]
pub fn compose_letter(
    number: &str,
    sender: &str,
    recipients: &[(&str, bool)],
    attachments: Vec<(String, Vec<u8>)>,
) -> Vec<(String, Vec<u8>)> {
    let names: Vec<String> = attachments.iter().map(|(name, _)| name.clone()).collect();
    let (letter, roster) = letter_to(number, sender, recipients, &names, "普通件");
    let mut files = attachments;
    files.extend([
        (format!("{number}.sw"), roster.into_bytes()),
        (format!("{number}.di"), letter.into_bytes()),
    ]);
    files
}

/// The text of a valid 函 with these attachments and this 速別, and of its roster (`NUMBER.sw`).
#[must_use]
pub fn letter(
    number: &str,
    sender: &str,
    recipients: &[&str],
    attachments: &[String],
    priority: &str,
) -> (String, String) {
    let recipients: Vec<_> = recipients.iter().map(|code| (*code, true)).collect();
    letter_to(number, sender, &recipients, attachments, priority)
}

/// [`letter`] to recipients with (`true`) or without attachments.
fn letter_to(
    number: &str,
    sender: &str,
    recipients: &[(&str, bool)],
    attachments: &[String],
    priority: &str,
) -> (String, String) {
    let entity = |(n, name)| format!("<!ENTITY ATTCH{n} SYSTEM \"{name}\" NDATA _X>\r\n");
    let entities: String = attachments.iter().enumerate().map(entity).collect();
    let attached = if attachments.is_empty() {
        "<附件><文字></文字></附件>".to_owned()
    } else {
        let list: Vec<_> = (0..attachments.len()).map(|n| format!("ATTCH{n}")).collect();
        format!("<附件><文字>如文</文字><附件檔名 附件名=\"{}\"/></附件>", list.join(" "))
    };
    let to: String = recipients.iter().map(|(code, _)| format!("<全銜>機關{code}</全銜>")).collect();
    let lines: String = recipients
        .iter()
        .map(|(code, with)| {
            let with = if *with { "含附件" } else { "不含附件" };
            format!("<全銜>機關{code}</全銜><機關代碼>{code}</機關代碼><含附件>{with}</含附件>\r\n")
        })
        .collect();
    let roster = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\">\r\n<交換表單>\r\n{lines}</交換表單>\r\n"
    );
    let letter = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\r\n{entities}<!ENTITY 表單 SYSTEM \"{number}.sw\" NDATA DI>\r\n\
         <!NOTATION DI SYSTEM \"\">\r\n<!NOTATION _X SYSTEM \"\">\r\n]>\r\n<函><發文機關><全銜>機關{sender}</全銜><機關代碼>{sender}</機關代碼></發文機關>\
         <函類別 代碼=\"函\"/><地址>100測試市測試路1號</地址><聯絡方式>承辦人：測試員</聯絡方式><受文者><交換表 交換表單=\"表單\">如正副本行文單位</交換表></受文者>\
         <發文日期><年月日>中華民國115年11月21日</年月日></發文日期><發文字號><字>測字</字><文號><年度>115</年度><流水號>{number}</流水號></文號></發文字號>\
         <速別 代碼=\"{priority}\"/><密等及解密條件或保密期限><密等/><解密條件或保密期限></解密條件或保密期限></密等及解密條件或保密期限>{attached}\
         <主旨><文字>測試第{number}號，請查照。</文字></主旨><段落 段名=\"說明：\"><文字>本件為測試。</文字></段落><正本>{to}</正本><署名>測試長</署名></函>\r\n"
    );
    (letter, roster)
}

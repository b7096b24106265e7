//! A private PC/SC service for a test: Debian's pcscd and the virtual reader's driver vpcd, with a socket and ports of
//! its own, beside whatever else runs on the machine, as any user.
//!
//! pcscd has no option for its socket, but takes one that is handed to it (socket activation): a shell moves ours to
//! descriptor 3 and becomes pcscd. Its clients find it by [`Pcscd::environment`], which a test gives to the processes
//! that it starts and never to itself.

mod watch;

pub use watch::{Line, Watch, hints};

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::virtual_card::VirtualCard;

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// OpenSC's PKCS#11 module, where the linker of any architecture finds it.
const MODULE: &str = "opensc-pkcs11.so";
/// How long the service may take to open its readers.
const DEADLINE: Duration = Duration::from_secs(20);

/// OpenSC takes no other driver than IsoApplet's (it would ask the card for dozens), and keeps nothing on disk.
const OPENSC_CONF: &str = "app default {
  card_drivers = isoApplet;
  framework pkcs15 { use_file_caching = no; }
}
app opensc-pkcs11 {
  pkcs11 { plug_and_play = yes; max_virtual_slots = 16; slots_per_card = 1; create_puk_slot = no; }
}
";

/// The reader's name, unless a test wants another.
pub const READER: &str = "Virtual XCA";

/// The service with one virtual reader, which has two slots: two readers to PC/SC, `Virtual XCA 00 00` and
/// `Virtual XCA 00 01`. (vpcd can do no more in one service.) Dropping it kills it.
pub struct Pcscd {
    dir: tempfile::TempDir,
    child: Option<Child>,
    name: String,
    plugged: bool,
    /// vpcd takes this port and the next.
    port: u16,
}

impl Pcscd {
    /// Starts the service with its reader.
    ///
    /// # Panics
    /// If pcscd or vpcd is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut pcscd = Self::prepare();
        pcscd.run();
        pcscd
    }

    /// Everything but the service itself: its socket is not there yet.
    ///
    /// # Panics
    /// If vpcd is not installed.
    #[must_use]
    pub fn prepare() -> Self {
        assert!(
            Path::new(DRIVER).is_file(),
            "vpcd is not installed: `make deps-test` (package vsmartcard-vpcd)"
        );
        let dir = tempfile::Builder::new().prefix("di-pcscd-").tempdir().expect("temporary folder");
        std::fs::create_dir(dir.path().join("readers")).expect("folder");
        std::fs::write(dir.path().join("opensc.conf"), OPENSC_CONF).expect("file");
        Self { dir, child: None, name: READER.to_owned(), plugged: true, port: free_pair() }
    }

    /// Plugs the reader in or out. The running service does not notice (vpcd's readers are not of the kind that come and
    /// go), but the next one starts with or without.
    pub fn plug_at_next_start(&mut self, plugged: bool) {
        self.plugged = plugged;
    }

    /// Another reader in the place of this one, from the next start on.
    pub fn replace_at_next_start(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// The port of a slot, 0 or 1, for [`VirtualCard::insert`].
    #[must_use]
    pub fn port(&self, slot: u16) -> u16 {
        self.port + slot
    }

    /// Pushes `card` into a slot, 0 or 1, and waits until the service has noticed and powered it.
    ///
    /// # Panics
    /// If a card is in the slot, the card is in a reader already, or the service does not notice.
    pub fn insert(&self, card: &VirtualCard, slot: u16) {
        // Pulled and back before the service looked again, it would never have gone, which no hand can do.
        let reader = format!("{} 00 {slot:02}", self.name);
        Watch::start(self.environment(), Some(&reader)).until("card-absent");
        // The service may just have died with the card in it: the card learns that from its wire, in its own time.
        assert!(card.wait_pulled(DEADLINE), "the card is in a reader already");
        let before = card.counts().resets;
        card.insert(self.port(slot));
        let noticed = card.wait(DEADLINE, |counts| counts.resets > before);
        assert!(noticed, "pcscd does not notice the card:\n{}", self.log());
    }

    /// What a process needs in its environment to talk to this service, and OpenSC to find its settings.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let pair = |name: &str, file: &Path| (name.into(), file.as_os_str().to_owned());
        vec![
            pair("PCSCLITE_CSOCK_NAME", &self.socket()),
            pair("OPENSC_CONF", &self.dir.path().join("opensc.conf")),
        ]
    }

    /// A command that talks to this service.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
    }

    /// The service's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("pcscd.comm")
    }

    /// Starts the service again after [`Pcscd::kill`] or [`Pcscd::stop`]. A card stays in its reader in real life; here
    /// it must be pushed in again.
    ///
    /// # Panics
    /// If it runs already or does not start.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "pcscd runs already");
        // another test may have taken a port between its choice and its use
        for _ in 0..5 {
            if self.try_to_run() {
                return;
            }
            self.kill();
            self.port = free_pair();
        }
        panic!("pcscd does not start:\n{}", self.log());
    }

    fn try_to_run(&mut self) -> bool {
        let (name, port) = (&self.name, self.port);
        let reader = format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:0x{port:04x}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:04x}\n"
        );
        let readers = self.dir.path().join("readers");
        std::fs::write(readers.join("virtual"), if self.plugged { &reader[..] } else { "" }).expect("file");
        let _ = std::fs::remove_file(self.socket());
        let socket = OwnedFd::from(UnixListener::bind(self.socket()).expect("socket"));
        let log = || File::options().create(true).append(true).open(self.log_file()).expect("log");
        let become_pcscd = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec pcscd --foreground -c "$1" 3<&0 0</dev/null"#;
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("/bin/sh")
            .args(["-c", become_pcscd, "pcscd"])
            .arg(readers)
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .stdin(socket)
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("/bin/sh");
        self.child = Some(child);
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) if !self.plugged || self.listens() => return true,
                Some(Ok(None)) => std::thread::sleep(Duration::from_millis(5)),
                _ => return false,
            }
        }
        false
    }

    /// Whether this pcscd, and not somebody else, listens on both ports. Asked without connecting: that would be a card.
    fn listens(&self) -> bool {
        let Some(pid) = self.child.as_ref().map(Child::id) else { return false };
        let ours = sockets_of(pid);
        let listening = listening_ports();
        let by_us = |port| listening.iter().any(|(listens, inode)| *listens == port && ours.contains(inode));
        by_us(self.port) && by_us(self.port + 1)
    }

    /// kill -9, as a crash. The socket's file stays, and nobody answers there.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A proper end, as `systemctl stop pcscd`; its socket goes too.
    ///
    /// # Panics
    /// If it cannot be told to.
    pub fn stop(&mut self) {
        if self.child.is_some() {
            self.tell(Signal::TERM);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// It hangs: its socket takes clients and nobody answers.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        self.tell(Signal::STOP);
    }

    /// It goes on after [`Pcscd::freeze`].
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        self.tell(Signal::CONT);
    }

    fn tell(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        kill_process(pid.expect("pcscd runs"), signal).expect("pcscd is ours");
    }

    /// What the service has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("pcscd.log")
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(20).collect::<Vec<_>>();
            eprintln!("the last of pcscd's log, newest first:\n{}", tail.join("\n"));
        }
    }
}

/// A PC/SC service that hangs up on everybody instead of answering the first request: what polkit's refusal looks like
/// to a client. (Debian 12 builds its pcscd without polkit, other systems with.)
pub struct Refusing {
    dir: tempfile::TempDir,
}

impl Refusing {
    /// Starts it; it ends with the test process.
    ///
    /// # Panics
    /// If there is no temporary folder.
    #[must_use]
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("di-refusing-").tempdir().expect("temporary folder");
        let socket = UnixListener::bind(dir.path().join("pcscd.comm")).expect("socket");
        std::thread::spawn(move || {
            for client in socket.incoming().flatten() {
                // the first request (8 bytes and 12) is there and stays unread: the client's connection is reset
                let until = Instant::now() + Duration::from_secs(1);
                while rustix::io::ioctl_fionread(&client).is_ok_and(|there| there < 20)
                    && Instant::now() < until
                {
                    std::thread::yield_now();
                }
            }
        });
        Self { dir }
    }

    /// As [`Pcscd::environment`].
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![("PCSCLITE_CSOCK_NAME".into(), self.dir.path().join("pcscd.comm").into())]
    }
}

/// The file of OpenSC's PKCS#11 module.
///
/// # Panics
/// If it is not installed.
#[must_use]
pub fn opensc_module() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok).map(|e| e.path());
    let mut places = std::iter::once(PathBuf::from("/usr/lib")).chain(libraries);
    let found = places.find_map(|dir| Some(dir.join(MODULE)).filter(|file| file.is_file()));
    found.expect("OpenSC's module is not installed: `make deps-test` (package opensc-pkcs11)")
}

/// A port that is free, and the next one too. Below those that the system hands out by itself.
fn free_pair() -> u16 {
    use std::net::{Ipv4Addr, TcpListener};
    let mut seed = [0; 2];
    for _ in 0..1000 {
        getrandom::fill(&mut seed).expect("random numbers");
        let port = 20_000 + u16::from_ne_bytes(seed) % 6_000 * 2;
        let free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if free(port) && free(port + 1) {
            return port;
        }
    }
    panic!("no two free ports")
}

/// Ports that somebody listens on, with the socket's inode, from /proc.
fn listening_ports() -> Vec<(u16, u64)> {
    const LISTEN: &str = "0A";
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let line = |line: &str| {
        let field: Vec<_> = line.split_whitespace().collect();
        let (_, port) = field.get(1)?.rsplit_once(':')?;
        (*field.get(3)? == LISTEN).then_some(())?;
        Some((u16::from_str_radix(port, 16).ok()?, field.get(9)?.parse().ok()?))
    };
    tables.iter().flat_map(|table| table.lines().skip(1).filter_map(line)).collect()
}

/// Inodes of the sockets that a process holds.
fn sockets_of(pid: u32) -> Vec<u64> {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

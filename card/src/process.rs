//! The helper process as its parent sees it: start, ask with a deadline, kill, reap.

use crate::error::Error;
use crate::frame;
use crate::protocol::{Reply, Request, VERSION};
use crate::settings::{KEPT, Settings};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running helper. Dropped, it is given a moment to log out and leave, and then killed.
#[derive(Debug)]
pub(crate) struct Process {
    /// Taken away when it can not be reaped in time.
    child: Option<Child>,
    pid: u32,
    socket: UnixStream,
    /// How it ended; nothing is asked any more.
    over: Option<String>,
}

impl Process {
    /// Starts the helper and lets it load the module. Returns the module's description of itself.
    pub(crate) fn start(settings: &Settings) -> Result<(Self, String), Error> {
        let no_start = |e: io::Error| Error::HelperStart { detail: e.to_string() };
        let (program, arguments) = settings
            .helper
            .split_first()
            .ok_or_else(|| Error::HelperStart { detail: "no program is configured".to_owned() })?;
        let (socket, theirs) = UnixStream::pair().map_err(no_start)?;
        // A test build can be told to die in the helper, too.
        let told: &[&str] = if cfg!(feature = "failpoints") { &["DI_FAILPOINT", "DI_PASSED"] } else { &[] };
        let kept =
            KEPT.iter().chain(told).filter_map(|name| std::env::var_os(name).map(|value| (*name, value)));
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(kept)
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // What a vendor's module prints may hold anything, a PIN included.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at a terminal is for us; the helper ends when we have finished with it.
            .process_group(0)
            .spawn()
            .map_err(no_start)?;
        let mut process = Self { pid: child.id(), child: Some(child), socket, over: None };
        let mut path = settings.module.clone();
        if path.as_os_str().as_bytes().contains(&b'/') {
            path = std::path::absolute(&path).unwrap_or(path);
        }
        let module = path.into_os_string().as_bytes().to_vec().into();
        match process.ask("loading", &Request::Load { version: VERSION, module }, settings.deadlines.load)? {
            Reply::Loaded { version: VERSION, library } => Ok((process, library)),
            Reply::Loaded { version, .. } => Err(Error::HelperAnswer {
                detail: format!(
                    "the helper speaks version {version}, this program {VERSION}: restart the service"
                ),
            }),
            Reply::Trouble { during, detail, .. } => {
                Err(Error::Module { detail: format!("{during}: {detail}") })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it can still be asked.
    pub(crate) fn alive(&self) -> bool {
        self.over.is_none()
    }

    /// One request and its reply. After any error but a readable reply the process is gone.
    pub(crate) fn ask(
        &mut self,
        during: &'static str,
        request: &Request,
        deadline: Duration,
    ) -> Result<Reply, Error> {
        if let Some(how) = &self.over {
            return Err(Error::HelperDied { during, how: how.clone() });
        }
        let until = Instant::now() + deadline;
        durable::before("card", durable::Step::Card);
        let answer =
            frame::send(&self.socket, request).and_then(|()| frame::receive(&self.socket, Some(until)));
        let error = match answer {
            Ok(Some(body)) => match frame::decode(&body) {
                Ok(reply) => {
                    durable::after("card", durable::Step::Card);
                    return Ok(reply);
                }
                Err(error) => error,
            },
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Error::Deadline { during, after: deadline },
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Error::HelperAnswer { detail: e.to_string() },
            Ok(None) | Err(_) => Error::HelperDied { during, how: String::new() },
        };
        let how = self.end(matches!(error, Error::HelperDied { .. }));
        tracing::warn!(pid = self.pid(), %how, %error, "card helper ended");
        match error {
            Error::HelperDied { during, .. } => Err(Error::HelperDied { during, how }),
            error => Err(error),
        }
    }

    /// Resident memory, bytes; `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// Kills, unless it is about to end by itself, and reaps. Says how it ended.
    fn end(&mut self, by_itself: bool) -> String {
        if let Some(how) = &self.over {
            return how.clone();
        }
        // Its end of the socket closes a moment before it can be reaped.
        let ended = if by_itself { self.reap(Duration::from_millis(50)) } else { None };
        let how = ended.or_else(|| {
            if let Some(child) = &mut self.child {
                let _ = child.kill();
            }
            self.reap(PATIENCE)
        });
        let how = how.unwrap_or_else(|| {
            // Held by the kernel, a reader's driver perhaps: it is not waited for here.
            if let Some(mut child) = self.child.take() {
                let _ = std::thread::Builder::new().name("reap".to_owned()).spawn(move || child.wait());
            }
            "killed, not gone yet".to_owned()
        });
        self.over = Some(how.clone());
        how
    }

    /// How it ended, if it does within the time.
    fn reap(&mut self, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            match self.child.as_mut()?.try_wait() {
                Ok(Some(status)) => {
                    return Some(match (status.code(), status.signal()) {
                        (Some(code), _) => format!("exit code {code}"),
                        (_, Some(signal)) => format!("signal {signal}"),
                        _ => "ended".to_owned(),
                    });
                }
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) => return None,
                Err(e) => return Some(e.to_string()),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.over.is_none() {
            // It sees the end of the requests, logs out and leaves; its end is the end of the socket.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
            let left = frame::receive(&self.socket, Some(Instant::now() + PATIENCE));
            self.end(matches!(left, Ok(None)));
        }
    }
}

/// A reply that does not answer the request.
pub(crate) fn unexpected(reply: &Reply) -> Error {
    let kind = match reply {
        Reply::Loaded { .. } => "loaded",
        Reply::Tokens { .. } => "tokens",
        Reply::Opened { .. } => "opened",
        Reply::Pin { .. } => "pin",
        Reply::Keys { .. } => "keys",
        Reply::Signature { .. } => "signature",
        Reply::Plain { .. } => "plain",
        Reply::Trouble { .. } => "trouble",
    };
    Error::HelperAnswer { detail: format!("an answer to another question ({kind})") }
}

/// How long a helper may take to log out and leave, and a killed one to be gone.
const PATIENCE: Duration = Duration::from_secs(1);

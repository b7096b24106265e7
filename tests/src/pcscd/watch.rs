//! `card::presence` in a process of its own, whose environment leads it to a private service.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use card::Hint;

/// How long a change may take to be seen.
const DEADLINE: Duration = Duration::from_secs(20);

/// What `card::presence` says, as it comes.
pub struct Watch {
    child: Child,
    lines: Receiver<Line>,
    /// All that was seen, for messages.
    pub seen: Vec<Line>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Line {
    /// The state's label; `card-in` when the card is in.
    pub label: String,
    /// The count of insertions, or `-`.
    pub events: String,
    /// The state in English.
    pub text: String,
}

impl Watch {
    /// Starts to watch, in a process of its own with this environment; all readers, or those of a name.
    ///
    /// # Panics
    /// If `presence-watch` is not built.
    #[must_use]
    pub fn start(environment: Vec<(OsString, OsString)>, reader: Option<&str>) -> Self {
        let mut child = Command::new(crate::binary("presence-watch"))
            .args(reader)
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("presence-watch");
        let out = BufReader::new(child.stdout.take().expect("presence-watch"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let field: Vec<_> = line.split('\t').map(str::to_owned).collect();
                let line = match &field[..] {
                    [_, label, events, text] => {
                        Line { label: label.clone(), events: events.clone(), text: text.clone() }
                    }
                    _ => Line { label: line, events: String::new(), text: String::new() },
                };
                let _ = send.send(line);
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// The next state with this label; states before it are passed over.
    ///
    /// # Panics
    /// If it does not come.
    pub fn until(&mut self, label: &str) -> Line {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.label == label {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("never saw {label}; saw {:#?}", self.seen)
                }
            }
        }
    }

    /// Whether there was a state with this label among those seen.
    #[must_use]
    pub fn ever(&self, label: &str) -> bool {
        self.seen.iter().any(|line| line.label == label)
    }

    /// Ends it, and says how long that took.
    ///
    /// # Panics
    /// If it does not end well.
    #[must_use]
    pub fn stop(mut self) -> Duration {
        let begun = Instant::now();
        drop(self.child.stdin.take());
        self.until("stopped");
        assert!(self.child.wait().expect("presence-watch").success());
        begun.elapsed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells `told` what is seen, as a node's own watcher would; ends with the watch.
#[must_use]
pub fn hints(environment: Vec<(OsString, OsString)>, told: impl Fn(Hint) + Send + 'static) -> Watch {
    let mut watch = Watch::start(environment, None);
    let (_, nothing) = channel();
    let lines = std::mem::replace(&mut watch.lines, nothing);
    std::thread::spawn(move || {
        for line in lines {
            let detail = line.text;
            told(match &line.label[..] {
                "card-in" => Hint::CardIn,
                "card-no-service" => Hint::NoService { detail },
                "card-service-refused" => Hint::Refused { detail },
                "card-no-reader" | "card-reader-missing" => Hint::NoReader,
                "card-absent" | "card-mute" => Hint::NoCard,
                _ => return,
            });
        }
    });
    watch
}

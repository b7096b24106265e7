//! Standard output that survives a closed pipe.

use std::io::{ErrorKind, IsTerminal, Write};

use di_format::display::hidden;

use super::exit;
use super::failure::Failure;

/// Where a verb writes what was asked for. A closed pipe (`di-node status | head -1`) is not an error: the rest is
/// dropped.
pub(crate) struct Out {
    to: Box<dyn Write + Send>,
    colour: bool,
    closed: bool,
}

impl Out {
    /// The process's standard output; coloured only on a terminal, and not where `NO_COLOR` is set.
    pub(crate) fn stdout() -> Self {
        let stdout = std::io::stdout();
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { to: Box::new(stdout), colour, closed: false }
    }

    /// Writes to something else, without colour.
    #[cfg(test)]
    pub(crate) fn to(to: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(to), colour: false, closed: false }
    }

    /// Whether a person at a terminal reads this.
    pub(crate) const fn colour(&self) -> bool {
        self.colour
    }

    /// Writes `text` as it is.
    ///
    /// # Errors
    /// The output cannot be written (disk full behind a redirection); a closed pipe is none.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(e) => Err(Failure::new(exit::CANNOT_CREATE, "output-failed", "無法寫出結果").because(e)),
        }
    }

    /// Writes `text` and a line end.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// Writes `value` as indented JSON and a line end. What could steer a terminal is written as `\u009b`.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Failure::new(exit::INTERNAL, "output-failed", "無法組成 JSON").because(e))?;
        self.line(&harmless(text))
    }
}

/// JSON of the same value without characters that a terminal acts upon: they stand only in strings, where they may be
/// escaped (RFC 8259 §7).
fn harmless(json: String) -> String {
    let steers = |c: char| c != '\n' && hidden(c);
    if !json.contains(steers) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_stays_the_same_value_and_steers_nothing() {
        let value = "一\u{9b}2J\u{202e}\u{e0041}\u{20bb7}\n";
        let json = harmless(serde_json::to_string_pretty(&[value]).unwrap());
        assert!(!json.chars().any(|c| c != '\n' && hidden(c)), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [value]);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let mut out = Out::to(Closed);
        assert!(out.line("一").is_ok());
        assert!(out.line("二").is_ok());
    }
}

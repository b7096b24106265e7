//! Standard output that survives a closed pipe.

use std::io::{ErrorKind, IsTerminal, Write};

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

    /// Writes `value` as indented JSON and a line end.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Failure::new(exit::INTERNAL, "output-failed", "無法組成 JSON").because(e))?;
        self.line(&text)
    }
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
    fn a_closed_pipe_is_no_failure() {
        let mut out = Out::to(Closed);
        assert!(out.line("一").is_ok());
        assert!(out.line("二").is_ok());
    }
}

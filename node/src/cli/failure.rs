//! What a verb could not do, as people read it: what happened, why, what to do, and the label for programs.

use std::error::Error;
use std::io::{IsTerminal, Write};

/// A verb's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    label: String,
    what: String,
    block: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    remedy: Option<String>,
}

impl Failure {
    /// `what` is a whole Chinese sentence without full stop; `label` is looked up in the words for the remedy.
    pub(crate) fn new(code: u8, label: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            code,
            label: label.into(),
            what: what.into(),
            block: String::new(),
            source: None,
            remedy: None,
        }
    }

    /// A failure that the words know by its label: sentence and remedy come from there.
    pub(crate) fn labelled(code: u8, label: &str) -> Self {
        Self::new(code, label, crate::words::what(label))
    }

    /// Adds the error behind it; its causes are printed too.
    #[must_use]
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Lines to be printed as they are below the sentence: a place in a file with its caret.
    #[must_use]
    pub(crate) fn block(mut self, lines: String) -> Self {
        self.block = lines;
        self
    }

    /// Says what to do, instead of what the words say for the label.
    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The stable label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The sentence.
    pub(crate) fn sentence(&self) -> String {
        self.what.clone()
    }

    /// The exit code.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }

    /// The failure as lines: sentence, causes, remedy, label.
    pub(crate) fn render(&self, colour: bool) -> String {
        let (red, bold, off) = if colour { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut text = format!("{red}di-node：{off}{bold}{}{off}\n", self.what);
        if !self.block.is_empty() {
            text.push_str(self.block.trim_end());
            text.push('\n');
        }
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|e| e as &dyn Error);
        let mut last = String::new();
        while let Some(error) = cause {
            let said = error.to_string();
            if said != last {
                let mut lines = said.lines();
                text.push_str(&format!("  原因：{}\n", lines.next().unwrap_or_default()));
                for line in lines {
                    text.push_str(&format!("        {line}\n"));
                }
            }
            last = said;
            cause = error.source();
        }
        let known = crate::words::of(&self.label).map(|w| w.remedy);
        if let Some(remedy) = self.remedy.as_deref().or(known) {
            text.push_str(&format!("  處理：{remedy}\n"));
        }
        text.push_str(&format!("  代號：{}\n", self.label));
        text
    }

    /// Prints on standard error, in colour only on a terminal, and returns the exit code.
    pub(crate) fn report(&self) -> u8 {
        let mut stderr = std::io::stderr();
        let colour = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        // Nobody is left to tell if this fails.
        let _ = stderr.write_all(self.render(colour).as_bytes());
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_what_to_do_and_the_label() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "No such file");
        let failure = Failure::new(78, "x-y", "找不到設定檔").because(io).remedy("用 --config 指定");
        let text = failure.render(false);
        assert_eq!(
            text,
            "di-node：找不到設定檔\n  原因：No such file\n  處理：用 --config 指定\n  代號：x-y\n"
        );
        assert!(failure.render(true).contains('\x1b'));
    }
}

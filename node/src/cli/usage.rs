//! clap's help and usage errors in Chinese.

use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::exit;
use super::out::Out;

const ROOT: &str = "\
{about}

用法：{usage}

命令：
{subcommands}

選項：
{options}{after-help}
";

const GROUP: &str = "\
{about}

用法：{usage}

命令：
{subcommands}

選項：
{options}
";

const LEAF: &str = "\
{about}

用法：{usage}

{all-args}
{after-help}";

/// Gives a command and all below it Chinese headings and help texts.
pub(crate) fn in_chinese(command: clap::Command, root: bool) -> clap::Command {
    let template = match (root, command.has_subcommands()) {
        (true, _) => ROOT,
        (false, true) => GROUP,
        (false, false) => LEAF,
    };
    let mut command =
        command
            .help_template(template)
            .disable_help_flag(true)
            .subcommand_value_name("命令")
            .arg(
                clap::Arg::new("help")
                    .short('h')
                    .long("help")
                    .action(clap::ArgAction::Help)
                    .help("顯示說明")
                    .help_heading("選項"),
            )
            .mut_args(|arg| {
                if arg.is_positional() { arg.help_heading("引數") } else { arg.help_heading("選項") }
            });
    if root {
        command = command.disable_version_flag(true).arg(
            clap::Arg::new("version")
                .short('V')
                .long("version")
                .action(clap::ArgAction::Version)
                .help("顯示版本"),
        );
    }
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |c| in_chinese(c, false));
    }
    command
}

/// `help [VERB …]`, and `help states`.
pub(crate) fn help(verb: &[String], out: &mut Out) -> super::Done {
    if let [one] = verb
        && matches!(one.as_str(), "states" | "狀態")
    {
        let mut table = crate::table::Table::new(&["匣", "狀態", "代號", "意義"]);
        for (kind, state, word, meaning) in crate::words::STATES {
            let kind = if *kind == crate::words::BoxKind::Out { "發文匣" } else { "收文匣" };
            table.row(&[kind, word, state, meaning].map(|s| (*s).to_owned()));
        }
        out.text(&table.render())?;
        return Ok(exit::OK);
    }
    let mut args = vec!["di-node".to_owned()];
    args.extend(verb.iter().cloned());
    args.push("--help".to_owned());
    match super::command().try_get_matches_from(args) {
        Ok(_) => Ok(exit::USAGE),
        Err(error) => Ok(report(&error, out)),
    }
}

/// Prints help to `out`, or a usage error in Chinese to standard error; returns the exit code.
pub(crate) fn report(error: &clap::Error, out: &mut Out) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let text = if out.colour() { text.ansi().to_string() } else { text.to_string() };
            match out.text(&translated(&text)) {
                Ok(()) => exit::OK,
                Err(failure) => failure.report(),
            }
        }
        _ => {
            // Nobody is left to tell if this fails.
            let _ = std::io::stderr().write_all(sentence(error).as_bytes());
            exit::USAGE
        }
    }
}

/// What clap writes in English whatever the template.
fn translated(help: &str) -> String {
    let pairs = [
        ("[OPTIONS]", "[選項]"),
        ("[default: ", "[預設 "),
        ("Possible values:", "可用的值："),
        ("[possible values: ", "[可用的值 "),
        ("選項:", "選項："),
        ("引數:", "引數："),
    ];
    pairs.iter().fold(help.to_owned(), |text, (english, chinese)| text.replace(english, chinese))
}

/// A usage error as a Chinese sentence with what was meant and how to see the usage.
fn sentence(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(s)) => Some(s.clone()),
        Some(ContextValue::Strings(s)) => Some(s.join("、")),
        Some(ContextValue::StyledStr(s)) => Some(s.to_string()),
        _ => None,
    };
    let arg = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UnknownArgument => format!("沒有「{arg}」這個選項"),
        ErrorKind::InvalidSubcommand => {
            format!("沒有「{}」這個命令", text(ContextKind::InvalidSubcommand).unwrap_or_default())
        }
        ErrorKind::MissingRequiredArgument => format!("缺少必要的引數：{arg}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "沒有指定命令".to_owned()
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("「{arg}」需要一個值"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => format!("「{arg}」的值「{value}」不正確"),
        ErrorKind::ArgumentConflict => format!("「{arg}」不能重複，或不能與其他選項並用"),
        ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => {
            format!("「{arg}」的值個數不對")
        }
        ErrorKind::InvalidUtf8 => "引數不是 UTF-8 文字".to_owned(),
        _ => "用法錯誤".to_owned(),
    };
    let mut sentence = format!("di-node：{what}\n");
    if let Some(source) = std::error::Error::source(error) {
        sentence.push_str(&format!("  原因：{source}\n"));
    }
    let suggested = text(ContextKind::SuggestedArg)
        .or_else(|| text(ContextKind::SuggestedSubcommand))
        .or_else(|| text(ContextKind::SuggestedValue));
    if let Some(suggested) = suggested {
        sentence.push_str(&format!("  是否要寫：{suggested}\n"));
    }
    if let Some(valid) = text(ContextKind::ValidValue) {
        sentence.push_str(&format!("  可用的值：{valid}\n"));
    }
    sentence.push_str("  處理：以 di-node --help 或 di-node 命令 --help 查看用法\n  代號：usage\n");
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(args: &[&str]) -> String {
        let error = super::super::command().try_get_matches_from(args).expect_err("must be refused");
        sentence(&error)
    }

    #[test]
    fn usage_errors_are_chinese_and_name_the_culprit() {
        assert!(said(&["di-node", "stauts"]).contains("沒有「stauts」這個命令"));
        assert!(said(&["di-node", "stauts"]).contains("status"));
        assert!(said(&["di-node", "status", "--jsno"]).contains("沒有「--jsno」這個選項"));
        assert!(said(&["di-node", "lint"]).contains("缺少必要的引數"));
        assert!(said(&["di-node"]).contains("沒有指定命令"));
        assert!(said(&["di-node", "demo", "--pace", "x"]).contains("可用的值：fast、slow"));
    }

    #[test]
    fn help_has_no_english_headings() {
        let mut command = super::super::command();
        command.build();
        let mut all = vec![command.render_long_help().to_string()];
        for sub in command.get_subcommands_mut() {
            all.push(sub.render_long_help().to_string());
        }
        for text in all.iter().map(|text| translated(text)) {
            for english in [
                "Usage",
                "OPTIONS",
                "Options",
                "Arguments",
                "Commands",
                "Print help",
                "ossible values",
                "default",
            ] {
                assert!(!text.contains(english), "{english} in:\n{text}");
            }
        }
    }
}

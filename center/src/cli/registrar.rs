//! `di-center registrar …`: the registration key's commands. They need neither the center's machine nor its database.

use super::{commands, print};
use crate::directory::read_anchors;
use crate::error::{Error, Result};
use clap::{Args, Subcommand};
use config::{CenterConfig, KeyFile};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Registrar {
    /// 核對會員自己簽章的登錄資料，加上註冊單位的副署
    Countersign(Countersign),
}

#[derive(Debug, Args)]
pub(super) struct Countersign {
    /// 註冊單位的私密金鑰（PKCS#8），或含金鑰與憑證的 PKCS#12
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// 註冊單位的憑證（PEM 或 DER）；PKCS#12 不必寫
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// 金鑰密碼所在的檔案（第一行）
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// 會員憑證的信任根憑證（PEM）；不寫則取自 --config 的 trust.anchors
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// 會員簽章的登錄資料
    entry: PathBuf,
    /// 副署後的檔案
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(config: &Path, command: &Registrar) -> Result<()> {
    let Registrar::Countersign(options) = command;
    let anchors = match &options.anchors {
        Some(path) => read_anchors(Some(path))?,
        None => read_anchors(config::load::<CenterConfig>(config)?.trust.anchors.as_deref())?,
    };
    let key = crate::read_key(
        &KeyFile {
            key: options.cert.is_some().then(|| options.key.clone()),
            certificate: options.cert.clone(),
            pkcs12: options.cert.is_none().then(|| options.key.clone()),
            passphrase_file: options.passphrase_file.clone(),
            passphrase: None,
        },
        "the registration key",
    )?;
    let entry = std::fs::read(&options.entry).map_err(|e| Error::file("read", &options.entry, e))?;
    let now = crate::now();
    let verified = envelope::directory::verify_entry(&entry, &anchors, now)
        .map_err(Error::envelope("the member's entry"))?;
    let registration = envelope::directory::countersign(&entry, &key, now)
        .map_err(Error::envelope("the registration key"))?;
    commands::write_new(&options.output, &registration)?;
    print(&format!("信箱代碼：{}", verified.code));
    print(&format!("名稱：{}", verified.name));
    print(&format!("登錄編號：{}", verified.number));
    print(&format!("簽章憑證：{}", verified.sign.subject()));
    print(&format!("加密憑證：{}", verified.enc.subject()));
    print(&format!("已副署，存於 {}", options.output.display()));
    Ok(())
}

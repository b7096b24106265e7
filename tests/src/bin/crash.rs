//! `crash BIN-DIR [--points BIN-DIR] [--documents N] [--kills N] [--seed N] [--keep DIR]`: letters, kill -9, and what must hold after.
//!
//! See `tests::crash`. The last line says how it went; anything but zero wrong fails. The folder stays when it fails.

use std::path::PathBuf;
use std::process::ExitCode;

use tests::crash::points::Which;
use tests::crash::{Settings, run, softhsm};

/// Evidence of so many letters is verified; a process for each file takes its time.
const SAMPLE: usize = 300;

fn main() -> ExitCode {
    match whole() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crash: {error}");
            ExitCode::from(2)
        }
    }
}

fn whole() -> Result<bool, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bins = args.next().ok_or("crash BIN-DIR [--documents N] [--kills N] [--seed N] [--keep DIR]")?;
    let (mut documents, mut kills, mut seed, mut keep, mut points) = (300, 60, None, None, None);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--documents" => documents = value.parse()?,
            "--kills" => kills = value.parse()?,
            "--seed" => seed = Some(value.parse()?),
            "--points" => points = Some((PathBuf::from(value), Which::All)),
            "--keep" => keep = Some(PathBuf::from(value)),
            _ => return Err(format!("{flag} is unknown").into()),
        }
    }
    let seed = match seed {
        Some(seed) => seed,
        None => {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
            u64::from(u32::from_le_bytes(bytes))
        }
    };
    println!("SEED={seed} DOCUMENTS={documents} KILLS={kills}");
    let temporary = tempfile::tempdir()?;
    let dir = keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir)?;
    let softhsm = softhsm();
    if softhsm.is_none() {
        println!("SoftHSM is not installed: keys in files, no card helper to kill");
    }
    let settings = Settings {
        bins: PathBuf::from(bins),
        dir,
        softhsm,
        points,
        targets: Vec::new(),
        documents,
        kills,
        seed,
        sample: SAMPLE,
    };
    let tally = run(&settings)?;
    let right = tally.is_right() && tally.documents == documents && tally.kills_random == kills;
    if !right && keep.is_none() {
        println!("everything is kept in {}", temporary.keep().display());
    }
    println!("{tally}");
    Ok(right)
}

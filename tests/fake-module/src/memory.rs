//! What a card remembers of its PIN: a JSON file that survives its readers being killed.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// The memory of a card, and what a test may know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The PIN.
    pub pin: String,
    /// Wrong PINs in a row after which it locks.
    pub tries: u32,
    /// Wrong PINs since the last right one.
    pub wrong: u32,
    /// The most that `wrong` ever was.
    pub most_wrong: u32,
    /// PINs presented, right or wrong.
    pub presented: u64,
}

/// What the card says to a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Right,
    Wrong { left: u32 },
    Locked,
}

impl Memory {
    /// A new card that locks at three.
    #[must_use]
    pub fn new(pin: &str) -> Self {
        Self { pin: pin.to_owned(), tries: 3, wrong: 0, most_wrong: 0, presented: 0 }
    }

    /// Puts it on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        self.store(&mut file)
    }

    /// Reads it.
    ///
    /// # Errors
    /// What the system said.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.lock_shared()?;
        Self::load(&mut file)
    }

    /// Changes it, as the card's issuer could: another PIN, unlocking.
    ///
    /// # Errors
    /// What the system said.
    pub fn change(path: &Path, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        let mut file = File::options().read(true).write(true).open(path)?;
        file.lock()?;
        let mut memory = Self::load(&mut file)?;
        change(&mut memory);
        memory.store(&mut file)
    }

    /// Presents a PIN. The card has counted when this returns.
    pub(crate) fn present(path: &Path, pin: &[u8]) -> io::Result<Said> {
        let mut said = Said::Locked;
        Self::change(path, |card| {
            card.presented += 1;
            if card.wrong >= card.tries {
            } else if card.pin.as_bytes() == pin {
                card.wrong = 0;
                said = Said::Right;
            } else {
                card.wrong += 1;
                card.most_wrong = card.most_wrong.max(card.wrong);
                if card.wrong < card.tries {
                    said = Said::Wrong { left: card.tries - card.wrong };
                }
            }
        })?;
        Ok(said)
    }

    fn load(file: &mut File) -> io::Result<Self> {
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(serde_json::from_str(text.trim_end())?)
    }

    /// One write of always the same length: a reader killed in the middle of it leaves the old or the new.
    fn store(&self, file: &mut File) -> io::Result<()> {
        let text = format!("{:<width$}\n", serde_json::to_string(self)?, width = LENGTH);
        file.rewind()?;
        file.write_all(text.as_bytes())
    }
}

const LENGTH: usize = 255;

//! A command's own look at the card, where no service has it: readers, module, token, certificates, in this order, as
//! far as it goes.

use std::path::Path;
use std::sync::Arc;

use ::card::{Error, Helper, Info, Settings, State, Token, identity, presence};

/// As far as the look went.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What PC/SC sees; `None` where it was not asked.
    pub(crate) readers: Option<presence::Snapshot>,
    /// The helper with the module loaded, or why not; `None` where no module is named.
    pub(crate) helper: Option<Result<Helper, Error>>,
    /// The tokens that the module shows, or why not.
    pub(crate) tokens: Option<Result<Vec<Token>, Error>>,
    /// The one of them that is meant, or why none is.
    pub(crate) token: Option<Result<Token, State>>,
    /// Its certificates, or why they cannot be used.
    pub(crate) info: Option<Result<Arc<Info>, Trouble>>,
}

/// A label with its particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) label: &'static str,
    pub(crate) detail: String,
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        Self { label: error.label(), detail: error.to_string() }
    }
}

impl From<&State> for Trouble {
    fn from(state: &State) -> Self {
        Self { label: state.label(), detail: super::tell::particulars(state) }
    }
}

/// Looks; never at a PIN.
pub(crate) fn look(readers: Option<&presence::Settings>, settings: Option<&Settings>) -> Found {
    let mut found = Found { readers: readers.map(presence::look), ..Found::default() };
    let Some(settings) = settings else { return found };
    let mut helper = match Helper::start(settings) {
        Ok(helper) => helper,
        Err(error) => {
            found.helper = Some(Err(error));
            return found;
        }
    };
    let listed = helper.tokens().map(|listing| listing.tokens);
    if let Ok(tokens) = &listed
        && !tokens.is_empty()
    {
        let token = ::card::the_one(tokens, &settings.choice);
        if let Ok(token) = &token {
            found.info = Some(read(&mut helper, token, &settings.expected));
        }
        found.token = Some(token);
    }
    found.tokens = Some(listed);
    found.helper = Some(Ok(helper));
    found
}

fn read(helper: &mut Helper, token: &Token, expected: &identity::Expected) -> Result<Arc<Info>, Trouble> {
    let info = helper.read(token).map_err(|error| match error {
        // What the card lacks is the card's trouble, not the module's.
        Error::Unusable { what } => Trouble { label: "card-keys", detail: what },
        other => Trouble::from(&other),
    })?;
    match identity::check(&info, expected) {
        Ok(()) => Ok(info),
        Err(what) => Err(Trouble::from(&State::WrongCard { what, info })),
    }
}

/// Whether a module's file can be named to people without its path.
pub(crate) fn file_name(module: &Path) -> String {
    module.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

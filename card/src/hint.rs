//! What someone who watches the readers may tell the supervisor.

/// News of readers and cards. Only a hint: the supervisor looks for itself, and works without any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hint {
    /// A card is in a reader.
    CardIn,
    /// A card was taken out.
    CardOut,
    /// No reader is connected any more.
    NoReader,
    /// A reader is connected, without a card.
    NoCard,
    /// The smart card service is not there.
    NoService {
        /// What PC/SC said.
        detail: String,
    },
    /// The smart card service refuses this user.
    Refused {
        /// What PC/SC said.
        detail: String,
    },
    /// Nothing more will be told; the supervisor has to look for itself.
    Silent,
}

//! The one error of this crate, with its labels and classes.

use crate::key::{KeyError, KeyErrorKind};

/// What a caller may do about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Class {
    /// The same call may succeed a little later.
    Retry,
    /// Someone or something has to change first (a card, a PIN); then the same call may succeed.
    Wait,
    /// The same call on the same bytes fails for ever.
    Permanent,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Fault {
    /// The bytes or the certificate of the other side.
    Peer,
    /// Our own keys, files, disk or arguments.
    Ours,
}

/// Everything that can go wrong in this crate.
///
/// Variants up to [`Error::Untrusted`]'s group speak of what a peer sent; those from [`Error::Key`] on of ourselves
/// ([`Error::fault`] tells them apart). `Display` is English and for logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are not the definite-length DER of our profile.
    #[error("{what} is not well-formed DER of the accepted profile")]
    NotDer {
        /// Which structure.
        what: &'static str,
    },
    /// A number or size over its limit, found before anything was allocated for it.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit of `what` (bytes or a count).
        limit: u64,
    },
    /// A value that is well encoded but means nothing here (a version, an enumerated value, a time).
    #[error("{what} has a value that is not accepted")]
    BadValue {
        /// Which field.
        what: &'static str,
    },

    /// The ZIP container breaks a rule of the profile (DESIGN §2.2).
    #[error("the container is malformed: {what}")]
    ContainerMalformed {
        /// Which rule.
        what: &'static str,
    },
    /// Two entries with one name, or with names that differ in case only.
    #[error("the container has more than one entry named {name:?}")]
    DuplicateEntry {
        /// The name, escaped when displayed.
        name: String,
    },
    /// An entry that the manifest does not list, or a listed one that is not there.
    #[error("container entry {name:?} and the manifest do not match")]
    UnlistedEntry {
        /// The name.
        name: String,
    },
    /// A name that is not a plain file name (path tricks, control characters, too long).
    #[error("{name:?} is not an acceptable file name")]
    BadName {
        /// The name.
        name: String,
    },
    /// A file's bytes are not those that were signed.
    #[error("the bytes of {name:?} are not those of the signed digest")]
    DigestMismatch {
        /// The name.
        name: String,
    },
    /// `exchange.xml` is not XML of our form.
    #[error("exchange.xml is malformed: {what}")]
    ExchangeMalformed {
        /// What is wrong.
        what: &'static str,
    },
    /// `exchange.xml` says something else than the files beside it.
    #[error("exchange.xml contradicts the container: {what}")]
    ExchangeContradiction {
        /// What differs.
        what: &'static str,
    },

    /// There is not exactly one signer.
    #[error("{count} signers instead of one")]
    SignerCount {
        /// How many there are.
        count: usize,
    },
    /// The signature has no signedAttrs, so it could pass as a signature of other bytes.
    #[error("signed attributes are missing")]
    SignedAttributesMissing,
    /// The signed attributes are not exactly those of the profile.
    #[error("signed attributes are wrong: {what}")]
    SignedAttributesWrong {
        /// What is wrong.
        what: &'static str,
    },
    /// A signed thing of another kind.
    #[error("wrong signed content type {found}, expected {expected}")]
    WrongContentType {
        /// The content type found.
        found: String,
        /// The one expected.
        expected: String,
    },
    /// signingCertificateV2 (RFC 5035) is missing.
    #[error("the signing-certificate attribute is missing")]
    SigningCertificateMissing,
    /// signingCertificateV2 names another certificate than the signer's, or the signer's is not there.
    #[error("the signing certificate is not the one that the signature names")]
    SigningCertificateMismatch,
    /// An algorithm outside the profile (SHA-256 with RSA PKCS#1 v1.5).
    #[error("{what} uses an algorithm that is not accepted")]
    WrongAlgorithm {
        /// What uses it.
        what: &'static str,
    },
    /// The messageDigest attribute is not the digest of the content.
    #[error("the signed digest is not that of the content")]
    ContentDigestMismatch,
    /// The RSA signature does not verify.
    #[error("the signature does not verify")]
    SignatureInvalid,
    /// Signed by another party than expected.
    #[error("signed by {found}, not by the expected party")]
    WrongSigner {
        /// Subject of the signer that was found.
        found: String,
    },

    /// Not a certificate that we can read.
    #[error("a certificate is malformed: {what}")]
    CertificateMalformed {
        /// What is wrong.
        what: &'static str,
    },
    /// No chain of valid signatures leads to one of the pinned anchors.
    #[error("no chain from {subject} to a pinned anchor")]
    Untrusted {
        /// Subject of the certificate.
        subject: String,
    },
    /// The chain is right but a certificate of it had expired.
    #[error("{subject} had expired")]
    Expired {
        /// Subject of the expired certificate.
        subject: String,
        /// End of its validity, Unix milliseconds.
        not_after: i64,
    },
    /// The chain is right but a certificate of it was not valid yet.
    #[error("{subject} was not yet valid")]
    NotYetValid {
        /// Subject of the certificate.
        subject: String,
        /// Begin of its validity, Unix milliseconds.
        not_before: i64,
    },
    /// The key usage does not allow this purpose.
    #[error("the key usage of {subject} does not allow this")]
    WrongUsage {
        /// Subject of the certificate.
        subject: String,
    },
    /// A key that is not RSA of at least 2048 bits, or a hash below SHA-256.
    #[error("the key or signature of {subject} is too weak or of another kind than RSA")]
    WeakKey {
        /// Subject of the certificate.
        subject: String,
    },
    /// Only chains through something that is not a CA (basicConstraints, keyCertSign, path length).
    #[error("{subject} may not issue certificates")]
    IssuerNotCa {
        /// Subject of the issuer.
        subject: String,
    },

    /// The certificate was revoked before the time in question.
    #[error("{subject} was revoked (reason {reason})")]
    Revoked {
        /// Subject of the revoked certificate.
        subject: String,
        /// Since when, Unix milliseconds.
        at: i64,
        /// Reason code (RFC 5280 §5.3.1).
        reason: u8,
    },
    /// The certificate is suspended (certificateHold) and may come back.
    #[error("{subject} is on hold")]
    Held {
        /// Subject of the suspended certificate.
        subject: String,
        /// Since when, Unix milliseconds.
        since: i64,
    },
    /// Nothing that is at hand says whether the certificate is revoked.
    #[error("whether {subject} is revoked is not known: {why}")]
    RevocationUnknown {
        /// Subject of the certificate.
        subject: String,
        /// Label of the reason, or empty when nothing has been asked yet.
        why: &'static str,
    },
    /// The certificate names no address at which its status can be asked for.
    #[error("{subject} names no address for its status")]
    NoStatusAddress {
        /// Subject of the certificate.
        subject: String,
    },
    /// An answer of a certificate authority (CRL, OCSP) that cannot be used.
    #[error("the authority's answer cannot be used: {0}")]
    Answer(AnswerFault),

    /// Not an AuthEnvelopedData of our profile (RFC 5083, 5084).
    #[error("the sealed message is malformed: {what}")]
    SealedMalformed {
        /// Which rule.
        what: &'static str,
    },
    /// None of our keys is among the recipients.
    #[error("the sealed message is not addressed to any of our keys")]
    NotForUs,
    /// The key did not unwrap, or has a wrong length, or the tag does not verify: deliberately one outcome.
    #[error("the sealed message cannot be read with our key")]
    Unreadable,

    /// A login statement for another center, out of its time, or for too long.
    #[error("the login statement is not acceptable: {what}")]
    LoginRefused {
        /// Why.
        what: &'static str,
    },
    /// A directory entry whose certificates are not those that its member signed for.
    #[error("the directory entry does not hold together: {what}")]
    EntryContradiction {
        /// What differs.
        what: &'static str,
    },
    /// A receipt whose lines are not those that were signed, or that speaks of something else.
    #[error("the receipt does not hold together: {what}")]
    ReceiptContradiction {
        /// What differs.
        what: &'static str,
    },

    /// A key of ours could not be used.
    #[error("our key: {0}")]
    Key(KeyError),
    /// A key file that cannot be read as PKCS#8 or PKCS#12.
    #[error("the key file cannot be read: {what}")]
    KeyFile {
        /// Why.
        what: &'static str,
    },
    /// The key file is encrypted and no passphrase was given.
    #[error("the key file needs a passphrase")]
    PassphraseNeeded,
    /// The key file's passphrase is wrong.
    #[error("the passphrase of the key file is wrong")]
    PassphraseWrong,
    /// A key and a certificate of ours that do not belong together.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// A certificate of a recipient, given by the caller, to which nothing can be sealed.
    #[error("nothing can be sealed to {subject}")]
    RecipientUnusable {
        /// Subject of the recipient's certificate.
        subject: String,
    },
    /// The caller's file is not the one that it announced (size or digest).
    #[error("{name:?} changed while it was read")]
    FileChanged {
        /// Name of the file.
        name: String,
    },
    /// An argument of the caller that can not be written.
    #[error("cannot write this: {what}")]
    Argument {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Reading or writing failed.
    #[error("input or output failed")]
    Io(#[source] std::io::Error),
    /// The operating system gave no random numbers.
    #[error("no random numbers")]
    Random,
}

/// What is wrong with a CRL or an OCSP answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerFault {
    /// Not a CRL (RFC 5280 §5), or not all of it.
    #[error("not a whole CRL of the accepted form")]
    CrlMalformed,
    /// Longer than the limit.
    #[error("it is over the size limit")]
    TooLarge,
    /// A delta CRL (RFC 5280 §5.2.4).
    #[error("it is a delta CRL")]
    Delta,
    /// An indirect CRL (RFC 5280 §5.2.5), which speaks of several authorities' certificates.
    #[error("it is an indirect CRL")]
    Indirect,
    /// A critical extension that is not understood (RFC 5280 §5.2, §5.3).
    #[error("it has an unknown critical extension")]
    UnknownCritical,
    /// Signed by another authority, or another generation of it.
    #[error("it is another authority's")]
    WrongIssuer,
    /// Its signature does not verify.
    #[error("its signature does not verify")]
    SignatureInvalid,
    /// It does not cover the certificate (RFC 5280 §6.3.3: scope, distribution point).
    #[error("it does not cover the certificate")]
    OutOfScope,
    /// Issued later than now.
    #[error("it is from the future")]
    FromFuture,
    /// Its next update is over.
    #[error("its next update is over")]
    Stale,
    /// Its CRL number is lower than one seen before.
    #[error("its number went back")]
    SetBack,
    /// Not an OCSP answer (RFC 6960 §4.2).
    #[error("not an OCSP answer of the accepted form")]
    OcspMalformed,
    /// The responder gave no answer but an error status (RFC 6960 §4.2.1).
    #[error("the OCSP responder refuses to answer")]
    OcspRefused,
    /// Signed by one that may not answer for this authority (RFC 6960 §4.2.2.2).
    #[error("the OCSP responder is not authorised")]
    OcspWrongSigner,
    /// About another certificate, or with another nonce.
    #[error("the OCSP answer is to another question")]
    OcspOtherQuestion,
}

impl AnswerFault {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::CrlMalformed,
        Self::TooLarge,
        Self::Delta,
        Self::Indirect,
        Self::UnknownCritical,
        Self::WrongIssuer,
        Self::SignatureInvalid,
        Self::OutOfScope,
        Self::FromFuture,
        Self::Stale,
        Self::SetBack,
        Self::OcspMalformed,
        Self::OcspRefused,
        Self::OcspWrongSigner,
        Self::OcspOtherQuestion,
    ];

    /// A stable name for programs, kebab-case.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CrlMalformed => "crl-malformed",
            Self::TooLarge => "crl-too-large",
            Self::Delta => "crl-delta",
            Self::Indirect => "crl-indirect",
            Self::UnknownCritical => "crl-unknown-critical",
            Self::WrongIssuer => "crl-wrong-issuer",
            Self::SignatureInvalid => "crl-signature-invalid",
            Self::OutOfScope => "crl-out-of-scope",
            Self::FromFuture => "crl-from-future",
            Self::Stale => "crl-stale",
            Self::SetBack => "crl-set-back",
            Self::OcspMalformed => "ocsp-malformed",
            Self::OcspRefused => "ocsp-refused",
            Self::OcspWrongSigner => "ocsp-wrong-signer",
            Self::OcspOtherQuestion => "ocsp-other-question",
        }
    }
}

/// Every label of this crate with its class, for those that need a sentence for each.
pub const LABELS: &[(&str, Class)] = &[
    ("not-der", Class::Permanent),
    ("envelope-too-large", Class::Permanent),
    ("bad-value", Class::Permanent),
    ("container-malformed", Class::Permanent),
    ("container-duplicate-entry", Class::Permanent),
    ("container-unlisted-entry", Class::Permanent),
    ("container-bad-name", Class::Permanent),
    ("container-digest-mismatch", Class::Permanent),
    ("exchange-malformed", Class::Permanent),
    ("exchange-contradiction", Class::Permanent),
    ("signer-count", Class::Permanent),
    ("signed-attributes-missing", Class::Permanent),
    ("signed-attributes-wrong", Class::Permanent),
    ("wrong-content-type", Class::Permanent),
    ("signing-certificate-missing", Class::Permanent),
    ("signing-certificate-mismatch", Class::Permanent),
    ("wrong-algorithm", Class::Permanent),
    ("content-digest-mismatch", Class::Permanent),
    ("signature-invalid", Class::Permanent),
    ("wrong-signer", Class::Permanent),
    ("certificate-malformed", Class::Permanent),
    ("untrusted", Class::Permanent),
    ("certificate-expired", Class::Permanent),
    ("certificate-not-yet-valid", Class::Permanent),
    ("wrong-usage", Class::Permanent),
    ("weak-key", Class::Permanent),
    ("issuer-not-ca", Class::Permanent),
    ("certificate-revoked", Class::Permanent),
    ("certificate-held", Class::Wait),
    ("revocation-unknown", Class::Wait),
    ("status-address-missing", Class::Permanent),
    ("crl-malformed", Class::Retry),
    ("crl-too-large", Class::Retry),
    ("crl-delta", Class::Retry),
    ("crl-indirect", Class::Retry),
    ("crl-unknown-critical", Class::Retry),
    ("crl-wrong-issuer", Class::Retry),
    ("crl-signature-invalid", Class::Retry),
    ("crl-out-of-scope", Class::Retry),
    ("crl-from-future", Class::Retry),
    ("crl-stale", Class::Retry),
    ("crl-set-back", Class::Retry),
    ("ocsp-malformed", Class::Retry),
    ("ocsp-refused", Class::Retry),
    ("ocsp-wrong-signer", Class::Retry),
    ("ocsp-other-question", Class::Retry),
    ("sealed-malformed", Class::Permanent),
    ("not-for-us", Class::Permanent),
    ("unreadable", Class::Permanent),
    ("login-refused", Class::Permanent),
    ("entry-contradiction", Class::Permanent),
    ("receipt-contradiction", Class::Permanent),
    ("key-absent", Class::Wait),
    ("key-pin-needed", Class::Wait),
    ("key-broken", Class::Retry),
    ("key-refused", Class::Permanent),
    ("key-unusable", Class::Permanent),
    ("key-file-unreadable", Class::Permanent),
    ("key-passphrase-needed", Class::Permanent),
    ("key-passphrase-wrong", Class::Permanent),
    ("key-mismatch", Class::Permanent),
    ("recipient-unusable", Class::Permanent),
    ("file-changed", Class::Permanent),
    ("envelope-argument", Class::Permanent),
    ("envelope-io", Class::Retry),
    ("no-random", Class::Retry),
    // reasons of `evidence::Link`
    ("receipt-missing", Class::Permanent),
    ("certificate-missing", Class::Permanent),
    ("anchor-missing", Class::Permanent),
    ("not-examined", Class::Permanent),
];

impl Error {
    /// A stable name for programs, kebab-case; all of them are in [`LABELS`].
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotDer { .. } => "not-der",
            Self::TooLarge { .. } => "envelope-too-large",
            Self::BadValue { .. } => "bad-value",
            Self::ContainerMalformed { .. } => "container-malformed",
            Self::DuplicateEntry { .. } => "container-duplicate-entry",
            Self::UnlistedEntry { .. } => "container-unlisted-entry",
            Self::BadName { .. } => "container-bad-name",
            Self::DigestMismatch { .. } => "container-digest-mismatch",
            Self::ExchangeMalformed { .. } => "exchange-malformed",
            Self::ExchangeContradiction { .. } => "exchange-contradiction",
            Self::SignerCount { .. } => "signer-count",
            Self::SignedAttributesMissing => "signed-attributes-missing",
            Self::SignedAttributesWrong { .. } => "signed-attributes-wrong",
            Self::WrongContentType { .. } => "wrong-content-type",
            Self::SigningCertificateMissing => "signing-certificate-missing",
            Self::SigningCertificateMismatch => "signing-certificate-mismatch",
            Self::WrongAlgorithm { .. } => "wrong-algorithm",
            Self::ContentDigestMismatch => "content-digest-mismatch",
            Self::SignatureInvalid => "signature-invalid",
            Self::WrongSigner { .. } => "wrong-signer",
            Self::CertificateMalformed { .. } => "certificate-malformed",
            Self::Untrusted { .. } => "untrusted",
            Self::Expired { .. } => "certificate-expired",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::WrongUsage { .. } => "wrong-usage",
            Self::WeakKey { .. } => "weak-key",
            Self::IssuerNotCa { .. } => "issuer-not-ca",
            Self::Revoked { .. } => "certificate-revoked",
            Self::Held { .. } => "certificate-held",
            Self::RevocationUnknown { .. } => "revocation-unknown",
            Self::NoStatusAddress { .. } => "status-address-missing",
            Self::Answer(fault) => fault.label(),
            Self::SealedMalformed { .. } => "sealed-malformed",
            Self::NotForUs => "not-for-us",
            Self::Unreadable => "unreadable",
            Self::LoginRefused { .. } => "login-refused",
            Self::EntryContradiction { .. } => "entry-contradiction",
            Self::ReceiptContradiction { .. } => "receipt-contradiction",
            Self::Key(e) => match e.kind() {
                KeyErrorKind::Absent => "key-absent",
                KeyErrorKind::PinNeeded => "key-pin-needed",
                KeyErrorKind::Broken => "key-broken",
                KeyErrorKind::Refused => "key-refused",
                KeyErrorKind::Unusable => "key-unusable",
            },
            Self::KeyFile { .. } => "key-file-unreadable",
            Self::PassphraseNeeded => "key-passphrase-needed",
            Self::PassphraseWrong => "key-passphrase-wrong",
            Self::KeyMismatch => "key-mismatch",
            Self::RecipientUnusable { .. } => "recipient-unusable",
            Self::FileChanged { .. } => "file-changed",
            Self::Argument { .. } => "envelope-argument",
            Self::Io(_) => "envelope-io",
            Self::Random => "no-random",
        }
    }

    /// What the caller may do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Key(e) => e.class(),
            Self::Io(_) | Self::Random | Self::Answer(_) => Class::Retry,
            Self::Held { .. } | Self::RevocationUnknown { .. } => Class::Wait,
            _ => Class::Permanent,
        }
    }

    /// Whether the other side's bytes are at fault, or we are.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Key(_)
            | Self::KeyFile { .. }
            | Self::PassphraseNeeded
            | Self::PassphraseWrong
            | Self::KeyMismatch
            | Self::RecipientUnusable { .. }
            | Self::FileChanged { .. }
            | Self::Argument { .. }
            | Self::Io(_)
            | Self::Random => Fault::Ours,
            _ => Fault::Peer,
        }
    }
}

impl From<KeyError> for Error {
    fn from(e: KeyError) -> Self {
        Self::Key(e)
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

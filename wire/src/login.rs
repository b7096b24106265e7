//! Logging in: a short-lived session key stands in for the card (protocol §3).
//!
//! The card signs, at most every 12 hours, a statement about the session key's public half (`envelope::login`); on each
//! connection the session key signs the center's nonce together with a value that only the two ends of this TLS
//! connection can compute (RFC 5705, RFC 8446 §7.5). So a recorded login is worth nothing elsewhere.

use std::{future::Future, pin::Pin, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use zeroize::Zeroizing;

use crate::{
    Error, Result,
    message::{Challenge, Version},
};

/// The exporter label (RFC 8446 §7.5) of the value that binds a proof to its connection.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-di-exchange-login";
/// An uncompressed point on P-256 (SEC 1 §2.3.3).
pub type PublicKey = [u8; 65];

/// A P-256 key pair made in memory. The private half is overwritten when dropped (the provider cleanses what it frees).
pub struct SessionKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SessionKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::SessionKey`] if the system has no randomness.
    pub fn generate() -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| Error::SessionKey("it cannot be made"))?;
        Self::new(pair)
    }

    /// A key that [`SessionKey::to_pkcs8`] gave, so that a restart costs no card operation.
    ///
    /// # Errors
    /// [`Error::SessionKey`] if it is no PKCS#8 (RFC 5208) key on P-256.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| Error::SessionKey("it cannot be read"))?;
        Self::new(pair)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self> {
        let public = PublicKey::try_from(pair.public_key().as_ref())
            .map_err(|_| Error::SessionKey("it is not on P-256"))?;
        Ok(Self { pair, public })
    }

    /// The private key as PKCS#8, for a file that only the node can read.
    ///
    /// # Errors
    /// [`Error::SessionKey`] if the provider fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let document = self.pair.to_pkcs8v1().map_err(|_| Error::SessionKey("it cannot be exported"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// What the card's statement names.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The proof for one connection: a DER ECDSA signature with SHA-256 over [`proof_input`].
    ///
    /// # Errors
    /// [`Error::SessionKey`] if the provider fails.
    pub fn prove(&self, facts: &ProofFacts<'_>) -> Result<Vec<u8>> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), &proof_input(facts))
            .map_err(|_| Error::SessionKey("it cannot sign"))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(****)")
    }
}

/// What a proof is about.
#[derive(Debug, Clone, Copy)]
pub struct ProofFacts<'a> {
    /// The version of the challenge.
    pub version: Version,
    /// The member's organisation code, as in `Hello`.
    pub member: &'a str,
    /// The center's code, as in the challenge.
    pub center: &'a str,
    /// The challenge's nonce.
    pub nonce: &'a [u8; 32],
    /// The connection's exporter value under [`EXPORTER_LABEL`].
    pub exporter: &'a [u8; 32],
}

/// The bytes that the session key signs: seven fields, each after its length (u32, big-endian), so no two inputs run together.
pub fn proof_input(facts: &ProofFacts<'_>) -> Vec<u8> {
    let version = facts.version.number().to_be_bytes();
    let fields: [&[u8]; 7] = [
        b"di-exchange login",
        &version,
        b"node",
        facts.member.as_bytes(),
        facts.center.as_bytes(),
        facts.nonce,
        facts.exporter,
    ];
    let mut input = Vec::with_capacity(200);
    for field in fields {
        input.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        input.extend_from_slice(field);
    }
    input
}

/// Whether `proof` was made for these facts by the key that the statement names. Any other length than 65 of `public` is no.
pub fn verify(public: &[u8], facts: &ProofFacts<'_>, proof: &[u8]) -> bool {
    public.len() == size_of::<PublicKey>()
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public).verify(&proof_input(facts), proof).is_ok()
}

/// A session key and the card's statement about it.
#[derive(Debug)]
pub struct Credential {
    /// DER `SignedData` of the card over the key (`envelope::login`).
    pub statement: Vec<u8>,
    /// The key that it names.
    pub key: SessionKey,
}

/// What [`Credentials::credential`] gives back.
pub type CredentialFuture<'a> = Pin<
    Box<
        dyn Future<Output = std::result::Result<Arc<Credential>, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'a,
    >,
>;

/// Where a connection gets its login from. Asked once per connection, after the center's challenge has come, so that no
/// card is touched for a center that is not there.
pub trait Credentials: Send + Sync + 'static {
    /// The member's organisation code.
    fn member(&self) -> &str;

    /// A statement that is valid now, and its key. Give the same one again while it lasts.
    fn credential<'a>(&'a self, challenge: &'a Challenge) -> CredentialFuture<'a>;
}

//! Object identifiers, in one place.

use const_oid::ObjectIdentifier;

/// `id-data` (RFC 5652 §4): content type of the manifest's signature and of the sealed container.
pub const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// `id-signedData` (RFC 5652 §5.1).
pub const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-encryptedData` (RFC 5652 §8), inside PKCS#12 files.
pub const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
/// `id-ct-authEnvelopedData` (RFC 5083 §2.1).
pub const AUTH_ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");

/// Content type of a login statement. Our own types live under the documentation arc of RFC 5612 until the project
/// registers one of its own; giving each signed thing its own type keeps a signature from passing as another.
pub const LOGIN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.104.1");
/// Content type of a center's receipt (系統確認).
pub const CENTER_RECEIPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.104.2");
/// Content type of a receiver's list of receipts (使用者確認, 使用者退文, 誤送通知).
pub const RECEIPT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.104.3");
/// Content type of a directory entry, signed by the member.
pub const DIRECTORY_ENTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.104.4");
/// Content type of a registration: the registrar's countersignature over a directory entry.
pub const REGISTRATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.104.5");

/// contentType attribute (RFC 5652 §11.1).
pub const ATTR_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// messageDigest attribute (RFC 5652 §11.2).
pub const ATTR_MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// signingTime attribute (RFC 5652 §11.3).
pub const ATTR_SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
/// signingCertificateV2 attribute (RFC 5035 §3).
pub const ATTR_SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// SHA-256 (RFC 5754).
pub const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// rsaEncryption (RFC 8017).
pub const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RSAES-OAEP (RFC 8017, 4055).
pub const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
/// MGF1 (RFC 8017).
pub const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
/// sha256WithRSAEncryption (RFC 8017).
pub const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// sha384WithRSAEncryption.
pub const SHA384_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
/// sha512WithRSAEncryption.
pub const SHA512_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// AES-256-GCM (RFC 5084).
pub const AES256_GCM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");

/// organizationName (X.520).
pub const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// subjectDirectoryAttributes extension (RFC 5280 §4.2.1.8).
pub const SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.9");
/// The organisation's OID in GCA and XCA certificates, a subject directory attribute.
pub const GPKI_ORGANISATION_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.886.1.100.2.102");
/// 統一編號 in MOEACA certificates, the second choice.
pub const GPKI_BUSINESS_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.886.1.100.2.101");

//! Where a certificate says that its status is published (RFC 5280 §4.2.1.13 and §4.2.2.1).

use crate::error::Error;
use crate::tlv::{self, Der};
use const_oid::ObjectIdentifier;

const ID_AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// uniformResourceIdentifier, `[6]` IMPLICIT IA5String.
const URI: u8 = 0x86;
/// More addresses than that are not looked at.
const MAX_ADDRESSES: usize = 16;

/// A place where a CRL that covers a certificate is published (RFC 5280 §4.2.1.13).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DistributionPoint {
    /// The addresses in it, all of the same CRL.
    pub uris: Vec<String>,
    /// DER of each GeneralName of its fullName: what a partitioned CRL must name.
    pub names: Vec<Vec<u8>>,
    /// It covers some reasons only, or its CRL is issued by another authority: such CRLs are not used.
    pub partial: bool,
}

/// cRLDistributionPoints, in the order of the certificate.
pub(super) fn points(value: &[u8]) -> Result<Vec<DistributionPoint>, Error> {
    let mut all = Der::only(value, tlv::SEQUENCE, "cRLDistributionPoints")?;
    let mut out = Vec::new();
    while !all.is_empty() && out.len() < MAX_ADDRESSES {
        let mut fields = all.inside(tlv::SEQUENCE)?;
        let mut point = DistributionPoint::default();
        if let Some(name) = fields.optional(tlv::CONTEXT_0)? {
            match full_name(name.value)? {
                Some(names) => {
                    point.uris = names.iter().filter_map(|name| uri(name)).collect();
                    point.names = names;
                }
                None => point.partial = true,
            }
        }
        // reasons [1], cRLIssuer [2]
        point.partial |= !fields.is_empty();
        out.push(point);
    }
    Ok(out)
}

/// The GeneralNames of a DistributionPointName's fullName; `None` for a name relative to the CRL's issuer.
pub(crate) fn full_name(value: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let mut choice = Der::new(value, "a distribution point");
    let Some(names) = choice.optional(tlv::CONTEXT_0)? else { return Ok(None) };
    choice.end()?;
    let mut names = Der::new(names.value, "a distribution point");
    let mut out = Vec::new();
    while !names.is_empty() && out.len() < MAX_ADDRESSES {
        out.push(names.next()?.raw.to_vec());
    }
    Ok(Some(out))
}

/// The OCSP responders of authorityInfoAccess, in the order of the certificate.
pub(super) fn responders(value: &[u8]) -> Result<Vec<String>, Error> {
    let mut all = Der::only(value, tlv::SEQUENCE, "authorityInfoAccess")?;
    let mut out = Vec::new();
    while !all.is_empty() && out.len() < MAX_ADDRESSES {
        let mut access = all.inside(tlv::SEQUENCE)?;
        let method = access.oid()?;
        let location = access.next()?;
        access.end()?;
        if method == ID_AD_OCSP {
            out.extend(uri(location.raw));
        }
    }
    Ok(out)
}

/// The address in a GeneralName; `None` for other kinds of names and for what is no printable ASCII.
fn uri(name: &[u8]) -> Option<String> {
    let tlv = Der::new(name, "a name").next().ok()?;
    let printable = !tlv.value.is_empty() && tlv.value.iter().all(u8::is_ascii_graphic);
    (tlv.tag == URI && printable).then(|| String::from_utf8_lossy(tlv.value).into_owned())
}

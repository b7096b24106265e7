//! A registered address: one host, or a network in CIDR form (RFC 4632, RFC 4291 §2.3).

use crate::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address or one network. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. Nothing is implied: loopback too must be registered.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & high_bits_32(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & high_bits_128(self.prefix) == 0
            }
            _ => false,
        }
    }
}

fn high_bits_32(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

fn high_bits_128(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadNetwork(text.chars().take(80).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| bad())?.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u8>().ok().filter(|prefix| *prefix <= longest).ok_or_else(bad)?
            }
            Some(_) => return Err(bad()),
        };
        let address = match address {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() & high_bits_32(prefix)).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() & high_bits_128(prefix)).into()),
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == single {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn hosts_and_networks() {
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("192.0.2.77/24", "192.0.2.1") && !holds("192.0.2.77/24", "192.0.3.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("192.0.2.1", "::ffff:192.0.2.1"), "an IPv4 peer on a dual-stack socket");
        assert!(!holds("192.0.2.1", "::1") && !holds("192.0.2.1", "127.0.0.1"));
    }

    #[test]
    fn printed_as_it_is_stored() {
        for (text, printed) in
            [("192.0.2.77/24", "192.0.2.0/24"), ("192.0.2.7/32", "192.0.2.7"), ("::1", "::1")]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), printed);
        }
        for bad in ["", "example.tw", "192.0.2.1/33", "192.0.2.1/", "::1/129", "192.0.2.1/+8", "1.2.3"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}

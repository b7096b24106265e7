//! Which addresses are asked.
//!
//! Addresses come from certificates under pinned anchors, so a stranger cannot choose them. What is left is an authority
//! that is careless or taken over, or a name server that lies: neither shall make the node speak to what stands behind
//! the office's firewall. The name is resolved once, judged, and the connection goes to exactly that address.

use crate::error::Error;
use hyper::Uri;
use std::net::{IpAddr, SocketAddr};

/// Host, port and what to ask for, of an address that may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Absolute form, for a proxy.
    pub(crate) uri: Uri,
}

impl Target {
    /// Of an `http://` address without user name.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let refused = || Error::Address(url.chars().take(200).collect());
        if url.len() > 2_000 {
            return Err(refused());
        }
        let uri: Uri = url.split('#').next().unwrap_or_default().parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        if uri.scheme_str() != Some("http") || authority.as_str().contains('@') {
            return Err(refused());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(refused());
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { host, port, uri })
    }

    /// Where a redirect leads.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, Error> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let authority = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let path = match (location.strip_prefix("//"), location.starts_with('/')) {
            (Some(elsewhere), _) => return Self::parse(&format!("http://{elsewhere}")),
            (None, true) => location.to_owned(),
            (None, false) => {
                let folder = self.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Self::parse(&format!("http://{authority}{path}"))
    }

    /// Host and port: what is asked one question at a time.
    pub(crate) fn origin(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What goes into the request line for the host itself.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |p| p.as_str())
    }

    /// The addresses of the host that may be asked.
    pub(crate) async fn resolve(&self, internal: bool) -> Result<Vec<SocketAddr>, Error> {
        let unreachable = |source| Error::Unreachable { host: self.host.clone(), source };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        let mut refused = None;
        let mut out = Vec::new();
        for address in found.take(8) {
            if internal || !is_internal(address.ip()) {
                out.push(address);
            } else {
                refused = Some(address.ip());
            }
        }
        match (out.is_empty(), refused) {
            (false, _) => Ok(out),
            (true, Some(address)) => Err(Error::Internal { host: self.host.clone(), address }),
            (true, None) => Err(unreachable(std::io::ErrorKind::NotFound.into())),
        }
    }

    /// Before a proxy is asked, which resolves names itself: an internal address written as a number.
    pub(crate) fn refuse_internal_number(&self) -> Result<(), Error> {
        match self.host.parse::<IpAddr>() {
            Ok(address) if is_internal(address) => Err(Error::Internal { host: self.host.clone(), address }),
            _ => Ok(()),
        }
    }
}

/// Loopback, private, link-local, shared and other addresses that are no public host.
pub(crate) fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || (a == 192 && b == 0)
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
                // 6to4 and NAT64 carry an IPv4 address that would have to be judged.
                || first == 0x2002
                || first == 0x0064
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_to_public_hosts() {
        for bad in [
            "https://crl.example/x.crl",
            "ldap://crl.example/x",
            "file:///etc/passwd",
            "http://user@crl.example/x",
            "http://user:pw@crl.example/x",
            "http:///x",
            "crl.example/x",
            "",
            "http://[::1",
            &format!("http://crl.example/{}", "a".repeat(3_000)),
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        let target = Target::parse("http://CRL.Example:8080/a/b.crl?x=1#y").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path()), ("crl.example", 8080, "/a/b.crl?x=1"));
        assert_eq!(Target::parse("http://crl.example").unwrap().path(), "/");
        assert_eq!(Target::parse("http://[2001:db8::1]/x").unwrap().host, "2001:db8::1");
        for internal in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "ff02::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
        ] {
            assert!(is_internal(internal.parse().unwrap()), "{internal}");
        }
        for public in ["8.8.8.8", "210.241.69.180", "2606:4700::1111"] {
            assert!(!is_internal(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let from = Target::parse("http://crl.example:81/a/b.crl").unwrap();
        let to = |location: &str| from.redirected(location).map(|t| t.uri.to_string());
        assert_eq!(to("/c.crl").unwrap(), "http://crl.example:81/c.crl");
        assert_eq!(to("c.crl").unwrap(), "http://crl.example:81/a/c.crl");
        assert_eq!(to("//other.example/c").unwrap(), "http://other.example/c");
        assert_eq!(to("http://other.example/c").unwrap(), "http://other.example/c");
        assert!(to("https://crl.example/a/b.crl").is_err());
    }
}

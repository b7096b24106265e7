//! TLS settings that both ends and both carriers share (protocol §2.1): version 1.3 only, one provider, a post-quantum
//! hybrid first, no early data, no resumption (every connection proves the server anew), no client certificates.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};

use crate::{ALPN, Error, Result};

/// What a node needs to know of its center's TLS.
#[derive(Debug, Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl ClientTls {
    /// Trusts exactly the certificates of `anchors_pem` (one or more, concatenated) for a server called `server_name`
    /// (a DNS name or an address, as its certificate has it). The system's store is not used.
    ///
    /// # Errors
    /// [`Error::Anchors`], [`Error::ServerName`].
    pub fn new(anchors_pem: &[u8], server_name: &str) -> Result<Self> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| Error::ServerName(server_name.to_owned()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(anchors_pem) {
            let certificate = certificate.map_err(|error| Error::Anchors(error.to_string()))?;
            roots.add(certificate).map_err(|error| Error::Anchors(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(Error::Anchors("no certificate in it".to_owned()));
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Error::Anchors(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok(Self { config: Arc::new(config), name })
    }
}

/// What a center shows.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
}

impl ServerTls {
    /// The server's certificate, its chain after it, and its private key (PKCS#8, PKCS#1 or SEC 1), all PEM.
    ///
    /// # Errors
    /// [`Error::ServerCertificate`] if something is missing or the key is not the certificate's.
    pub fn new(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self> {
        Self::with_provider(chain_pem, key_pem, provider())
    }

    pub(crate) fn with_provider(
        chain_pem: &[u8],
        key_pem: &[u8],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        let bad = |error: &dyn std::fmt::Display| Error::ServerCertificate(error.to_string());
        let chain = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| bad(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| bad(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| bad(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| bad(&error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.max_early_data_size = 0;
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config) })
    }
}

/// aws-lc-rs with TLS 1.3 suites only; X25519MLKEM768 is offered, with a share, before X25519 and P-256.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
    ];
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::{ClientConnection, NamedGroup, ServerConnection, crypto::aws_lc_rs};

    use super::{ClientTls, ServerTls, provider};
    use crate::{Carrier, Connector, Limits, Listener, Transport};

    fn pki() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn both_ends_agree_on_the_post_quantum_hybrid() {
        let (certificate, key) = pki();
        let client = ClientTls::new(certificate.as_bytes(), "127.0.0.1").unwrap();
        let server = ServerTls::new(certificate.as_bytes(), key.as_bytes()).unwrap();
        let mut client = ClientConnection::new(client.config, client.name).unwrap();
        let mut server = ServerConnection::new(server.config).unwrap();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.is_handshaking() || server.is_handshaking() {
            client.write_tls(&mut up).unwrap();
            server.read_tls(&mut up.as_slice()).unwrap();
            up.clear();
            server.process_new_packets().unwrap();
            server.write_tls(&mut down).unwrap();
            client.read_tls(&mut down.as_slice()).unwrap();
            down.clear();
            client.process_new_packets().unwrap();
        }
        for group in [client.negotiated_key_exchange_group(), server.negotiated_key_exchange_group()] {
            assert_eq!(group.unwrap().name(), NamedGroup::X25519MLKEM768);
        }
        assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(client.alpn_protocol(), Some(crate::ALPN));
    }

    /// QUIC does not say what it agreed on; so the server here takes nothing else.
    #[tokio::test]
    async fn quic_offers_the_post_quantum_hybrid_too() {
        let (certificate, key) = pki();
        let mut only = (*provider()).clone();
        only.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
        let server =
            ServerTls::with_provider(certificate.as_bytes(), key.as_bytes(), Arc::new(only)).unwrap();
        let mut listener =
            Listener::bind("127.0.0.1:0".parse().unwrap(), &server, Limits::default()).await.unwrap();
        let client = ClientTls::new(certificate.as_bytes(), "127.0.0.1").unwrap();
        let connector =
            Connector::new(client, "127.0.0.1", listener.address().port(), "9941").transport(Transport::Quic);
        struct Nobody;
        impl crate::Credentials for Nobody {
            fn member(&self) -> &str {
                "XC00000001"
            }
            fn credential<'a>(
                &'a self,
                _: &'a crate::message::Challenge,
            ) -> crate::login::CredentialFuture<'a> {
                Box::pin(std::future::pending())
            }
        }
        let connecting = tokio::spawn(async move { connector.connect(Arc::new(Nobody)).await });
        let incoming = listener.accept().await.unwrap();
        assert_eq!(incoming.carrier(), Carrier::Quic);
        connecting.abort();
    }
}

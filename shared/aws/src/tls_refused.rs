//! Says whose certificate was refused: a proxy that looks into TLS, or an authority that AWS has come to use.

use std::{
    error::Error,
    net::{TcpStream, ToSocketAddrs as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use url::Url;

/// Longest time for each step of the look at a certificate.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most of an issuer's name that is logged, in characters: whoever is at the other end chose it.
const MAX_ISSUER_CHARS: usize = 200;

/// A connector that logs one line for a handshake that fails for a certificate: it names the issuer, which the error of
/// the TLS library does not.
#[derive(Debug)]
pub(crate) struct TellsIssuer(pub(crate) SharedHttpConnector);

impl HttpConnector for TellsIssuer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().to_owned();
        let call = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = call.await;
            if let Err(error) = &answer
                && let Some(refusal) = refused_certificate(error)
                && let Ok(url) = Url::parse(&url)
            {
                // The host alone: the rest of a URL may be a secret.
                let host = url.host_str().unwrap_or_default().to_owned();
                let port = url.port_or_known_default().unwrap_or_default();
                let name = host.clone();
                let looked = tokio::task::spawn_blocking(move || issuer(&name, port)).await;
                let issuer = looked.ok().flatten().unwrap_or_else(|| "unknown".to_owned());
                tracing::error!(
                    error = refusal,
                    "tls.host" = host,
                    "tls.issuer" = issuer,
                    "tls.refused"
                );
            }
            answer
        })
    }
}

/// What the TLS library said of a certificate, if that is why a call failed.
fn refused_certificate(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(why.to_string());
    }
    // An I/O error leaves what it was made of out of its own chain.
    match error
        .downcast_ref::<std::io::Error>()
        .and_then(|error| error.get_ref())
    {
        Some(within) => refused_certificate(within),
        None => refused_certificate(error.source()?),
    }
}

/// Who signed the certificate that is shown at `host`; none where nothing can be said.
fn issuer(host: &str, port: u16) -> Option<String> {
    let noted = Arc::new(Notes::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(noted.clone())
        .with_no_client_auth();
    let address = (host, port).to_socket_addrs().ok()?.next()?;
    let mut tcp = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    tcp.set_read_timeout(Some(PATIENCE)).ok()?;
    tcp.set_write_timeout(Some(PATIENCE)).ok()?;
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut tls = ClientConnection::new(Arc::new(config), name).ok()?;
    // It ends in an error: what is noted is what it was for.
    let refused = tls.complete_io(&mut tcp).is_err();
    let noted = noted.0.lock().ok()?;
    refused.then(|| noted.clone()).flatten()
}

/// Notes the issuer of a certificate, and refuses every one: nothing is ever sent over its connection.
#[derive(Debug, Default)]
struct Notes(Mutex<Option<String>>);

impl ServerCertVerifier for Notes {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut noted) = self.0.lock() {
            *noted = issuer_in(certificate);
        }
        Err(refusal())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(refusal())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(refusal())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

fn refusal() -> rustls::Error {
    rustls::Error::General("only looked at".to_owned())
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
/// The version of a certificate, where it is said.
const VERSION: u8 = 0xa0;

/// The names in a certificate's issuer, in their order: `Amazon Root CA 1` stands among them.
fn issuer_in(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, after_first) = element(signed)?;
    let from_serial = if tag == VERSION { after_first } else { signed };
    let (_, _, from_algorithm) = element(from_serial)?;
    let (_, _, from_issuer) = element(from_algorithm)?;
    let (_, mut names, _) = element(from_issuer)?;
    let mut texts = Vec::new();
    // A name is a list of sets of pairs of an object id and a text.
    while let Some((_, set, rest)) = element(names) {
        if let Some((SEQUENCE, pair, _)) = element(set)
            && let Some((OBJECT_ID, _, value)) = element(pair)
            && let Some((_, text, _)) = element(value)
        {
            texts.push(String::from_utf8_lossy(text).into_owned());
        }
        names = rest;
    }
    let plain = |c: &char| !c.is_control();
    let all = texts
        .join(", ")
        .chars()
        .filter(plain)
        .take(MAX_ISSUER_CHARS)
        .collect();
    (!texts.is_empty()).then_some(all)
}

/// The first element of DER: its tag, what is in it, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    /// More bytes of a length than any certificate needs.
    const MAX_LENGTH_BYTES: usize = 3;
    const LONG_FORM: u8 = 0x80;
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < LONG_FORM {
        (usize::from(first), rest)
    } else {
        let bytes = usize::from(first - LONG_FORM);
        let (length, rest) = rest
            .split_at_checked(bytes)
            .filter(|_| bytes <= MAX_LENGTH_BYTES)?;
        (
            length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, net::TcpListener};

    use rustls::{
        ServerConfig, ServerConnection, Stream,
        pki_types::{PrivateKeyDer, pem::PemObject as _},
    };

    use super::*;
    use crate::{aws_clients::connector, trust::Roots};

    const AUTHORITY: &str = "A Company's Proxy CA";

    /// A host on loopback whose certificate another authority signed. It ends with the test's process.
    fn proxy() -> u16 {
        let mut of_authority = rcgen::CertificateParams::new(vec![]).unwrap();
        of_authority.distinguished_name = rcgen::DistinguishedName::new();
        of_authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, AUTHORITY);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::Issuer::new(of_authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut tls = ServerConnection::new(config.clone()).unwrap();
                let mut tcp = stream.unwrap();
                // Whoever asks refuses the certificate.
                let _ = Stream::new(&mut tls, &mut tcp).read(&mut [0]);
            }
        });
        port
    }

    #[tokio::test]
    async fn a_refused_certificate_is_told_apart_and_its_issuer_named() {
        let port = proxy();
        let roots = Roots::These(include_str!("amazon_roots.pem").to_owned());
        let request = || HttpRequest::get(format!("https://127.0.0.1:{port}/secret")).unwrap();
        let error = connector(&roots).call(request()).await.unwrap_err();
        assert!(refused_certificate(&error).is_some(), "{error:?}");
        let found = tokio::task::spawn_blocking(move || issuer("127.0.0.1", port))
            .await
            .unwrap();
        assert_eq!(found.as_deref(), Some(AUTHORITY));
        let closed = HttpRequest::get("https://127.0.0.1:1/").unwrap();
        let error = connector(&roots).call(closed).await.unwrap_err();
        assert_eq!(refused_certificate(&error), None);
    }

    #[test]
    fn an_issuer_is_read_of_a_certificate_and_of_nothing_else() {
        let root = CertificateDer::from_pem_slice(include_str!("amazon_roots.pem").as_bytes()).unwrap();
        assert_eq!(issuer_in(&root).as_deref(), Some("US, Amazon, Amazon Root CA 1"));
        for cut in 0..root.len().min(90) {
            assert_eq!(issuer_in(&root[..cut]), None, "{cut}");
        }
        assert_eq!(issuer_in(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}

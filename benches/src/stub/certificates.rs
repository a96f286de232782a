//! An authority for one run, and the stub's certificate by it: as AWS's endpoints have theirs, from an issuer below the
//! root that clients trust.

use std::{net::Ipv4Addr, process::Command};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256,
};
use rustls::{
    CipherSuite, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};

use crate::Error;

/// RSA of 2,048 bits, as AWS's endpoints have. ring, which signs with them, makes none.
fn key() -> Result<KeyPair, Error> {
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let output = openssl
        .output()
        .map_err(|error| format!("{openssl:?}: {error}"))?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&output.stdout).map_err(|error| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        format!("{openssl:?} made no key: {error}: {complaint}")
    })?;
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256)?)
}

/// The TLS configuration of the stub's services at `hosts`, and the root's certificate as PEM.
pub fn server(hosts: &[Ipv4Addr]) -> Result<(ServerConfig, String), Error> {
    let root = CertifiedIssuer::self_signed(authority("root", BasicConstraints::Unconstrained)?, key()?)?;
    let issuer = authority("issuer", BasicConstraints::Constrained(0))?;
    let issuer = CertifiedIssuer::signed_by(issuer, key()?, &root)?;
    let key = key()?;
    let mut leaf = CertificateParams::new(hosts.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>())?;
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer)?;
    let mut provider = rustls::crypto::ring::default_provider();
    // What SQS and most of AWS's endpoints choose, by CloudTrail's `tlsDetails`, whatever the client would like best.
    let of_aws =
        |suite: &rustls::SupportedCipherSuite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| !of_aws(suite));
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone(), issuer.der().clone()];
    let mut server = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.ignore_client_order = true;
    // As many as s2n gives, AWS's own TLS.
    server.send_tls13_tickets = 1;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((server, root.pem()))
}

fn authority(name: &str, constraints: BasicConstraints) -> Result<CertificateParams, Error> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(constraints);
    // A name of its own: a certificate whose issuer has its own name looks self-signed.
    authority
        .distinguished_name
        .push(DnType::CommonName, format!("Latchkey bench {name}"));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.use_authority_key_identifier_extension = true;
    Ok(authority)
}

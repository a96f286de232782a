//! An authority for one run, and the stub's certificate by it: as AWS's endpoints have theirs, from an issuer below the
//! root that clients trust.

use std::{net::Ipv4Addr, process::Command, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256,
};
use rustls::{
    CipherSuite, ServerConfig, SignatureAlgorithm, SignatureScheme,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
};

use crate::Error;

/// The keys of the root, of the issuer below it, and of the server.
pub struct Keys([KeyPair; 3]);

impl Keys {
    /// RSA of 2,048 bits all the way up, as AWS's endpoints have. `maker` prints as many as it is asked for
    /// (`benches/rsa_keys/make.py`): ring, which signs with them, makes none.
    pub fn like_those_of_aws(maker: &mut Command) -> Result<Self, Error> {
        let output = maker
            .arg("3")
            .output()
            .map_err(|error| format!("{maker:?}: {error}"))?;
        let mut keys = Vec::new();
        for key in PrivatePkcs8KeyDer::pem_slice_iter(&output.stdout) {
            keys.push(KeyPair::from_pkcs8_der_and_sign_algo(&key?, &PKCS_RSA_SHA256)?);
        }
        let keys = keys.try_into().map_err(|keys: Vec<_>| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("{maker:?} made {} keys: {complaint}", keys.len())
        })?;
        Ok(Self(keys))
    }

    /// P-256, which is made at once: for functions that do not get as far as a handshake.
    pub fn quick() -> Result<Self, Error> {
        Ok(Self([
            KeyPair::generate()?,
            KeyPair::generate()?,
            KeyPair::generate()?,
        ]))
    }
}

/// Signs with SHA-256 where it may, as s2n does, AWS's own TLS (its `s2n_sig_scheme_pref_list_20200207`), where rustls would
/// take the longest hash that it is offered.
#[derive(Debug)]
struct LikeS2n(Arc<dyn SigningKey>);

impl SigningKey for LikeS2n {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let of_s2n = [SignatureScheme::RSA_PSS_SHA256];
        let both = offered.iter().find(|scheme| of_s2n.contains(scheme));
        both.and_then(|_| self.0.choose_scheme(&of_s2n))
            .or_else(|| self.0.choose_scheme(offered))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// The TLS configuration of the stub's services at `hosts`, and the root's certificate as PEM.
pub fn server(
    Keys([root_key, issuer_key, key]): Keys,
    hosts: &[Ipv4Addr],
) -> Result<(ServerConfig, String), Error> {
    let root = CertifiedIssuer::self_signed(authority("root", BasicConstraints::Unconstrained)?, root_key)?;
    let issuer = authority("issuer", BasicConstraints::Constrained(0))?;
    let issuer = CertifiedIssuer::signed_by(issuer, issuer_key, &root)?;
    let mut leaf = CertificateParams::new(hosts.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>())?;
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer)?;
    let mut provider = rustls::crypto::ring::default_provider();
    // What SQS and most of AWS's endpoints choose, by CloudTrail's `tlsDetails`, whatever the client would like best.
    let of_aws =
        |suite: &rustls::SupportedCipherSuite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| !of_aws(suite));
    let key = provider
        .key_provider
        .load_private_key(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
            key.serialize_der(),
        )))?;
    let chain = vec![certificate.der().clone(), issuer.der().clone()];
    let certified = CertifiedKey::new(chain, Arc::new(LikeS2n(key)));
    let mut server = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.ignore_client_order = true;
    // As many as s2n gives.
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

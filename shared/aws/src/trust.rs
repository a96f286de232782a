//! Whose certificates a function believes.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use latchkey_core::domain::aws::{Partition, Region};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::config::{ConfigError, Environment};

/// The roots of every AWS endpoint in the commercial partition, CloudFormation's buckets included. Reading them takes
/// 20 µs of a start, a host's whole bundle 700 µs (docs/ARCHITECTURE.md, "Cold and warm").
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");
/// Names the file of other roots, as all of AWS's SDKs know it: for a proxy that looks into TLS, and for a local AWS.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The roots that TLS connections may lead to.
#[derive(Debug, Clone)]
pub enum Roots {
    /// These certificates, in PEM, and no others.
    These(String),
    /// What the host trusts: for partitions whose endpoints have certificates of other authorities.
    Host,
}

impl Roots {
    /// The roots for a function in `region`: those that `AWS_CA_BUNDLE` names, else Amazon's own in the commercial
    /// partition and the host's elsewhere. A bundle that cannot be read is an error, never an empty one.
    pub fn from_environment(environment: &Environment, region: &Region) -> Result<Self, ConfigError> {
        let Some(path) = environment.optional_text(CA_BUNDLE) else {
            return Ok(match region.partition() {
                Partition::Aws => Self::These(AMAZON_ROOTS.to_owned()),
                _ => Self::Host,
            });
        };
        let error = |problem: String| ConfigError {
            variable: CA_BUNDLE,
            problem,
        };
        let pem = std::fs::read_to_string(path).map_err(|cause| error(format!("cannot be read: {cause}")))?;
        store_of(&pem).map_err(|cause| error(format!("is malformed: {cause}")))?;
        Ok(Self::These(pem))
    }

    /// As the SDK's connector takes them.
    pub(super) fn context(&self) -> TlsContext {
        let store = match self {
            Self::These(pem) => TrustStore::empty().with_pem_certificate(pem.as_bytes()),
            Self::Host => TrustStore::default(),
        };
        // Fails for nothing that can be set here; the default trusts what the host trusts.
        TlsContext::builder()
            .with_trust_store(store)
            .build()
            .unwrap_or_default()
    }
}

fn store_of(pem: &str) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| rustls::Error::General(error.to_string()))?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        return Err(rustls::Error::General("there is no root certificate".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// SHA-256 of each root, as <https://www.amazontrust.com/repository/> shows them.
    const FINGERPRINTS: [(&str, &str); 5] = [
        (
            "Amazon Root CA 1",
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        ),
        (
            "Amazon Root CA 2",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        ),
        (
            "Amazon Root CA 3",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        ),
        (
            "Amazon Root CA 4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        ),
        (
            "Starfield Services Root",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ),
    ];

    fn roots(region: &str, bundle: &str) -> Result<Roots, ConfigError> {
        let environment = Environment::of([(CA_BUNDLE.to_owned(), bundle.to_owned())]);
        Roots::from_environment(&environment, &Region::parse(region).unwrap())
    }

    #[test]
    fn the_roots_are_amazons_five_and_no_others() {
        let ders: Vec<_> = CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes())
            .map(Result::unwrap)
            .collect();
        let found: Vec<String> = ders
            .iter()
            .map(|der| {
                Sha256::digest(der)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            })
            .collect();
        let expected: Vec<&str> = FINGERPRINTS.iter().map(|(_, fingerprint)| *fingerprint).collect();
        assert_eq!(found, expected);
        assert_eq!(store_of(AMAZON_ROOTS).unwrap().len(), FINGERPRINTS.len());
    }

    #[test]
    fn the_commercial_partition_trusts_amazon_alone_and_others_trust_what_their_host_trusts() {
        assert!(matches!(roots("eu-west-1", "").unwrap(), Roots::These(pem) if pem == AMAZON_ROOTS));
        for region in ["cn-north-1", "us-gov-west-1", "eusc-de-east-1"] {
            assert!(matches!(roots(region, "").unwrap(), Roots::Host), "{region}");
        }
    }

    #[test]
    fn a_bundle_is_taken_whole_or_the_function_does_not_start() {
        let folder = std::env::temp_dir().join(format!("latchkey-trust-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (first, _) = AMAZON_ROOTS.split_once("# Amazon Root CA 2").unwrap();
        let one = roots("eu-west-1", &file("one.pem", first)).unwrap();
        assert!(matches!(one, Roots::These(pem) if pem == first));
        let truncated = first.replace("MIID", "AAAA");
        for bad in [
            "/nowhere.pem".to_owned(),
            file("empty.pem", ""),
            file("bad.pem", &truncated),
        ] {
            assert_eq!(roots("eu-west-1", &bad).unwrap_err().variable, CA_BUNDLE, "{bad}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

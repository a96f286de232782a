//! What all clients of a function share, made once: region, credentials, one connector, time-outs.
//!
//! Each choice is one of time or size at a cold start; docs/ARCHITECTURE.md, "Cold and warm", says what it is worth.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion,
    http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::{SdkConfig, region, sdk_config::SharedCredentialsProvider};
use latchkey_core::domain::aws::Region;

use super::{prewarm, tls_refused::TellsIssuer, trust::Roots};
use crate::config::{ConfigError, Environment};

/// Longest time for a connection to one of AWS's endpoints, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time until an answer begins, on any connection. The connector is one for all, so this is the longest that
/// any client asks for; [`ATTEMPT_TIMEOUT`] ends most calls sooner.
const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest time for one try of a call. What takes longer is lost, and another try is faster.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time for one call, its tries included: well below a function's own time-out (and the verifier's 45 s for a
/// message), so that a call that hangs becomes an error that is handled.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// The same two for IAM's simulation, which computes instead of reading.
const SIMULATION_TIMEOUT: Duration = Duration::from_secs(8);
/// Most idle connections to one host: what a verifier's batch of 128 opens at once, two probes for each message, is
/// there for its next one. Fewer, and the rest would shake hands again for each batch.
const MAX_IDLE_CONNECTIONS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    Sqs,
    Sts,
    Iam,
    Sns,
}

impl Service {
    /// The variable that names another endpoint for it, as all of AWS's SDKs know it.
    fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::Iam => "AWS_ENDPOINT_URL_IAM",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
        }
    }

    /// Its plain endpoint in `region`, neither FIPS nor dual-stack; none where we need not know it.
    pub fn url(self, region: &Region) -> Option<String> {
        let label = match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
            Self::Iam | Self::Sns => return None,
        };
        Some(format!(
            "https://{label}.{region}.{}",
            region.partition().dns_suffix()
        ))
    }
}

/// The makings of a function's clients.
pub struct Aws {
    config: SdkConfig,
    connector: SharedHttpConnector,
    region: Region,
    endpoints: Vec<(Service, String)>,
    endpoint: Option<String>,
    prewarms: bool,
}

impl Aws {
    /// Reads what Lambda puts into the environment: region and credentials. The SDK's own loader asks a chain of
    /// providers and profiles, none of which a function has.
    ///
    /// The standard variables `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_USE_FIPS_ENDPOINT`,
    /// `AWS_USE_DUALSTACK_ENDPOINT` and `AWS_CA_BUNDLE` mean what they mean to every SDK.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let region: Region = environment.parsed("AWS_REGION")?;
        let roots = Roots::from_environment(environment, &region)?;
        let connector = connector(&roots);
        let credentials = Credentials::new(
            environment.text("AWS_ACCESS_KEY_ID")?,
            environment.text("AWS_SECRET_ACCESS_KEY")?,
            environment.optional_text("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let flag = |variable| match environment.optional_text(variable) {
            Some(text) => text.to_ascii_lowercase().parse().map_err(|error| ConfigError {
                variable,
                problem: format!("is malformed: {error}"),
            }),
            None => Ok(false),
        };
        let uses_fips = flag("AWS_USE_FIPS_ENDPOINT")?;
        let uses_dual_stack = flag("AWS_USE_DUALSTACK_ENDPOINT")?;
        let endpoint = environment.optional_text("AWS_ENDPOINT_URL");
        let endpoints = [
            Service::DynamoDb,
            Service::Sqs,
            Service::Sts,
            Service::Iam,
            Service::Sns,
        ]
        .into_iter()
        .filter_map(|service| Some((service, environment.optional_text(service.endpoint_variable())?)))
        .collect();
        let shared_connector = connector.clone();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region::Region::new(region.to_string()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| shared_connector.clone()))
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
            // Answers are small and the time-outs short: watching the speed of a stream adds nothing.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .use_fips(uses_fips)
            .use_dual_stack(uses_dual_stack)
            .build();
        Ok(Self {
            config,
            connector,
            region,
            endpoints,
            endpoint,
            // The hosts are known for the plain endpoints alone.
            prewarms: !uses_fips && !uses_dual_stack,
        })
    }

    /// The configuration of the clients of one service.
    pub fn config(&self, service: Service) -> SdkConfig {
        let mut builder = self.config.to_builder();
        builder.set_endpoint_url(self.given_endpoint(service).map(str::to_owned));
        if service == Service::Iam {
            builder.set_timeout_config(Some(timeouts(SIMULATION_TIMEOUT, SIMULATION_TIMEOUT)));
        }
        builder.build()
    }

    /// The one connector, for calls that are no SDK's.
    pub fn connector(&self) -> SharedHttpConnector {
        self.connector.clone()
    }

    /// Opens a connection to each of these services before the first event, while Lambda gives a starting function all
    /// of the CPU. One that cannot be opened is logged, and left to the first call.
    pub async fn prewarm(&self, services: &[Service]) {
        if self.prewarms {
            let urls = services.iter().filter_map(|service| self.host_url(*service));
            prewarm::open(&self.connector, urls).await;
        }
    }

    fn given_endpoint(&self, service: Service) -> Option<&str> {
        let own = self.endpoints.iter().find(|(of, _)| *of == service);
        own.map(|(_, url)| url)
            .or(self.endpoint.as_ref())
            .map(String::as_str)
    }

    fn host_url(&self, service: Service) -> Option<String> {
        match self.given_endpoint(service) {
            // Without TLS there is nothing to do beforehand.
            Some(url) => url.starts_with("https://").then(|| url.to_owned()),
            None => service.url(&self.region),
        }
    }
}

/// An HTTP client over one connector, for programs that find their configuration with the SDK's loader.
pub fn http_client(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

/// The one connector. Its time-outs hold for all clients: those of a client's configuration would be ignored.
pub fn connector(roots: &Roots) -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(roots.context())
        .build();
    SharedHttpConnector::new(TellsIssuer(SharedHttpConnector::new(connector)))
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(variables: &[(&str, &str)]) -> Result<Aws, ConfigError> {
        let lambda = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let all = lambda.iter().chain(variables);
        Aws::from_environment(&Environment::of(
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        ))
    }

    #[test]
    fn each_service_has_its_own_endpoint_before_that_of_all() {
        let aws = aws(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:2"),
        ])
        .unwrap();
        assert_eq!(
            aws.config(Service::Sqs).endpoint_url(),
            Some("http://127.0.0.1:1")
        );
        assert_eq!(
            aws.config(Service::Sts).endpoint_url(),
            Some("https://127.0.0.1:2")
        );
        assert_eq!(aws.host_url(Service::Sqs), None, "no TLS, nothing to prewarm");
        assert_eq!(aws.host_url(Service::Sts).as_deref(), Some("https://127.0.0.1:2"));
    }

    #[test]
    fn without_an_endpoint_the_regions_own_hosts_are_prewarmed() {
        let plain = aws(&[]).unwrap();
        assert_eq!(plain.config(Service::DynamoDb).endpoint_url(), None);
        let url = plain.host_url(Service::DynamoDb);
        assert_eq!(url.as_deref(), Some("https://dynamodb.eu-west-1.amazonaws.com"));
        assert_eq!(
            plain.host_url(Service::Iam),
            None,
            "its endpoint is in another region"
        );
        let china = aws(&[("AWS_REGION", "cn-north-1")]).unwrap();
        let url = china.host_url(Service::Sqs);
        assert_eq!(url.as_deref(), Some("https://sqs.cn-north-1.amazonaws.com.cn"));
        assert!(plain.prewarms && !aws(&[("AWS_USE_FIPS_ENDPOINT", "true")]).unwrap().prewarms);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (name, value) in [
            ("AWS_REGION", "moon"),
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_USE_FIPS_ENDPOINT", "perhaps"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "2"),
            ("AWS_CA_BUNDLE", "/nowhere"),
        ] {
            assert_eq!(
                aws(&[(name, value)]).err().map(|error| error.variable),
                Some(name)
            );
        }
    }

    #[test]
    fn a_call_that_hangs_ends_long_before_the_function_does() {
        let aws = aws(&[]).unwrap();
        for service in [Service::DynamoDb, Service::Sqs, Service::Sts, Service::Iam] {
            let config = aws.config(service);
            let timeouts = config.timeout_config().unwrap();
            let (attempt, operation) = (timeouts.operation_attempt_timeout(), timeouts.operation_timeout());
            assert!(
                attempt <= operation && operation <= Some(SIMULATION_TIMEOUT),
                "{service:?}"
            );
            assert!(attempt <= Some(READ_TIMEOUT), "{service:?}");
        }
    }
}

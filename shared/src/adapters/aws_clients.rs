//! The one connector that all SDK clients share, with its time-outs.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Longest time for a connection to one of AWS's endpoints.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time for one call, its retries included: well below a function's own time-out, so that a call that
/// hangs becomes an error that is handled.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration of all clients: region and credentials from the environment, ring for TLS, one connector.
pub async fn sdk_config() -> SdkConfig {
    let http_client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .timeout_config(timeouts)
        .load()
        .await
}

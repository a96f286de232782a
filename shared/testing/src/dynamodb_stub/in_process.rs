//! The stub without a network: the adapter writes requests and reads answers, signatures and retries and all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    client::{
        behavior_version::BehaviorVersion,
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use aws_types::{SdkConfig, region::Region, sdk_config::SharedCredentialsProvider};

use super::{Table, answer};
use crate::Error;

/// How the target of a request begins, before the operation.
const TARGET: &str = "DynamoDB_20120810.";

/// A table that the clients of a process call.
#[derive(Clone)]
pub struct InProcess {
    table: Arc<Mutex<Table>>,
    latency: Duration,
}

impl InProcess {
    /// Every call takes `latency`, by Tokio's clock.
    pub fn new(table: Table, latency: Duration) -> Self {
        Self {
            table: Arc::new(Mutex::new(table)),
            latency,
        }
    }

    /// The table.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration of a client that calls this.
    pub fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("ASIAEXAMPLE", "secret", None, None, "stub");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, Error> {
        let header = |name| request.headers().get(name).ok_or_else(|| format!("no {name}"));
        header("authorization")?;
        let operation = header("x-amz-target")?
            .strip_prefix(TARGET)
            .ok_or("another service")?;
        let body = request.body().bytes().ok_or("a body in parts")?;
        let (status, body) = answer(&mut self.table(), operation, body, false);
        Ok(HttpResponse::new(
            StatusCode::try_from(status)?,
            SdkBody::from(body.to_string()),
        ))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InProcess")
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.answer(&request).map_err(ConnectorError::user);
        let latency = self.latency;
        HttpConnectorFuture::new(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            answer
        })
    }
}

//! Reads what is published without credentials, by the connector of the SDK's clients.

use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::byte_stream::ByteStream;
use latchkey_core::ports::{PublicReader, Unavailable};
use url::Url;

use crate::config::local_endpoint::LocalEndpoint;

/// Longest time for one look, connection included.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Most that is read, in bytes: CloudFormation takes no larger template.
const MAX_BYTES: usize = 1_000_000;
/// What fails here, for the log.
const OPERATION: &str = "template.read";

/// A stranger's eyes.
pub struct AnonymousReader {
    connector: SharedHttpConnector,
    local: Option<LocalEndpoint>,
}

impl AnonymousReader {
    /// Reads over `connector`; from `local` instead of S3 where there is one.
    pub fn new(connector: SharedHttpConnector, local: Option<LocalEndpoint>) -> Self {
        Self { connector, local }
    }

    async fn get(&self, url: &str) -> Result<Result<Vec<u8>, u16>, Unavailable> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Unavailable::new(OPERATION, error);
        let request = match &self.local {
            None => HttpRequest::get(url).map_err(|error| failed(error.into()))?,
            Some(local) => {
                let url = Url::parse(url).map_err(|error| failed(error.into()))?;
                let mut request =
                    HttpRequest::get(local.relocate(&url).as_str()).map_err(|error| failed(error.into()))?;
                let host = url.host_str().unwrap_or_default().to_owned();
                let told = request.headers_mut().try_insert("host", host);
                told.map_err(|error| failed(error.into()))?;
                request
            }
        };
        let response = self
            .connector
            .call(request)
            .await
            .map_err(|error| failed(error.into()))?;
        let status = response.status();
        // Read to the end also where it is a refusal, or the connection is thrown away.
        let (mut body, mut bytes) = (ByteStream::new(response.into_body()), Vec::new());
        while let Some(part) = body.try_next().await.map_err(|error| failed(error.into()))? {
            bytes.extend_from_slice(&part);
            if bytes.len() > MAX_BYTES {
                return Err(failed("it is larger than any template".into()));
            }
        }
        Ok(if status.is_success() {
            Ok(bytes)
        } else {
            Err(status.as_u16())
        })
    }
}

#[async_trait]
impl PublicReader for AnonymousReader {
    async fn read(&self, url: &str) -> Result<Result<Vec<u8>, u16>, Unavailable> {
        let in_time = tokio::time::timeout(TIMEOUT, self.get(url)).await;
        in_time.map_err(|error| Unavailable::new(OPERATION, error))?
    }
}

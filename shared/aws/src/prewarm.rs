//! Opens connections before they are needed.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::byte_stream::ByteStream;
use futures::future::join_all;

/// Longest time that a start is held up by this. A handshake takes some milliseconds; what takes longer is not worth
/// waiting for twice.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most that is read of an answer, in bytes: AWS's endpoints say "healthy", redirect, or refuse, in a few hundred.
const MAX_ANSWER: usize = 16 * 1024;

/// Asks for `/` of each of `urls` at the same time, unsigned, and throws the answers away: what stays is an open
/// connection in the connector's pool. Any answer will do. Never fails: a host that cannot be reached is logged.
pub async fn open(connector: &SharedHttpConnector, urls: impl Iterator<Item = String>) {
    let visits = join_all(urls.map(|url| visit(connector, url)));
    if tokio::time::timeout(PATIENCE, visits).await.is_err() {
        tracing::warn!("prewarm.patience_ms" = PATIENCE.as_millis(), "prewarm.given_up");
    }
}

async fn visit(connector: &SharedHttpConnector, url: String) {
    let visited = async {
        let request = HttpRequest::get(&url).map_err(|error| error.to_string())?;
        let answer = connector.call(request).await.map_err(|error| error.to_string())?;
        // Read to the end, or the connection is thrown away as well.
        let (mut body, mut read) = (ByteStream::new(answer.into_body()), 0);
        while let Some(part) = body.try_next().await.map_err(|error| error.to_string())? {
            read += part.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        Ok::<_, String>(())
    };
    if let Err(error) = visited.await {
        tracing::warn!("prewarm.url" = url, error, "prewarm.failed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::{
        client::{
            http::{HttpConnector, HttpConnectorFuture},
            orchestrator::HttpResponse,
            result::ConnectorError,
        },
        http::StatusCode,
    };
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Notes whom it is asked for; hosts with `hangs` never answer, hosts with `refuses` cannot be reached.
    #[derive(Debug, Clone, Default)]
    struct Hosts(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Hosts {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let url = request.uri().to_owned();
            self.0.lock().unwrap().push(url.clone());
            HttpConnectorFuture::new(async move {
                if url.contains("hangs") {
                    std::future::pending::<()>().await;
                }
                if url.contains("refuses") {
                    return Err(ConnectorError::io("refused".into()));
                }
                let status =
                    StatusCode::try_from(404).map_err(|error| ConnectorError::other(error.into(), None))?;
                Ok(HttpResponse::new(status, SdkBody::from("x".repeat(100_000))))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_the_hosts_do_a_start_goes_on() {
        let hosts = Hosts::default();
        let urls = [
            "https://a.example/",
            "https://refuses.example/",
            "https://hangs.example/",
        ];
        let connector = SharedHttpConnector::new(hosts.clone());
        let begun = tokio::time::Instant::now();
        open(&connector, urls.iter().map(|url| (*url).to_owned())).await;
        assert_eq!(begun.elapsed().as_millis(), PATIENCE.as_millis());
        assert_eq!(*hosts.0.lock().unwrap(), urls);
    }
}

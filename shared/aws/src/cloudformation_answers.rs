//! Sends answers to CloudFormation's response bucket.

use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector as _, SharedHttpConnector},
        orchestrator::HttpRequest,
        result::ConnectorError,
    },
    http::{HttpError, StatusCode},
};
use aws_smithy_types::body::SdkBody;
use latchkey_core::{
    domain::request::response_url::ResponseUrl,
    ports::{AnswerSender, Delivery, Unavailable},
};
use url::Url;

use crate::config::local_endpoint::LocalEndpoint;

/// Longest time for one try, connection included: the connector's own read time-out is longer.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an answer is tried where the bucket cannot be reached, or says nothing. Putting the same one twice is as good
/// as once.
const MAX_TRIES: usize = 2;
/// What fails here, for the log.
const OPERATION: &str = "cloudformation.answer";
/// Refusals that are none: the same answer may be taken a moment later.
const REQUEST_TIMEOUT: u16 = 408;
/// See [`REQUEST_TIMEOUT`].
const TOO_MANY_REQUESTS: u16 = 429;

/// Puts answers where the guard allows it, and nowhere else: by the connector of the SDK's clients, which follows no
/// redirect and takes no proxy from the environment.
pub struct CloudFormationAnswers {
    connector: SharedHttpConnector,
    local: Option<LocalEndpoint>,
}

/// Why there is no answer to an answer. None says where it went: the URL is a bearer secret.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no request can be made of the answer URL")]
    Request(#[from] HttpError),
    #[error("the bucket could not be asked")]
    Connection(#[from] ConnectorError),
    #[error("the bucket said nothing for {} s", TRY_TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("the answer URL is not https")]
    Insecure,
    #[error("the bucket answered {0}")]
    Status(u16),
}

impl CloudFormationAnswers {
    /// Answers over `connector`; to `local` instead of S3 where there is one.
    pub fn new(connector: SharedHttpConnector, local: Option<LocalEndpoint>) -> Self {
        Self { connector, local }
    }

    fn request(&self, url: &Url, body: &str) -> Result<HttpRequest, Failed> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("PUT")?;
        match &self.local {
            // The guard let nothing else through; the connector would.
            None if url.scheme() != "https" => return Err(Failed::Insecure),
            None => request.set_uri(url.as_str())?,
            Some(local) => {
                request.set_uri(local.relocate(url).as_str())?;
                let host = url.host_str().unwrap_or_default().to_owned();
                request.headers_mut().try_insert("host", host)?;
            }
        }
        // Older answer URLs are signed for an empty content type.
        request.headers_mut().try_insert("content-type", "")?;
        Ok(request)
    }

    async fn put(&self, url: &ResponseUrl, body: &str) -> Result<Delivery, Failed> {
        let request = self.request(url.expose(), body)?;
        let response = tokio::time::timeout(TRY_TIMEOUT, self.connector.call(request)).await??;
        delivery(response.status()).ok_or_else(|| Failed::Status(response.status().as_u16()))
    }
}

#[async_trait]
impl AnswerSender for CloudFormationAnswers {
    async fn send(&self, url: &ResponseUrl, body: String) -> Result<Delivery, Unavailable> {
        let mut tries = 1;
        loop {
            match self.put(url, &body).await {
                Err(Failed::Connection(_) | Failed::Timeout(_)) if tries < MAX_TRIES => tries += 1,
                sent => return sent.map_err(|failed| Unavailable::new(OPERATION, failed)),
            }
        }
    }
}

/// What a status says about the origin of the URL. Only what will be the same next time is a refusal.
fn delivery(status: StatusCode) -> Option<Delivery> {
    match status {
        status if status.is_success() => Some(Delivery::Accepted),
        status if [REQUEST_TIMEOUT, TOO_MANY_REQUESTS].contains(&status.as_u16()) => None,
        status if status.is_client_error() => Some(Delivery::Refused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture},
        orchestrator::HttpResponse,
    };

    use super::*;
    use crate::{aws_clients::Aws, config::Environment, telemetry::causes};
    use latchkey_core::domain::aws::StackId;

    const STACK: &str =
        "arn:aws:cloudformation:us-east-1:222222222222:stack/latchkey/4e1f0c40-0000-11f0-0000-0a0000000000";
    const SIGNATURE: &str = "X-Amz-Signature=5ec3e7";

    /// What a bucket does with a request.
    #[derive(Debug, Clone, Copy)]
    enum Does {
        Answer(u16),
        Refuse,
        Hang,
    }

    /// A bucket that does one thing, and notes who asked.
    #[derive(Debug, Clone)]
    struct Bucket(Does, Arc<Mutex<Vec<HttpRequest>>>);

    impl HttpConnector for Bucket {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.1.lock().unwrap().push(request);
            let does = self.0;
            HttpConnectorFuture::new(async move {
                match does {
                    Does::Answer(status) => {
                        let status = StatusCode::try_from(status)
                            .map_err(|error| ConnectorError::other(error.into(), None))?;
                        Ok(HttpResponse::new(status, SdkBody::empty()))
                    }
                    Does::Refuse => Err(ConnectorError::io("connection refused".into())),
                    Does::Hang => std::future::pending().await,
                }
            })
        }
    }

    fn url() -> ResponseUrl {
        let url = format!(
            "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/{}%7CConnection%7C0f1e?{SIGNATURE}",
            STACK.replace(':', "%3A"),
        );
        ResponseUrl::parse(&url, &StackId::parse(STACK).unwrap(), "Connection", "0f1e").unwrap()
    }

    async fn send(does: Does, local: &str) -> (Result<Delivery, Unavailable>, HttpRequest) {
        let (sent, mut asked) = try_to_send(does, local).await;
        assert_eq!(asked.len(), 1);
        (sent, asked.remove(0))
    }

    async fn try_to_send(does: Does, local: &str) -> (Result<Delivery, Unavailable>, Vec<HttpRequest>) {
        let bucket = Bucket(does, Arc::default());
        let environment = Environment::of([("LOCAL_ANSWER_ENDPOINT".to_owned(), local.to_owned())]);
        let sender = CloudFormationAnswers::new(
            SharedHttpConnector::new(bucket.clone()),
            LocalEndpoint::from_environment(&environment).unwrap(),
        );
        let sent = sender.send(&url(), "{}".to_owned()).await;
        let asked = std::mem::take(&mut *bucket.1.lock().unwrap());
        (sent, asked)
    }

    #[tokio::test]
    async fn an_answer_is_put_as_its_url_was_signed() {
        let (sent, request) = send(Does::Answer(200), "").await;
        assert_eq!(sent.unwrap(), Delivery::Accepted);
        assert_eq!(request.method(), "PUT");
        assert!(
            request
                .uri()
                .starts_with("https://cloudformation-custom-resource-response-useast1.s3.")
        );
        assert!(request.uri().ends_with(SIGNATURE));
        assert_eq!(request.headers().get("content-type"), Some(""));
        assert_eq!(request.headers().get("host"), None, "it follows from the URL");
        assert_eq!(request.body().bytes(), Some(b"{}".as_slice()));
    }

    #[tokio::test]
    async fn a_local_aws_is_told_which_bucket_is_meant() {
        let (_, request) = send(Does::Answer(200), "http://127.0.0.1:4566").await;
        assert!(request.uri().starts_with("http://127.0.0.1:4566/arn"));
        assert_eq!(
            request.headers().get("host"),
            Some("cloudformation-custom-resource-response-useast1.s3.amazonaws.com")
        );
    }

    /// And whatever fails, its URL is in no error.
    #[tokio::test(start_paused = true)]
    async fn what_fails_ends_in_time_and_does_not_tell_the_url() {
        for (does, tries) in [
            (Does::Hang, 2),
            (Does::Refuse, 2),
            (Does::Answer(503), 1),
            (Does::Answer(307), 1),
        ] {
            let all = TRY_TIMEOUT * 2 + Duration::from_secs(1);
            let (sent, asked) = tokio::time::timeout(all, try_to_send(does, "")).await.unwrap();
            let error = sent.unwrap_err();
            let text = format!("{} {error:?}", causes(&error));
            assert!(
                !text.contains("5ec3e7") && !text.contains("s3.amazonaws"),
                "{text}"
            );
            assert_eq!(asked.len(), tries, "{does:?}");
        }
    }

    /// The connector that functions have, and a port where nobody listens.
    #[tokio::test]
    async fn what_the_real_connector_says_of_a_bucket_out_of_reach_does_not_tell_the_url() {
        let variables = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("LOCAL_ANSWER_ENDPOINT", "https://127.0.0.1:1"),
        ];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let connector = Aws::from_environment(&environment).unwrap().connector();
        let local = LocalEndpoint::from_environment(&environment).unwrap();
        let sender = CloudFormationAnswers::new(connector, local);
        let error = sender.send(&url(), String::new()).await.unwrap_err();
        let text = format!("{} {error:?}", causes(&error));
        assert!(text.contains("refused"), "{text}");
        assert!(
            !text.contains("5ec3e7") && !text.contains("Connection%7C"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_put_in_clear_text() {
        let connector = SharedHttpConnector::new(Bucket(Does::Answer(200), Arc::default()));
        let sender = CloudFormationAnswers::new(connector, None);
        let clear = Url::parse("http://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/");
        assert!(matches!(
            sender.request(&clear.unwrap(), ""),
            Err(Failed::Insecure)
        ));
    }

    #[test]
    fn only_a_final_no_is_a_refusal() {
        for (status, meaning) in [
            (200, Some(Delivery::Accepted)),
            (204, Some(Delivery::Accepted)),
            (403, Some(Delivery::Refused)),
            (400, Some(Delivery::Refused)),
            (404, Some(Delivery::Refused)),
            (301, None),
            (307, None),
            (408, None),
            (429, None),
            (500, None),
            (503, None),
        ] {
            assert_eq!(
                delivery(StatusCode::try_from(status).unwrap()),
                meaning,
                "{status}"
            );
        }
    }
}

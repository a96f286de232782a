//! Sends answers to CloudFormation's response bucket.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HOST},
    redirect::Policy,
};

use super::trust::Roots;
use crate::{
    config::local_endpoint::LocalEndpoint,
    domain::response_url::ResponseUrl,
    ports::{AnswerSender, Delivery, Unavailable},
};

/// Longest time for one answer, connection included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// What fails here, for the log.
const OPERATION: &str = "cloudformation.answer";

/// An HTTP client that does nothing but put an answer where the guard allows it.
pub struct CloudFormationAnswers {
    tls: rustls::ClientConfig,
    /// Made with the first answer: most events of a cold function are not answered by it.
    client: OnceLock<reqwest::Client>,
    local: Option<LocalEndpoint>,
}

impl CloudFormationAnswers {
    /// Answers over TLS that leads to `roots`. Roots that cannot be used are an error now, not with the first answer.
    pub fn new(roots: &Roots, local: Option<LocalEndpoint>) -> Result<Self, Unavailable> {
        let unusable = |error| Unavailable::new("cloudformation_answers.tls", error);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots.store().map_err(unusable)?)
            .with_no_client_auth();
        Ok(Self {
            tls,
            client: OnceLock::new(),
            local,
        })
    }

    /// The client: no redirects, no proxy from the environment, a bounded time.
    fn client(&self) -> Result<&reqwest::Client, Unavailable> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(self.local.is_none())
            .redirect(Policy::none())
            .no_proxy()
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|error| Unavailable::new(OPERATION, error.without_url()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

#[async_trait]
impl AnswerSender for CloudFormationAnswers {
    async fn send(&self, url: &ResponseUrl, body: String) -> Result<Delivery, Unavailable> {
        let client = self.client()?;
        let url = url.expose();
        let mut request = match &self.local {
            None => client.put(url.clone()),
            Some(local) => client
                .put(local.relocate(url))
                .header(HOST, url.host_str().unwrap_or_default()),
        };
        // Older answer URLs are signed for an empty content type (AWS-FACTS).
        request = request.header(CONTENT_TYPE, "").body(body);
        // `without_url`: the URL is a bearer secret, and reqwest's errors would show it.
        let response = request
            .send()
            .await
            .map_err(|error| Unavailable::new(OPERATION, error.without_url()))?;
        delivery(response.status()).ok_or_else(|| {
            Unavailable::new(
                OPERATION,
                format!("the bucket answered {}", response.status().as_u16()),
            )
        })
    }
}

/// What a status says about the origin of the URL. Only what will be the same next time is a refusal.
fn delivery(status: StatusCode) -> Option<Delivery> {
    match status {
        status if status.is_success() => Some(Delivery::Accepted),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
        status if status.is_client_error() => Some(Delivery::Refused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                delivery(StatusCode::from_u16(status).unwrap()),
                meaning,
                "{status}"
            );
        }
    }
}

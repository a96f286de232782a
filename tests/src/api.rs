//! The vendor's UI: calls the API with a tenant's token.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Error, http_client, local_aws::Ready, scene::assert_shows};

/// A tenant's view of the API.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    /// Where what was made is shown.
    pub location: Option<String>,
    /// The JSON body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// Expects this status, and a body with at least these fields.
    #[track_caller]
    pub fn shows(&self, status: u16, expected: Value) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_shows(&self.body, expected);
    }
}

impl Api {
    /// As one of the tenants of [`Ready::tokens`].
    pub fn of(ready: &Ready, tenant: &str) -> Result<Self, Error> {
        let token = ready
            .tokens
            .get(tenant)
            .ok_or_else(|| format!("there is no tenant {tenant}"))?;
        Self::with_token(ready, token)
    }

    pub fn with_token(ready: &Ready, token: &str) -> Result<Self, Error> {
        let http = http_client(Duration::from_secs(30))?;
        Ok(Self {
            http,
            base: ready.api_url.clone(),
            token: Some(token.to_owned()),
        })
    }

    pub fn without_token(ready: &Ready) -> Result<Self, Error> {
        Ok(Self {
            token: None,
            ..Self::with_token(ready, "")?
        })
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        self.call_raw(method, path, body.map(Value::to_string)).await
    }

    /// Calls any route with any text as its body.
    pub async fn call_raw(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (content_type, location) = (header("content-type").unwrap_or_default(), header("location"));
        let text = response.text().await?;
        Ok(Answer {
            status,
            content_type,
            location,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        })
    }

    async fn expect(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Result<Value, Error> {
        let answer = self.call(method.clone(), path, body).await?;
        if answer.status == status {
            Ok(answer.body)
        } else {
            Err(format!("{method} {path} answered {}: {}", answer.status, answer.body).into())
        }
    }

    /// Makes a connection and expects it to be made.
    pub async fn create(&self, body: &Value) -> Result<Value, Error> {
        self.expect(Method::POST, "/v1/connections", Some(body), 201)
            .await
    }

    /// Shows a connection and expects it to be there.
    pub async fn get(&self, id: &str) -> Result<Value, Error> {
        self.expect(Method::GET, &format!("/v1/connections/{id}"), None, 200)
            .await
    }

    /// Ends a connection, as the vendor's UI does, and expects it to be there.
    pub async fn delete(&self, id: &str) -> Result<Value, Error> {
        self.expect(Method::DELETE, &format!("/v1/connections/{id}"), None, 200)
            .await
    }

    /// Polls a connection until it stands at `status`.
    pub async fn wait_for(&self, id: &str, status: &str) -> Result<Value, Error> {
        self.wait_until(id, |connection| connection["status"] == status)
            .await
    }

    /// Waits until a connection was ended by the deletion of its stack.
    pub async fn ended_by_its_stack(&self, id: &str) -> Result<Value, Error> {
        let shown = self.wait_for(id, "disconnected").await?;
        assert_shows(&shown, json!({ "reason": { "code": "stack_deleted" } }));
        Ok(shown)
    }

    /// Polls a connection until there is a reason why it is not active: it is stored when the stack's bucket took the
    /// answer, a moment after the stack itself has read it.
    pub async fn wait_for_reason(&self, id: &str) -> Result<Value, Error> {
        self.wait_until(id, |connection| !connection["reason"].is_null())
            .await
    }

    /// Polls a connection until `wanted` holds, as a UI does.
    pub async fn wait_until(&self, id: &str, mut wanted: impl FnMut(&Value) -> bool) -> Result<Value, Error> {
        /// Longer than any deadline of the local deployment.
        const PATIENCE: Duration = Duration::from_secs(90);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let connection = self.get(id).await?;
            if wanted(&connection) {
                return Ok(connection);
            }
            if Instant::now() > deadline {
                return Err(format!("the connection did not get there: {connection}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

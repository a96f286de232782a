//! The vendor's UI: calls the API with a tenant's token.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Error, http_client, local_aws::Ready, scene::assert_shows};

/// A tenant's view of the API.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    root: String,
    /// What stands at this door for the `/v1` of a tenant's paths.
    prefix: String,
    door: Door,
}

/// How calls come in.
#[derive(Clone)]
enum Door {
    Tenant(Option<String>),
    /// Signed with these credentials, for the API in this region.
    Vendor(Credentials, String),
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
    /// As one of the tenants of [`Ready::tokens`], or for it as the back end where there are no
    /// tokens.
    pub fn of(ready: &Ready, tenant: &str) -> Result<Self, Error> {
        if ready.tokens.is_empty() {
            return Self::signed(ready, &Credentials::from(&ready.back_end), tenant);
        }
        let token = ready
            .tokens
            .get(tenant)
            .ok_or_else(|| format!("there is no tenant {tenant}"))?;
        Self::with_token(ready, token)
    }

    pub fn with_token(ready: &Ready, token: &str) -> Result<Self, Error> {
        Self::at(ready, "/v1", Door::Tenant(Some(token.to_owned())))
    }

    pub fn without_token(ready: &Ready) -> Result<Self, Error> {
        Self::at(ready, "/v1", Door::Tenant(None))
    }

    /// As the vendor's back end, for a tenant. In a path it stands as it is given here.
    pub fn signed(ready: &Ready, credentials: &Credentials, tenant: &str) -> Result<Self, Error> {
        let door = Door::Vendor(credentials.clone(), ready.hub_region.clone());
        Self::at(ready, &format!("/v1/tenants/{tenant}"), door)
    }

    fn at(ready: &Ready, prefix: &str, door: Door) -> Result<Self, Error> {
        Ok(Self {
            http: http_client(Duration::from_secs(30))?,
            root: ready.api_url.clone(),
            prefix: prefix.to_owned(),
            door,
        })
    }

    /// The same caller at the path of the vendor's door to a tenant.
    pub fn towards(&self, tenant: &str) -> Self {
        Self {
            prefix: format!("/v1/tenants/{tenant}"),
            ..self.clone()
        }
    }

    /// The same caller at the paths of the tenant's door.
    pub fn at_tenants_door(&self) -> Self {
        Self {
            prefix: "/v1".to_owned(),
            ..self.clone()
        }
    }

    /// How a path of the tenant's door is called at this one.
    pub fn path(&self, path: &str) -> String {
        match path.strip_prefix("/v1/") {
            Some(rest) if !rest.starts_with("search") => format!("{}/{rest}", self.prefix),
            _ => path.to_owned(),
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        self.call_raw(method, path, body.map(Value::to_string)).await
    }

    /// Calls any route, as the tenant's door names it, with any text as its body.
    pub async fn call_raw(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Error> {
        let url = format!("{}{}", self.root, self.path(path));
        let mut request = self.http.request(method.clone(), &url);
        match &self.door {
            Door::Tenant(None) => {}
            Door::Tenant(Some(token)) => {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            Door::Vendor(credentials, region) => {
                let text = body.as_deref().unwrap_or_default();
                for (name, value) in signature(credentials, region, method.as_str(), &url, text)? {
                    request = request.header(name, value);
                }
            }
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

/// The headers of SigV4 for a request that is sent exactly so.
fn signature(
    credentials: &Credentials,
    region: &str,
    method: &str,
    url: &str,
    body: &str,
) -> Result<Vec<(String, String)>, Error> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?;
    let none = std::iter::empty();
    let request = SignableRequest::new(method, url, none, SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(request, &parameters.into())?.into_parts();
    let headers = instructions.headers();
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

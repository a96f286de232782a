//! The API over the fakes: what each route answers, and what it refuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod doors;
mod lists;
mod refusals;
mod search;
mod side_by_side;
mod wire;

use std::sync::Arc;

use latchkey_api_types::options::TierBody;
use latchkey_core::{
    domain::{connection::TemplateRef, proof::tiers::TierName, template_version::PublishedVersion},
    ports::{TemplateCatalog, Unavailable},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account},
    in_memory_store::InMemoryStore,
    world::{PATIENCE_SECONDS, PLAN, World},
};
use link_generator::{
    response::Response,
    router::{Door, answer},
    state::{Settings, State},
};
use serde_json::{Value, json};

/// The claim that names the tenant.
const TENANT_CLAIM: &str = "custom:tenant";

/// API Gateway's id of every request here.
const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";

/// Over all tenants, and so at the vendor's door alone.
const SEARCH: &str = "GET /v1/search";

/// What the vendor's door has for a route, or a path, of the tenant's.
fn key_at(key: &str, door: Door) -> String {
    match door {
        Door::Vendor if !key.ends_with("/v1/search") => key.replacen("/v1", "/v1/tenants/{tenant}", 1),
        _ => key.to_owned(),
    }
}

/// Who calls at the vendor's door.
const CALLER: &str = "arn:aws:sts::111111111111:assumed-role/BackEnd/instance-7";

/// The function over the fakes, and the world that it works in.
struct Api {
    world: World,
    state: State,
    /// By which one calls come in.
    door: Door,
}

impl Api {
    fn new() -> Self {
        Self::at(Door::Tenant)
    }

    fn at(door: Door) -> Self {
        let world = World::default();
        let settings = Settings {
            tenant_claim: Some(TENANT_CLAIM.to_owned()),
            link_policy: world.start.policy.clone(),
            listener_regions: world.start.regions.named.clone(),
            tiers: vec![TierBody {
                name: TierName::parse("test").unwrap(),
                summary: "What tests look at.".to_owned(),
            }],
            sweep_plan: PLAN,
            vendor_account: account(VENDOR_ACCOUNT),
            verification_deadline_seconds: PATIENCE_SECONDS.try_into().unwrap(),
        };
        let system = (world.clock.clone() as _, world.ids.clone() as _);
        let mut state = State::new(
            settings,
            world.store.clone(),
            world.queue.clone(),
            (world.topics.clone(), None),
            system,
        );
        state.templates = Arc::new(Published(world.store.clone()));
        Self { world, state, door }
    }

    async fn call(&self, tenant: &str, call: &Call<'_>) -> Response {
        self.send(self.event(tenant, call)).await
    }

    /// What API Gateway makes of a tenant's call at this door.
    fn event(&self, tenant: &str, call: &Call<'_>) -> Value {
        match self.door {
            Door::Tenant => call.event(&json!({ TENANT_CLAIM: tenant })),
            Door::Vendor => call.signed_event(tenant),
        }
    }

    async fn send(&self, event: Value) -> Response {
        answer(&self.state, &serde_json::from_value(event).unwrap()).await
    }
}

/// What is sent to a route.
#[derive(Clone, Copy, Default)]
struct Call<'a> {
    /// Such as `GET /v1/connections/{id}`.
    key: &'a str,
    id: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    is_base64: bool,
}

impl Call<'_> {
    /// The same call at the vendor's door, as API Gateway hands it over.
    fn signed_event(&self, tenant: &str) -> Value {
        let mut event = self.event(&json!({}));
        let key = key_at(self.key, Door::Vendor);
        let path = key_at(event["rawPath"].as_str().unwrap(), Door::Vendor).replace("{tenant}", tenant);
        event["routeKey"] = json!(key);
        event["requestContext"]["routeKey"] = json!(key);
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        event["pathParameters"]["tenant"] = json!(tenant);
        event["requestContext"]["authorizer"] = json!({ "iam": {
            "accessKey": "ASIAEXAMPLE", "accountId": "111111111111", "callerId": "AROAEXAMPLE:instance-7",
            "cognitoIdentity": null, "principalOrgId": null, "userArn": CALLER, "userId": "AROAEXAMPLE:instance-7",
        } });
        event
    }

    /// As API Gateway hands it over, in payload format 2.0.
    fn event(&self, claims: &Value) -> Value {
        let (method, path) = self.key.split_once(' ').unwrap();
        let query: serde_json::Map<String, Value> = self
            .query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let path = path.replace("{id}", self.id);
        json!({
            "version": "2.0",
            "routeKey": self.key,
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "queryStringParameters": query,
            "pathParameters": { "id": self.id },
            "requestContext": {
                "authorizer": { "jwt": { "claims": claims, "scopes": null } },
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.10", "userAgent": "x" },
                "requestId": REQUEST_ID, "routeKey": self.key, "stage": "$default", "timeEpoch": 0,
            },
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        })
    }
}

/// The template that the fakes have, with what was published before it.
struct Published(Arc<InMemoryStore>);

#[async_trait::async_trait]
impl TemplateCatalog for Published {
    async fn current(&self) -> Result<Option<TemplateRef>, Unavailable> {
        self.0.current().await
    }

    async fn versions(&self) -> Result<Vec<PublishedVersion>, Unavailable> {
        let version = |version: &str, changes: Value| {
            let published = json!({
                "version": version,
                "url": format!("https://templates.example/latchkey/{version}/connection-template.yaml"),
                "sha256": "ab".repeat(32),
                "published_at": "2026-07-01T00:00:00Z",
                "changes": changes,
                "changelog": "One action more.",
                "parameters": ["ExternalId", "PermissionTier"],
                "files": [{ "name": "security.html", "url": "https://templates.example/s", "sha256": "cd".repeat(32) }],
            });
            serde_json::from_value(published).unwrap()
        };
        Ok(vec![
            version("0.9.0", Value::Null),
            version("1.0.0", json!({ "from": "0.9.0", "to": "1.0.0", "changes": [] })),
        ])
    }
}

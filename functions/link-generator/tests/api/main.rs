//! The API over the fakes: what each route answers, and what it refuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod lists;
mod refusals;
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
    router::answer,
    state::{Settings, State},
};
use serde_json::{Value, json};

/// The claim that names the tenant.
const TENANT_CLAIM: &str = "custom:tenant";

/// API Gateway's id of every request here.
const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";

/// The function over the fakes, and the world that it works in.
struct Api {
    world: World,
    state: State,
}

impl Api {
    fn new() -> Self {
        let world = World::default();
        let settings = Settings {
            tenant_claim: TENANT_CLAIM.to_owned(),
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
        Self { world, state }
    }

    async fn call(&self, tenant: &str, call: &Call<'_>) -> Response {
        self.send(call.event(&json!({ TENANT_CLAIM: tenant }))).await
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

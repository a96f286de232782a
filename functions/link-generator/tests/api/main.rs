//! The API over the fakes: what each route answers, and what it refuses.

mod wire;

use latchkey_core::{
    domain::template_version::PublishedVersion, use_cases::find_connections::FindConnections,
};
use latchkey_testing::world::World;
use link_generator::{handler::Handler, response::Response};
use serde_json::{Value, json};

/// The claim that names the tenant.
const TENANT_CLAIM: &str = "custom:tenant";

/// The function over the fakes, and the world that it works in.
struct Api {
    world: World,
    state: Handler,
}

impl Api {
    fn new() -> Self {
        // Two views of the same fakes.
        let world = World::default();
        let state = state_of(&world);
        Self { world, state }
    }

    /// Calls a route such as `GET /v1/connections/{id}` as `tenant`.
    async fn call(&self, tenant: &str, call: &Call<'_>) -> Response {
        self.send(call.event(json!({ TENANT_CLAIM: tenant }))).await
    }

    async fn send(&self, event: Value) -> Response {
        let event = serde_json::from_value(event).unwrap();
        self.state.handle(event).await.unwrap()
    }
}

/// What is sent to a route.
#[derive(Clone, Copy, Default)]
struct Call<'a> {
    key: &'a str,
    id: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    is_base64: bool,
}

impl Call<'_> {
    /// As API Gateway hands it over, in payload format 2.0.
    fn event(&self, claims: Value) -> Value {
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
                "requestId": "r", "routeKey": self.key, "stage": "$default", "timeEpoch": 0,
            },
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        })
    }
}

fn state_of(world: &World) -> Handler {
    use latchkey_core::use_cases::{
        disconnect::DisconnectByVendor, register_by_hand::RegisterByHand,
        rotate_external_id::RotateExternalId, start_connection::StartConnection,
    };
    let (store, clock, ids) = (world.store.clone(), world.clock.clone(), world.ids.clone());
    let members = world.members.clone();
    Handler {
        tenant_claim: TENANT_CLAIM.to_owned(),
        start: StartConnection {
            store: store.clone(),
            templates: std::sync::Arc::new(Published(store.clone())),
            clock: clock.clone(),
            ids: ids.clone(),
            policy: world.start.policy.clone(),
            doors: None,
        },
        by_hand: RegisterByHand {
            store: store.clone(),
            queue: world.queue.clone(),
            members: members.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            vendor_account: world.register_by_hand.vendor_account.clone(),
            patience_seconds: world.register_by_hand.patience_seconds,
        },
        disconnect: DisconnectByVendor {
            store: store.clone(),
            members: members.clone(),
            clock: clock.clone(),
        },
        rotate: RotateExternalId {
            store: store.clone(),
            members: members.clone(),
            ids,
            clock: clock.clone(),
        },
        members,
        verified: world.verified.clone(),
        find: FindConnections {
            store: store.clone(),
            search: store.clone(),
            clock: clock.clone(),
        },
        store,
        clock,
    }
}

/// The template of the fakes, and a newer one.
struct Published(std::sync::Arc<latchkey_testing::in_memory_store::InMemoryStore>);

#[async_trait::async_trait]
impl latchkey_core::ports::TemplateCatalog for Published {
    async fn current(
        &self,
    ) -> Result<Option<latchkey_core::domain::connection::TemplateRef>, latchkey_core::ports::Unavailable>
    {
        self.0.current().await
    }

    async fn versions(&self) -> Result<Vec<PublishedVersion>, latchkey_core::ports::Unavailable> {
        let version = |version: &str, changes: Value| {
            serde_json::from_value(json!({
                "version": version,
                "url": format!("https://templates.example/latchkey/{version}/connection-template.yaml"),
                "sha256": "ab".repeat(32),
                "published_at": "2026-07-01T00:00:00Z",
                "changes": changes,
                "changelog": "One action more.",
                "parameters": ["ExternalId", "PermissionTier"],
                "files": [{ "name": "security.html", "url": "https://templates.example/s", "sha256": "cd".repeat(32) }],
            }))
        };
        Ok(vec![
            version("0.9.0", Value::Null).unwrap(),
            version("1.0.0", json!({ "from": "0.9.0", "to": "1.0.0", "changes": [] })).unwrap(),
        ])
    }
}

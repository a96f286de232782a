//! The connections and the time.

use futures::FutureExt as _;
use jiff::Timestamp;
use latchkey_core::{
    domain::{
        aws::RoleArn,
        connection::{Connection, State},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
    },
    ports::Clock,
};
use latchkey_testing::{
    builders::{altered, fresh_account},
    dynamodb_stub,
    world::World,
};
use serde_json::json;
use tokio::time::Instant;

/// Connections of one tenant, and whose the first ones are.
pub const TENANT_SIZE: u32 = 20;
const FIRST_TENANT: &str = "acme";
const BASE: &str = "2026-08-03T00:00:00Z";

/// Virtual time: Tokio's paused clock, which jumps to whatever is next.
pub struct SimClock(Instant);

impl SimClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        base().checked_add(self.0.elapsed()).unwrap()
    }
}

pub fn base() -> Timestamp {
    BASE.parse().unwrap()
}

pub fn id_of(number: u32) -> ConnectionId {
    ConnectionId::parse(&dynamodb_stub::id(number)).unwrap()
}

pub fn number_of(id: &ConnectionId) -> u32 {
    dynamodb_stub::number_of_sort_key(&format!("CONN#{id}")).unwrap()
}

pub fn role_of(number: u32) -> RoleArn {
    RoleArn::parse(&dynamodb_stub::role_arn(number)).unwrap()
}

pub fn external_id_of(number: u32) -> ExternalId {
    ExternalId::parse(&dynamodb_stub::external_id(number)).unwrap()
}

pub fn tenant_of(number: u32) -> TenantId {
    TenantId::parse(&dynamodb_stub::tenant(FIRST_TENANT, TENANT_SIZE, number)).unwrap()
}

/// What all connections are made by: active, and proven at the beginning.
pub fn pattern() -> Connection {
    let world = World::default();
    let connected = async {
        let customer = world.connect(FIRST_TENANT, &fresh_account()).await;
        let connection = customer.connection;
        world
            .recheck
            .run(connection.tenant(), connection.id())
            .await
            .unwrap();
        world.reload(&connection).await
    };
    // The fakes never wait.
    connected.now_or_never().unwrap().verified_at(base())
}

/// The connection with this number, as it was made.
pub fn made(pattern: &Connection, number: u32) -> Connection {
    let mut state = pattern.state().clone();
    if let State::Active { binding, .. } = &mut state {
        binding.role_arn = role_of(number);
        binding.external_id = external_id_of(number);
    }
    let (id, tenant, external_id) = (id_of(number), tenant_of(number), external_id_of(number));
    let names = json!({ "id": id, "tenant": tenant, "external_id": external_id, "state": state });
    altered(pattern, names)
}

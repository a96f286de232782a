//! A million connections that take hardly any room: each follows from its number. And the time.

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
    world::World,
};
use serde_json::json;
use tokio::time::Instant;

/// Connections of one tenant.
const TENANT_SIZE: u32 = 20;

/// Virtual time: Tokio's paused clock, which jumps to whatever is next.
pub struct SimClock {
    origin: Instant,
    base: Timestamp,
}

impl SimClock {
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            base: "2026-08-03T00:00:00Z".parse().unwrap(),
        }
    }

    /// Seconds since the beginning.
    pub fn elapsed(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let since = self.origin.elapsed();
        self.base.checked_add(since).unwrap()
    }
}

pub fn id_of(number: u32) -> ConnectionId {
    ConnectionId::parse(&format!("conn_a{number:023}")).unwrap()
}

pub fn number_of(id: &ConnectionId) -> u32 {
    id.as_str()["conn_a".len()..].parse().unwrap()
}

/// The number of the connection with this sort key.
pub fn number_of_sk(sk: &str) -> u32 {
    sk["CONN#conn_a".len()..].parse().unwrap()
}

pub fn role_of(number: u32) -> RoleArn {
    let account = 100_000_000_000_u64 + u64::from(number);
    RoleArn::parse(&format!(
        "arn:aws:iam::{account}:role/latchkey/LatchkeyConnection"
    ))
    .unwrap()
}

pub fn external_id_of(number: u32) -> ExternalId {
    ExternalId::parse(&format!("e{number:031}")).unwrap()
}

pub fn tenant_of(number: u32) -> TenantId {
    TenantId::parse(&format!("org_{:08}", number / TENANT_SIZE)).unwrap()
}

/// What all connections are made by: active, and proven at `at`.
pub fn pattern(at: Timestamp) -> Connection {
    let world = World::default();
    let customer = world.connect("acme", &fresh_account()).now_or_never().unwrap();
    let checked = world
        .recheck
        .run(customer.connection.tenant(), customer.connection.id());
    checked.now_or_never().unwrap().unwrap();
    let pattern = world.reload(&customer.connection).now_or_never().unwrap();
    pattern.verified_at(at)
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

//! A million connections that take hardly any room: each follows from its number. A store with the semantics of the
//! table (conditional writes by version, an index in the order of ids in pages of 1 MB, a ledger of two sweeps) that
//! counts what DynamoDB would bill. It is not DynamoDB, and does not speak its protocol.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;
use futures::FutureExt as _;
use jiff::Timestamp;
use latchkey_shared::{
    domain::{
        audit::AuditEntry,
        aws::{RoleArn, StackId},
        connection::{Connection, organization::Counter},
        custom_resource::RequestKey,
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        ledger::ChunkRecord,
        request_record::RequestRecord,
        sweep::{Cursor, Member, SweepKey, SweepPlan},
    },
    ports::{
        Change, Clock, Conflict, ConnectionStore, Page, SweepIndex, SweepLedger, SweepPage, Unavailable,
    },
    test_support::{builders::fresh_account, world::World},
};
use tokio::time::Instant;

/// Most bytes on a page of a query.
const PAGE_BYTES: usize = 1_000_000;
/// What the names of the index's attributes and DynamoDB's own overhead add to an entry, in bytes.
const ENTRY_OVERHEAD: usize = 150;
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

/// What was billed, in DynamoDB's units.
#[derive(Debug, Default, Clone, Copy)]
pub struct Units {
    pub index_reads: f64,
    pub other_reads: f64,
    pub ledger_writes: f64,
    pub other_writes: f64,
    pub queries: u64,
    /// How often the cursor was read or moved.
    pub cursor_calls: u64,
    pub gets: u64,
    pub commits: u64,
    pub records: u64,
}

#[derive(Default)]
struct Tables {
    /// What is not as it was made.
    changed: HashMap<u32, Connection>,
    cursor: Cursor,
    degraded: BTreeMap<String, BTreeSet<u32>>,
    ledger: HashMap<(String, i64), (i64, BTreeMap<ConnectionId, ChunkRecord>)>,
    units: Units,
}

/// The table.
pub struct SimStore {
    plan: SweepPlan,
    pattern: Connection,
    /// The numbers in each slot of active connections, as they were made.
    slots: HashMap<String, Vec<u32>>,
    tables: Mutex<Tables>,
}

pub fn id_of(number: u32) -> ConnectionId {
    ConnectionId::parse(&format!("conn_a{number:023}")).unwrap()
}

pub fn number_of(id: &ConnectionId) -> u32 {
    id.as_str()["conn_a".len()..].parse().unwrap()
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

fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

impl SimStore {
    /// `number` active connections, all proven at `at`.
    pub fn new(number: u32, plan: SweepPlan, at: Timestamp) -> Self {
        let world = World::default();
        let customer = world.connect("acme", &fresh_account()).now_or_never().unwrap();
        let checked = world
            .recheck
            .run(&customer.connection.tenant, &customer.connection.id);
        checked.now_or_never().unwrap().unwrap();
        let pattern = world.reload(&customer.connection).now_or_never().unwrap();
        let mut store = Self {
            plan,
            pattern: pattern.verified_at(at),
            slots: HashMap::new(),
            tables: Mutex::default(),
        };
        for number in 0..number {
            let slot = plan.slot(&store.made(number)).unwrap();
            store.slots.entry(slot).or_default().push(number);
        }
        store
    }

    pub fn units(&self) -> Units {
        self.tables.lock().unwrap().units
    }

    /// A connection as it is now.
    pub fn connection(&self, number: u32) -> Connection {
        let changed = self.tables.lock().unwrap().changed.get(&number).cloned();
        changed.unwrap_or_else(|| self.made(number))
    }

    /// Everything that is not as it was made.
    pub fn changed(&self) -> Vec<(u32, Connection)> {
        let tables = self.tables.lock().unwrap();
        tables
            .changed
            .iter()
            .map(|(number, it)| (*number, it.clone()))
            .collect()
    }

    /// A connection as it was made.
    fn made(&self, number: u32) -> Connection {
        let mut made = self.pattern.clone();
        made.id = id_of(number);
        made.tenant = TenantId::parse(&format!("org_{:08}", number / TENANT_SIZE)).unwrap();
        made.external_id = external_id_of(number);
        if let latchkey_shared::domain::connection::State::Active { binding, .. } = &mut made.state {
            binding.role_arn = role_of(number);
            binding.external_id = external_id_of(number);
        }
        made
    }
}

fn bytes_of(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).unwrap().len()
}

#[async_trait]
impl SweepIndex for SimStore {
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable> {
        let after = after.map(|key| number_of(&key.connection_id));
        let mut tables = self.tables.lock().unwrap();
        let degraded = tables.degraded.get(slot).cloned().unwrap_or_default();
        let is_degraded_slot = slot.starts_with("degraded#");
        let made = self.slots.get(slot).map(Vec::as_slice).unwrap_or_default();
        let begin = after.map_or(0, |after| made.partition_point(|number| *number <= after));
        let (mut members, mut bytes, mut has_more) = (Vec::new(), 0, false);
        let numbers: Box<dyn Iterator<Item = u32>> = if is_degraded_slot {
            Box::new(
                degraded
                    .into_iter()
                    .filter(|number| after.is_none_or(|after| *number > after)),
            )
        } else {
            Box::new(made[begin..].iter().copied())
        };
        for number in numbers {
            let connection = match tables.changed.get(&number) {
                Some(changed) if self.plan.slot(changed).as_deref() != Some(slot) => continue,
                Some(changed) => changed.clone(),
                None => self.made(number),
            };
            let member = Member::of(&connection);
            let look = member.look.as_ref();
            let look = look.map_or(0, |look| {
                look.role_arn.as_str().len() + look.external_id.as_str().len()
            });
            bytes +=
                ENTRY_OVERHEAD + member.tenant.as_str().len() + member.connection_id.as_str().len() + look;
            members.push(member);
            if bytes > PAGE_BYTES {
                has_more = true;
                break;
            }
        }
        tables.units.queries += 1;
        tables.units.index_reads += 0.5 * units(bytes, 4_096);
        Ok(SweepPage { members, has_more })
    }

    async fn cursor(&self) -> Result<Cursor, Unavailable> {
        let mut tables = self.tables.lock().unwrap();
        tables.units.other_reads += 1.0;
        tables.units.cursor_calls += 1;
        Ok(tables.cursor.clone())
    }

    async fn move_cursor(&self, cursor: &Cursor) -> Result<bool, Unavailable> {
        let mut tables = self.tables.lock().unwrap();
        tables.units.other_writes += 1.0;
        tables.units.cursor_calls += 1;
        let is_ours = tables.cursor.version == cursor.version;
        if is_ours {
            tables.cursor = cursor.clone();
            tables.cursor.version += 1;
        }
        Ok(is_ours)
    }
}

#[async_trait]
impl SweepLedger for SimStore {
    async fn record(&self, slot: &str, tick: i64, record: &ChunkRecord) -> Result<(), Unavailable> {
        let mut tables = self.tables.lock().unwrap();
        let generation = self.plan.sweep_number(tick).rem_euclid(2);
        let item = tables
            .ledger
            .entry((slot.to_owned(), generation))
            .or_insert((i64::MIN, BTreeMap::new()));
        // The first chunk of a sweep is refused once before it begins the item: a unit for that.
        let mut refused = 0.0;
        if item.0 < tick {
            *item = (tick, BTreeMap::new());
            refused = 1.0;
        }
        if item.0 == tick {
            item.1.insert(record.first.clone(), record.clone());
        }
        let bytes: usize = item.1.values().map(bytes_of).sum();
        tables.units.records += 1;
        tables.units.ledger_writes += refused + units(bytes + 60, 1_024);
        Ok(())
    }

    async fn records(
        &self,
        slots: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<ChunkRecord>>, Unavailable> {
        let mut tables = self.tables.lock().unwrap();
        tables.units.other_reads += 2.0 * slots.len() as f64;
        let mut records: BTreeMap<String, Vec<ChunkRecord>> = BTreeMap::new();
        for slot in slots {
            for generation in [0, 1] {
                if let Some((_, chunks)) = tables.ledger.get(&(slot.clone(), generation)) {
                    records
                        .entry(slot.clone())
                        .or_default()
                        .extend(chunks.values().cloned());
                }
            }
        }
        Ok(records)
    }
}

/// What a sweep never asks for.
fn not_for_a_sweep<T>() -> Result<T, Unavailable> {
    Err(Unavailable::new("simulation", "a sweep has no use for this"))
}

#[async_trait]
impl ConnectionStore for SimStore {
    async fn get(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        let connection = self.connection(number_of(id));
        let mut tables = self.tables.lock().unwrap();
        tables.units.gets += 1;
        tables.units.other_reads += units(bytes_of(&connection), 4_096);
        Ok(Some(connection).filter(|connection| connection.tenant == *tenant))
    }

    async fn commit(&self, change: Change<'_>) -> Result<Result<(), Conflict>, Unavailable> {
        let number = number_of(&change.before.id);
        if self.connection(number).version != change.before.version {
            return Ok(Err(Conflict::ConnectionChanged));
        }
        let mut tables = self.tables.lock().unwrap();
        for slots in tables.degraded.values_mut() {
            slots.remove(&number);
        }
        if let Some(slot) = self
            .plan
            .slot(change.after)
            .filter(|slot| slot.starts_with("degraded#"))
        {
            tables.degraded.entry(slot).or_default().insert(number);
        }
        tables.changed.insert(number, change.after.clone());
        tables.units.commits += 1;
        // In a transaction each write counts twice; a move in the index is a delete and a put.
        tables.units.other_writes += 2.0 * (units(bytes_of(change.after), 1_024) + 1.0) + 2.0;
        Ok(Ok(()))
    }

    async fn insert(&self, _: &Connection, _: &AuditEntry) -> Result<(), Unavailable> {
        not_for_a_sweep()
    }

    async fn find_by_external_id(&self, _: &ExternalId) -> Result<Option<Connection>, Unavailable> {
        not_for_a_sweep()
    }

    async fn list(
        &self,
        _: &TenantId,
        _: Option<&ConnectionId>,
        _: Option<&ConnectionId>,
        _: u16,
    ) -> Result<Page, Unavailable> {
        not_for_a_sweep()
    }

    async fn count_for(&self, _: &ConnectionId, _: Counter, _: u32) -> Result<bool, Unavailable> {
        not_for_a_sweep()
    }

    async fn seats(&self, _: &ConnectionId) -> Result<BTreeSet<u32>, Unavailable> {
        not_for_a_sweep()
    }

    async fn find_request(&self, _: &RequestKey) -> Result<Option<RequestRecord>, Unavailable> {
        not_for_a_sweep()
    }

    async fn mark_resource_deleted(&self, _: &StackId, _: &str, _: Timestamp) -> Result<(), Unavailable> {
        not_for_a_sweep()
    }

    async fn count_forged_delete(&self, _: &Connection, _: Timestamp) -> Result<(), Unavailable> {
        not_for_a_sweep()
    }

    async fn resource_deleted_since(&self, _: &StackId, _: &str, _: Timestamp) -> Result<bool, Unavailable> {
        not_for_a_sweep()
    }
}

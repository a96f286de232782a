//! What the stub knows, and what it was asked.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Service, quota::Quota, table::Table};

/// How often each operation was called.
pub type Calls = BTreeMap<(Service, String), u64>;

/// The table as it was at a moment.
pub type Snapshot = Table;

/// The state behind all ports.
#[derive(Default)]
pub struct World {
    table: Mutex<Table>,
    calls: Mutex<Calls>,
    external_id: Mutex<Option<String>>,
    queued: Mutex<Vec<String>>,
    answered: Mutex<Option<(Instant, Vec<u8>)>>,
    sts_quota: Mutex<Option<Quota>>,
    is_frozen: AtomicBool,
    latency_micros: AtomicU64,
    waits: Mutex<(Duration, u32)>,
    items_read: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The table.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// Counts a call.
    pub(super) fn count(&self, service: Service, operation: &str) {
        *lock(&self.calls)
            .entry((service, operation.to_owned()))
            .or_default() += 1;
    }

    /// The calls since this was asked last.
    pub fn take_calls(&self) -> Calls {
        std::mem::take(&mut lock(&self.calls))
    }

    /// From now on writes are answered and not done: each event finds what the one before it found.
    pub fn freeze(&self, is_frozen: bool) {
        self.is_frozen.store(is_frozen, Ordering::SeqCst);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen.load(Ordering::SeqCst)
    }

    /// Exchanges the table for another one.
    pub fn exchange(&self, table: &mut Snapshot) {
        std::mem::swap(table, &mut self.table());
    }

    /// Counts the items of an answer.
    pub(super) fn count_items(&self, items: usize) {
        self.items_read.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// The items that were read since this was asked last.
    pub fn take_items_read(&self) -> u64 {
        self.items_read.swap(0, Ordering::Relaxed)
    }

    /// The table as it is.
    pub fn snapshot(&self) -> Snapshot {
        self.table().clone()
    }

    /// Puts the table back to how it was.
    pub fn restore(&self, snapshot: &Snapshot) {
        *self.table() = snapshot.clone();
    }

    /// Puts an item into the table, as DynamoDB's JSON.
    pub fn put(&self, item: serde_json::Value) {
        self.table().put(item);
    }

    /// The external ID that the customer's role asks for.
    pub fn set_external_id(&self, external_id: &str) {
        *lock(&self.external_id) = Some(external_id.to_owned());
    }

    pub(super) fn accepts(&self, external_id: Option<&str>) -> bool {
        external_id.is_some() && lock(&self.external_id).as_deref() == external_id
    }

    pub(super) fn enqueue(&self, body: &str) {
        if !self.is_frozen() {
            lock(&self.queued).push(body.to_owned());
        }
    }

    /// The bodies that were queued since this was asked last, unless the stub was frozen.
    pub fn take_queued(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.queued))
    }

    pub(super) fn answered(&self, body: &[u8]) {
        *lock(&self.answered) = Some((Instant::now(), body.to_vec()));
    }

    /// The last answer that a stack was given, and when.
    pub fn last_answer(&self) -> Option<(Instant, Vec<u8>)> {
        lock(&self.answered).clone()
    }

    /// How many roles STS gives in a second from now on; as many as are asked for without it.
    pub fn set_sts_quota(&self, per_second: Option<u32>) {
        *lock(&self.sts_quota) = per_second.map(|per_second| Quota::new(per_second, Instant::now()));
    }

    pub(super) fn is_within_sts_quota(&self) -> bool {
        let mut quota = lock(&self.sts_quota);
        quota.as_mut().is_none_or(|quota| quota.allows(Instant::now()))
    }

    /// How long each answer takes from now on, at least.
    pub fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros, Ordering::SeqCst);
    }

    pub(super) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))
    }

    /// Notes how long an answer took, from the request's last byte on.
    pub(super) fn note_wait(&self, wait: Duration) {
        let mut waits = lock(&self.waits);
        waits.0 += wait;
        waits.1 += 1;
    }

    /// How long the answers took since this was asked last, on average.
    pub fn take_mean_wait(&self) -> Duration {
        let (sum, count) = std::mem::take(&mut *lock(&self.waits));
        sum.checked_div(count).unwrap_or_default()
    }
}

//! The sweep: who is in which slot, and how far it came.

use super::{Case, after, disconnected};
use crate::{
    domain::{
        connection::{Connection, Event},
        reason::ReasonCode,
        sweep::SweepPlan,
    },
    ports::{ConnectionStore, SweepIndex, SweepKey},
};

/// The sparse index: nothing has to be moved by hand.
pub(super) async fn a_live_connection_is_in_the_slot_of_its_state_and_in_no_other<
    S: ConnectionStore + SweepIndex,
>(
    store: &S,
    plan: SweepPlan,
) {
    let mut case = Case::new(store).await;
    assert_eq!(plan.slot(&case.connection), None);
    let live = case.proven(&case.create());
    case.moved(store, live).await;
    let active = plan.slot(&case.connection).unwrap();
    eventually_in(store, &active, &case.connection, true).await;

    let degraded = after(&case.connection, Event::CheckFailed(ReasonCode::RoleGone.into()));
    case.moved(store, degraded).await;
    let slot = plan.slot(&case.connection).unwrap();
    assert_ne!(slot, active);
    eventually_in(store, &slot, &case.connection, true).await;
    eventually_in(store, &active, &case.connection, false).await;

    let ended = disconnected(&case.connection);
    case.moved(store, ended).await;
    eventually_in(store, &slot, &case.connection, false).await;
    eventually_in(store, &active, &case.connection, false).await;
}

/// The cursor of the sweep never goes back. It is one for the whole table: not for one that is in use.
pub async fn the_sweep_cursor_never_goes_back<S: SweepIndex>(store: &S) {
    let first = store.last_tick().await.unwrap().unwrap_or(0) + 10;
    store.set_last_tick(first).await.unwrap();
    for tick in [first, first - 5] {
        store.set_last_tick(tick).await.unwrap();
        assert_eq!(store.last_tick().await.unwrap(), Some(first));
    }
    store.set_last_tick(first + 1).await.unwrap();
    assert_eq!(store.last_tick().await.unwrap(), Some(first + 1));
}

async fn eventually_in<S: SweepIndex>(store: &S, slot: &str, connection: &Connection, expected: bool) {
    /// How long an index may lag behind its table.
    const TRIES: u32 = 50;
    let key = SweepKey {
        tenant: connection.tenant.clone(),
        connection_id: connection.id.clone(),
    };
    for _ in 0..TRIES {
        if slot_keys(store, slot).await.contains(&key) == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!(
        "{key:?} is {} in slot {slot}",
        if expected { "not" } else { "still" }
    );
}

/// Everything in a slot, page by page.
pub async fn slot_keys<S: SweepIndex>(store: &S, slot: &str) -> Vec<SweepKey> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = store.slot_page(slot, after).await.unwrap();
        after = page.keys.last().cloned();
        keys.extend(page.keys);
        if !page.has_more || after.is_none() {
            return keys;
        }
    }
}

//! The sweep: who is in which slot, and how far it came.

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        connection::{Connection, Event},
        ids::ConnectionId,
        proof::reason::ReasonCode,
        sweep::{Group, Member, Progress, SweepPlan, ledger::ChunkRecord},
    },
    ports::{ConnectionStore, SweepIndex, SweepLedger},
};

use super::{Case, IDS, accepted, after, disconnected, fresh_tenant, now, pending};

/// The sparse index: nothing has to be moved by hand.
pub(super) async fn a_live_connection_is_in_the_slot_of_its_state_and_in_no_other<
    S: ConnectionStore + SweepIndex,
>(
    store: &S,
    plan: SweepPlan,
) {
    let mut case = Case::new(store).await;
    assert_eq!(plan.slot(&case.connection), None);
    case.connect(store).await;
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

/// What the index knows of a connection that only has to be looked at, and that it knows nothing of another.
pub(super) async fn the_index_knows_what_a_look_needs<S: ConnectionStore + SweepIndex>(
    store: &S,
    plan: SweepPlan,
) {
    let mut case = Case::new(store).await;
    let create = case.connect(store).await;
    let slot = plan.slot(&case.connection).unwrap();
    assert_eq!(Member::of(&case.connection).look, None);
    eventually_in(store, &slot, &case.connection, true).await;
    let settled = accepted(&case.connection, &create);
    case.moved(store, settled).await;
    let look = Member::of(&case.connection).look.unwrap();
    assert_eq!(
        (look.role_arn, look.external_id),
        (case.role_arn.clone(), case.connection.external_id().clone())
    );
    eventually_in(store, &slot, &case.connection, true).await;
}

/// Of two that move the cursor at once one is told that it lost. It is one for the whole table: not for one that is in use.
pub async fn the_sweep_cursor_is_moved_by_whoever_read_it_last<S: SweepIndex>(store: &S) {
    let read = store.cursor().await.unwrap();
    let mut moved = read.clone();
    moved.advance(
        Group::Active,
        Progress {
            done: 7,
            catching_up: None,
            within: Some(Member::of(&pending(&fresh_tenant(), &*IDS, now())).key()),
        },
    );
    assert!(store.move_cursor(&moved).await.unwrap());
    let mut late = read.clone();
    late.advance(
        Group::Active,
        Progress {
            done: 3,
            ..Progress::default()
        },
    );
    assert!(!store.move_cursor(&late).await.unwrap());
    let stored = store.cursor().await.unwrap();
    assert_eq!(stored.progress(Group::Active), moved.progress(Group::Active));
    assert_eq!(stored.version, read.version + 1);
    assert!(store.move_cursor(&stored).await.unwrap());
}

/// The ledger knows the last two sweeps of a slot, whatever comes again or late.
pub(super) async fn the_ledger_knows_the_last_two_sweeps_of_a_slot<S: SweepLedger>(
    store: &S,
    plan: SweepPlan,
) {
    let slot = format!("contract#{}", fresh_tenant());
    let cycle = i64::from(plan.slots);
    let id = |letter: char| ConnectionId::parse(&format!("conn_{}", letter.to_string().repeat(24))).unwrap();
    let record = |first: char, but: Option<char>| ChunkRecord {
        first: id(first),
        last: id('z'),
        queried_at: now(),
        verified_at: now(),
        but: but.into_iter().map(id).collect(),
    };
    let known = async || {
        let records = store.records(&[slot.clone(), "none".to_owned()].into()).await;
        let mut records = records.unwrap().remove(&slot).unwrap_or_default();
        records.sort_by(|one, other| one.first.cmp(&other.first));
        records
    };
    assert_eq!(known().await, []);
    let (a, b, c, d) = (
        record('a', None),
        record('b', Some('f')),
        record('c', None),
        record('d', None),
    );
    for (tick, chunk) in [(0, &a), (0, &b), (0, &a), (cycle, &c), (0, &b)] {
        store.record(&slot, tick, chunk).await.unwrap();
    }
    assert_eq!(known().await, [a.clone(), b.clone(), c.clone()]);
    // Two sweeps later the first is forgotten, and does not come back.
    for (tick, chunk) in [(2 * cycle, &d), (0, &a)] {
        store.record(&slot, tick, chunk).await.unwrap();
    }
    assert_eq!(known().await, [c.clone(), d]);
    // More slots than one batch has are read all the same.
    let many: BTreeSet<String> = (100..220).map(|number| format!("{slot}#{number}")).collect();
    for slot in &many {
        store.record(slot, 0, &a).await.unwrap();
    }
    let found = store.records(&many).await.unwrap();
    assert!(found.keys().eq(&many) && found.values().all(|records| *records == [a.clone()]));
    // What was counted when ticks were shorter does not keep out what comes now.
    for (tick, chunk) in [(2_000_000 * cycle, &a), (4 * cycle, &b)] {
        store.record(&slot, tick, chunk).await.unwrap();
    }
    assert_eq!(known().await, [b, c]);
}

/// Whether the index comes to know a connection as it is, or to know it no more.
async fn eventually_in<S: SweepIndex>(store: &S, slot: &str, connection: &Connection, expected: bool) {
    /// How long an index may lag behind its table.
    const TRIES: u32 = 50;
    let member = Member::of(connection);
    for _ in 0..TRIES {
        let members = slot_members(store, slot).await;
        let is_as_expected = if expected {
            members.contains(&member)
        } else {
            members.iter().all(|other| other.key() != member.key())
        };
        if is_as_expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!(
        "{member:?} is {} in slot {slot}",
        if expected { "not" } else { "still" }
    );
}

/// Everything in a slot, page by page.
pub async fn slot_members<S: SweepIndex>(store: &S, slot: &str) -> Vec<Member> {
    let mut members = Vec::new();
    let mut after = None;
    loop {
        let page = store.slot_page(slot, after).await.unwrap();
        after = page.members.last().map(Member::key);
        members.extend(page.members);
        if !page.has_more || after.is_none() {
            return members;
        }
    }
}

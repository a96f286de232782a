//! Connections are kept, found and listed, and changed only from the version that was read.

use super::{
    super::builders::{altered, fresh_tenant, pending},
    Case, IDS, after, commit, disconnected, find, insert, new_connection, now, stored, verifying,
};
use latchkey_core::{
    domain::connection::{Event, Rotation},
    ports::{Conflict, ConnectionStore, IdSource, Known},
};
use serde_json::json;

/// I8, and the one place where a tenant comes from a message (I2).
pub(super) async fn a_connection_is_found_by_its_own_tenant_and_by_its_external_id<S: ConnectionStore>(
    store: &S,
) {
    let connection = new_connection(store, &fresh_tenant()).await;
    let id = connection.id();
    let found = store.get(connection.tenant(), id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&connection));
    assert_eq!(store.get(&fresh_tenant(), id).await.unwrap(), None);
    let found = store.find_by_external_id(connection.external_id()).await.unwrap();
    assert_eq!(found, Some(connection));
}

pub(super) async fn a_connection_is_found_by_its_external_id_as_it_is_now<S: ConnectionStore>(store: &S) {
    let mut case = Case::new(store).await;
    for change in 0..2 {
        let create = case.create();
        let started = verifying(&case.connection, &create, &case.role_arn);
        case.moved(store, started).await;
        let external_id = case.connection.external_id();
        let found = store.find_by_external_id(external_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&case.connection), "change {change}");
        let known = Known::Connection {
            connection: Box::new(case.connection.clone()),
            resource_deleted: false,
        };
        let next = case.create().envelope();
        let found = store.find_for_request(&next, external_id, now()).await;
        assert_eq!(found.unwrap(), known);
    }
}

/// Absence is no error.
pub(super) async fn what_was_never_stored_is_not_found<S: ConnectionStore>(store: &S) {
    let tenant = fresh_tenant();
    assert_eq!(store.get(&tenant, &IDS.connection_id()).await.unwrap(), None);
    assert_eq!(store.find_by_external_id(&IDS.external_id()).await.unwrap(), None);
    assert_eq!(store.list(&tenant, None, None, 10).await.unwrap().connections, []);
    let case = Case::new(store).await;
    assert_eq!(find(store, &case.create().key).await, None);
}

/// I1.
pub(super) async fn an_id_or_external_id_is_never_given_twice<S: ConnectionStore>(store: &S) {
    let first = new_connection(store, &fresh_tenant()).await;
    let same_id = altered(&first, json!({ "external_id": IDS.external_id(), "version": 7 }));
    let other_ids = json!({ "tenant": fresh_tenant(), "id": IDS.connection_id() });
    let same_external_id = altered(&first, other_ids);
    assert!(insert(store, &first).await.is_err());
    assert!(insert(store, &same_id).await.is_err());
    assert!(insert(store, &same_external_id).await.is_err());

    let found = store.find_by_external_id(first.external_id()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&first));
    let (tenant, id) = (same_external_id.tenant(), same_external_id.id());
    assert_eq!(store.get(tenant, id).await.unwrap(), None);
    let found = store.find_by_external_id(same_id.external_id()).await;
    assert_eq!(found.unwrap(), None);
    // A disconnected connection keeps its external ID for ever.
    stored(store, &first, &disconnected(&first), None).await;
    assert!(insert(store, &same_external_id).await.is_err());
}

/// I1: from the moment that a rotation is stored, and also when it is over.
pub(super) async fn the_next_external_id_of_a_rotation_is_found_and_given_to_nobody_else<
    S: ConnectionStore,
>(
    store: &S,
) {
    let mut case = Case::new(store).await;
    let create = case.connect(store).await;
    let accepted = Event::AnswerAccepted { request: create.key };
    let settled = after(&case.connection, accepted);
    case.moved(store, settled).await;

    let taken = new_connection(store, &fresh_tenant()).await;
    let start = |external_id| Event::RotationStarted(Rotation::new(external_id, now()));
    let collision = after(&case.connection, start(taken.external_id().clone()));
    let conflict = commit(store, &case.connection, &collision, None).await;
    assert_eq!(conflict, Err(Conflict::ConnectionChanged));
    assert_eq!(case.stored(store).await, case.connection);

    let next = IDS.external_id();
    let rotating = after(&case.connection, start(next.clone()));
    case.moved(store, rotating).await;
    for external_id in [&next, case.connection.external_id()] {
        let found = store.find_by_external_id(external_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&case.connection));
    }
    let other = pending(&fresh_tenant(), &*IDS, now());
    let same = altered(&other, json!({ "external_id": next }));
    assert!(insert(store, &same).await.is_err());
    let cancelled = after(&case.connection, Event::RotationCancelled);
    case.moved(store, cancelled).await;
    let found = store.find_by_external_id(&next).await.unwrap();
    assert_eq!(found, Some(case.connection));
}

/// I8, and paging without gaps or repetitions.
pub(super) async fn pages_list_a_tenants_connections_in_order_and_nobody_elses<S: ConnectionStore>(
    store: &S,
) {
    let tenant = fresh_tenant();
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(new_connection(store, &tenant).await);
        new_connection(store, &fresh_tenant()).await;
    }
    expected.sort_by(|a, b| a.id().cmp(b.id()));
    for limit in [1, 2, 5, 6, 100] {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(&tenant, None, after.as_ref(), limit).await.unwrap();
            assert!(page.connections.len() <= usize::from(limit));
            if let (Some(next), Some(last)) = (&page.next_after, page.connections.last()) {
                assert_eq!(next, last.id());
            }
            listed.extend(page.connections);
            after = page.next_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected, "in pages of {limit}");
    }
}

/// I9: optimistic writes.
pub(super) async fn a_change_of_a_version_that_is_gone_is_not_stored<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let request = case.create();
    let first = verifying(&case.connection, &request, &case.role_arn);
    stored(store, &case.connection, &first, None).await;
    assert_eq!(case.stored(store).await, first);
    let conflict = Err(Conflict::ConnectionChanged);
    for late in [disconnected(&case.connection), first.clone()] {
        assert_eq!(commit(store, &case.connection, &late, None).await, conflict);
    }
    assert_eq!(case.stored(store).await, first);
}

/// A decision rests on what was read, even where it leaves the connection as it is.
pub(super) async fn a_change_that_changes_nothing_still_needs_the_version_that_was_read<
    S: ConnectionStore,
>(
    store: &S,
) {
    let case = Case::new(store).await;
    let old = &case.connection;
    stored(store, old, old, None).await;
    assert_eq!(case.stored(store).await, *old, "a check writes no connection");
    let new = verifying(old, &case.create(), &case.role_arn);
    stored(store, old, &new, None).await;
    let conflict = commit(store, old, old, None).await;
    assert_eq!(conflict, Err(Conflict::ConnectionChanged));
}

/// Nothing but `insert` makes a connection.
pub(super) async fn a_change_of_a_connection_that_does_not_exist_is_a_conflict<S: ConnectionStore>(
    store: &S,
) {
    let never_stored = pending(&fresh_tenant(), &*IDS, now());
    let conflict = Err(Conflict::ConnectionChanged);
    assert_eq!(commit(store, &never_stored, &never_stored, None).await, conflict);
    let ended = disconnected(&never_stored);
    assert_eq!(commit(store, &never_stored, &ended, None).await, conflict);
    let found = store.get(never_stored.tenant(), never_stored.id()).await.unwrap();
    assert_eq!(found, None);
}

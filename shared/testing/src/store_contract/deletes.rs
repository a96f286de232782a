//! Deletes: forged ones, late ones, and those that overtake their Create.

use latchkey_core::ports::{Conflict, ConnectionStore, RequestChange};

use super::{
    super::{builders::fresh_account, customer_stack::CustomerStack},
    Case, connected, find, later, mark_deleted, now, refused, request, taken,
};

/// I6: an attempt is written down, and that is all that it does. The port does not read the log.
pub(super) async fn a_forged_delete_is_counted_and_changes_nothing<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    for seconds in [0, 0, 1, 24 * 3_600] {
        let counted = store.count_forged_delete(&case.connection, later(seconds)).await;
        counted.unwrap();
    }
    assert_eq!(case.stored(store).await, case.connection);
}

/// I9: messages come in any order.
pub(super) async fn a_resource_is_deleted_since_the_latest_delete<S: ConnectionStore>(store: &S) {
    let stack = CustomerStack::new(&fresh_account());
    let stack_id = &stack.stack_id;
    let deleted =
        async |logical: &str, at| store.resource_deleted_since(stack_id, logical, at).await.unwrap();
    assert!(!deleted("Connection", now()).await);
    mark_deleted(store, stack_id, "Connection", later(10)).await;
    // An older Delete that arrives late, and the same one again.
    for at in [later(0), later(10)] {
        mark_deleted(store, stack_id, "Connection", at).await;
    }
    assert!(deleted("Connection", later(0)).await);
    assert!(deleted("Connection", later(10)).await, "the same moment counts");
    assert!(!deleted("Connection", later(11)).await);
    assert!(!deleted("Other", later(0)).await);
    let other_stack = CustomerStack::new(&fresh_account()).stack_id;
    let other = store
        .resource_deleted_since(&other_stack, "Connection", later(0))
        .await;
    assert!(!other.unwrap());
    mark_deleted(store, stack_id, "Connection", later(20)).await;
    assert!(deleted("Connection", later(20)).await);
}

/// I9: a Delete that overtakes its Create.
pub(super) async fn a_request_from_before_the_delete_of_its_resource_is_neither_recorded_nor_connected<
    S: ConnectionStore,
>(
    store: &S,
) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let (early, late, new) = (case.create(), case.create(), case.create());
    let in_flight = case.record(&early, later(0));
    taken(store, connection, RequestChange::Record(&in_flight)).await;
    let stack_id = &case.stack.stack_id;
    mark_deleted(store, stack_id, "Connection", later(10)).await;

    let conflict = Err(Conflict::ResourceDeleted);
    for sent_at in [later(0), later(10)] {
        let overtaken = case.record(&late, sent_at);
        let told = request(store, connection, RequestChange::Record(&overtaken)).await;
        assert_eq!(told, conflict);
    }
    assert_eq!(find(store, &late.key).await, None);
    let yes = in_flight.clone().decided(connected(connection));
    let told = request(store, connection, RequestChange::Decide(&yes)).await;
    assert_eq!(told, conflict);
    let no = in_flight.decided(refused());
    taken(store, connection, RequestChange::Decide(&no)).await;
    let newer = case.record(&new, later(11));
    taken(store, connection, RequestChange::Record(&newer)).await;
}

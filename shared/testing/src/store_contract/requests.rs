//! A request is recorded, decided and answered, each once.

use latchkey_core::ports::{Conflict, ConnectionStore, IdSource as _, Known, RequestChange};

use super::{
    Case, IDS, commit, connected, find, later, mark_deleted, now, refused, request, stored, taken, verifying,
};

/// I9: SNS delivers at least once.
pub(super) async fn a_request_is_recorded_once<S: ConnectionStore>(store: &S) {
    let mut case = Case::new(store).await;
    let create = case.create();
    let record = case.record(&create, now());
    let after = verifying(&case.connection, &create, &case.role_arn);
    let change = || Some(RequestChange::Record(&record));
    stored(store, &case.connection, &after, change()).await;
    assert_eq!(find(store, &create.key).await.as_ref(), Some(&record));
    assert_eq!(case.stored(store).await, after);
    case.connection = after;

    let again = verifying(&case.connection, &create, &case.role_arn);
    let conflict = Err(Conflict::RequestChanged);
    assert_eq!(commit(store, &case.connection, &again, change()).await, conflict);
    assert_eq!(case.stored(store).await, case.connection);
    // Another request of the same stack is another request.
    let second = case.create();
    let second = case.record(&second, now());
    taken(store, &case.connection, RequestChange::Record(&second)).await;
}

/// I5: the same request gets the same answer.
pub(super) async fn a_request_is_decided_once<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let create = case.create();
    let record = case.record(&create, now());
    let no = record.clone().decided(refused());
    let yes = record.clone().decided(connected(connection));
    let conflict = Err(Conflict::RequestChanged);
    // What was never recorded is not decided.
    let told = request(store, connection, RequestChange::Decide(&no)).await;
    assert_eq!(told, conflict);
    taken(store, connection, RequestChange::Record(&record)).await;
    taken(store, connection, RequestChange::Decide(&no)).await;
    assert_eq!(find(store, &create.key).await.as_ref(), Some(&no));
    for decision in [&yes, &no] {
        let told = request(store, connection, RequestChange::Decide(decision)).await;
        assert_eq!(told, conflict);
    }
    let told = request(store, connection, RequestChange::Record(&record)).await;
    assert_eq!(told, conflict);
    assert_eq!(find(store, &create.key).await, Some(no));
}

/// I4: an answer URL is kept only as long as it is needed.
pub(super) async fn an_answer_is_delivered_and_its_url_forgotten<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let create = case.create();
    let decided = case.record(&create, now()).decided(refused());
    let delivered = decided.clone().delivered();
    // What was never recorded is not delivered.
    let conflict = request(store, connection, RequestChange::Deliver(&delivered)).await;
    assert_eq!(conflict, Err(Conflict::RequestChanged));
    let record = case.record(&create, now());
    taken(store, connection, RequestChange::Record(&record)).await;
    taken(store, connection, RequestChange::Decide(&decided)).await;
    assert!(find(store, &create.key).await.unwrap().response_url().is_some());
    for _ in 0..2 {
        taken(store, connection, RequestChange::Deliver(&delivered)).await;
    }
    let stored = find(store, &create.key).await.unwrap();
    assert_eq!(stored, delivered);
    assert!(stored.response_url().is_none());
}

/// In one step what the single reads say.
pub(super) async fn what_a_listener_needs_is_found_in_one_step<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let create = case.create();
    let envelope = create.envelope();
    let external_id = case.connection.external_id();
    let look = async |external_id| {
        store
            .find_for_request(&envelope, external_id, now())
            .await
            .unwrap()
    };
    let known = |resource_deleted| Known::Connection {
        connection: Box::new(case.connection.clone()),
        resource_deleted,
    };
    assert_eq!(look(external_id).await, known(false));
    let (stack_id, resource) = (&envelope.stack_id, &envelope.logical_resource_id);
    mark_deleted(store, stack_id, resource, later(1)).await;
    assert_eq!(look(external_id).await, known(true));
    let unknown = IDS.external_id();
    assert_eq!(look(&unknown).await, Known::Nothing);
    let record = case.record(&create, later(2));
    taken(store, &case.connection, RequestChange::Record(&record)).await;
    for external_id in [external_id, &unknown] {
        assert_eq!(look(external_id).await, Known::Recorded(Box::new(record.clone())));
    }
}

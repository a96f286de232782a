//! The rules that every store keeps, as one suite over the ports: it runs over the fake and over the real table.
//!
//! Each rule makes ids of its own, so that all of them can run at once and over a table that is in use. A rule that
//! is broken panics.

use jiff::{SignedDuration, Timestamp};

use super::{
    builders::{created, fresh_account, fresh_tenant, pending, proof, role},
    customer_stack::{CustomerStack, StackRequest},
};
use crate::{
    adapters::system::Cuid2Ids,
    domain::{
        audit::{Actor, AuditEntry},
        aws::{AccountId, RoleArn},
        connection::{Attempt, Binding, Connection, Event},
        custom_resource::{Outcome, RequestKey},
        ids::TenantId,
        reason::ReasonCode,
        request_record::RequestRecord,
        sweep::SweepPlan,
    },
    ports::{Change, Conflict, ConnectionStore, IdSource, RequestChange, SweepIndex, SweepKey},
};

/// Every rule of [`ConnectionStore`], one after the other.
pub async fn every_rule<S: ConnectionStore>(store: &S) {
    a_connection_is_found_by_its_own_tenant_and_by_its_external_id(store).await;
    what_was_never_stored_is_not_found(store).await;
    an_id_or_external_id_is_never_given_twice(store).await;
    pages_list_a_tenants_connections_in_order_and_nobody_elses(store).await;
    a_change_of_a_version_that_is_gone_is_not_stored(store).await;
    a_change_that_changes_nothing_still_needs_the_version_that_was_read(store).await;
    a_change_of_a_connection_that_does_not_exist_is_a_conflict(store).await;
    a_request_is_recorded_once(store).await;
    a_request_is_decided_once(store).await;
    an_answer_is_delivered_and_its_url_forgotten(store).await;
    a_request_is_marked_as_queued_and_only_if_it_exists(store).await;
    a_forged_delete_is_counted_and_changes_nothing(store).await;
    a_resource_is_deleted_since_the_latest_delete(store).await;
    a_request_from_before_the_delete_of_its_resource_is_neither_recorded_nor_connected(store).await;
    of_several_conflicts_the_one_that_says_most_is_told(store).await;
    an_account_is_connected_once_per_tenant(store).await;
    a_role_is_bound_once_for_all_tenants(store).await;
    while_a_change_is_not_settled_both_roles_are_held(store).await;
    a_change_that_meets_a_conflict_leaves_nothing_behind(store).await;
}

/// The rules of [`SweepIndex`] that concern no more than own connections. The index may lag a little.
pub async fn every_sweep_rule<S: ConnectionStore + SweepIndex>(store: &S, plan: SweepPlan) {
    a_live_connection_is_in_the_slot_of_its_state_and_in_no_other(store, plan).await;
}

/// A customer and its connection, for one rule.
struct Case {
    connection: Connection,
    stack: CustomerStack,
    role_arn: RoleArn,
}

fn now() -> Timestamp {
    "2026-08-03T12:00:00.123Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

async fn new_connection<S: ConnectionStore>(store: &S, tenant: &TenantId) -> Connection {
    let connection = pending(tenant, &Cuid2Ids, now());
    store.insert(&connection, &created(&connection)).await.unwrap();
    connection
}

impl Case {
    async fn new<S: ConnectionStore>(store: &S) -> Self {
        let account = fresh_account();
        Self::of(store, &fresh_tenant(), &account, role(&account, "Reader")).await
    }

    async fn of<S: ConnectionStore>(
        store: &S,
        tenant: &TenantId,
        account: &AccountId,
        role_arn: RoleArn,
    ) -> Self {
        Self {
            connection: new_connection(store, tenant).await,
            stack: CustomerStack::new(account),
            role_arn,
        }
    }

    fn create(&self) -> StackRequest {
        self.stack.create(&self.connection.external_id, &self.role_arn)
    }

    fn record(&self, request: &StackRequest, sent_at: Timestamp) -> RequestRecord {
        let envelope = request.envelope();
        RequestRecord::new(
            &envelope,
            &envelope.properties().unwrap(),
            self.connection.tenant.clone(),
            self.connection.id.clone(),
            sent_at,
            sent_at,
            240,
        )
    }

    /// The connection bound to the resource of `request`, not settled yet.
    fn proven(&self, request: &StackRequest) -> Connection {
        let binding = Binding {
            role_arn: self.role_arn.clone(),
            request: request.key.clone(),
            logical_resource_id: self.stack.logical_resource_id.clone(),
            physical_resource_id: request.physical_resource_id(),
            template_version: "1.0.0".to_owned(),
            permissions: None,
            unsettled: None,
        };
        let proof = proof(&self.role_arn);
        after(&self.connection, Event::AttemptProven { binding, proof })
    }

    /// Stores a change of the connection, and has it from then on.
    async fn moved<S: ConnectionStore>(&mut self, store: &S, after: Connection) {
        assert_eq!(commit(store, &self.connection, &after, None).await, Ok(()));
        self.connection = after;
    }

    async fn stored<S: ConnectionStore>(&self, store: &S) -> Connection {
        let stored = store.get(&self.connection.tenant, &self.connection.id).await;
        stored.unwrap().unwrap()
    }
}

fn after(connection: &Connection, event: Event) -> Connection {
    connection.apply(event, now()).unwrap()
}

fn verifying(connection: &Connection, request: &StackRequest, role_arn: &RoleArn) -> Connection {
    let attempt = Attempt {
        request: request.key.clone(),
        role_arn: role_arn.clone(),
        started_at: now(),
    };
    after(connection, Event::AttemptStarted(attempt))
}

fn accepted(connection: &Connection, request: &StackRequest) -> Connection {
    let request = request.key.clone();
    after(connection, Event::AnswerAccepted { request })
}

fn disconnected(connection: &Connection) -> Connection {
    after(connection, Event::Disconnected(ReasonCode::StackDeleted.into()))
}

fn connected(connection: &Connection) -> Outcome {
    Outcome::Connected {
        connection_id: connection.id.clone(),
    }
}

fn refused() -> Outcome {
    Outcome::Refused {
        reason: ReasonCode::RoleNotAssumable.into(),
    }
}

async fn commit<S: ConnectionStore>(
    store: &S,
    before: &Connection,
    after: &Connection,
    request: Option<RequestChange<'_>>,
) -> Result<(), Conflict> {
    let audit = AuditEntry::new(after, Actor::Verification, "contract", None, now());
    let change = Change {
        before,
        after,
        request,
        audit: Some(audit),
    };
    store.commit(change).await.unwrap()
}

/// Stores what happens to a request, and nothing else.
async fn request<S: ConnectionStore>(
    store: &S,
    connection: &Connection,
    change: RequestChange<'_>,
) -> Result<(), Conflict> {
    commit(store, connection, connection, Some(change)).await
}

async fn find<S: ConnectionStore>(store: &S, key: &RequestKey) -> Option<RequestRecord> {
    store.find_request(key).await.unwrap()
}

/// I8, and the one place where a tenant comes from a message (I2).
pub async fn a_connection_is_found_by_its_own_tenant_and_by_its_external_id<S: ConnectionStore>(store: &S) {
    let connection = new_connection(store, &fresh_tenant()).await;
    let id = &connection.id;
    assert_eq!(
        store.get(&connection.tenant, id).await.unwrap().as_ref(),
        Some(&connection)
    );
    assert_eq!(store.get(&fresh_tenant(), id).await.unwrap(), None);
    let found = store.find_by_external_id(&connection.external_id).await.unwrap();
    assert_eq!(found, Some(connection));
}

/// Absence is no error.
pub async fn what_was_never_stored_is_not_found<S: ConnectionStore>(store: &S) {
    let tenant = fresh_tenant();
    assert_eq!(store.get(&tenant, &Cuid2Ids.connection_id()).await.unwrap(), None);
    assert_eq!(
        store.find_by_external_id(&Cuid2Ids.external_id()).await.unwrap(),
        None
    );
    assert_eq!(store.list(&tenant, None, 10).await.unwrap().connections, []);
    let case = Case::new(store).await;
    assert_eq!(find(store, &case.create().key).await, None);
}

/// I1.
pub async fn an_id_or_external_id_is_never_given_twice<S: ConnectionStore>(store: &S) {
    let first = new_connection(store, &fresh_tenant()).await;
    let same_id = Connection {
        external_id: Cuid2Ids.external_id(),
        template: first.template.clone(),
        version: 7,
        ..first.clone()
    };
    let same_external_id = Connection {
        tenant: fresh_tenant(),
        id: Cuid2Ids.connection_id(),
        ..first.clone()
    };
    assert!(store.insert(&first, &created(&first)).await.is_err());
    assert!(store.insert(&same_id, &created(&same_id)).await.is_err());
    assert!(
        store
            .insert(&same_external_id, &created(&same_external_id))
            .await
            .is_err()
    );

    assert_eq!(
        store
            .find_by_external_id(&first.external_id)
            .await
            .unwrap()
            .as_ref(),
        Some(&first)
    );
    let (tenant, id) = (&same_external_id.tenant, &same_external_id.id);
    assert_eq!(store.get(tenant, id).await.unwrap(), None);
    assert_eq!(
        store.find_by_external_id(&same_id.external_id).await.unwrap(),
        None
    );
    // A disconnected connection keeps its external ID for ever.
    assert_eq!(commit(store, &first, &disconnected(&first), None).await, Ok(()));
    assert!(
        store
            .insert(&same_external_id, &created(&same_external_id))
            .await
            .is_err()
    );
}

/// I8, and paging without gaps or repetitions.
pub async fn pages_list_a_tenants_connections_in_order_and_nobody_elses<S: ConnectionStore>(store: &S) {
    let tenant = fresh_tenant();
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(new_connection(store, &tenant).await);
        new_connection(store, &fresh_tenant()).await;
    }
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    for limit in [1, 2, 5, 6, 100] {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(&tenant, after.as_ref(), limit).await.unwrap();
            assert!(page.connections.len() <= usize::from(limit));
            if let (Some(next), Some(last)) = (&page.next_after, page.connections.last()) {
                assert_eq!(*next, last.id);
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
pub async fn a_change_of_a_version_that_is_gone_is_not_stored<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let request = case.create();
    let first = verifying(&case.connection, &request, &case.role_arn);
    assert_eq!(commit(store, &case.connection, &first, None).await, Ok(()));
    assert_eq!(case.stored(store).await, first);
    let conflict = Err(Conflict::ConnectionChanged);
    for late in [disconnected(&case.connection), first.clone()] {
        assert_eq!(commit(store, &case.connection, &late, None).await, conflict);
    }
    assert_eq!(case.stored(store).await, first);
}

/// A decision rests on what was read, even where it leaves the connection as it is.
pub async fn a_change_that_changes_nothing_still_needs_the_version_that_was_read<S: ConnectionStore>(
    store: &S,
) {
    let case = Case::new(store).await;
    let old = &case.connection;
    assert_eq!(commit(store, old, old, None).await, Ok(()));
    assert_eq!(case.stored(store).await, *old, "a check writes no connection");
    let new = verifying(old, &case.create(), &case.role_arn);
    assert_eq!(commit(store, old, &new, None).await, Ok(()));
    assert_eq!(
        commit(store, old, old, None).await,
        Err(Conflict::ConnectionChanged)
    );
}

/// Nothing but `insert` makes a connection.
pub async fn a_change_of_a_connection_that_does_not_exist_is_a_conflict<S: ConnectionStore>(store: &S) {
    let never_stored = pending(&fresh_tenant(), &Cuid2Ids, now());
    let conflict = Err(Conflict::ConnectionChanged);
    assert_eq!(commit(store, &never_stored, &never_stored, None).await, conflict);
    assert_eq!(
        commit(store, &never_stored, &disconnected(&never_stored), None).await,
        conflict
    );
    let found = store.get(&never_stored.tenant, &never_stored.id).await.unwrap();
    assert_eq!(found, None);
}

/// I9: SNS delivers at least once.
pub async fn a_request_is_recorded_once<S: ConnectionStore>(store: &S) {
    let mut case = Case::new(store).await;
    let create = case.create();
    let record = case.record(&create, now());
    let after = verifying(&case.connection, &create, &case.role_arn);
    let change = || Some(RequestChange::Record(&record));
    assert_eq!(commit(store, &case.connection, &after, change()).await, Ok(()));
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
    assert_eq!(
        request(store, &case.connection, RequestChange::Record(&second)).await,
        Ok(())
    );
}

/// I5: the same request gets the same answer.
pub async fn a_request_is_decided_once<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let create = case.create();
    let record = case.record(&create, now());
    let no = record.clone().decided(refused());
    let yes = record.clone().decided(connected(connection));
    let conflict = Err(Conflict::RequestChanged);
    assert_eq!(
        request(store, connection, RequestChange::Decide(&no)).await,
        conflict,
        "what was never recorded is not decided"
    );
    assert_eq!(
        request(store, connection, RequestChange::Record(&record)).await,
        Ok(())
    );
    assert_eq!(
        request(store, connection, RequestChange::Decide(&no)).await,
        Ok(())
    );
    assert_eq!(find(store, &create.key).await.as_ref(), Some(&no));
    for decision in [&yes, &no] {
        assert_eq!(
            request(store, connection, RequestChange::Decide(decision)).await,
            conflict
        );
    }
    assert_eq!(
        request(store, connection, RequestChange::Record(&record)).await,
        conflict
    );
    assert_eq!(find(store, &create.key).await, Some(no));
}

/// I4: an answer URL is kept only as long as it is needed.
pub async fn an_answer_is_delivered_and_its_url_forgotten<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let create = case.create();
    let decided = case.record(&create, now()).decided(refused());
    let delivered = decided.clone().delivered();
    assert_eq!(
        request(store, connection, RequestChange::Deliver(&delivered)).await,
        Err(Conflict::RequestChanged),
        "what was never recorded is not delivered"
    );
    let record = case.record(&create, now());
    assert_eq!(
        request(store, connection, RequestChange::Record(&record)).await,
        Ok(())
    );
    assert_eq!(
        request(store, connection, RequestChange::Decide(&decided)).await,
        Ok(())
    );
    assert!(find(store, &create.key).await.unwrap().response_url().is_some());
    for _ in 0..2 {
        assert_eq!(
            request(store, connection, RequestChange::Deliver(&delivered)).await,
            Ok(())
        );
    }
    let stored = find(store, &create.key).await.unwrap();
    assert_eq!(stored, delivered);
    assert!(stored.response_url().is_none());
}

/// The mark touches nothing else, whatever was decided in the meantime.
pub async fn a_request_is_marked_as_queued_and_only_if_it_exists<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    let create = case.create();
    assert!(store.mark_queued(&create.key).await.is_err());
    assert_eq!(find(store, &create.key).await, None);
    let record = case.record(&create, now());
    assert_eq!(
        request(store, &case.connection, RequestChange::Record(&record)).await,
        Ok(())
    );
    let decided = record.clone().decided(refused());
    assert_eq!(
        request(store, &case.connection, RequestChange::Decide(&decided)).await,
        Ok(())
    );
    for _ in 0..2 {
        store.mark_queued(&create.key).await.unwrap();
        let mut expected = decided.clone();
        expected.queued = true;
        assert_eq!(find(store, &create.key).await, Some(expected));
    }
}

/// I6: an attempt is written down, and that is all that it does. The port does not read the log.
pub async fn a_forged_delete_is_counted_and_changes_nothing<S: ConnectionStore>(store: &S) {
    let case = Case::new(store).await;
    for seconds in [0, 0, 1, 24 * 3_600] {
        store
            .count_forged_delete(&case.connection, later(seconds))
            .await
            .unwrap();
    }
    assert_eq!(case.stored(store).await, case.connection);
}

/// I9: messages come in any order.
pub async fn a_resource_is_deleted_since_the_latest_delete<S: ConnectionStore>(store: &S) {
    let stack = CustomerStack::new(&fresh_account());
    let stack_id = &stack.stack_id;
    let deleted =
        async |logical: &str, at| store.resource_deleted_since(stack_id, logical, at).await.unwrap();
    assert!(!deleted("Connection", now()).await);
    store
        .mark_resource_deleted(stack_id, "Connection", later(10))
        .await
        .unwrap();
    // An older Delete that arrives late, and the same one again.
    for at in [later(0), later(10)] {
        store
            .mark_resource_deleted(stack_id, "Connection", at)
            .await
            .unwrap();
    }
    assert!(deleted("Connection", later(0)).await);
    assert!(deleted("Connection", later(10)).await, "the same moment counts");
    assert!(!deleted("Connection", later(11)).await);
    assert!(
        !deleted("Other", later(0)).await,
        "another resource of the same stack"
    );
    let other_stack = CustomerStack::new(&fresh_account()).stack_id;
    assert!(
        !store
            .resource_deleted_since(&other_stack, "Connection", later(0))
            .await
            .unwrap()
    );
    store
        .mark_resource_deleted(stack_id, "Connection", later(20))
        .await
        .unwrap();
    assert!(deleted("Connection", later(20)).await);
}

/// I9: a Delete that overtakes its Create.
pub async fn a_request_from_before_the_delete_of_its_resource_is_neither_recorded_nor_connected<
    S: ConnectionStore,
>(
    store: &S,
) {
    let case = Case::new(store).await;
    let connection = &case.connection;
    let (early, late, new) = (case.create(), case.create(), case.create());
    let in_flight = case.record(&early, later(0));
    assert_eq!(
        request(store, connection, RequestChange::Record(&in_flight)).await,
        Ok(())
    );
    let stack_id = &case.stack.stack_id;
    store
        .mark_resource_deleted(stack_id, "Connection", later(10))
        .await
        .unwrap();

    let conflict = Err(Conflict::ResourceDeleted);
    for sent_at in [later(0), later(10)] {
        let overtaken = case.record(&late, sent_at);
        assert_eq!(
            request(store, connection, RequestChange::Record(&overtaken)).await,
            conflict
        );
    }
    assert_eq!(find(store, &late.key).await, None);
    let yes = in_flight.clone().decided(connected(connection));
    assert_eq!(
        request(store, connection, RequestChange::Decide(&yes)).await,
        conflict
    );
    let no = in_flight.decided(refused());
    assert_eq!(
        request(store, connection, RequestChange::Decide(&no)).await,
        Ok(()),
        "it can be refused"
    );
    let newer = case.record(&new, later(11));
    assert_eq!(
        request(store, connection, RequestChange::Record(&newer)).await,
        Ok(())
    );
}

/// The order of [`Conflict`]s: request, resource, connection, account, role.
pub async fn of_several_conflicts_the_one_that_says_most_is_told<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let tenant = fresh_tenant();
    let taken = role(&account, "Reader");
    let mut holder = Case::of(store, &tenant, &account, taken.clone()).await;
    let live = holder.proven(&holder.create());
    holder.moved(store, live).await;

    let mut case = Case::of(store, &tenant, &account, taken).await;
    let create = case.create();
    let record = case.record(&create, now());
    assert_eq!(
        request(store, &case.connection, RequestChange::Record(&record)).await,
        Ok(())
    );
    let yes = record.clone().decided(connected(&case.connection));
    let stale = case.connection.clone();
    let newer = verifying(&stale, &create, &case.role_arn);
    case.moved(store, newer).await;

    let decide = || Some(RequestChange::Decide(&yes));
    let from_stale = Connection {
        version: stale.version + 1,
        ..case.proven(&create)
    };
    let live = case.proven(&create);
    assert_eq!(
        commit(store, &stale, &from_stale, decide()).await,
        Err(Conflict::ConnectionChanged),
        "before the account"
    );
    assert_eq!(
        commit(store, &case.connection, &live, decide()).await,
        Err(Conflict::AccountTaken),
        "before the role"
    );
    store
        .mark_resource_deleted(&case.stack.stack_id, "Connection", now())
        .await
        .unwrap();
    assert_eq!(
        commit(store, &stale, &from_stale, decide()).await,
        Err(Conflict::ResourceDeleted),
        "before the connection"
    );
    let no = record.decided(refused());
    assert_eq!(
        request(store, &case.connection, RequestChange::Decide(&no)).await,
        Ok(())
    );
    assert_eq!(
        commit(store, &stale, &from_stale, decide()).await,
        Err(Conflict::RequestChanged),
        "before everything"
    );
}

/// The guard item of an account.
pub async fn an_account_is_connected_once_per_tenant<S: ConnectionStore>(store: &S) {
    let (account, tenant) = (fresh_account(), fresh_tenant());
    let mut first = Case::of(store, &tenant, &account, role(&account, "A")).await;
    let second = Case::of(store, &tenant, &account, role(&account, "B")).await;
    let mut stranger = Case::of(store, &fresh_tenant(), &account, role(&account, "C")).await;

    let create = first.create();
    let live = first.proven(&create);
    first.moved(store, live).await;
    let proven = second.proven(&second.create());
    assert_eq!(
        commit(store, &second.connection, &proven, None).await,
        Err(Conflict::AccountTaken)
    );
    let live = stranger.proven(&stranger.create());
    stranger.moved(store, live).await;

    // A check that fails keeps the account; the end gives it back.
    let degraded = after(&first.connection, Event::CheckFailed(ReasonCode::RoleGone.into()));
    first.moved(store, degraded).await;
    assert_eq!(
        commit(store, &second.connection, &proven, None).await,
        Err(Conflict::AccountTaken)
    );
    let ended = disconnected(&first.connection);
    first.moved(store, ended).await;
    assert_eq!(commit(store, &second.connection, &proven, None).await, Ok(()));
}

/// One role is never bound to two connections, whosever they are.
pub async fn a_role_is_bound_once_for_all_tenants<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let shared = role(&account, "Reader");
    let mut first = Case::of(store, &fresh_tenant(), &account, shared.clone()).await;
    let second = Case::of(store, &fresh_tenant(), &account, shared).await;
    let create = first.create();
    let live = first.proven(&create);
    first.moved(store, live).await;
    let proven = second.proven(&second.create());
    assert_eq!(
        commit(store, &second.connection, &proven, None).await,
        Err(Conflict::RoleTaken)
    );
    // CloudFormation refuses the answer: it was never connected.
    let request = create.key.clone();
    let undone = after(&first.connection, Event::AnswerRefused { request });
    first.moved(store, undone).await;
    assert_eq!(commit(store, &second.connection, &proven, None).await, Ok(()));
}

/// Nobody can slip into the old role while the change may still be undone.
pub async fn while_a_change_is_not_settled_both_roles_are_held<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let (old, new) = (role(&account, "Old"), role(&account, "New"));
    for undone in [false, true] {
        let (old, new) = (
            role(&account, &format!("{}-{undone}", old.name())),
            role(&account, &format!("{}-{undone}", new.name())),
        );
        let mut case = Case::of(store, &fresh_tenant(), &account, old.clone()).await;
        let create = case.create();
        let live = case.proven(&create);
        case.moved(store, live).await;
        let settled = accepted(&case.connection, &create);
        case.moved(store, settled).await;
        case.role_arn = new.clone();
        let update = case.create();
        let changed = case.proven(&update);
        case.moved(store, changed).await;

        let can_take = async |role_arn: &RoleArn| {
            let other = Case::of(store, &fresh_tenant(), &account, role_arn.clone()).await;
            let proven = other.proven(&other.create());
            commit(store, &other.connection, &proven, None).await
        };
        assert_eq!(can_take(&old).await, Err(Conflict::RoleTaken));
        assert_eq!(can_take(&new).await, Err(Conflict::RoleTaken));

        let request = update.key.clone();
        let event = if undone {
            Event::AnswerRefused { request }
        } else {
            Event::AnswerAccepted { request }
        };
        let settled = after(&case.connection, event);
        case.moved(store, settled).await;
        let (kept, given_back) = if undone { (&old, &new) } else { (&new, &old) };
        assert_eq!(can_take(kept).await, Err(Conflict::RoleTaken));
        assert_eq!(can_take(given_back).await, Ok(()));
    }
}

/// All of a change, or none of it.
pub async fn a_change_that_meets_a_conflict_leaves_nothing_behind<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let shared = role(&account, "Reader");
    let mut holder = Case::of(store, &fresh_tenant(), &account, shared.clone()).await;
    let live = holder.proven(&holder.create());
    holder.moved(store, live).await;

    let tenant = fresh_tenant();
    let case = Case::of(store, &tenant, &account, shared).await;
    let create = case.create();
    let record = case.record(&create, now());
    let proven = case.proven(&create);
    let change = Some(RequestChange::Record(&record));
    assert_eq!(
        commit(store, &case.connection, &proven, change).await,
        Err(Conflict::RoleTaken)
    );
    assert_eq!(find(store, &create.key).await, None);
    assert_eq!(case.stored(store).await, case.connection);
    // The account was not taken either.
    let other = Case::of(store, &tenant, &account, role(&account, "Other")).await;
    let proven = other.proven(&other.create());
    assert_eq!(commit(store, &other.connection, &proven, None).await, Ok(()));
}

/// The sparse index: nothing has to be moved by hand.
pub async fn a_live_connection_is_in_the_slot_of_its_state_and_in_no_other<
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

//! The rules that every store keeps, as one suite over the ports: it runs over the fake and over the real table.
//!
//! Each rule makes ids of its own, so that all of them can run at once and over a table that is in use. A rule that
//! is broken panics.

mod claims;
mod connections;
mod deletes;
mod grants;
mod members;
mod requests;
mod search;
mod sweep;

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};

use super::{
    builders::{created, fresh_account, fresh_tenant, pending, proof, role},
    customer_stack::{CustomerStack, StackRequest},
    sequential_ids::SequentialIds,
};
use latchkey_core::{
    domain::{
        audit::Actor,
        aws::{AccountId, RoleArn, StackId},
        connection::{Attempt, Binding, Connection, Event},
        ids::TenantId,
        proof::reason::ReasonCode,
        request::{
            custom_resource::{Outcome, RequestKey},
            request_record::RequestRecord,
            stack_says::StackSays,
        },
        sweep::SweepPlan,
    },
    ports::{
        Change, Conflict, ConnectionSearch, ConnectionStore, GrantStore, KnownTopicsStore, RequestChange,
        SweepIndex, SweepLedger, Unavailable,
    },
};

/// Ids that no other process has stored in the same table.
static IDS: LazyLock<SequentialIds> = LazyLock::new(SequentialIds::after_a_random_number);

pub use sweep::{slot_members, the_sweep_cursor_is_moved_by_whoever_read_it_last};

/// Every rule of [`ConnectionStore`], one after the other.
pub async fn every_rule<S: ConnectionStore>(store: &S) {
    connections::a_connection_is_found_by_its_own_tenant_and_by_its_external_id(store).await;
    connections::a_connection_is_found_by_its_external_id_as_it_is_now(store).await;
    connections::what_was_never_stored_is_not_found(store).await;
    connections::an_id_or_external_id_is_never_given_twice(store).await;
    connections::the_next_external_id_of_a_rotation_is_found_and_given_to_nobody_else(store).await;
    connections::pages_list_a_tenants_connections_in_order_and_nobody_elses(store).await;
    connections::a_change_of_a_version_that_is_gone_is_not_stored(store).await;
    connections::a_change_that_changes_nothing_still_needs_the_version_that_was_read(store).await;
    connections::a_change_of_a_connection_that_does_not_exist_is_a_conflict(store).await;
    requests::a_request_is_recorded_once(store).await;
    requests::a_request_is_decided_once(store).await;
    requests::an_answer_is_delivered_and_its_url_forgotten(store).await;
    requests::what_a_listener_needs_is_found_in_one_step(store).await;
    deletes::a_forged_delete_is_counted_and_changes_nothing(store).await;
    deletes::a_resource_is_deleted_since_the_latest_delete(store).await;
    deletes::a_request_from_before_the_delete_of_its_resource_is_neither_recorded_nor_connected(store).await;
    claims::of_several_conflicts_the_one_that_says_most_is_told(store).await;
    claims::an_account_is_connected_once_per_tenant(store).await;
    claims::a_role_is_bound_once_for_all_tenants(store).await;
    claims::while_a_change_is_not_settled_both_roles_are_held(store).await;
    claims::a_change_that_meets_a_conflict_leaves_nothing_behind(store).await;
    members::members_are_listed_alone_and_found_by_nobodys_external_id(store).await;
    members::what_is_counted_ends_with_its_day_or_hour(store).await;
    members::a_seat_is_one_members_until_it_ends(store).await;
}

/// Every rule of [`ConnectionSearch`], for an index that does not lag.
pub async fn every_search_rule<S: ConnectionStore + ConnectionSearch>(store: &S) {
    search::those_of_a_status_are_found_in_pages_and_move_with_it(store).await;
    search::the_holder_of_an_account_is_found_while_it_holds_it(store).await;
    search::a_connection_is_found_by_its_id_alone_and_by_its_role(store).await;
    search::the_tenants_that_hold_an_account_are_found_in_pages(store).await;
}

/// Every rule of [`GrantStore`] and [`KnownTopicsStore`].
pub async fn every_grant_rule<S: GrantStore + KnownTopicsStore>(store: &S) {
    grants::what_is_known_of_the_topics_is_what_was_kept_last(store).await;
    grants::a_grant_is_remembered_once_and_forgotten(store).await;
}

/// The rules of [`SweepIndex`] that concern no more than own connections. The index may lag a little.
pub async fn every_sweep_rule<S: ConnectionStore + SweepIndex + SweepLedger>(store: &S, plan: SweepPlan) {
    sweep::the_index_knows_what_a_look_needs(store, plan).await;
    sweep::the_ledger_knows_the_last_two_sweeps_of_a_slot(store, plan).await;
    sweep::a_live_connection_is_in_the_slot_of_its_state_and_in_no_other(store, plan).await;
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
    let connection = pending(tenant, &*IDS, now());
    insert(store, &connection).await.unwrap();
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
        self.stack.create(self.connection.external_id(), &self.role_arn)
    }

    fn record(&self, request: &StackRequest, sent_at: Timestamp) -> RequestRecord {
        let envelope = request.envelope();
        RequestRecord::new(
            &envelope,
            &envelope.properties().unwrap(),
            self.connection.tenant().clone(),
            self.connection.id().clone(),
            sent_at,
            240,
        )
    }

    /// The connection bound to the resource of `request`, not settled yet.
    fn proven(&self, request: &StackRequest) -> Connection {
        let binding = Binding {
            role_arn: self.role_arn.clone(),
            external_id: self.connection.external_id().clone(),
            request: request.key.clone(),
            logical_resource_id: self.stack.logical_resource_id.clone(),
            physical_resource_id: request.physical_resource_id(),
            template_version: "1.0.0".to_owned(),
            permission_tier: None,
            permissions: None,
            trust: None,
            deletion_seen_at: None,
            unsettled: None,
            says: StackSays::default(),
            former: None,
            takes_former: false,
            answered_at: None,
        };
        let (binding, proof) = (Box::new(binding), proof(&self.role_arn));
        after(&self.connection, Event::AttemptProven { binding, proof })
    }

    /// Stores that a new stack is connected; its Create, which is not settled yet.
    async fn connect<S: ConnectionStore>(&mut self, store: &S) -> StackRequest {
        let create = self.create();
        let proven = self.proven(&create);
        self.moved(store, proven).await;
        create
    }

    /// Stores a change of the connection, and has it from then on.
    async fn moved<S: ConnectionStore>(&mut self, store: &S, after: Connection) {
        stored(store, &self.connection, &after, None).await;
        self.connection = after;
    }

    async fn stored<S: ConnectionStore>(&self, store: &S) -> Connection {
        let stored = store.get(self.connection.tenant(), self.connection.id()).await;
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
        connection_id: connection.id().clone(),
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
    let change = Change {
        request,
        ..Change::new(before, after).audited(Actor::Verification, "contract", None, now())
    };
    let committed = store.commit(change).await;
    committed.map_err(|error| error.conflict().unwrap())
}

/// Stores what happens to a request, and nothing else.
async fn request<S: ConnectionStore>(
    store: &S,
    connection: &Connection,
    change: RequestChange<'_>,
) -> Result<(), Conflict> {
    commit(store, connection, connection, Some(change)).await
}

async fn stored<S: ConnectionStore>(
    store: &S,
    before: &Connection,
    after: &Connection,
    request: Option<RequestChange<'_>>,
) {
    assert_eq!(commit(store, before, after, request).await, Ok(()));
}

async fn taken<S: ConnectionStore>(store: &S, connection: &Connection, change: RequestChange<'_>) {
    assert_eq!(request(store, connection, change).await, Ok(()));
}

async fn insert<S: ConnectionStore>(store: &S, connection: &Connection) -> Result<(), Unavailable> {
    store.insert(connection, &created(connection)).await
}

async fn mark_deleted<S: ConnectionStore>(store: &S, stack_id: &StackId, name: &str, at: Timestamp) {
    store.mark_resource_deleted(stack_id, name, at).await.unwrap();
}

async fn find<S: ConnectionStore>(store: &S, key: &RequestKey) -> Option<RequestRecord> {
    store.find_request(key).await.unwrap()
}

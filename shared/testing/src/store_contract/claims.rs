//! Accounts and roles are held by one connection at a time, and a change that meets a conflict is not stored.

use latchkey_core::{
    domain::{aws::RoleArn, connection::Event, proof::reason::ReasonCode},
    ports::{Conflict, ConnectionStore, RequestChange},
};
use serde_json::json;

use super::{
    super::builders::{altered, fresh_account, fresh_tenant, role},
    Case, accepted, after, commit, connected, disconnected, find, mark_deleted, now, refused, stored, taken,
    verifying,
};

/// The order of [`Conflict`]s: request, resource, connection, account, role.
pub(super) async fn of_several_conflicts_the_one_that_says_most_is_told<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let tenant = fresh_tenant();
    let shared = role(&account, "Reader");
    let mut holder = Case::of(store, &tenant, &account, shared.clone()).await;
    holder.connect(store).await;

    let mut case = Case::of(store, &tenant, &account, shared).await;
    let create = case.create();
    let record = case.record(&create, now());
    taken(store, &case.connection, RequestChange::Record(&record)).await;
    let yes = record.clone().decided(connected(&case.connection));
    let stale = case.connection.clone();
    let newer = verifying(&stale, &create, &case.role_arn);
    case.moved(store, newer).await;

    let decide = || Some(RequestChange::Decide(&yes));
    let from_stale = altered(&case.proven(&create), json!({ "version": stale.version() + 1 }));
    let live = case.proven(&create);
    let conflict = commit(store, &stale, &from_stale, decide()).await;
    assert_eq!(conflict, Err(Conflict::ConnectionChanged), "before the account");
    let conflict = commit(store, &case.connection, &live, decide()).await;
    assert_eq!(conflict, Err(Conflict::AccountTaken), "before the role");
    mark_deleted(store, &case.stack.stack_id, "Connection", now()).await;
    let conflict = commit(store, &stale, &from_stale, decide()).await;
    assert_eq!(conflict, Err(Conflict::ResourceDeleted), "before the connection");
    let no = record.decided(refused());
    taken(store, &case.connection, RequestChange::Decide(&no)).await;
    let conflict = commit(store, &stale, &from_stale, decide()).await;
    assert_eq!(conflict, Err(Conflict::RequestChanged), "before everything");
}

/// The guard item of an account.
pub(super) async fn an_account_is_connected_once_per_tenant<S: ConnectionStore>(store: &S) {
    let (account, tenant) = (fresh_account(), fresh_tenant());
    let mut first = Case::of(store, &tenant, &account, role(&account, "A")).await;
    let second = Case::of(store, &tenant, &account, role(&account, "B")).await;
    let mut stranger = Case::of(store, &fresh_tenant(), &account, role(&account, "C")).await;

    first.connect(store).await;
    let proven = second.proven(&second.create());
    let conflict = commit(store, &second.connection, &proven, None).await;
    assert_eq!(conflict, Err(Conflict::AccountTaken));
    stranger.connect(store).await;

    // A check that fails keeps the account; the end gives it back.
    let degraded = after(&first.connection, Event::CheckFailed(ReasonCode::RoleGone.into()));
    first.moved(store, degraded).await;
    let conflict = commit(store, &second.connection, &proven, None).await;
    assert_eq!(conflict, Err(Conflict::AccountTaken));
    let ended = disconnected(&first.connection);
    first.moved(store, ended).await;
    stored(store, &second.connection, &proven, None).await;
}

/// One role is never bound to two connections, whosever they are.
pub(super) async fn a_role_is_bound_once_for_all_tenants<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let shared = role(&account, "Reader");
    let mut first = Case::of(store, &fresh_tenant(), &account, shared.clone()).await;
    let second = Case::of(store, &fresh_tenant(), &account, shared).await;
    let create = first.connect(store).await;
    let proven = second.proven(&second.create());
    let conflict = commit(store, &second.connection, &proven, None).await;
    assert_eq!(conflict, Err(Conflict::RoleTaken));
    // CloudFormation refuses the answer: it was never connected.
    let request = create.key.clone();
    let undone = after(&first.connection, Event::AnswerRefused { request });
    first.moved(store, undone).await;
    stored(store, &second.connection, &proven, None).await;
}

/// Nobody can slip into the old role while the change may still be undone.
pub(super) async fn while_a_change_is_not_settled_both_roles_are_held<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let (old, new) = (role(&account, "Old"), role(&account, "New"));
    for undone in [false, true] {
        let (old, new) = (
            role(&account, &format!("{}-{undone}", old.name())),
            role(&account, &format!("{}-{undone}", new.name())),
        );
        let mut case = Case::of(store, &fresh_tenant(), &account, old.clone()).await;
        let create = case.connect(store).await;
        let settled = accepted(&case.connection, &create);
        case.moved(store, settled).await;
        case.role_arn = new.clone();
        let update = case.connect(store).await;

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
        if !undone {
            assert_eq!(
                can_take(&old).await,
                Err(Conflict::RoleTaken),
                "a rollback may bring it back"
            );
            let cleaned = after(
                &case.connection,
                Event::FormerDeleted(create.physical_resource_id()),
            );
            case.moved(store, cleaned).await;
        }
        let (kept, given_back) = if undone { (&old, &new) } else { (&new, &old) };
        assert_eq!(can_take(kept).await, Err(Conflict::RoleTaken));
        assert_eq!(can_take(given_back).await, Ok(()));
    }
}

/// All of a change, or none of it.
pub(super) async fn a_change_that_meets_a_conflict_leaves_nothing_behind<S: ConnectionStore>(store: &S) {
    let account = fresh_account();
    let shared = role(&account, "Reader");
    let mut holder = Case::of(store, &fresh_tenant(), &account, shared.clone()).await;
    holder.connect(store).await;

    let tenant = fresh_tenant();
    let case = Case::of(store, &tenant, &account, shared).await;
    let create = case.create();
    let record = case.record(&create, now());
    let proven = case.proven(&create);
    let change = Some(RequestChange::Record(&record));
    let conflict = commit(store, &case.connection, &proven, change).await;
    assert_eq!(conflict, Err(Conflict::RoleTaken));
    assert_eq!(find(store, &create.key).await, None);
    assert_eq!(case.stored(store).await, case.connection);
    // The account was not taken either.
    let other = Case::of(store, &tenant, &account, role(&account, "Other")).await;
    let proven = other.proven(&other.create());
    stored(store, &other.connection, &proven, None).await;
}

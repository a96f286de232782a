//! What people find without reading the rest.

use latchkey_core::{
    domain::{
        connection::{Connection, Event, filing::Filing},
        ids::{ConnectionId, TenantId},
        proof::reason::ReasonCode,
    },
    ports::{ConnectionSearch, ConnectionStore, IdSource as _},
};

use super::{
    super::builders::{fresh_account, fresh_tenant, role},
    Case, accepted, after, disconnected, new_connection, verifying,
};

/// What a connection becomes.
type Step<'a> = &'a dyn Fn(&Case) -> Connection;

const ALL: [Filing; 4] = [Filing::Open, Filing::Active, Filing::Degraded, Filing::Ended];

async fn filed<S: ConnectionSearch>(
    store: &S,
    tenant: &TenantId,
    filing: Filing,
    limit: u16,
) -> Vec<Connection> {
    let mut found: Vec<Connection> = Vec::new();
    let mut after: Option<ConnectionId> = None;
    loop {
        let page = store
            .list_filed(tenant, filing, None, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(page.connections.len() <= usize::from(limit));
        found.extend(page.connections);
        after = page.next_after;
        if after.is_none() {
            return found;
        }
    }
}

pub(super) async fn those_of_a_status_are_found_in_pages_and_move_with_it<S>(store: &S)
where
    S: ConnectionStore + ConnectionSearch,
{
    let tenant = fresh_tenant();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(new_connection(store, &tenant).await);
    }
    new_connection(store, &fresh_tenant()).await;
    let account = fresh_account();
    let case = Case::of(store, &tenant, &account, role(&account, "Reader")).await;
    waiting.push(case.connection.clone());
    waiting.sort_by(|one, other| one.id().cmp(other.id()));
    for limit in [1, 2, 6, 100] {
        assert_eq!(
            filed(store, &tenant, Filing::Open, limit).await,
            waiting,
            "in pages of {limit}"
        );
    }
    for filing in [Filing::Active, Filing::Degraded, Filing::Ended] {
        assert_eq!(filed(store, &tenant, filing, 10).await, [], "{filing:?}");
    }

    // Each change of state moves it, and it is in one file alone.
    let mut case = case;
    let request = case.create();
    let attempt = verifying(&case.connection, &request, &case.role_arn);
    case.moved(store, attempt).await;
    let proven = case.proven(&request);
    let settled = |case: &Case| accepted(&case.connection, &request);
    let steps: [(Filing, Step); 4] = [
        (Filing::Open, &|_| proven.clone()),
        (Filing::Active, &settled),
        (Filing::Degraded, &|case| {
            after(&case.connection, Event::CheckFailed(ReasonCode::RoleGone.into()))
        }),
        (Filing::Ended, &|case| disconnected(&case.connection)),
    ];
    for (filing, next) in steps {
        let next = next(&case);
        case.moved(store, next).await;
        for other in ALL {
            let is_there = filed(store, &tenant, other, 10).await.contains(&case.connection);
            assert_eq!(is_there, other == filing, "{filing:?}: {other:?}");
        }
    }
}

pub(super) async fn the_holder_of_an_account_is_found_while_it_holds_it<S>(store: &S)
where
    S: ConnectionStore + ConnectionSearch,
{
    let mut case = Case::new(store).await;
    let (tenant, account) = (case.connection.tenant().clone(), case.role_arn.account());
    assert_eq!(store.find_by_account(&tenant, &account).await.unwrap(), None);
    let request = case.create();
    let attempt = verifying(&case.connection, &request, &case.role_arn);
    case.moved(store, attempt).await;
    let proven = case.proven(&request);
    case.moved(store, proven).await;
    let holder = store.find_by_account(&tenant, &account).await.unwrap();
    assert_eq!(holder.as_ref(), Some(&case.connection));
    let stranger = store.find_by_account(&fresh_tenant(), &account).await.unwrap();
    assert_eq!(stranger, None, "nobody else's (I8)");
    let ended = disconnected(&case.connection);
    case.moved(store, ended).await;
    assert_eq!(store.find_by_account(&tenant, &account).await.unwrap(), None);
}

pub(super) async fn a_connection_is_found_by_its_id_alone_and_by_its_role<S>(store: &S)
where
    S: ConnectionStore + ConnectionSearch,
{
    let mut case = Case::new(store).await;
    let unknown = super::IDS.connection_id();
    assert_eq!(store.find_by_id(&unknown).await.unwrap(), None);
    assert_eq!(
        store.find_by_role(&case.role_arn).await.unwrap(),
        None,
        "not bound yet"
    );
    case.connect(store).await;
    let id = case.connection.id();
    let found = store.find_by_id(id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&case.connection));
    let member = id.member(&case.role_arn.account());
    assert_eq!(
        store.find_by_id(&member).await.unwrap(),
        None,
        "it has no members"
    );
    let found = store.find_by_role(&case.role_arn).await.unwrap();
    assert_eq!(found.as_ref(), Some(&case.connection));
    let other = role(&case.role_arn.account(), "Other");
    assert_eq!(store.find_by_role(&other).await.unwrap(), None);
    let ended = disconnected(&case.connection);
    case.moved(store, ended).await;
    let found = store.find_by_id(case.connection.id()).await.unwrap();
    assert_eq!(
        found.as_ref(),
        Some(&case.connection),
        "an ended one keeps its id"
    );
    assert_eq!(
        store.find_by_role(&case.role_arn).await.unwrap(),
        None,
        "and no role"
    );
}

pub(super) async fn the_tenants_that_hold_an_account_are_found_in_pages<S>(store: &S)
where
    S: ConnectionStore + ConnectionSearch,
{
    let account = fresh_account();
    let mut cases = Vec::new();
    for name in ["A", "B", "C", "D", "E"] {
        let mut case = Case::of(store, &fresh_tenant(), &account, role(&account, name)).await;
        case.connect(store).await;
        cases.push(case);
    }
    cases.sort_by(|one, other| one.connection.tenant().cmp(other.connection.tenant()));
    let mut ended = cases.remove(2);
    let end = disconnected(&ended.connection);
    ended.moved(store, end).await;
    let expected: Vec<_> = cases.iter().map(|case| case.connection.clone()).collect();
    for limit in [1, 2, 3, 4, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .list_by_account(&account, after.as_ref(), limit)
                .await
                .unwrap();
            assert!(page.connections.len() <= usize::from(limit));
            found.extend(page.connections);
            after = page.next_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "in pages of {limit}");
    }
    let stranger = store.list_by_account(&fresh_account(), None, 10).await.unwrap();
    assert_eq!((stranger.connections, stranger.next_after), (Vec::new(), None));
}

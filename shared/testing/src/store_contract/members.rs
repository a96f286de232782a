//! The members of an organization: side by side, under one external ID, and no more than have seats.

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        aws::AccountId,
        connection::{Connection, Event, Launch, NEVER, Organization, organization::Counter},
        ids::TenantId,
    },
    ports::{Conflict, ConnectionStore},
};

use super::{
    super::builders::{fresh_account, fresh_tenant, launch, role},
    Case, IDS, after, commit, disconnected, insert, later, new_connection, now,
};

async fn organization<S: ConnectionStore>(store: &S, tenant: &TenantId) -> Connection {
    let organization = Connection::new(Launch {
        organization: Some(Organization::new(Some(2), BTreeSet::new()).unwrap()),
        expires_at: NEVER,
        ..launch(tenant, &*IDS, now())
    });
    insert(store, &organization).await.unwrap();
    organization
}

async fn member<S: ConnectionStore>(store: &S, organization: &Connection, account: &AccountId) -> Case {
    let connection = organization.new_member(account, now());
    insert(store, &connection).await.unwrap();
    let mut case = Case::of(store, &fresh_tenant(), account, role(account, "Reader")).await;
    case.connection = connection;
    case
}

pub(super) async fn members_are_listed_alone_and_found_by_nobodys_external_id<S: ConnectionStore>(store: &S) {
    let tenant = fresh_tenant();
    let organization = organization(store, &tenant).await;
    let other = new_connection(store, &tenant).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(member(store, &organization, &fresh_account()).await.connection);
    }
    expected.sort_by(|one, other| one.id().cmp(other.id()));
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = store
            .list(&tenant, Some(organization.id()), next.as_ref(), 2)
            .await
            .unwrap();
        found.extend(page.connections);
        match page.next_after {
            Some(after) => next = Some(after),
            None => break,
        }
    }
    assert_eq!(found, expected);
    let all = store.list(&tenant, None, None, 100).await.unwrap().connections;
    assert_eq!(all.len(), 5, "with the organization's own, and {}", other.id());
    let named = store.find_by_external_id(organization.external_id()).await;
    assert_eq!(named.unwrap(), Some(organization.clone()));
    let again = organization.new_member(&fresh_account(), later(5));
    insert(store, &again).await.unwrap();
    assert!(insert(store, &again).await.is_err());
    let strangers = store
        .list(&fresh_tenant(), Some(organization.id()), None, 10)
        .await;
    assert_eq!(strangers.unwrap().connections, [], "nobody else's (I8)");
}

pub(super) async fn what_is_counted_ends_with_its_day_or_hour<S: ConnectionStore>(store: &S) {
    let organization = organization(store, &fresh_tenant()).await;
    for (counter, came) in [
        (Counter::Newcomers(7), true),
        (Counter::Newcomers(7), true),
        (Counter::Newcomers(7), false),
        (Counter::Requests(7), true),
        (Counter::Newcomers(7), false),
        (Counter::Newcomers(8), true),
    ] {
        let counted = store.count_for(organization.id(), counter, 2).await.unwrap();
        assert_eq!(counted, came, "{counter:?}");
    }
}

pub(super) async fn a_seat_is_one_members_until_it_ends<S: ConnectionStore>(store: &S) {
    let organization = organization(store, &fresh_tenant()).await;
    let mut one = member(store, &organization, &fresh_account()).await;
    let mut other = member(store, &organization, &fresh_account()).await;
    let seated = |case: &Case| case.proven(&case.create()).seated(1);
    let live = seated(&one);
    one.moved(store, live).await;
    assert_eq!(store.seats(organization.id()).await.unwrap(), BTreeSet::from([1]));
    let wished = seated(&other);
    let conflict = commit(store, &other.connection, &wished, None).await;
    assert_eq!(conflict, Err(Conflict::SeatTaken));
    let request = one.connection.live_binding().unwrap().request.clone();
    let settled = after(&one.connection, Event::AnswerAccepted { request });
    one.moved(store, settled).await;
    assert_eq!(store.seats(organization.id()).await.unwrap(), BTreeSet::from([1]));
    let ended = disconnected(&one.connection);
    one.moved(store, ended).await;
    assert_eq!(store.seats(organization.id()).await.unwrap(), BTreeSet::new());
    other.moved(store, wished).await;
}

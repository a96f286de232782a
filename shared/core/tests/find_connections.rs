//! People find connections by status, by account and by organization, as they are shown and nobody else's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        aws::AccountId,
        connection::{Connection, Organization, SETTLEMENT_SECONDS, Status},
        ids::{ConnectionId, TenantId},
    },
    ports::Page,
    use_cases::find_connections::{FindConnections, Wanted},
};
use latchkey_testing::{
    builders::{LINK_LIFETIME_SECONDS, fresh_account, tenant},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::World,
};

fn finder(world: &World) -> FindConnections {
    FindConnections {
        store: world.store.clone(),
        search: world.store.clone(),
        clock: world.clock.clone(),
    }
}

fn with(status: Status) -> Wanted {
    Wanted {
        status: Some(status),
        ..Wanted::default()
    }
}

fn by(account: &AccountId) -> Wanted {
    Wanted {
        account: Some(account.clone()),
        ..Wanted::default()
    }
}

async fn page(world: &World, wanted: &Wanted, after: Option<&ConnectionId>, limit: u16) -> Page {
    let found = finder(world).run(&tenant("acme"), wanted, after, limit).await;
    found.unwrap()
}

/// Everything that is wanted, in pages of `limit`.
async fn all(world: &World, wanted: &Wanted, limit: u16) -> Vec<ConnectionId> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = page(world, wanted, after.as_ref(), limit).await;
        found.extend(page.connections.iter().map(|connection| connection.id().clone()));
        after = page.next_after;
        if after.is_none() {
            return found;
        }
    }
}

fn ids(connections: &[&Connection]) -> Vec<ConnectionId> {
    let mut ids: Vec<_> = connections
        .iter()
        .map(|connection| connection.id().clone())
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn each_connection_is_found_by_the_status_that_it_shows_and_by_no_other() {
    let world = World::default();
    let old = world.link("acme").await;
    world.clock.advance(LINK_LIFETIME_SECONDS);
    let pending = [world.link("acme").await, world.link("acme").await];
    let active = world.connect("acme", &fresh_account()).await;
    let lost = world.connect("acme", &fresh_account()).await;
    world.sts.put_role(&lost.role_arn, Trust::nobody());
    world.check(&lost.connection).await;
    let ended = world.connect("acme", &fresh_account()).await;
    world.end(&ended.connection).await;
    world.connect("globex", &fresh_account()).await;

    let mut seen = BTreeSet::new();
    for (status, expected) in [
        (Status::Pending, ids(&[&pending[0], &pending[1]])),
        (Status::Verifying, Vec::new()),
        (Status::Active, ids(&[&active.connection])),
        (Status::Degraded, ids(&[&lost.connection])),
        (Status::Disconnected, ids(&[&ended.connection])),
        (Status::Expired, ids(&[&old])),
    ] {
        for limit in [1, 2, 100] {
            let found = all(&world, &with(status), limit).await;
            assert_eq!(found, expected, "{status:?} by {limit}");
        }
        seen.extend(expected);
    }
    let everything = all(&world, &Wanted::default(), 100).await;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), everything);
}

/// Neither active nor pending, until it is proven.
#[tokio::test]
async fn what_is_being_verified_is_found_as_such() {
    let world = World::default();
    let link = world.link("acme").await;
    let create = world.create(&link, &fresh_account());
    world.receive(&create).await.unwrap();
    assert_eq!(all(&world, &with(Status::Verifying), 10).await, ids(&[&link]));
    for status in [Status::Pending, Status::Active] {
        assert_eq!(all(&world, &with(status), 10).await, [], "{status:?}");
    }
    world.drain().await;
    assert_eq!(all(&world, &with(Status::Active), 10).await, ids(&[&link]));
    assert_eq!(all(&world, &with(Status::Verifying), 10).await, []);
}

/// One pending link behind more expired ones than a call reads: the caller goes on from a page without connections.
#[tokio::test]
async fn the_few_among_the_many_that_time_has_changed_are_found() {
    const EXPIRED: usize = 1_050;
    let world = World::default();
    for _ in 0..EXPIRED {
        world.link("acme").await;
    }
    world.clock.advance(LINK_LIFETIME_SECONDS);
    // Ids grow in this world, so that it is the last one of the list.
    let waiting = world.link("acme").await;
    for limit in [1, 100] {
        let first = page(&world, &with(Status::Pending), None, limit).await;
        assert_eq!(first.connections, [], "{limit}");
        assert!(first.next_after.is_some(), "there is more to look at");
        let rest = page(&world, &with(Status::Pending), first.next_after.as_ref(), limit).await;
        assert_eq!(rest.connections.len(), 1, "{limit}");
        assert_eq!(all(&world, &with(Status::Pending), limit).await, ids(&[&waiting]));
    }
    let expired = all(&world, &with(Status::Expired), 7).await;
    assert_eq!(expired.iter().collect::<BTreeSet<_>>().len(), EXPIRED);
    assert_eq!(expired.len(), EXPIRED);
}

/// What an unsettled change of a degraded connection claims goes back to what was before, without a write; then it is found
/// as what it shows again. And what an unsettled first registration claims leads nobody to it.
#[tokio::test]
async fn what_is_never_settled_is_found_as_what_it_goes_back_to() {
    let world = World::default();
    let one = world.connect("acme", &fresh_account()).await;
    world.sts.put_role(&one.role_arn, Trust::nobody());
    world.check(&one.connection).await;
    world.trust(&one.role_arn, &one.connection);
    let link = world.link("acme").await;
    let account = fresh_account();
    let create = world.create(&link, &account);
    let update = world.signed(one.update(&one.role_arn));
    for request in [create, update] {
        world.receive(&request).await.unwrap();
        world.prove_without_answer(&request).await;
    }
    assert_eq!(world.status(&one.connection).await, Status::Active, "for a while");
    let by_account = by(&account);
    assert_eq!(all(&world, &with(Status::Verifying), 10).await, ids(&[&link]));
    assert_eq!(all(&world, &by_account, 10).await, [], "it may be forged");
    world.clock.advance(SETTLEMENT_SECONDS);
    for (connection, status) in [(&one.connection, Status::Degraded), (&link, Status::Pending)] {
        assert_eq!(world.status(connection).await, status);
        let found = all(&world, &with(status), 10).await;
        assert_eq!(found, ids(&[connection]), "{status:?}");
    }
}

#[tokio::test]
async fn an_account_leads_to_the_connection_that_holds_it() {
    let world = World::default();
    let account = fresh_account();
    let by_account = by(&account);
    assert_eq!(all(&world, &by_account, 10).await, []);
    let one = world.connect("acme", &account).await;
    assert_eq!(all(&world, &by_account, 10).await, ids(&[&one.connection]));
    let other = page(&world, &by_account, Some(one.connection.id()), 10).await;
    assert_eq!(other.connections, [], "after it there is none");
    for (status, count) in [(Status::Active, 1), (Status::Degraded, 0)] {
        let both = Wanted {
            status: Some(status),
            ..by_account.clone()
        };
        assert_eq!(all(&world, &both, 10).await.len(), count, "{status:?}");
    }
    let globex = TenantId::parse("globex").unwrap();
    let theirs = finder(&world).run(&globex, &by_account, None, 10).await.unwrap();
    assert_eq!(theirs.connections, [], "nobody else's (I8)");
    world.end(&one.connection).await;
    assert_eq!(all(&world, &by_account, 10).await, []);
}

#[tokio::test]
async fn members_are_found_by_status_and_their_organization_by_none() {
    let world = World::default();
    let rules = Organization::new(Some(10), BTreeSet::new()).unwrap();
    let organization = world.organization("acme", rules).await;
    world.connect("acme", &fresh_account()).await;
    let account = fresh_account();
    let create = world.create(&organization, &account);
    assert!(world.complete(&create).await.success);
    let of_it = |status| Wanted {
        members_of: Some(organization.id().clone()),
        status,
        ..Wanted::default()
    };
    assert_eq!(all(&world, &with(Status::Active), 10).await.len(), 2);
    let members = all(&world, &of_it(Some(Status::Active)), 10).await;
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].organization().as_ref(), Some(organization.id()));
    assert_eq!(all(&world, &of_it(Some(Status::Degraded)), 10).await, []);
    for status in Status::ALL {
        let found = all(&world, &with(status), 10).await;
        assert!(!found.contains(organization.id()), "{status:?}");
    }
    let holder = Wanted {
        account: Some(account),
        ..of_it(None)
    };
    assert_eq!(all(&world, &holder, 10).await, members);
}

#[tokio::test]
async fn a_store_that_fails_is_no_empty_list() {
    let world = World::default();
    for (operation, wanted) in [
        (Operation::List, Wanted::default()),
        (Operation::ListFiled, with(Status::Active)),
        (Operation::FindByAccount, by(&fresh_account())),
    ] {
        world.faults.fail_next(operation, 1, When::Before);
        let found = finder(&world).run(&tenant("acme"), &wanted, None, 10).await;
        assert!(found.is_err(), "{operation:?}");
    }
}

//! The vendor's support finds a connection by whatever names it, whoever its tenant is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        connection::{Connection, Organization},
        ids::{ConnectionId, TenantId},
        sweep::SweepKey,
    },
    ports::IdSource as _,
    use_cases::search_all_tenants::{Found, Position, SearchAllTenants, Sought},
};
use latchkey_testing::{
    builders::{account, fresh_account, role},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::{PLAN, World},
};

fn search(world: &World) -> SearchAllTenants {
    SearchAllTenants {
        store: world.store.clone(),
        search: world.store.clone(),
        index: world.store.clone(),
        plan: PLAN,
        clock: world.clock.clone(),
    }
}

async fn page(world: &World, sought: &Sought, after: Option<Position>, limit: u16) -> Found {
    search(world).run(sought, after, limit).await.unwrap()
}

/// All that is found, in pages of `limit`, each of whose positions is written and read.
async fn all(world: &World, sought: &Sought, limit: u16) -> Vec<ConnectionId> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..1_000 {
        let page = page(world, sought, after, limit).await;
        assert!(page.connections.len() <= usize::from(limit));
        found.extend(page.connections.iter().map(|connection| connection.id().clone()));
        let Some(next) = page.next else { return found };
        after = Some(next.to_string().parse().unwrap());
    }
    panic!("the pages have no end");
}

fn sorted(mut ids: Vec<ConnectionId>) -> Vec<ConnectionId> {
    ids.sort();
    ids
}

async fn degrade(world: &World, connection: &Connection) {
    let binding = connection.live_binding().unwrap();
    world.sts.put_role(&binding.role_arn, Trust::nobody());
    let rechecked = world.recheck.run(connection.tenant(), connection.id()).await;
    rechecked.unwrap();
}

#[tokio::test]
async fn one_is_found_by_each_of_its_names_and_by_no_others() {
    let world = World::default();
    let customer = world.connect("acme", &account("222222222222")).await;
    world.connect("globex", &account("333333333333")).await;
    let connection = world.reload(&customer.connection).await;
    let binding = connection.live_binding().unwrap();
    let id = connection.id().clone();
    for sought in [
        Sought::Id(id.clone()),
        Sought::ExternalId(connection.external_id().clone()),
        Sought::Role(binding.role_arn.clone()),
        Sought::Account(binding.account()),
    ] {
        assert_eq!(
            all(&world, &sought, 1).await,
            std::slice::from_ref(&id),
            "{sought:?}"
        );
    }
    for sought in [
        Sought::Id(world.ids.connection_id()),
        Sought::Id(id.member(&binding.account())),
        Sought::ExternalId(world.ids.external_id()),
        Sought::Role(role(&binding.account(), "Other")),
        Sought::Account(fresh_account()),
        Sought::Degraded,
    ] {
        assert_eq!(all(&world, &sought, 1).await, [], "{sought:?}");
    }
}

#[tokio::test]
async fn a_member_is_found_by_its_own_id() {
    let world = World::default();
    let rules = Organization::new(Some(2), BTreeSet::new()).unwrap();
    let organization = world.organization("acme", rules).await;
    let (stack, role_arn) = world.customer_of(&organization, &account("222222222222"));
    let create = stack.create(organization.external_id(), &role_arn);
    assert!(world.complete(&create.signed(&world.bucket)).await.success);
    let member = organization.id().member(&account("222222222222"));
    for sought in [
        Sought::Id(member.clone()),
        Sought::Role(role_arn),
        Sought::Account(account("222222222222")),
    ] {
        assert_eq!(
            all(&world, &sought, 10).await,
            std::slice::from_ref(&member),
            "{sought:?}"
        );
    }
    let by_external_id = Sought::ExternalId(organization.external_id().clone());
    assert_eq!(
        all(&world, &by_external_id, 10).await,
        [organization.id().clone()]
    );
}

#[tokio::test]
async fn an_account_is_found_with_every_tenant_that_has_it() {
    let world = World::default();
    let shared = account("222222222222");
    let mut expected = Vec::new();
    for tenant in ["acme", "globex", "initech", "org:42/eu", "auth0|7"] {
        let role = role(&shared, &format!("Role{}", expected.len()));
        let customer = world.connect_role(tenant, &role).await;
        expected.push(customer.connection.id().clone());
    }
    for limit in [1, 2, 5, 100] {
        let found = all(&world, &Sought::Account(shared.clone()), limit).await;
        assert_eq!(sorted(found), sorted(expected.clone()), "in pages of {limit}");
    }
}

#[tokio::test]
async fn what_an_unsettled_registration_claims_is_not_found() {
    let world = World::default();
    let waiting = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&waiting, &account("222222222222"));
    let create = stack
        .create(waiting.external_id(), &role_arn)
        .signed(&world.bucket);
    world.receive(&create).await.unwrap();
    world.prove_without_answer(&create).await;
    let bound = world.reload(&waiting).await;
    assert!(bound.live_binding().unwrap().is_unsettled_first_registration());
    for sought in [Sought::Role(role_arn), Sought::Account(account("222222222222"))] {
        assert_eq!(all(&world, &sought, 10).await, [], "{sought:?}");
    }
    assert_eq!(
        all(&world, &Sought::Id(waiting.id().clone()), 10).await,
        [waiting.id().clone()]
    );
}

#[tokio::test]
async fn the_degraded_of_all_tenants_are_found_in_pages() {
    let world = World::default();
    let mut expected = Vec::new();
    for number in 0..12 {
        let tenant = ["acme", "globex", "auth0|7"][number % 3];
        let customer = world
            .connect(tenant, &account(&format!("22222222{number:04}")))
            .await;
        if number % 4 != 0 {
            let connection = world.reload(&customer.connection).await;
            degrade(&world, &connection).await;
            expected.push(connection.id().clone());
        }
    }
    for limit in [1, 2, 7, 100] {
        let found = all(&world, &Sought::Degraded, limit).await;
        assert_eq!(sorted(found), sorted(expected.clone()), "in pages of {limit}");
    }
}

#[test]
fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
    let key = SweepKey {
        tenant: TenantId::parse("org:42/eu|x").unwrap(),
        connection_id: ConnectionId::parse("conn_tz4a98xxat96iws9zmbrgj3a").unwrap(),
    };
    for position in [
        Position::Tenant(key.tenant.clone()),
        Position::Slot(0, None),
        Position::Slot(29, Some(key)),
    ] {
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
    }
    for text in [
        "",
        "t:",
        "t:a#b",
        "s:",
        "s:x",
        "s:-1",
        "s:1:",
        "s:1:conn_x:acme",
        "s:1:conn_tz4a98xxat96iws9zmbrgj3a",
        "s:1:conn_tz4a98xxat96iws9zmbrgj3a:",
        "conn_tz4a98xxat96iws9zmbrgj3a",
        "s:99999999999",
    ] {
        assert!(text.parse::<Position>().is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_no_empty_result() {
    let world = World::default();
    let customer = world.connect("acme", &account("222222222222")).await;
    let connection = world.reload(&customer.connection).await;
    let role_arn = connection.live_binding().unwrap().role_arn.clone();
    for (operation, sought) in [
        (Operation::FindById, Sought::Id(connection.id().clone())),
        (
            Operation::FindByExternalId,
            Sought::ExternalId(connection.external_id().clone()),
        ),
        (Operation::FindByRole, Sought::Role(role_arn)),
        (Operation::ListByAccount, Sought::Account(account("222222222222"))),
        (Operation::SlotPage, Sought::Degraded),
    ] {
        world.faults.fail_next(operation, 1, When::Before);
        let found = search(&world).run(&sought, None, 10).await;
        assert!(found.is_err(), "{operation:?}");
    }
}

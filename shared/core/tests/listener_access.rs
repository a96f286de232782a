//! Single accounts are let in at the listener topics, and shut out again when their stacks are gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        aws::{AccountId, Region},
        connection::{Connection, Status},
        listener_access::{GRACE_SECONDS, UNBORN_SECONDS},
        profile::Profile,
    },
    ports::{Clock, GrantStore},
    use_cases::{
        disconnect::Deleted,
        keep_doors::Kept,
        start_connection::{NewConnection, StartError},
    },
};
use latchkey_testing::{
    builders::{LINK_LIFETIME_SECONDS, REGION, account, tenant},
    faults::{Operation, When},
    world::{TOPIC_ROOM, World},
};

const ACCOUNT: &str = "222222222222";

fn region() -> Region {
    Region::parse(REGION).unwrap()
}

fn new(account_id: Option<AccountId>) -> NewConnection {
    NewConnection {
        profile: Profile::new("Acme".to_owned(), None, Default::default()).unwrap(),
        account_id,
        permission_tier: None,
        region: None,
        organization: None,
    }
}

/// The accounts that may publish, and how many grants are remembered.
async fn doors(world: &World) -> (Vec<AccountId>, usize) {
    (
        world.topics.accounts(&region()),
        world.store.grants().await.unwrap().len(),
    )
}

async fn end(world: &World, connection: &Connection) {
    let ended = world
        .disconnect_by_vendor
        .run(connection.tenant(), connection.id())
        .await;
    assert_eq!(ended.unwrap().unwrap().state().status(), Status::Disconnected);
}

#[tokio::test]
async fn a_link_lets_its_account_in_once_and_none_is_made_without_an_account() {
    let world = World::with_doors();
    let nameless = world.start.run(tenant("acme"), new(None)).await;
    assert!(
        matches!(nameless, Err(StartError::AccountRequired)),
        "{nameless:?}"
    );
    for name in ["acme", "globex"] {
        world.link_for(name, Some(account(ACCOUNT))).await;
    }
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 2));
}

#[tokio::test]
async fn a_full_topic_says_so_makes_no_connection_and_takes_an_account_that_is_in_already() {
    let world = World::with_doors();
    for number in 0..TOPIC_ROOM {
        world
            .link_for("acme", Some(account(&format!("22222222222{number}"))))
            .await;
    }
    let (before, connections) = (doors(&world).await, world.store.all_connections().len());
    let full = world
        .start
        .run(tenant("acme"), new(Some(account("333333333333"))))
        .await;
    assert!(matches!(full, Err(StartError::ListenerFull)), "{full:?}");
    assert_eq!(
        (doors(&world).await, world.store.all_connections().len()),
        (before, connections)
    );
    world.link_for("globex", Some(account("222222222220"))).await;
}

#[tokio::test]
async fn an_account_is_shut_out_when_its_stack_deleted_its_connection() {
    let world = World::with_doors();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
    assert_eq!(
        world.keep_doors.run().await.unwrap(),
        Kept {
            needed: 1,
            ..Kept::default()
        }
    );
    let delete = world.signed(stack.delete(
        &create.physical_resource_id(),
        connection.external_id(),
        &role_arn,
    ));
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    assert_eq!(
        world.keep_doors.run().await.unwrap(),
        Kept {
            withdrawn: 1,
            ..Kept::default()
        }
    );
    assert_eq!(doors(&world).await, (vec![], 0));
}

#[tokio::test]
async fn an_account_whose_connection_the_vendor_ended_stays_in_until_its_stack_is_gone() {
    let world = World::with_doors();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
    end(&world, &connection).await;
    world.clock.advance(10 * GRACE_SECONDS);
    assert_eq!(
        world.keep_doors.run().await.unwrap().withdrawn,
        0,
        "the stack could not say that it goes"
    );
    let delete = stack
        .delete(
            &create.physical_resource_id(),
            connection.external_id(),
            &role_arn,
        )
        .sent_at(world.clock.now());
    world.receive(&delete).await.unwrap();
    assert_eq!(
        world.keep_doors.run().await.unwrap().withdrawn,
        0,
        "a forged Delete shuts nobody out"
    );
    world.receive(&delete.signed(&world.bucket)).await.unwrap();
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 1);
}

#[tokio::test]
async fn an_account_that_never_connected_stays_in_for_a_day_after_the_end() {
    let world = World::with_doors();
    let expiring = world.link_for("acme", Some(account(ACCOUNT))).await;
    let ended = world.link_for("acme", Some(account("333333333333"))).await;
    end(&world, &ended).await;
    world.clock.advance(GRACE_SECONDS - 1);
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 0);
    world.clock.advance(1);
    assert_eq!(
        world.keep_doors.run().await.unwrap(),
        Kept {
            needed: 1,
            withdrawn: 1,
            ..Kept::default()
        }
    );
    world.clock.advance(LINK_LIFETIME_SECONDS - 1);
    assert_eq!(world.status(&expiring).await, Status::Expired);
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 0);
    world.clock.advance(1);
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 1);
}

#[tokio::test]
async fn two_connections_of_one_account_hold_its_permission_until_the_last_is_gone() {
    let world = World::with_doors();
    let one = world.link_for("acme", Some(account(ACCOUNT))).await;
    let other = world.link_for("globex", Some(account(ACCOUNT))).await;
    end(&world, &one).await;
    world.clock.advance(GRACE_SECONDS);
    assert_eq!(
        world.keep_doors.run().await.unwrap(),
        Kept {
            needed: 1,
            ..Kept::default()
        }
    );
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 1));
    end(&world, &other).await;
    world.clock.advance(GRACE_SECONDS);
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 1);
}

#[tokio::test]
async fn what_somebody_took_is_given_again_and_what_nobody_asked_for_is_taken() {
    let world = World::with_doors();
    world.link_for("acme", Some(account(ACCOUNT))).await;
    world.topics.tamper(&region(), &account(ACCOUNT), false);
    world.topics.tamper(&region(), &account("333333333333"), true);
    let kept = world.keep_doors.run().await.unwrap();
    assert_eq!(
        kept,
        Kept {
            needed: 1,
            restored: 1,
            withdrawn: 1,
            without_room: 0
        }
    );
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 1));
}

#[tokio::test]
async fn a_link_that_is_made_while_its_account_is_shut_out_lets_it_in() {
    let world = std::sync::Arc::new(World::with_doors());
    world.topics.tamper(&region(), &account(ACCOUNT), true);
    let meanwhile = world.clone();
    world.faults.before_next(Operation::Withdraw, move || {
        use futures::FutureExt;
        let link = meanwhile.link_for("acme", Some(account(ACCOUNT)));
        link.now_or_never().unwrap();
    });
    assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 0);
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 1));
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_no_permission_that_nobody_takes_back() {
    for (when, call) in [When::Before, When::After]
        .into_iter()
        .flat_map(|when| (0..6).map(move |call| (when, call)))
    {
        let world = World::with_doors();
        world.faults.fail_call(call, when);
        let made = world.start.run(tenant("acme"), new(Some(account(ACCOUNT)))).await;
        world.faults.clear();
        let stored = world.store.all_connections().len();
        world.clock.advance(UNBORN_SECONDS - 1);
        assert_eq!(world.keep_doors.run().await.unwrap().withdrawn, 0, "{made:?}");
        world.clock.advance(1);
        world.keep_doors.run().await.unwrap();
        let (accounts, grants) = doors(&world).await;
        assert_eq!(
            (accounts.len(), grants),
            (stored, stored),
            "{made:?} after {when:?} {call}"
        );
    }
}

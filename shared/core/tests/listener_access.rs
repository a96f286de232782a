//! Single accounts are let in at the listener topics, and shut out again when their stacks are gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        aws::{AccountId, Region},
        connection::Status,
        listener_access::{GRACE_SECONDS, UNBORN_SECONDS},
    },
    ports::GrantStore,
    use_cases::{
        disconnect::Deleted,
        keep_doors::Kept,
        start_connection::{NewConnection, StartError},
    },
};
use latchkey_testing::{
    builders::{LINK_LIFETIME_SECONDS, REGION, account, tenant, wish},
    faults::{Operation, When},
    world::{TOPIC_ROOM, World},
};

const ACCOUNT: &str = "222222222222";

fn region() -> Region {
    Region::parse(REGION).unwrap()
}

fn new(account_id: Option<AccountId>) -> NewConnection {
    NewConnection { account_id, ..wish() }
}

/// The accounts that may publish, and how many grants are remembered.
async fn doors(world: &World) -> (Vec<AccountId>, usize) {
    let grants = world.store.grants().await.unwrap();
    (world.topics.accounts(&region()), grants.len())
}

/// So many permissions that stay, and so many that are taken.
fn of(needed: usize, withdrawn: usize) -> Kept {
    Kept {
        needed,
        withdrawn,
        ..Kept::default()
    }
}

async fn kept(world: &World) -> Kept {
    world.keep_doors.run().await.unwrap()
}

#[tokio::test]
async fn a_link_lets_its_account_in_once_and_none_is_made_without_an_account() {
    let world = World::with_doors();
    let nameless = world.start.run(tenant("acme"), new(None)).await;
    assert!(matches!(nameless, Err(StartError::AccountRequired)));
    for name in ["acme", "globex"] {
        world.link_for(name, Some(account(ACCOUNT))).await;
    }
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 2));
}

#[tokio::test]
async fn a_full_topic_says_so_makes_no_connection_and_takes_an_account_that_is_in_already() {
    let world = World::with_doors();
    for number in 0..TOPIC_ROOM {
        let account = account(&format!("22222222222{number}"));
        world.link_for("acme", Some(account)).await;
    }
    let (before, connections) = (doors(&world).await, world.store.all_connections().len());
    let wish = new(Some(account("333333333333")));
    let full = world.start.run(tenant("acme"), wish).await;
    assert!(matches!(full, Err(StartError::ListenerFull)), "{full:?}");
    assert_eq!(doors(&world).await, before);
    assert_eq!(world.store.all_connections().len(), connections);
    world.link_for("globex", Some(account("222222222220"))).await;
}

#[tokio::test]
async fn an_account_that_aws_does_not_know_is_refused_and_not_remembered() {
    let world = World::with_doors();
    world.topics.close(&account(ACCOUNT));
    let mistyped = world.start.run(tenant("acme"), new(Some(account(ACCOUNT)))).await;
    assert!(matches!(mistyped, Err(StartError::NoSuchAccount)), "{mistyped:?}");
    assert_eq!(doors(&world).await, (vec![], 0));
    assert_eq!(world.store.all_connections().len(), 0);
}

#[tokio::test]
async fn an_account_that_cannot_be_let_in_again_keeps_no_other_out() {
    let accounts = ["222222222222", "333333333333", "444444444444"].map(account);
    let world = World::with_doors();
    for account in &accounts {
        world.link_for("acme", Some(account.clone())).await;
        world.topics.tamper(&region(), account, false);
    }
    world.topics.close(&accounts[0]);
    let expected = Kept {
        restored: 2,
        without_account: 1,
        ..of(3, 0)
    };
    assert_eq!(kept(&world).await, expected);
    assert_eq!(world.topics.accounts(&region()), accounts[1..]);

    // Neither does an error, which is told once all have been looked at.
    for account in &accounts {
        world.topics.tamper(&region(), account, false);
    }
    world.faults.fail_next(Operation::Permit, 1, When::Before);
    assert!(world.keep_doors.run().await.is_err());
    assert_eq!(world.topics.accounts(&region()), accounts[1..]);
    assert_eq!(kept(&world).await.restored, 0);
}

#[tokio::test]
async fn an_account_is_shut_out_when_its_stack_deleted_its_connection() {
    let world = World::with_doors();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
    assert_eq!(kept(&world).await, of(1, 0));
    let id = create.physical_resource_id();
    let delete = world.signed(stack.delete(&id, connection.external_id(), &role_arn));
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    assert_eq!(kept(&world).await, of(0, 1));
    assert_eq!(doors(&world).await, (vec![], 0));
}

#[tokio::test]
async fn an_account_whose_connection_the_vendor_ended_stays_in_until_its_stack_is_gone() {
    let world = World::with_doors();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
    world.end(&connection).await;
    world.clock.advance(10 * GRACE_SECONDS);
    assert_eq!(
        kept(&world).await.withdrawn,
        0,
        "the stack could not say that it goes"
    );
    let id = create.physical_resource_id();
    let delete = stack.delete(&id, connection.external_id(), &role_arn);
    world.deleted(&delete).await;
    assert_eq!(
        kept(&world).await.withdrawn,
        0,
        "a forged Delete shuts nobody out"
    );
    world.deleted(&world.signed(delete)).await;
    assert_eq!(kept(&world).await.withdrawn, 1);
}

#[tokio::test]
async fn an_account_that_never_connected_stays_in_for_a_day_after_the_end() {
    let world = World::with_doors();
    let expiring = world.link_for("acme", Some(account(ACCOUNT))).await;
    let ended = world.link_for("acme", Some(account("333333333333"))).await;
    world.end(&ended).await;
    world.clock.advance(GRACE_SECONDS - 1);
    assert_eq!(kept(&world).await.withdrawn, 0);
    world.clock.advance(1);
    assert_eq!(kept(&world).await, of(1, 1));
    world.clock.advance(LINK_LIFETIME_SECONDS - 1);
    assert_eq!(world.status(&expiring).await, Status::Expired);
    assert_eq!(kept(&world).await.withdrawn, 0);
    world.clock.advance(1);
    assert_eq!(kept(&world).await.withdrawn, 1);
}

#[tokio::test]
async fn two_connections_of_one_account_hold_its_permission_until_the_last_is_gone() {
    let world = World::with_doors();
    let one = world.link_for("acme", Some(account(ACCOUNT))).await;
    let other = world.link_for("globex", Some(account(ACCOUNT))).await;
    world.end(&one).await;
    world.clock.advance(GRACE_SECONDS);
    assert_eq!(kept(&world).await, of(1, 0));
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 1));
    world.end(&other).await;
    world.clock.advance(GRACE_SECONDS);
    assert_eq!(kept(&world).await.withdrawn, 1);
}

#[tokio::test]
async fn what_somebody_took_is_given_again_and_what_nobody_asked_for_is_taken() {
    let world = World::with_doors();
    world.link_for("acme", Some(account(ACCOUNT))).await;
    world.topics.tamper(&region(), &account(ACCOUNT), false);
    world.topics.tamper(&region(), &account("333333333333"), true);
    let expected = Kept {
        restored: 1,
        ..of(1, 1)
    };
    assert_eq!(kept(&world).await, expected);
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
    assert_eq!(kept(&world).await.withdrawn, 0);
    assert_eq!(doors(&world).await, (vec![account(ACCOUNT)], 1));
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_no_permission_that_nobody_takes_back() {
    for (call, when) in (0..7).flat_map(|call| [(call, When::Before), (call, When::After)]) {
        let world = World::with_doors();
        world.faults.fail_call(call, when);
        let made = world.start.run(tenant("acme"), new(Some(account(ACCOUNT)))).await;
        world.faults.clear();
        let stored = world.store.all_connections().len();
        world.clock.advance(UNBORN_SECONDS - 1);
        assert_eq!(kept(&world).await.withdrawn, 0, "{made:?}");
        world.clock.advance(1);
        kept(&world).await;
        let (accounts, grants) = doors(&world).await;
        assert_eq!((accounts.len(), grants), (stored, stored), "{when:?} {call}");
    }
}

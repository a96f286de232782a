//! Many accounts of one organization share a connection: each proves itself, and becomes a member of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{collections::BTreeSet, sync::Arc};

use futures::FutureExt as _;

use latchkey_shared::{
    domain::{
        aws::{AccountId, RoleArn},
        connection::{
            ATTEMPT_SECONDS, Connection, NEVER, Organization, Status,
            organization::{DEFAULT_ACCOUNTS, MAX_ACCOUNTS, NEWCOMER_SECONDS, Progress},
            rotation::ROTATION_SECONDS,
        },
        external_id::ExternalId,
        reason::ReasonCode,
        request_budget::MAX_REQUESTS_PER_WINDOW,
    },
    ports::{Clock, ConnectionStore},
    test_support::{
        builders::{account, role, tenant},
        cloudformation_bucket::StackAnswer,
        customer_stack::{CustomerStack, StackRequest},
        faults::{Operation, When},
        scripted_sts::Trust,
        world::{Handled, World},
    },
    use_cases::{
        disconnect::Deleted,
        register_role::Received,
        rotate_external_id::{RotateError, Rotated},
        verify_role::Verified,
    },
};

fn number(number: u64) -> AccountId {
    account(&format!("{number:012}"))
}

fn any(max_accounts: u32) -> Organization {
    Organization::new(Some(max_accounts), BTreeSet::new()).unwrap()
}

/// An account of the organization, and its stack of the StackSet.
struct Account {
    stack: CustomerStack,
    role_arn: RoleArn,
    create: StackRequest,
}

impl Account {
    fn new(world: &World, organization: &Connection, account: &AccountId) -> Self {
        let (stack, role_arn) = world.customer_of(organization, account);
        let create = stack
            .create(&organization.external_id, &role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        Self {
            stack,
            role_arn,
            create,
        }
    }

    async fn connected(world: &World, organization: &Connection, account: &AccountId) -> Self {
        let one = Self::new(world, organization, account);
        assert!(world.complete(&one.create).await.success);
        one
    }

    async fn updated(&self, world: &World, external_id: &ExternalId) -> StackAnswer {
        world.sts.put_role(&self.role_arn, Trust::only(external_id));
        let update = self
            .stack
            .update(&self.create.physical_resource_id(), external_id, &self.role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        world.complete(&update).await
    }

    async fn deleted(&self, world: &World, external_id: &ExternalId) -> Handled {
        let delete = self
            .stack
            .delete(&self.create.physical_resource_id(), external_id, &self.role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        world.receive(&delete).await.unwrap()
    }
}

async fn member(world: &World, organization: &Connection, account: &AccountId) -> Option<Connection> {
    let id = organization.id.member(account);
    world.store.get(&organization.tenant, &id).await.unwrap()
}

async fn status_of(world: &World, organization: &Connection, account: &AccountId) -> Option<Status> {
    let member = member(world, organization, account).await;
    member.map(|member| member.status(world.clock.now()))
}

async fn progress(world: &World, organization: &Connection) -> Progress {
    let members = world.members.all(organization).await.unwrap();
    let rules = organization.organization.as_ref().unwrap();
    rules.progress(&members, world.clock.now())
}

fn reason(answer: &StackAnswer) -> &str {
    assert!(!answer.success, "{answer:?}");
    answer.reason.as_deref().unwrap()
}

#[tokio::test]
async fn each_account_becomes_a_member_of_the_same_tenant_and_the_connection_itself_is_never_bound() {
    let world = World::default();
    let organization = world.organization("acme", any(10)).await;
    for account in [number(1), number(2)] {
        Account::connected(&world, &organization, &account).await;
        let member = member(&world, &organization, &account).await.unwrap();
        assert_eq!(member.tenant, organization.tenant);
        assert_eq!(member.id.organization(), Some(organization.id.clone()));
        assert_eq!(member.live_binding().unwrap().account(), account);
        assert_eq!(member.external_id, organization.external_id);
    }
    assert_eq!(world.status(&organization).await, Status::Pending);
    assert!(world.reload(&organization).await.live_binding().is_none());
    let progress = progress(&world, &organization).await;
    assert_eq!((progress.total, progress.active), (2, 2));
    assert_eq!(progress.summary, "2 of 2 active");
    assert_eq!(progress.status(), Status::Active);
}

#[tokio::test]
async fn a_second_region_of_an_account_is_told_that_the_account_is_connected_and_nothing_is_changed() {
    let world = World::default();
    let organization = world.organization("acme", any(10)).await;
    let first = Account::connected(&world, &organization, &number(1)).await;
    let before = member(&world, &organization, &number(1)).await;
    let second = Account::new(&world, &organization, &number(1));
    let answer = world.complete(&second.create).await;
    assert!(
        reason(&answer).contains("account_already_connected"),
        "{answer:?}"
    );
    // Its rollback takes nothing with it.
    let delete = second
        .stack
        .delete(
            &answer.physical_resource_id,
            &organization.external_id,
            &second.role_arn,
        )
        .signed(&world.bucket);
    assert_eq!(
        world.receive(&delete).await.unwrap(),
        Handled::Deleted(Deleted::LeftAlone)
    );
    let after = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(
        after.live_binding(),
        before.as_ref().and_then(Connection::live_binding)
    );
    assert_eq!(
        first.stack.stack_id,
        *after.live_binding().unwrap().stack_id().unwrap()
    );
}

#[tokio::test]
async fn an_account_that_is_not_on_the_list_is_refused_and_leaves_nothing_behind() {
    let world = World::default();
    let allowed = BTreeSet::from([number(1), number(2), number(3)]);
    let rules = Organization::new(None, allowed).unwrap();
    assert_eq!(rules.max_accounts, 3);
    let organization = world.organization("acme", rules).await;
    Account::connected(&world, &organization, &number(1)).await;
    let items = world.store.item_count();
    let stranger = Account::new(&world, &organization, &number(9));
    let answer = world.complete(&stranger.create).await;
    assert!(reason(&answer).contains("account_not_allowed"), "{answer:?}");
    assert_eq!(member(&world, &organization, &number(9)).await, None);
    assert_eq!(world.store.item_count(), items);
    let progress = progress(&world, &organization).await;
    assert_eq!(progress.summary, "1 of 3 active");
}

#[tokio::test]
async fn no_more_accounts_are_connected_than_seats_and_one_that_leaves_gives_its_seat_back() {
    let world = World::default();
    let organization = world.organization("acme", any(2)).await;
    let first = Account::connected(&world, &organization, &number(1)).await;
    Account::connected(&world, &organization, &number(2)).await;
    let third = Account::new(&world, &organization, &number(3));
    let answer = world.complete(&third.create).await;
    assert!(reason(&answer).contains("organization_full"), "{answer:?}");
    assert_eq!(
        progress(&world, &organization).await.summary,
        "2 of 3 active, 1 failed: 1 organization_full"
    );

    assert_eq!(
        first.deleted(&world, &organization.external_id).await,
        Handled::Deleted(Deleted::Disconnected)
    );
    Account::connected(&world, &organization, &number(3)).await;
    // And the one that left finds no seat any more.
    let back = Account::new(&world, &organization, &number(1));
    let answer = world.complete(&back.create).await;
    assert!(reason(&answer).contains("organization_full"), "{answer:?}");
    assert_eq!(
        world.store.seats(&organization.id).await.unwrap(),
        BTreeSet::from([0, 1])
    );
}

#[tokio::test]
async fn accounts_that_want_the_same_seat_at_once_each_get_one() {
    let world = Arc::new(World::default());
    let organization = world.organization("acme", any(4)).await;
    // Both wish for the first seat.
    let (one, other) = (
        Account::new(&world, &organization, &number(4)),
        Account::new(&world, &organization, &number(8)),
    );
    for account in [&one, &other] {
        let received = world.receive(&account.create).await.unwrap();
        assert_eq!(received, Handled::Registered(Received::Queued));
    }
    world.queue.take_all();
    // The other takes it between this one's look and its write.
    let (meanwhile, key) = (world.clone(), other.create.key.clone());
    world.faults.before_next(Operation::Commit, move || {
        let verified = meanwhile.verify.run(&key, 1).now_or_never();
        assert!(matches!(verified, Some(Ok(Verified::Answered(_)))));
    });
    let verified = world.verify.run(&one.create.key, 1).await.unwrap();
    assert!(matches!(verified, Verified::Answered(_)));
    for account in [number(4), number(8)] {
        assert_eq!(
            status_of(&world, &organization, &account).await,
            Some(Status::Active)
        );
    }
    assert_eq!(world.store.seats(&organization.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn invented_accounts_leave_a_bounded_number_of_members_behind_a_day_and_are_forgotten() {
    let world = World::default();
    let organization = world.organization("acme", any(5)).await;
    let bound = u64::from(any(5).most_newcomers());
    for invented in 100..100 + 3 * bound {
        let stack = CustomerStack::new(&number(invented));
        let forged = stack.create(&organization.external_id, &role(&number(invented), "Reader"));
        world.receive(&forged).await.unwrap();
    }
    world.drain().await;
    let members = world.members.all(&organization).await.unwrap();
    assert_eq!(members.len() as u64, bound);
    assert!(world.store.seats(&organization.id).await.unwrap().is_empty());
    for member in &members {
        let forgotten = member.forget_at().unwrap();
        assert!(forgotten.duration_since(world.clock.now()).as_secs() <= NEWCOMER_SECONDS);
    }
    // A true one is told, and comes in the next day.
    let late = Account::new(&world, &organization, &number(1));
    let answer = world.complete(&late.create).await;
    assert!(reason(&answer).contains("too_many_requests"), "{answer:?}");
    world.clock.advance(24 * 3_600);
    Account::connected(&world, &organization, &number(1)).await;
    let member = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(member.forget_at(), None, "what was connected is not forgotten");
}

#[tokio::test]
async fn however_many_accounts_are_invented_an_hour_verifies_a_bounded_number_of_their_requests() {
    let world = World::default();
    let organization = world.organization("acme", any(3)).await;
    let (bound, mut queued) = (any(3).most_newcomers(), 0);
    for round in 0..5 {
        for invented in 100..100 + u64::from(bound) {
            let stack = CustomerStack::new(&number(invented));
            let forged = stack.create(&organization.external_id, &role(&number(invented), "Reader"));
            let received = world.receive(&forged).await.unwrap();
            queued += u32::from(received == Handled::Registered(Received::Queued));
        }
        assert_eq!(queued, bound, "round {round}");
    }
    assert_eq!(world.queue.waiting().len(), bound as usize);
    // Those that are connected are not held up, and an hour later others are not either.
    world.clock.advance(3_600);
    let one = Account::connected(&world, &organization, &number(100)).await;
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        assert!(one.updated(&world, &organization.external_id).await.success);
    }
}

#[tokio::test]
async fn what_is_retired_or_no_create_makes_no_member_and_counts_for_nobody() {
    let world = World::default();
    let organization = world.organization("acme", any(1)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    world
        .rotate
        .start(&organization.tenant, &organization.id)
        .await
        .unwrap();
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    for invented in 100..110 {
        let stack = CustomerStack::new(&number(invented));
        let role_arn = role(&number(invented), "Reader");
        let create = stack
            .create(&organization.external_id, &role_arn)
            .signed(&world.bucket);
        let answer = world.complete(&create).await;
        assert!(reason(&answer).contains("external_id_retired"), "{answer:?}");
        let update = stack.update("latchkey-0", &next, &role_arn).signed(&world.bucket);
        let answer = world.complete(&update).await;
        assert!(reason(&answer).contains("external_id_changed"), "{answer:?}");
    }
    assert_eq!(world.members.all(&organization).await.unwrap().len(), 1);
    one.deleted(&world, &next).await;
    let rotated = world.reload(&organization).await;
    Account::connected(&world, &rotated, &number(2)).await;
}

#[tokio::test]
async fn a_create_that_was_overtaken_by_its_own_delete_connects_no_new_account() {
    let world = World::default();
    let organization = world.organization("acme", any(3)).await;
    let one = Account::new(&world, &organization, &number(1));
    let delete = one
        .stack
        .delete("latchkey-0", &organization.external_id, &one.role_arn)
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    assert_eq!(
        world.receive(&delete).await.unwrap(),
        Handled::Deleted(Deleted::LeftAlone)
    );
    let answer = world.complete(&one.create).await;
    assert!(reason(&answer).contains("stack_deleted"), "{answer:?}");
    assert_ne!(
        status_of(&world, &organization, &number(1)).await,
        Some(Status::Active)
    );
}

#[tokio::test]
async fn a_rotation_whose_time_ran_out_in_the_middle_goes_on_with_the_same_external_id() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let other = Account::connected(&world, &organization, &number(2)).await;
    let rotate = || world.rotate.start(&organization.tenant, &organization.id);
    rotate().await.unwrap();
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    world.clock.advance(ROTATION_SECONDS + 1);
    assert!(matches!(rotate().await, Ok(Rotated::Started(_))));
    assert_eq!(
        world.reload(&organization).await.rotation.unwrap().external_id,
        next
    );
    assert!(other.updated(&world, &next).await.success);
    assert_eq!(world.reload(&organization).await.external_id, next);
}

#[tokio::test]
async fn what_a_crash_left_open_of_a_rotation_is_ended_by_whoever_asks_next() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let other = Account::connected(&world, &organization, &number(2)).await;
    let rotate = || world.rotate.start(&organization.tenant, &organization.id);
    rotate().await.unwrap();
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    // The Delete of the last one with the former is done, but for what follows.
    world.faults.fail_next(Operation::List, 1, When::Before);
    let delete = other
        .stack
        .delete(
            &other.create.physical_resource_id(),
            &organization.external_id,
            &other.role_arn,
        )
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    assert!(world.receive(&delete).await.is_err());
    assert_eq!(
        world.reload(&organization).await.external_id,
        organization.external_id
    );
    world.receive(&delete).await.unwrap();
    assert_eq!(world.reload(&organization).await.external_id, next);
}

#[tokio::test]
async fn an_account_that_leaves_is_disconnected_and_connects_again_by_a_new_stack() {
    let world = World::default();
    let organization = world.organization("acme", any(2)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = one
        .stack
        .create(&organization.external_id, &one.role_arn)
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    one.deleted(&world, &organization.external_id).await;
    assert_eq!(
        status_of(&world, &organization, &number(1)).await,
        Some(Status::Disconnected)
    );
    // What CloudFormation sent before that is not a new stack.
    let answer = world.complete(&late).await;
    assert!(reason(&answer).contains("stack_deleted"), "{answer:?}");
    Account::connected(&world, &organization, &number(1)).await;
    assert_eq!(
        status_of(&world, &organization, &number(1)).await,
        Some(Status::Active)
    );
}

#[tokio::test]
async fn what_the_vendor_ended_stays_ended_one_account_or_all() {
    let world = World::default();
    let organization = world.organization("acme", any(5)).await;
    for account in [number(1), number(2)] {
        Account::connected(&world, &organization, &account).await;
    }
    let one = organization.id.member(&number(1));
    world
        .disconnect_by_vendor
        .run(&organization.tenant, &one)
        .await
        .unwrap();
    let again = Account::new(&world, &organization, &number(1));
    let answer = world.complete(&again.create).await;
    assert!(reason(&answer).contains("disconnected_by_vendor"), "{answer:?}");
    assert_eq!(
        status_of(&world, &organization, &number(2)).await,
        Some(Status::Active)
    );

    // One is being verified while the vendor ends them all.
    let waiting = Account::new(&world, &organization, &number(3));
    world.receive(&waiting.create).await.unwrap();
    world.faults.fail_next(Operation::Commit, 1, When::After);
    let ended = || {
        world
            .disconnect_by_vendor
            .run(&organization.tenant, &organization.id)
    };
    assert!(ended().await.is_err(), "it broke in the middle");
    assert!(ended().await.unwrap().is_some(), "and the same call goes on");
    world.drain().await;
    assert!(!world.bucket.answer(&waiting.create.key).unwrap().success);
    for account in [number(1), number(2), number(3)] {
        assert_eq!(
            status_of(&world, &organization, &account).await,
            Some(Status::Disconnected)
        );
    }
    assert!(world.store.seats(&organization.id).await.unwrap().is_empty());
    let newcomer = Account::new(&world, &organization, &number(4));
    let answer = world.complete(&newcomer.create).await;
    assert!(reason(&answer).contains("disconnected_by_vendor"), "{answer:?}");
    assert_eq!(member(&world, &organization, &number(4)).await, None);
}

#[tokio::test]
async fn a_rotation_is_everybodys_and_ends_when_the_last_account_has_the_next_external_id() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let former = organization.external_id.clone();
    let mut accounts = Vec::new();
    for account in [number(1), number(2), number(3)] {
        accounts.push(Account::connected(&world, &organization, &account).await);
    }
    let Ok(Rotated::Started(started)) = world.rotate.start(&organization.tenant, &organization.id).await
    else {
        panic!("no rotation");
    };
    let next = started.rotation.clone().unwrap().external_id;
    assert_eq!(
        world.store.find_by_external_id(&next).await.unwrap().unwrap().id,
        organization.id
    );
    // One alone cannot.
    let alone = world
        .rotate
        .start(&organization.tenant, &organization.id.member(&number(1)))
        .await;
    assert!(matches!(alone, Err(RotateError::OfOrganization)));

    assert!(accounts[0].updated(&world, &next).await.success);
    let moved = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!((&moved.external_id, &moved.rotation), (&next, &None));
    // Those that have not been updated yet are well, and new ones may come with either.
    assert!(accounts[1].updated(&world, &former).await.success);
    Account::connected(&world, &organization, &number(4)).await;
    let (stack, role_arn) = (CustomerStack::new(&number(5)), role(&number(5), "Reader"));
    world.sts.put_role(&role_arn, Trust::only(&next));
    let create = stack
        .create(&next, &role_arn)
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
    assert_eq!(
        member(&world, &organization, &number(5))
            .await
            .unwrap()
            .external_id,
        next
    );

    assert!(accounts[1].updated(&world, &next).await.success);
    assert!(accounts[2].updated(&world, &next).await.success);
    assert_eq!(
        world.reload(&organization).await.external_id,
        former,
        "one is left"
    );
    // The last one leaves instead.
    let fourth = world
        .members
        .all(&organization)
        .await
        .unwrap()
        .into_iter()
        .nth(3)
        .unwrap();
    world
        .disconnect_by_vendor
        .run(&fourth.tenant, &fourth.id)
        .await
        .unwrap();
    let done = world.reload(&organization).await;
    assert_eq!((&done.external_id, &done.rotation), (&next, &None));
    let late = Account::new(&world, &organization, &number(6));
    let answer = world.complete(&late.create).await;
    assert!(reason(&answer).contains("external_id_retired"), "{answer:?}");
}

#[tokio::test]
async fn an_account_that_is_being_verified_with_the_former_external_id_holds_up_the_end_of_a_rotation() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = Account::new(&world, &organization, &number(2));
    world.receive(&late.create).await.unwrap();
    let waiting = world.queue.take_all();
    world
        .rotate
        .start(&organization.tenant, &organization.id)
        .await
        .unwrap();
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    let former = &organization.external_id;
    assert_eq!(&world.reload(&organization).await.external_id, former);
    for queued in waiting {
        world.queue.put_back(queued);
    }
    world.drain().await;
    assert!(world.bucket.answer(&late.create.key).unwrap().success);
    assert_eq!(&world.reload(&organization).await.external_id, former);
    assert!(late.updated(&world, &next).await.success);
    assert_eq!(world.reload(&organization).await.external_id, next);
}

#[tokio::test]
async fn an_account_whose_verification_comes_after_the_end_of_a_rotation_is_refused() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = Account::new(&world, &organization, &number(2));
    world.receive(&late.create).await.unwrap();
    let waiting = world.queue.take_all();
    world
        .rotate
        .start(&organization.tenant, &organization.id)
        .await
        .unwrap();
    // Nobody waits for an attempt that its stack gave up long ago.
    world.clock.advance(ATTEMPT_SECONDS);
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    assert_eq!(world.reload(&organization).await.external_id, next);
    for queued in waiting {
        world.queue.put_back(queued);
    }
    world.drain().await;
    let answer = world.bucket.bodies(&late.create.key).pop().unwrap();
    assert!(answer.contains("external_id_retired"), "{answer}");
}

#[tokio::test]
async fn an_account_that_is_ahead_of_a_rotation_that_was_taken_back_can_go_back() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    Account::connected(&world, &organization, &number(2)).await;
    world
        .rotate
        .start(&organization.tenant, &organization.id)
        .await
        .unwrap();
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    assert!(one.updated(&world, &next).await.success);
    world
        .rotate
        .cancel(&organization.tenant, &organization.id)
        .await
        .unwrap();
    assert_eq!(
        status_of(&world, &organization, &number(1)).await,
        Some(Status::Active),
        "it goes on with what its role asks for"
    );
    assert!(one.updated(&world, &organization.external_id).await.success);
    let back = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(
        (&back.external_id, &back.rotation),
        (&organization.external_id, &None)
    );
}

#[tokio::test]
async fn a_rotation_that_broke_in_the_middle_goes_on_and_one_that_is_taken_back_is_over_for_all() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let mut accounts = Vec::new();
    for account in [number(1), number(2)] {
        accounts.push(Account::connected(&world, &organization, &account).await);
    }
    world.faults.fail_next(Operation::Commit, 2, When::After);
    let rotate = || world.rotate.start(&organization.tenant, &organization.id);
    assert!(rotate().await.is_err());
    assert!(
        rotate().await.is_err(),
        "it goes on with the members, and breaks again"
    );
    assert!(matches!(rotate().await, Ok(Rotated::UnderWay(_))));
    let next = world.reload(&organization).await.rotation.unwrap().external_id;
    for account in [number(1), number(2)] {
        let member = member(&world, &organization, &account).await.unwrap();
        assert_eq!(member.rotation.unwrap().external_id, next);
    }
    world
        .rotate
        .cancel(&organization.tenant, &organization.id)
        .await
        .unwrap();
    let answer = accounts[0].updated(&world, &next).await;
    assert!(reason(&answer).contains("external_id_retired"), "{answer:?}");
    for account in [number(1), number(2)] {
        assert_eq!(
            member(&world, &organization, &account).await.unwrap().rotation,
            None
        );
    }
}

#[tokio::test]
async fn without_a_live_account_there_is_nothing_to_rotate_and_its_link_never_ends() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let rotated = world.rotate.start(&organization.tenant, &organization.id).await;
    assert!(matches!(rotated, Err(RotateError::NotConnected("pending"))));
    assert_eq!(organization.expires_at, NEVER);
    world.clock.advance(400 * 24 * 3_600);
    Account::connected(&world, &organization, &number(1)).await;
}

#[tokio::test]
async fn another_tenant_sees_no_member_and_may_connect_the_same_account() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    Account::connected(&world, &organization, &number(1)).await;
    let id = organization.id.member(&number(1));
    assert_eq!(world.store.get(&tenant("other"), &id).await.unwrap(), None);
    let other = Organization::new(None, BTreeSet::from([number(1)])).unwrap();
    let other = world.organization("other", other).await;
    let role_arn = role(&number(1), "Second");
    world.sts.put_role(&role_arn, Trust::only(&other.external_id));
    let create = CustomerStack::new(&number(1))
        .create(&other.external_id, &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn a_tenant_connects_an_account_once_alone_or_with_its_organization() {
    let world = World::default();
    world.connect("acme", &number(1)).await;
    let organization = world.organization("acme", any(9)).await;
    let role_arn = role(&number(1), "Second");
    world
        .sts
        .put_role(&role_arn, Trust::only(&organization.external_id));
    let create = CustomerStack::new(&number(1))
        .create(&organization.external_id, &role_arn)
        .signed(&world.bucket);
    let answer = world.complete(&create).await;
    assert!(
        reason(&answer).contains("account_already_connected"),
        "{answer:?}"
    );
    assert!(world.store.seats(&organization.id).await.unwrap().is_empty());
}

#[test]
fn an_organization_is_for_one_to_a_thousand_accounts() {
    let named = |count: u64| (0..count).map(number).collect::<BTreeSet<_>>();
    for (max, allowed, accepted) in [
        (None, named(0), Some(DEFAULT_ACCOUNTS)),
        (Some(1), named(0), Some(1)),
        (Some(MAX_ACCOUNTS), named(0), Some(MAX_ACCOUNTS)),
        (None, named(7), Some(7)),
        (Some(3), named(7), Some(3)),
        (Some(0), named(0), None),
        (Some(MAX_ACCOUNTS + 1), named(0), None),
        (None, named(u64::from(MAX_ACCOUNTS) + 1), None),
    ] {
        let made = Organization::new(max, allowed)
            .ok()
            .map(|rules| rules.max_accounts);
        assert_eq!(made, accepted, "{max:?}");
    }
}

#[tokio::test]
async fn progress_counts_everybody_and_names_a_bounded_number_of_troubles() {
    let world = World::default();
    let organization = world.organization("acme", any(40)).await;
    Account::connected(&world, &organization, &number(1)).await;
    for at in 2..27 {
        let one = Account::new(&world, &organization, &number(at));
        world.sts.put_role(&one.role_arn, Trust::nobody());
        assert!(!world.complete(&one.create).await.success);
    }
    let one = world.members.all(&organization).await.unwrap().remove(0);
    world.sts.delete_role(&one.live_binding().unwrap().role_arn);
    world.recheck.run(&one.tenant, &one.id).await.unwrap();
    let progress = progress(&world, &organization).await;
    assert_eq!(
        progress.summary,
        "0 of 26 active, 1 degraded, 25 failed: 1 role_gone, 25 role_not_assumable"
    );
    assert_eq!(progress.status(), Status::Degraded);
    assert_eq!(progress.troubles.len(), 20);
    assert_eq!(
        (progress.troubles[0].code, &progress.troubles[0].account_id),
        (ReasonCode::RoleGone, &number(1))
    );
}

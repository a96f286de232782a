//! One external ID for all of them is replaced for all of them.

use latchkey_core::{
    domain::{
        connection::{ATTEMPT_SECONDS, Connection, NEVER, Status, rotation::ROTATION_SECONDS},
        external_id::ExternalId,
    },
    ports::{Clock, ConnectionStore},
    use_cases::{
        recheck_role::Rechecked,
        rotate_external_id::{RotateError, Rotated},
    },
};
use latchkey_testing::{
    builders::role,
    customer_stack::CustomerStack,
    faults::{Operation, When},
    scripted_sts::Trust,
    world::World,
};

use crate::{Account, any, assert_status, member, next_of, number, organized, reason, refused, rotated};

#[tokio::test]
async fn a_rotation_whose_time_ran_out_in_the_middle_goes_on_with_the_same_external_id() {
    let (world, organization) = organized(any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let other = Account::connected(&world, &organization, &number(2)).await;
    let rotate = || world.rotate.start(organization.tenant(), organization.id());
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    world.clock.advance(ROTATION_SECONDS + 1);
    assert!(matches!(rotate().await, Ok(Rotated::Started(_))));
    assert_eq!(next_of(&world, &organization).await, next);
    assert!(other.updated(&world, &next).await.success);
    assert_eq!(*world.reload(&organization).await.external_id(), next);
}

#[tokio::test]
async fn what_a_crash_left_open_of_a_rotation_is_ended_by_whoever_asks_next() {
    let (world, organization) = organized(any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let other = Account::connected(&world, &organization, &number(2)).await;
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    // The Delete of the last one with the former is done, but for what follows.
    world.faults.fail_next(Operation::List, 1, When::Before);
    let delete = world.signed(other.delete(organization.external_id()));
    assert!(world.receive(&delete).await.is_err());
    let former = organization.external_id();
    assert_eq!(world.reload(&organization).await.external_id(), former);
    world.receive(&delete).await.unwrap();
    assert_eq!(*world.reload(&organization).await.external_id(), next);
}

#[tokio::test]
async fn a_rotation_is_everybodys_and_ends_when_the_last_account_has_the_next_external_id() {
    let (world, organization) = organized(any(9)).await;
    let former = organization.external_id().clone();
    let mut accounts = Vec::new();
    for account in [number(1), number(2), number(3)] {
        accounts.push(Account::connected(&world, &organization, &account).await);
    }
    let next = rotated(&world, &organization).await;
    let known = world.store.find_by_external_id(&next).await.unwrap();
    assert_eq!(known.unwrap().id(), organization.id());
    // One alone cannot.
    let one = organization.id().member(&number(1));
    let alone = world.rotate.start(organization.tenant(), &one).await;
    assert!(matches!(alone, Err(RotateError::OfOrganization)));

    assert!(accounts[0].updated(&world, &next).await.success);
    let moved = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!((moved.external_id(), moved.rotation()), (&next, None));
    // Those that have not been updated yet are well, and new ones may come with either.
    assert!(accounts[1].updated(&world, &former).await.success);
    Account::connected(&world, &organization, &number(4)).await;
    let (stack, role_arn) = (CustomerStack::new(&number(5)), role(&number(5), "Reader"));
    world.sts.put_role(&role_arn, Trust::only(&next));
    let create = world.signed(stack.create(&next, &role_arn));
    assert!(world.complete(&create).await.success);
    let fifth = member(&world, &organization, &number(5)).await.unwrap();
    assert_eq!(*fifth.external_id(), next);

    assert!(accounts[1].updated(&world, &next).await.success);
    assert!(accounts[2].updated(&world, &next).await.success);
    let current = world.reload(&organization).await;
    assert_eq!(*current.external_id(), former, "one is left");
    // The last one leaves instead.
    let fourth = member(&world, &organization, &number(4)).await.unwrap();
    world.end(&fourth).await;
    let done = world.reload(&organization).await;
    assert_eq!((done.external_id(), done.rotation()), (&next, None));
    let late = Account::new(&world, &organization, &number(6));
    refused(&world, &late.create, "external_id_retired").await;
}

#[tokio::test]
async fn an_account_that_is_being_verified_with_the_former_external_id_holds_up_the_end_of_a_rotation() {
    let (world, organization) = organized(any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = Account::new(&world, &organization, &number(2));
    world.receive(&late.create).await.unwrap();
    let waiting = world.queue.take_all();
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    let former = organization.external_id();
    assert_eq!(world.reload(&organization).await.external_id(), former);
    for queued in waiting {
        world.queue.put_back(queued);
    }
    world.drain().await;
    assert!(world.bucket.answer(&late.create.key).unwrap().success);
    assert_eq!(world.reload(&organization).await.external_id(), former);
    assert!(late.updated(&world, &next).await.success);
    assert_eq!(*world.reload(&organization).await.external_id(), next);
}

#[tokio::test]
async fn an_account_whose_verification_comes_after_the_end_of_a_rotation_is_refused() {
    let (world, organization) = organized(any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = Account::new(&world, &organization, &number(2));
    world.receive(&late.create).await.unwrap();
    let waiting = world.queue.take_all();
    let next = rotated(&world, &organization).await;
    // Nobody waits for an attempt that its stack gave up long ago.
    world.clock.advance(ATTEMPT_SECONDS);
    assert!(one.updated(&world, &next).await.success);
    assert_eq!(*world.reload(&organization).await.external_id(), next);
    for queued in waiting {
        world.queue.put_back(queued);
    }
    world.drain().await;
    let answer = world.bucket.bodies(&late.create.key).pop().unwrap();
    assert!(answer.contains("external_id_retired"), "{answer}");
}

#[tokio::test]
async fn an_account_that_is_ahead_of_a_rotation_that_was_taken_back_can_go_back() {
    let (world, organization) = organized(any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    Account::connected(&world, &organization, &number(2)).await;
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    let (tenant, id) = (organization.tenant(), organization.id());
    world.rotate.cancel(tenant, id).await.unwrap();
    assert_status(&world, &organization, &number(1), Status::Active).await;
    assert!(one.updated(&world, organization.external_id()).await.success);
    let back = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(back.external_id(), organization.external_id());
    assert_eq!(back.rotation(), None);
}

#[tokio::test]
async fn a_rotation_that_broke_in_the_middle_goes_on_and_one_that_is_taken_back_is_over_for_all() {
    let (world, organization) = organized(any(9)).await;
    let mut accounts = Vec::new();
    for account in [number(1), number(2)] {
        accounts.push(Account::connected(&world, &organization, &account).await);
    }
    world.faults.fail_next(Operation::Commit, 2, When::After);
    let rotate = || world.rotate.start(organization.tenant(), organization.id());
    assert!(rotate().await.is_err());
    assert!(rotate().await.is_err(), "it goes on, and breaks again");
    assert!(matches!(rotate().await, Ok(Rotated::UnderWay(_))));
    let next = &next_of(&world, &organization).await;
    for account in [number(1), number(2)] {
        let member = member(&world, &organization, &account).await.unwrap();
        assert_eq!(member.rotation().unwrap().external_id, *next);
    }
    let (tenant, id) = (organization.tenant(), organization.id());
    world.rotate.cancel(tenant, id).await.unwrap();
    let answer = accounts[0].updated(&world, next).await;
    assert!(reason(&answer).contains("external_id_retired"), "{answer:?}");
    for account in [number(1), number(2)] {
        let member = member(&world, &organization, &account).await.unwrap();
        assert_eq!(member.rotation(), None);
    }
}

#[tokio::test]
async fn without_a_live_account_there_is_nothing_to_rotate_and_its_link_never_ends() {
    let (world, organization) = organized(any(9)).await;
    let rotated = world.rotate.start(organization.tenant(), organization.id()).await;
    assert!(matches!(rotated, Err(RotateError::NotConnected("pending"))));
    assert_eq!(organization.expires_at(), NEVER);
    world.clock.advance(400 * 24 * 3_600);
    Account::connected(&world, &organization, &number(1)).await;
}

/// Two members, of which one has moved; the other waits for its first proof with the former external ID, and its
/// verification never ends.
async fn held_up(world: &World) -> (Connection, Account, ExternalId) {
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(world, &organization, &number(1)).await;
    let late = Account::new(world, &organization, &number(2));
    world.receive(&late.create).await.unwrap();
    world.queue.take_all();
    let next = rotated(world, &organization).await;
    assert!(one.updated(world, &next).await.success);
    assert_eq!(
        world.reload(&organization).await.external_id(),
        organization.external_id()
    );
    (organization, one, next)
}

#[tokio::test]
async fn the_next_check_of_a_member_ends_a_rotation_that_ran_dry() {
    let world = World::default();
    let (organization, _, next) = held_up(&world).await;
    let id = organization.id().member(&number(1));
    let check = || world.recheck.run_in_sweep(organization.tenant(), &id);
    check().await.unwrap();
    let still = world.reload(&organization).await;
    assert_eq!(
        still.external_id(),
        organization.external_id(),
        "one may still come"
    );
    world.clock.advance(ATTEMPT_SECONDS);
    assert_eq!(check().await.unwrap(), Rechecked::AsItWas);
    let done = world.reload(&organization).await;
    assert_eq!((done.external_id(), done.rotation()), (&next, None));
}

#[tokio::test]
async fn a_check_that_breaks_off_leaves_the_end_to_the_next() {
    for when in [When::Before, When::After] {
        let world = World::default();
        let (organization, _, next) = held_up(&world).await;
        world.clock.advance(ATTEMPT_SECONDS);
        let id = organization.id().member(&number(1));
        let check = || world.recheck.run(organization.tenant(), &id);
        world.faults.fail_next(Operation::List, 1, when);
        assert!(check().await.is_err());
        let still = world.reload(&organization).await;
        assert_eq!(still.external_id(), organization.external_id());
        check().await.unwrap();
        assert_eq!(*world.reload(&organization).await.external_id(), next);
    }
}

#[tokio::test]
async fn a_member_that_a_check_ends_may_be_the_last_to_move() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let other = Account::connected(&world, &organization, &number(2)).await;
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    // Its Delete did not name the resource as we know it: that its role is gone says the same.
    let delete = other
        .stack
        .delete("latchkey-other", organization.external_id(), &other.role_arn)
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    world.receive(&delete).await.unwrap();
    world.sts.delete_role(&other.role_arn);
    let id = organization.id().member(&number(2));
    let ended = world.recheck.run(organization.tenant(), &id).await.unwrap();
    assert_eq!(ended, Rechecked::Stands(Status::Disconnected));
    assert_eq!(*world.reload(&organization).await.external_id(), next);
}

#[tokio::test]
async fn a_member_that_has_yet_to_move_is_checked_alone() {
    let world = World::default();
    let organization = world.organization("acme", any(9)).await;
    Account::connected(&world, &organization, &number(1)).await;
    rotated(&world, &organization).await;
    let listed = world.faults.count(Operation::List);
    let id = organization.id().member(&number(1));
    world.recheck.run(organization.tenant(), &id).await.unwrap();
    assert_eq!(world.faults.count(Operation::List), listed);
}

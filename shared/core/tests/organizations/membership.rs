//! Who becomes a member, who does not, and how one ends.

use std::{collections::BTreeSet, sync::Arc};

use futures::FutureExt as _;
use latchkey_core::{
    domain::{
        connection::{
            Organization, Status,
            organization::{DEFAULT_ACCOUNTS, MAX_ACCOUNTS, NEWCOMER_SECONDS},
        },
        proof::reason::ReasonCode,
        request::request_budget::MAX_REQUESTS_PER_WINDOW,
    },
    ports::{Clock, ConnectionStore},
    use_cases::{disconnect::Deleted, register_role::Received, verify_role::Verified},
};
use latchkey_testing::{
    builders::{role, tenant},
    customer_stack::CustomerStack,
    faults::{Operation, When},
    scripted_sts::Trust,
    world::World,
};

use crate::{Account, any, assert_status, forged, member, number, organized, progress, refused, rotated};

#[tokio::test]
async fn each_account_becomes_a_member_of_the_same_tenant_and_the_connection_itself_is_never_bound() {
    let (world, organization) = organized(any(10)).await;
    for account in [number(1), number(2)] {
        Account::connected(&world, &organization, &account).await;
        let member = member(&world, &organization, &account).await.unwrap();
        assert_eq!(member.tenant(), organization.tenant());
        assert_eq!(member.id().organization(), Some(organization.id().clone()));
        assert_eq!(member.live_binding().unwrap().account(), account);
        assert_eq!(member.external_id(), organization.external_id());
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
    let (world, organization) = organized(any(10)).await;
    let first = Account::connected(&world, &organization, &number(1)).await;
    let before = member(&world, &organization, &number(1)).await.unwrap();
    let second = Account::new(&world, &organization, &number(1));
    let answer = refused(&world, &second.create, "account_already_connected").await;
    // Its rollback takes nothing with it.
    let (id, external_id) = (&answer.physical_resource_id, organization.external_id());
    let delete = world.signed(second.stack.delete(id, external_id, &second.role_arn));
    assert_eq!(world.deleted(&delete).await, Deleted::LeftAlone);
    let after = member(&world, &organization, &number(1)).await.unwrap();
    let bound = after.live_binding().unwrap();
    assert_eq!(Some(bound), before.live_binding());
    assert_eq!(bound.stack_id(), Some(&first.stack.stack_id));
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
    refused(&world, &stranger.create, "account_not_allowed").await;
    assert_eq!(member(&world, &organization, &number(9)).await, None);
    assert_eq!(world.store.item_count(), items);
    let progress = progress(&world, &organization).await;
    assert_eq!(progress.summary, "1 of 3 active");
}

#[tokio::test]
async fn no_more_accounts_are_connected_than_seats_and_one_that_leaves_gives_its_seat_back() {
    let (world, organization) = organized(any(2)).await;
    let first = Account::connected(&world, &organization, &number(1)).await;
    Account::connected(&world, &organization, &number(2)).await;
    let third = Account::new(&world, &organization, &number(3));
    refused(&world, &third.create, "organization_full").await;
    let summary = progress(&world, &organization).await.summary;
    assert_eq!(summary, "2 of 3 active, 1 failed: 1 organization_full");

    let left = first.deleted(&world, organization.external_id()).await;
    assert_eq!(left, Deleted::Disconnected);
    Account::connected(&world, &organization, &number(3)).await;
    // And the one that left finds no seat any more.
    let back = Account::new(&world, &organization, &number(1));
    refused(&world, &back.create, "organization_full").await;
    let seats = world.store.seats(organization.id()).await.unwrap();
    assert_eq!(seats, BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn accounts_that_want_the_same_seat_at_once_each_get_one() {
    let world = Arc::new(World::default());
    let organization = world.organization("acme", any(4)).await;
    // Both wish for the first seat.
    let [one, other] = [4, 8].map(|at| Account::new(&world, &organization, &number(at)));
    for account in [&one, &other] {
        assert_eq!(world.registered(&account.create).await, Received::Queued);
    }
    world.queue.take_all();
    // The other takes it between this one's look and its write.
    let first = other.create.clone();
    world.meanwhile(async move |world| {
        let verified = world.verified(&first, 1).await;
        assert!(matches!(verified, Verified::Answered(_)));
    });
    let verified = world.verified(&one.create, 1).await;
    assert!(matches!(verified, Verified::Answered(_)));
    for account in [number(4), number(8)] {
        assert_status(&world, &organization, &account, Status::Active).await;
    }
    assert_eq!(world.store.seats(organization.id()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn invented_accounts_leave_a_bounded_number_of_members_behind_a_day_and_are_forgotten() {
    let (world, organization) = organized(any(5)).await;
    let bound = u64::from(any(5).most_newcomers());
    for invented in 100..100 + 3 * bound {
        world.registered(&forged(&organization, invented)).await;
    }
    world.drain().await;
    let members = world.members.all(&organization).await.unwrap();
    assert_eq!(members.len() as u64, bound);
    assert!(world.store.seats(organization.id()).await.unwrap().is_empty());
    for member in &members {
        let forgotten = member.forget_at().unwrap();
        assert!(forgotten.duration_since(world.clock.now()).as_secs() <= NEWCOMER_SECONDS);
    }
    // A true one is told, and comes in the next day.
    let late = Account::new(&world, &organization, &number(1));
    refused(&world, &late.create, "too_many_requests").await;
    world.clock.advance(24 * 3_600);
    Account::connected(&world, &organization, &number(1)).await;
    let member = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(member.forget_at(), None, "what was connected is not forgotten");
}

#[tokio::test]
async fn however_many_accounts_are_invented_an_hour_verifies_a_bounded_number_of_their_requests() {
    let (world, organization) = organized(any(3)).await;
    let (bound, mut queued) = (any(3).most_newcomers(), 0);
    for round in 0..5 {
        for invented in 100..100 + u64::from(bound) {
            let received = world.registered(&forged(&organization, invented)).await;
            queued += u32::from(received == Received::Queued);
        }
        assert_eq!(queued, bound, "round {round}");
    }
    assert_eq!(world.queue.waiting().len(), bound as usize);
    // Those that are connected are not held up, and an hour later others are not either.
    world.clock.advance(3_600);
    let one = Account::connected(&world, &organization, &number(100)).await;
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        assert!(one.updated(&world, organization.external_id()).await.success);
    }
}

#[tokio::test]
async fn what_is_retired_or_no_create_makes_no_member_and_counts_for_nobody() {
    let (world, organization) = organized(any(1)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let next = rotated(&world, &organization).await;
    assert!(one.updated(&world, &next).await.success);
    for invented in 100..110 {
        let stack = CustomerStack::new(&number(invented));
        let role_arn = role(&number(invented), "Reader");
        let create = world.signed(stack.create(organization.external_id(), &role_arn));
        refused(&world, &create, "external_id_retired").await;
        let update = world.signed(stack.update("latchkey-0", &next, &role_arn));
        refused(&world, &update, "external_id_changed").await;
    }
    assert_eq!(world.members.all(&organization).await.unwrap().len(), 1);
    one.deleted(&world, &next).await;
    let rotated = world.reload(&organization).await;
    Account::connected(&world, &rotated, &number(2)).await;
}

#[tokio::test]
async fn a_create_that_was_overtaken_by_its_own_delete_connects_no_new_account() {
    let (world, organization) = organized(any(3)).await;
    let one = Account::new(&world, &organization, &number(1));
    let external_id = organization.external_id();
    let delete = world.signed(one.stack.delete("latchkey-0", external_id, &one.role_arn));
    assert_eq!(world.deleted(&delete).await, Deleted::LeftAlone);
    refused(&world, &one.create, "stack_deleted").await;
    let member = member(&world, &organization, &number(1)).await;
    assert!(member.is_none_or(|member| member.live_binding().is_none()));
}

#[tokio::test]
async fn an_account_that_leaves_is_disconnected_and_connects_again_by_a_new_stack() {
    let (world, organization) = organized(any(2)).await;
    let one = Account::connected(&world, &organization, &number(1)).await;
    let late = world.signed(one.stack.create(organization.external_id(), &one.role_arn));
    one.deleted(&world, organization.external_id()).await;
    assert_status(&world, &organization, &number(1), Status::Disconnected).await;
    // What CloudFormation sent before that is not a new stack.
    refused(&world, &late, "stack_deleted").await;
    Account::connected(&world, &organization, &number(1)).await;
    assert_status(&world, &organization, &number(1), Status::Active).await;
}

#[tokio::test]
async fn what_the_vendor_ended_stays_ended_one_account_or_all() {
    let (world, organization) = organized(any(5)).await;
    for account in [number(1), number(2)] {
        Account::connected(&world, &organization, &account).await;
    }
    let one = member(&world, &organization, &number(1)).await.unwrap();
    world.end(&one).await;
    let again = Account::new(&world, &organization, &number(1));
    refused(&world, &again.create, "disconnected_by_vendor").await;
    assert_status(&world, &organization, &number(2), Status::Active).await;

    // One is being verified while the vendor ends them all.
    let waiting = Account::new(&world, &organization, &number(3));
    world.receive(&waiting.create).await.unwrap();
    world.faults.fail_next(Operation::Commit, 1, When::After);
    let (tenant, id) = (organization.tenant(), organization.id());
    let ended = || world.disconnect_by_vendor.run(tenant, id);
    assert!(ended().await.is_err(), "it broke in the middle");
    assert!(ended().await.unwrap().is_some(), "and the same call goes on");
    world.drain().await;
    assert!(!world.bucket.answer(&waiting.create.key).unwrap().success);
    for account in [number(1), number(2), number(3)] {
        assert_status(&world, &organization, &account, Status::Disconnected).await;
    }
    assert!(world.store.seats(organization.id()).await.unwrap().is_empty());
    let newcomer = Account::new(&world, &organization, &number(4));
    refused(&world, &newcomer.create, "disconnected_by_vendor").await;
    assert_eq!(member(&world, &organization, &number(4)).await, None);
}

#[tokio::test]
async fn another_tenant_sees_no_member_and_may_connect_the_same_account() {
    let (world, organization) = organized(any(9)).await;
    Account::connected(&world, &organization, &number(1)).await;
    let id = organization.id().member(&number(1));
    assert_eq!(world.store.get(&tenant("other"), &id).await.unwrap(), None);
    let other = Organization::new(None, BTreeSet::from([number(1)])).unwrap();
    let other = world.organization("other", other).await;
    let role_arn = role(&number(1), "Second");
    world.trust(&role_arn, &other);
    let create = world.signed(CustomerStack::new(&number(1)).create(other.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn a_tenant_connects_an_account_once_alone_or_with_its_organization() {
    let world = World::default();
    world.connect("acme", &number(1)).await;
    let organization = world.organization("acme", any(9)).await;
    let role_arn = role(&number(1), "Second");
    world.trust(&role_arn, &organization);
    let create = world.signed(CustomerStack::new(&number(1)).create(organization.external_id(), &role_arn));
    refused(&world, &create, "account_already_connected").await;
    assert!(world.store.seats(organization.id()).await.unwrap().is_empty());
}

#[test]
fn an_organization_is_for_one_to_a_thousand_accounts() {
    let named = |count: u64| (0..count).map(number).collect::<BTreeSet<_>>();
    for (max, allowed, accepted) in [
        (None, named(0), Some(DEFAULT_ACCOUNTS)),
        (Some(1), named(0), Some(1)),
        (Some(MAX_ACCOUNTS), named(0), Some(MAX_ACCOUNTS)),
        (None, named(7), Some(7)),
        (Some(7), named(7), Some(7)),
        (Some(3), named(7), None),
        (Some(0), named(0), None),
        (Some(MAX_ACCOUNTS + 1), named(0), None),
        (None, named(u64::from(MAX_ACCOUNTS) + 1), None),
    ] {
        let made = Organization::new(max, allowed).ok();
        assert_eq!(made.map(|rules| rules.max_accounts), accepted, "{max:?}");
    }
}

#[tokio::test]
async fn progress_counts_everybody_and_names_a_bounded_number_of_troubles() {
    let (world, organization) = organized(any(40)).await;
    Account::connected(&world, &organization, &number(1)).await;
    for at in 2..27 {
        let one = Account::new(&world, &organization, &number(at));
        world.sts.put_role(&one.role_arn, Trust::nobody());
        assert!(!world.complete(&one.create).await.success);
    }
    let one = world.members.all(&organization).await.unwrap().remove(0);
    world.sts.delete_role(&one.live_binding().unwrap().role_arn);
    world.check(&one).await;
    let progress = progress(&world, &organization).await;
    let summary = "0 of 26 active, 1 degraded, 25 failed: 1 role_gone, 25 role_not_assumable";
    assert_eq!(progress.summary, summary);
    assert_eq!(progress.status(), Status::Degraded);
    assert_eq!(progress.troubles.len(), 20);
    let first = &progress.troubles[0];
    assert_eq!(
        (first.code, &first.account_id),
        (ReasonCode::RoleGone, &number(1))
    );
}

#[tokio::test]
async fn a_stack_that_came_too_often_is_told_the_same_however_late_its_message_comes_again() {
    let (world, organization) = organized(any(1)).await;
    for invented in 100..100 + u64::from(any(1).most_newcomers()) - 1 {
        world.registered(&forged(&organization, invented)).await;
    }
    let first = Account::new(&world, &organization, &number(1));
    world.sts.put_role(&first.role_arn, Trust::nobody());
    world.receive(&first.create).await.unwrap();
    let again = Account::new(&world, &organization, &number(1));
    world.registered(&again.create).await;
    world.assert_failed(&again.create, ReasonCode::TooManyRequests);
    // The hour is over, and the very message comes again: its stack was told that it failed.
    world.clock.advance(3_600);
    let told = world.registered(&again.create).await;
    assert!(matches!(told, Received::AnsweredAgain(_)), "{told:?}");
}

#[tokio::test]
async fn a_forged_delete_or_update_of_a_members_stack_ends_and_changes_nothing() {
    let (world, organization) = organized(any(3)).await;
    let victim = Account::connected(&world, &organization, &number(1)).await;
    let attacker = Account::connected(&world, &organization, &number(2)).await;
    let before = member(&world, &organization, &number(1)).await.unwrap();
    let id = victim.create.physical_resource_id();
    let forged = world.deleted(&victim.delete(organization.external_id())).await;
    assert_eq!(forged, Deleted::NotFromCloudFormation);
    // A member of the same organization names the other's resource, in a message that is truly CloudFormation's.
    let (external_id, stack) = (organization.external_id(), &attacker.stack);
    for role_arn in [&victim.role_arn, &attacker.role_arn] {
        let update = world.signed(stack.update(&id, external_id, role_arn));
        let answer = world.complete(&update).await;
        assert!(!answer.success, "{answer:?}");
    }
    let delete = world.signed(stack.delete(&id, external_id, &victim.role_arn));
    world.deleted(&delete).await;
    assert_eq!(member(&world, &organization, &number(1)).await.unwrap(), before);
}

/// The first requests of two stacks in one account: what the slower one read is out of date when it stores the member.
#[tokio::test]
async fn a_member_that_was_proven_meanwhile_is_not_overwritten() {
    let (world, organization) = organized(any(3)).await;
    let world = Arc::new(world);
    let [quick, slow] = [(); 2].map(|()| Account::new(&world, &organization, &number(1)));
    let there = world.clone();
    let create = quick.create.clone();
    world.faults.before_next(Operation::Insert, move || {
        let answer = there.complete(&create).now_or_never().unwrap();
        assert!(answer.success, "{answer:?}");
    });
    assert!(!world.complete(&slow.create).await.success);
    let member = member(&world, &organization, &number(1)).await.unwrap();
    assert_eq!(member.status(world.clock.now()), Status::Active);
    let bound = member.live_binding().unwrap();
    assert_eq!(bound.stack_id(), quick.create.key.stack_id.as_ref());
}

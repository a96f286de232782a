//! A connection ends, or does not: Deletes that are right, forged, late, early and invented; the vendor's own wish.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use futures::FutureExt;
use latchkey_core::{
    domain::{
        connection::{Connection, State, Status},
        proof::reason::ReasonCode,
    },
    ports::{Clock, VerificationTask},
    use_cases::disconnect::{Deleted, RECHECK_AFTER_DELETE_SECONDS},
};
use latchkey_testing::{
    builders::{account, role, tenant},
    cloudformation_bucket::SIGNED_FOR_SECONDS,
    customer_stack::{CustomerStack, StackRequest},
    faults::{Operation, When},
    recording_queue::Queued,
    scripted_sts::Trust,
    world::World,
};
use serde_json::json;

const ACCOUNT: &str = "222222222222";
const OTHER_ACCOUNT: &str = "333333333333";

/// That a Delete ends nothing, and is answered with the success that lets its stack go.
async fn left_alone(world: &World, delete: &StackRequest) {
    assert_eq!(world.deleted(delete).await, Deleted::LeftAlone);
    assert!(world.bucket.answer(&delete.key).unwrap().success);
}

fn recheck(connection: &Connection) -> VerificationTask {
    VerificationTask::Recheck {
        tenant: connection.tenant().clone(),
        connection_id: connection.id().clone(),
        attempt: 0,
    }
}

#[tokio::test]
async fn the_delete_of_the_connected_stack_disconnects() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    world.clock.advance(3_600);
    let delete = world.signed(customer.delete());
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    let answer = world.bucket.answer(&delete.key).unwrap();
    assert!(answer.success);
    assert_eq!(answer.data, None, "Data is for Create and Update");
    let id = customer.create.physical_resource_id();
    assert_eq!(answer.physical_resource_id, id);
    let ended = world.reload(&customer.connection).await;
    let State::Disconnected { reason, at, .. } = ended.state() else {
        panic!("{ended:?}");
    };
    assert_eq!((reason.code, *at), (ReasonCode::StackDeleted, world.clock.now()));
    let known = ended.binding();
    assert_eq!(known, customer.connection.live_binding());
    // The account is free for a new link.
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    assert_eq!(world.status(&customer.connection).await, Status::Active);
}

#[tokio::test]
async fn a_delete_that_comes_again_is_answered_again_and_does_nothing_more() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let delete = world.signed(customer.delete());
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    let ended = world.reload(&customer.connection).await;
    for _ in 0..2 {
        assert_eq!(world.deleted(&delete).await, Deleted::LeftAlone);
    }
    assert_eq!(world.reload(&customer.connection).await, ended);
    let bodies = world.bucket.bodies(&delete.key);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn a_forged_delete_with_everything_right_but_the_signature_changes_nothing() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let items = world.store.item_count();
    for _ in 0..30 {
        let forged = customer.delete();
        assert_eq!(world.deleted(&forged).await, Deleted::NotFromCloudFormation);
        assert_eq!(world.reload(&customer.connection).await, customer.connection);
    }
    assert_eq!(world.queue.waiting(), []);
    assert_eq!(world.bucket.refused(), 30);
    // The attempt shows in the log, in one entry a day, however many there were.
    let id = customer.connection.id();
    assert_eq!(world.store.forged_deletes(id), 30);
    let told = |history: Vec<String>| history.iter().filter(|event| *event == "delete_forged").count();
    assert_eq!(told(world.history(id)), 1);
    assert_eq!(world.store.item_count(), items + 1);
    world.clock.advance(24 * 3_600);
    world.deleted(&customer.delete()).await;
    assert_eq!(told(world.history(id)), 2);
}

#[tokio::test]
async fn a_forged_delete_that_names_no_live_connection_of_its_stack_writes_nothing() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let pending = world.link("acme").await;
    let items = world.store.item_count();
    let another = CustomerStack::new(&account(ACCOUNT));
    let id = customer.create.physical_resource_id();
    let unknown = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz".parse().unwrap();
    for forged in [
        another.delete(&id, customer.connection.external_id(), &customer.role_arn),
        another.delete(&id, pending.external_id(), &customer.role_arn),
        another.delete(&id, &unknown, &customer.role_arn),
        customer.delete().without_property("ExternalId"),
    ] {
        assert_eq!(world.deleted(&forged).await, Deleted::NotFromCloudFormation);
        assert_eq!(world.store.item_count(), items);
    }
}

#[tokio::test]
async fn a_true_delete_of_the_past_that_somebody_recorded_and_plays_again_changes_nothing() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let old = world.signed(customer.delete());
    world.clock.advance(SIGNED_FOR_SECONDS + 1);
    assert_eq!(world.deleted(&old).await, Deleted::NotFromCloudFormation);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);
}

#[tokio::test]
async fn an_attackers_own_true_stack_cannot_end_anybody_elses_connection() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    // It knows everything there is to know, and CloudFormation signs its URLs: for its own stack.
    let id = customer.create.physical_resource_id();
    for digits in [OTHER_ACCOUNT, ACCOUNT] {
        let attacker = CustomerStack::new(&account(digits));
        let delete = world.signed(attacker.delete(&id, connection.external_id(), &customer.role_arn));
        left_alone(&world, &delete).await;
        assert_eq!(world.reload(connection).await, *connection);
        assert_eq!(world.queue.waiting(), []);
    }
}

#[tokio::test]
async fn the_rollback_of_a_failed_second_create_leaves_the_live_connection_alone() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    // The same link in a second stack of the same account.
    let second = CustomerStack::new(&account(ACCOUNT));
    let create = world.signed(second.create(connection.external_id(), &customer.role_arn));
    let failed = world.complete(&create).await;
    assert!(failed.failed_with(ReasonCode::AccountAlreadyConnected));
    let bound = customer.create.physical_resource_id();
    for id in [failed.physical_resource_id.as_str(), "invented", &bound] {
        let delete = world.signed(second.delete(id, connection.external_id(), &customer.role_arn));
        left_alone(&world, &delete).await;
        assert_eq!(world.reload(connection).await, *connection);
    }
}

#[tokio::test]
async fn the_rollback_of_a_failed_first_create_leaves_the_link_good() {
    let (world, connection) = World::linked().await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    world.sts.put_role(&role_arn, Trust::open());
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    let failed = world.complete(&create).await;
    assert!(failed.failed_with(ReasonCode::ExternalIdNotEnforced));
    world.clock.advance(10);
    let id = &failed.physical_resource_id;
    let delete = world.signed(stack.delete(id, connection.external_id(), &role_arn));
    left_alone(&world, &delete).await;
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state().status(), Status::Pending);
    assert_eq!(waiting.reason().unwrap().code, ReasonCode::ExternalIdNotEnforced);
    let create = world.create(&connection, &account(ACCOUNT));
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn a_delete_of_a_resource_whose_success_never_arrived_undoes_it_and_frees_the_account() {
    let (world, connection) = World::linked().await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    world.receive(&create).await.unwrap();
    // Proven and stored, and then S3 cannot be reached for as long as CloudFormation waits.
    world.prove_without_answer(&create).await;
    assert_eq!(world.reload(&connection).await.state().status(), Status::Active);
    assert_eq!(world.status(&connection).await, Status::Verifying);
    world.clock.advance(300);
    let delete = world.signed(stack.delete("Latchkey_Connection_1ABC", connection.external_id(), &role_arn));
    left_alone(&world, &delete).await;
    assert_eq!(world.status(&connection).await, Status::Pending);
    // The late SUCCESS reaches nobody, and the account can be connected by another link.
    world.drain().await;
    assert_eq!(world.status(&connection).await, Status::Pending);
    world.connect("acme", &account(ACCOUNT)).await;
}

#[tokio::test]
async fn a_delete_under_an_id_that_is_not_ours_is_answered_and_the_role_looked_at_later() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let delete = world.signed(customer.delete_as("Latchkey-Connection-1ABC"));
    left_alone(&world, &delete).await;
    assert_eq!(world.status(connection).await, Status::Active);
    let (task, delay_seconds) = (recheck(connection), RECHECK_AFTER_DELETE_SECONDS);
    assert_eq!(world.queue.waiting(), [Queued { task, delay_seconds }]);
    // The stack is gone, and the role with it: the account is free again.
    world.sts.delete_role(&customer.role_arn);
    world.drain().await;
    let noticed = world.reload(connection).await;
    assert_eq!(noticed.state().status(), Status::Disconnected);
    assert_eq!(noticed.reason(), Some(&ReasonCode::StackDeleted.into()));
    world.connect("acme", &account(ACCOUNT)).await;
}

#[tokio::test]
async fn a_role_that_outlived_such_a_delete_and_is_gone_later_only_degrades() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let delete = world.signed(customer.delete_as("Latchkey-Connection-1ABC"));
    // Twice, as SNS may deliver it: the note is made once.
    world.deleted(&delete).await;
    world.deleted(&delete).await;
    let notes = world.history(connection.id());
    assert_eq!(notes.iter().filter(|event| *event == "deletion_seen").count(), 1);
    world.drain().await;
    assert_eq!(world.status(connection).await, Status::Active);
    world.sts.delete_role(&customer.role_arn);
    world.check(connection).await;
    let noticed = world.reload(connection).await;
    assert_eq!(noticed.reason(), Some(&ReasonCode::RoleGone.into()));
}

#[tokio::test]
async fn such_a_delete_that_is_forged_leaves_no_note() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let forged = customer.delete_as("Latchkey-Connection-1ABC");
    assert_eq!(world.deleted(&forged).await, Deleted::NotFromCloudFormation);
    assert_eq!(world.reload(connection).await, *connection);
}

#[tokio::test]
async fn every_well_formed_delete_is_answered_success_whatever_is_in_it() {
    let (world, connection) = World::linked().await;
    let stack = CustomerStack::new(&account(ACCOUNT));
    let role_arn = role(&account(ACCOUNT), "Reader");
    let delete = || stack.delete("latchkey-1", connection.external_id(), &role_arn);
    for request in [
        delete(),
        delete().without_property("ExternalId"),
        delete().with_property("ExternalId", "*"),
        delete().with_property("ExternalId", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        delete().with_property("RoleArn", json!({ "a": 1 })),
        delete().without_property("TemplateVersion"),
        delete().with("ResourceProperties", json!({})),
        delete().with("PhysicalResourceId", "\"\\".repeat(512)),
        delete().with("PhysicalResourceId", "日".repeat(341)),
    ] {
        let request = request.signed(&world.bucket);
        left_alone(&world, &request).await;
        assert_eq!(world.reload(&connection).await, connection);
    }
}

#[tokio::test]
async fn a_delete_of_an_unknown_external_id_writes_nothing() {
    let world = World::default();
    let items = world.store.item_count();
    let stack = CustomerStack::new(&account(ACCOUNT));
    let unknown = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz".parse().unwrap();
    let delete = stack.delete("x", &unknown, &role(&account(ACCOUNT), "Reader"));
    world.deleted(&delete.signed(&world.bucket)).await;
    assert_eq!(world.store.item_count(), items);
}

#[tokio::test]
async fn a_vendor_removes_a_connection_and_the_stack_can_still_be_deleted() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let ended = world.end(connection).await;
    assert_eq!(ended.state().status(), Status::Disconnected);
    assert_eq!(ended.reason().unwrap().code, ReasonCode::DisconnectedByVendor);
    assert_eq!(world.end(connection).await, ended, "again, it is a repetition");
    let delete = world.signed(customer.delete());
    left_alone(&world, &delete).await;
    assert_eq!(world.reload(connection).await, ended);
    // And the customer can come back, by a new link.
    let back = world.connect("acme", &account(ACCOUNT)).await;
    assert_eq!(world.status(&back.connection).await, Status::Active);
}

#[tokio::test]
async fn a_vendor_can_end_a_connection_in_any_state() {
    let world = World::default();
    let pending = world.link("acme").await;
    let verifying = world.link("acme").await;
    let create = world.create(&verifying, &account(OTHER_ACCOUNT));
    world.registered(&create).await;
    let active = world.connect("acme", &account(ACCOUNT)).await.connection;
    for connection in [pending, verifying, active] {
        let ended = world.end(&connection).await;
        assert_eq!(ended.state().status(), Status::Disconnected);
        assert_eq!(world.history(connection.id()).last().unwrap(), "disconnected");
    }
}

#[tokio::test]
async fn a_tenant_cannot_end_another_tenants_connection_nor_learn_that_it_exists() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let id = customer.connection.id();
    let foreign = world.disconnect_by_vendor.run(&tenant("globex"), id).await;
    assert_eq!(foreign.unwrap(), None);
    assert_eq!(world.reload(&customer.connection).await, customer.connection);
}

#[tokio::test]
async fn a_delete_that_comes_right_between_the_proof_and_its_storage_is_not_lost() {
    // The Delete looks the connection up while it is still being verified, and the verifier stores the proof in the
    // moment before the Delete is noted: one of the two has to see the other.
    let world = Arc::new(World::default());
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    world.receive(&create).await.unwrap();
    world.clock.advance(1);
    let id = create.physical_resource_id();
    let delete = world.signed(stack.delete(&id, connection.external_id(), &role_arn));
    let (there, key) = (world.clone(), create.key.clone());
    world.faults.before_next(Operation::MarkResourceDeleted, move || {
        there.verify.run(&key, 1).now_or_never().unwrap().unwrap();
    });
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    assert_eq!(world.status(&connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_crash_at_any_call_of_a_delete_is_repaired_by_its_next_delivery() {
    let mut crashes = 0;
    for call in 0.. {
        let mut done = false;
        for when in [When::Before, When::After] {
            let (world, customer) = World::connected(&account(ACCOUNT)).await;
            let delete = world.signed(customer.delete());
            world.faults.fail_call(call, when);
            let first = world.receive(&delete).await;
            if world.faults.clear() {
                done = true;
                continue;
            }
            assert!(first.is_err(), "call {call} failed {when:?}");
            crashes += 1;
            world.receive(&delete).await.unwrap();
            assert!(world.bucket.answer(&delete.key).unwrap().success);
            assert_eq!(world.status(&customer.connection).await, Status::Disconnected);
        }
        if done {
            break;
        }
    }
    assert!(crashes >= 8, "{crashes}");
}

#[tokio::test]
async fn a_disconnect_that_meets_another_change_is_done_after_it() {
    let world = Arc::new(World::default());
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let delete = world.signed(customer.delete());
    world.sts.put_role(&customer.role_arn, Trust::open());
    let checked = customer.connection.clone();
    world.meanwhile(async move |world| world.check(&checked).await);
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    assert_eq!(world.status(&customer.connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_delete_of_a_degraded_connection_disconnects_too() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    world.sts.delete_role(&customer.role_arn);
    world.check(&customer.connection).await;
    assert_eq!(world.status(&customer.connection).await, Status::Degraded);
    let delete = world.signed(customer.delete());
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
}

#[tokio::test]
async fn the_delete_of_a_stack_whose_update_is_being_verified_ends_both() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let new_role = role(&account(ACCOUNT), "New");
    world.trust(&new_role, connection);
    let update = world.signed(customer.update(&new_role));
    world.receive(&update).await.unwrap();
    world.clock.advance(1);
    let delete = world.signed(customer.delete());
    assert_eq!(world.deleted(&delete).await, Deleted::Disconnected);
    world.drain().await;
    world.assert_failed(&update, ReasonCode::StackDeleted);
    assert_eq!(world.status(connection).await, Status::Disconnected);
}

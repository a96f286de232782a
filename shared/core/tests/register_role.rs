//! A stack asks to be connected: taken once, refused at once, or answered again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use futures::FutureExt;
use latchkey_core::{
    domain::{
        aws::RoleArn,
        connection::{Connection, State, Status},
        proof::reason::{Reason, ReasonCode},
        request::{
            custom_resource::Outcome,
            request_budget::{MAX_REQUESTS_PER_WINDOW, WINDOW_SECONDS},
        },
    },
    ports::{Clock, ConnectionStore, Delivery, VerificationTask},
    use_cases::{MAX_COMMIT_TRIES, register_role::Received},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account, role},
    customer_stack::{CustomerStack, StackRequest},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::{Handled, World},
};
use serde_json::json;

const ACCOUNT: &str = "222222222222";
const OTHER_ACCOUNT: &str = "333333333333";

/// A link of tenant acme, and the Create of a stack that took it.
async fn a_create(world: &World) -> (Connection, StackRequest) {
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = stack.create(connection.external_id(), &role_arn);
    (
        connection,
        create.signed(&world.bucket).sent_at(world.clock.now()),
    )
}

fn queued(request: &StackRequest) -> VerificationTask {
    VerificationTask::Request {
        key: request.key.clone(),
    }
}

/// That a request is refused at once, truly, and leaves every connection as it is but for what `connection` remembers.
async fn assert_refused(world: &World, request: &StackRequest, code: ReasonCode) {
    let calls = world.sts.calls().len();
    let before = world.store.all_connections();
    let handled = world.receive(request).await.unwrap();
    let Handled::Registered(Received::Refused(reason, Delivery::Accepted)) = handled else {
        panic!("{handled:?}");
    };
    assert_eq!(reason.code, code);
    assert!(world.bucket.answer(&request.key).unwrap().failed_with(code));
    assert_eq!(world.queue.waiting(), [], "nothing is queued");
    assert_eq!(world.sts.calls().len(), calls, "STS is not asked");
    for (before, after) in before.iter().zip(world.store.all_connections()) {
        let is_news = before.state().status() == Status::Pending;
        assert!(
            *before == after
                || is_news && [Status::Pending, Status::Expired].contains(&after.state().status()),
            "{after:?}"
        );
    }
}

#[tokio::test]
async fn a_create_is_recorded_and_queued_and_the_stack_waits_for_its_answer() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    assert_eq!(
        world.receive(&create).await.unwrap(),
        Handled::Registered(Received::Queued)
    );
    assert_eq!(world.status(&connection).await, Status::Verifying);
    let waiting = world.queue.waiting();
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        (waiting[0].task.clone(), waiting[0].delay_seconds),
        (queued(&create), 0)
    );
    assert_eq!(world.bucket.answer(&create.key), None);
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    assert_eq!(record.outcome, None);
    assert_eq!(
        (&record.tenant, &record.connection_id),
        (connection.tenant(), connection.id())
    );
    assert_eq!(world.history(connection.id()), ["created", "attempt_started"]);
}

#[tokio::test]
async fn a_create_that_comes_again_before_it_is_decided_is_one_create() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    for _ in 0..3 {
        assert_eq!(
            world.receive(&create).await.unwrap(),
            Handled::Registered(Received::Queued)
        );
    }
    assert_eq!(world.queue.waiting().len(), 1, "it is queued once");
    assert_eq!(world.store.all_requests().len(), 1);
    assert_eq!(world.reload(&connection).await.version(), 2);
}

#[tokio::test]
async fn a_create_that_comes_again_after_it_was_decided_gets_the_same_answer() {
    let world = World::default();
    for safe in [true, false] {
        let connection = world.link("acme").await;
        let (stack, role_arn) =
            world.customer_of(&connection, &account(if safe { ACCOUNT } else { OTHER_ACCOUNT }));
        if !safe {
            world.sts.put_role(&role_arn, Trust::open());
        }
        let create = stack
            .create(connection.external_id(), &role_arn)
            .signed(&world.bucket)
            .sent_at(world.clock.now());
        assert_eq!(world.complete(&create).await.success, safe);
        let stands = world.reload(&connection).await;
        let calls = world.sts.calls().len();
        for _ in 0..2 {
            let again = world.receive(&create).await.unwrap();
            assert_eq!(
                again,
                Handled::Registered(Received::AnsweredAgain(Delivery::Accepted))
            );
        }
        let bodies = world.bucket.bodies(&create.key);
        assert_eq!(bodies.len(), 3);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        assert_eq!(world.reload(&connection).await, stands);
        assert_eq!(world.sts.calls().len(), calls);
        assert_eq!(world.queue.waiting(), []);
    }
}

#[tokio::test]
async fn garbage_properties_are_answered_at_once_with_what_is_wrong_and_change_nothing() {
    let world = World::default();
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = || stack.create(connection.external_id(), &role_arn);
    for (request, code, told) in [
        (
            create().without_property("RoleArn"),
            ReasonCode::InvalidRequest,
            "RoleArn is missing. ",
        ),
        (
            create().with_property("RoleArn", 1),
            ReasonCode::InvalidRequest,
            "RoleArn is not a text. ",
        ),
        (
            create().with_property("RoleArn", "<script>alert(1)</script>"),
            ReasonCode::InvalidRequest,
            "RoleArn is not an ARN. ",
        ),
        (
            create().without_property("TemplateVersion"),
            ReasonCode::InvalidRequest,
            "TemplateVersion is missing. ",
        ),
        (
            create().without_property("ExternalId"),
            ReasonCode::InvalidRequest,
            "ExternalId is missing. ",
        ),
        (
            create().with_property("ExternalId", "guess"),
            ReasonCode::ExternalIdUnknown,
            "The vendor never issued",
        ),
        (
            create().with("ResourceProperties", json!({})),
            ReasonCode::InvalidRequest,
            "ExternalId is missing. ",
        ),
    ] {
        let request = request.signed(&world.bucket);
        let items = world.store.item_count();
        assert_refused(&world, &request, code).await;
        let reason = world.bucket.answer(&request.key).unwrap().reason.unwrap();
        assert!(reason.starts_with(told), "{reason}");
        assert!(!reason.contains("script"), "{reason}");
        assert_eq!(world.store.item_count(), items);
        assert_eq!(world.reload(&connection).await, connection);
    }
}

#[tokio::test]
async fn a_role_of_another_account_or_of_the_vendor_is_refused_at_once() {
    let world = World::default();
    let connection = world.link("acme").await;
    let stack = CustomerStack::new(&account(ACCOUNT));
    let vendors_stack = CustomerStack::new(&account(VENDOR_ACCOUNT));
    let own = role(&account(ACCOUNT), "Reader");
    let foreign = role(&account(OTHER_ACCOUNT), "Reader");
    let vendors = role(&account(VENDOR_ACCOUNT), "Verifier");
    let chinese = RoleArn::parse(&own.as_str().replace("arn:aws:", "arn:aws-cn:")).unwrap();
    for role_arn in [&own, &foreign, &vendors, &chinese] {
        world
            .sts
            .put_role(role_arn, Trust::only(connection.external_id()));
    }
    for (stack, role_arn, code) in [
        (&stack, &foreign, ReasonCode::RoleInOtherAccount),
        (&stack, &chinese, ReasonCode::RoleInOtherAccount),
        (&stack, &vendors, ReasonCode::VendorAccount),
        (&vendors_stack, &own, ReasonCode::VendorAccount),
        (&vendors_stack, &vendors, ReasonCode::VendorAccount),
    ] {
        let request = stack.create(connection.external_id(), role_arn);
        assert_refused(&world, &request.signed(&world.bucket), code).await;
        assert_eq!(world.reload(&connection).await, connection);
    }
}

#[tokio::test]
async fn an_external_id_that_was_never_issued_is_refused_and_leaves_no_trace() {
    let world = World::default();
    let stack = CustomerStack::new(&account(ACCOUNT));
    let guessed = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz".parse().unwrap();
    let items = world.store.item_count();
    let request = stack.create(&guessed, &role(&account(ACCOUNT), "Reader"));
    assert_refused(
        &world,
        &request.signed(&world.bucket),
        ReasonCode::ExternalIdUnknown,
    )
    .await;
    assert_eq!(world.store.item_count(), items);
}

#[tokio::test]
async fn a_link_that_was_made_for_an_account_cannot_be_taken_by_another() {
    let world = World::default();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(OTHER_ACCOUNT));
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket);
    assert_refused(&world, &create, ReasonCode::AccountMismatch).await;
    // It waits on, tells how this failed, and connects the right account.
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state().status(), Status::Pending);
    assert_eq!(waiting.reason(), Some(&Reason::from(ReasonCode::AccountMismatch)));
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
}

#[tokio::test]
async fn a_link_works_to_its_last_moment_and_not_after_it_even_while_another_stack_is_verified() {
    let world = World::default();
    for (seconds_before_the_end, first_stack, code) in [
        (1, false, None),
        (1, true, None),
        (0, false, Some(ReasonCode::LinkExpired)),
        (0, true, Some(ReasonCode::LinkExpired)),
        (-5, true, Some(ReasonCode::LinkExpired)),
    ] {
        let connection = world.link("acme").await;
        if first_stack {
            let (stack, role_arn) = world.customer_of(&connection, &account(OTHER_ACCOUNT));
            let create = stack.create(connection.external_id(), &role_arn);
            world.receive(&create).await.unwrap();
            world.queue.take_all();
        }
        let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
        let left = connection.expires_at().duration_since(world.clock.now());
        world.clock.advance(left.as_secs() - seconds_before_the_end);
        let create = stack
            .create(connection.external_id(), &role_arn)
            .signed(&world.bucket)
            .sent_at(world.clock.now());
        match code {
            Some(code) => assert_refused(&world, &create, code).await,
            None => {
                let taken = world.receive(&create).await.unwrap();
                assert_eq!(taken, Handled::Registered(Received::Queued));
                world.queue.take_all();
            }
        }
    }
}

#[tokio::test]
async fn a_create_from_before_the_end_of_the_link_is_taken_however_late_it_is_delivered() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    world.clock.advance(
        connection
            .expires_at()
            .duration_since(world.clock.now())
            .as_secs()
            + 60,
    );
    // Its answer URL is older than two hours, but that is another matter.
    let create = create.signed(&world.bucket).sent_at(connection.created_at());
    assert_eq!(
        world.receive(&create).await.unwrap(),
        Handled::Registered(Received::Queued)
    );
}

#[tokio::test]
async fn a_second_stack_for_a_used_link_is_refused_and_does_not_touch_the_connection() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    for (account_id, code) in [
        (ACCOUNT, ReasonCode::AccountAlreadyConnected),
        (OTHER_ACCOUNT, ReasonCode::LinkAlreadyUsed),
    ] {
        let (stack, role_arn) = world.customer_of(&customer.connection, &account(account_id));
        let create = stack
            .create(customer.connection.external_id(), &role_arn)
            .signed(&world.bucket);
        assert_refused(&world, &create, code).await;
        assert_eq!(world.reload(&customer.connection).await, customer.connection);
        // Neither does its rollback.
        let id = world.bucket.answer(&create.key).unwrap().physical_resource_id;
        let delete = stack.delete(&id, customer.connection.external_id(), &role_arn);
        assert!(world.complete(&delete.signed(&world.bucket)).await.success);
        assert_eq!(world.reload(&customer.connection).await, customer.connection);
    }
}

#[tokio::test]
async fn the_link_of_a_connection_that_ended_is_spent() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let connection = &customer.connection;
    world
        .disconnect_by_vendor
        .run(connection.tenant(), connection.id())
        .await
        .unwrap();
    let (stack, role_arn) = world.customer_of(connection, &account(ACCOUNT));
    let create = stack.create(connection.external_id(), &role_arn);
    assert_refused(
        &world,
        &create.signed(&world.bucket),
        ReasonCode::DisconnectedByVendor,
    )
    .await;
}

#[tokio::test]
async fn an_update_that_names_another_connection_or_resource_is_refused() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let other = world.link("acme").await;
    let id = customer.create.physical_resource_id();
    let own = customer.connection.external_id();
    let update = |id: &str, external_id| {
        customer
            .stack
            .update(id, external_id, &customer.role_arn)
            .signed(&world.bucket)
    };
    let another_stack = CustomerStack::new(&account(ACCOUNT));
    for request in [
        update(&id, other.external_id()),
        update("latchkey-other", own),
        another_stack
            .update(&id, own, &customer.role_arn)
            .signed(&world.bucket),
    ] {
        assert_refused(&world, &request, ReasonCode::ExternalIdChanged).await;
        assert_eq!(world.reload(&customer.connection).await, customer.connection);
    }
}

#[tokio::test]
async fn a_refused_request_gets_the_same_answer_again_although_its_connection_has_changed() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let connection = &customer.connection;
    let (stack, role_arn) = world.customer_of(connection, &account(OTHER_ACCOUNT));
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket)
        .sent_at(world.clock.now());
    assert_refused(&world, &create, ReasonCode::LinkAlreadyUsed).await;
    world
        .disconnect_by_vendor
        .run(connection.tenant(), connection.id())
        .await
        .unwrap();
    let again = world.receive(&create).await.unwrap();
    assert_eq!(
        again,
        Handled::Registered(Received::AnsweredAgain(Delivery::Accepted))
    );
    let bodies = world.bucket.bodies(&create.key);
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_link_that_was_used_too_late_is_written_down_as_expired() {
    let world = World::default();
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let left = connection.expires_at().duration_since(world.clock.now());
    world.clock.advance(left.as_secs());
    let create = stack.create(connection.external_id(), &role_arn);
    assert_refused(
        &world,
        &create.clone().signed(&world.bucket),
        ReasonCode::LinkExpired,
    )
    .await;
    assert_eq!(world.reload(&connection).await.state().status(), Status::Expired);
    assert_eq!(world.history(connection.id()), ["created", "link_expired"]);
}

#[tokio::test]
async fn a_create_that_was_refused_is_never_connected_later() {
    // CloudFormation read FAILED: whatever the message looks like when it comes again, the answer stands.
    let world = World::default();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket)
        .sent_at(connection.expires_at());
    assert_refused(&world, &create, ReasonCode::LinkExpired).await;
    let earlier = create.clone().sent_at(connection.created_at());
    let again = world.receive(&earlier).await.unwrap();
    assert_eq!(
        again,
        Handled::Registered(Received::AnsweredAgain(Delivery::Accepted))
    );
    assert_eq!(world.bucket.bodies(&create.key).len(), 2);
    assert_eq!(world.queue.waiting(), []);
}

#[tokio::test]
async fn a_forged_request_that_is_refused_leaves_no_trace_at_all() {
    let world = World::default();
    let bound = world.link_for("acme", Some(account(ACCOUNT))).await;
    let (stack, role_arn) = world.customer_of(&bound, &account(OTHER_ACCOUNT));
    let items = world.store.item_count();
    for _ in 0..20 {
        let forged = stack.create(bound.external_id(), &role_arn);
        let Handled::Registered(Received::Refused(_, Delivery::Refused)) =
            world.receive(&forged).await.unwrap()
        else {
            panic!("it was not refused");
        };
        assert_eq!(world.bucket.answer(&forged.key), None);
    }
    assert_eq!(world.reload(&bound).await, bound);
    assert_eq!(world.store.item_count(), items);
}

#[tokio::test]
async fn a_forged_create_that_is_not_settled_yet_does_not_keep_the_true_one_out() {
    let world = World::default();
    let connection = world.link("acme").await;
    let (true_stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let forged = CustomerStack::new(&account(ACCOUNT)).create(connection.external_id(), &role_arn);
    world.receive(&forged).await.unwrap();
    // The forged one is proven (the role is a good one), and the bucket cannot be reached for the moment.
    world.faults.fail_next(Operation::AnswerSend, 1, When::Before);
    assert!(world.verify.run(&forged.key, 1).await.is_err());
    assert_eq!(world.reload(&connection).await.state().status(), Status::Active);
    assert_eq!(world.status(&connection).await, Status::Verifying);

    let create = true_stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket);
    let answer = world.complete(&create).await;
    assert!(answer.success, "{answer:?}");
    let connection = world.reload(&connection).await;
    assert_eq!(
        connection.live_binding().unwrap().stack_id(),
        Some(&true_stack.stack_id)
    );
    assert!(connection.live_binding().unwrap().unsettled.is_none());
}

#[tokio::test]
async fn a_crash_between_record_and_queue_is_repaired_by_the_next_delivery() {
    for (operation, when) in [
        (Operation::QueueSend, When::Before),
        (Operation::QueueSend, When::After),
        (Operation::Commit, When::After),
        (Operation::Commit, When::Before),
        (Operation::FindRequest, When::Before),
        (Operation::FindByExternalId, When::Before),
    ] {
        let world = World::default();
        let (connection, create) = a_create(&world).await;
        world.faults.fail_next(operation, 1, when);
        assert!(world.receive(&create).await.is_err(), "{operation:?} {when:?}");
        let again = world.receive(&create).await.unwrap();
        assert_eq!(again, Handled::Registered(Received::Queued));
        let waiting = world.queue.waiting();
        assert!(!waiting.is_empty(), "{operation:?} {when:?}");
        assert!(waiting.iter().all(|waiting| waiting.task == queued(&create)));
        world.drain().await;
        assert!(world.bucket.answer(&create.key).unwrap().success);
        assert_eq!(
            world.bucket.bodies(&create.key).len(),
            1,
            "queued twice, it is answered once"
        );
        assert_eq!(world.status(&connection).await, Status::Active);
    }
}

#[tokio::test]
async fn a_refusal_that_could_not_be_sent_is_sent_by_the_next_delivery() {
    for when in [When::Before, When::After] {
        let world = World::default();
        let stack = CustomerStack::new(&account(ACCOUNT));
        let connection = world.link("acme").await;
        let create = stack
            .create(connection.external_id(), &role(&account(OTHER_ACCOUNT), "x"))
            .signed(&world.bucket);
        world.faults.fail_next(Operation::AnswerSend, 1, when);
        assert!(world.receive(&create).await.is_err());
        world.receive(&create).await.unwrap();
        let answer = world.bucket.answer(&create.key).unwrap();
        assert!(answer.failed_with(ReasonCode::RoleInOtherAccount));
    }
}

#[tokio::test]
async fn a_create_that_loses_a_race_for_its_connection_reads_again_and_decides_again() {
    let world = std::sync::Arc::new(World::default());
    let (connection, create) = a_create(&world).await;
    let (rival_stack, rival_role) = world.customer_of(&connection, &account(OTHER_ACCOUNT));
    let rival = rival_stack
        .create(connection.external_id(), &rival_role)
        .signed(&world.bucket);
    let (there, request) = (world.clone(), rival.clone());
    world.faults.before_next(Operation::Commit, move || {
        there.receive(&request).now_or_never().unwrap().unwrap();
    });
    assert_eq!(
        world.receive(&create).await.unwrap(),
        Handled::Registered(Received::Queued)
    );
    assert_eq!(world.store.all_requests().len(), 2);
    let State::Verifying { attempt } = world.reload(&connection).await.state().clone() else {
        panic!("it is not being verified");
    };
    assert_eq!(attempt.request, create.key, "the latest");
}

#[tokio::test]
async fn a_vendor_who_ends_the_connection_at_that_moment_wins() {
    let world = std::sync::Arc::new(World::default());
    let (connection, create) = a_create(&world).await;
    let (there, ended) = (world.clone(), connection.clone());
    world.faults.before_next(Operation::Commit, move || {
        let end = there.disconnect_by_vendor.run(ended.tenant(), ended.id());
        end.now_or_never().unwrap().unwrap();
    });
    let Handled::Registered(Received::Refused(reason, Delivery::Accepted)) =
        world.receive(&create).await.unwrap()
    else {
        panic!("it was not refused");
    };
    assert_eq!(reason.code, ReasonCode::DisconnectedByVendor);
    assert_eq!(world.status(&connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_create_that_loses_every_race_goes_back_to_where_it_came_from() {
    let world = std::sync::Arc::new(World::default());
    let (connection, create) = a_create(&world).await;
    for _ in 0..MAX_COMMIT_TRIES {
        // Each time somebody else's request comes first.
        let (stack, role_arn) = world.customer_of(&connection, &account(OTHER_ACCOUNT));
        let rival = stack.create(connection.external_id(), &role_arn);
        let there = world.clone();
        world.faults.before_next(Operation::Commit, move || {
            there.receive(&rival).now_or_never().unwrap().unwrap();
        });
    }
    assert!(world.receive(&create).await.is_err());
    assert_eq!(world.store.find_request(&create.key).await.unwrap(), None);
    // Delivered again in quieter times, it goes through.
    world.receive(&create).await.unwrap();
    assert!(
        world
            .queue
            .waiting()
            .iter()
            .any(|waiting| waiting.task == queued(&create))
    );
}

#[tokio::test]
async fn a_create_that_was_overtaken_by_its_own_delete_is_refused() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    let stack = CustomerStack::of(&create.stack_id);
    world.clock.advance(5);
    let delete = stack.delete(
        "latchkey-unknown",
        connection.external_id(),
        &role(&account(ACCOUNT), "Reader"),
    );
    assert!(world.complete(&delete.signed(&world.bucket)).await.success);
    let Handled::Registered(Received::Refused(reason, Delivery::Accepted)) =
        world.receive(&create).await.unwrap()
    else {
        panic!("it was not refused");
    };
    assert_eq!(reason.code, ReasonCode::StackDeleted);
    assert_eq!(world.status(&connection).await, Status::Pending);
    // The stack makes the resource again, later: that is a new one.
    world.clock.advance(5);
    let again = stack.create(connection.external_id(), &role(&account(ACCOUNT), "Reader"));
    assert!(world.complete(&again.signed(&world.bucket)).await.success);
}

#[tokio::test]
async fn the_answer_to_a_request_says_which_connection_the_stack_has_now() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    let answer = world.complete(&create).await;
    assert_eq!(
        answer.data,
        Some(json!({ "ConnectionId": connection.id(), "Status": "active" }))
    );
    assert_eq!(answer.physical_resource_id, create.physical_resource_id());
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    assert_eq!(
        record.outcome,
        Some(Outcome::Connected {
            connection_id: connection.id().clone()
        })
    );
}

#[tokio::test]
async fn one_connection_gets_so_many_verifications_an_hour_and_the_next_hour_as_many_again() {
    let world = World::default();
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        let forged = stack.create(connection.external_id(), &role_arn);
        let taken = world.receive(&forged).await.unwrap();
        assert_eq!(taken, Handled::Registered(Received::Queued));
    }
    world.queue.take_all();
    // Whoever knows the external ID can use the budget up: a true Create is refused then, with what to do.
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket);
    assert_refused(&world, &create, ReasonCode::TooManyRequests).await;
    let items = world.store.item_count();
    for _ in 0..50 {
        world
            .receive(&stack.create(connection.external_id(), &role_arn))
            .await
            .unwrap();
    }
    assert_eq!(
        world.store.item_count(),
        items,
        "the flood leaves nothing more behind"
    );
    world.clock.advance(WINDOW_SECONDS);
    let create = stack
        .create(connection.external_id(), &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
}

/// Whoever knows an external ID and not the resource that is bound cannot keep the customer from updating it.
#[tokio::test]
async fn an_update_of_what_is_bound_has_a_budget_of_its_own() {
    let world = World::default();
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let external_id = customer.connection.external_id();
    let forge = || customer.stack.create(external_id, &customer.role_arn);
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        world.receive(&forge()).await.unwrap();
    }
    world.queue.take_all();
    assert_refused(
        &world,
        &forge().signed(&world.bucket),
        ReasonCode::TooManyRequests,
    )
    .await;

    let bound = customer.connection.live_binding().unwrap();
    let update = || {
        let update = customer
            .stack
            .update(&bound.physical_resource_id, external_id, &customer.role_arn);
        update.sent_at(world.clock.now())
    };
    assert!(world.complete(&update().signed(&world.bucket)).await.success);
    for _ in 1..MAX_REQUESTS_PER_WINDOW {
        world.receive(&update()).await.unwrap();
    }
    world.queue.take_all();
    assert_refused(
        &world,
        &update().signed(&world.bucket),
        ReasonCode::TooManyRequests,
    )
    .await;
}

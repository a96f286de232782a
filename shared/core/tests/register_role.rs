//! A stack asks to be connected: taken once, refused at once, or answered again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use latchkey_core::{
    domain::{
        aws::RoleArn,
        connection::{Connection, State, Status},
        proof::reason::{Reason, ReasonCode},
        request::{
            custom_resource::{Envelope, NotRead, Outcome},
            request_budget::{MAX_REQUESTS_PER_WINDOW, WINDOW_SECONDS},
        },
    },
    ports::{ConnectionStore, Delivery, VerificationTask},
    use_cases::{MAX_COMMIT_TRIES, answer_stack::Answered, register_role::Received},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account, role},
    customer_stack::{CustomerStack, StackRequest},
    faults::{Operation, When},
    recording_queue::Queued,
    scripted_sts::Trust,
    world::World,
};
use serde_json::json;

const ACCOUNT: &str = "222222222222";
const OTHER_ACCOUNT: &str = "333333333333";

/// A link of tenant acme, and the Create of a stack that took it.
async fn a_create(world: &World) -> (Connection, StackRequest) {
    let connection = world.link("acme").await;
    let create = world.create(&connection, &account(ACCOUNT));
    (connection, create)
}

fn queued(request: &StackRequest) -> VerificationTask {
    VerificationTask::Request {
        key: request.key.clone(),
    }
}

/// Why a request is refused at once, where its bucket takes that.
async fn refusal(world: &World, request: &StackRequest) -> ReasonCode {
    match world.registered(request).await {
        Received::Refused(reason, Delivery::Accepted) => reason.code,
        received => panic!("{received:?}"),
    }
}

/// That a request is refused at once, truly, and leaves every connection as it is but for what `connection` remembers.
async fn assert_refused(world: &World, request: &StackRequest, code: ReasonCode) {
    let calls = world.sts.calls().len();
    let before = world.store.all_connections();
    assert_eq!(refusal(world, request).await, code);
    world.assert_failed(request, code);
    assert_eq!(world.queue.waiting(), [], "nothing is queued");
    assert_eq!(world.sts.calls().len(), calls, "STS is not asked");
    for (before, after) in before.iter().zip(world.store.all_connections()) {
        let is_news = matches!(before.state().status(), Status::Pending | Status::Verifying);
        // What is connected stays that, and tells how the last attempt to change it failed.
        let told = after.failed_change().map(|failed| failed.reason.code);
        let is_as_it_was = after.claims() == before.claims() && after.external_id() == before.external_id();
        assert!(
            *before == after
                || told == Some(code) && is_as_it_was
                || is_news && matches!(after.state().status(), Status::Pending | Status::Expired),
            "{after:?}"
        );
    }
}

#[tokio::test]
async fn a_create_is_recorded_and_queued_and_the_stack_waits_for_its_answer() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    assert_eq!(world.registered(&create).await, Received::Queued);
    assert_eq!(world.status(&connection).await, Status::Verifying);
    let (task, delay_seconds) = (queued(&create), 0);
    assert_eq!(world.queue.waiting(), [Queued { task, delay_seconds }]);
    assert_eq!(world.bucket.answer(&create.key), None);
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    assert_eq!(record.outcome, None);
    assert_eq!(record.tenant, *connection.tenant());
    assert_eq!(record.connection_id, *connection.id());
    assert_eq!(world.history(connection.id()), ["created", "attempt_started"]);
}

#[tokio::test]
async fn a_create_that_comes_again_before_it_is_decided_is_one_create() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    for _ in 0..3 {
        assert_eq!(world.registered(&create).await, Received::Queued);
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
        let account = account(if safe { ACCOUNT } else { OTHER_ACCOUNT });
        let (stack, role_arn) = world.customer_of(&connection, &account);
        if !safe {
            world.sts.put_role(&role_arn, Trust::open());
        }
        let create = world.signed(stack.create(connection.external_id(), &role_arn));
        assert_eq!(world.complete(&create).await.success, safe);
        let stands = world.reload(&connection).await;
        let calls = world.sts.calls().len();
        for _ in 0..2 {
            let again = world.registered(&create).await;
            assert_eq!(again, Received::AnsweredAgain(Delivery::Accepted));
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
    let (world, connection) = World::linked().await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = || stack.create(connection.external_id(), &role_arn);
    let without = |property| create().without_property(property);
    let (invalid, unknown) = (ReasonCode::InvalidRequest, ReasonCode::ExternalIdUnknown);
    let script = create().with_property("RoleArn", "<script>alert(1)</script>");
    let guess = create().with_property("ExternalId", "guess");
    let empty = create().with("ResourceProperties", json!({}));
    for (request, code, told) in [
        (without("RoleArn"), invalid, "RoleArn is missing. "),
        (
            create().with_property("RoleArn", 1),
            invalid,
            "RoleArn is not a text. ",
        ),
        (script, invalid, "RoleArn is not an ARN. "),
        (
            without("TemplateVersion"),
            invalid,
            "TemplateVersion is missing. ",
        ),
        (without("ExternalId"), invalid, "ExternalId is missing. "),
        (guess, unknown, "The vendor never issued"),
        (empty, invalid, "ExternalId is missing. "),
    ] {
        let request = request.signed(&world.bucket);
        let items = world.store.item_count();
        assert_refused(&world, &request, code).await;
        let reason = world.bucket.answer(&request.key).unwrap().reason.unwrap();
        assert!(reason.starts_with(told), "{reason}");
        assert!(!reason.contains("script"), "{reason}");
        // Where the connection is known, it remembers that, in its item and in the audit log.
        let is_known = !told.starts_with("ExternalId") && code == invalid;
        assert_eq!(world.store.item_count(), items + usize::from(is_known));
        let kept = world.reload(&connection).await.reason().map(Reason::message);
        assert!(
            !is_known || kept.is_some_and(|kept| kept.starts_with(told)),
            "{told}"
        );
    }
    let forged = create().with_property("RoleArn", "x");
    let before = (world.store.item_count(), world.reload(&connection).await);
    world.registered(&forged).await;
    assert_eq!(
        (world.store.item_count(), world.reload(&connection).await),
        before
    );
}

#[tokio::test]
async fn a_role_of_another_account_or_of_the_vendor_is_refused_at_once() {
    let (world, connection) = World::linked().await;
    let stack = CustomerStack::new(&account(ACCOUNT));
    let vendors_stack = CustomerStack::new(&account(VENDOR_ACCOUNT));
    let own = role(&account(ACCOUNT), "Reader");
    let foreign = role(&account(OTHER_ACCOUNT), "Reader");
    let vendors = role(&account(VENDOR_ACCOUNT), "Verifier");
    let chinese = RoleArn::parse(&own.as_str().replace("arn:aws:", "arn:aws-cn:")).unwrap();
    for role_arn in [&own, &foreign, &vendors, &chinese] {
        world.trust(role_arn, &connection);
    }
    for (stack, role_arn, code) in [
        (&stack, &foreign, ReasonCode::RoleInOtherAccount),
        (&stack, &chinese, ReasonCode::RoleInOtherAccount),
        (&stack, &vendors, ReasonCode::VendorAccount),
        (&vendors_stack, &own, ReasonCode::VendorAccount),
        (&vendors_stack, &vendors, ReasonCode::VendorAccount),
    ] {
        let request = stack.create(connection.external_id(), role_arn);
        let request = request.signed(&world.bucket);
        assert_refused(&world, &request, code).await;
        assert_eq!(world.reload(&connection).await.reason(), Some(&code.into()));
    }
}

#[tokio::test]
async fn an_external_id_that_was_never_issued_is_refused_and_leaves_no_trace() {
    let world = World::default();
    let stack = CustomerStack::new(&account(ACCOUNT));
    let guessed = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz".parse().unwrap();
    let items = world.store.item_count();
    let request = stack.create(&guessed, &role(&account(ACCOUNT), "Reader"));
    let request = request.signed(&world.bucket);
    assert_refused(&world, &request, ReasonCode::ExternalIdUnknown).await;
    assert_eq!(world.store.item_count(), items);
}

#[tokio::test]
async fn a_link_that_was_made_for_an_account_cannot_be_taken_by_another() {
    let world = World::default();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let create = world.create(&connection, &account(OTHER_ACCOUNT));
    assert_refused(&world, &create, ReasonCode::AccountMismatch).await;
    // It waits on, tells how this failed, and connects the right account.
    let waiting = world.reload(&connection).await;
    assert_eq!(waiting.state().status(), Status::Pending);
    assert_eq!(waiting.reason(), Some(&Reason::from(ReasonCode::AccountMismatch)));
    let create = world.create(&connection, &account(ACCOUNT));
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
            let first = world.create(&connection, &account(OTHER_ACCOUNT));
            world.registered(&first).await;
            world.queue.take_all();
        }
        world.expire(&connection);
        world.clock.advance(-seconds_before_the_end);
        let create = world.create(&connection, &account(ACCOUNT));
        match code {
            Some(code) => assert_refused(&world, &create, code).await,
            None => {
                assert_eq!(world.registered(&create).await, Received::Queued);
                world.queue.take_all();
            }
        }
    }
}

#[tokio::test]
async fn a_create_from_before_the_end_of_the_link_is_taken_however_late_it_is_delivered() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    world.expire(&connection);
    world.clock.advance(60);
    // Its answer URL is older than two hours, but that is another matter.
    let create = create.signed(&world.bucket).sent_at(connection.created_at());
    assert_eq!(world.registered(&create).await, Received::Queued);
}

#[tokio::test]
async fn a_second_stack_for_a_used_link_is_refused_and_does_not_touch_the_connection() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    for (account_id, code) in [
        (ACCOUNT, ReasonCode::AccountAlreadyConnected),
        (OTHER_ACCOUNT, ReasonCode::LinkAlreadyUsed),
    ] {
        let (stack, role_arn) = world.customer_of(&customer.connection, &account(account_id));
        let create = world.signed(stack.create(customer.connection.external_id(), &role_arn));
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
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    world.end(connection).await;
    let create = world.create(connection, &account(ACCOUNT));
    assert_refused(&world, &create, ReasonCode::DisconnectedByVendor).await;
}

#[tokio::test]
async fn an_update_that_names_another_connection_or_resource_is_refused() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let other = world.link("acme").await;
    let id = customer.create.physical_resource_id();
    let own = customer.connection.external_id();
    let update =
        |id: &str, external_id| world.signed(customer.stack.update(id, external_id, &customer.role_arn));
    let another_stack = CustomerStack::new(&account(ACCOUNT));
    for request in [
        update(&id, other.external_id()),
        update("latchkey-other", own),
        world.signed(another_stack.update(&id, own, &customer.role_arn)),
    ] {
        assert_refused(&world, &request, ReasonCode::ExternalIdChanged).await;
    }
    let stands = world.reload(&customer.connection).await;
    assert_eq!(
        stands.failed_change().unwrap().reason,
        ReasonCode::ExternalIdChanged.into()
    );
}

#[tokio::test]
async fn a_refused_request_gets_the_same_answer_again_although_its_connection_has_changed() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let create = world.create(connection, &account(OTHER_ACCOUNT));
    assert_refused(&world, &create, ReasonCode::LinkAlreadyUsed).await;
    world.end(connection).await;
    let again = world.registered(&create).await;
    assert_eq!(again, Received::AnsweredAgain(Delivery::Accepted));
    let bodies = world.bucket.bodies(&create.key);
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_link_that_was_used_too_late_is_written_down_as_expired() {
    let (world, connection) = World::linked().await;
    world.expire(&connection);
    let create = world.create(&connection, &account(ACCOUNT));
    assert_refused(&world, &create, ReasonCode::LinkExpired).await;
    assert_eq!(world.reload(&connection).await.state().status(), Status::Expired);
    assert_eq!(world.history(connection.id()), ["created", "link_expired"]);
}

#[tokio::test]
async fn a_create_that_was_refused_is_never_connected_later() {
    // CloudFormation read FAILED: whatever the message looks like when it comes again, the answer stands.
    let world = World::default();
    let connection = world.link_for("acme", Some(account(ACCOUNT))).await;
    let create = world
        .create(&connection, &account(ACCOUNT))
        .sent_at(connection.expires_at());
    assert_refused(&world, &create, ReasonCode::LinkExpired).await;
    let earlier = create.clone().sent_at(connection.created_at());
    let again = world.registered(&earlier).await;
    assert_eq!(again, Received::AnsweredAgain(Delivery::Accepted));
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
        let Received::Refused(_, Delivery::Refused) = world.registered(&forged).await else {
            panic!("it was not refused");
        };
        assert_eq!(world.bucket.answer(&forged.key), None);
    }
    assert_eq!(world.reload(&bound).await, bound);
    assert_eq!(world.store.item_count(), items);
}

#[tokio::test]
async fn a_forged_create_that_is_not_settled_yet_does_not_keep_the_true_one_out() {
    let (world, connection) = World::linked().await;
    let (true_stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let forged = CustomerStack::new(&account(ACCOUNT)).create(connection.external_id(), &role_arn);
    world.receive(&forged).await.unwrap();
    // The forged one is proven (the role is a good one), and the bucket cannot be reached for the moment.
    world.prove_without_answer(&forged).await;
    assert_eq!(world.reload(&connection).await.state().status(), Status::Active);
    assert_eq!(world.status(&connection).await, Status::Verifying);

    let create = world.signed(true_stack.create(connection.external_id(), &role_arn));
    let answer = world.complete(&create).await;
    assert!(answer.success, "{answer:?}");
    let connection = world.reload(&connection).await;
    let bound = connection.live_binding().unwrap();
    assert_eq!(bound.stack_id(), Some(&true_stack.stack_id));
    assert!(bound.unsettled.is_none());
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
        assert_eq!(world.registered(&create).await, Received::Queued);
        let waiting = world.queue.waiting();
        assert!(!waiting.is_empty(), "{operation:?} {when:?}");
        assert!(waiting.iter().all(|waiting| waiting.task == queued(&create)));
        world.drain().await;
        assert!(world.bucket.answer(&create.key).unwrap().success);
        let answers = world.bucket.bodies(&create.key).len();
        assert_eq!(answers, 1, "queued twice, it is answered once");
        assert_eq!(world.status(&connection).await, Status::Active);
    }
}

#[tokio::test]
async fn a_refusal_that_could_not_be_sent_is_sent_by_the_next_delivery() {
    for when in [When::Before, When::After] {
        let world = World::default();
        let connection = world.link("acme").await;
        let foreign = role(&account(OTHER_ACCOUNT), "x");
        let stack = CustomerStack::new(&account(ACCOUNT));
        let create = world.signed(stack.create(connection.external_id(), &foreign));
        world.faults.fail_next(Operation::AnswerSend, 1, when);
        assert!(world.receive(&create).await.is_err());
        world.receive(&create).await.unwrap();
        world.assert_failed(&create, ReasonCode::RoleInOtherAccount);
    }
}

#[tokio::test]
async fn a_create_that_loses_a_race_for_its_connection_reads_again_and_decides_again() {
    let world = std::sync::Arc::new(World::default());
    let (connection, create) = a_create(&world).await;
    let rival = world.create(&connection, &account(OTHER_ACCOUNT));
    world.meanwhile(async move |world| world.registered(&rival).await);
    assert_eq!(world.registered(&create).await, Received::Queued);
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
    let ended = connection.clone();
    world.meanwhile(async move |world| world.end(&ended).await);
    assert_eq!(refusal(&world, &create).await, ReasonCode::DisconnectedByVendor);
    assert_eq!(world.status(&connection).await, Status::Disconnected);
}

#[tokio::test]
async fn a_create_that_loses_every_race_goes_back_to_where_it_came_from() {
    let world = std::sync::Arc::new(World::default());
    let (connection, create) = a_create(&world).await;
    for _ in 0..MAX_COMMIT_TRIES {
        // Each time somebody else's request comes first.
        let rival = world.create(&connection, &account(OTHER_ACCOUNT));
        world.meanwhile(async move |world| world.registered(&rival).await);
    }
    assert!(world.receive(&create).await.is_err());
    assert_eq!(world.store.find_request(&create.key).await.unwrap(), None);
    // Delivered again in quieter times, it goes through.
    world.receive(&create).await.unwrap();
    let waiting = world.queue.waiting();
    assert!(waiting.iter().any(|waiting| waiting.task == queued(&create)));
}

#[tokio::test]
async fn a_create_that_was_overtaken_by_its_own_delete_is_refused() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    let stack = CustomerStack::of(&create.stack_id);
    let (external_id, role_arn) = (connection.external_id(), role(&account(ACCOUNT), "Reader"));
    world.clock.advance(5);
    let delete = world.signed(stack.delete("latchkey-unknown", external_id, &role_arn));
    assert!(world.complete(&delete).await.success);
    assert_eq!(refusal(&world, &create).await, ReasonCode::StackDeleted);
    assert_eq!(world.status(&connection).await, Status::Pending);
    // The stack makes the resource again, later: that is a new one.
    world.clock.advance(5);
    let again = world.signed(stack.create(external_id, &role_arn));
    assert!(world.complete(&again).await.success);
}

#[tokio::test]
async fn the_answer_to_a_request_says_which_connection_the_stack_has_now() {
    let world = World::default();
    let (connection, create) = a_create(&world).await;
    let answer = world.complete(&create).await;
    let data = json!({ "ConnectionId": connection.id(), "Status": "active" });
    assert_eq!(answer.data, Some(data));
    assert_eq!(answer.physical_resource_id, create.physical_resource_id());
    let record = world.store.find_request(&create.key).await.unwrap().unwrap();
    let connection_id = connection.id().clone();
    assert_eq!(record.outcome, Some(Outcome::Connected { connection_id }));
}

#[tokio::test]
async fn one_connection_gets_so_many_verifications_an_hour_and_the_next_hour_as_many_again() {
    let (world, connection) = World::linked().await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        let forged = stack.create(connection.external_id(), &role_arn);
        assert_eq!(world.registered(&forged).await, Received::Queued);
    }
    world.queue.take_all();
    // Whoever knows the external ID can use the budget up: a true Create is refused then, with what to do.
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert_refused(&world, &create, ReasonCode::TooManyRequests).await;
    let items = world.store.item_count();
    for _ in 0..50 {
        let forged = stack.create(connection.external_id(), &role_arn);
        world.registered(&forged).await;
    }
    assert_eq!(world.store.item_count(), items, "the flood leaves nothing behind");
    world.clock.advance(WINDOW_SECONDS);
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    assert!(world.complete(&create).await.success);
}

/// Whoever knows an external ID and not the resource that is bound cannot keep the customer from updating it.
#[tokio::test]
async fn an_update_of_what_is_bound_has_a_budget_of_its_own() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let external_id = customer.connection.external_id();
    let forge = || customer.stack.create(external_id, &customer.role_arn);
    for _ in 0..MAX_REQUESTS_PER_WINDOW {
        world.receive(&forge()).await.unwrap();
    }
    world.queue.take_all();
    let request = forge().signed(&world.bucket);
    assert_refused(&world, &request, ReasonCode::TooManyUpdates).await;

    let versions = std::cell::Cell::new(0);
    let update = || {
        versions.set(versions.get() + 1);
        let update = customer.update(&customer.role_arn);
        update.with_property("TemplateVersion", format!("1.1.{}", versions.get()))
    };
    assert!(world.complete(&update().signed(&world.bucket)).await.success);
    for _ in 1..MAX_REQUESTS_PER_WINDOW {
        world.receive(&update()).await.unwrap();
    }
    world.queue.take_all();
    let request = update().signed(&world.bucket);
    assert_refused(&world, &request, ReasonCode::TooManyUpdates).await;
}

#[tokio::test]
async fn a_genuine_request_of_another_type_is_answered() {
    let world = World::default();
    let role_arn = role(&account("222222222222"), "Reader");
    let external_id = "tz4a98xxat96iws9zmbrgj3atz4a98xx".parse().unwrap();
    let stack = CustomerStack::new(&account("222222222222"));
    for (request, success) in [
        (stack.create(&external_id, &role_arn), false),
        (stack.delete("latchkey-1", &external_id, &role_arn), true),
    ] {
        let request = world.signed(request.with("ResourceType", "Custom::Other"));
        let Err(NotRead::Answered(unread)) = Envelope::parse(&request.message(), &request.topic) else {
            panic!("{request:?}");
        };
        let answered = world.register.answers.answer_unread(&unread).await.unwrap();
        assert_eq!(answered, Answered::Now(Delivery::Accepted));
        assert_eq!(world.bucket.answer(&request.key).unwrap().success, success);
    }
    assert!(world.store.all_requests().is_empty());
}

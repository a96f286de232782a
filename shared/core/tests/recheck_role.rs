//! A live connection is looked at again: what was deleted, loosened or repaired is noticed, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use latchkey_core::{
    domain::{
        connection::{ATTEMPT_SECONDS, Connection, SETTLEMENT_SECONDS, State, Status},
        proof::{reason::ReasonCode, verdict::Cause},
    },
    ports::Clock,
    use_cases::recheck_role::Rechecked,
};
use latchkey_testing::{
    builders::{account, role, tenant},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::World,
};

const ACCOUNT: &str = "222222222222";
const CAUSES: [Cause; 5] = [
    Cause::Throttled,
    Cause::Unreachable,
    Cause::ServiceError,
    Cause::RegionDisabled,
    Cause::VendorNotPermitted,
];

#[tokio::test]
async fn a_role_that_is_as_it_should_be_is_proven_again_without_a_line_in_the_log() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let history = world.history(customer.connection.id());
    world.clock.advance(3_600);
    assert_eq!(
        world.check(&customer.connection).await,
        Rechecked::Stands(Status::Active)
    );
    let checked = world.reload(&customer.connection).await;
    assert_eq!(checked.last_verified_at(), Some(world.clock.now()));
    let binding = |connection: &Connection| {
        let mut binding = connection.live_binding().unwrap().clone();
        (binding.permissions, binding.trust) = (None, None);
        binding
    };
    assert_eq!(binding(&checked), binding(&customer.connection));
    assert_eq!(world.history(customer.connection.id()), history);
}

#[tokio::test]
async fn a_deleted_or_loosened_role_is_noticed_counted_and_its_repair_too() {
    for (name, code) in [
        ("deleted", ReasonCode::RoleGone),
        ("nobody", ReasonCode::RoleGone),
        ("open", ReasonCode::ExternalIdNotEnforced),
        ("if_exists", ReasonCode::ExternalIdNotEnforced),
        ("other_account", ReasonCode::RoleInOtherAccount),
    ] {
        let (world, customer) = World::connected(&account(ACCOUNT)).await;
        let (connection, role_arn) = (&customer.connection, &customer.role_arn);
        let right = Trust::only(connection.external_id());
        let sts = &world.sts;
        match name {
            "deleted" => sts.delete_role(role_arn),
            "nobody" => sts.put_role(role_arn, Trust::nobody()),
            "open" => sts.put_role(role_arn, Trust::open()),
            "if_exists" => sts.put_role(role_arn, right.clone().if_exists()),
            _ => sts.put_role_of(role_arn, right.clone(), account("333333333333")),
        }
        world.clock.advance(60);
        let found_at = world.clock.now();
        for checks in 1..=3 {
            assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Degraded));
            let State::Degraded {
                reason,
                since,
                failed_checks,
                last_verified_at,
                ..
            } = world.reload(connection).await.state().clone()
            else {
                panic!("{name}");
            };
            assert_eq!(reason.code, code, "{name}");
            assert_eq!((since, failed_checks), (found_at, checks));
            assert_eq!(Some(last_verified_at), connection.last_verified_at());
            world.clock.advance(60);
        }
        let told = |event: &str| {
            let history = world.history(connection.id());
            history.iter().filter(|told| *told == event).count()
        };
        assert_eq!(told("check_failed"), 1, "it is told once");

        world.sts.put_role(role_arn, right);
        assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Active));
        let repaired = world.reload(connection).await;
        assert_eq!(repaired.reason(), None);
        assert_eq!(repaired.last_verified_at(), Some(world.clock.now()));
        assert_eq!(told("check_passed"), 1);
    }
}

#[tokio::test]
async fn another_reason_for_the_same_trouble_is_told() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    world.sts.put_role(&customer.role_arn, Trust::open());
    world.check(&customer.connection).await;
    world.clock.advance(1);
    world.sts.delete_role(&customer.role_arn);
    world.check(&customer.connection).await;
    let log = world.store.audit_log(customer.connection.id());
    let reasons: Vec<_> = log.iter().filter_map(|entry| entry.reason).collect();
    assert_eq!(reasons, [ReasonCode::ExternalIdNotEnforced, ReasonCode::RoleGone]);
}

#[tokio::test]
async fn what_says_nothing_about_the_role_neither_breaks_nor_repairs_a_connection() {
    for broken in [false, true] {
        let (world, customer) = World::connected(&account(ACCOUNT)).await;
        if broken {
            world.sts.delete_role(&customer.role_arn);
            world.check(&customer.connection).await;
            let right = Trust::only(customer.connection.external_id());
            world.sts.put_role(&customer.role_arn, right);
        }
        let before = world.reload(&customer.connection).await;
        for cause in CAUSES {
            for failing_probe in 0..3 {
                let mut script = vec![None; failing_probe];
                script.push(Some(cause));
                world.sts.script(script);
                assert_eq!(
                    world.check(&customer.connection).await,
                    Rechecked::Inconclusive(cause)
                );
                assert_eq!(world.reload(&customer.connection).await, before);
            }
        }
    }
}

#[tokio::test]
async fn an_open_role_is_found_open_even_while_one_probe_fails() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    world.sts.put_role(&customer.role_arn, Trust::open());
    world.sts.script([None, Some(Cause::Throttled), None]);
    assert_eq!(
        world.check(&customer.connection).await,
        Rechecked::Stands(Status::Degraded)
    );
}

#[tokio::test]
async fn what_is_not_live_is_not_asked_for() {
    let world = World::default();
    let pending = world.link("acme").await;
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let connection = &customer.connection;
    world.end(connection).await;
    let calls = world.sts.calls().len();
    assert_eq!(world.check(&pending).await, Rechecked::NotLive);
    assert_eq!(world.check(connection).await, Rechecked::NotLive);
    let nobodys = world.recheck.run(&tenant("globex"), connection.id()).await;
    assert_eq!(nobodys.unwrap(), Rechecked::NotLive);
    assert_eq!(world.sts.calls().len(), calls);
}

#[tokio::test]
async fn a_check_that_meets_a_disconnect_does_not_bring_the_connection_back() {
    for broken in [false, true] {
        let world = Arc::new(World::default());
        let customer = world.connect("acme", &account(ACCOUNT)).await;
        if broken {
            world.sts.delete_role(&customer.role_arn);
        }
        let ended = customer.connection.clone();
        world.meanwhile(async move |world| world.end(&ended).await);
        assert_eq!(world.check(&customer.connection).await, Rechecked::NotLive);
        assert_eq!(world.status(&customer.connection).await, Status::Disconnected);
    }
}

#[tokio::test]
async fn a_check_that_meets_a_change_of_role_looks_at_the_new_role() {
    let world = Arc::new(World::default());
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let connection = &customer.connection;
    let new_role = role(&account(ACCOUNT), "New");
    world.trust(&new_role, connection);
    let update = world.signed(customer.update(&new_role));
    // The old role goes while it is checked, because the stack was updated.
    world.sts.delete_role(&customer.role_arn);
    world.meanwhile(async move |world| {
        world.registered(&update).await;
        world.verified(&update, 1).await
    });
    assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Active));
    let now = world.reload(connection).await;
    assert_eq!(now.live_binding().unwrap().role_arn, new_role);
}

#[tokio::test]
async fn a_check_that_crashed_is_simply_done_again() {
    for (operation, when) in [
        (Operation::Get, When::Before),
        (Operation::Commit, When::Before),
        (Operation::Commit, When::After),
    ] {
        let (world, customer) = World::connected(&account(ACCOUNT)).await;
        let connection = &customer.connection;
        world.sts.delete_role(&customer.role_arn);
        world.faults.fail_next(operation, 1, when);
        let crashed = world.recheck.run(connection.tenant(), connection.id()).await;
        assert!(crashed.is_err());
        assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Degraded));
    }
}

#[tokio::test]
async fn a_registration_that_was_never_settled_is_given_up_and_frees_its_account() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    world.receive(&create).await.unwrap();
    // Proven, and then S3 cannot be reached until the message is given up.
    world.prove_without_answer(&create).await;
    world.queue.take_all();
    assert_eq!(world.check(&connection).await, Rechecked::NotLive);
    world.clock.advance(SETTLEMENT_SECONDS - 1);
    assert_eq!(world.status(&connection).await, Status::Verifying);
    world.clock.advance(1);
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert_eq!(world.check(&connection).await, Rechecked::Stands(Status::Pending));
    assert_eq!(world.reload(&connection).await.state().status(), Status::Pending);
    world.connect("acme", &account(ACCOUNT)).await;
}

#[tokio::test]
async fn another_stack_can_take_a_link_whose_first_registration_was_never_settled() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    world.receive(&create).await.unwrap();
    world.prove_without_answer(&create).await;
    world.queue.take_all();
    world.clock.advance(SETTLEMENT_SECONDS);
    let again = world.create(&connection, &account(ACCOUNT));
    assert!(world.complete(&again).await.success);
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn a_request_that_nobody_works_on_any_more_does_not_keep_its_link_verifying() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    world.registered(&create).await;
    world.queue.take_all();
    world.clock.advance(ATTEMPT_SECONDS - 1);
    assert_eq!(world.status(&connection).await, Status::Verifying);
    world.clock.advance(1);
    assert_eq!(world.status(&connection).await, Status::Pending);
    world.expire(&connection);
    assert_eq!(world.status(&connection).await, Status::Expired);
}

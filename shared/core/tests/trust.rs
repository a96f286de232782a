//! Whom a role lets in besides us is read after it was proven: a first registration is refused for it, a live
//! connection is shown for a while, and what cannot be read decides nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use latchkey_core::{
    domain::{
        connection::{Connection, Status},
        proof::{
            permissions::DeniedBy,
            reason::ReasonCode,
            trust_report::{GRACE_SECONDS, LetsIn, NotRead, OnOpenTrust, TrustReading, TrustReport},
            verdict::Cause,
        },
    },
    ports::{Clock as _, VerificationTask},
    use_cases::{probe_role::ProbeRole, recheck_role::Rechecked, verify_role::Verified},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account, role},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::{PATIENCE_SECONDS, World},
};
use serde_json::{Value, json};

const ACCOUNT: &str = "222222222222";
const ACTIVE: Rechecked = Rechecked::Stands(Status::Active);

fn root(account: &str) -> Value {
    json!({ "AWS": format!("arn:aws:iam::{account}:root") })
}

fn lets_in(principal: &Value, condition: &Value) -> Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition })
}

fn external_id(external_id: impl ToString) -> Value {
    json!({ "StringEquals": { "sts:ExternalId": external_id.to_string() } })
}

/// Anybody with the external ID, which stands in the link.
fn anybody(connection: &Connection) -> Value {
    let mut statement = lets_in(&json!({ "AWS": "*" }), &external_id(connection.external_id()));
    statement["Sid"] = json!("Everybody");
    statement
}

/// A role of the vendor's account outside its role path, and so one that no probe is.
fn vendors_other() -> Value {
    lets_in(
        &json!({ "AWS": format!("arn:aws:iam::{VENDOR_ACCOUNT}:role/Deploy") }),
        &json!({}),
    )
}

fn report(connection: &Connection) -> TrustReport {
    connection.live_binding().unwrap().trust.clone().unwrap()
}

fn findings(connection: &Connection) -> Vec<LetsIn> {
    let findings = report(connection).findings;
    findings.into_iter().map(|finding| finding.lets_in).collect()
}

#[tokio::test]
async fn a_new_role_that_lets_in_others_is_refused_at_once() {
    for (statement, told) in [
        (
            anybody as fn(&Connection) -> Value,
            "Its statement Everybody lets in any account",
        ),
        (
            |_| vendors_other(),
            "Its statement 1 lets in the vendor's account without this external ID",
        ),
    ] {
        let (world, connection) = World::linked().await;
        let create = world.create(&connection, &account(ACCOUNT));
        let trust = Trust::only(connection.external_id()).beside(statement(&connection));
        world.sts.put_role(&role(&account(ACCOUNT), "Reader"), trust);
        let started = world.clock.now();
        let answer = world.complete(&create).await;
        assert!(answer.failed_with(ReasonCode::TrustTooOpen), "{answer:?}");
        let stored = world.reload(&connection).await;
        let detail = stored.reason().unwrap().detail.clone();
        assert_eq!(detail.as_deref(), Some(told));
        assert_eq!(world.clock.now(), started, "nothing is waited for");
    }
}

#[tokio::test]
async fn a_deployment_that_shows_connects_and_tells() {
    let mut world = World::default();
    let mut probes = ProbeRole::clone(&world.verify.probes);
    probes.trust.on_open = OnOpenTrust::Show;
    world.verify.probes = Arc::new(probes);
    let connection = world.link("acme").await;
    let create = world.create(&connection, &account(ACCOUNT));
    let trust = Trust::only(connection.external_id()).beside(anybody(&connection));
    world.sts.put_role(&role(&account(ACCOUNT), "Reader"), trust);
    assert!(world.complete(&create).await.success);
    let stored = world.reload(&connection).await;
    assert_eq!(findings(&stored), [LetsIn::Anybody]);
}

#[tokio::test]
async fn a_role_loosened_later_is_shown_for_thirty_days_and_then_degraded() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let right = Trust::only(connection.external_id());
    let open = right.clone().beside(anybody(connection));
    world.sts.put_role(&customer.role_arn, open);
    let found_at = world.clock.now();
    assert_eq!(world.check(connection).await, ACTIVE);
    for _ in 0..2 {
        let shown = report(&world.reload(connection).await);
        assert_eq!(shown.open_since, Some(found_at));
        assert_eq!(shown.read_at, Some(world.clock.now()));
        world.clock.advance(GRACE_SECONDS / 2 - 1);
        assert_eq!(world.check(connection).await, ACTIVE);
    }
    world.clock.advance(2);
    assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Degraded));
    let degraded = world.reload(connection).await;
    assert_eq!(degraded.reason().unwrap().code, ReasonCode::TrustTooOpen);
    // Not by an update either, until the policy is repaired.
    let update = world.signed(customer.update(&customer.role_arn));
    assert!(
        world
            .complete(&update)
            .await
            .failed_with(ReasonCode::TrustTooOpen)
    );
    world.sts.put_role(&customer.role_arn, right);
    assert_eq!(world.check(connection).await, ACTIVE);
    let repaired = report(&world.reload(connection).await);
    assert_eq!((repaired.findings, repaired.open_since), (vec![], None));
}

#[tokio::test]
async fn another_role_of_the_connection_does_not_begin_the_time_anew() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let open = Trust::only(connection.external_id()).beside(vendors_other());
    world.sts.put_role(&customer.role_arn, open.clone());
    world.check(connection).await;
    let found_at = world.clock.now();
    world.clock.advance(3_600);
    let other = role(&account(ACCOUNT), "Other");
    world.sts.put_role(&other, open);
    assert!(
        world
            .complete(&world.signed(customer.update(&other)))
            .await
            .success
    );
    let stored = world.reload(connection).await;
    assert_eq!(findings(&stored), [LetsIn::VendorWithoutExternalId]);
    assert_eq!(report(&stored).open_since, Some(found_at));
}

#[tokio::test]
async fn what_cannot_be_read_is_shown_as_not_read_and_the_probes_decide() {
    for (reading, why) in [
        (
            TrustReading::Denied(DeniedBy::Organization),
            NotRead::Organization,
        ),
        (TrustReading::Unclear(Cause::ServiceError), NotRead::NoAnswer),
        (TrustReading::Read("{}".to_owned()), NotRead::NotUnderstood),
    ] {
        let (world, connection) = World::linked().await;
        world.sts.read_trust_as(Some(reading));
        let create = world.create(&connection, &account(ACCOUNT));
        assert!(world.complete(&create).await.success, "{why:?}");
        let shown = report(&world.reload(&connection).await);
        assert_eq!((shown.not_read, shown.read_at), (Some(why), None));
        // A later look fills it in.
        world.sts.read_trust_as(None);
        world.check(&connection).await;
        let shown = report(&world.reload(&connection).await);
        assert_eq!((shown.not_read, shown.read_at), (None, Some(world.clock.now())));
    }
}

#[tokio::test]
async fn what_was_found_stays_found_while_nobody_can_read_it() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let open = Trust::only(connection.external_id()).beside(anybody(connection));
    world.sts.put_role(&customer.role_arn, open);
    world.check(connection).await;
    let denied = TrustReading::Denied(DeniedBy::Organization);
    for reading in [denied, TrustReading::Unclear(Cause::Unreachable)] {
        world.sts.read_trust_as(Some(reading));
        assert_eq!(world.check(connection).await, ACTIVE);
        let stored = world.reload(connection).await;
        assert_eq!(findings(&stored), [LetsIn::Anybody]);
        // An update of the same role leaves it, too.
        let update = world.signed(customer.update(&customer.role_arn));
        assert!(world.complete(&update).await.success);
        assert_eq!(findings(&world.reload(connection).await), [LetsIn::Anybody]);
    }
    world.clock.advance(GRACE_SECONDS);
    assert_eq!(world.check(connection).await, Rechecked::Stands(Status::Degraded));
}

#[tokio::test]
async fn an_iam_that_knows_the_role_later_is_waited_for_as_long_as_the_stack_waits() {
    let (world, connection) = World::linked().await;
    world
        .sts
        .read_trust_as(Some(TrustReading::Unclear(Cause::ServiceError)));
    let create = world.create(&connection, &account(ACCOUNT));
    world.receive(&create).await.unwrap();
    let started = world.clock.now();
    assert!(matches!(
        world.verified(&create, 1).await,
        Verified::TryAgainIn(_)
    ));
    world.verify_until_answered(&create.key).await;
    let waited = world.clock.now().duration_since(started).as_secs();
    assert_eq!(waited, PATIENCE_SECONDS);
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn an_external_id_of_another_connection_is_told_and_one_of_nobody_is_not() {
    let world = World::default();
    let other = world.link("globex").await;
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let connection = &customer.connection;
    let mine = Trust::only(connection.external_id());
    let nobodys = "nobody8xxat96iws9zmbrgj3atz4a98x";
    for (listed, found) in [
        (other.external_id().to_string(), vec![LetsIn::AnotherConnection]),
        (nobodys.to_owned(), vec![]),
    ] {
        let also = lets_in(&root(VENDOR_ACCOUNT), &external_id(&listed));
        world.sts.put_role(&customer.role_arn, mine.clone().beside(also));
        assert_eq!(world.check(connection).await, ACTIVE);
        let stored = world.reload(connection).await;
        assert_eq!(findings(&stored), found, "{listed}");
        // A customer who moves from one connection to another lists both: that is no fault.
        assert_eq!(report(&stored).open_since, None);
    }
}

#[tokio::test]
async fn who_is_the_customers_to_choose_is_shown_and_never_refused() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    let own_organization = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-customers0" } });
    let trust = Trust::only(connection.external_id())
        .beside(lets_in(&root(ACCOUNT), &json!({})))
        .beside(lets_in(&root("333333333333"), &external_id("theirs")))
        .beside(lets_in(&json!({ "Service": "ec2.amazonaws.com" }), &json!({})))
        .beside(lets_in(&json!({ "AWS": "*" }), &own_organization));
    world.sts.put_role(&role(&account(ACCOUNT), "Reader"), trust);
    assert!(world.complete(&create).await.success);
    let shown = report(&world.reload(&connection).await);
    // That the vendor is not in that organization the probes have shown.
    assert_eq!((shown.findings, shown.open_since), (vec![], None));
    let guests = serde_json::to_value(&shown.guests).unwrap();
    assert_eq!(
        guests,
        json!([
            { "statement": "statement 1", "who": "own_account" },
            { "statement": "statement 2", "who": "account", "name": "333333333333" },
            { "statement": "statement 3", "who": "service", "name": "ec2.amazonaws.com" },
            { "statement": "statement 4", "who": "as_conditions_say" },
        ])
    );
}

/// Whether the vendor's account is in it, no probe has shown: those roles are none of the verifier's.
#[tokio::test]
async fn an_organization_that_may_be_the_vendors_is_shown_and_not_refused() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    let admins = json!({
        "StringEquals": { "aws:PrincipalOrgID": "o-customers0" },
        "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/Admin*" },
    });
    let trust = Trust::only(connection.external_id()).beside(lets_in(&json!({ "AWS": "*" }), &admins));
    world.sts.put_role(&role(&account(ACCOUNT), "Reader"), trust);
    assert!(world.complete(&create).await.success);
    let stored = world.reload(&connection).await;
    assert_eq!(findings(&stored), [LetsIn::OrganizationIfVendorIsInIt]);
    assert_eq!(report(&stored).open_since, None);
}

#[tokio::test]
async fn a_sweep_writes_down_what_it_finds_and_nothing_else() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let (connection, tenant) = (&customer.connection, customer.connection.tenant());
    let look = || world.recheck.run_in_sweep(tenant, connection.id());
    assert_eq!(look().await.unwrap(), Rechecked::AsItWas);
    let open = Trust::only(connection.external_id()).beside(anybody(connection));
    world.sts.put_role(&customer.role_arn, open);
    world.clock.advance(60);
    assert_eq!(look().await.unwrap(), ACTIVE);
    assert_eq!(findings(&world.reload(connection).await), [LetsIn::Anybody]);
    world.clock.advance(60);
    assert_eq!(look().await.unwrap(), Rechecked::AsItWas);
}

#[tokio::test]
async fn what_was_connected_is_looked_at_once_more_minutes_later() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    let connection = &customer.connection;
    let recheck = VerificationTask::Recheck {
        tenant: connection.tenant().clone(),
        connection_id: connection.id().clone(),
        attempt: 0,
    };
    let is_queued = |after: &str| {
        let queued = world.looks.take_all();
        assert_eq!(queued.len(), 1, "{after}");
        assert_eq!(queued[0].task, recheck);
        assert!((300..=900).contains(&queued[0].delay_seconds), "{queued:?}");
    };
    is_queued("a first proof");
    let update = world.signed(customer.update(&role(&account(ACCOUNT), "Other")));
    world.trust(&role(&account(ACCOUNT), "Other"), connection);
    assert!(world.complete(&update).await.success);
    is_queued("an update");
    // A role that looked right only while it was not everywhere yet.
    world
        .sts
        .put_role(&role(&account(ACCOUNT), "Other"), Trust::open());
    let looked = world
        .chunks
        .run_single(connection.tenant(), connection.id(), 0)
        .await;
    assert_eq!(looked.unwrap(), Rechecked::Stands(Status::Degraded));
    let degraded = world.reload(connection).await;
    assert_eq!(degraded.reason().unwrap().code, ReasonCode::ExternalIdNotEnforced);
    // A refusal is nothing to look at again.
    let refused = world.signed(customer.update(&role(&account(ACCOUNT), "Nobody")));
    assert!(!world.complete(&refused).await.success);
    assert_eq!(world.looks.take_all(), []);
}

#[tokio::test]
async fn a_look_that_cannot_be_queued_does_not_hold_up_the_answer() {
    let (world, connection) = World::linked().await;
    let create = world.create(&connection, &account(ACCOUNT));
    world.receive(&create).await.unwrap();
    world.faults.fail_next(Operation::QueueSend, 1, When::Before);
    world.verify_until_answered(&create.key).await;
    assert_eq!(world.status(&connection).await, Status::Active);
    assert_eq!(world.looks.waiting(), []);
}

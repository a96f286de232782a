//! What a role may do is held against its tier: too little fails or degrades, too much is shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;

use latchkey_core::{
    domain::{
        aws::Region,
        connection::{Connection, Status},
        proof::{
            permissions::{Decision, DeniedBy, Inspection},
            reason::ReasonCode,
            tiers::TierName,
            verdict::Cause,
        },
    },
    ports::{Clock as _, Delivery},
    use_cases::{answer_stack::Answered, start_connection::NewConnection, verify_role::Verified},
};
use latchkey_testing::{
    builders::{REGION, account, tenant, wish},
    customer_stack::StackRequest,
    scripted_sts::tier,
    world::{PATIENCE_SECONDS, World},
};

const ACCOUNT: &str = "222222222222";

const UNREACHABLE: Inspection = Inspection::Inconclusive(Cause::Unreachable);

/// IAM's answer where exactly `allowed` is allowed and the rest is denied by `by`.
fn allowed(allowed: &[&str], by: DeniedBy) -> Inspection {
    let tier = tier();
    let questions = tier.questions(Region::parse(REGION).unwrap());
    let actions = questions.actions.into_values().flatten();
    let decide = |action: String| {
        let decision = if allowed.contains(&action.as_str()) {
            Decision::Allowed
        } else {
            Decision::Denied(by)
        };
        (action, decision)
    };
    Inspection::Decided(actions.map(decide).collect::<BTreeMap<_, _>>())
}

async fn recheck(world: &World, connection: &Connection) -> Connection {
    world.check(connection).await;
    world.reload(connection).await
}

#[tokio::test]
async fn a_role_that_lacks_what_its_tier_needs_is_waited_for_and_then_refused_by_name() {
    let code = ReasonCode::PermissionsMissing;
    for inspection in [
        allowed(&["iam:SimulatePrincipalPolicy"], DeniedBy::Role),
        Inspection::NotPermitted(DeniedBy::Role),
        Inspection::NotPermitted(DeniedBy::PermissionsBoundary),
    ] {
        let world = World::default();
        world.sts.inspect_as(Some(inspection));
        let connection = world.link("acme").await;
        let create = world.create(&connection, &account(ACCOUNT));
        world.receive(&create).await.unwrap();
        let start = world.clock.now();
        let answered = world.verify_until_answered(&create.key).await;
        assert_eq!(answered, Answered::Now(Delivery::Accepted));
        // A policy that is new takes its time too.
        let waited = world.clock.now().duration_since(start).as_secs();
        assert_eq!(waited, PATIENCE_SECONDS);
        world.assert_failed(&create, code);
        assert_eq!(world.status(&connection).await, Status::Pending);
    }
}

/// IAM's simulation does not know what an organization or a boundary asks about a call.
#[tokio::test]
async fn what_is_not_the_roles_own_lack_connects_and_never_degrades() {
    let lacking = |by| allowed(&["iam:SimulatePrincipalPolicy"], by);
    for (inspection, by) in [
        (
            lacking(DeniedBy::PermissionsBoundary),
            DeniedBy::PermissionsBoundary,
        ),
        (lacking(DeniedBy::Organization), DeniedBy::Organization),
        (lacking(DeniedBy::Condition), DeniedBy::Condition),
        (
            Inspection::NotPermitted(DeniedBy::Organization),
            DeniedBy::Organization,
        ),
    ] {
        let (world, customer) = World::connected(&account(ACCOUNT)).await;
        world.sts.inspect_as(Some(inspection.clone()));
        let checked = recheck(&world, &customer.connection).await;
        assert_eq!(checked.state().status(), Status::Active, "{inspection:?}");
        let report = checked.live_binding().unwrap().permissions.clone().unwrap();
        assert_eq!(report.missing, []);
        assert_eq!(report.estimates[0].denied_by, by);
        let other = world.connect("globex", &account("333333333333")).await;
        assert_eq!(world.status(&other.connection).await, Status::Active);
    }
}

#[tokio::test]
async fn permissions_that_arrive_in_time_connect() {
    let world = World::default();
    world
        .sts
        .inspect_as(Some(Inspection::NotPermitted(DeniedBy::Role)));
    let connection = world.link("acme").await;
    let create = world.create(&connection, &account(ACCOUNT));
    world.receive(&create).await.unwrap();
    let first = world.verified(&create, 1).await;
    assert!(matches!(first, Verified::TryAgainIn(_)));
    world.sts.inspect_as(None);
    world.verify_until_answered(&create.key).await;
    assert_eq!(world.status(&connection).await, Status::Active);
}

#[tokio::test]
async fn an_iam_that_says_nothing_neither_keeps_a_role_out_nor_breaks_a_connection() {
    let world = World::default();
    world.sts.inspect_as(Some(UNREACHABLE));
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    assert_eq!(customer.connection.live_binding().unwrap().permissions, None);
    world.sts.inspect_as(None);
    let known = recheck(&world, &customer.connection).await;
    let report = known.live_binding().unwrap().permissions.clone();
    assert!(report.is_some());
    world.sts.inspect_as(Some(UNREACHABLE));
    let still = recheck(&world, &customer.connection).await;
    assert_eq!(still.state().status(), Status::Active);
    let known = &still.live_binding().unwrap().permissions;
    assert_eq!(*known, report, "what was known stays known");
}

#[tokio::test]
async fn a_live_connection_whose_role_is_cut_back_is_degraded_until_it_is_restored() {
    let (world, customer) = World::connected(&account(ACCOUNT)).await;
    world
        .sts
        .inspect_as(Some(allowed(&["iam:SimulatePrincipalPolicy"], DeniedBy::Role)));
    let degraded = recheck(&world, &customer.connection).await;
    assert_eq!(degraded.state().status(), Status::Degraded);
    let reason = degraded.reason().unwrap();
    assert_eq!(reason.code, ReasonCode::PermissionsMissing);
    assert_eq!(reason.detail.as_deref(), Some("Missing: ec2:DescribeRegions"));
    let report = degraded.live_binding().unwrap().permissions.clone().unwrap();
    assert_eq!(report.missing[0].reason, "to know the regions");
    world.sts.inspect_as(None);
    let restored = recheck(&world, &customer.connection).await;
    assert_eq!(restored.state().status(), Status::Active);
}

#[tokio::test]
async fn a_role_that_can_do_too_much_connects_and_is_told_of() {
    let world = World::default();
    let everything = [
        "iam:SimulatePrincipalPolicy",
        "ec2:DescribeRegions",
        "iam:CreateUser",
    ];
    world.sts.inspect_as(Some(allowed(&everything, DeniedBy::Role)));
    let customer = world.connect("acme", &account(ACCOUNT)).await;
    let bound = customer.connection.live_binding().unwrap();
    let report = bound.permissions.clone().unwrap();
    assert_eq!(report.excessive, ["iam:CreateUser"]);
    assert!(report.missing.is_empty());
}

/// The Create of a stack that claims to grant `claimed`, for a link of which the vendor wished `wished`.
async fn create_of_tier(
    world: &World,
    wished: Option<&str>,
    claimed: Option<&str>,
) -> (Connection, StackRequest) {
    let new = NewConnection {
        permission_tier: wished.map(|name| TierName::parse(name).unwrap()),
        ..wish()
    };
    let (connection, _) = world.start.run(tenant("acme"), new).await.unwrap();
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let mut create = stack.create(connection.external_id(), &role_arn);
    if let Some(claimed) = claimed {
        create = create.with_property("PermissionTier", claimed);
    }
    (connection, world.signed(create))
}

#[tokio::test]
async fn a_role_is_held_against_the_vendors_tier_before_the_customers_and_against_the_default_without_either()
{
    // The roles of this world meet the tier `test`, which is the default, and not `larger`.
    for (wished, claimed, held_against, connects) in [
        (None, None, None, true),
        (None, Some("test"), Some("test"), true),
        (None, Some("larger"), Some("larger"), false),
        (Some("larger"), Some("test"), Some("larger"), false),
        (Some("larger"), None, Some("larger"), false),
        (Some("test"), Some("larger"), Some("test"), true),
    ] {
        let world = World::default();
        let (connection, create) = create_of_tier(&world, wished, claimed).await;
        let answer = world.complete(&create).await;
        let stored = world.reload(&connection).await;
        assert_eq!(answer.success, connects, "{wished:?} {claimed:?}: {answer:?}");
        if connects {
            let tier = stored.live_binding().unwrap().permission_tier.clone();
            assert_eq!(tier.as_ref().map(TierName::as_str), held_against);
        } else {
            let code = match claimed {
                Some("test") => ReasonCode::TierMismatch,
                _ => ReasonCode::PermissionsMissing,
            };
            assert!(answer.failed_with(code), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_tier_that_is_not_offered_or_is_no_name_fails_its_stack_at_once() {
    for claimed in ["huge", "Test", "a b", ""] {
        let world = World::default();
        let (connection, create) = create_of_tier(&world, None, Some(claimed)).await;
        let started = world.clock.now();
        let answer = world.complete(&create).await;
        assert!(answer.failed_with(ReasonCode::InvalidRequest), "{answer:?}");
        assert_eq!(world.clock.now(), started, "nothing is waited for");
        assert_eq!(world.sts.calls().len(), 0);
        assert_eq!(world.status(&connection).await, Status::Pending);
    }
}

#[tokio::test]
async fn a_later_check_holds_a_role_against_the_tier_that_it_was_connected_with() {
    let world = World::default();
    let (connection, create) = create_of_tier(&world, Some("larger"), None).await;
    let everything = [
        "iam:SimulatePrincipalPolicy",
        "ec2:DescribeRegions",
        "ec2:DescribeInstances",
    ];
    let decisions = everything.map(|action| (action.to_owned(), Decision::Allowed));
    world.sts.inspect_as(Some(Inspection::Decided(decisions.into())));
    assert!(world.complete(&create).await.success);
    world.sts.inspect_as(None);
    let checked = recheck(&world, &connection).await;
    assert_eq!(checked.reason().unwrap().code, ReasonCode::PermissionsMissing);
}

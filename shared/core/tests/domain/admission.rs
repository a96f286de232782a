//! Who is let in: every kind of request, in every state.

use jiff::{SignedDuration, Timestamp};
use latchkey_core::domain::request::admission::*;
use latchkey_core::domain::{
    aws::{RoleArn, StackId},
    connection::{
        Attempt, Binding, Connection, Launch, Rotation, State, Unsettled, rotation::ROTATION_SECONDS,
    },
    external_id::ExternalId,
    proof::reason::ReasonCode,
    request::{
        custom_resource::{Properties, RequestKey, RequestType},
        stack_says::StackSays,
    },
};
use latchkey_testing::{
    builders::{account, altered, launch, role, tenant},
    sequential_ids::SequentialIds,
};
use serde_json::json;

const SAME_STACK: &str =
    "arn:aws:cloudformation:eu-west-1:222222222222:stack/One/0d1f2a30-96c5-11ef-8a3b-000000000001";
const SAME_ACCOUNT: &str =
    "arn:aws:cloudformation:eu-west-1:222222222222:stack/Two/0d1f2a30-96c5-11ef-8a3b-000000000002";
const OTHER_ACCOUNT: &str =
    "arn:aws:cloudformation:eu-west-1:333333333333:stack/One/0d1f2a30-96c5-11ef-8a3b-000000000003";
const PHYSICAL_ID: &str = "latchkey-1";
const EXPIRY: i64 = 1_000;

fn at(seconds: i64) -> Timestamp {
    let base: Timestamp = "2026-08-03T12:00:00Z".parse().unwrap();
    base.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn stack(text: &str) -> StackId {
    StackId::parse(text).unwrap()
}

fn bound(unsettled: Option<Option<State>>) -> Binding {
    Binding {
        role_arn: role(&account("222222222222"), "Reader"),
        external_id: ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
        request: RequestKey {
            stack_id: Some(stack(SAME_STACK)),
            request_id: "r1".to_owned(),
        },
        logical_resource_id: "Connection".to_owned(),
        physical_resource_id: PHYSICAL_ID.to_owned(),
        template_version: "1.0.0".to_owned(),
        permission_tier: None,
        permissions: None,
        trust: None,
        deletion_seen_at: None,
        unsettled: unsettled.map(|replaces| Unsettled {
            replaces: replaces.map(Box::new),
        }),
        says: StackSays::default(),
        former: None,
        takes_former: false,
        answered_at: None,
    }
}

fn active(unsettled: Option<Option<State>>) -> State {
    State::Active {
        binding: bound(unsettled),
        last_verified_at: at(10),
    }
}

fn degraded() -> State {
    State::Degraded {
        binding: bound(None),
        last_verified_at: at(10),
        reason: ReasonCode::RoleGone.into(),
        since: at(20),
        failed_checks: 1,
    }
}

fn connection(state: State, expected_account: Option<&str>) -> Connection {
    let pending = Connection::new(Launch {
        external_id: ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
        expected_account: expected_account.map(account),
        expires_at: at(EXPIRY),
        ..launch(&tenant("acme"), &SequentialIds::default(), at(0))
    });
    altered(&pending, json!({ "state": state }))
}

/// Every state that makes a difference, with the moment at which the request is sent.
fn states() -> Vec<(State, i64)> {
    let pending = || State::Pending { last_failure: None };
    let verifying = || State::Verifying {
        attempt: Attempt {
            request: bound(None).request,
            role_arn: bound(None).role_arn,
            started_at: at(5),
        },
    };
    let ended = |code: ReasonCode| State::Disconnected {
        binding: Some(bound(None)),
        reason: code.into(),
        at: at(30),
    };
    vec![
        (pending(), 100),
        (pending(), EXPIRY - 1),
        (pending(), EXPIRY),
        (verifying(), 100),
        (verifying(), EXPIRY),
        (active(None), 100),
        (active(None), EXPIRY),
        (active(Some(None)), 100),
        (active(Some(Some(active(None)))), 100),
        (degraded(), 100),
        (ended(ReasonCode::StackDeleted), 100),
        (ended(ReasonCode::DisconnectedByVendor), 100),
        (State::Expired { last_failure: None }, 100),
        (State::Expired { last_failure: None }, EXPIRY),
    ]
}

const CLAIMS: [(RequestType, &str, Option<&str>); 10] = [
    (RequestType::Create, SAME_STACK, None),
    (RequestType::Create, SAME_ACCOUNT, None),
    (RequestType::Create, OTHER_ACCOUNT, None),
    (RequestType::Update, SAME_STACK, Some(PHYSICAL_ID)),
    (RequestType::Update, SAME_STACK, Some("latchkey-2")),
    (RequestType::Update, SAME_STACK, None),
    (RequestType::Update, SAME_ACCOUNT, Some(PHYSICAL_ID)),
    (RequestType::Update, OTHER_ACCOUNT, Some(PHYSICAL_ID)),
    (RequestType::Delete, SAME_STACK, Some(PHYSICAL_ID)),
    (RequestType::Delete, OTHER_ACCOUNT, Some(PHYSICAL_ID)),
];

/// The answer to each of [`CLAIMS`], in its order, for each of [`states`], in its.
const TABLE: [&str; 14] = [
    "first   first   first   moved moved moved moved moved moved moved",
    "first   first   first   moved moved moved moved moved moved moved",
    "expired expired expired moved moved moved moved moved moved moved",
    "first   first   first   moved moved moved moved moved moved moved",
    "expired expired expired moved moved moved moved moved moved moved",
    "change  account used    update moved moved moved moved moved moved",
    "change  account used    update moved moved moved moved moved moved",
    "change  change  change  update moved moved moved moved moved moved",
    "change  account used    update moved moved moved moved moved moved",
    "change  account used    update moved moved moved moved moved moved",
    "deleted deleted deleted deleted deleted deleted deleted deleted deleted deleted",
    "vendor  vendor  vendor  vendor  vendor  vendor  vendor  vendor  vendor  vendor",
    "expired expired expired moved moved moved moved moved moved moved",
    "expired expired expired moved moved moved moved moved moved moved",
];

fn expected(word: &str) -> Result<Admission, ReasonCode> {
    match word {
        "first" => Ok(Admission::FirstRegistration),
        "change" => Ok(Admission::Change),
        "update" => Ok(Admission::ChangeOfBoundResource),
        "moved" => Err(ReasonCode::ExternalIdChanged),
        "expired" => Err(ReasonCode::LinkExpired),
        "account" => Err(ReasonCode::AccountAlreadyConnected),
        "used" => Err(ReasonCode::LinkAlreadyUsed),
        "deleted" => Err(ReasonCode::StackDeleted),
        "vendor" => Err(ReasonCode::DisconnectedByVendor),
        word => panic!("{word}"),
    }
}

#[test]
fn every_request_in_every_state_is_let_in_or_refused_as_the_table_says() {
    for ((state, sent_at), words) in states().into_iter().zip(TABLE) {
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words.len(), CLAIMS.len());
        for ((request_type, stack_id, physical_resource_id), word) in CLAIMS.into_iter().zip(words) {
            let stack_id = stack(stack_id);
            let current = connection(state.clone(), None).external_id().clone();
            let claim = StackClaims {
                request_type,
                stack_id: &stack_id,
                logical_resource_id: "Connection",
                external_id: &current,
                physical_resource_id,
            };
            let what = format!("{claim:?} at {sent_at} while {state:?}");
            let open = connection(state.clone(), None);
            assert_eq!(admit(&open, claim, at(sent_at)), expected(word), "{what}");

            // The right account changes nothing; any other is refused before anything else is told.
            for expected_account in ["222222222222", "333333333333", "444444444444"] {
                let made_for = connection(state.clone(), Some(expected_account));
                let answer = if stack_id.account().as_str() == expected_account {
                    expected(word)
                } else {
                    Err(ReasonCode::AccountMismatch)
                };
                let admitted = admit(&made_for, claim, at(sent_at));
                assert_eq!(admitted, answer, "{what}, made for {expected_account}");
            }
        }
    }
}

#[test]
fn a_rotation_lets_its_next_external_id_in_for_what_is_bound_and_for_nothing_else_until_it_is_over() {
    let current = ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap();
    let next = ExternalId::parse("qn7c21yyat96iws9zmbrgj3atz4a98xx").unwrap();
    let retired = ExternalId::parse("pz7c21yyat96iws9zmbrgj3atz4a98xx").unwrap();
    let update = (RequestType::Update, SAME_STACK, Some(PHYSICAL_ID));
    let unbound = (RequestType::Update, SAME_STACK, Some("latchkey-2"));
    let create = |stack_id| (RequestType::Create, stack_id, None);
    let account_taken = ReasonCode::AccountAlreadyConnected;
    let over = 100 + ROTATION_SECONDS;
    for state in [active(None), degraded()] {
        let rotation = Rotation::new(next.clone(), at(100));
        let rotating = altered(&connection(state, None), json!({ "rotation": rotation }));
        for ((request_type, stack_id, physical_resource_id), external_id, sent_at, answer) in [
            (update, &current, 200, Ok(Admission::ChangeOfBoundResource)),
            (update, &next, 200, Ok(Admission::ChangeOfBoundResource)),
            (update, &next, over - 1, Ok(Admission::ChangeOfBoundResource)),
            (update, &next, over, Err(ReasonCode::ExternalIdRetired)),
            (update, &current, over, Ok(Admission::ChangeOfBoundResource)),
            (update, &retired, 200, Err(ReasonCode::ExternalIdRetired)),
            (create(SAME_STACK), &next, 200, Ok(Admission::Change)),
            (create(SAME_ACCOUNT), &next, 200, Err(account_taken)),
            (
                create(OTHER_ACCOUNT),
                &next,
                200,
                Err(ReasonCode::LinkAlreadyUsed),
            ),
            (
                create(OTHER_ACCOUNT),
                &retired,
                200,
                Err(ReasonCode::ExternalIdRetired),
            ),
            (unbound, &next, 200, Err(ReasonCode::ExternalIdChanged)),
        ] {
            let stack_id = stack(stack_id);
            let claim = StackClaims {
                request_type,
                stack_id: &stack_id,
                logical_resource_id: "Connection",
                external_id,
                physical_resource_id,
            };
            let admitted = admit(&rotating, claim, at(sent_at));
            assert_eq!(admitted, answer, "{claim:?} at {sent_at}");
        }
    }
}

fn properties(role_arn: &str) -> Properties {
    Properties {
        external_id: ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
        role_arn: RoleArn::parse(role_arn).unwrap(),
        template_version: "1.0.0".to_owned(),
        permission_tier: None,
        says: StackSays::default(),
    }
}

#[test]
fn a_role_is_in_the_account_and_partition_of_its_stack_and_never_in_the_vendors() {
    let vendor = account("111111111111");
    let vendors_stack = SAME_STACK.replace("222222222222", "111111111111");
    let chinese_stack = SAME_STACK
        .replace("arn:aws:", "arn:aws-cn:")
        .replace("eu-west-1", "cn-north-1");
    let foreign = Err(ReasonCode::RoleInOtherAccount);
    let vendors = Err(ReasonCode::VendorAccount);
    for (role_arn, stack_id, answer) in [
        ("arn:aws:iam::222222222222:role/x", SAME_STACK, Ok(())),
        ("arn:aws:iam::222222222222:role/a/b/x", SAME_ACCOUNT, Ok(())),
        ("arn:aws-cn:iam::222222222222:role/x", &chinese_stack, Ok(())),
        ("arn:aws:iam::333333333333:role/x", SAME_STACK, foreign),
        ("arn:aws:iam::222222222222:role/x", OTHER_ACCOUNT, foreign),
        ("arn:aws-cn:iam::222222222222:role/x", SAME_STACK, foreign),
        ("arn:aws:iam::222222222222:role/x", &chinese_stack, foreign),
        ("arn:aws:iam::111111111111:role/x", SAME_STACK, vendors),
        ("arn:aws:iam::222222222222:role/x", &vendors_stack, vendors),
        ("arn:aws:iam::111111111111:role/x", &vendors_stack, vendors),
    ] {
        let checked = check_accounts(&properties(role_arn), &stack(stack_id), &vendor);
        assert_eq!(checked, answer, "{role_arn} of {stack_id}");
    }
}

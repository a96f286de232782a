//! The state machine: every state with every event.

use jiff::{SignedDuration, Timestamp};

use latchkey_core::domain::connection::{rotation::ROTATION_SECONDS, *};
use latchkey_core::domain::{
    aws::{RoleArn, StackId},
    external_id::ExternalId,
    proof::{reason::ReasonCode, trust_report::TrustReport},
    request::{custom_resource::RequestKey, stack_says::StackSays},
};
use latchkey_testing::{
    builders::{account, altered, launch, proof, role, tenant},
    sequential_ids::SequentialIds,
};
use serde_json::json;

const S1: &str =
    "arn:aws:cloudformation:eu-west-1:222222222222:stack/One/0d1f2a30-96c5-11ef-8a3b-000000000001";
const S2: &str =
    "arn:aws:cloudformation:eu-west-1:222222222222:stack/Two/0d1f2a30-96c5-11ef-8a3b-000000000002";

fn at(seconds: i64) -> Timestamp {
    let base: Timestamp = "2026-08-03T12:00:00Z".parse().unwrap();
    base.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// When what stands was last proven; when it was found wrong; when the event happens; when the link is over.
const PROVEN: i64 = 100;
const FOUND_WRONG: i64 = 200;
const NOW: i64 = 300;
const EXPIRY: i64 = 990;

const EXTERNAL_ID: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";
const NEXT_EXTERNAL_ID: &str = "qn7c21yyat96iws9zmbrgj3atz4a98xx";

fn external_id(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap()
}

fn key(stack: &str, request_id: &str) -> RequestKey {
    RequestKey {
        stack_id: Some(StackId::parse(stack).unwrap()),
        request_id: request_id.to_owned(),
    }
}

fn role_named(name: &str) -> RoleArn {
    role(&account("222222222222"), name)
}

fn binding(stack: &str, request_id: &str, role_name: &str) -> Binding {
    Binding {
        role_arn: role_named(role_name),
        external_id: external_id(EXTERNAL_ID),
        request: key(stack, request_id),
        logical_resource_id: "Connection".to_owned(),
        physical_resource_id: format!("latchkey-{request_id}"),
        template_version: "1.0.0".to_owned(),
        permission_tier: None,
        permissions: None,
        trust: None,
        deletion_seen_at: None,
        unsettled: None,
        says: StackSays::default(),
        former: None,
        takes_former: false,
        answered_at: None,
    }
}

fn unsettled(binding: Binding, replaces: Option<State>) -> Binding {
    Binding {
        unsettled: Some(Unsettled {
            replaces: replaces.map(Box::new),
        }),
        ..binding
    }
}

fn active(binding: Binding) -> State {
    State::Active {
        binding,
        last_verified_at: at(PROVEN),
    }
}

fn degraded(binding: Binding) -> State {
    State::Degraded {
        binding,
        last_verified_at: at(PROVEN),
        reason: ReasonCode::ExternalIdNotEnforced.into(),
        since: at(FOUND_WRONG),
        failed_checks: 3,
    }
}

fn failure(reason: ReasonCode, stack: &str, seconds: i64) -> Option<Failure> {
    Some(Failure {
        reason: reason.into(),
        stack_id: Some(StackId::parse(stack).unwrap()),
        at: at(seconds),
    })
}

fn connection(state: State) -> Connection {
    let pending = Connection::new(Launch {
        external_id: external_id(EXTERNAL_ID),
        expires_at: at(EXPIRY),
        ..launch(&tenant("acme"), &SequentialIds::default(), at(0))
    });
    altered(&pending, json!({ "state": state, "version": 41 }))
}

/// Every state, in every shape that makes a difference.
fn states() -> Vec<(&'static str, State)> {
    let first = || binding(S1, "r1", "First");
    let second = || binding(S1, "r2", "Second");
    let last_failure = || failure(ReasonCode::RoleNotAssumable, S2, 50);
    let attempt = Attempt {
        request: key(S1, "r1"),
        role_arn: role_named("First"),
        started_at: at(50),
    };
    let disconnected = |binding, code: ReasonCode| State::Disconnected {
        binding,
        reason: code.into(),
        at: at(200),
    };
    let after = |state| unsettled(second(), Some(state));
    let by_vendor = disconnected(None, ReasonCode::DisconnectedByVendor);
    let by_stack = disconnected(Some(first()), ReasonCode::StackDeleted);
    vec![
        ("pending", unbound(None)),
        ("pending_failed", unbound(last_failure())),
        ("verifying", State::Verifying { attempt }),
        ("active", active(first())),
        ("active_new", active(unsettled(first(), None))),
        ("active_changed", active(after(active(first())))),
        ("active_from_degraded", active(after(degraded(first())))),
        ("degraded", degraded(first())),
        ("degraded_new", degraded(unsettled(first(), None))),
        ("degraded_changed", degraded(after(active(first())))),
        ("degraded_twice", degraded(after(degraded(first())))),
        ("disconnected", by_vendor),
        ("disconnected_bound", by_stack),
        ("expired", expired(last_failure())),
    ]
}

fn unbound(last_failure: Option<Failure>) -> State {
    State::Pending { last_failure }
}

fn expired(last_failure: Option<Failure>) -> State {
    State::Expired { last_failure }
}

/// What a state is about: the request that it waits for or rests on, and the role.
fn own(state: &State) -> (RequestKey, RoleArn) {
    match state {
        State::Verifying { attempt } => (attempt.request.clone(), attempt.role_arn.clone()),
        state => match state.live_binding() {
            Some(binding) => (binding.request.clone(), binding.role_arn.clone()),
            None => (key(S1, "r1"), role_named("First")),
        },
    }
}

const EVENTS: &str = "\
    started proven_same_stack proven_other_stack proven_other_role failed_own failed_other \
    accepted_own accepted_other refused_own refused_other passed passed_other_role check_failed \
    disconnected expired_early expired_due attempt_refused_own attempt_refused_other \
    rotation_started rotation_cancelled deletion_seen rotation_completed reopened \
    former_restored former_deleted";

fn events() -> impl Iterator<Item = &'static str> {
    EVENTS.split_whitespace()
}

/// The event of a name, for a connection in `state`, and when it happens.
fn event(name: &str, state: &State) -> (Event, Timestamp) {
    let (own_request, own_role) = own(state);
    let other = || key(S1, "r9");
    let proven = |stack, role_name| Event::AttemptProven {
        binding: Box::new(binding(stack, "r9", "New")),
        proof: proof(&role_named(role_name)),
    };
    let failed = |request| Event::AttemptFailed {
        request,
        reason: ReasonCode::LinkExpired.into(),
    };
    let event = match name {
        "started" => Event::AttemptStarted(attempt()),
        "proven_same_stack" => proven(S1, "New"),
        "proven_other_stack" => proven(S2, "New"),
        "proven_other_role" => proven(S1, "First"),
        "failed_own" => failed(own_request),
        "failed_other" => failed(other()),
        "accepted_own" => Event::AnswerAccepted { request: own_request },
        "accepted_other" => Event::AnswerAccepted { request: other() },
        "refused_own" => Event::AnswerRefused { request: own_request },
        "refused_other" => Event::AnswerRefused { request: other() },
        "passed" => Event::CheckPassed(proof(&own_role)),
        "passed_other_role" => Event::CheckPassed(proof(&role_named("New"))),
        "check_failed" => Event::CheckFailed(ReasonCode::RoleGone.into()),
        "disconnected" => Event::Disconnected(ReasonCode::StackDeleted.into()),
        "expired_early" => return (Event::LinkExpired, at(EXPIRY - 1)),
        "expired_due" => return (Event::LinkExpired, at(EXPIRY)),
        "attempt_refused_own" => Event::AttemptRefused { request: own_request },
        "attempt_refused_other" => Event::AttemptRefused { request: other() },
        "rotation_started" => Event::RotationStarted(rotation(NOW)),
        "rotation_cancelled" => Event::RotationCancelled,
        "deletion_seen" => Event::DeletionSeen,
        "rotation_completed" => Event::RotationCompleted,
        "reopened" => Event::Reopened,
        "former_restored" => Event::FormerRestored,
        "former_deleted" => Event::FormerDeleted("latchkey-other".to_owned()),
        _ => panic!("{name}"),
    };
    (event, at(NOW))
}

fn rotation(seconds: i64) -> Rotation {
    Rotation::new(external_id(NEXT_EXTERNAL_ID), at(seconds))
}

fn attempt() -> Attempt {
    Attempt {
        request: key(S1, "r9"),
        role_arn: role_named("New"),
        started_at: at(NOW),
    }
}

/// What comes of each event, in the order of [`EVENTS`]; the letters are read by [`expected`].
const TABLE: [&str; 14] = [
    //          started proven... failed accepted refused passed check_failed disconnected expired attempt_refused rotation... deletion_seen, two of organizations alone, former...
    "pending              V N N ! F F . . . . ! ! ! E ! X . . ! ! ! ! ! ! !",
    "pending_failed       V N N ! F F . . . . ! ! ! E ! X . . ! ! ! ! ! ! !",
    "verifying            V N N ! F . . . . . ! ! ! E ! ! A . ! ! ! ! ! ! !",
    "active               ! C ! ! T T . . . . P ! D E ! ! . . O . M ! ! ! .",
    "active_new           ! ! ! ! . . S . R . P ! D E ! ! . . ! . M ! ! ! .",
    "active_changed       ! ! ! ! T T S . B . P ! D E ! ! . . ! . M ! ! ! .",
    "active_from_degraded ! ! ! ! T T S . B . P ! D E ! ! . . ! . M ! ! ! .",
    "degraded             ! C ! ! T T . . . . P ! + E ! ! . . O . M ! ! ! .",
    "degraded_new         ! ! ! ! . . S . R . P ! + E ! ! . . ! . M ! ! ! .",
    "degraded_changed     ! ! ! ! T T S . B . P ! + E ! ! . . ! . M ! ! ! .",
    "degraded_twice       ! ! ! ! T T S . B . P ! + E ! ! . . ! . M ! ! ! .",
    "disconnected         ! ! ! ! . . . . . . ! ! ! ! ! ! . . ! ! ! ! ! ! !",
    "disconnected_bound   ! ! ! ! . . . . . . ! ! ! ! ! ! . . ! ! ! ! ! ! !",
    "expired              ! ! ! ! . . . . . . ! ! ! E ! ! . . ! ! ! ! ! ! !",
];

/// The state that a letter of the table means; `None` for an illegal transition.
fn expected(letter: &str, event: &str, state: &State) -> Option<State> {
    let state = state.clone();
    let bound = || state.live_binding().unwrap().clone();
    let (own_request, _) = own(&state);
    let gone = |since, failed_checks| State::Degraded {
        binding: bound(),
        last_verified_at: at(PROVEN),
        reason: ReasonCode::RoleGone.into(),
        since,
        failed_checks,
    };
    Some(match letter {
        "!" => return None,
        "." => state,
        "V" => State::Verifying { attempt: attempt() },
        // A first registration, from whatever stack: nothing to go back to.
        "N" => {
            let stack = if event == "proven_other_stack" { S2 } else { S1 };
            State::Active {
                binding: unsettled(binding(stack, "r9", "New"), None),
                last_verified_at: at(NOW),
            }
        }
        // A change: what was before is kept, whole.
        "C" => State::Active {
            binding: Binding {
                former: Some(Former {
                    external_id: bound().external_id,
                    rotation: None,
                    state: Some(Box::new(state.clone())),
                }),
                ..unsettled(binding(S1, "r9", "New"), Some(state))
            },
            last_verified_at: at(NOW),
        },
        "F" => State::Pending {
            last_failure: failure(ReasonCode::LinkExpired, S1, NOW),
        },
        "S" => {
            let settled = Binding {
                permissions: None,
                trust: None,
                unsettled: None,
                ..bound()
            };
            match state {
                State::Active { .. } => active(settled),
                _ => degraded(settled),
            }
        }
        "B" => *bound().unsettled.unwrap().replaces.unwrap(),
        "R" => State::Pending {
            last_failure: Some(Failure {
                reason: ReasonCode::AnswerRefused.into(),
                stack_id: own_request.stack_id,
                at: at(NOW),
            }),
        },
        "P" => State::Active {
            binding: bound(),
            last_verified_at: at(NOW),
        },
        "D" => gone(at(NOW), 1),
        "+" => gone(at(FOUND_WRONG), 4),
        "E" => State::Disconnected {
            binding: connection(state).binding().cloned(),
            reason: ReasonCode::StackDeleted.into(),
            at: at(NOW),
        },
        "X" => match state {
            State::Pending { last_failure } => State::Expired { last_failure },
            state => panic!("{state:?}"),
        },
        "A" => unbound(None),
        // The same state; what else changes is told by the event.
        "O" | "T" => state,
        "M" => {
            let mut marked = state;
            if let State::Active { binding, .. } | State::Degraded { binding, .. } = &mut marked {
                binding.deletion_seen_at = Some(at(NOW));
            }
            marked
        }
        letter => panic!("{letter}"),
    })
}

#[test]
fn every_event_in_every_state_does_what_the_table_says_and_nothing_else() {
    assert_eq!(states().len(), TABLE.len());
    for ((name, state), row) in states().into_iter().zip(TABLE) {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!((row[0], row.len()), (name, 1 + events().count()));
        for (event_name, letter) in events().zip(&row[1..]) {
            let before = connection(state.clone());
            let (event, when) = event(event_name, &state);
            let code = event.name();
            let result = before.apply(event, when);
            let expected = match expected(letter, event_name, &state) {
                Some(state) => {
                    let rotation = (*letter == "O").then(|| rotation(NOW));
                    let mut fields = json!({ "state": state, "rotation": rotation, "version": 42 });
                    if *letter == "T" {
                        fields["failed_change"] = json!(failure(ReasonCode::LinkExpired, S1, NOW));
                    }
                    Ok(altered(&before, fields))
                }
                None => Err(IllegalTransition {
                    status: state.status(),
                    event: code,
                }),
            };
            assert_eq!(result, expected, "{event_name} while {name}");
        }
    }
}

#[test]
fn nothing_becomes_active_without_a_proof_but_what_was_active_before_a_change_that_was_undone() {
    let mut became_active = 0;
    for (name, state) in states() {
        for event_name in events() {
            let (event, when) = event(event_name, &state);
            let has_proof = matches!(event, Event::AttemptProven { .. } | Event::CheckPassed(_));
            let Ok(after) = connection(state.clone()).apply(event, when) else {
                continue;
            };
            if after.state().status() != Status::Active {
                continue;
            }
            became_active += 1;
            let undone = state.live_binding().and_then(|binding| {
                let replaced = binding.unsettled.as_ref()?.replaces.as_deref()?;
                Some(*replaced == *after.state())
            });
            assert!(
                has_proof || state.status() == Status::Active || undone == Some(true),
                "{event_name} makes {name} active"
            );
            if !has_proof && undone != Some(true) {
                let proven_at = after.last_verified_at();
                assert_eq!(proven_at, Some(at(PROVEN)), "{event_name} while {name}");
            }
        }
    }
    assert!(became_active > 20, "{became_active}");
}

#[test]
fn a_refused_change_never_makes_a_degraded_connection_active() {
    let loosened = degraded(binding(S1, "r1", "First"));
    let changed = connection(loosened.clone())
        .apply(event("proven_same_stack", &loosened).0, at(NOW))
        .unwrap();
    assert_eq!(changed.state().status(), Status::Active);
    let request = key(S1, "r9");
    let undone = changed
        .apply(Event::AnswerRefused { request }, at(NOW + 1))
        .unwrap();
    assert_eq!(*undone.state(), loosened);
}

#[test]
fn a_link_is_over_from_its_last_moment_on_unless_a_stack_took_it() {
    for (name, state) in states() {
        let status_at = |seconds| connection(state.clone()).status(at(seconds));
        // A first registration is told of when its stack's bucket took the answer, not before.
        let unsettled = state
            .live_binding()
            .is_some_and(Binding::is_unsettled_first_registration);
        let told = match state.status() {
            Status::Active if unsettled => Status::Verifying,
            status => status,
        };
        assert_eq!(status_at(EXPIRY - 1), told, "{name}");
        let expected = match told {
            Status::Pending => Status::Expired,
            status => status,
        };
        assert_eq!(status_at(EXPIRY), expected, "{name}");
    }
}

#[test]
fn every_state_survives_the_table() {
    for (name, state) in states() {
        let stored = connection(state);
        let text = serde_json::to_string(&stored).unwrap();
        let read: Connection = serde_json::from_str(&text).unwrap();
        assert_eq!(read, stored, "{name}");
        let item: serde_dynamo::Item = serde_dynamo::to_item(&stored).unwrap();
        let read: Connection = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read, stored, "{name}");
    }
}

#[test]
fn a_connection_tells_what_it_is_bound_to_why_it_is_not_active_and_when_it_was_proven() {
    for (name, state) in states() {
        let connection = connection(state.clone());
        let is_live = matches!(state.status(), Status::Active | Status::Degraded);
        assert_eq!(connection.live_binding().is_some(), is_live, "{name}");
        assert_eq!(connection.last_verified_at().is_some(), is_live, "{name}");
        let has_binding = is_live || name == "disconnected_bound";
        assert_eq!(connection.binding().is_some(), has_binding, "{name}");
        let has_reason = !matches!(name, "pending" | "verifying") && state.status() != Status::Active;
        assert_eq!(connection.reason().is_some(), has_reason, "{name}");
        if let Some(binding) = connection.live_binding() {
            let replaces = ["changed", "from", "twice"]
                .iter()
                .any(|word| name.contains(word));
            assert_eq!(binding.replaced().is_some(), replaces, "{name}");
            let is_new = name.ends_with("_new");
            assert_eq!(binding.is_unsettled_first_registration(), is_new, "{name}");
        }
    }
}

/// The external ID that is current, and the one that is next.
fn ids(connection: &Connection) -> (&ExternalId, Option<&Rotation>) {
    (connection.external_id(), connection.rotation())
}

/// A connection whose role is about to get its next external ID, in `state`.
fn rotating(state: State) -> Connection {
    altered(&connection(state), json!({ "rotation": rotation(NOW) }))
}

/// The bound resource, proven with the next external ID.
fn proven_with(external_id_text: &str) -> Event {
    let binding = Binding {
        external_id: external_id(external_id_text),
        ..binding(S1, "r9", "First")
    };
    let proof = proof(&binding.role_arn);
    let binding = Box::new(binding);
    Event::AttemptProven { binding, proof }
}

fn accepted() -> Event {
    let request = key(S1, "r9");
    Event::AnswerAccepted { request }
}

#[test]
fn a_rotation_ends_when_cloudformation_took_the_success_of_its_proof_and_not_before() {
    for state in [
        active(binding(S1, "r1", "First")),
        degraded(binding(S1, "r1", "First")),
    ] {
        let before = rotating(state);
        let proven = before.apply(proven_with(NEXT_EXTERNAL_ID), at(NOW + 1)).unwrap();
        assert_eq!(ids(&proven), ids(&before));
        assert!(proven.rotation_is_being_settled());
        assert!(
            proven.apply(Event::RotationCancelled, at(NOW + 2)).is_err(),
            "the role asks for nothing else"
        );

        let request = key(S1, "r9");
        let settled = proven.apply(accepted(), at(NOW + 2)).unwrap();
        assert_eq!(*settled.external_id(), external_id(NEXT_EXTERNAL_ID));
        assert_eq!(settled.rotation(), None);
        let former = settled.standing(&external_id(EXTERNAL_ID), at(NOW + 3));
        assert_eq!(former, Standing::Retired);

        let refused = Event::AnswerRefused { request };
        let undone = proven.apply(refused, at(NOW + 2)).unwrap();
        assert_eq!(undone.state(), before.state());
        assert_eq!(ids(&undone), ids(&before), "the next one is still awaited");
    }
}

#[test]
fn an_update_with_the_current_external_id_leaves_the_rotation_as_it_is() {
    let before = rotating(active(binding(S1, "r1", "First")));
    let proven = before.apply(proven_with(EXTERNAL_ID), at(NOW + 1)).unwrap();
    let settled = proven.apply(accepted(), at(NOW + 2)).unwrap();
    assert_eq!(ids(&settled), ids(&before));
}

#[test]
fn nothing_is_bound_by_an_external_id_that_is_neither_the_current_nor_the_next() {
    let third = "pz7c21yyat96iws9zmbrgj3atz4a98xx";
    let rotating = rotating(active(binding(S1, "r1", "First")));
    assert!(rotating.apply(proven_with(third), at(NOW + 1)).is_err());
    let waiting = connection(unbound(None));
    assert!(waiting.apply(proven_with(NEXT_EXTERNAL_ID), at(NOW + 1)).is_err());
}

#[test]
fn one_rotation_at_a_time_until_it_is_cancelled_or_runs_out() {
    let running = rotating(active(binding(S1, "r1", "First")));
    let third = external_id("pz7c21yyat96iws9zmbrgj3atz4a98xx");
    let another = || Event::RotationStarted(Rotation::new(third.clone(), at(NOW)));
    let over = NOW + ROTATION_SECONDS;
    assert!(running.apply(another(), at(over - 1)).is_err());
    assert!(running.apply(another(), at(over)).is_ok());
    let next = external_id(NEXT_EXTERNAL_ID);
    assert_eq!(running.standing(&next, at(over - 1)), Standing::Next);
    assert_eq!(running.standing(&next, at(over)), Standing::Retired);
    let cancelled = running.apply(Event::RotationCancelled, at(NOW + 1)).unwrap();
    assert_eq!(ids(&cancelled), (running.external_id(), None));
    assert_eq!(cancelled.standing(&next, at(NOW + 2)), Standing::Retired);
    assert!(cancelled.apply(another(), at(NOW + 2)).is_ok());
    let ended = running.apply(Event::Disconnected(ReasonCode::StackDeleted.into()), at(NOW + 1));
    assert_eq!(ended.unwrap().rotation(), None);
}

/// An organization's connection, in the states that it can be in; and a member, where its stack was deleted.
#[test]
fn what_happens_to_organizations_and_their_members_alone() {
    let rules = Organization::new(None, Default::default()).unwrap();
    let pending = connection(unbound(None));
    let organization = altered(&pending, json!({ "organization": rules, "expires_at": NEVER }));
    let apply = |connection: &Connection, name: &str| {
        let (event, at) = event(name, connection.state());
        connection.apply(event, at)
    };
    let rotating = apply(&organization, "rotation_started").unwrap();
    assert_eq!(rotating.rotation().cloned(), Some(rotation(NOW)));
    assert_eq!(rotating.state(), organization.state());
    assert!(apply(&rotating, "rotation_started").is_err(), "one at a time");
    let cancelled = apply(&rotating, "rotation_cancelled").unwrap();
    assert_eq!(ids(&cancelled), (organization.external_id(), None));
    let completed = apply(&rotating, "rotation_completed").unwrap();
    assert_eq!(completed.rotation(), None);
    assert_eq!(*completed.external_id(), external_id(NEXT_EXTERNAL_ID));
    assert!(
        apply(&organization, "rotation_completed").is_err(),
        "there is none"
    );
    assert!(apply(&organization, "expired_due").is_err(), "it has no end");

    let account = role_named("First").account();
    let new = organization.new_member(&account, at(0));
    for (name, state) in states() {
        let member = altered(&new, json!({ "state": state }));
        let after = apply(&member, "reopened");
        assert_eq!(after.is_ok(), name == "disconnected_bound", "{name}");
        if let Ok(after) = after {
            assert_eq!(*after.state(), unbound(None));
        }
    }
}

#[test]
fn a_member_follows_its_organization_until_it_has_what_is_next() {
    let rules = Organization::new(None, Default::default()).unwrap();
    let pending = connection(unbound(None));
    let fields = json!({ "organization": rules, "rotation": rotation(NOW) });
    let organization = altered(&pending, fields);
    let account = role_named("First").account();
    let member = |state: State| {
        let new = organization.new_member(&account, at(0));
        altered(&new, json!({ "state": state, "rotation": null }))
    };
    let live = member(active(binding(S1, "r1", "First"))).following(&organization);
    assert_eq!(live.rotation(), organization.rotation());
    let calm = altered(&organization, json!({ "rotation": null }));
    assert_eq!(live.clone().following(&calm).rotation(), None, "taken back");
    let next = external_id(NEXT_EXTERNAL_ID);
    let moved = altered(&live, json!({ "external_id": next, "rotation": null }));
    let followed = moved.clone().following(&organization);
    assert_eq!(followed, moved, "it is there already");
    let done = altered(&calm, json!({ "external_id": next }));
    let late = member(active(binding(S1, "r1", "First"))).following(&done);
    let left_behind = &late.rotation().unwrap().external_id;
    assert_eq!(left_behind, done.external_id());
    let waiting = member(unbound(None)).following(&done);
    assert_eq!(waiting.external_id(), done.external_id());
    let single = connection(unbound(None));
    assert_eq!(single.clone().following(&organization), single);
}

#[test]
fn a_role_is_refused_for_the_end_that_its_customer_set_or_else_it_is_gone() {
    let read = |ends_at| TrustReport {
        read_at: Some(at(1)),
        ends_at,
        ..TrustReport::default()
    };
    let unread = TrustReport {
        read_at: None,
        ..read(None)
    };
    let end = Some(at(100));
    for (says, trust, ends_at) in [
        (None, None, None),
        (end, None, end),
        (end, Some(unread), end),
        // The role's own word is the last one.
        (end, Some(read(None)), None),
        (end, Some(read(Some(at(200)))), Some(at(200))),
        (None, Some(read(end)), end),
    ] {
        let mut binding = binding(S1, "r1", "First");
        binding.says.access_until = says;
        binding.trust = trust;
        assert_eq!(binding.access_ends_at(), ends_at);
        let refused_for = |seconds| binding.refused_for(at(seconds));
        let end = ends_at.map_or(i64::MAX, |_| if ends_at == Some(at(200)) { 200 } else { 100 });
        assert_eq!(refused_for(50), ReasonCode::RoleGone);
        assert_eq!(refused_for(99.min(end)), ReasonCode::RoleGone);
        if ends_at.is_some() {
            assert_eq!(refused_for(end), ReasonCode::AccessEnded);
        } else {
            assert_eq!(refused_for(1_000), ReasonCode::RoleGone);
        }
    }
}

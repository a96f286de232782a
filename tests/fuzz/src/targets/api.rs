//! The vendor's API: its bodies, its paths, and whatever API Gateway may hand over.

use std::panic::AssertUnwindSafe;

use bolero::check;
use latchkey_api_types::reading;
use latchkey_core::domain::{
    ids::TenantId,
    plain_text::is_plain_text,
    profile::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, MAX_TAG_KEY_CHARS, MAX_TAG_VALUE_CHARS, MAX_TAGS},
};
use latchkey_testing::{
    builders::{VENDOR_ACCOUNT, account},
    world::{PLAN, World},
};
use link_generator::{
    router::answer,
    routes::connections::new_connection,
    state::{Settings, State},
};
use serde_json::{Value, json};

use super::INPUTS;
use crate::mangle::{Mangled, MangledJson, events};

fn bodies() -> Vec<String> {
    let full = json!({
        "name": "Production", "description": "Ärzte & Söhne", "tags": { "team": "blue" }, "account_id": "222222222222",
        "region": "eu-west-1",
    });
    let events = events("link-generator");
    let bodies = events
        .iter()
        .filter_map(|event| event["body"].as_str().map(str::to_owned));
    bodies.chain([full.to_string()]).collect()
}

fn assert_holds(text: &str) {
    let Ok(body) = reading::body(text) else { return };
    let Ok(new) = new_connection(body) else { return };
    let profile = new.profile;
    assert!((1..=MAX_NAME_CHARS).contains(&profile.name.chars().count()) && is_plain_text(&profile.name));
    let described = |text: &String| text.chars().count() <= MAX_DESCRIPTION_CHARS && is_plain_text(text);
    assert!(profile.description.iter().all(described));
    assert!(profile.tags.len() <= MAX_TAGS);
    for (key, value) in &profile.tags {
        assert!((1..=MAX_TAG_KEY_CHARS).contains(&key.chars().count()) && is_plain_text(key));
        assert!(value.chars().count() <= MAX_TAG_VALUE_CHARS && is_plain_text(value));
    }
    let body: Value = serde_json::from_str(text).unwrap();
    assert!(body.get("external_id").is_none(), "I1: nobody chooses one");
}

#[test]
fn a_body_that_is_read_is_within_every_limit() {
    let seeds = bodies();
    check!()
        .with_type::<Mangled>()
        .with_iterations(INPUTS)
        .for_each(|mangled| assert_holds(&mangled.text(&seeds)));
}

#[test]
fn a_body_of_any_json_is_within_every_limit() {
    let seeds: Vec<Value> = bodies()
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    check!()
        .with_type::<MangledJson>()
        .with_iterations(INPUTS)
        .for_each(|mangled| assert_holds(&mangled.value(&seeds).to_string()));
}

/// The link generator over fakes.
fn state(world: &World) -> State {
    let settings = Settings {
        tenant_claim: Some("custom:tenant".to_owned()),
        link_policy: world.start.policy.clone(),
        listener_regions: world.start.regions.named.clone(),
        tiers: vec![],
        sweep_plan: PLAN,
        vendor_account: account(VENDOR_ACCOUNT),
        verification_deadline_seconds: 240,
    };
    let system = (world.clock.clone() as _, world.ids.clone() as _);
    State::new(
        settings,
        world.store.clone(),
        world.queue.clone(),
        (world.topics.clone(), None),
        system,
    )
}

/// What a fuzzed event once had, and API Gateway never does.
#[tokio::test]
async fn a_query_parameter_without_any_value_is_refused() {
    let state = state(&World::default());
    for name in ["colour", "status", "limit"] {
        let mut events = events("link-generator").into_iter();
        let mut event = events
            .find(|event| event["routeKey"] == "GET /v1/connections")
            .unwrap();
        event["queryStringParameters"] = json!({ name: [] });
        let response = answer(&state, &serde_json::from_value(event).unwrap()).await;
        assert_eq!(response.status_code, 400, "{name}: {}", response.body);
        assert!(response.body.contains(name), "{}", response.body);
    }
}

/// The whole link generator over fakes: any request gets an answer that is JSON, and no tenant another's connection.
#[test]
fn the_api_answers_any_request_and_shows_no_tenant_anothers_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = World::default();
    let theirs = runtime.block_on(world.link("victim"));
    let victim: TenantId = "victim".parse().unwrap();
    let store = world.store.clone();
    let state = AssertUnwindSafe(state(&world));
    let mut seeds = events("link-generator");
    for event in &mut seeds {
        if let Some(id) = event.pointer_mut("/pathParameters/id") {
            *id = json!(theirs.id());
        }
    }
    check!()
        .with_type::<MangledJson>()
        // Every connection that is made stays: the look at all of them takes longer each time.
        .with_iterations(INPUTS / 4)
        .for_each(|mangled| {
            let event = mangled.value(&seeds);
            let names_victim = |place| event.pointer(place) == Some(&json!("victim"));
            let claimed = names_victim("/requestContext/authorizer/jwt/claims/custom:tenant")
                || names_victim("/pathParameters/tenant");
            // What is no event of API Gateway is Lambda's to refuse.
            let Ok(event) = serde_json::from_value(event) else {
                return;
            };
            let response = runtime.block_on(answer(&state, &event));
            let known = [200, 201, 202, 400, 403, 404, 409];
            assert!(
                known.contains(&response.status_code),
                "{}: {}",
                response.status_code,
                response.body
            );
            serde_json::from_str::<Value>(&response.body).unwrap();
            assert!(
                claimed || !response.body.contains(theirs.external_id().as_str()),
                "{}",
                response.body
            );
            let mine = store
                .all_connections()
                .into_iter()
                .filter(|connection| *connection.tenant() == victim);
            assert!(
                claimed || mine.eq([theirs.clone()]),
                "another tenant's request changed it"
            );
        });
}

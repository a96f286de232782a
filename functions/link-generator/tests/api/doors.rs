//! Which door a call came by, and whose it is then.

use latchkey_core::domain::connection::Organization;
use latchkey_testing::builders::{account, role};
use link_generator::router::Door;
use serde_json::{Value, json};

use crate::{
    Api, CALLER, Call, SEARCH, TENANT_CLAIM,
    refusals::{UNKNOWN_ID, assert_refused, problem, rows},
};

/// What an authorizer may have left in an event, other than what `door` wants.
fn of_no_door(door: Door) -> Vec<Value> {
    let jwt = json!({ "claims": { TENANT_CLAIM: "acme" }, "scopes": null });
    let iam = json!({ "userArn": CALLER });
    let others = match door {
        Door::Tenant => json!({ "iam": iam }),
        Door::Vendor => json!({ "jwt": jwt }),
    };
    vec![
        Value::Null,
        json!({}),
        others,
        json!({ "jwt": jwt, "iam": iam }),
        json!({ "iam": { "userArn": null, "accessKey": "ASIAEXAMPLE" } }),
        json!({ "iam": { "userArn": "" } }),
        json!({ "lambda": { "userArn": CALLER, TENANT_CLAIM: "acme" } }),
    ]
}

#[tokio::test]
async fn no_route_takes_what_another_doors_authorizer_let_in() {
    for (row, door) in rows() {
        let (api, id) = row.open(door).await;
        let before = (api.world.store.all_connections(), api.world.store.item_count());
        for authorizer in of_no_door(door) {
            let mut event = api.event("acme", &row.good(&id));
            event["requestContext"]["authorizer"] = authorizer.clone();
            let answer = api.send(event).await;
            assert_eq!(answer.status_code, 403, "{} {door:?}: {authorizer}", row.key);
            assert_eq!(problem(&answer)["type"], "urn:latchkey:problem:wrong_door");
        }
        let after = (api.world.store.all_connections(), api.world.store.item_count());
        assert_eq!(after, before, "{}", row.key);
    }
}

#[tokio::test]
async fn a_path_parameter_with_a_slash_or_a_percent_is_refused() {
    for (row, door) in rows().filter(|(row, _)| row.key.contains("{id}")) {
        let (api, _) = row.open(door).await;
        for id in [
            "a/b",
            "/",
            "%",
            "conn%5Fx",
            &format!("{UNKNOWN_ID}%2Frole"),
            "../x",
        ] {
            let answer = api.call("acme", &row.good(id)).await;
            assert_refused(&answer, &format!("{} {door:?}: {id}", row.key), "id in the path");
        }
    }
}

#[tokio::test]
async fn a_path_that_names_no_tenant_of_this_door_is_refused() {
    let long = "a".repeat(129);
    for (row, door) in rows().filter(|(row, door)| *door == Door::Vendor && row.key != SEARCH) {
        let (api, id) = row.open(door).await;
        let before = api.world.store.item_count();
        for (tenant, said) in [
            ("org:42/eu", "served at the tenant's door alone"),
            ("acme%2Feu", "`%`"),
            ("", "tenant"),
            (".", "not `.` or `..`"),
            ("..", "not `.` or `..`"),
            ("a b", "tenant"),
            ("a#b", "tenant"),
            ("acme\u{e9}", "tenant"),
            (&long, "tenant"),
        ] {
            let answer = api.call(tenant, &row.good(&id)).await;
            assert_refused(&answer, &format!("{}: {tenant}", row.key), said);
        }
        let mut nobodys = api.event("acme", &row.good(&id));
        nobodys["pathParameters"]
            .as_object_mut()
            .unwrap()
            .remove("tenant");
        assert_refused(&api.send(nobodys).await, row.key, "tenant");
        assert_eq!(api.world.store.item_count(), before, "{}", row.key);
    }
}

#[tokio::test]
async fn both_doors_lead_a_tenant_to_the_same_connections() {
    for tenant in ["acme", "auth0|42", "a.b_c:d@e+f=g-h"] {
        let mut api = Api::at(Door::Tenant);
        let id = api.world.link(tenant).await.id().to_string();
        let show = Call {
            key: "GET /v1/connections/{id}",
            id: &id,
            ..Call::default()
        };
        let shown = api.call(tenant, &show).await;
        api.door = Door::Vendor;
        let at_vendors = api.call(tenant, &show).await;
        assert_eq!(
            (shown.status_code, &shown.body),
            (200, &at_vendors.body),
            "{tenant}"
        );
    }
}

#[tokio::test]
async fn without_an_issuer_there_is_no_tenants_door() {
    for (row, door) in rows() {
        let (mut api, id) = row.open(door).await;
        api.state.tenant_claim = None;
        let answer = api.call("acme", &row.good(&id)).await;
        let expected = if door == Door::Vendor { row.status } else { 404 };
        assert_eq!(answer.status_code, expected, "{} {door:?}: {answer:?}", row.key);
    }
}

#[tokio::test]
async fn no_greedy_and_no_default_route_is_answered() {
    let api = Api::at(Door::Vendor);
    for key in [
        "$default",
        "ANY /v1/tenants/{tenant}/{proxy+}",
        "GET /v1/tenants/{tenant}",
        "GET /v1/tenants/{tenant}/connections/{id}/",
        "GET /v1/tenants/{other}/connections",
        "get /v1/tenants/{tenant}/connections",
    ] {
        let mut event = api.event(
            "acme",
            &Call {
                key: "GET /v1/connections",
                ..Call::default()
            },
        );
        event["routeKey"] = json!(key);
        let answer = api.send(event).await;
        assert_eq!(
            problem(&answer)["type"],
            "urn:latchkey:problem:not_found",
            "{key}"
        );
    }
}

/// Who called, in all entries of the audit logs of a tenant's connections since `from`, by event.
fn callers(api: &Api, from: &[(String, usize)]) -> Vec<(String, Option<String>)> {
    let known = |id: &str| {
        from.iter()
            .find(|(of, _)| of == id)
            .map_or(0, |(_, entries)| *entries)
    };
    let all = api.world.store.all_connections();
    let entries = all.iter().flat_map(|connection| {
        let log = api.world.store.audit_log(connection.id());
        log.into_iter().skip(known(connection.id().as_str()))
    });
    entries
        .map(|entry| (entry.event, entry.caller.map(|caller| caller.0)))
        .collect()
}

fn counted(api: &Api) -> Vec<(String, usize)> {
    let all = api.world.store.all_connections();
    let count = |id: &_| api.world.store.audit_log(id).len();
    all.iter()
        .map(|it| (it.id().to_string(), count(it.id())))
        .collect()
}

#[tokio::test]
async fn the_audit_log_names_who_called_the_vendors_door() {
    let rules = || Organization::new(Some(3), std::collections::BTreeSet::new()).unwrap();
    for (door, expected) in [(Door::Tenant, None), (Door::Vendor, Some(CALLER.to_owned()))] {
        let api = Api::at(door);
        let world = &api.world;
        let customer = world.connect("acme", &account("222222222222")).await;
        let active = customer.connection.id().to_string();
        let waiting = world.link("acme").await.id().to_string();
        let organization = world.organization("acme", rules()).await;
        let (stack, role_arn) = world.customer_of(&organization, &account("333333333333"));
        let create = stack.create(organization.external_id(), &role_arn);
        assert!(world.complete(&create.signed(&world.bucket)).await.success);
        let organization = organization.id().to_string();
        let by_hand = json!({ "role_arn": role(&account("444444444444"), "ByHand") }).to_string();
        let mut told = Vec::new();
        for (key, id, body) in [
            ("POST /v1/connections", "", Some(r#"{"name":"x"}"#)),
            (
                "POST /v1/connections/{id}/role",
                waiting.as_str(),
                Some(by_hand.as_str()),
            ),
            ("POST /v1/connections/{id}/role", &organization, Some(&by_hand)),
            ("POST /v1/connections/{id}/rotate-external-id", &active, None),
            (
                "POST /v1/connections/{id}/rotate-external-id",
                &organization,
                None,
            ),
            ("DELETE /v1/connections/{id}/rotate-external-id", &active, None),
            (
                "DELETE /v1/connections/{id}/rotate-external-id",
                &organization,
                None,
            ),
            ("DELETE /v1/connections/{id}", &active, None),
            ("DELETE /v1/connections/{id}", &organization, None),
        ] {
            let before = counted(&api);
            let answer = api
                .call(
                    "acme",
                    &Call {
                        key,
                        id,
                        body,
                        ..Call::default()
                    },
                )
                .await;
            assert!(answer.status_code < 300, "{key}: {answer:?}");
            let entries = callers(&api, &before);
            assert!(!entries.is_empty(), "{key} leaves an entry");
            told.extend(entries);
        }
        for (event, caller) in &told {
            assert_eq!(*caller, expected, "{event}");
        }
        let created = told.iter().filter(|(event, _)| event == "created").count();
        assert_eq!(
            created, 2,
            "the link, and the member of the organization: {told:?}"
        );
    }
}

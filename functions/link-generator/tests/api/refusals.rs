//! What each route does with a good request, and what it refuses.
//!
//! A row says what a route takes; from it follow the requests that it must refuse. A route without a row fails
//! `every_route_has_a_row`.

use std::collections::BTreeSet;

use latchkey_api_types::{
    page::ListQuery,
    reading::Takes,
    request::{CreateBody, RoleBody},
    search::SearchQuery,
};
use latchkey_core::ports::ConnectionStore as _;
use latchkey_testing::builders::account;
use link_generator::{
    response::Response,
    router::{Door, ROUTES, Route},
};
use serde_json::{Map, Value, json};

use crate::{Api, Call, SEARCH, TENANT_CLAIM, key_at};

type Fields = &'static [(&'static str, &'static str)];

/// What a route needs to be there.
#[derive(Clone, Copy, PartialEq)]
pub enum Needs {
    Nothing,
    Link,
    Active,
}

#[derive(Clone, Copy)]
pub struct Row {
    pub key: &'static str,
    needs: Needs,
    /// The status of its answer to a good request.
    pub status: u16,
    /// A good body with each field of the first level, and the fields that it may have.
    body: Option<(&'static str, Fields)>,
    /// Its parameters.
    query: Fields,
    /// Those of a good request.
    good_query: &'static [(&'static str, &'static str)],
}

/// Each route at each door.
pub fn rows() -> impl Iterator<Item = (Row, Door)> {
    let at_each = |row: Row| match row.key {
        SEARCH => vec![(row, Door::Vendor)],
        _ => vec![(row, Door::Tenant), (row, Door::Vendor)],
    };
    ROWS.into_iter().flat_map(at_each)
}

const ROW: Row = Row {
    key: "",
    needs: Needs::Nothing,
    status: 200,
    body: None,
    query: &[],
    good_query: &[],
};

const ROWS: [Row; 10] = [
    Row {
        key: "POST /v1/connections",
        status: 201,
        body: Some((
            r#"{"name":"x","description":"y","tags":{"a":"b"},"region":"eu-west-1","permission_tier":"larger",
                "kind":"organization","organization":{"max_accounts":2,"allowed_accounts":["222222222222"]}}"#,
            CreateBody::FIELDS,
        )),
        ..ROW
    },
    Row {
        key: "GET /v1/connections",
        query: ListQuery::FIELDS,
        ..ROW
    },
    Row {
        key: "GET /v1/connections/{id}",
        needs: Needs::Link,
        ..ROW
    },
    Row {
        key: "DELETE /v1/connections/{id}",
        needs: Needs::Link,
        ..ROW
    },
    Row {
        key: "POST /v1/connections/{id}/role",
        needs: Needs::Link,
        status: 202,
        body: Some((
            r#"{"role_arn":"arn:aws:iam::222222222222:role/x"}"#,
            RoleBody::FIELDS,
        )),
        ..ROW
    },
    Row {
        key: "POST /v1/connections/{id}/rotate-external-id",
        needs: Needs::Active,
        status: 201,
        ..ROW
    },
    Row {
        key: "DELETE /v1/connections/{id}/rotate-external-id",
        needs: Needs::Active,
        ..ROW
    },
    Row {
        key: "GET /v1/options",
        ..ROW
    },
    Row {
        key: "GET /v1/template-versions",
        ..ROW
    },
    Row {
        key: SEARCH,
        query: SearchQuery::FIELDS,
        good_query: &[("status", "degraded")],
        ..ROW
    },
];

/// In the form of an id, and nobody's.
pub const UNKNOWN_ID: &str = "conn_tz4a98xxat96iws9zmbrgj3a";

impl Row {
    /// A world with what the route needs, and the id of that.
    pub async fn open(&self, door: Door) -> (Api, String) {
        let api = Api::at(door);
        let id = match self.needs {
            Needs::Nothing => UNKNOWN_ID.to_owned(),
            Needs::Link => api.world.link("acme").await.id().to_string(),
            Needs::Active => {
                let customer = api.world.connect("acme", &account("222222222222")).await;
                customer.connection.id().to_string()
            }
        };
        (api, id)
    }

    pub fn good<'a>(&self, id: &'a str) -> Call<'a> {
        Call {
            key: self.key,
            id,
            body: self.body.map(|(body, _)| body),
            query: self.good_query,
            ..Call::default()
        }
    }
}

pub fn problem(answer: &Response) -> Value {
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{answer:?}"
    );
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status_code);
    assert_eq!(body["request_id"], crate::REQUEST_ID, "{answer:?}");
    for field in ["title", "detail"] {
        assert!(
            body[field].as_str().is_some_and(|text| !text.is_empty()),
            "{answer:?}"
        );
    }
    body
}

/// A 400 that names `said`, and in no word of Rust's or serde's.
pub fn assert_refused(answer: &Response, sent: &str, said: &str) {
    let sent: String = sent.chars().take(100).collect();
    assert_eq!(answer.status_code, 400, "{sent}: {answer:?}");
    let body = problem(answer);
    assert_eq!(body["type"], "urn:latchkey:problem:invalid_request");
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains(said) && detail.len() < 400,
        "{said}: {sent}: {detail}"
    );
    for word in [
        "invalid type",
        "invalid value",
        "expected",
        "line 1",
        "column",
        "struct",
        "variant",
        "sequence",
        "Error",
        "unknown field",
        "missing field",
        "duplicate field",
    ] {
        assert!(!detail.contains(word), "{sent}: {detail}");
    }
}

#[test]
fn every_route_has_a_row() {
    let routes: BTreeSet<(Door, String)> = ROUTES.iter().flat_map(Route::keys).collect();
    let at_door = |(row, door): (Row, Door)| (door, key_at(row.key, door));
    assert_eq!(routes, rows().map(at_door).collect());
}

#[tokio::test]
async fn every_route_answers_a_good_request() {
    for (row, door) in rows() {
        let (api, id) = row.open(door).await;
        let answer = api.call("acme", &row.good(&id)).await;
        assert_eq!(answer.status_code, row.status, "{}: {answer:?}", row.key);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(!body.as_object().unwrap().is_empty());
        let path = key_at("/v1/connections", door).replace("{tenant}", "acme");
        let made = (row.status == 201).then(|| format!("{path}/{}", body["id"].as_str().unwrap()));
        assert_eq!(
            answer.headers.get("location").map(AsRef::as_ref),
            made.as_deref(),
            "{}",
            row.key
        );
        if row.key.contains("{id}") {
            assert_eq!(body["id"], json!(id));
        }
    }
}

#[tokio::test]
async fn no_route_serves_a_caller_without_a_tenant() {
    let long = "a".repeat(129);
    let rule = "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / + = | -";
    let claims = [
        (json!({}), "is missing"),
        (json!({ "tenant": "acme" }), "is missing"),
        (json!({ TENANT_CLAIM: "" }), rule),
        (json!({ TENANT_CLAIM: "a#b<c>" }), rule),
        (json!({ TENANT_CLAIM: "Acme GmbH" }), rule),
        (json!({ TENANT_CLAIM: long }), rule),
    ];
    for (row, _) in rows().filter(|(_, door)| *door == Door::Tenant) {
        let (api, id) = row.open(Door::Tenant).await;
        let before = api.world.store.item_count();
        for (claims, rule) in &claims {
            let answer = api.send(row.good(&id).event(claims)).await;
            assert_eq!(answer.status_code, 403, "{}: {claims}", row.key);
            let body = problem(&answer);
            assert_eq!(body["type"], "urn:latchkey:problem:no_tenant");
            let said =
                format!("The claim {TENANT_CLAIM:?} of the token, which names the caller's tenant, {rule}.");
            assert_eq!(body["detail"], said);
        }
        let mut nobody = row.good(&id).event(&json!({}));
        nobody["requestContext"]["authorizer"] = Value::Null;
        assert_eq!(api.send(nobody).await.status_code, 403, "{}", row.key);
        assert_eq!(api.world.store.item_count(), before);
    }
}

#[tokio::test]
async fn another_tenants_connection_looks_like_nobodys() {
    let long = format!("{UNKNOWN_ID}{}", "a".repeat(70_000));
    let unknown = [
        UNKNOWN_ID,
        "",
        "conn_",
        "x",
        "TENANT#acme",
        "\0",
        "conn_tz4a98xxat96iws9zmbrgj3aa",
        &long,
    ];
    for (row, door) in rows().filter(|(row, _)| row.key.contains("{id}")) {
        let (api, id) = row.open(door).await;
        let before = api.world.store.all_connections();
        let theirs = api.call("globex", &row.good(&id)).await;
        assert_eq!(
            problem(&theirs)["type"],
            "urn:latchkey:problem:not_found",
            "{}",
            row.key
        );
        for unknown in unknown {
            let nobodys = api.call("globex", &row.good(unknown)).await;
            assert_eq!(nobodys.status_code, 404, "{}", row.key);
            assert_eq!((&nobodys.body, &nobodys.headers), (&theirs.body, &theirs.headers));
        }
        assert_eq!(api.world.store.all_connections(), before, "{}", row.key);
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_a_route_takes_is_refused() {
    for (row, door) in rows() {
        let Some((good, fields)) = row.body else { continue };
        let (api, id) = row.open(door).await;
        let before = api.world.store.item_count();
        let object: Map<String, Value> = serde_json::from_str(good).unwrap();
        let mut bodies: Vec<(String, &str)> =
            ["", "{", "[]", "\"x\"", "null", "7", "{} x", &"[".repeat(5_000)]
                .map(|text| (text.to_owned(), if text == "{} x" { "" } else { "body" }))
                .into();
        bodies.push((format!("[{good}]"), "body"));
        bodies.push((format!("{good} x"), "body"));
        // As serde reads a struct from an array: field by field.
        bodies.push((json!(object.values().collect::<Vec<_>>()).to_string(), "body"));
        bodies.push((format!("{good}{}", " ".repeat(65_536)), "65536"));
        let with = |field: &str, value: Value| {
            let mut body = object.clone();
            body.insert(field.to_owned(), value);
            Value::Object(body).to_string()
        };
        for field in ["nickname", "tenant", "status", "Name"] {
            bodies.push((with(field, json!("x")), field));
        }
        bodies.push((with(&"long".repeat(5_000), json!(1)), "longlong"));
        for field in ["external_id", "externalId", "ExternalId"] {
            bodies.push((
                with(field, json!("tz4a98xxat96iws9zmbrgj3atz4a98xx")),
                "`external_id`",
            ));
        }
        for (field, _) in fields.iter().filter(|(field, _)| !field.contains('.')) {
            for wrong in [json!(true), json!([]), json!(["x"]), json!([1, 2])] {
                bodies.push((with(field, wrong), *field));
            }
        }
        for (field, value) in &object {
            let twice = format!("{{{field:?}:{value},{}", good.trim_start_matches('{'));
            bodies.push((twice, field.as_str()));
        }
        for (body, said) in &bodies {
            let call = Call {
                body: Some(body),
                ..row.good(&id)
            };
            assert_refused(&api.call("acme", &call).await, body, said);
        }
        let coded = Call {
            is_base64: true,
            ..row.good(&id)
        };
        assert_refused(&api.call("acme", &coded).await, "base64", "application/json");
        let none = Call {
            body: None,
            ..row.good(&id)
        };
        assert_refused(&api.call("acme", &none).await, "no body", "body");
        assert_eq!(api.world.store.item_count(), before, "{}", row.key);
    }
}

#[tokio::test]
async fn a_body_where_none_is_taken_is_refused() {
    for (row, door) in rows().filter(|(row, _)| row.key.starts_with("POST") && row.body.is_none()) {
        let (api, id) = row.open(door).await;
        for (body, said) in [
            (
                r#"{"external_id":"tz4a98xxat96iws9zmbrgj3atz4a98xx"}"#,
                "`external_id`",
            ),
            (
                r#"{"days":7}"#,
                "\"days\" is not known here; the body may have no field",
            ),
            ("[]", "must be a JSON object"),
            ("null", "must be a JSON object"),
            ("x", "not JSON"),
            (&"x".repeat(70_000), "65536"),
        ] {
            let call = Call {
                body: Some(body),
                ..row.good(&id)
            };
            assert_refused(&api.call("acme", &call).await, body, said);
            let is_base64 = true;
            let coded = Call { is_base64, ..call };
            assert_refused(&api.call("acme", &coded).await, body, "application/json");
        }
        let id = id.parse().unwrap();
        let kept = api
            .world
            .store
            .get(&"acme".parse().unwrap(), &id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(kept.rotation(), None);
    }
}

#[tokio::test]
async fn a_post_without_a_body_takes_an_empty_object_or_nothing() {
    for (row, door) in rows().filter(|(row, _)| row.key.starts_with("POST") && row.body.is_none()) {
        for body in [None, Some(""), Some("{}"), Some(" {\n} ")] {
            let (api, id) = row.open(door).await;
            let call = Call {
                body,
                ..row.good(&id)
            };
            let answer = api.call("acme", &call).await;
            assert_eq!(answer.status_code, row.status, "{body:?}: {answer:?}");
        }
    }
}

/// A stage or a domain of the vendor's may stand before our own path.
#[tokio::test]
async fn what_was_made_is_found_under_the_path_that_was_called() {
    let call = Call {
        key: "POST /v1/connections",
        body: Some(r#"{"name":"x"}"#),
        ..Call::default()
    };
    for (door, tenant, path) in [
        (Door::Tenant, "auth0|7", "/v1/connections"),
        (Door::Vendor, "connections", "/v1/tenants/connections/connections"),
        (Door::Vendor, "auth0|7", "/v1/tenants/auth0%7C7/connections"),
    ] {
        for before in ["", "/prod", "/connect/v1"] {
            let api = Api::at(door);
            let mut event = api.event(tenant, &call);
            let raw_path = event["rawPath"].as_str().unwrap();
            event["rawPath"] = json!(format!("{before}{raw_path}"));
            let answer = api.send(event).await;
            let made: Value = serde_json::from_str(&answer.body).unwrap();
            let id = made["id"].as_str().unwrap();
            assert_eq!(answer.headers["location"], format!("{before}{path}/{id}"));
        }
    }
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_take_is_refused() {
    let long = "x".repeat(70_000);
    for (row, door) in rows().filter(|(row, _)| !row.query.is_empty()) {
        let (api, id) = row.open(door).await;
        for (name, _) in row.query {
            for value in ["", "x", "X", "1,2", "x,", ",", "[]", "null", "\0", &long] {
                let query = [(*name, value)];
                let call = Call {
                    query: &query,
                    ..row.good(&id)
                };
                assert_refused(&api.call("acme", &call).await, &format!("{name}={value}"), name);
            }
            // As no gateway hands it over.
            for values in [json!([]), json!(["x", "y"])] {
                let mut event = api.event("acme", &row.good(&id));
                event["queryStringParameters"] = json!({ *name: values });
                assert_refused(&api.send(event).await, name, name);
            }
        }
        for unknown in ["offset", "state", "Status", ""] {
            let query = [(unknown, "1"), ("limit", "1")];
            let call = Call {
                query: &query,
                ..row.good(&id)
            };
            assert_refused(&api.call("acme", &call).await, unknown, unknown);
        }
    }
}

#[tokio::test]
async fn a_field_outside_its_limits_is_refused_and_named() {
    let api = Api::new();
    let before = api.world.store.item_count();
    let many: Map<String, Value> = (0..21).map(|i| (format!("key{i}"), json!("x"))).collect();
    let cases = [
        ("name", json!("x".repeat(129))),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!("a\nb")),
        ("name", json!("a\u{202e}b")),
        ("name", json!("a\u{1b}[31mb")),
        ("name", Value::Null),
        ("description", json!("x".repeat(1_025))),
        ("description", json!("a\u{2066}b")),
        ("description", json!({})),
        ("tags", json!({ "a": 1 })),
        ("tags", json!({ "a\u{0}": "b" })),
        ("tags", json!({ "a": "b\rc" })),
        ("tags", json!({ "": "b" })),
        ("tags", Value::Object(many)),
        ("account_id", json!("1234")),
        ("account_id", json!("12345678901x")),
        ("account_id", json!("１２３４５６７８９０１２")),
        ("account_id", json!(222_222_222_222_u64)),
        ("region", json!("eu-north-1")),
        ("region", json!("moon-1")),
        ("region", json!("us-east-1.evil.example")),
        ("permission_tier", json!("everything")),
        ("permission_tier", json!("no tier's name")),
        ("kind", json!("company")),
        ("kind", json!({ "account": null })),
    ];
    let case =
        |(field, value): (&'static str, Value)| (json!({ "name": "x", field: value }).to_string(), field);
    let mut cases: Vec<(String, &str)> = cases.into_iter().map(case).collect();
    let organization =
        |rules: Value| json!({ "name": "x", "kind": "organization", "organization": rules }).to_string();
    cases.extend([
        (r#"{"description":"x"}"#.to_owned(), "name is missing"),
        (r#"{"name":"x","tags":{"a":"b","a":"c"}}"#.to_owned(), "tags"),
        (
            r#"{"name":"x","organization":{}}"#.to_owned(),
            "goes with `\"kind\": \"organization\"`",
        ),
        (
            r#"{"name":"x","kind":"organization","account_id":"222222222222"}"#.to_owned(),
            "allowed_accounts",
        ),
        (organization(json!({ "max_accounts": 0 })), "1 to 1,000"),
        (organization(json!({ "max_accounts": 1_001 })), "1 to 1,000"),
        (organization(json!({ "max_accounts": -1 })), "1 to 1,000"),
        (
            organization(json!({ "allowed_accounts": [] })),
            "names no account",
        ),
        (
            organization(json!({ "max_accounts": 1, "allowed_accounts": ["222222222222", "333333333333"] })),
            "more accounts than max_accounts",
        ),
        (
            organization(json!({ "allowed_accounts": ["12"] })),
            "allowed_accounts",
        ),
        (
            organization(json!({ "allowed_accounts": [222_222_222_222_u64] })),
            "allowed_accounts",
        ),
        (organization(json!({ "id": "o-1234567890" })), "\"id\""),
        (organization(json!([2, ["222222222222"]])), "organization"),
        (
            r#"{"name":"x","kind":"organization","organization":{"max_accounts":1,"max_accounts":2}}"#
                .to_owned(),
            "max_accounts is given twice",
        ),
    ]);
    for (body, said) in &cases {
        let call = Call {
            key: "POST /v1/connections",
            body: Some(body),
            ..Call::default()
        };
        assert_refused(&api.call("acme", &call).await, body, said);
    }
    assert_eq!(api.world.store.item_count(), before, "nothing was made");
}

#[tokio::test]
async fn what_is_no_role_is_refused_with_its_rule() {
    let api = Api::new();
    let id = api.world.link("acme").await.id().to_string();
    for (role_arn, said) in [
        ("x", "is not an ARN"),
        ("arn:aws:iam::222222222222:user/x", "is not the ARN of a role"),
        (
            "arn:aws:sts::222222222222:assumed-role/x/y",
            "give the ARN of its role",
        ),
        ("arn:aws:iam::222222222222:role/*", "role name"),
    ] {
        let body = json!({ "role_arn": role_arn }).to_string();
        let call = Call {
            key: "POST /v1/connections/{id}/role",
            id: &id,
            body: Some(&body),
            ..Call::default()
        };
        assert_refused(&api.call("acme", &call).await, role_arn, said);
    }
}

#[tokio::test]
async fn what_does_not_go_with_the_state_is_a_conflict() {
    let api = Api::new();
    let waiting = api.world.link("acme").await.id().to_string();
    let active = api.world.connect("acme", &account("222222222222")).await;
    let active = active.connection.id().to_string();
    let body = Some(r#"{"role_arn":"arn:aws:iam::222222222222:role/x"}"#);
    for call in [
        Call {
            key: "POST /v1/connections/{id}/rotate-external-id",
            id: &waiting,
            ..Call::default()
        },
        Call {
            key: "DELETE /v1/connections/{id}/rotate-external-id",
            id: &waiting,
            ..Call::default()
        },
        Call {
            key: "POST /v1/connections/{id}/role",
            id: &active,
            body,
            ..Call::default()
        },
    ] {
        let answer = api.call("acme", &call).await;
        assert_eq!(answer.status_code, 409, "{}: {answer:?}", call.key);
        assert_eq!(problem(&answer)["type"], "urn:latchkey:problem:conflict");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_a_503_that_says_nothing_of_it() {
    use latchkey_testing::faults::When;
    for (row, door) in rows() {
        let (api, id) = row.open(door).await;
        api.world.faults.fail_call(0, When::Before);
        let answer = api.call("acme", &row.good(&id)).await;
        assert_eq!(answer.status_code, 503, "{}: {answer:?}", row.key);
        let body = problem(&answer);
        assert_eq!(body["type"], "urn:latchkey:problem:unavailable");
        assert!(
            !answer.body.contains("dynamodb") && !answer.body.contains("fault"),
            "{answer:?}"
        );
    }
}

//! Every shape that a client reads, byte for byte: clients are built against it.

use latchkey_api_types::{
    connection::ConnectionBody,
    options::OptionsBody,
    page::PageBody,
    problem::{CONTENT_TYPE, ProblemBody},
    template::VersionsBody,
};
use latchkey_core::{domain::proof::reason::ReasonCode, ports::Clock as _};
use latchkey_testing::{
    builders::{account, role},
    customer_stack::CustomerStack,
    scripted_sts::Trust,
    world::World,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Api, Call};

const CREATE: &str = "POST /v1/connections";
const LIST: &str = "GET /v1/connections";
const SHOW: &str = "GET /v1/connections/{id}";
const END: &str = "DELETE /v1/connections/{id}";
const NAME_ROLE: &str = "POST /v1/connections/{id}/role";
const ROTATE: &str = "POST /v1/connections/{id}/rotate-external-id";
const CANCEL: &str = "DELETE /v1/connections/{id}/rotate-external-id";
const OPTIONS: &str = "GET /v1/options";
const VERSIONS: &str = "GET /v1/template-versions";

/// The same in each run.
const STACK_UUID: &str = "1e7119ba-aeb9-4000-8000-2fb595d9d541";

/// Calls, and what was answered to each.
struct Recorded {
    api: Api,
    lines: String,
}

impl Recorded {
    async fn call(&mut self, what: &str, call: Call<'_>) -> Value {
        let answer = self.api.call("acme", &call).await;
        let (status, kind) = (answer.status_code, &answer.headers["content-type"]);
        self.lines.push_str(&format!(
            "# {what}\n{} → {status} {kind}\n{}\n\n",
            call.key, answer.body
        ));
        both_ways(call.key, kind, &answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn made(&mut self, what: &str, body: &Value) -> String {
        let body = body.to_string();
        let call = Call {
            key: CREATE,
            body: Some(&body),
            ..Call::default()
        };
        text(&self.call(what, call).await, "id")
    }

    async fn of(&mut self, what: &str, key: &str, id: &str) -> Value {
        self.call(
            what,
            Call {
                key,
                id,
                ..Call::default()
            },
        )
        .await
    }

    async fn role(&mut self, what: &str, id: &str, body: Value) {
        let body = body.to_string();
        self.call(
            what,
            Call {
                key: NAME_ROLE,
                id,
                body: Some(&body),
                ..Call::default()
            },
        )
        .await;
    }
}

/// What a client reads is all that was written.
fn both_ways(key: &str, content_type: &str, body: &str) {
    fn again<T: Serialize + DeserializeOwned>(body: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<T>(body).unwrap()).unwrap()
    }
    let read = match key {
        _ if content_type == CONTENT_TYPE => again::<ProblemBody>(body),
        LIST => again::<PageBody>(body),
        VERSIONS => again::<VersionsBody>(body),
        OPTIONS => again::<OptionsBody>(body),
        _ => again::<ConnectionBody>(body),
    };
    assert_eq!(read, body);
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap().to_owned()
}

/// A stack of the template `version` asks for the connection of `shown`; `trust` is what its role accepts.
async fn launch(world: &World, shown: &Value, digits: &str, version: &str, trust: Trust) {
    let stack_id = format!("arn:aws:cloudformation:eu-west-1:{digits}:stack/Latchkey/{STACK_UUID}");
    let stack = CustomerStack::of(&stack_id.parse().unwrap());
    let role_arn = role(&account(digits), "Latchkey-ConnectionRole-1M2X3Y4Z5A6B");
    world.sts.put_role(&role_arn, trust);
    let external_id = text(shown, "external_id").parse().unwrap();
    let create = stack
        .create(&external_id, &role_arn)
        .with_property("TemplateVersion", version)
        .sent_at(world.clock.now())
        .signed(&world.bucket);
    world.complete(&create).await;
}

#[tokio::test]
async fn the_wire_format_is_what_it_was() {
    let mut all = Recorded {
        api: Api::new(),
        lines: String::new(),
    };
    let full = json!({
        "name": "Ärzte & \"Söhne\"", "description": "all of it", "tags": { "team": "blue", "a": "b" },
        "account_id": "222222222222", "region": "eu-west-1", "permission_tier": "larger",
    });
    let full = all.made("a link with everything", &full).await;
    let any = all
        .made("a link with a name alone", &json!({ "name": "x" }))
        .await;
    let shown = all.of("a link that waits", SHOW, &any).await;

    let trust = Trust::only(&text(&shown, "external_id").parse().unwrap());
    launch(&all.api.world, &shown, "333333333333", "0.9.0", trust.clone()).await;
    all.of("active, with an update", SHOW, &any).await;
    all.of("a rotation", ROTATE, &any).await;
    all.of("a rotation again", ROTATE, &any).await;
    all.of("no rotation any more", CANCEL, &any).await;
    let role_arn = role(&account("333333333333"), "Latchkey-ConnectionRole-1M2X3Y4Z5A6B");
    all.api.world.sts.put_role(&role_arn, Trust::nobody());
    let (tenant, id) = ("acme".parse().unwrap(), any.parse().unwrap());
    all.api.world.recheck.run(&tenant, &id).await.unwrap();
    all.of("degraded", SHOW, &any).await;

    let failed = all
        .made("a link whose stack fails", &json!({ "name": "x" }))
        .await;
    let shown = all.of("it waits", SHOW, &failed).await;
    launch(&all.api.world, &shown, "444444444444", "1.0.0", Trust::open()).await;
    all.of("a link whose stack failed", SHOW, &failed).await;
    let by_hand = role(&account("444444444444"), "ByHand");
    all.role(
        "a role by hand is being verified",
        &failed,
        json!({ "role_arn": by_hand }),
    )
    .await;
    let trust = Trust::only(&text(&shown, "external_id").parse().unwrap());
    all.api.world.sts.put_role(&by_hand, trust);
    all.api.world.drain().await;
    all.of("a role by hand", SHOW, &failed).await;
    all.of("its rotation has no command", ROTATE, &failed).await;
    let nowhere = role(&account("444444444444"), "Nowhere");
    all.role("another role by hand", &failed, json!({ "role_arn": nowhere }))
        .await;
    all.api.world.drain().await;
    all.of("which failed", SHOW, &failed).await;

    let rules = json!({ "max_accounts": 3, "allowed_accounts": ["555555555555", "666666666666"] });
    let body = json!({ "name": "org", "kind": "organization", "organization": rules });
    let organization = all.made("an organization", &body).await;
    let shown = all.of("it waits", SHOW, &organization).await;
    let trust = Trust::only(&text(&shown, "external_id").parse().unwrap());
    launch(&all.api.world, &shown, "555555555555", "1.0.0", trust).await;
    launch(&all.api.world, &shown, "666666666666", "1.0.0", Trust::open()).await;
    all.of("an organization with a member and a failure", SHOW, &organization)
        .await;
    all.of("a member", SHOW, &format!("{organization}-555555555555"))
        .await;
    all.of("a rotation of an organization", ROTATE, &organization)
        .await;

    let query = [("member_of", organization.as_str())];
    all.call(
        "the members",
        Call {
            key: LIST,
            query: &query,
            ..Call::default()
        },
    )
    .await;
    all.of("an end", END, &full).await;
    let ended = all.of("an end of an organization", END, &organization).await;
    assert_eq!(ended["status"], "disconnected");
    let query = [("limit", "2")];
    all.call(
        "a page with a next one",
        Call {
            key: LIST,
            query: &query,
            ..Call::default()
        },
    )
    .await;
    all.call(
        "a page of all",
        Call {
            key: LIST,
            ..Call::default()
        },
    )
    .await;
    all.call(
        "the template versions",
        Call {
            key: VERSIONS,
            ..Call::default()
        },
    )
    .await;

    all.of("nobody's", SHOW, "conn_tz4a98xxat96iws9zmbrgj3a").await;
    all.of("not connected", ROTATE, &full).await;
    all.role("a role for what has ended", &full, json!({ "role_arn": by_hand }))
        .await;
    all.call(
        "no such route",
        Call {
            key: "GET /",
            ..Call::default()
        },
    )
    .await;
    insta::assert_snapshot!(all.lines);
}

/// Apart from the snapshot, which would change with each new reason.
#[tokio::test]
async fn what_can_be_chosen_is_told_with_its_limits_and_reasons() {
    let api = Api::new();
    let call = Call {
        key: OPTIONS,
        ..Call::default()
    };
    let answer = api.call("acme", &call).await;
    both_ways(OPTIONS, "application/json", &answer.body);
    let mut body: Value = serde_json::from_str(&answer.body).unwrap();
    let reasons = body.as_object_mut().unwrap().remove("reasons").unwrap();
    let codes = ReasonCode::ALL.map(|code| json!({ "code": code, "message": code.sentence() }));
    assert_eq!(reasons, json!(codes));
    let expected = json!({
        "regions": ["eu-west-1"], "default_region": "eu-west-1",
        "permission_tiers": [{ "name": "test", "summary": "What tests look at." }],
        "limits": {
            "link_lifetime_seconds": 604_800, "requires_account_id": false, "name_chars": 128,
            "description_chars": 1_024, "tags": 20, "tag_key_chars": 64, "tag_value_chars": 256,
            "accounts_of_an_organization": 1_000, "page": 100,
        },
    });
    assert_eq!(body, expected);
}

//! What is made is shown, page by page, to its tenant alone.

use std::collections::BTreeSet;

use latchkey_core::domain::connection::Organization;
use latchkey_testing::{
    builders::account,
    faults::{Operation, When},
    scripted_sts::Trust,
};
use serde_json::{Value, json};

use crate::{Api, Call};

const CREATE: &str = "POST /v1/connections";
const LIST: &str = "GET /v1/connections";
const SHOW: &str = "GET /v1/connections/{id}";

async fn made(api: &Api, tenant: &str, body: &Value) -> Value {
    let body = body.to_string();
    let call = Call {
        key: CREATE,
        body: Some(&body),
        ..Call::default()
    };
    let answer = api.call(tenant, &call).await;
    assert_eq!(answer.status_code, 201, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn page(api: &Api, tenant: &str, query: &[(&str, &str)]) -> Value {
    let answer = api
        .call(
            tenant,
            &Call {
                key: LIST,
                query,
                ..Call::default()
            },
        )
        .await;
    assert_eq!(answer.status_code, 200, "{query:?}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn ids(page: &Value) -> Vec<String> {
    let connections = page["connections"].as_array().unwrap();
    connections
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_show_each_connection_once_and_nobody_elses() {
    const CONNECTIONS: usize = 120;
    let api = Api::new();
    let mut all = BTreeSet::new();
    for _ in 0..CONNECTIONS {
        let link = made(&api, "acme", &json!({ "name": "Paged" })).await;
        all.insert(link["id"].as_str().unwrap().to_owned());
    }
    let foreign = made(&api, "globex", &json!({ "name": "Paged" })).await;
    for (limit, size, pages) in [("", 50, 3), ("100", 100, 2), ("7", 7, 18), ("1", 1, 120)] {
        let (mut seen, mut after, mut count) = (Vec::new(), String::new(), 0);
        loop {
            let given = [("limit", limit), ("after", after.as_str())];
            let query: Vec<_> = given.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let shown = page(&api, "acme", &query).await;
            for connection in shown["connections"].as_array().unwrap() {
                assert_eq!(connection.get("launch_url"), None, "a list has no links");
            }
            let found = ids(&shown);
            assert!(found.len() <= size && (!found.is_empty() || shown.get("next_after").is_none()));
            seen.extend(found);
            count += 1;
            match shown["next_after"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => break,
            }
        }
        assert_eq!(seen.len(), CONNECTIONS, "none comes twice");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
        assert!((pages..=pages + 1).contains(&count), "{count} pages of {limit:?}");
    }
    assert_eq!(
        ids(&page(&api, "globex", &[]).await),
        [foreign["id"].as_str().unwrap()]
    );
    // A page key of another tenant is a place in one's own list, no more.
    let last = all.iter().next_back().unwrap();
    let from = page(&api, "globex", &[("after", last.as_str())]).await;
    assert!(ids(&from).iter().all(|id| !all.contains(id)));
}

#[tokio::test]
async fn a_page_of_an_organization_begins_after_its_own_member() {
    let api = Api::new();
    let body = json!({ "name": "x", "kind": "organization" });
    let organization = made(&api, "acme", &body).await["id"].as_str().unwrap().to_owned();
    for (after, status) in [
        (format!("{organization}-222222222222"), 200),
        (organization.clone(), 400),
    ] {
        let query = [("member_of", organization.as_str()), ("after", after.as_str())];
        let answer = api
            .call(
                "acme",
                &Call {
                    key: LIST,
                    query: &query,
                    ..Call::default()
                },
            )
            .await;
        assert_eq!(answer.status_code, status, "{answer:?}");
    }
}

#[tokio::test]
async fn texts_that_only_look_dangerous_are_kept() {
    let api = Api::new();
    let body = json!({
        "name": "Ärzte & Söhne <script>alert(\"1\")</script> '日本'; DROP TABLE",
        "description": "${jndi:ldap://x} {{7*7}} %s \\n",
        "tags": { "k\"'<>": "v`$(x)" },
        "account_id": "222222222222",
    });
    let link = made(&api, "acme", &body).await;
    for field in ["name", "description", "tags", "account_id"] {
        assert_eq!(link[field], body[field]);
    }
    let id = link["id"].as_str().unwrap();
    let shown = api
        .call(
            "acme",
            &Call {
                key: SHOW,
                id,
                ..Call::default()
            },
        )
        .await;
    assert_eq!(serde_json::from_str::<Value>(&shown.body).unwrap(), link);
}

#[tokio::test]
async fn a_look_at_a_connection_writes_nothing() {
    let api = Api::new();
    let world = &api.world;
    let rules = Organization::new(Some(2), BTreeSet::new()).unwrap();
    let organization = world.organization("acme", rules).await;
    let (stack, role_arn) = world.customer_of(&organization, &account("222222222222"));
    let create = stack
        .create(organization.external_id(), &role_arn)
        .signed(&world.bucket);
    assert!(world.complete(&create).await.success);
    world
        .rotate
        .start(organization.tenant(), organization.id())
        .await
        .unwrap();
    let rotating = world.reload(&organization).await;
    let next = rotating.rotation().unwrap().external_id.clone();
    // The last member moves, and what should end the rotation breaks off.
    world.sts.put_role(&role_arn, Trust::only(&next));
    let update = stack.update(&create.physical_resource_id(), &next, &role_arn);
    world.receive(&update.signed(&world.bucket)).await.unwrap();
    world.faults.fail_next(Operation::List, 1, When::Before);
    let waiting = world.queue.take_all();
    assert!(world.work(&waiting[0].task, 1).await.is_err());

    let before = (world.store.all_connections(), world.store.item_count());
    let id = organization.id().as_str();
    let shown = api
        .call(
            "acme",
            &Call {
                key: SHOW,
                id,
                ..Call::default()
            },
        )
        .await;
    let shown: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(shown["rotation"]["external_id"], json!(next));
    page(&api, "acme", &[]).await;
    assert_eq!((world.store.all_connections(), world.store.item_count()), before);
}

//! What the vendor's support finds over all tenants.

use latchkey_api_types::search::SearchBody;
use latchkey_testing::builders::{account, role};
use link_generator::router::Door;
use serde_json::{Value, json};

use crate::{Api, Call, SEARCH, refusals::assert_refused};

async fn search(api: &Api, query: &[(&str, &str)]) -> Value {
    let call = Call {
        key: SEARCH,
        query,
        ..Call::default()
    };
    let answer = api.call("", &call).await;
    assert_eq!(answer.status_code, 200, "{query:?}: {answer:?}");
    let read: SearchBody = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        serde_json::to_string(&read).unwrap(),
        answer.body,
        "what a client reads is all of it"
    );
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn what_is_found_says_whose_it_is_and_all_that_its_tenant_sees() {
    let api = Api::at(Door::Vendor);
    let customer = api.world.connect("org:42/eu", &account("222222222222")).await;
    let connection = api.world.reload(&customer.connection).await;
    let (id, external_id) = (connection.id().as_str(), connection.external_id().as_str());
    let role_arn = connection.live_binding().unwrap().role_arn.to_string();
    api.world.connect("globex", &account("333333333333")).await;
    let list = Call {
        key: "GET /v1/connections",
        ..Call::default()
    };
    let mut tenants = Api {
        door: Door::Tenant,
        ..api
    };
    let seen = tenants.call("org:42/eu", &list).await;
    let seen: Value = serde_json::from_str(&seen.body).unwrap();
    let mut expected = seen["connections"][0].clone();
    expected["tenant"] = json!("org:42/eu");
    tenants.door = Door::Vendor;
    for query in [
        ("connection_id", id),
        ("external_id", external_id),
        ("role_arn", &role_arn),
        ("account_id", "222222222222"),
    ] {
        let found = search(&tenants, &[query]).await;
        assert_eq!(found, json!({ "connections": [expected] }), "{query:?}");
    }
    for query in [
        ("connection_id", "conn_tz4a98xxat96iws9zmbrgj3a"),
        ("external_id", "tz4a98xxat96iws9zmbrgj3atz4a98xx"),
        ("role_arn", "arn:aws:iam::222222222222:role/Other"),
        ("account_id", "444444444444"),
        ("status", "degraded"),
    ] {
        assert_eq!(
            search(&tenants, &[query]).await,
            json!({ "connections": [] }),
            "{query:?}"
        );
    }
}

#[tokio::test]
async fn pages_of_an_account_go_on_where_they_ended() {
    let api = Api::at(Door::Vendor);
    for tenant in ["acme", "auth0|7", "globex"] {
        let role = role(&account("222222222222"), &format!("Of{}", tenant.len()));
        api.world.connect_role(tenant, &role).await;
    }
    let (mut tenants, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("account_id", "222222222222"), ("limit", "1")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = search(&api, &query).await;
        let found = page["connections"].as_array().unwrap();
        tenants.extend(found.iter().map(|it| it["tenant"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_after"].as_str() else {
            break;
        };
        after = Some(next.to_owned());
    }
    assert_eq!(tenants, ["acme", "auth0|7", "globex"]);
}

#[tokio::test]
async fn exactly_one_thing_is_looked_for() {
    let api = Api::at(Door::Vendor);
    for query in [
        &[][..],
        &[("limit", "10")],
        &[("status", "degraded"), ("account_id", "222222222222")],
        &[
            ("connection_id", "conn_tz4a98xxat96iws9zmbrgj3a"),
            ("external_id", "tz4a98xxat96iws9zmbrgj3atz4a98xx"),
        ],
    ] {
        let call = Call {
            key: SEARCH,
            query,
            ..Call::default()
        };
        assert_refused(
            &api.call("", &call).await,
            &format!("{query:?}"),
            "exactly one of",
        );
    }
    for status in ["active", "pending", "Degraded", ""] {
        let query = [("status", status)];
        let call = Call {
            key: SEARCH,
            query: &query,
            ..Call::default()
        };
        assert_refused(&api.call("", &call).await, status, "must be degraded");
    }
}

/// It would begin anew, and never end.
#[tokio::test]
async fn a_page_of_another_search_is_not_gone_on_from() {
    let api = Api::at(Door::Vendor);
    let id = "conn_tz4a98xxat96iws9zmbrgj3a";
    for (name, value, after) in [
        ("status", "degraded", "t:acme"),
        ("account_id", "222222222222", "s:0"),
        ("connection_id", id, "s:0"),
        ("role_arn", "arn:aws:iam::222222222222:role/x", "t:acme"),
    ] {
        let query = [(name, value), ("after", after)];
        let call = Call {
            key: SEARCH,
            query: &query,
            ..Call::default()
        };
        assert_refused(&api.call("", &call).await, after, "the same search");
    }
}

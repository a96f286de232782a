//! The page over the real API: what it shows of real answers, and that the calls that it offers do what it says.

use std::collections::BTreeSet;

use latchkey_core::domain::instructions::launch_link::LaunchLink;
use latchkey_tests::{
    Error,
    api::{Answer, Api},
    scene::{Scene, assert_shows, text},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Page, action};

/// Does exactly what the page would do.
async fn act(api: &Api, action: &Value) -> Result<Answer, Error> {
    let method: Method = text(action, "method")?.parse()?;
    api.call(method, &text(action, "path")?, None).await
}

#[tokio::test]
async fn an_unbound_link_is_taken_and_the_page_names_the_account_and_undoes_it_in_one_call()
-> Result<(), Error> {
    let (scene, page) = (Scene::open()?, Page::open()?);
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let waiting = page.view(&link)?;
    assert_eq!(waiting["account"]["line"], "Any account can take this link");
    assert_eq!(waiting["launch"]["link"]["url"], link["launch_url"]);

    let stranger = scene.new_customer("us-east-1").await?;
    stranger.follow(&link).await?;
    let id = text(&link, "id")?;
    let shown = page.view(&api.wait_for(&id, "active").await?)?;
    let account = &shown["account"];
    assert_eq!(account["number"], stranger.account);
    assert_eq!(
        account["line"],
        format!(
            "This link was taken by account {}; is that yours?",
            stranger.account
        )
    );
    assert!(text(account, "detail")?.starts_with("An external ID is not a secret."));
    assert_eq!(account["action"]["label"], "Not ours: disconnect");
    for end in [&account["action"], action(&shown, "disconnect")?] {
        assert_eq!(end["method"], "DELETE");
        assert_eq!(end["path"], format!("/v1/connections/{id}"));
        assert!(text(&end["confirm"], "text")?.contains(&stranger.account));
    }

    let ended = act(&api, &account["action"]).await?;
    assert_eq!(ended.status, 200, "{}", ended.body);
    for body in [ended.body, api.get(&id).await?] {
        assert_eq!(body["status"], "disconnected");
        let after = page.view(&body)?;
        assert_eq!(after["status"]["label"], "Disconnected");
        assert_eq!(
            after["account"]["line"],
            format!("Was connected to account {}", stranger.account)
        );
        assert_eq!(after["reason"]["message"], body["reason"]["message"]);
        assert_shows(&after, json!({ "actions": [], "account": { "action": null } }));
    }
    Ok(())
}

#[tokio::test]
async fn a_link_made_for_one_account_tells_why_another_failed_and_asks_nothing_once_its_own_took_it()
-> Result<(), Error> {
    let (scene, page) = (Scene::open()?, Page::open()?);
    let api = scene.acme()?;
    let (owner, thief) = (
        scene.new_customer("us-east-1").await?,
        scene.new_customer("us-east-1").await?,
    );
    let fields = json!({ "name": " For one account ", "account": owner.account, "tier": "" });
    let asked = page.call("newConnection", &[fields])?;
    let link = api.create(&asked["body"]).await?;
    let (id, url) = (text(&link, "id")?, text(&link, "launch_url")?);
    assert_eq!(link["expected_account_id"], json!(owner.account));
    let only = format!("Only account {} can take this link", owner.account);
    assert_eq!(page.view(&link)?["account"]["line"], only);

    let stack = thief.open(&url, None).await?;
    thief.wait(&stack).await?.expect("ROLLBACK_COMPLETE")?;
    let failed = api.wait_for_reason(&id).await?;
    let shown = page.view(&failed)?;
    assert_eq!(shown["status"]["label"], "Not connected yet");
    assert_eq!(shown["reason"]["message"], failed["reason"]["message"]);
    assert_shows(
        &shown,
        json!({ "reason": { "code": "account_mismatch" }, "account": { "line": only } }),
    );
    let settled = |failure: &Value| {
        page.call(
            "isSettled",
            &[json!("connected"), failed.clone(), failure.clone()],
        )
    };
    assert_eq!(settled(&Value::Null)?, true);
    // The same link works again: what failed before is no news.
    assert_eq!(settled(&json!("account_mismatch"))?, false);

    let stack = owner.open(&url, None).await?;
    owner.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    let active = api.wait_for(&id, "active").await?;
    assert_eq!(
        page.call("isSettled", &[json!("connected"), active.clone(), Value::Null])?,
        true
    );
    let known = page.view(&active)?;
    assert_eq!(
        known["account"]["line"],
        format!("Connected to account {}", owner.account)
    );
    assert_eq!(known["account"]["action"], Value::Null);
    assert_eq!(
        action(&known, "disconnect")?["path"],
        format!("/v1/connections/{id}")
    );
    Ok(())
}

#[tokio::test]
async fn a_rotation_is_started_shown_and_taken_back_by_the_calls_that_the_page_offers() -> Result<(), Error> {
    let (scene, page) = (Scene::open()?, Page::open()?);
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.follow(&link.shown).await?;
    let active = api.wait_for(&link.id, "active").await?;
    let before = page.view(&active)?;
    let role = json!({ "label": "Role", "value": active["role_arn"], "isCode": true, "isWide": true });
    assert!(
        before["facts"]
            .as_array()
            .is_some_and(|facts| facts.contains(&role)),
        "{before}"
    );
    assert_eq!(before["rotation"], Value::Null);

    let started = act(&api, action(&before, "rotate")?).await?;
    assert_eq!(started.status, 201, "{}", started.body);
    let open = page.view(&started.body)?;
    let rotation = &started.body["rotation"];
    assert_eq!(open["rotation"]["externalId"], rotation["external_id"]);
    assert_eq!(open["rotation"]["instruction"], rotation["instruction"]);
    assert!(rotation["update_url"].is_string() && rotation["update_command"].is_string());
    assert_eq!(open["rotation"]["link"]["url"], rotation["update_url"]);
    assert_eq!(open["rotation"]["command"], rotation["update_command"]);
    let rotated =
        |connection: &Value| page.call("isSettled", &[json!("rotated"), connection.clone(), Value::Null]);
    assert_eq!(rotated(&started.body)?, false);

    let cancelled = act(&api, action(&open, "cancel_rotation")?).await?;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    assert_eq!(rotated(&cancelled.body)?, true);
    let after = page.view(&cancelled.body)?;
    assert_eq!(after["rotation"], Value::Null);
    assert_eq!(action(&after, "rotate")?["method"], "POST");
    Ok(())
}

#[tokio::test]
async fn the_list_is_read_by_pages_and_the_link_comes_from_the_connection_itself() -> Result<(), Error> {
    let (scene, page) = (Scene::open()?, Page::open()?);
    let api = scene.new_tenant().await?;
    let mut made = BTreeSet::new();
    for number in 0..21 {
        made.insert(text(
            &api.create(&json!({ "name": format!("Number {number}") })).await?,
            "id",
        )?);
    }
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let path = page.call("listPath", std::slice::from_ref(&after))?;
        let answer = api
            .call(Method::GET, path.as_str().unwrap_or_default(), None)
            .await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut list = page.call("pageOf", std::slice::from_ref(&answer.body))?;
        seen.extend(list["connections"].as_array().into_iter().flatten().cloned());
        after = list["after"].take();
        if after.is_null() {
            break;
        }
    }
    let ids: BTreeSet<String> = seen
        .iter()
        .map(|connection| text(connection, "id"))
        .collect::<Result<_, _>>()?;
    assert_eq!((seen.len(), ids), (21, made));

    let listed = page.view(&seen[0])?;
    assert_eq!(listed["launch"], Value::Null, "a list shows no links");
    let whole = act(&api, action(&listed, "show_link")?).await?.body;
    let url = text(&page.view(&whole)?["launch"]["link"], "url")?;
    assert_eq!(
        LaunchLink::parse(&url)?.external_id.as_str(),
        text(&seen[0], "external_id")?
    );
    let merged = page.call("merged", &[whole.clone(), seen[0].clone()])?;
    // A refreshed list takes no link away.
    assert_eq!(merged["launch_url"], whole["launch_url"]);
    Ok(())
}

#[tokio::test]
async fn an_organization_tells_how_far_its_accounts_are_and_each_of_them_is_asked_about() -> Result<(), Error>
{
    let (scene, page) = (Scene::open()?, Page::open()?);
    let api = scene.acme()?;
    let link = api
        .create(&json!({ "name": "All of ours", "kind": "organization", "region": "us-east-1" }))
        .await?;
    let id = text(&link, "id")?;
    let member = scene.new_customer("us-east-1").await?;
    member.follow(&link).await?;
    let shown = page.view(&api.get(&id).await?)?;
    assert_eq!(shown["account"]["line"], "Accounts: 1 of 1 active");
    let one = page.view(&api.get(&format!("{id}-{}", member.account)).await?)?;
    assert_eq!(one["account"]["tone"], "question");
    let undo = &one["account"]["action"];
    assert_shows(
        undo,
        json!({ "method": "DELETE", "path": format!("/v1/connections/{id}-{}", member.account) }),
    );
    Ok(())
}

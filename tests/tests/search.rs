//! People find a connection among all that its tenant has: by status, by account, page by page.
//!
//! How long the API takes for it is printed. `LATCHKEY_LISTED_CONNECTIONS` asks for more of them than an ordinary run has.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use latchkey_tests::{
    Error,
    api::{Answer, Api},
    scene::{Connected, OwnScene, Scene, text},
};
use reqwest::Method;
use serde_json::Value;

/// Connections of one tenant in an ordinary run.
const CONNECTIONS: usize = 1_000;
/// The pages of a list whose times are told: the first ones, and the last.
const TIMED_PAGES: usize = 20;

async fn list(api: &Api, query: &str) -> Result<Answer, Error> {
    api.call(Method::GET, &format!("/v1/connections?{query}"), None)
        .await
}

/// The ids of all pages of a list, and how long each page took.
async fn all(api: &Api, query: &str) -> Result<(Vec<String>, Vec<Duration>), Error> {
    let (mut ids, mut took, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let begun = Instant::now();
        let answer = list(api, &format!("{query}{after}")).await?;
        took.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        for connection in answer.body["connections"].as_array().ok_or("no list")? {
            ids.push(text(connection, "id")?);
        }
        match answer.body["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((ids, took)),
        }
    }
}

async fn found(api: &Api, query: &str) -> Result<Vec<String>, Error> {
    Ok(all(api, query).await?.0)
}

#[tokio::test]
async fn a_connection_is_found_by_its_status_and_by_its_account() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (api, other) = (scene.new_tenant().await?, scene.globex()?);
    let pending = text(&scene.link(&api, "us-east-1").await?, "id")?;
    let (active, lost, ended) = futures::try_join!(
        scene.connect(&api, "us-east-1"),
        scene.connect(&api, "us-east-1"),
        scene.connect(&api, "us-east-1")
    )?;
    lost.customer.delete_role(Connected::ROLE).await?;
    let is_degraded = |connection: &Value| connection["status"] == "degraded";
    scene.revalidate_until(&api, &lost.id, is_degraded).await?;
    api.delete(&ended.id).await?;
    for (status, expected) in [
        ("pending", vec![&pending]),
        ("verifying", vec![]),
        ("active", vec![&active.id]),
        ("degraded", vec![&lost.id]),
        ("disconnected", vec![&ended.id]),
        ("expired", vec![]),
    ] {
        let ids = found(&api, &format!("status={status}&limit=2")).await?;
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{status}");
    }
    let account = |it: &Connected| format!("account_id={}", it.customer.account);
    assert_eq!(
        found(&api, &account(&active)).await?,
        std::slice::from_ref(&active.id)
    );
    assert_eq!(
        found(&api, &account(&lost)).await?,
        std::slice::from_ref(&lost.id)
    );
    assert_eq!(
        found(&api, &account(&ended)).await?,
        [""; 0],
        "it holds nothing any more"
    );
    assert_eq!(
        found(&other, &account(&active)).await?,
        [""; 0],
        "nobody else's (I8)"
    );
    let both = format!("{}&status=degraded", account(&active));
    assert_eq!(found(&api, &both).await?, [""; 0]);
    let shown = &list(&api, &account(&active)).await?.body["connections"][0];
    assert_eq!(shown["account_id"], active.customer.account);
    Ok(())
}

#[tokio::test]
async fn one_among_thousands_is_on_the_first_page_and_no_page_leaves_one_out() -> Result<(), Error> {
    let connections = match std::env::var("LATCHKEY_LISTED_CONNECTIONS") {
        Ok(number) => number.parse()?,
        Err(_) => CONNECTIONS,
    };
    let own = OwnScene::open().await?;
    let scene = &own.scene;
    let (api, other) = (scene.acme()?, scene.globex()?);
    let (one, lost, neighbour) = futures::try_join!(
        scene.connect(&api, "us-east-1"),
        scene.connect(&api, "us-east-1"),
        scene.connect(&other, "us-east-1")
    )?;
    lost.customer.delete_role(Connected::ROLE).await?;
    let is_degraded = |connection: &Value| connection["status"] == "degraded";
    scene.revalidate_until(&api, &lost.id, is_degraded).await?;
    scene.multiply("globex", &neighbour.id, connections).await?;
    scene.multiply("acme", &one.id, connections).await?;

    let (ids, took) = all(&api, "limit=100").await?;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((distinct.len(), ids.len()), (connections + 2, connections + 2));
    let of_active = found(&api, "status=active&limit=100").await?;
    let but_lost: BTreeSet<&String> = distinct.iter().copied().filter(|id| **id != lost.id).collect();
    assert_eq!(of_active.iter().collect::<BTreeSet<_>>(), but_lost);
    assert_eq!(of_active.len(), connections + 1);

    let mut lines = vec![
        (
            "the first pages of 100",
            took[..took.len().min(TIMED_PAGES)].to_vec(),
        ),
        (
            "the last pages of 100",
            took[took.len().saturating_sub(TIMED_PAGES)..].to_vec(),
        ),
    ];
    let by_account = format!("account_id={}", lost.customer.account);
    for (what, query) in [
        ("the only degraded one", "status=degraded"),
        ("the one of an account", by_account.as_str()),
    ] {
        let mut took = Vec::new();
        for _ in 0..TIMED_PAGES {
            let (ids, pages) = all(&api, query).await?;
            assert_eq!(ids, std::slice::from_ref(&lost.id), "{what}");
            assert_eq!(pages.len(), 1, "{what}: the first page has it");
            took.extend(pages);
        }
        lines.push((what, took));
    }
    eprintln!("{connections} connections of a tenant beside {connections} of another");
    for (what, mut took) in lines {
        took.sort_unstable();
        eprintln!(
            "{what}: median {:?}, longest {:?}",
            took[took.len() / 2],
            took[took.len() - 1]
        );
    }
    Ok(())
}

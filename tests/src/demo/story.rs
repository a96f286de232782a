//! The chapters, in the order in which they are told.

use futures::future::try_join3;
use serde_json::{Value, json};

use super::screen::Screen;
use crate::{
    Error,
    api::Api,
    customer::{Customer, StackOutcome},
    local_aws::Ready,
    scene::Scene,
    stack_template::{StackTemplate, trust_policy},
};

/// What one chapter tells of one connection, and whether it ended as it should.
#[derive(Debug)]
pub struct Chapter {
    /// What the chapter is about.
    title: &'static str,
    /// The connection as the API shows it at its end.
    connection: Value,
    /// The stack's status at its end, and the reason in its events if it failed.
    stack: Value,
    /// Whether all of it is as it should be.
    as_expected: bool,
}

/// One line of JSON for each connection: how it stands at the end, and what happened to it on the way.
pub fn summaries(chapters: &[Chapter]) -> Vec<Value> {
    let mut lines: Vec<Value> = Vec::new();
    for chapter in chapters {
        let told =
            json!({ "story": chapter.title, "status": chapter.connection["status"], "stack": chapter.stack });
        let id = &chapter.connection["id"];
        let index = lines
            .iter()
            .position(|line| line["id"] == *id)
            .unwrap_or_else(|| {
                lines.push(json!({ "id": id, "as_expected": true, "chapters": [] }));
                lines.len() - 1
            });
        let line = &mut lines[index];
        line["status"] = chapter.connection["status"].clone();
        line["reason"] = chapter.connection["reason"]["code"].clone();
        line["account_id"] = chapter.connection["account_id"].clone();
        line["region"] = chapter.connection["region"].clone();
        if !chapter.as_expected {
            line["as_expected"] = json!(false);
        }
        if let Some(chapters) = line["chapters"].as_array_mut() {
            chapters.push(told);
        }
    }
    lines
}

/// Where the first customer launches: another account *and* another region than the vendor's hub.
const FIRST_CUSTOMER: (&str, &str) = ("222222222222", "eu-west-1");
/// The customer whose role asks for no external ID.
const CARELESS_CUSTOMER: (&str, &str) = ("333333333333", "us-east-1");
/// The customer whose role does not let the vendor in.
const CLOSED_CUSTOMER: (&str, &str) = ("444444444444", "ap-southeast-2");

/// Plays the whole story. Each chapter says whether it ended as it should.
pub async fn play(ready: &Ready) -> Result<Vec<Chapter>, Error> {
    let scene = Scene::of(ready.clone());
    let screen = Screen::new();
    let api = scene.acme()?;
    let first = connect(&scene, &screen, &api).await?;
    screen.heading("2 · Three customers get it wrong, and read why in their own stack's events");
    let (open_role, twice, closed) = try_join3(
        role_without_condition(&scene, &screen, &api),
        account_connected_twice(&scene, &screen, &api, &first),
        role_that_cannot_be_assumed(&scene, &screen, &api),
    )
    .await?;
    let loosened = loosen_and_repair(&scene, &screen, &api, &first).await?;
    let ended = disconnect(&screen, &api, &first).await?;
    Ok(vec![first.chapter, open_role, twice, closed, loosened, ended])
}

/// The first connection, which later chapters go on with.
struct Connected {
    chapter: Chapter,
    id: String,
    external_id: String,
    stack_id: String,
    role_name: String,
    customer: Customer,
}

async fn connect(scene: &Scene, screen: &Screen, api: &Api) -> Result<Connected, Error> {
    screen.heading("1 · A customer connects an AWS account");
    let (account, region) = FIRST_CUSTOMER;
    screen.step(
        "vendor's UI",
        &format!("POST /v1/connections {{\"name\": \"Production\", \"region\": \"{region}\"}}"),
    );
    let connection = api
        .create(&json!({ "name": "Production", "region": region }))
        .await?;
    let (id, external_id) = (text(&connection["id"]), text(&connection["external_id"]));
    screen.sees(&format!(
        "{id}: {}; external ID {external_id}, made by Latchkey for this connection alone",
        text(&connection["status"])
    ));
    screen.sees(&format!("launch link {}", text(&connection["launch_url"])));
    let customer = Customer::sign_in(&scene.ready.endpoint, account, region).await?;
    screen.step(
        "customer",
        &format!("opens the link in account {account}, {region}, and creates the stack"),
    );
    let stack = customer.open(&text(&connection["launch_url"]), None).await?;
    let mut shown = String::new();
    let connection = api
        .wait_until(&id, |connection| {
            let status = text(&connection["status"]);
            if status != shown {
                screen.sees(&format!("{status}: {}", sentence(&status)));
                shown = status.clone();
            }
            status == "active"
        })
        .await?;
    let outcome = customer.wait(&stack).await?;
    let as_expected = outcome.status == "CREATE_COMPLETE" && text(&connection["account_id"]) == account;
    screen.result(
        as_expected,
        &format!(
            "stack {}: role {} proven",
            outcome.status,
            text(&connection["role_arn"])
        ),
    );
    let role_name = text(&connection["role_arn"])
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let stack_id = outcome.stack_id.clone();
    let chapter = Chapter {
        title: "connects",
        connection,
        stack: stack_json(&outcome),
        as_expected,
    };
    Ok(Connected {
        chapter,
        id,
        external_id,
        stack_id,
        role_name,
        customer,
    })
}

async fn role_without_condition(scene: &Scene, screen: &Screen, api: &Api) -> Result<Chapter, Error> {
    let (account, region) = CARELESS_CUSTOMER;
    let connection = scene.link(api, region).await?;
    let customer = Customer::sign_in(&scene.ready.endpoint, account, region).await?;
    screen.step(
        "careless",
        &format!("{account} edited the template: its role asks for no external ID"),
    );
    let vendor_roles = format!(
        "arn:aws:iam::{}:role{}*",
        scene.ready.vendor_account, scene.ready.role_path
    );
    let template = StackTemplate::new(&scene.ready, &text(&connection["external_id"]))
        .condition(json!({ "ArnLike": { "aws:PrincipalArn": vendor_roles } }));
    customer.create_stack("careless", &template.text()).await?;
    let outcome = customer.wait("careless").await?;
    refused(
        screen,
        api,
        "role without the external-ID condition",
        &connection,
        &outcome,
        "external_id_not_enforced",
    )
    .await
}

async fn account_connected_twice(
    scene: &Scene,
    screen: &Screen,
    api: &Api,
    first: &Connected,
) -> Result<Chapter, Error> {
    let (account, region) = FIRST_CUSTOMER;
    let connection = scene.link(api, region).await?;
    let customer = Customer::sign_in(&scene.ready.endpoint, account, region).await?;
    screen.step(
        "forgetful",
        &format!("{account} is connected already, and launches a second link"),
    );
    let stack = customer.open(&text(&connection["launch_url"]), None).await?;
    let outcome = customer.wait(&stack).await?;
    let mut chapter = refused(
        screen,
        api,
        "account that is already connected",
        &connection,
        &outcome,
        "account_already_connected",
    )
    .await?;
    let untouched = text(&api.get(&first.id).await?["status"]) == "active";
    screen.result(
        untouched,
        "the first connection was not touched, neither by the failure nor by its rollback",
    );
    chapter.as_expected &= untouched;
    Ok(chapter)
}

async fn role_that_cannot_be_assumed(scene: &Scene, screen: &Screen, api: &Api) -> Result<Chapter, Error> {
    let (account, region) = CLOSED_CUSTOMER;
    let connection = scene.link(api, region).await?;
    let customer = Customer::sign_in(&scene.ready.endpoint, account, region).await?;
    screen.step(
        "closed",
        &format!(
            "{account}'s role trusts somebody else; a new role may take its time, so it is tried for 30 s"
        ),
    );
    let somebody = trust_policy(
        "999988887777",
        json!({ "StringEquals": { "sts:ExternalId": text(&connection["external_id"]) } }),
    );
    let template = StackTemplate::new(&scene.ready, &text(&connection["external_id"])).trust(somebody);
    customer.create_stack("closed", &template.text()).await?;
    let outcome = customer.wait("closed").await?;
    refused(
        screen,
        api,
        "role that cannot be assumed",
        &connection,
        &outcome,
        "role_not_assumable",
    )
    .await
}

async fn refused(
    screen: &Screen,
    api: &Api,
    title: &'static str,
    connection: &Value,
    outcome: &StackOutcome,
    code: &str,
) -> Result<Chapter, Error> {
    let reason = outcome
        .reasons
        .iter()
        .find(|reason| reason.contains("Message returned"))
        .cloned();
    let connection = api
        .wait_until(&text(&connection["id"]), |connection| {
            connection["reason"]["code"] == code
        })
        .await?;
    let as_expected = outcome.status.starts_with("ROLLBACK_COMPLETE")
        && reason.as_deref().is_some_and(|reason| reason.contains(code))
        && connection["status"] == "pending";
    screen.result(
        as_expected,
        &format!("{title}: stack {}, and in its events:", outcome.status),
    );
    screen.sees(&format!(
        "“{}”",
        reason.unwrap_or_else(|| "(no reason)".to_owned())
    ));
    Ok(Chapter {
        title,
        connection,
        stack: stack_json(outcome),
        as_expected,
    })
}

async fn loosen_and_repair(
    scene: &Scene,
    screen: &Screen,
    api: &Api,
    first: &Connected,
) -> Result<Chapter, Error> {
    screen.heading("3 · Later, the customer loosens the role, and the re-validator notices");
    let vendor_roles = format!(
        "arn:aws:iam::{}:role{}*",
        scene.ready.vendor_account, scene.ready.role_path
    );
    let principal = json!({ "aws:PrincipalArn": vendor_roles });
    screen.step(
        "customer",
        "removes the external-ID condition from the role's trust policy",
    );
    let loose = trust_policy(&scene.ready.vendor_account, json!({ "ArnLike": principal }));
    first
        .customer
        .set_trust(&first.role_name, &loose.to_string())
        .await?;
    screen.step(
        "schedule",
        "the re-validator's tick queues the connection's next check",
    );
    scene.revalidate().await?;
    let connection = api
        .wait_until(&first.id, |connection| connection["status"] == "degraded")
        .await?;
    let noticed = connection["reason"]["code"] == "external_id_not_enforced";
    screen.result(
        noticed,
        &format!("degraded: {}", text(&connection["reason"]["message"])),
    );
    screen.step("customer", "puts the condition back");
    let strict = trust_policy(
        &scene.ready.vendor_account,
        json!({ "ArnLike": principal, "StringEquals": { "sts:ExternalId": first.external_id } }),
    );
    first
        .customer
        .set_trust(&first.role_name, &strict.to_string())
        .await?;
    scene.revalidate().await?;
    let repaired = api
        .wait_until(&first.id, |connection| connection["status"] == "active")
        .await?;
    screen.result(true, "active again");
    let stack = json!({ "status": "CREATE_COMPLETE", "degraded_reason": connection["reason"]["code"] });
    Ok(Chapter {
        title: "loosened, noticed and repaired",
        connection: repaired,
        stack,
        as_expected: noticed,
    })
}

async fn disconnect(screen: &Screen, api: &Api, first: &Connected) -> Result<Chapter, Error> {
    screen.heading("4 · The customer deletes the stack");
    screen.step("customer", "deletes the stack; the role goes with it");
    let outcome = first.customer.delete_stack(&first.stack_id).await?;
    let connection = api
        .wait_until(&first.id, |connection| connection["status"] == "disconnected")
        .await?;

    let as_expected = outcome.status == "DELETE_COMPLETE";
    screen.result(
        as_expected,
        &format!(
            "stack {}; disconnected: {}",
            outcome.status,
            text(&connection["reason"]["message"])
        ),
    );
    Ok(Chapter {
        title: "disconnects",
        connection,
        stack: stack_json(&outcome),
        as_expected,
    })
}

fn stack_json(outcome: &StackOutcome) -> Value {
    json!({ "status": outcome.status, "reason": outcome.reasons.iter().find(|reason| reason.contains("Message returned")) })
}

fn sentence(status: &str) -> &'static str {
    match status {
        "pending" => "the link waits for a stack",
        "verifying" => "the stack asked to be connected; its role is being proven",
        "active" => {
            "accepted with the external ID, refused without one and with a wrong one, in the right account"
        }
        _ => "",
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

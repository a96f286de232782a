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
    title: &'static str,
    /// The connection as the API shows it at its end.
    connection: Value,
    /// The stack's status at its end, and the reason in its events if it failed.
    stack: Value,
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
        &format!(
            "POST {} {{\"name\": \"Production\", \"region\": \"{region}\"}}",
            api.path("/v1/connections")
        ),
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
    let role_arn = text(&connection["role_arn"]);
    screen.result(
        as_expected,
        &format!("stack {}: role {role_arn} proven", outcome.status),
    );
    let role_name = role_arn.rsplit('/').next().unwrap_or_default().to_owned();
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

/// A customer with a link, and the template that goes with it.
async fn invited(
    scene: &Scene,
    api: &Api,
    (account, region): (&str, &str),
) -> Result<(Value, Customer, StackTemplate), Error> {
    let connection = scene.link(api, region).await?;
    let customer = Customer::sign_in(&scene.ready.endpoint, account, region).await?;
    let template = StackTemplate::new(&scene.ready, &text(&connection["external_id"]));
    Ok((connection, customer, template))
}

async fn role_without_condition(scene: &Scene, screen: &Screen, api: &Api) -> Result<Chapter, Error> {
    let (connection, customer, template) = invited(scene, api, CARELESS_CUSTOMER).await?;
    let did = "edited the template: its role asks for no external ID";
    screen.step("careless", &format!("{} {did}", customer.account));
    let open = json!({ "ArnLike": template.vendor_roles() });
    let outcome = customer.launch("careless", &template.condition(open)).await?;
    let title = "role without the external-ID condition";
    refused(
        screen,
        api,
        title,
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
    let (connection, customer, _) = invited(scene, api, FIRST_CUSTOMER).await?;
    let did = "is connected already, and launches a second link";
    screen.step("forgetful", &format!("{} {did}", customer.account));
    let stack = customer.open(&text(&connection["launch_url"]), None).await?;
    let outcome = customer.wait(&stack).await?;
    let (title, code) = ("account that is already connected", "account_already_connected");
    let mut chapter = refused(screen, api, title, &connection, &outcome, code).await?;
    let untouched = text(&api.get(&first.id).await?["status"]) == "active";
    let told = "the first connection was not touched, neither by the failure nor by its rollback";
    screen.result(untouched, told);
    chapter.as_expected &= untouched;
    Ok(chapter)
}

async fn role_that_cannot_be_assumed(scene: &Scene, screen: &Screen, api: &Api) -> Result<Chapter, Error> {
    let (connection, customer, template) = invited(scene, api, CLOSED_CUSTOMER).await?;
    let did = "role trusts somebody else; a new role may take its time, so it is tried for 30 s";
    screen.step("closed", &format!("{}'s {did}", customer.account));
    let external_id = json!({ "StringEquals": { "sts:ExternalId": template.external_id } });
    let somebody = trust_policy("999988887777", external_id);
    let outcome = customer.launch("closed", &template.trust(somebody)).await?;
    let title = "role that cannot be assumed";
    refused(screen, api, title, &connection, &outcome, "role_not_assumable").await
}

async fn refused(
    screen: &Screen,
    api: &Api,
    title: &'static str,
    connection: &Value,
    outcome: &StackOutcome,
    code: &str,
) -> Result<Chapter, Error> {
    let reason = told(outcome).cloned();
    let connection = api
        .wait_until(&text(&connection["id"]), |connection| {
            connection["reason"]["code"] == code
        })
        .await?;
    let as_expected = outcome.status.starts_with("ROLLBACK_COMPLETE")
        && reason.as_deref().is_some_and(|reason| reason.contains(code))
        && connection["status"] == "pending";
    let stands = format!("{title}: stack {}, and in its events:", outcome.status);
    screen.result(as_expected, &stands);
    screen.sees(&format!("“{}”", reason.as_deref().unwrap_or("(no reason)")));
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
    let template = StackTemplate::new(&scene.ready, &first.external_id);
    screen.step(
        "customer",
        "removes the external-ID condition from the role's trust policy",
    );
    let loose = json!({ "ArnLike": template.vendor_roles() });
    let loose = trust_policy(&scene.ready.vendor_account, loose).to_string();
    first.customer.set_trust(&first.role_name, &loose).await?;
    screen.step(
        "schedule",
        "the re-validator's tick queues the connection's next check",
    );
    scene.revalidate().await?;
    let connection = api.wait_for(&first.id, "degraded").await?;
    let noticed = connection["reason"]["code"] == "external_id_not_enforced";
    let reason = text(&connection["reason"]["message"]);
    screen.result(noticed, &format!("degraded: {reason}"));
    screen.step("customer", "puts the condition back");
    let strict = template.published_trust().to_string();
    first.customer.set_trust(&first.role_name, &strict).await?;
    scene.revalidate().await?;
    let repaired = api.wait_for(&first.id, "active").await?;
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
    let connection = api.wait_for(&first.id, "disconnected").await?;
    let as_expected = outcome.status == "DELETE_COMPLETE";
    let reason = text(&connection["reason"]["message"]);
    screen.result(
        as_expected,
        &format!("stack {}; disconnected: {reason}", outcome.status),
    );
    Ok(Chapter {
        title: "disconnects",
        connection,
        stack: stack_json(&outcome),
        as_expected,
    })
}

/// The sentence of ours among a stack's events.
fn told(outcome: &StackOutcome) -> Option<&String> {
    outcome
        .reasons
        .iter()
        .find(|reason| reason.contains("Message returned"))
}

fn stack_json(outcome: &StackOutcome) -> Value {
    json!({ "status": outcome.status, "reason": told(outcome) })
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

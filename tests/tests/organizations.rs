//! Many accounts of one organization connect by one link: the published template in each, as a StackSet would put it there.
//!
//! The local AWS has no StackSets: the tests do in each account what the commands of the API say, which is what
//! CloudFormation does for a StackSet.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use latchkey_core::domain::{
    external_id::ExternalId, instructions::launch_link::LaunchLink, proof::reason::ReasonCode,
};
use latchkey_tests::{
    Error,
    api::Api,
    customer::Customer,
    scene::{OwnScene, Scene, assert_shows, text},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

const REGION: &str = "us-east-1";
/// Accounts of the large organization.
const ACCOUNTS: usize = 300;
/// Accounts that a StackSet works on at a time.
const AT_A_TIME: usize = 12;
/// Longest time that the large organization may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often the verifier is ended while they connect.
const KILLS: usize = 4;

/// The parameters that one of our commands gives every stack of a StackSet; what it keeps is not among them.
fn parameters(command: &str) -> Vec<(String, String)> {
    command
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("ParameterKey=")?.split_once(",ParameterValue="))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn organization(api: &Api, rules: Value) -> Result<Value, Error> {
    let body =
        json!({ "name": "Acme's accounts", "region": REGION, "kind": "organization", "organization": rules });
    let made = api.create(&body).await?;
    let shown = api.get(&text(&made, "id")?).await?;
    assert_eq!(made, shown, "what is made is told as it is shown from then on");
    Ok(made)
}

/// One account of an organization and what a StackSet does in it.
struct Account {
    customer: Customer,
    link: LaunchLink,
}

impl Account {
    const STACK: &'static str = "StackSet-latchkey-connection";

    async fn new(scene: &Scene, shown: &Value, region: &str) -> Result<Self, Error> {
        Ok(Self {
            customer: scene.new_customer(region).await?,
            link: LaunchLink::parse(&text(shown, "launch_url")?)?,
        })
    }

    /// Puts the stack there that the StackSet's command says.
    async fn launch(&self, shown: &Value) -> Result<(), Error> {
        let command = text(&shown["organization"]["stack_set"], "create_command")?;
        let given = parameters(&command);
        let choices: Vec<(&str, &str)> = given
            .iter()
            .filter(|(name, _)| name != "ExternalId")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(choices, [("HomeRegion", REGION)]);
        assert!(command.contains(&self.link.template_url), "{command}");
        self.customer.open_with(&self.link, Self::STACK, &choices).await
    }

    /// Takes the stack away, as a StackSet does when its account leaves.
    async fn leave(&self) -> Result<(), Error> {
        let stack_id = self.customer.wait(Self::STACK).await?.stack_id;
        let gone = self.customer.delete_stack(&stack_id).await?;
        gone.expect("DELETE_COMPLETE")
    }

    async fn connect(&self, shown: &Value) -> Result<(), Error> {
        self.launch(shown).await?;
        self.customer.wait(Self::STACK).await?.expect("CREATE_COMPLETE")
    }
}

async fn progress(api: &Api, id: &str) -> Result<Value, Error> {
    Ok(api.get(id).await?["organization"]["accounts"].clone())
}

#[tokio::test]
async fn accounts_become_members_are_rotated_together_and_leave_one_by_one() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let shown = organization(&api, json!({ "max_accounts": 3 })).await?;
    let id = text(&shown, "id")?;
    assert_shows(
        &shown,
        json!({ "kind": "organization", "status": "pending", "expires_at": null }),
    );
    let mut accounts = Vec::new();
    for _ in 0..3 {
        let account = Account::new(&scene, &shown, REGION).await?;
        account.connect(&shown).await?;
        accounts.push(account);
    }
    let now = api.get(&id).await?;
    assert_eq!(now["organization"]["accounts"]["summary"], "3 of 3 active");
    assert_shows(&now, json!({ "status": "active", "role_arn": null }));

    // The same StackSet in a second region of an account: nothing is made there, and nothing is in conflict.
    let first = &accounts[0];
    let abroad = Customer::sign_in(&scene.ready.endpoint, &first.customer.account, "eu-west-1").await?;
    abroad
        .open_with(&first.link, Account::STACK, &[("HomeRegion", REGION)])
        .await?;
    abroad.wait(Account::STACK).await?.expect("CREATE_COMPLETE")?;
    assert_eq!(progress(&api, &id).await?["summary"], "3 of 3 active");

    // No seat is left for a fourth.
    let fourth = Account::new(&scene, &shown, REGION).await?;
    fourth.launch(&shown).await?;
    let outcome = fourth.customer.wait(Account::STACK).await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::OrganizationFull)?;

    let members = api
        .call(Method::GET, &format!("/v1/connections?member_of={id}"), None)
        .await?;
    let members = members.body["connections"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(members.len(), 4);
    for account in &accounts {
        let member = format!("{id}-{}", account.customer.account);
        let found = members.iter().find(|found| found["id"] == json!(member));
        let found = found.ok_or("a member is missing")?;
        assert_shows(
            found,
            json!({ "status": "active", "member_of": id, "account_id": account.customer.account }),
        );
    }
    let theirs = scene.globex()?;
    let none = theirs
        .call(Method::GET, &format!("/v1/connections?member_of={id}"), None)
        .await?;
    assert_eq!(none.body["connections"], json!([]), "another tenant's (I8)");

    // Rotation: the command updates every stack, and the last one ends it.
    let path = format!("/v1/connections/{id}/rotate-external-id");
    let started = api.call(Method::POST, &path, None).await?;
    assert_eq!(started.status, 201, "{}", started.body);
    let next = text(&started.body["rotation"], "external_id")?;
    let command = text(&started.body["rotation"], "update_command")?;
    assert!(
        command.starts_with("aws cloudformation update-stack-set "),
        "{command}"
    );
    assert_eq!(
        parameters(&command),
        [("ExternalId".to_owned(), next.clone())],
        "the others are kept"
    );
    assert!(command.contains("ParameterKey=HomeRegion,UsePreviousValue=true"));
    for (at, account) in accounts.iter().enumerate() {
        assert_eq!(
            api.get(&id).await?["external_id"],
            shown["external_id"],
            "{at} have it"
        );
        let link = LaunchLink {
            external_id: ExternalId::parse(&next)?,
            ..account.link.clone()
        };
        let choices = [("HomeRegion", REGION)];
        let outcome = account
            .customer
            .choose_again(&link, Account::STACK, &choices)
            .await?;
        outcome.expect("UPDATE_COMPLETE")?;
    }
    let rotated = api
        .wait_until(&id, |connection| connection["external_id"] == json!(next))
        .await?;
    assert_eq!(rotated.get("rotation"), None);

    // One account leaves the organization: its stack goes.
    accounts[2].leave().await?;
    let left = format!("{id}-{}", accounts[2].customer.account);
    api.ended_by_its_stack(&left).await?;
    // The vendor ends the rest in one call.
    assert_eq!(api.delete(&id).await?["status"], "disconnected");
    for account in &accounts[..2] {
        let member = format!("{id}-{}", account.customer.account);
        let ended = api.get(&member).await?;
        assert_shows(
            &ended,
            json!({ "status": "disconnected", "reason": { "code": "disconnected_by_vendor" } }),
        );
        account.leave().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_account_that_was_not_named_is_refused_and_one_that_was_can_take_it_to_a_single_stack()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (named, other) = (
        scene.new_customer(REGION).await?,
        scene.new_customer(REGION).await?,
    );
    let shown = organization(&api, json!({ "allowed_accounts": [named.account] })).await?;
    other.is_refused(&shown, ReasonCode::AccountNotAllowed).await?;
    // Such as the management account, which a service-managed StackSet does not reach.
    named.follow(&shown).await?;
    let id = text(&shown, "id")?;
    assert_eq!(progress(&api, &id).await?["summary"], "1 of 1 active");
    assert_eq!(progress(&api, &id).await?["troubles"], json!([]));
    Ok(())
}

/// The verifier is ended in the middle of its work, several times.
#[tokio::test]
async fn three_hundred_accounts_connect_in_one_run_and_a_verifier_that_dies_loses_none() -> Result<(), Error>
{
    let (own, api) = OwnScene::with_acme().await?;
    let scene = &own.scene;
    let shown = organization(&api, json!({ "max_accounts": ACCOUNTS })).await?;
    let id = text(&shown, "id")?;
    let started = Instant::now();
    let launches = stream::iter(0..ACCOUNTS)
        .map(|_| async {
            let account = Account::new(scene, &shown, REGION).await?;
            account.launch(&shown).await?;
            // As a StackSet does: the next account when this one is done, or has to wait for long.
            let done = account.customer.wait(Account::STACK);
            let _ = tokio::time::timeout(Duration::from_secs(20), done).await;
            Ok::<_, Error>(account)
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<Account>>();
    let kills = async {
        for kill in 1..=KILLS {
            loop {
                let active = progress(&api, &id).await?["active"].as_u64().unwrap_or_default();
                if active >= (kill * ACCOUNTS / (KILLS + 1)) as u64 {
                    break;
                }
                sleep(Duration::from_millis(500)).await;
            }
            scene.restart("role-verifier").await?;
        }
        Ok::<_, Error>(())
    };
    let (accounts, ()) = tokio::try_join!(launches, kills)?;
    let all = loop {
        let now = progress(&api, &id).await?;
        if now["active"] == json!(ACCOUNTS) {
            break now;
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("after {:?}: {now}", started.elapsed()).into());
        }
        sleep(Duration::from_secs(2)).await;
    };
    assert_eq!(all["summary"], json!(format!("{ACCOUNTS} of {ACCOUNTS} active")));
    for account in &accounts {
        let outcome = account.customer.wait(Account::STACK).await?;
        outcome.expect("CREATE_COMPLETE")?;
    }
    eprintln!("{ACCOUNTS} accounts after {:?}", started.elapsed());
    Ok(())
}

//! The published template, launched for each tier and each option in the local AWS.

use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use latchkey_core::domain::{instructions::launch_link::LaunchLink, proof::permissions::Tier};
use latchkey_tests::{
    Error,
    api::Api,
    customer::{Customer, StackOutcome},
    sam_template::repository_path,
    scene::{Scene, assert_contains},
};
use serde_json::Value;

/// A connection whose link was not opened yet.
struct Opened {
    scene: Scene,
    api: Api,
    customer: Customer,
    link: LaunchLink,
    id: String,
}

impl Opened {
    async fn link() -> Result<Self, Error> {
        let (scene, api) = Scene::with_acme()?;
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        Ok(Self {
            link: LaunchLink::parse(&link.url)?,
            id: link.id,
            customer,
            scene,
            api,
        })
    }

    async fn launch(&self, choices: &[(&str, &str)]) -> Result<StackOutcome, Error> {
        self.customer.open_with(&self.link, "chosen", choices).await?;
        self.customer.wait("chosen").await
    }

    /// The role of a stack that connected, by its ARN.
    async fn connected(&self, outcome: &StackOutcome) -> Result<String, Error> {
        outcome.expect("CREATE_COMPLETE")?;
        let shown = self.api.get(&self.id).await?;
        assert_eq!(shown["status"], "active", "{shown}");
        assert_eq!(shown["role_arn"], outcome.outputs["RoleArn"]);
        Ok(outcome.outputs["RoleArn"].clone())
    }

    /// The actions of these that IAM would allow the role, on the role itself and on everything.
    async fn allowed(&self, role_arn: &str, on: &str, actions: &[String]) -> Result<Vec<String>, Error> {
        let answer = self
            .customer
            .iam
            .simulate_principal_policy()
            .policy_source_arn(role_arn)
            .set_action_names(Some(actions.to_vec()))
            .resource_arns(on)
            .send()
            .await?;
        let results = answer.evaluation_results().iter();
        let allowed =
            results.filter(|result| *result.eval_decision() == PolicyEvaluationDecisionType::Allowed);
        Ok(allowed
            .map(|result| result.eval_action_name().to_owned())
            .collect())
    }

    async fn role(&self, role_arn: &str) -> Result<aws_sdk_iam::types::Role, Error> {
        let name = role_arn.rsplit('/').next().unwrap_or_default();
        let answer = self.customer.iam.get_role().role_name(name).send().await?;
        answer.role.ok_or_else(|| "there is no role".into())
    }
}

fn tiers() -> Result<Vec<Tier>, Error> {
    let text = std::fs::read_to_string(repository_path("customer/rendered/tiers.json"))?;
    let tiers: Vec<Value> = serde_json::from_str(&text)?;
    let tiers = tiers.iter().map(|tier| Tier::parse(&tier.to_string()));
    Ok(tiers.collect::<Result<_, _>>()?)
}

fn actions(tier: &Tier) -> Vec<String> {
    tier.required
        .iter()
        .map(|required| required.action.clone())
        .collect()
}

#[tokio::test]
async fn the_template_of_each_tier_connects_and_allows_what_the_tier_lists_and_no_canary() -> Result<(), Error>
{
    let tiers = tiers()?;
    assert_eq!(tiers.len(), 5);
    let mut everything: Vec<String> = tiers.iter().flat_map(actions).collect();
    everything.extend(tiers[0].canaries.iter().cloned());
    for tier in &tiers {
        let opened = Opened::link().await?;
        let outcome = opened.launch(&[("PermissionTier", &tier.name)]).await?;
        let role = opened.connected(&outcome).await?;
        let mut allowed = opened.allowed(&role, "*", &everything).await?;
        allowed.extend(opened.allowed(&role, &role, &everything).await?);
        allowed.sort();
        allowed.dedup();
        let mut expected = actions(tier);
        expected.sort();
        assert_eq!(allowed, expected, "{}", tier.name);
    }
    Ok(())
}

/// The simulation of the local AWS knows no conditions; so what is compared is the policy that the stack really made, condition
/// included, with the document that the manifest renders.
#[tokio::test]
async fn the_tagging_tiers_role_has_the_policy_of_its_document_condition_included() -> Result<(), Error> {
    let opened = Opened::link().await?;
    let outcome = opened
        .launch(&[("PermissionTier", "tagging"), ("RoleName", "tagger")])
        .await?;
    let role = opened.connected(&outcome).await?;
    let answer = opened
        .customer
        .iam
        .get_role_policy()
        .role_name("tagger")
        .policy_name("connection")
        .send()
        .await?;
    let made = percent_encoding::percent_decode_str(answer.policy_document()).decode_utf8()?;
    let rendered = std::fs::read_to_string(repository_path("customer/rendered/iam/tagging.json"))?
        .replace("__PARTITION__", "aws")
        .replace("YOUR_ACCOUNT_ID", &opened.customer.account)
        .replace("YOUR_ROLE_ARN", &role);
    let (made, rendered): (Value, Value) = (serde_json::from_str(&made)?, serde_json::from_str(&rendered)?);
    assert_eq!(made, rendered);
    assert_contains(rendered.to_string(), "ForAllValues:StringLike");
    Ok(())
}

#[tokio::test]
async fn a_role_with_a_name_a_prefix_or_a_path_of_the_customers_own_connects() -> Result<(), Error> {
    for (choices, ends_with) in [
        (&[("RoleName", "vendors-own")][..], ":role/vendors-own"),
        (
            &[("RolePath", "/vendors/latchkey/"), ("RoleName", "reader")][..],
            ":role/vendors/latchkey/reader",
        ),
    ] {
        let opened = Opened::link().await?;
        let outcome = opened.launch(choices).await?;
        let role = opened.connected(&outcome).await?;
        assert!(role.ends_with(ends_with), "{role}");
    }
    let opened = Opened::link().await?;
    let outcome = opened.launch(&[("RoleNamePrefix", "acme")]).await?;
    let role = opened.connected(&outcome).await?;
    let last_group = outcome.stack_id.rsplit('-').next().unwrap_or_default();
    assert!(
        role.ends_with(&format!(":role/acme-{last_group}")),
        "{role} of {}",
        outcome.stack_id
    );
    Ok(())
}

/// The local AWS takes the parameter and makes a role without its boundary; that the property is set is proven by
/// `customer/tests/roads.rs`.
#[tokio::test]
async fn a_stack_with_a_permissions_boundary_connects() -> Result<(), Error> {
    let opened = Opened::link().await?;
    let boundary = format!("arn:aws:iam::{}:policy/boundary", opened.customer.account);
    let outcome = opened.launch(&[("PermissionsBoundaryArn", &boundary)]).await?;
    opened.connected(&outcome).await?;
    Ok(())
}

#[tokio::test]
async fn trust_that_is_narrowed_to_the_vendors_addresses_connects() -> Result<(), Error> {
    let opened = Opened::link().await?;
    let outcome = opened
        .launch(&[("AllowedSourceIps", "192.0.2.0/24,127.0.0.0/8")])
        .await?;
    let role = opened.connected(&outcome).await?;
    let trust = opened
        .role(&role)
        .await?
        .assume_role_policy_document
        .unwrap_or_default();
    assert_contains(&trust, "192.0.2.0");
    assert_contains(&trust, "127.0.0.0");
    assert!(!trust.contains("PrincipalOrgID"), "{trust}");
    Ok(())
}

#[tokio::test]
async fn outside_its_home_region_a_stack_holds_nothing_and_tells_nobody() -> Result<(), Error> {
    let opened = Opened::link().await?;
    let outcome = opened.launch(&[("HomeRegion", "eu-west-1")]).await?;
    outcome.expect("CREATE_COMPLETE")?;
    assert!(outcome.outputs.is_empty(), "{:?}", outcome.outputs);
    assert_eq!(opened.api.get(&opened.id).await?["status"], "pending");
    let abroad = Customer::sign_in(
        &opened.scene.ready.endpoint,
        &opened.customer.account,
        "eu-west-1",
    )
    .await?;
    abroad
        .open_with(&opened.link, "home", &[("HomeRegion", "eu-west-1")])
        .await?;
    let home = abroad.wait("home").await?;
    opened.connected(&home).await?;
    // The stack that holds nothing goes without a word.
    let gone = opened.customer.delete_stack(&outcome.stack_id).await?;
    assert_eq!(gone.status, "DELETE_COMPLETE", "{:?}", gone.reasons);
    assert_eq!(opened.api.get(&opened.id).await?["status"], "active");
    Ok(())
}

#[tokio::test]
async fn another_tier_is_an_update_that_is_proven_again() -> Result<(), Error> {
    let opened = Opened::link().await?;
    let outcome = opened.launch(&[]).await?;
    let role = opened.connected(&outcome).await?;
    let cost = ["ce:GetCostAndUsage".to_owned()];
    assert_eq!(opened.allowed(&role, "*", &cost).await?, Vec::<String>::new());
    let larger = opened
        .customer
        .choose_again(&opened.link, "chosen", &[("PermissionTier", "inventory-cost")])
        .await?;
    larger.expect("UPDATE_COMPLETE")?;
    assert_eq!(larger.outputs["RoleArn"], role, "the role stays");
    assert_eq!(opened.allowed(&role, "*", &cost).await?, cost);
    assert_eq!(opened.api.get(&opened.id).await?["status"], "active");
    Ok(())
}

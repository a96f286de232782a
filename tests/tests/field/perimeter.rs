//! Data perimeters after AWS's published patterns (`aws-samples/data-perimeter-policy-examples`:
//! `identity_perimeter_rcp` and `resource_perimeter_scp`), with and without the exceptions of the
//! platform team's page.

use aws_sdk_cloudformation::types::{Capability, Parameter, Tag};
use latchkey_core::domain::{instructions::launch_link::LaunchLink, proof::reason::ReasonCode};
use latchkey_tests::{
    Error,
    customer::{Customer, StackOutcome},
    local_aws::aws,
    sam_template::repository_path,
    scene::{Link, Scene, assert_contains, fresh_account, text},
};
use serde_json::{Value, json};

use crate::simulation::organizations;

/// The page's blocks of JSON, with this deployment's values.
fn pasted(scene: &Scene) -> Result<Vec<Value>, Error> {
    let page = std::fs::read_to_string(repository_path("customer/rendered/PLATFORM.md"))?;
    let page = [
        ("__PARTITION__", "aws"),
        ("__VENDOR_ACCOUNT_ID__", scene.ready.vendor_account.as_str()),
        ("__LISTENER_TOPIC_NAME__", "latchkey-listener"),
        ("__TEMPLATE_BUCKET__", scene.ready.bucket.as_str()),
    ]
    .iter()
    .fold(page, |page, (name, value)| page.replace(name, value));
    let blocks = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    Ok(blocks.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// An organization with one member account.
struct Organization<'a> {
    scene: &'a Scene,
    management: String,
    member: String,
    id: String,
}

impl<'a> Organization<'a> {
    async fn new(scene: &'a Scene) -> Result<Self, Error> {
        let management = fresh_account();
        let account = json!({ "Email": "m@example.com", "AccountName": "m" });
        let made = organizations(scene, &management, "CreateAccount", &account).await?;
        let shown = organizations(scene, &management, "DescribeOrganization", &json!({})).await?;
        Ok(Self {
            scene,
            member: text(&made["CreateAccountStatus"], "AccountId")?,
            id: text(&shown["Organization"], "Id")?,
            management,
        })
    }

    async fn call(&self, operation: &str, body: Value) -> Result<Value, Error> {
        organizations(self.scene, &self.management, operation, &body).await
    }

    /// Attaches a policy to the member: its id.
    async fn attach(&self, kind: &str, statements: Value) -> Result<String, Error> {
        if kind == "RESOURCE_CONTROL_POLICY" {
            let roots = self.call("ListRoots", json!({})).await?;
            let root = text(&roots["Roots"][0], "Id")?;
            self.call("EnablePolicyType", json!({ "RootId": root, "PolicyType": kind }))
                .await?;
        }
        let content = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let policy = json!({ "Name": "perimeter", "Description": "d", "Type": kind, "Content": content });
        let made = self.call("CreatePolicy", policy).await?;
        let id = text(&made["Policy"]["PolicySummary"], "Id")?;
        self.call("AttachPolicy", json!({ "PolicyId": id, "TargetId": self.member }))
            .await?;
        Ok(id)
    }

    async fn change(&self, id: &str, statements: Value) -> Result<(), Error> {
        let content = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        self.call("UpdatePolicy", json!({ "PolicyId": id, "Content": content }))
            .await?;
        Ok(())
    }
}

/// `EnforceOrgIdentities`, which lets in whom the organization names.
fn identities(own: &str, trusted: &Value) -> Value {
    json!([{
        "Sid": "EnforceOrgIdentities", "Effect": "Deny", "Principal": "*", "Resource": "*",
        "Action": ["s3:*", "sqs:*", "kms:*", "secretsmanager:*", "sts:AssumeRole"],
        "Condition": {
            "StringNotEqualsIfExists": {
                "aws:PrincipalOrgID": own, "aws:PrincipalAccount": trusted,
                "aws:ResourceTag/dp:exclude:identity": "true",
            },
            "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
        },
    }])
}

/// Launches the published template in the member account, as whoever owns it, with tags of the
/// stack.
async fn launch(
    customer: &Customer,
    link: &Link,
    name: &str,
    tag: Option<&str>,
) -> Result<StackOutcome, Error> {
    let launch = LaunchLink::parse(&link.url)?;
    let external_id = Parameter::builder()
        .parameter_key("ExternalId")
        .parameter_value(&link.external_id);
    let tag = tag.map(|key| Tag::builder().key(key).value("true").build());
    customer
        .cloudformation
        .create_stack()
        .stack_name(name)
        .template_url(launch.template_url)
        .capabilities(Capability::CapabilityNamedIam)
        .parameters(external_id.build())
        .set_tags(tag.map(|tag| vec![tag]))
        .send()
        .await?;
    customer.wait(name).await
}

#[tokio::test]
async fn a_resource_control_policy_lets_the_connection_through_by_account_or_by_tag() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let exception = &pasted(&scene)?[2]["StringNotEqualsIfExists"]["aws:PrincipalAccount"];
    for by_tag in [false, true] {
        let organization = Organization::new(&scene).await?;
        // Before there is a policy: the local AWS knows no member account's organization where
        // somebody becomes a role.
        let customer = Customer::sign_in(&scene.ready.endpoint, &organization.member, "us-east-1").await?;
        let others = json!(["123456789012"]);
        let policy = organization
            .attach("RESOURCE_CONTROL_POLICY", identities(&organization.id, &others))
            .await?;
        let (link, _) = scene.newcomer(&api, "us-east-1").await?;
        let kept_out = launch(&customer, &link, "KeptOut", None).await?;
        kept_out.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::RoleNotAssumable)?;
        if !by_tag {
            let excepted = identities(&organization.id, exception);
            organization.change(&policy, excepted).await?;
        }
        let tag = by_tag.then_some("dp:exclude:identity");
        launch(&customer, &link, "LetThrough", tag)
            .await?
            .expect("CREATE_COMPLETE")?;
        api.wait_for(&link.id, "active").await?;
    }
    Ok(())
}

/// The local AWS does not ask whether a stack's caller may publish: so the caller publishes, and
/// reads the template.
#[tokio::test]
async fn a_service_control_policy_lets_the_message_and_the_template_through() -> Result<(), Error> {
    let (scene, _) = Scene::with_acme()?;
    let pasted = pasted(&scene)?;
    let resources = |exceptions: &Value| {
        json!([
            {
                "Sid": "EnforceResourcePerimeterAWSResources", "Effect": "Deny", "Action": "*", "NotResource": exceptions,
                "Condition": { "StringNotEqualsIfExists": {
                    "aws:ResourceOrgID": "o-customers0", "aws:PrincipalTag/dp:exclude:resource": "true",
                } },
            },
            pasted[1],
        ])
    };
    let organization = Organization::new(&scene).await?;
    let (endpoint, member) = (&scene.ready.endpoint, &organization.member);
    let customer = Customer::sign_in(endpoint, member, "us-east-1").await?;
    let s3 = aws::s3(&aws::administrator(endpoint, member, "us-east-1").await?);
    let url = &scene.ready.template_url;
    let key = url.split_once(".amazonaws.com/").ok_or("no key")?.1;
    let read = async || s3.get_object().bucket(&scene.ready.bucket).key(key).send().await;
    let none = json!(["arn:aws:iam::aws:policy/*"]);
    let policy = organization
        .attach("SERVICE_CONTROL_POLICY", resources(&none))
        .await?;
    let refused = customer.tell(&scene, "test").await;
    assert_contains(refused.err().ok_or("the message went out")?, "AuthorizationError");
    assert!(read().await.is_err(), "the template was read");

    organization.change(&policy, resources(&pasted[0])).await?;
    customer.tell(&scene, "test").await?;
    // Without the page's second statement: the local AWS takes a bucket for the caller's own
    // account's.
    let first = json!([resources(&pasted[0])[0]]);
    organization.change(&policy, first).await?;
    read().await?;
    Ok(())
}

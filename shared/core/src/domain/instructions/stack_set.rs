//! How a customer runs the connection template in many accounts of an organization: as a StackSet, service-managed or
//! self-managed, from a shell or from Terraform. There is no link that fills in a StackSet.

use crate::domain::{
    external_id::ExternalId,
    instructions::{
        launch_link::{EXTERNAL_ID_PARAMETER, LaunchLink, TIER_PARAMETER},
        stack_update::kept_parameters,
    },
    template_version::PublishedVersion,
};

/// The parameter that keeps a StackSet of several regions to one role and one connection for each account.
const HOME_REGION_PARAMETER: &str = "HomeRegion";
/// Without them CloudFormation works on one account after the other, and stops at the first that fails.
const OPERATION_PREFERENCES: &str =
    "--operation-preferences MaxConcurrentPercentage=10,FailureTolerancePercentage=20";
/// What the customer puts in for a service-managed StackSet.
const ORGANIZATIONAL_UNIT: &str = "YOUR_OU_ID";
/// What the customer puts in for a self-managed one.
const ACCOUNTS: &str = "YOUR_ACCOUNT_IDS";

/// The StackSet of an organization's connection. Its link can still be used for a single account, such as the
/// management account, which service-managed StackSets do not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackSet<'a> {
    /// The launch link of the connection: region, template, name and external ID are its.
    pub link: &'a LaunchLink,
}

impl StackSet<'_> {
    /// The console's page for a new StackSet.
    pub fn console_url(&self) -> String {
        let region = &self.link.region;
        let console = region.partition().console_domain();
        format!("https://{region}.{console}/cloudformation/home?region={region}#/stacksets/create")
    }

    /// Makes the StackSet: service-managed, so that accounts that join are connected and those that leave are
    /// disconnected.
    pub fn create_command(&self) -> String {
        self.create("SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false")
    }

    /// Gives it the accounts of an organizational unit.
    pub fn deploy_command(&self) -> String {
        self.deploy(&format!(
            "--deployment-targets OrganizationalUnitIds={ORGANIZATIONAL_UNIT}"
        ))
    }

    /// Makes the StackSet for accounts by name.
    pub fn create_self_managed_command(&self) -> String {
        self.create("SELF_MANAGED")
    }

    /// Gives it accounts by name.
    pub fn deploy_self_managed_command(&self) -> String {
        self.deploy(&format!("--accounts {ACCOUNTS}"))
    }

    /// The same for Terraform, service-managed.
    pub fn terraform(&self) -> String {
        let LaunchLink {
            region,
            template_url,
            stack_name,
            external_id,
            permission_tier,
        } = self.link;
        let tier = permission_tier
            .as_ref()
            .map(|tier| format!("    {TIER_PARAMETER} = \"{tier}\"\n"))
            .unwrap_or_default();
        format!(
            "resource \"aws_cloudformation_stack_set\" \"connection\" {{
  name             = \"{stack_name}\"
  permission_model = \"SERVICE_MANAGED\"
  template_url     = \"{template_url}\"
  capabilities     = [\"CAPABILITY_NAMED_IAM\"]

  parameters = {{
    {EXTERNAL_ID_PARAMETER} = \"{external_id}\"
    {HOME_REGION_PARAMETER} = \"{region}\"
{tier}  }}

  auto_deployment {{
    enabled                          = true
    retain_stacks_on_account_removal = false
  }}

  operation_preferences {{
    max_concurrent_percentage    = 10
    failure_tolerance_percentage = 20
  }}

  lifecycle {{
    ignore_changes = [administration_role_arn]
  }}
}}

resource \"aws_cloudformation_stack_set_instance\" \"connection\" {{
  stack_set_name            = aws_cloudformation_stack_set.connection.name
  stack_set_instance_region = \"{region}\"

  deployment_targets {{
    organizational_unit_ids = [\"{ORGANIZATIONAL_UNIT}\"]
  }}
}}
"
        )
    }

    /// Gives every stack of the StackSet another external ID, and leaves the rest as it is. `from` is the version that it
    /// was made from, where we published that.
    pub fn rotate_command(&self, next: &ExternalId, from: Option<&PublishedVersion>) -> String {
        format!(
            "aws cloudformation update-stack-set --region {} --stack-set-name '{}' --use-previous-template \
             --parameters ParameterKey={EXTERNAL_ID_PARAMETER},ParameterValue={next}{} \
             --capabilities CAPABILITY_NAMED_IAM {OPERATION_PREFERENCES}",
            self.link.region,
            self.link.stack_name,
            kept_parameters(from, None),
        )
    }

    fn create(&self, model: &str) -> String {
        let tier = self
            .link
            .permission_tier
            .as_ref()
            .map(|tier| format!(" ParameterKey={TIER_PARAMETER},ParameterValue={tier}"))
            .unwrap_or_default();
        format!(
            "aws cloudformation create-stack-set --region {region} --stack-set-name '{}' --template-url '{}' \
             --permission-model {model} --capabilities CAPABILITY_NAMED_IAM --parameters \
             ParameterKey={EXTERNAL_ID_PARAMETER},ParameterValue={} \
             ParameterKey={HOME_REGION_PARAMETER},ParameterValue={region}{tier}",
            self.link.stack_name,
            self.link.template_url,
            self.link.external_id,
            region = self.link.region,
        )
    }

    fn deploy(&self, targets: &str) -> String {
        format!(
            "aws cloudformation create-stack-instances --region {region} --stack-set-name '{}' {targets} \
             --regions {region} {OPERATION_PREFERENCES}",
            self.link.stack_name,
            region = self.link.region,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::aws::Region;

    fn link(tier: Option<&str>) -> LaunchLink {
        LaunchLink::new(
            Region::parse("eu-west-1").unwrap(),
            "https://bucket.example/1.1.0/template.yaml".to_owned(),
            "latchkey-tz4a98xx".to_owned(),
            ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
            tier.map(|tier| tier.parse().unwrap()),
        )
        .unwrap()
    }

    #[test]
    fn a_stack_set_is_made_given_accounts_and_rotated_by_these_commands() {
        let link = link(Some("inventory"));
        let set = StackSet { link: &link };
        let next = ExternalId::parse("aaaa98xxat96iws9zmbrgj3atz4a98xx").unwrap();
        let version = serde_json::from_value(serde_json::json!({
            "version": "1.1.0",
            "url": "https://bucket.example/1.1.0/template.yaml",
            "sha256": "ab",
            "published_at": "2026-11-21T12:00:00Z",
            "parameters": ["ExternalId", "HomeRegion", "RolePath"],
        }))
        .unwrap();
        let commands = [
            set.console_url(),
            set.create_command(),
            set.deploy_command(),
            set.create_self_managed_command(),
            set.deploy_self_managed_command(),
            set.rotate_command(&next, Some(&version)),
            set.terraform(),
        ];
        insta::assert_snapshot!(commands.join("\n\n"));
    }

    #[test]
    fn without_a_tier_none_is_named_and_the_template_decides() {
        let link = link(None);
        let set = StackSet { link: &link };
        for text in [set.create_command(), set.terraform()] {
            assert!(!text.contains(TIER_PARAMETER), "{text}");
        }
    }
}

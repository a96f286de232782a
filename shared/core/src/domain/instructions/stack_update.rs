//! How a customer updates the stack of a connection: for a browser and for infrastructure code.

use crate::domain::{
    aws::{RoleArn, StackId},
    external_id::ExternalId,
    instructions::launch_link::EXTERNAL_ID_PARAMETER,
    template_version::PublishedVersion,
};

/// How CloudFormation names the role of our templates: the stack's name before, a random end
/// behind.
const ROLE_OF_TEMPLATE: &str = "-ConnectionRole-";

/// Whether a stack is known to be made from a template of ours, by the name of its role: the one
/// that CloudFormation makes up, or a prefix and the last group of the stack's id. A stack of the
/// Terraform module has none of the template's parameters, and one of the customer's own template
/// perhaps others: what updates ours takes them apart.
pub fn is_of_our_template(stack_id: &StackId, role_arn: &RoleArn) -> bool {
    let name = role_arn.name();
    let group = stack_id.as_str().rsplit('-').next().unwrap_or_default();
    name.contains(ROLE_OF_TEMPLATE) || name.strip_suffix(group).is_some_and(|rest| rest.ends_with('-'))
}

/// What a stack shall be updated to. Whatever is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackUpdate<'a> {
    /// The stack.
    pub stack_id: &'a StackId,
    /// The external ID that it shall have, where that is another one.
    pub external_id: Option<&'a ExternalId>,
    /// The version that it is at, where we published that: it tells which parameters the stack has.
    pub from: Option<&'a PublishedVersion>,
    /// The version that it shall be made from, where that is another one.
    pub to: Option<&'a PublishedVersion>,
}

impl StackUpdate<'_> {
    /// The console's update page for the stack. Parameters are not filled in: the console has lost
    /// others that way. Without another template, the customer keeps the one that is there.
    pub fn url(&self) -> String {
        let region = self.stack_id.region();
        let console = region.partition().console_domain();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("stackId", self.stack_id.as_str());
        if let Some(to) = self.to {
            query.append_pair("templateURL", &to.url);
        }
        let query = query.finish();
        format!(
            "https://{region}.{console}/cloudformation/home?region={region}#/stacks/update/template?{query}"
        )
    }

    /// The same for a shell. CloudFormation gives a parameter that is left out its default again, so that each that the
    /// stack has is named and kept. Values are quoted where they can hold what a shell reads.
    pub fn cli_command(&self) -> String {
        let template = match self.to {
            Some(to) => format!("--template-url '{}'", to.url),
            None => "--use-previous-template".to_owned(),
        };
        let external_id = match self.external_id {
            Some(external_id) => format!("ParameterKey={EXTERNAL_ID_PARAMETER},ParameterValue={external_id}"),
            None => format!("ParameterKey={EXTERNAL_ID_PARAMETER},UsePreviousValue=true"),
        };
        let kept = kept_parameters(self.from, self.to);
        format!(
            "aws cloudformation update-stack --region {} --stack-name '{}' {template} --parameters {external_id}{kept} \
             --capabilities CAPABILITY_NAMED_IAM",
            self.stack_id.region(),
            self.stack_id,
        )
    }

    /// Shows what brings the stack's resources back to what its template says, whoever changed
    /// them, as a change set that the customer reads and then executes.
    pub fn repair_command(&self) -> String {
        let region = self.stack_id.region();
        let change_set = format!(
            "--region {region} --stack-name '{}' --change-set-name repair",
            self.stack_id
        );
        let kept = kept_parameters(self.from, None);
        format!(
            "aws cloudformation create-change-set {change_set} --use-previous-template --deployment-mode REVERT_DRIFT \
             --parameters ParameterKey={EXTERNAL_ID_PARAMETER},UsePreviousValue=true{kept} --capabilities CAPABILITY_NAMED_IAM \
             && aws cloudformation wait change-set-create-complete {change_set} \
             && aws cloudformation describe-change-set {change_set}"
        )
    }
}

/// Every parameter but the external ID that a stack of version `from` has and that it still has after an update to `to`,
/// if that is another one: with the value that it has.
pub(super) fn kept_parameters(from: Option<&PublishedVersion>, to: Option<&PublishedVersion>) -> String {
    let is_kept =
        |name: &&String| *name != EXTERNAL_ID_PARAMETER && to.is_none_or(|to| to.parameters.contains(name));
    from.iter()
        .flat_map(|from| from.parameters.iter().filter(is_kept))
        .map(|name| format!(" ParameterKey={name},UsePreviousValue=true"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str =
        "arn:aws:cloudformation:eu-west-1:222222222222:stack/One/0d1f2a30-96c5-11ef-8a3b-000000000001";

    fn version(number: &str, parameters: &[&str]) -> PublishedVersion {
        let item = serde_json::json!({
            "version": number,
            "url": format!("https://bucket.example/{number}/t.yaml"),
            "sha256": "ab",
            "published_at": "2026-11-21T12:00:00Z",
            "parameters": parameters,
        });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn an_update_keeps_whatever_it_does_not_name() {
        let stack_id = StackId::parse(STACK).unwrap();
        let next = ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap();
        let (first, second) = (
            version("1.1.0", &["ExternalId", "RolePath", "Gone"]),
            version("1.2.0", &["ExternalId", "RolePath", "New"]),
        );
        let rotation = StackUpdate {
            stack_id: &stack_id,
            external_id: Some(&next),
            from: Some(&first),
            to: None,
        };
        insta::assert_snapshot!(rotation.url());
        insta::assert_snapshot!(rotation.cli_command());
        let upgrade = StackUpdate {
            external_id: None,
            to: Some(&second),
            ..rotation
        };
        insta::assert_snapshot!(upgrade.url());
        insta::assert_snapshot!(upgrade.cli_command());
    }

    #[test]
    fn a_repair_is_shown_before_it_is_made_and_keeps_every_parameter() {
        let stack_id = StackId::parse(STACK).unwrap();
        let first = version("1.1.0", &["ExternalId", "RolePath"]);
        let repair = StackUpdate {
            stack_id: &stack_id,
            external_id: None,
            from: Some(&first),
            to: None,
        };
        let command = repair.repair_command();
        let steps: Vec<&str> = command.split(" && ").collect();
        assert!(
            steps[0].contains("--use-previous-template --deployment-mode REVERT_DRIFT"),
            "{command}"
        );
        assert!(
            steps[0].contains(
                "ParameterKey=ExternalId,UsePreviousValue=true ParameterKey=RolePath,UsePreviousValue=true"
            ),
            "{command}"
        );
        assert!(
            steps[2].starts_with("aws cloudformation describe-change-set"),
            "{command}"
        );
        assert!(!command.contains("execute-change-set"), "{command}");
    }

    #[test]
    fn a_stack_of_our_template_is_known_by_its_roles_name() {
        let stack_id = StackId::parse(STACK).unwrap();
        for (name, is_ours) in [
            ("One-ConnectionRole-1M2X3Y4Z5A6B", true),
            ("platform/StackSet-Acme-1f2e-ConnectionRole-1M2X3Y4Z5A6B", true),
            ("vendor-000000000001", true),
            // The Terraform module's, by hand, another stack's, of a template of the customer's
            // own.
            ("connection-20261121120000123400000001", false),
            ("VendorAccess", false),
            ("vendor-000000000002", false),
            ("000000000001", false),
            ("One-Role-1M2X3Y4Z5A6B", false),
        ] {
            let role_arn = RoleArn::parse(&format!("arn:aws:iam::222222222222:role/{name}")).unwrap();
            assert_eq!(is_of_our_template(&stack_id, &role_arn), is_ours, "{name}");
        }
    }

    #[test]
    fn a_stack_is_updated_in_its_own_partition() {
        let china = STACK
            .replace("arn:aws:", "arn:aws-cn:")
            .replace("eu-west-1", "cn-north-1");
        let stack_id = StackId::parse(&china).unwrap();
        let update = StackUpdate {
            stack_id: &stack_id,
            external_id: None,
            from: None,
            to: None,
        };
        assert!(
            update.url().starts_with(
                "https://cn-north-1.console.amazonaws.cn/cloudformation/home?region=cn-north-1#"
            )
        );
        assert!(
            update
                .cli_command()
                .contains("ParameterKey=ExternalId,UsePreviousValue=true --cap")
        );
    }
}

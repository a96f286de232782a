//! How a customer updates the stack of a connection: for a browser and for infrastructure code.

use crate::domain::{aws::StackId, external_id::ExternalId, launch_link::EXTERNAL_ID_PARAMETER};

/// What a stack shall be updated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackUpdate {
    /// The stack.
    pub stack_id: StackId,
    /// The external ID that it shall have.
    pub external_id: ExternalId,
}

impl StackUpdate {
    /// The console's update page for the stack, where the customer keeps the template and enters the external ID.
    /// Values are not filled in: the console has lost other parameters that way (AWS-FACTS, "Console links").
    pub fn url(&self) -> String {
        let region = self.stack_id.region();
        let console = region.partition().console_domain();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("stackId", self.stack_id.as_str())
            .finish();
        format!(
            "https://{region}.{console}/cloudformation/home?region={region}#/stacks/update/template?{query}"
        )
    }

    /// The same for a shell, with the template as it is. Every value is of a form that needs no quoting but the
    /// stack's id, which may hold what a shell reads.
    pub fn cli_command(&self) -> String {
        format!(
            "aws cloudformation update-stack --region {} --stack-name '{}' --use-previous-template --parameters \
             ParameterKey={EXTERNAL_ID_PARAMETER},ParameterValue={} --capabilities CAPABILITY_IAM",
            self.stack_id.region(),
            self.stack_id,
            self.external_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_updated_by_its_id_in_its_own_region_and_partition() {
        let update = |stack: &str| StackUpdate {
            stack_id: StackId::parse(stack).unwrap(),
            external_id: ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
        };
        let id =
            "arn:aws:cloudformation:eu-west-1:222222222222:stack/One/0d1f2a30-96c5-11ef-8a3b-000000000001";
        insta::assert_snapshot!(update(id).url());
        insta::assert_snapshot!(update(id).cli_command());
        let china = id
            .replace("arn:aws:", "arn:aws-cn:")
            .replace("eu-west-1", "cn-north-1");
        assert!(
            update(&china).url().starts_with(
                "https://cn-north-1.console.amazonaws.cn/cloudformation/home?region=cn-north-1#"
            )
        );
    }
}

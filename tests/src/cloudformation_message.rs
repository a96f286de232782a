//! Custom resource requests written by hand: what somebody can publish who knows the source code.

use serde_json::{Value, json};

use crate::{
    Error,
    customer::Customer,
    scene::{Connected, Scene, fresh_account},
};

/// A request that looks like CloudFormation's in everything but the signature of its URL.
#[derive(Debug, Clone)]
pub struct ForgedRequest {
    pub fields: Value,
}

impl ForgedRequest {
    /// A Create from a stack of the attacker's that claims `role_arn` under `external_id`.
    pub fn create(
        scene: &Scene,
        attacker: &Customer,
        external_id: &str,
        role_arn: &str,
    ) -> Result<Self, Error> {
        Self::of_account(scene, &attacker.region, &attacker.account, external_id, role_arn)
    }

    /// The same from a stack of any account.
    pub fn of_account(
        scene: &Scene,
        region: &str,
        account: &str,
        external_id: &str,
        role_arn: &str,
    ) -> Result<Self, Error> {
        let stack_id = format!(
            "arn:aws:cloudformation:{region}:{account}:stack/Forged/{}",
            uuid()
        );
        let topic = scene.ready.topic(region)?;
        let fields = json!({
            "RequestType": "Create",
            "ServiceToken": topic,
            "StackId": stack_id,
            "RequestId": uuid(),
            "LogicalResourceId": "Connection",
            "ResourceType": "Custom::LatchkeyConnection",
            "ResourceProperties": {
                "ServiceToken": topic,
                "ServiceTimeout": "60",
                "ExternalId": external_id,
                "RoleArn": role_arn,
                "TemplateVersion": "1.0.0",
            },
        });
        Ok(Self { fields }.sign())
    }

    /// A Delete of a resource that exists.
    pub fn delete(
        scene: &Scene,
        stack_id: &str,
        physical_resource_id: &str,
        external_id: &str,
        role_arn: &str,
    ) -> Result<Self, Error> {
        let mut parts = stack_id.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut request = Self::of_account(scene, region, account, external_id, role_arn)?;
        request.fields["RequestType"] = json!("Delete");
        request.fields["StackId"] = json!(stack_id);
        request.fields["PhysicalResourceId"] = json!(physical_resource_id);
        Ok(request.sign())
    }

    /// An Update of a live connection to another role.
    pub fn update(scene: &Scene, of: &Connected, physical_id: &str, role_arn: &str) -> Result<Self, Error> {
        let request = Self::delete(scene, &of.stack.stack_id, physical_id, &of.external_id, role_arn)?;
        Ok(request.with("RequestType", json!("Update")))
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields[name] = value;
        self
    }

    pub fn with_property(mut self, name: &str, value: Value) -> Self {
        self.fields["ResourceProperties"][name] = value;
        self
    }

    /// With the URL that CloudFormation would have made for these fields, under a signature that it has not made.
    pub fn sign(mut self) -> Self {
        let url = format!("https://{}{}?{}", self.host(), self.path(), Self::query());
        self.fields["ResponseURL"] = json!(url);
        self
    }

    /// The host of CloudFormation's response bucket for the request's stack.
    pub fn host(&self) -> String {
        let region = self.stack_id().split(':').nth(3).unwrap_or_default();
        let bucket = format!(
            "cloudformation-custom-resource-response-{}",
            region.replace('-', "")
        );
        format!("{bucket}.s3.{region}.amazonaws.com")
    }

    /// The path of the answer's object.
    pub fn path(&self) -> String {
        let field = |name: &str| self.fields[name].as_str().unwrap_or_default();
        let (logical, request) = (field("LogicalResourceId"), field("RequestId"));
        format!("/{}%7C{logical}%7C{request}", self.stack_id().replace(':', "%3A"))
    }

    /// A query that looks signed.
    pub fn query() -> &'static str {
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261121T120000Z&X-Amz-SignedHeaders=content-type%3Bhost\
         &X-Amz-Expires=7200&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000"
    }

    /// The stack that it claims to come from.
    pub fn stack_id(&self) -> &str {
        self.fields["StackId"].as_str().unwrap_or_default()
    }

    pub fn request_id(&self) -> &str {
        self.fields["RequestId"].as_str().unwrap_or_default()
    }

    /// As the text that is published.
    pub fn text(&self) -> String {
        self.fields.to_string()
    }
}

/// A new name in the form of a UUID.
pub fn uuid() -> String {
    let (a, b) = (fresh_account(), fresh_account());
    format!("{}-{}-4{}-8{}-{a}", &b[..8], &b[8..12], &a[..3], &a[3..6])
}

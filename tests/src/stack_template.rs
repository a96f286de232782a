//! Templates of customers who do it their own way: another trust policy, another role, other properties.

use latchkey_core::domain::request::custom_resource::RESOURCE_TYPE;
use serde_json::{Map, Value, json};

/// What the published template's role may do, and its tier asks for.
pub const PUBLISHED_ACTIONS: [&str; 4] = [
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "ec2:DescribeRegions",
    "iam:ListAccountAliases",
];

/// A stack with a role and a connection, like the published one where nothing else is said.
#[derive(Debug, Clone)]
pub struct StackTemplate {
    vendor_account: String,
    topic_name: String,
    role_path: String,
    pub external_id: String,
    trust: Option<Value>,
    role_name: Option<String>,
    role_more: Map<String, Value>,
    role_arn: Option<Value>,
    actions: Vec<String>,
    logical_id: String,
    resource_type: String,
    service_timeout: u32,
    extra_properties: Map<String, Value>,
}

impl StackTemplate {
    /// The published template's own content.
    pub fn new(ready: &crate::local_aws::Ready, external_id: &str) -> Self {
        Self {
            vendor_account: ready.vendor_account.clone(),
            topic_name: "latchkey-listener".to_owned(),
            role_path: ready.role_path.clone(),
            external_id: external_id.to_owned(),
            trust: None,
            role_name: None,
            role_more: Map::new(),
            role_arn: None,
            actions: PUBLISHED_ACTIONS.map(str::to_owned).to_vec(),
            logical_id: "Connection".to_owned(),
            resource_type: RESOURCE_TYPE.to_owned(),
            service_timeout: 60,
            extra_properties: Map::new(),
        }
    }

    /// With this trust policy's condition instead of the external ID's.
    pub fn condition(mut self, condition: Value) -> Self {
        self.trust = Some(trust_policy(&self.vendor_account, condition));
        self
    }

    pub fn trust(mut self, policy: Value) -> Self {
        self.trust = Some(policy);
        self
    }

    pub fn allows(mut self, actions: &[&str]) -> Self {
        self.actions = actions.iter().map(|&action| action.to_owned()).collect();
        self
    }

    pub fn role_name(mut self, name: &str) -> Self {
        self.role_name = Some(name.to_owned());
        self
    }

    /// With another or one more property of the role, such as its `Path`.
    pub fn role_property(mut self, name: &str, value: Value) -> Self {
        self.role_more.insert(name.to_owned(), value);
        self
    }

    /// Claiming this role instead of its own.
    pub fn claims_role(mut self, arn: &str) -> Self {
        self.role_arn = Some(json!(arn));
        self
    }

    /// With the connection under another name in the template.
    pub fn logical_id(mut self, name: &str) -> Self {
        self.logical_id = name.to_owned();
        self
    }

    /// With the connection as another type of resource.
    pub fn resource_type(mut self, name: &str) -> Self {
        self.resource_type = name.to_owned();
        self
    }

    pub fn published_condition(&self) -> Value {
        json!({ "ArnLike": self.vendor_roles(), "StringEquals": { "sts:ExternalId": self.external_id } })
    }

    pub fn published_trust(&self) -> Value {
        trust_policy(&self.vendor_account, self.published_condition())
    }

    /// The part of that condition that names the vendor's roles.
    pub fn vendor_roles(&self) -> Value {
        json!({ "aws:PrincipalArn": format!("arn:aws:iam::{}:role{}*", self.vendor_account, self.role_path) })
    }

    pub fn property(mut self, name: &str, value: Value) -> Self {
        self.extra_properties.insert(name.to_owned(), value);
        self
    }

    /// With another patience of CloudFormation, in seconds.
    pub fn service_timeout(mut self, seconds: u32) -> Self {
        self.service_timeout = seconds;
        self
    }

    /// The same with a sibling that cannot be made, after the connection.
    pub fn text_with_something_failing(&self) -> String {
        let mut template: Value = serde_json::from_str(&self.text()).unwrap_or_default();
        template["Resources"]["Sibling"] = json!({
            "Type": "AWS::IAM::Policy",
            "DependsOn": self.logical_id,
            "Properties": {
                "PolicyName": "x",
                "Roles": ["there-is-no-such-role"],
                "PolicyDocument": { "Version": "2012-10-17", "Statement": [] },
            },
        });
        template.to_string()
    }

    /// As the text that CloudFormation takes.
    pub fn text(&self) -> String {
        let trust = self.trust.clone().unwrap_or_else(|| self.published_trust());
        let mut role = json!({ "AssumeRolePolicyDocument": trust });
        if !self.actions.is_empty() {
            role["Policies"] =
                json!([{ "PolicyName": "connection", "PolicyDocument": allow(&self.actions) }]);
        }
        if let Some(name) = &self.role_name {
            role["RoleName"] = json!(name);
        }
        for (name, value) in &self.role_more {
            role[name] = value.clone();
        }
        let mut connection = json!({
            "ServiceToken": { "Fn::Sub": format!("arn:${{AWS::Partition}}:sns:${{AWS::Region}}:{}:{}", self.vendor_account, self.topic_name) },
            "ServiceTimeout": self.service_timeout,
            "ExternalId": self.external_id,
            "RoleArn": self.role_arn.clone().unwrap_or_else(|| json!({ "Fn::GetAtt": ["Role", "Arn"] })),
            "TemplateVersion": "1.0.0",
        });
        for (name, value) in &self.extra_properties {
            connection[name] = value.clone();
        }
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": {
                "Role": { "Type": "AWS::IAM::Role", "Properties": role },
                self.logical_id.as_str(): {
                    "Type": self.resource_type,
                    "DependsOn": "Role",
                    "Properties": connection,
                },
            },
            "Outputs": { "RoleArn": { "Value": { "Fn::GetAtt": ["Role", "Arn"] } } },
        })
        .to_string()
    }
}

pub fn allow(actions: &[impl AsRef<str>]) -> Value {
    let actions: Vec<&str> = actions.iter().map(AsRef::as_ref).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    })
}

pub fn trust_policy(vendor_account: &str, condition: Value) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{vendor_account}:root") },
            "Action": "sts:AssumeRole",
            "Condition": condition,
        }],
    })
}

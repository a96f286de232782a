//! A customer's stack, and the requests that CloudFormation sends for it: true ones, forged ones and odd ones.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use latchkey_core::domain::{
    aws::{AccountId, Region, RoleArn, StackId, TopicArn},
    external_id::ExternalId,
    invalid::Invalid,
    request::custom_resource::{Envelope, RESOURCE_TYPE, RequestKey},
};
use serde_json::{Map, Value, json};

use super::{
    builders::{REGION, fresh_number, topic},
    cloudformation_bucket::{CloudFormationBucket, url},
};

/// A stack with one custom resource of ours.
#[derive(Debug)]
pub struct CustomerStack {
    pub stack_id: StackId,
    pub logical_resource_id: String,
    requests: Arc<AtomicU64>,
}

impl CustomerStack {
    /// A stack that nobody else has, in `account`.
    pub fn new(account: &AccountId) -> Self {
        Self::in_region(account, REGION)
    }

    pub fn in_region(account: &AccountId, region: &str) -> Self {
        let partition = Region::parse(region).unwrap().partition();
        let (one, two) = (fresh_number(), fresh_number());
        let uuid = format!(
            "{:08x}-{:04x}-4000-8000-{:012x}",
            one >> 32,
            one & 0xffff,
            two >> 16
        );
        let text = format!(
            "arn:{}:cloudformation:{region}:{account}:stack/Latchkey/{uuid}",
            partition.as_str()
        );
        Self {
            stack_id: StackId::parse(&text).unwrap(),
            logical_resource_id: "Connection".to_owned(),
            requests: Arc::default(),
        }
    }

    /// A stack that has sent requests before: those that it sends now have other ids.
    pub fn of(stack_id: &StackId) -> Self {
        Self {
            stack_id: stack_id.clone(),
            logical_resource_id: "Connection".to_owned(),
            requests: Arc::new(AtomicU64::new(fresh_number() >> 40)),
        }
    }

    /// The same stack's resource under another name in the template.
    pub fn resource(&self, logical_resource_id: &str) -> Self {
        Self {
            stack_id: self.stack_id.clone(),
            logical_resource_id: logical_resource_id.to_owned(),
            requests: self.requests.clone(),
        }
    }

    pub fn create(&self, external_id: &ExternalId, role_arn: &RoleArn) -> StackRequest {
        self.request("Create", None, external_id, role_arn)
    }

    pub fn update(
        &self,
        physical_resource_id: &str,
        external_id: &ExternalId,
        role_arn: &RoleArn,
    ) -> StackRequest {
        self.request("Update", Some(physical_resource_id), external_id, role_arn)
    }

    pub fn delete(
        &self,
        physical_resource_id: &str,
        external_id: &ExternalId,
        role_arn: &RoleArn,
    ) -> StackRequest {
        self.request("Delete", Some(physical_resource_id), external_id, role_arn)
    }

    fn request(
        &self,
        request_type: &str,
        physical_resource_id: Option<&str>,
        external_id: &ExternalId,
        role_arn: &RoleArn,
    ) -> StackRequest {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("{number:08x}-0000-4000-8000-000000000000");
        let topic = topic(&self.stack_id.region());
        let mut fields = json!({
            "RequestType": request_type,
            "RequestId": request_id,
            "StackId": self.stack_id,
            // Signed by nobody until `signed` is called.
            "ResponseURL": url(&self.stack_id, &self.logical_resource_id, &request_id, "f09ed"),
            "ResourceType": RESOURCE_TYPE,
            "LogicalResourceId": self.logical_resource_id,
            "ServiceToken": topic,
            "ServiceTimeout": "300",
            "ResourceProperties": {
                "ServiceToken": topic,
                "ServiceTimeout": "300",
                "ExternalId": external_id,
                "RoleArn": role_arn,
                "TemplateVersion": "1.0.0",
            },
        });
        if let Some(id) = physical_resource_id {
            fields["PhysicalResourceId"] = json!(id);
        }
        let Value::Object(fields) = fields else {
            panic!("an object was just made");
        };
        StackRequest {
            fields,
            topic,
            key: RequestKey {
                stack_id: Some(self.stack_id.clone()),
                request_id,
            },
            stack_id: self.stack_id.clone(),
            logical_resource_id: self.logical_resource_id.clone(),
            sent_at: None,
        }
    }
}

/// A request of a stack: a forged one, until its answer URL is signed.
#[derive(Debug, Clone)]
pub struct StackRequest {
    /// What the message says.
    pub fields: Map<String, Value>,
    pub topic: TopicArn,
    pub key: RequestKey,
    pub stack_id: StackId,
    /// When SNS took it; when it is received, where that is not said.
    pub sent_at: Option<Timestamp>,
    logical_resource_id: String,
}

impl StackRequest {
    /// The same as CloudFormation sends it: with an answer URL that the bucket takes.
    #[must_use]
    pub fn signed(self, bucket: &CloudFormationBucket) -> Self {
        let url = bucket.sign(&self.stack_id, &self.logical_resource_id, &self.key.request_id);
        self.with("ResponseURL", url)
    }

    #[must_use]
    pub fn sent_at(mut self, at: Timestamp) -> Self {
        self.sent_at = Some(at);
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.remove(name).unwrap();
        self
    }

    #[must_use]
    pub fn with_property(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.properties().insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn without_property(mut self, name: &str) -> Self {
        self.properties().remove(name).unwrap();
        self
    }

    fn properties(&mut self) -> &mut Map<String, Value> {
        match self.fields.get_mut("ResourceProperties") {
            Some(Value::Object(properties)) => properties,
            _ => panic!("the properties are no object any more"),
        }
    }

    /// The `Message` of the SNS notification.
    pub fn message(&self) -> String {
        Value::Object(self.fields.clone()).to_string()
    }

    pub fn parse(&self) -> Result<Envelope, Invalid> {
        Envelope::parse(&self.message(), &self.topic).map_err(|not_read| not_read.invalid())
    }

    pub fn envelope(&self) -> Envelope {
        self.parse().unwrap()
    }

    /// The id that an answer gives the resource.
    pub fn physical_resource_id(&self) -> String {
        self.envelope().answered_physical_resource_id()
    }
}

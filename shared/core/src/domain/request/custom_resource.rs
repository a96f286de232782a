//! The custom resource contract with CloudFormation: what a stack sends, and what it is answered.
//!
//! A message is read in two steps (I5). The *envelope* first: with it the stack can be answered. The *properties*
//! second: what is wrong with them is told to the stack at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::domain::{
    aws::{RoleArn, StackId, TopicArn},
    external_id::ExternalId,
    ids::ConnectionId,
    invalid::{Invalid, PADDED},
    proof::{reason::Reason, tiers::TierName},
    request::{
        response_url::ResponseUrl,
        stack_says::{MadeBy, StackSays, access_until},
    },
};

/// The resource type in the customer's template.
pub const RESOURCE_TYPE: &str = "Custom::LatchkeyConnection";
/// The type of a custom resource whose template names none, as CDK writes it: taken like ours.
pub const DEFAULT_RESOURCE_TYPE: &str = "AWS::CloudFormation::CustomResource";
/// Longest message that is worked on. A true one has about 2.5 KB, an Update with old properties about 3 KB.
pub const MAX_REQUEST_BYTES: usize = 32_768;
/// Longest message that SNS carries: whatever fits is read as far as an answer needs it (I5).
pub const MAX_MESSAGE_BYTES: usize = 262_144;
/// CloudFormation's limit on a PhysicalResourceId.
pub const MAX_PHYSICAL_RESOURCE_ID_BYTES: usize = 1_024;
/// CloudFormation's limit on the body of an answer.
pub const MAX_ANSWER_BYTES: usize = 4_096;
/// CloudFormation's limits on a custom resource's `ServiceTimeout`, in seconds; the upper one is the default.
const SERVICE_TIMEOUT_SECONDS: std::ops::RangeInclusive<u32> = 1..=3_600;

/// What CloudFormation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestType {
    /// A stack makes the resource.
    Create,
    /// A stack changes a property of the resource, or rolls such a change back.
    Update,
    /// A stack removes the resource, or rolls its making back.
    Delete,
}

impl RequestType {
    /// CloudFormation's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }
}

/// What identifies a request, however often and through whatever path it arrives (AWS: "StackId + RequestId").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The stack that asks; none where the vendor named a role that was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackId>,
    /// CloudFormation's id of the request, or ours.
    pub request_id: String,
}

/// A request whose envelope holds: it can be answered, and nothing else in it has been believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is asked for.
    pub request_type: RequestType,
    /// The stack and the request.
    pub key: RequestKey,
    /// The stack that asks.
    pub stack_id: StackId,
    /// Where the answer goes.
    pub response_url: ResponseUrl,
    /// The resource's name in the template.
    pub logical_resource_id: String,
    /// The resource's id as an earlier answer gave it; on Update and Delete.
    pub physical_resource_id: Option<String>,
    /// How long the stack waits for the answer, in seconds.
    pub service_timeout_seconds: u32,
    unverified_properties: Map<String, Value>,
    unverified_old_properties: Map<String, Value>,
}

/// What a stack claims, parsed. Still claims: the tenant, the account and the role are proven elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// The external ID of the launch link.
    pub external_id: ExternalId,
    /// The role that the stack made.
    pub role_arn: RoleArn,
    /// The version of the template that the stack was made from.
    pub template_version: String,
    /// The tier that the customer chose; none in a stack of a template that has no choice.
    pub permission_tier: Option<TierName>,
    /// What the stack tells of itself.
    pub says: StackSays,
}

/// Why a message is not worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// It is not a request that could be answered: it is dropped.
    Dropped(Invalid),
    /// CloudFormation may wait for an answer: it is told what is wrong, and nothing else is done.
    Answered(Box<Unread>),
}

impl NotRead {
    /// What is wrong with the message.
    pub fn invalid(&self) -> Invalid {
        match self {
            Self::Dropped(invalid) => *invalid,
            Self::Answered(unread) => unread.invalid,
        }
    }
}

/// A request that can be answered and is not worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The stack and the request.
    pub key: RequestKey,
    /// Where the answer goes.
    pub response_url: ResponseUrl,
    /// The resource's name in the template.
    pub logical_resource_id: String,
    /// The id that the answer gives the resource.
    pub physical_resource_id: String,
    /// What is wrong with it.
    pub invalid: Invalid,
    is_delete: bool,
}

impl Unread {
    /// What it is answered: a Delete is let go, whatever it is (I6).
    pub fn outcome(&self) -> Outcome {
        if self.is_delete {
            Outcome::Deleted
        } else {
            Outcome::Refused {
                reason: self.invalid.into(),
            }
        }
    }
}

/// What an answer needs of a request.
struct Address {
    key: RequestKey,
    stack_id: StackId,
    logical_resource_id: String,
    response_url: ResponseUrl,
}

impl Address {
    fn read(fields: &Map<String, Value>) -> Result<Self, Invalid> {
        let stack_id = StackId::parse(text(fields, "StackId")?)?;
        let request_id = text(fields, "RequestId")?;
        if !(1..=128).contains(&request_id.len())
            || !request_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Err(Invalid::new("RequestId", "is not an id of CloudFormation"));
        }
        let logical_resource_id = text(fields, "LogicalResourceId")?;
        if !(1..=255).contains(&logical_resource_id.len())
            || !logical_resource_id.chars().all(|c| c.is_ascii_alphanumeric())
        {
            return Err(Invalid::new(
                "LogicalResourceId",
                "is not a logical id of a template",
            ));
        }
        let url = text(fields, "ResponseURL")?;
        Ok(Self {
            response_url: ResponseUrl::parse(url, &stack_id, logical_resource_id, request_id)?,
            logical_resource_id: logical_resource_id.to_owned(),
            key: RequestKey {
                stack_id: Some(stack_id.clone()),
                request_id: request_id.to_owned(),
            },
            stack_id,
        })
    }

    /// A message that CloudFormation did not send through `topic` is nobody's request to us.
    fn check_topic(&self, fields: &Map<String, Value>, topic: &TopicArn) -> Result<(), Invalid> {
        if topic.region() != self.stack_id.region() {
            return Err(Invalid::new(
                "StackId",
                "is in another region than the topic of the message",
            ));
        }
        let properties = fields.get("ResourceProperties");
        let own = properties.and_then(|properties| properties.get("ServiceToken"));
        let tokens = [fields.get("ServiceToken"), own];
        if tokens.iter().all(Option::is_none) {
            return Err(Invalid::new("ServiceToken", "is missing"));
        }
        let is_topic = |token: &Value| token.as_str() == Some(topic.as_str());
        if !tokens.into_iter().flatten().all(is_topic) {
            return Err(Invalid::new(
                "ServiceToken",
                "is not the topic that the message came through",
            ));
        }
        Ok(())
    }
}

impl Envelope {
    /// Reads the `Message` of an SNS notification that came through `topic`.
    pub fn parse(unverified_message: &str, topic: &TopicArn) -> Result<Self, NotRead> {
        let size = unverified_message.len();
        if size > MAX_MESSAGE_BYTES {
            let too_large = Invalid::new("request", "is larger than any message of SNS");
            return Err(NotRead::Dropped(too_large));
        }
        let Ok(Value::Object(mut fields)) = serde_json::from_str(unverified_message) else {
            return Err(NotRead::Dropped(Invalid::new("request", "is not a JSON object")));
        };
        let address = Address::read(&fields).map_err(NotRead::Dropped)?;
        address.check_topic(&fields, topic).map_err(NotRead::Dropped)?;
        let is_delete = fields.get("RequestType").and_then(Value::as_str) == Some("Delete");
        let physical_resource_id = physical_resource_id(&fields);
        let old_properties = match fields.remove("OldResourceProperties") {
            Some(Value::Object(old)) => old,
            _ => Map::new(),
        };
        match Self::read(&mut fields, size) {
            Ok((request_type, properties, service_timeout_seconds)) => Ok(Self {
                request_type,
                key: address.key,
                stack_id: address.stack_id,
                response_url: address.response_url,
                logical_resource_id: address.logical_resource_id,
                physical_resource_id,
                service_timeout_seconds,
                unverified_properties: properties,
                unverified_old_properties: old_properties,
            }),
            Err(invalid) => Err(NotRead::Answered(Box::new(Unread {
                physical_resource_id: physical_resource_id
                    .unwrap_or_else(|| made_up_id(&address.stack_id, &address.key)),
                key: address.key,
                response_url: address.response_url,
                logical_resource_id: address.logical_resource_id,
                invalid,
                is_delete,
            }))),
        }
    }

    /// Type, properties and patience of a request of `size` bytes. An error is told to the stack.
    fn read(
        fields: &mut Map<String, Value>,
        size: usize,
    ) -> Result<(RequestType, Map<String, Value>, u32), Invalid> {
        if size > MAX_REQUEST_BYTES {
            return Err(Invalid::new(
                "request",
                "is larger than 32 KB; give this resource no other properties than the template's",
            ));
        }
        let request_type = match text(fields, "RequestType")? {
            "Create" => RequestType::Create,
            "Update" => RequestType::Update,
            "Delete" => RequestType::Delete,
            _ => return Err(Invalid::new("RequestType", "is not Create, Update or Delete")),
        };
        if ![RESOURCE_TYPE, DEFAULT_RESOURCE_TYPE].contains(&text(fields, "ResourceType")?) {
            return Err(Invalid::new("ResourceType", "is not Custom::LatchkeyConnection"));
        }
        match (request_type, fields.contains_key("PhysicalResourceId")) {
            (RequestType::Create, true) => {
                return Err(Invalid::new("PhysicalResourceId", "must not be given on Create"));
            }
            (RequestType::Update | RequestType::Delete, _) if physical_resource_id(fields).is_none() => {
                return Err(Invalid::new(
                    "PhysicalResourceId",
                    "is missing, longer than 1,024 bytes or has control characters",
                ));
            }
            _ => {}
        }
        let Some(Value::Object(properties)) = fields.remove("ResourceProperties") else {
            return Err(Invalid::new("ResourceProperties", "is not a JSON object"));
        };
        let service_timeout_seconds = [fields.get("ServiceTimeout"), properties.get("ServiceTimeout")]
            .into_iter()
            .flatten()
            .find_map(|value| value.as_str()?.parse().ok())
            .filter(|seconds| SERVICE_TIMEOUT_SECONDS.contains(seconds))
            .unwrap_or(*SERVICE_TIMEOUT_SECONDS.end());
        Ok((request_type, properties, service_timeout_seconds))
    }

    /// Reads the properties. An error is told to the stack.
    pub fn properties(&self) -> Result<Properties, Invalid> {
        let properties = &self.unverified_properties;
        let external_id = ExternalId::parse(bare(properties, "ExternalId")?)?;
        let role_arn = RoleArn::parse(bare(properties, "RoleArn")?)?;
        let template_version = bare(properties, "TemplateVersion")?;
        if !(1..=32).contains(&template_version.len())
            || !template_version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
        {
            return Err(Invalid::new("TemplateVersion", "is not a version such as 1.2.0"));
        }
        let permission_tier = properties
            .contains_key("PermissionTier")
            .then(|| TierName::parse(bare(properties, "PermissionTier")?))
            .transpose()?;
        let told = |name| {
            properties
                .contains_key(name)
                .then(|| bare(properties, name))
                .transpose()
        };
        let says = StackSays {
            made_by: told("MadeBy")?.map(MadeBy::parse),
            access_until: told("AccessUntil")?.map(access_until).transpose()?,
        };
        Ok(Properties {
            external_id,
            role_arn,
            permission_tier,
            says,
            template_version: template_version.to_owned(),
        })
    }

    /// The external ID alone: a Delete must find its connection even where another property is beyond reading.
    pub fn external_id(&self) -> Option<ExternalId> {
        ExternalId::parse(text(&self.unverified_properties, "ExternalId").ok()?).ok()
    }

    /// Whether the stack had another external ID or role before this Update, by what it says: a
    /// rollback goes back from what failed.
    pub fn changes_what_is_connected(&self) -> bool {
        let differs = |name| self.unverified_old_properties.get(name) != self.unverified_properties.get(name);
        ["ExternalId", "RoleArn"].into_iter().any(differs)
    }

    /// The PhysicalResourceId of every answer to this request: the one that the resource has, or, on Create, one
    /// that follows from the request alone, so that an answer that is made again is the same answer.
    pub fn answered_physical_resource_id(&self) -> String {
        let own = self.physical_resource_id.clone();
        own.unwrap_or_else(|| made_up_id(&self.stack_id, &self.key))
    }
}

/// The id that the resource has, if an answer can repeat it: a control character takes six bytes in JSON, and 1,024 of
/// them would burst the answer.
fn physical_resource_id(fields: &Map<String, Value>) -> Option<String> {
    let id = fields.get("PhysicalResourceId")?.as_str()?;
    let fits = (1..=MAX_PHYSICAL_RESOURCE_ID_BYTES).contains(&id.len()) && !id.contains(char::is_control);
    fits.then(|| id.to_owned())
}

/// The id of a resource that has none yet.
fn made_up_id(stack_id: &StackId, key: &RequestKey) -> String {
    let digest = Sha256::digest(format!("{stack_id}|{}", key.request_id));
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("latchkey-{hex}")
}

fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Invalid> {
    match fields.get(name) {
        None => Err(Invalid::new(name, "is missing")),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Invalid::new(name, "is not a text")),
    }
}

/// A text with nothing around it. A YAML block scalar ends in a line break, and the role's
/// condition would have it, too.
fn bare<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Invalid> {
    let text = text(fields, name)?;
    if text.trim() != text {
        return Err(Invalid::new(name, PADDED));
    }
    Ok(text)
}

/// What a request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The connection is proven and stored.
    Connected {
        /// The connection that the stack now has.
        connection_id: ConnectionId,
    },
    /// The Delete is done, as far as the stack is concerned.
    Deleted,
    /// The request failed.
    Refused {
        /// Why, and what to do.
        reason: Reason,
    },
}

/// The body that answers a request.
///
/// Its size has a bound by construction: ids have limits and reasons are our own texts
/// ([`MAX_ANSWER_BYTES`] is checked by a test over the largest that there can be).
pub fn answer_body(
    key: &RequestKey,
    logical_resource_id: &str,
    physical_resource_id: &str,
    outcome: &Outcome,
) -> String {
    let mut body = json!({
        "RequestId": key.request_id,
        "StackId": key.stack_id,
        "LogicalResourceId": logical_resource_id,
        "PhysicalResourceId": physical_resource_id,
    });
    match outcome {
        Outcome::Connected { connection_id } => {
            body["Status"] = json!("SUCCESS");
            body["Data"] = json!({ "ConnectionId": connection_id, "Status": "active" });
        }
        Outcome::Deleted => body["Status"] = json!("SUCCESS"),
        Outcome::Refused { reason } => {
            body["Status"] = json!("FAILED");
            body["Reason"] = json!(reason.stack_event());
        }
    }
    body.to_string()
}

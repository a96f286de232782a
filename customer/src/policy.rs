//! The IAM documents of a tier: what the role may do, and whom it lets in.
//!
//! They are made once, with `${partition}`, `${account}` and `${region}` and the names below for what is not known yet;
//! each rendering fills those in in its own language.

use serde_json::{Map, Value, json};

use crate::manifest::{Conditions, Manifest, Resources, Statement, texts::TierName};

/// Stands for the ARN of the connection's own role.
pub const OWN_ROLE: &str = "${role_arn}";
/// Stands for the connection's external ID.
pub const EXTERNAL_ID: &str = "${external_id}";
/// IAM's limit on all inline policies of a role, in characters that are not white space.
pub const MAX_INLINE_POLICY_CHARS: usize = 10_240;
/// The one name of the inline policy, on every road.
pub const POLICY_NAME: &str = "connection";

/// A statement as IAM reads it.
pub fn statement_document(statement: &Statement) -> Value {
    let mut document = Map::new();
    document.insert("Sid".to_owned(), json!(statement.sid));
    document.insert("Effect".to_owned(), json!("Allow"));
    document.insert("Action".to_owned(), json!(statement.actions));
    let resource = match &statement.resources {
        Resources::Role => json!(OWN_ROLE),
        Resources::Any => json!("*"),
        Resources::Arns(arns) => json!(arns),
    };
    document.insert("Resource".to_owned(), resource);
    if let Some(conditions) = conditions_document(&statement.conditions) {
        document.insert("Condition".to_owned(), conditions);
    }
    Value::Object(document)
}

/// The conditions as IAM reads them; none where there are none.
pub fn conditions_document(conditions: &Conditions) -> Option<Value> {
    (!conditions.is_empty()).then(|| json!(conditions))
}

/// Everything that a tier grants, as one policy.
pub fn policy_document(manifest: &Manifest, tier: &TierName) -> Value {
    let statements: Vec<Value> = manifest
        .statements(tier)
        .into_iter()
        .map(statement_document)
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Whom the role lets in, on every road. The values of the vendor are placeholders that publishing fills in.
pub fn trust_document() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "VendorWithExternalIdOnly",
            "Effect": "Allow",
            "Principal": { "AWS": "arn:${partition}:iam::__VENDOR_ACCOUNT_ID__:root" },
            "Action": "sts:AssumeRole",
            "Condition": {
                "ArnLike": { "aws:PrincipalArn": "arn:${partition}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*" },
                "StringEquals": { "sts:ExternalId": EXTERNAL_ID },
            },
        }],
    })
}

/// The conditions of the trust policy in a reader's words: those that always stand, and those that the customer can add.
/// They are part of a version's snapshot, so that a change of them is a difference between versions.
pub fn trust_terms() -> TrustTerms {
    let terms = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    TrustTerms {
        principal: "the vendor's AWS account".to_owned(),
        always: terms(&[
            "ArnLike aws:PrincipalArn: a role under the vendor's role path",
            "StringEquals sts:ExternalId: the external ID of this connection",
        ]),
        on_request: terms(&[
            "IpAddress aws:SourceIp: the address ranges that you enter",
            "StringEquals aws:PrincipalOrgID: the organization id that you enter",
        ]),
    }
}

/// Whom a version's role lets in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustTerms {
    pub principal: String,
    pub always: Vec<String>,
    /// Conditions that the customer can add.
    pub on_request: Vec<String>,
}

/// `document` with every text in it replaced by what `fill` makes of it.
pub fn with_texts(document: &Value, fill: &impl Fn(&str) -> Value) -> Value {
    match document {
        Value::String(text) => fill(text),
        Value::Array(items) => items.iter().map(|item| with_texts(item, fill)).collect(),
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(name, value)| (name.clone(), with_texts(value, fill)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

//! The IAM documents of a tier: what the role may do, and whom it lets in.
//!
//! They are made once, with `${partition}`, `${account}` and `${region}` and the names below for what is not known yet;
//! each rendering fills those in in its own language.

use serde_json::{Map, Value, json};

use crate::{
    deployment_template::TemplateValues,
    manifest::{Conditions, Manifest, Resources, Statement, texts::TierName},
};

/// Stands for the ARN of the connection's own role.
pub const OWN_ROLE: &str = "${role_arn}";
/// Stands for the connection's external ID.
pub const EXTERNAL_ID: &str = "${external_id}";
/// IAM's limit on all inline policies of a role, in characters that are not white space.
pub const MAX_INLINE_POLICY_CHARS: usize = 10_240;
/// IAM's quota for a trust policy, in characters that are not white space.
pub const MAX_TRUST_POLICY_CHARS: usize = 2_048;
/// The tags that the vendor may give its sessions.
pub const TAG_KEYS: &str = "latchkey:*";
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
///
/// The second statement lets nobody in by itself: STS asks for these rights beside the one of the
/// first. `sts:ExternalId` belongs to AssumeRole, and address ranges are not repeated, because IAM
/// takes [`MAX_TRUST_POLICY_CHARS`].
pub fn trust_document() -> Value {
    let vendor = json!({ "AWS": "arn:${partition}:iam::__VENDOR_ACCOUNT_ID__:root" });
    let roles = json!({ "aws:PrincipalArn": "arn:${partition}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*" });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "VendorWithExternalIdOnly",
                "Effect": "Allow",
                "Principal": vendor,
                "Action": "sts:AssumeRole",
                "Condition": { "ArnLike": roles, "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
            },
            {
                "Sid": "VendorSaysWhatItComesFor",
                "Effect": "Allow",
                "Principal": vendor,
                "Action": ["sts:SetSourceIdentity", "sts:TagSession"],
                "Condition": { "ArnLike": roles, "ForAllValues:StringLike": { "aws:TagKeys": TAG_KEYS } },
            },
        ],
    })
}

/// How long the trust policy is, in IAM's count, for a customer who uses every option to its limit.
pub fn longest_trust_policy(values: &TemplateValues) -> usize {
    let mut longest = trust_document();
    let conditions = &mut longest["Statement"][0]["Condition"];
    conditions["StringEquals"]["aws:PrincipalOrgID"] = json!(format!("o-{}", "x".repeat(32)));
    // What the template's parameter takes.
    conditions["IpAddress"]["aws:SourceIp"] = json!(vec!["x".repeat(45 + "/128".len()); 20]);
    conditions["DateLessThan"]["aws:CurrentTime"] = json!("2030-06-30T00:00:00Z");
    let filled = [
        ("${partition}", "aws-us-gov"),
        (EXTERNAL_ID, "x".repeat(32).as_str()),
        ("__VENDOR_ACCOUNT_ID__", values.vendor_account.as_str()),
        ("__VENDOR_ROLE_PATH__", values.role_path.as_str()),
    ]
    .iter()
    .fold(longest.to_string(), |text, (name, value)| {
        text.replace(name, value)
    });
    filled.chars().filter(|c| !c.is_whitespace()).count()
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
            "DateLessThan aws:CurrentTime: the day that you enter",
        ]),
        sessions: terms(&[
            "sts:SetSourceIdentity: a source identity",
            "sts:TagSession: tags, with ForAllValues:StringLike aws:TagKeys: latchkey:*",
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
    /// What roles that are let in may say of the session, for the customer's CloudTrail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
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

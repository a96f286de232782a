//! The bodies that the API takes.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::domain::{
    aws::{AccountId, Region},
    proof::tiers::TierName,
};
use serde::{Deserialize, Serialize};

use crate::{
    connection::Kind,
    reading::{Takes, name, object, unique},
};

/// What `POST /v1/connections` takes. A field that is not here is refused, the external ID above all (I1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Shown wherever the connection is.
    pub name: String,
    /// Shown with the connection itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The vendor's own labels.
    #[serde(
        default,
        deserialize_with = "unique",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub tags: BTreeMap<String, String>,
    /// The only account that may take the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Where the link shall open the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// What the role shall be able to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_tier: Option<TierName>,
    /// Whose it is.
    #[serde(default, deserialize_with = "name")]
    pub kind: Kind,
    /// Which accounts may be members, where it is an organization's.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationWishes>,
}

impl Takes for CreateBody {
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("name", "must be 1 to 128 characters of plain text on one line"),
        (
            "description",
            "must be at most 1,024 characters of plain text on one line",
        ),
        ("tags", "must be an object of texts, each key once"),
        ("account_id", "must be the 12 digits of an AWS account"),
        ("region", "must be the code of an AWS region, such as eu-west-1"),
        ("permission_tier", "must be the name of a tier"),
        ("kind", "must be `account` or `organization`"),
        (
            "organization",
            "must be an object with max_accounts, allowed_accounts, or both",
        ),
        (
            "organization.max_accounts",
            "must be a whole number from 1 to 1,000",
        ),
        (
            "organization.allowed_accounts",
            "must be a list of accounts, each of 12 digits in quotes",
        ),
    ];
}

/// Which accounts may be members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationWishes {
    /// How many may be connected at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_accounts: Option<u32>,
    /// Which ones; any, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_accounts: Option<BTreeSet<AccountId>>,
}

/// What `POST /v1/connections/{id}/role` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The ARN of the role, not yet checked: each rule that it may break has a sentence of its own.
    pub role_arn: String,
}

impl Takes for RoleBody {
    const FIELDS: &'static [(&'static str, &'static str)] = &[("role_arn", "must be the ARN of an IAM role")];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading;

    #[test]
    fn what_a_client_writes_is_read_as_it_was_meant() {
        let everything = CreateBody {
            name: "x".to_owned(),
            description: Some("\u{e4} \"y\"".to_owned()),
            tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            account_id: AccountId::parse("222222222222").ok(),
            region: Region::parse("eu-west-1").ok(),
            permission_tier: TierName::parse("inventory").ok(),
            kind: Kind::Organization,
            organization: Some(OrganizationWishes {
                max_accounts: Some(3),
                allowed_accounts: Some(AccountId::parse("222222222222").into_iter().collect()),
            }),
        };
        let name_alone = CreateBody {
            name: "x".to_owned(),
            ..CreateBody::default()
        };
        for body in [everything, name_alone] {
            let text = serde_json::to_string(&body).unwrap();
            assert_eq!(reading::body(&text), Ok(body));
        }
    }

    #[test]
    fn every_field_that_may_be_sent_has_its_rule() {
        let nothing: Result<CreateBody, _> = serde_json::from_str(r#"{"nothing":1}"#);
        let words = nothing.unwrap_err().to_string();
        let known: Vec<&str> = words.split('`').skip(3).step_by(2).collect();
        let top = CreateBody::FIELDS.iter().map(|(field, _)| *field);
        assert_eq!(
            known,
            top.filter(|field| !field.contains('.')).collect::<Vec<_>>()
        );
    }
}

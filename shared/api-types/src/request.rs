//! The bodies that the API takes.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::domain::{
    aws::{AccountId, Region},
    proof::tiers::TierName,
};
use serde::{Deserialize, Serialize};

use crate::{
    connection::Kind,
    reading::{Takes, object, pasted, pasted_if_any, pasted_list, trimmed, trimmed_if_any, unique},
};

/// What `POST /v1/connections` takes. A field that is not here is refused, the external ID above all (I1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Shown wherever the connection is.
    #[serde(deserialize_with = "trimmed")]
    pub name: String,
    /// Shown with the connection itself.
    #[serde(
        default,
        deserialize_with = "trimmed_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<String>,
    /// The vendor's own labels.
    #[serde(
        default,
        deserialize_with = "unique",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub tags: BTreeMap<String, String>,
    /// The only account that may take the link.
    #[serde(
        default,
        deserialize_with = "pasted_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub account_id: Option<AccountId>,
    /// Where the link shall open the console.
    #[serde(
        default,
        deserialize_with = "pasted_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub region: Option<Region>,
    /// What the role shall be able to do.
    #[serde(
        default,
        deserialize_with = "pasted_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub permission_tier: Option<TierName>,
    /// Whose it is.
    #[serde(default, deserialize_with = "pasted")]
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
        (
            "permission_tier",
            "must be the name of a tier, in lower-case letters",
        ),
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
    #[serde(
        default,
        deserialize_with = "pasted_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub allowed_accounts: Option<BTreeSet<AccountId>>,
}

/// What `POST /v1/connections/{id}/role` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The ARN of the role, not yet checked: each rule that it may break has a sentence of its own.
    #[serde(deserialize_with = "pasted")]
    pub role_arn: String,
}

impl Takes for RoleBody {
    const FIELDS: &'static [(&'static str, &'static str)] = &[("role_arn", "must be the ARN of an IAM role")];
}

/// What a call takes that has nothing to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Takes for Nothing {
    const FIELDS: &'static [(&'static str, &'static str)] = &[];
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
    fn what_a_person_pastes_is_read_as_it_was_meant() {
        let read: CreateBody = reading::body(
            r#"{"name":" a b\n","description":"\tc ","tags":{" k ":" v "},"account_id":" 2222-2222-2222\n",
                "region":"eu-west-1 ","permission_tier":" inventory","kind":"organization ",
                "organization":{"allowed_accounts":["3333-3333-3333"," 444444444444"]}}"#,
        )
        .unwrap();
        assert_eq!(
            (read.name.as_str(), read.description.as_deref()),
            ("a b", Some("c"))
        );
        assert_eq!(read.tags, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        assert_eq!(read.account_id, AccountId::parse("222222222222").ok());
        assert_eq!(read.region, Region::parse("eu-west-1").ok());
        assert_eq!(read.permission_tier, TierName::parse("inventory").ok());
        let accounts = ["333333333333", "444444444444"].map(|text| AccountId::parse(text).unwrap());
        let organization = read.organization.unwrap();
        assert_eq!(organization.allowed_accounts, Some(accounts.into()));
        let role: RoleBody =
            reading::body(r#"{"role_arn":" arn:aws:iam::222222222222:role/x\r\n"}"#).unwrap();
        assert_eq!(role.role_arn, "arn:aws:iam::222222222222:role/x");
        // Other dashes than the console's are none that we take away.
        for account in [
            "22-2222222222",
            "2222-2222-2222-",
            "222222222222-",
            "2222 2222 2222",
        ] {
            let body = format!(r#"{{"name":"x","account_id":"{account}"}}"#);
            assert!(reading::body::<CreateBody>(&body).is_err(), "{account}");
        }
        let twice = r#"{"name":"x","tags":{"k":"a"," k":"b"}}"#;
        assert!(reading::body::<CreateBody>(twice).is_err());
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

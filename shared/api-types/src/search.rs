//! Searches over all tenants.

use std::str::FromStr as _;

use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
    },
    use_cases::search_all_tenants::Position,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{connection::ConnectionBody, page::page_size, reading::Takes};

/// The query of `GET /v1/search`: exactly one of the first five.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchQuery {
    /// The connection of this id.
    pub connection_id: Option<ConnectionId>,
    /// The connection that this external ID was ever made for.
    pub external_id: Option<ExternalId>,
    /// The connection that holds this role.
    #[serde(deserialize_with = "role_arn")]
    pub role_arn: Option<RoleArn>,
    /// Those that are connected to this account.
    pub account_id: Option<AccountId>,
    /// All that are degraded.
    pub status: Option<SoughtStatus>,
    /// Most connections on the page, up to [`MAX_PAGE`](crate::page::MAX_PAGE).
    #[serde(deserialize_with = "page_size")]
    pub limit: Option<u16>,
    /// The `next_after` of the page before.
    #[serde(deserialize_with = "position")]
    pub after: Option<Position>,
}

/// The status that can be looked for over all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoughtStatus {
    /// What is not as it should be.
    Degraded,
}

impl Takes for SearchQuery {
    const WHAT: &'static str = "the query";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("connection_id", "must be the id of a connection"),
        ("external_id", "must be an external ID of Latchkey's"),
        ("role_arn", "must be the ARN of a role"),
        ("account_id", "must be the 12 digits of an AWS account"),
        ("status", "must be degraded"),
        ("limit", "must be from 1 to 100"),
        ("after", "must be the `next_after` of an earlier page"),
    ];
}

fn role_arn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RoleArn>, D::Error> {
    let text = String::deserialize(deserializer)?;
    RoleArn::parse(&text)
        .map(Some)
        .map_err(|_| D::Error::custom("no role"))
}

fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Position>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Position::from_str(&text).map(Some).map_err(D::Error::custom)
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchBody {
    /// A page that is not the last may have fewer than were asked for, or none.
    pub connections: Vec<FoundBody>,
    /// The value of `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// A connection, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBody {
    /// Whose it is.
    pub tenant: TenantId,
    /// The connection as its tenant sees it in a list.
    #[serde(flatten)]
    pub connection: ConnectionBody,
}

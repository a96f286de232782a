//! Lists of connections.

use latchkey_core::domain::{aws::AccountId, connection::Status, ids::ConnectionId};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{connection::ConnectionBody, reading::Takes};

/// Connections on a page if the caller does not say.
pub const DEFAULT_PAGE: u16 = 50;
/// Most connections on a page.
pub const MAX_PAGE: u16 = 100;

/// The query of `GET /v1/connections`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Most connections on the page, up to [`MAX_PAGE`]; [`DEFAULT_PAGE`] where it is not said.
    #[serde(deserialize_with = "page_size", skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// The `next_after` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ConnectionId>,
    /// Only members of this organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_of: Option<ConnectionId>,
    /// Only those that stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only the one that this account is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
}

impl Takes for ListQuery {
    const WHAT: &'static str = "the query";
    const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("limit", "must be from 1 to 100"),
        ("after", "must be the `next_after` of an earlier page"),
        ("member_of", "must be the id of an organization's connection"),
        (
            "status",
            "must be one of pending, verifying, active, degraded, disconnected, expired",
        ),
        ("account_id", "must be the 12 digits of an AWS account"),
    ];
}

/// Every value of a query string is a text.
pub(crate) fn page_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse() {
        Ok(limit @ 1..=MAX_PAGE) => Ok(Some(limit)),
        _ => Err(D::Error::custom("out of range")),
    }
}

/// A page of connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageBody {
    /// In the order of their ids. A page that is not the last may have fewer than were asked for, or none.
    pub connections: Vec<ConnectionBody>,
    /// The value of `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<ConnectionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_a_list_name_its_own_limits() {
        let rule = |name: &str| {
            let found = ListQuery::FIELDS.iter().find(|(field, _)| *field == name);
            found.unwrap().1.to_owned()
        };
        assert_eq!(rule("limit"), format!("must be from 1 to {MAX_PAGE}"));
        let all = Status::ALL.map(Status::as_str).join(", ");
        assert_eq!(rule("status"), format!("must be one of {all}"));
    }
}

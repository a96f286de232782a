//! What the API answers: JSON, or problem details (RFC 9457).

use std::collections::BTreeMap;

use latchkey_core::domain::proof::reason::{Reason, ReasonCode};
use serde::Serialize;
use serde_json::json;

/// An answer in API Gateway's payload format 2.0.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub status_code: u16,
    pub headers: BTreeMap<&'static str, String>,
    pub body: String,
}

impl Response {
    pub fn json(status_code: u16, body: &impl Serialize) -> Self {
        // Our own types, with text keys alone: they always serialise.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self {
            status_code,
            headers: headers("application/json"),
            body,
        }
    }
}

fn headers(content_type: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("content-type", content_type.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ])
}

/// Why a request was not done, for its sender.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: String,
}

impl Problem {
    pub fn invalid_request(detail: impl ToString) -> Self {
        let title = "The request cannot be read";
        Self {
            status: 400,
            code: "invalid_request",
            title,
            detail: detail.to_string(),
        }
    }

    pub fn no_tenant() -> Self {
        let detail = "The token carries no usable tenant claim.".to_owned();
        Self {
            status: 403,
            code: "no_tenant",
            title: "The caller belongs to no tenant",
            detail,
        }
    }

    /// The same for a connection that never was and for another tenant's (I8).
    pub fn no_such_connection() -> Self {
        let detail = "There is no connection with this id.".to_owned();
        Self {
            status: 404,
            code: "not_found",
            title: "Not found",
            detail,
        }
    }

    pub fn no_such_route() -> Self {
        let detail = "The API has no such path and method.".to_owned();
        Self {
            status: 404,
            code: "not_found",
            title: "Not found",
            detail,
        }
    }

    /// The request is fine, and does not go with where the connection stands.
    pub fn conflict(detail: impl ToString) -> Self {
        let title = "The connection does not allow this now";
        Self {
            status: 409,
            code: "conflict",
            title,
            detail: detail.to_string(),
        }
    }

    /// The same where one of the closed list of reasons says why.
    pub fn refused(reason: &Reason) -> Self {
        let status = match reason.code {
            ReasonCode::InvalidRequest => 400,
            ReasonCode::TooManyRequests => 429,
            _ => 409,
        };
        Self {
            status,
            code: reason.code.as_str(),
            title: "The role is not taken",
            detail: reason.message(),
        }
    }

    pub fn not_ready(detail: impl ToString) -> Self {
        let title = "The deployment is not ready";
        Self {
            status: 503,
            code: "not_ready",
            title,
            detail: detail.to_string(),
        }
    }

    /// No further account can be let in at the region's topic.
    pub fn listener_full(detail: impl ToString) -> Self {
        let title = "The region takes no further account";
        Self {
            status: 503,
            code: "listener_full",
            title,
            detail: detail.to_string(),
        }
    }

    pub fn unavailable() -> Self {
        let detail = "Nothing was changed or it is safe to look; try again in a moment.".to_owned();
        Self {
            status: 503,
            code: "unavailable",
            title: "Temporarily unavailable",
            detail,
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let body = json!({
            "type": format!("urn:latchkey:problem:{}", problem.code),
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
        });
        Self {
            status_code: problem.status,
            headers: headers("application/problem+json"),
            body: body.to_string(),
        }
    }
}

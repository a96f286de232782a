//! Why a request was not done: problem details (RFC 9457).

use latchkey_core::domain::ids::ConnectionId;
use serde::{Deserialize, Serialize};

/// Their media type.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// How every type begins; the code follows.
pub const TYPE_PREFIX: &str = "urn:latchkey:problem:";

/// Why a request was not done, for its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemBody {
    /// The connection that stands in the way, where one of the caller's own does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// What happened here, and what to do.
    pub detail: String,
    /// API Gateway's id of the request, for the vendor's support: the logs have it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// What happened, the same for each problem of its type.
    pub title: String,
    /// [`TYPE_PREFIX`] and a stable code.
    #[serde(rename = "type")]
    pub kind: String,
}

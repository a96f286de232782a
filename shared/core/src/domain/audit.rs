//! The audit log of a connection: one entry for each change, by whom and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    connection::{Connection, Status},
    proof::reason::ReasonCode,
    request::custom_resource::RequestKey,
};

/// Who or what caused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The vendor, through the API.
    VendorApi,
    /// The customer's stack.
    CustomerStack,
    /// Our own check of the role.
    Verification,
    /// Somebody who forged a message.
    Unknown,
}

/// The ARN of the IAM principal that called the vendor's door; of a role's session mostly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallerArn(pub String);

/// The event of the entry that counts a day's forged Deletes.
pub const FORGED_DELETE_EVENT: &str = "delete_forged";
/// The event of the entry that tells that an external ID was replaced: from then on the former is retired.
pub const ROTATED_EVENT: &str = "external_id_rotated";
/// The event of the entry that tells that a rollback brought the former external ID back.
pub const ROTATION_UNDONE_EVENT: &str = "external_id_restored";

/// The event of the entry for a change of the external ID; none where that stayed.
pub fn rotation_event(before: &Connection, after: &Connection) -> Option<&'static str> {
    let is_new = after.external_id() != before.external_id();
    let name = match after.rotation() {
        None => ROTATED_EVENT,
        Some(_) => ROTATION_UNDONE_EVENT,
    };
    is_new.then_some(name)
}

/// One line of a connection's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Which IAM principal, where the vendor's door was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerArn>,
    /// What happened: the name of the domain event.
    pub event: String,
    /// Where the connection stands since.
    pub status: Status,
    /// Why, where there is a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonCode>,
    /// The request that it came with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestKey>,
}

impl AuditEntry {
    /// An entry for what made `connection` what it is now.
    pub fn new(
        connection: &Connection,
        actor: Actor,
        event: &str,
        request: Option<&RequestKey>,
        at: Timestamp,
    ) -> Self {
        Self {
            at,
            actor,
            caller: None,
            event: event.to_owned(),
            status: connection.state().status(),
            reason: connection.reason().map(|reason| reason.code),
            request: request.cloned(),
        }
    }

    /// With the IAM principal that called, if one did.
    #[must_use]
    pub fn by(self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            ..self
        }
    }
}

//! The record of one custom resource request: that it came, what was decided, whether the stack was told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::RoleArn,
    custom_resource::{Envelope, Outcome, Properties, RequestKey, RequestType, answer_body},
    ids::{ConnectionId, TenantId},
    invalid::Invalid,
    response_url::ResponseUrl,
};

/// How long before the stack's own time-out the answer must be on its way, in seconds: time for the last probe and
/// for the answer itself.
pub const ANSWER_MARGIN_SECONDS: i64 = 30;

/// One request that asks for a verification. What a request is refused for at once is not recorded: the same
/// refusal follows from the same request (I5), and forged messages leave nothing behind (I10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Which request.
    pub key: RequestKey,
    /// Create or Update; a Delete needs no verification.
    pub request_type: RequestType,
    /// Whose connection, from our own record of the external ID (I2).
    pub tenant: TenantId,
    /// Which connection.
    pub connection_id: ConnectionId,
    /// The role that the stack claims; in the stack's account.
    pub role_arn: RoleArn,
    /// The version of the template that the stack was made from.
    pub template_version: String,
    /// The custom resource in the stack.
    pub logical_resource_id: String,
    /// The id that the answer gives the resource.
    pub physical_resource_id: String,
    /// When SNS took the message. A Create that was sent after a Delete of the same resource is a new resource.
    pub published_at: Timestamp,
    /// Until when a role that is not assumable yet is tried again.
    pub deadline: Timestamp,
    /// Whether its verification was put on the queue.
    pub queued: bool,
    /// What was decided, once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Where the answer goes; forgotten when it was delivered (I4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unverified_response_url: Option<String>,
}

impl RequestRecord {
    /// The record of a request that was admitted for verification. `patience_seconds` is how long the deployment
    /// lets a role become assumable; a stack that waits less than that gets its answer earlier.
    pub fn new(
        envelope: &Envelope,
        properties: &Properties,
        tenant: TenantId,
        connection_id: ConnectionId,
        published_at: Timestamp,
        received_at: Timestamp,
        patience_seconds: i64,
    ) -> Self {
        let stack_waits = (i64::from(envelope.service_timeout_seconds) - ANSWER_MARGIN_SECONDS).max(0);
        let seconds = patience_seconds.min(stack_waits);
        let deadline = received_at
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(received_at);
        Self {
            key: envelope.key.clone(),
            request_type: envelope.request_type,
            tenant,
            connection_id,
            role_arn: properties.role_arn.clone(),
            template_version: properties.template_version.clone(),
            logical_resource_id: envelope.logical_resource_id.clone(),
            physical_resource_id: envelope.answered_physical_resource_id(),
            published_at,
            deadline,
            queued: false,
            outcome: None,
            unverified_response_url: Some(envelope.response_url.expose().to_string()),
        }
    }

    /// Where the answer goes, checked again (I4): what is in a table may have been written by anybody who can
    /// write to the table. `None` once the answer was delivered.
    pub fn response_url(&self) -> Option<Result<ResponseUrl, Invalid>> {
        let url = self.unverified_response_url.as_deref()?;
        Some(ResponseUrl::parse(
            url,
            &self.key.stack_id,
            &self.logical_resource_id,
            &self.key.request_id,
        ))
    }

    /// The same record once it was decided.
    #[must_use]
    pub fn decided(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// The same record once its answer was delivered: the URL is gone.
    #[must_use]
    pub fn delivered(mut self) -> Self {
        self.unverified_response_url = None;
        self
    }

    /// The body of the answer, once there is one.
    pub fn answer_body(&self) -> Option<String> {
        let outcome = self.outcome.as_ref()?;
        Some(answer_body(
            &self.key,
            &self.logical_resource_id,
            &self.physical_resource_id,
            outcome,
        ))
    }
}

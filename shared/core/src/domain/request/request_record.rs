//! The record of one custom resource request: that it came, what was decided, whether the stack was told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::{AccountId, RoleArn, StackId},
    connection::Connection,
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    invalid::Invalid,
    proof::tiers::TierName,
    request::{
        custom_resource::{Envelope, Outcome, Properties, RequestKey, RequestType, answer_body},
        response_url::ResponseUrl,
        stack_says::StackSays,
    },
};

/// How long before the stack's own time-out the answer must be on its way, in seconds: time for the last probe and
/// for the answer itself.
pub const ANSWER_MARGIN_SECONDS: i64 = 30;

/// An answer URL as it lies in the table: a bearer secret, which no `Debug` of a record shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct UnverifiedUrl(String);

impl std::fmt::Debug for UnverifiedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnverifiedUrl(…)")
    }
}

/// One request that was admitted for a verification, or refused because of where its connection stood. What is
/// refused for what the request itself says is not recorded: the same refusal follows from the same request (I5).
/// A refusal is recorded only after CloudFormation took the answer, so that forged messages leave nothing behind (I10).
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
    /// The external ID that the stack brings: the connection's current or next one.
    pub external_id: ExternalId,
    /// The tier that the stack claims to grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_tier: Option<TierName>,
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
    /// What was decided, once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether the answer was delivered, or would have been where nobody waits for one.
    #[serde(default)]
    pub is_settled: bool,
    /// Where the answer goes; forgotten when it was delivered (I4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unverified_response_url: Option<UnverifiedUrl>,
    /// What the stack tells of itself.
    #[serde(default, skip_serializing_if = "StackSays::is_silent")]
    pub says: StackSays,
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
        patience_seconds: i64,
    ) -> Self {
        let stack_waits = (i64::from(envelope.service_timeout_seconds) - ANSWER_MARGIN_SECONDS).max(0);
        let seconds = patience_seconds.min(stack_waits);
        // From the sending on, as the stack counts: a message that was delivered late has less time left.
        let deadline = published_at
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(published_at);
        Self {
            key: envelope.key.clone(),
            request_type: envelope.request_type,
            tenant,
            connection_id,
            role_arn: properties.role_arn.clone(),
            external_id: properties.external_id.clone(),
            permission_tier: properties.permission_tier.clone(),
            template_version: properties.template_version.clone(),
            logical_resource_id: envelope.logical_resource_id.clone(),
            physical_resource_id: envelope.answered_physical_resource_id(),
            published_at,
            deadline,
            outcome: None,
            is_settled: false,
            unverified_response_url: Some(UnverifiedUrl(envelope.response_url.expose().to_string())),
            says: properties.says,
        }
    }

    /// The record of a role that was made by hand and that the vendor named at `now`.
    pub fn by_hand(
        connection: &Connection,
        role_arn: RoleArn,
        key: RequestKey,
        now: Timestamp,
        patience_seconds: i64,
    ) -> Self {
        let is_change = connection.live_binding().is_some();
        Self {
            key,
            request_type: if is_change {
                RequestType::Update
            } else {
                RequestType::Create
            },
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
            role_arn,
            external_id: connection.external_id_by_hand(now).clone(),
            permission_tier: None,
            template_version: String::new(),
            logical_resource_id: String::new(),
            physical_resource_id: String::new(),
            published_at: now,
            deadline: now
                .checked_add(jiff::SignedDuration::from_secs(patience_seconds))
                .unwrap_or(now),
            outcome: None,
            is_settled: false,
            unverified_response_url: None,
            says: StackSays::default(),
        }
    }

    /// The account that asks: the stack's, or that of the role that was made by hand. They are the same (I2).
    pub fn account(&self) -> AccountId {
        match &self.key.stack_id {
            Some(stack_id) => stack_id.account(),
            None => self.role_arn.account(),
        }
    }

    /// The stack and its resource, which CloudFormation may have deleted since.
    pub fn resource(&self) -> Option<(&StackId, &str)> {
        Some((self.key.stack_id.as_ref()?, &self.logical_resource_id))
    }

    /// Where the answer goes, checked again (I4): what is in a table may have been written by anybody who can
    /// write to the table. `None` once the answer was delivered, and where nobody waits for one.
    pub fn response_url(&self) -> Option<Result<ResponseUrl, Invalid>> {
        let url = &self.unverified_response_url.as_ref()?.0;
        Some(ResponseUrl::parse(
            url,
            self.key.stack_id.as_ref()?,
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
        self.is_settled = true;
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

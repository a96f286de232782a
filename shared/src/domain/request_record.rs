//! The record of one custom resource request: that it came, what was decided, whether the stack was told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::{AccountId, RoleArn, StackId},
    connection::Connection,
    custom_resource::{Envelope, Outcome, Properties, RequestKey, RequestType, answer_body},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    invalid::Invalid,
    response_url::ResponseUrl,
    tiers::TierName,
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
        }
    }

    /// The record of a role that was made by hand and that the vendor named at `now`. It is asked for with the next
    /// external ID while there is one: who made the role knows it from the vendor.
    pub fn by_hand(
        connection: &Connection,
        role_arn: RoleArn,
        request_id: String,
        now: Timestamp,
        patience_seconds: i64,
    ) -> Self {
        let external_id = match connection.rotation_at(now) {
            Some(rotation) => &rotation.external_id,
            None => &connection.external_id,
        };
        let is_change = connection.live_binding().is_some();
        Self {
            key: RequestKey {
                stack_id: None,
                request_id,
            },
            request_type: if is_change {
                RequestType::Update
            } else {
                RequestType::Create
            },
            tenant: connection.tenant.clone(),
            connection_id: connection.id.clone(),
            role_arn,
            external_id: external_id.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::reason::ReasonCode,
        test_support::{
            builders::{account, role, tenant},
            customer_stack::{CustomerStack, StackRequest},
        },
    };
    use jiff::SignedDuration;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        let base: Timestamp = "2026-08-03T12:00:00Z".parse().unwrap();
        base.checked_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    fn request() -> StackRequest {
        let external_id = "tz4a98xxat96iws9zmbrgj3atz4a98xx".parse().unwrap();
        let account = account("222222222222");
        CustomerStack::new(&account).create(&external_id, &role(&account, "Reader"))
    }

    fn record(request: &StackRequest, sent_at: Timestamp, patience_seconds: i64) -> RequestRecord {
        let envelope = request.envelope();
        RequestRecord::new(
            &envelope,
            &envelope.properties().unwrap(),
            tenant("acme"),
            "conn_tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
            sent_at,
            patience_seconds,
        )
    }

    #[test]
    fn a_record_that_is_shown_shows_nothing_of_its_answer_url() {
        let record = record(&request(), at(10), 240);
        let shown = format!("{record:?}");
        assert!(
            shown.contains("UnverifiedUrl(…)") && !shown.contains("X-Amz"),
            "{shown}"
        );
    }

    #[test]
    fn a_role_is_tried_until_our_patience_or_the_stacks_is_over_whichever_is_first() {
        for (service_timeout, patience, deadline) in [
            ("300", 240, 240),
            ("300", 270, 270),
            ("300", 271, 270),
            ("300", 100_000, 270),
            ("3600", 240, 240),
            ("3600", 3_600, 3_570),
            ("31", 240, 1),
            ("30", 240, 0),
            ("1", 240, 0),
            ("300", 0, 0),
            // No time that CloudFormation allows: its default, an hour.
            ("0", 100_000, 3_570),
            ("nonsense", 240, 240),
        ] {
            let request = request().with("ServiceTimeout", service_timeout);
            let request = request.with_property("ServiceTimeout", service_timeout);
            let record = record(&request, at(10), patience);
            assert_eq!(
                record.deadline,
                at(10 + deadline),
                "{service_timeout} s, {patience} s"
            );
        }
    }

    #[test]
    fn a_deadline_beyond_all_time_is_none() {
        let last = record(&request(), Timestamp::MAX, 240);
        assert_eq!(last.deadline, Timestamp::MAX);
    }

    #[test]
    fn a_record_survives_the_table_in_every_shape() {
        let new = record(&request(), at(0), 240);
        let refused = Outcome::Refused {
            reason: ReasonCode::RoleNotAssumable.into(),
        };
        let connected = Outcome::Connected {
            connection_id: new.connection_id.clone(),
        };
        for record in [
            new.clone(),
            new.clone().decided(refused),
            new.clone().decided(connected.clone()),
            new.clone().decided(connected).delivered(),
        ] {
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<RequestRecord>(&text).unwrap(), record);
            let item: std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
                serde_dynamo::to_item(&record).unwrap();
            // What the conditions of the table look at.
            assert_eq!(item.contains_key("outcome"), record.outcome.is_some());
            let read: RequestRecord = serde_dynamo::from_item(item).unwrap();
            assert_eq!(read, record);
        }
    }

    #[test]
    fn the_answer_of_a_record_is_the_same_however_often_it_is_made_and_there_is_none_before_the_decision() {
        let new = record(&request(), at(0), 240);
        assert_eq!(new.answer_body(), None);
        let refused = Outcome::Refused {
            reason: ReasonCode::RoleNotAssumable.into(),
        };
        let decided = new.decided(refused);
        let body = decided.answer_body().unwrap();
        assert_eq!(decided.answer_body().as_ref(), Some(&body));
        assert_eq!(decided.delivered().answer_body(), Some(body));
    }

    #[test]
    fn an_answer_url_is_checked_again_when_it_comes_back_from_the_table_and_forgotten_afterwards() {
        let record = record(&request(), at(0), 240);
        let url = record.response_url().unwrap().unwrap();
        assert_eq!(url, request_url(&record));
        assert_eq!(record.clone().delivered().response_url(), None);
        assert!(!format!("{url:?}").contains("X-Amz"));
        for evil in [
            "https://evil.example/?x",
            "http://169.254.169.254/?x",
            "",
            "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/other?x",
        ] {
            let mut stored = serde_json::to_value(&record).unwrap();
            stored["unverified_response_url"] = json!(evil);
            let tampered: RequestRecord = serde_json::from_value(stored).unwrap();
            assert!(tampered.response_url().unwrap().is_err(), "{evil}");
        }
    }

    fn request_url(record: &RequestRecord) -> ResponseUrl {
        let text = crate::test_support::cloudformation_bucket::url(
            record.key.stack_id.as_ref().unwrap(),
            &record.logical_resource_id,
            &record.key.request_id,
            "f09ed",
        );
        let RequestKey { stack_id, request_id } = &record.key;
        ResponseUrl::parse(
            &text,
            stack_id.as_ref().unwrap(),
            &record.logical_resource_id,
            request_id,
        )
        .unwrap()
    }
}

//! What the use cases need from the outside world, as narrow as they need it.

mod search;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{
    audit::{Actor, AuditEntry, CallerArn},
    aws::{RoleArn, StackId},
    connection::{Connection, TemplateRef, claims::Claim, organization::Counter},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    proof::{
        permissions::{Inspection, Questions},
        reason::ReasonCode,
        trust_report::TrustReading,
        verdict::{Cause, Probe},
    },
    request::{
        custom_resource::{Envelope, RequestKey},
        request_record::RequestRecord,
        response_url::ResponseUrl,
    },
    sweep::{Chunk, Cursor, Member, SweepKey, ledger::ChunkRecord},
    template_version::PublishedVersion,
};

pub use search::{ConnectionSearch, Holders, Page};
pub use topics::{GrantStore, KnownTopicsStore, ListenerTopics, Permitted, TopicPermissions};

/// That a service of ours could not be used. The step is tried again by whatever delivered it.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct Unavailable {
    /// What was attempted, such as `dynamodb.GetItem`.
    pub operation: &'static str,
    /// The error of the client, for the log.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Unavailable {
    /// Wraps a client's error.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            operation,
            source: source.into(),
        }
    }
}

/// One atomic change: all of it is stored, or none. The claims are not named here: they follow from the connection
/// before and after ([`Claims::of_change`](crate::domain::connection::claims::Claims::of_change)).
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The connection as it was read.
    pub before: &'a Connection,
    /// The connection as it shall be. Where it equals `before` it is only checked to be still that.
    pub after: &'a Connection,
    /// What happens to a request in the same moment.
    pub request: Option<RequestChange<'a>>,
    /// The entry that the change leaves in the audit log; none for one that nobody needs to read about.
    pub audit: Option<AuditEntry>,
}

impl<'a> Change<'a> {
    /// A change that leaves no line in the audit log.
    pub fn new(before: &'a Connection, after: &'a Connection) -> Self {
        Self {
            before,
            after,
            request: None,
            audit: None,
        }
    }

    /// With a line in the audit log: `event` happened at `at`, by `actor`, and with the request `key` if by one.
    #[must_use]
    pub fn audited(mut self, actor: Actor, event: &str, key: Option<&RequestKey>, at: Timestamp) -> Self {
        self.audit = Some(AuditEntry::new(self.after, actor, event, key, at));
        self
    }

    /// With the IAM principal that called, if one did, in that line.
    #[must_use]
    pub fn by(mut self, caller: Option<&CallerArn>) -> Self {
        self.audit = self.audit.map(|entry| entry.by(caller));
        self
    }

    /// With the reason of a refusal in that line.
    #[must_use]
    pub fn because(mut self, reason: ReasonCode) -> Self {
        if let Some(entry) = &mut self.audit {
            entry.reason = Some(reason);
        }
        self
    }

    /// With what happens to a request in the same moment.
    #[must_use]
    pub fn with_request(mut self, request: RequestChange<'a>) -> Self {
        self.request = Some(request);
        self
    }
}

/// What a [`Change`] does to a request's record.
#[derive(Debug, Clone)]
pub enum RequestChange<'a> {
    /// Records it for the first time, unless its resource was deleted since it was sent.
    Record(&'a RequestRecord),
    /// Stores what was decided, unless something was decided before. A decision that connects also asks that the
    /// resource was not deleted since the request was sent.
    Decide(&'a RequestRecord),
    /// Stores that the answer was delivered.
    Deliver(&'a RequestRecord),
}

/// Why a [`Change`] was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The connection is not the one that was read: read again and decide again.
    ConnectionChanged,
    /// The request was recorded, or decided, by another delivery of the same message.
    RequestChanged,
    /// The tenant has a live connection to the account.
    AccountTaken,
    /// A live connection of any tenant has the role.
    RoleTaken,
    /// The resource was deleted after the request was sent.
    ResourceDeleted,
    /// Another member of the organization has the seat.
    SeatTaken,
}

impl From<&Claim> for Conflict {
    fn from(taken: &Claim) -> Self {
        match taken {
            Claim::Account(..) | Claim::AccountOf(..) => Self::AccountTaken,
            Claim::Role(_) => Self::RoleTaken,
            Claim::Seat(..) => Self::SeatTaken,
        }
    }
}

/// Why a [`Change`] is not stored, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something stands against it; nothing was stored.
    #[error("the change conflicts with what is stored: {0:?}")]
    Conflict(Conflict),
    /// The store could not be used.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl CommitError {
    /// The conflict, for a caller that decides by it.
    pub fn conflict(self) -> Result<Conflict, Unavailable> {
        match self {
            Self::Conflict(conflict) => Ok(conflict),
            Self::Unavailable(error) => Err(error),
        }
    }
}

/// What is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its request came before.
    Recorded(Box<RequestRecord>),
    /// Its request did not, and its external ID was made for this connection.
    Connection {
        /// Which one.
        connection: Box<Connection>,
        /// Whether the request's resource was deleted since the request was sent.
        resource_deleted: bool,
    },
    /// Neither its request nor its external ID.
    Nothing,
}

/// Where connections, requests and the audit log are kept.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Stores a new connection with its external ID. An id or external ID that exists is an error, never a change. A
    /// member of an organization has no external ID of its own.
    async fn insert(&self, connection: &Connection, audit: &AuditEntry) -> Result<(), Unavailable>;

    /// A tenant's connection. Another tenant's is not found (I8).
    async fn get(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable>;

    /// The connection that an external ID was made for: the one place where a tenant comes from a message (I2).
    async fn find_by_external_id(&self, external_id: &ExternalId) -> Result<Option<Connection>, Unavailable>;

    /// What a listener needs to know of a message that was sent at `sent_at`, in as few calls as the store can: the
    /// record of its request, or else the connection that its external ID was made for.
    async fn find_for_request(
        &self,
        envelope: &Envelope,
        external_id: &ExternalId,
        sent_at: Timestamp,
    ) -> Result<Known, Unavailable> {
        if let Some(record) = self.find_request(&envelope.key).await? {
            return Ok(Known::Recorded(Box::new(record)));
        }
        let Some(connection) = self.find_by_external_id(external_id).await? else {
            return Ok(Known::Nothing);
        };
        let resource_deleted = self
            .resource_deleted_since(&envelope.stack_id, &envelope.logical_resource_id, sent_at)
            .await?;
        Ok(Known::Connection {
            connection: Box::new(connection),
            resource_deleted,
        })
    }

    /// A tenant's connections after `after`, at most `limit`: all of them, or the members of one.
    async fn list(
        &self,
        tenant: &TenantId,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable>;

    /// Counts one more of `counter` for `organization`. `false`, and nothing is counted, where `most` came before.
    async fn count_for(
        &self,
        organization: &ConnectionId,
        counter: Counter,
        most: u32,
    ) -> Result<bool, Unavailable>;

    /// The seats of an organization that its live members have.
    async fn seats(&self, organization: &ConnectionId) -> Result<BTreeSet<u32>, Unavailable>;

    /// Stores a change, or says what stands against it.
    async fn commit(&self, change: Change<'_>) -> Result<(), CommitError>;

    /// The record of a request.
    async fn find_request(&self, key: &RequestKey) -> Result<Option<RequestRecord>, Unavailable>;

    /// Remembers that CloudFormation deleted a resource, by a message sent at `sent_at`, so that a Create from
    /// before that never connects (I9).
    async fn mark_resource_deleted(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<(), Unavailable>;

    /// Counts, in the connection's audit log, a Delete that named it and was not CloudFormation's. One entry a day,
    /// however many there are (I10).
    async fn count_forged_delete(&self, connection: &Connection, at: Timestamp) -> Result<(), Unavailable>;

    /// Whether a Delete of the resource was sent at or after `sent_at`.
    async fn resource_deleted_since(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<bool, Unavailable>;
}

/// Where the revalidator finds whom to check.
#[async_trait]
pub trait SweepIndex: Send + Sync {
    /// The connections in one slot, in the order of their ids, after `after`, one page at a time.
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable>;

    /// How far the sweep came.
    async fn cursor(&self) -> Result<Cursor, Unavailable>;

    /// Stores how far the sweep came, one version on. `false` where another one has moved it since it was read:
    /// nothing is stored then.
    async fn move_cursor(&self, cursor: &Cursor) -> Result<bool, Unavailable>;
}

/// A page of a sweep slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPage {
    /// Whom to check.
    pub members: Vec<Member>,
    /// Whether there is more after the last one.
    pub has_more: bool,
}

/// Where it is kept when untroubled connections were last verified.
#[async_trait]
pub trait SweepLedger: Send + Sync {
    /// Remembers that a chunk of `slot` was checked in the sweep of `tick`. Again, or by another chunk, it adds to what
    /// is known; what is known of sweeps before the last one may be forgotten.
    async fn record(&self, slot: &str, tick: i64, record: &ChunkRecord) -> Result<(), Unavailable>;

    /// What is known of these slots.
    async fn records(
        &self,
        slots: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<ChunkRecord>>, Unavailable>;
}

/// Reads what is published, as a customer's CloudFormation does: without our credentials.
#[async_trait]
pub trait PublicReader: Send + Sync {
    /// What lies at `url`, or the HTTP status of the refusal. An error is a network that does not work.
    async fn read(&self, url: &str) -> Result<Result<Vec<u8>, u16>, Unavailable>;
}

/// The customer template that new links open.
#[async_trait]
pub trait TemplateCatalog: Send + Sync {
    /// The published one; none before the first was published.
    async fn current(&self) -> Result<Option<TemplateRef>, Unavailable>;

    /// Every version that was published, in no order.
    async fn versions(&self) -> Result<Vec<PublishedVersion>, Unavailable>;
}

/// Asks STS for a role.
#[async_trait]
pub trait RoleAssumer: Send + Sync {
    /// Tries to assume `role_arn` for the shortest session, under a policy that allows nothing, and tells what came
    /// of it. Never fails: what is no answer is an inconclusive probe.
    async fn probe(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
    ) -> Probe;
}

/// What a role was seen to be by its own eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its trust policy.
    pub trust: TrustReading,
    /// What it may do.
    pub permissions: Inspection,
}

impl Look {
    /// One that nothing came of.
    pub fn unclear(cause: Cause) -> Self {
        Self {
            trust: TrustReading::Unclear(cause),
            permissions: Inspection::Inconclusive(cause),
        }
    }
}

/// Asks IAM, as a role, whom that role lets in and what it may do.
#[async_trait]
pub trait RoleInspector: Send + Sync {
    /// Reads the role's trust policy and simulates the actions of `questions`, under a session that can look at the
    /// role itself and nothing else (I7).
    async fn inspect(
        &self,
        role_arn: &RoleArn,
        external_id: &ExternalId,
        session: &ConnectionId,
        questions: &Questions,
    ) -> Look;
}

/// One verification that waits on the queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum VerificationTask {
    /// A stack waits for the answer.
    Request {
        /// Which request.
        #[serde(flatten)]
        key: RequestKey,
    },
    /// A connection is due for another look.
    Recheck {
        /// Whose.
        tenant: TenantId,
        /// Which.
        connection_id: ConnectionId,
        /// How often nothing could be said before.
        #[serde(default)]
        attempt: u32,
    },
    /// Connections are due, as the sweep found them.
    Chunk(Chunk),
}

/// The queue of verifications.
#[async_trait]
pub trait VerificationQueue: Send + Sync {
    /// Puts tasks on the queue, all or an error; after an error some may be on it.
    async fn send(&self, tasks: &[VerificationTask], delay_seconds: u16) -> Result<(), Unavailable> {
        let tasks: Vec<_> = tasks.iter().map(|task| (task.clone(), delay_seconds)).collect();
        self.send_spread(&tasks).await
    }

    /// The same, each with a delay of its own, in seconds.
    async fn send_spread(&self, tasks: &[(VerificationTask, u16)]) -> Result<(), Unavailable>;
}

/// The messages of a queue that were received and are worked on.
#[async_trait]
pub trait ReceivedMessages: Send + Sync {
    /// Makes messages, by their receipts, come again after so many seconds each, unless they are deleted
    /// by then.
    async fn postpone(&self, receipts: &[(String, u32)]) -> Result<(), Unavailable>;
}

/// What CloudFormation's bucket said to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It took it: the request was CloudFormation's.
    Accepted,
    /// It refused the signature (403): the request was not CloudFormation's, or its two hours are over.
    Refused,
}

/// Answers CloudFormation.
#[async_trait]
pub trait AnswerSender: Send + Sync {
    /// Sends an answer once. An error is a network or a bucket that does not work; it says nothing about the
    /// request.
    async fn send(&self, url: &ResponseUrl, body: String) -> Result<Delivery, Unavailable>;
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Unguessable names.
pub trait IdSource: Send + Sync {
    /// A connection id that was never given before.
    fn connection_id(&self) -> ConnectionId;
    /// An external ID that was never given before (I1), or one to probe with that no role can know.
    fn external_id(&self) -> ExternalId;
}

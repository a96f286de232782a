//! A stack asks to be connected: the request is checked against what we know, recorded once and queued.
//!
//! The verifier goes on from there ([`super::verify_role`]).

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    answer_stack::AnswerStack,
    members::{Joined, Members, Newcomer},
    retry_commit,
};
use crate::{
    domain::{
        audit::Actor,
        aws::AccountId,
        connection::{Connection, Event, State, Status},
        proof::reason::{Reason, ReasonCode},
        request::{
            admission::{Admitted, Asked, Facts, NotAdmitted, StackClaims, check_accounts, decide},
            custom_resource::{Envelope, Outcome, Properties, RequestKey},
            request_record::RequestRecord,
        },
    },
    ports::{
        Change, Clock, CommitError, Conflict, ConnectionStore, Delivery, Known, RequestChange, Unavailable,
        VerificationQueue, VerificationTask,
    },
};

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Its verification is on the queue.
    Queued,
    /// It was refused at once, and the stack was told.
    Refused(Reason, Delivery),
    /// It came before, and was answered before: the same answer was sent again.
    AnsweredAgain(Delivery),
}

impl Received {
    /// Its stable name in logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Refused(_, Delivery::Accepted) => "refused",
            Self::AnsweredAgain(Delivery::Accepted) => "answered_again",
            Self::Refused(_, Delivery::Refused) | Self::AnsweredAgain(Delivery::Refused) => {
                "not_from_cloudformation"
            }
        }
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused(reason, _) => Some(reason.code),
            Self::Queued | Self::AnsweredAgain(_) => None,
        }
    }
}

/// Takes Create and Update requests.
pub struct RegisterRole {
    /// Where connections and requests are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Where verifications wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// Tells the stack.
    pub answers: Arc<AnswerStack>,
    /// Whom an external ID stands for that many accounts share.
    pub members: Members,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Our own account, which nobody can connect.
    pub vendor_account: AccountId,
    /// How long a role may take to become assumable, in seconds.
    pub patience_seconds: i64,
}

/// A request with what was read of it.
struct Request<'a> {
    envelope: &'a Envelope,
    properties: &'a Properties,
    sent_at: Timestamp,
}

impl Request<'_> {
    fn asked(&self) -> Asked<'_> {
        Asked {
            key: &self.envelope.key,
            role_arn: &self.properties.role_arn,
            stack: Some(StackClaims {
                request_type: self.envelope.request_type,
                stack_id: &self.envelope.stack_id,
                external_id: &self.properties.external_id,
                physical_resource_id: self.envelope.physical_resource_id.as_deref(),
            }),
            sent_at: self.sent_at,
        }
    }
}

/// What was found of a request.
enum Gathered {
    /// What it is decided by.
    Facts(Box<Facts>),
    /// It came before.
    Before(Box<RequestRecord>),
    /// Its external ID was never made.
    Nothing,
}

impl RegisterRole {
    /// Takes one request, which SNS took at `sent_at`. Delivered again, it goes on where it was left.
    pub async fn run(&self, envelope: &Envelope, sent_at: Timestamp) -> Result<Received, Unavailable> {
        let properties = match self.read(envelope) {
            Ok(properties) => properties,
            Err(reason) => return self.refuse(envelope, reason).await,
        };
        let request = Request {
            envelope,
            properties: &properties,
            sent_at,
        };
        let mut is_queued = false;
        retry_commit("register_role", async || {
            let facts = match self.gather(&request).await? {
                Gathered::Facts(facts) => facts,
                Gathered::Before(record) => return self.resume(&record, envelope).await.map(Some),
                Gathered::Nothing => {
                    let unknown = ReasonCode::ExternalIdUnknown.into();
                    return self.refuse(envelope, unknown).await.map(Some);
                }
            };
            let decision = decide(&facts, &request.asked(), self.clock.now());
            self.act(&request, &facts, decision, &mut is_queued).await
        })
        .await
    }

    /// What the request itself says, if that may be said.
    fn read(&self, envelope: &Envelope) -> Result<Properties, Reason> {
        let properties = envelope.properties()?;
        check_accounts(&properties, &envelope.stack_id, &self.vendor_account)?;
        if properties
            .says
            .access_until
            .is_some_and(|end| end <= self.clock.now())
        {
            return Err(ReasonCode::AccessEnded.into());
        }
        Ok(properties)
    }

    /// Reads what is known of the request.
    async fn gather(&self, request: &Request<'_>) -> Result<Gathered, Unavailable> {
        let external_id = &request.properties.external_id;
        let known = self
            .store
            .find_for_request(request.envelope, external_id, request.sent_at)
            .await?;
        Ok(match known {
            Known::Recorded(record) => Gathered::Before(record),
            Known::Nothing => Gathered::Nothing,
            Known::Connection {
                connection,
                resource_deleted,
            } => {
                let account = request.envelope.stack_id.account();
                Gathered::Facts(Box::new(Facts {
                    member: self.members.member(&connection, &account).await?,
                    found: *connection,
                    resource_deleted,
                }))
            }
        })
    }

    /// Does what was decided. `None` where another writer came first.
    async fn act(
        &self,
        request: &Request<'_>,
        facts: &Facts,
        decision: Result<Admitted, NotAdmitted>,
        is_queued: &mut bool,
    ) -> Result<Option<Received>, Unavailable> {
        let envelope = request.envelope;
        let admitted = match decision {
            Ok(admitted) => admitted,
            Err(NotAdmitted::Refused(code)) => return self.refuse(envelope, code.into()).await.map(Some),
            Err(NotAdmitted::RefusedByState(connection, code)) => {
                return self
                    .refuse_and_remember(request, *connection, code)
                    .await
                    .map(Some);
            }
            Err(NotAdmitted::Illegal(error)) => return Err(Unavailable::new("register_role", error)),
        };
        let before = admitted.before;
        if admitted.is_new {
            match self
                .members
                .join(&facts.found, &before, Newcomer::ByMessage)
                .await?
            {
                Joined::New => {}
                Joined::Already => return Ok(None),
                Joined::TooMany => {
                    let code = ReasonCode::TooManyRequests;
                    return self.refuse(envelope, code.into()).await.map(Some);
                }
            }
        }
        if admitted.counts && !*is_queued && !self.members.may_ask(&facts.found).await? {
            let code = ReasonCode::TooManyRequests;
            return self.refuse_and_remember(request, before, code).await.map(Some);
        }
        // First the queue, then the record: what is recorded is on the queue, and a message that is played again is not
        // put there again. The verifier waits a moment for the record.
        if !*is_queued {
            self.enqueue(&envelope.key).await?;
            *is_queued = true;
        }
        let record = self.new_record(&before, request);
        let (actor, event) = (Actor::CustomerStack, Event::ATTEMPT_STARTED);
        let change = Change::new(&before, &admitted.after)
            .audited(actor, event, Some(&envelope.key), self.clock.now())
            .with_request(RequestChange::Record(&record));
        match self.store.commit(change).await {
            Ok(()) => Ok(Some(Received::Queued)),
            Err(CommitError::Conflict(Conflict::ResourceDeleted)) => {
                let code = ReasonCode::StackDeleted;
                self.refuse(envelope, code.into()).await.map(Some)
            }
            Err(error) => error.conflict().map(|_| None),
        }
    }

    /// The same request again: sends the answer that it got, if any.
    async fn resume(&self, record: &RequestRecord, envelope: &Envelope) -> Result<Received, Unavailable> {
        if let Some(body) = record.answer_body() {
            let delivery = self.answers.send(&envelope.response_url, body).await?;
            return Ok(Received::AnsweredAgain(delivery));
        }
        Ok(Received::Queued)
    }

    async fn enqueue(&self, key: &RequestKey) -> Result<(), Unavailable> {
        let task = VerificationTask::Request { key: key.clone() };
        self.queue.send(&[task], 0).await
    }

    /// Tells the stack at once.
    async fn refuse(&self, envelope: &Envelope, reason: Reason) -> Result<Received, Unavailable> {
        let outcome = Outcome::Refused {
            reason: reason.clone(),
        };
        let delivery = self.answers.answer(envelope, &outcome).await?;
        Ok(Received::Refused(reason, delivery))
    }

    /// Tells the stack, and keeps what it was told: the state of its connection may be another one when the message is
    /// delivered again, and the answer must not be (I5). Only if CloudFormation took the answer, so that forged requests
    /// leave nothing behind (I10). A connection that waits for a stack remembers how this one failed.
    async fn refuse_and_remember(
        &self,
        request: &Request<'_>,
        connection: Connection,
        code: ReasonCode,
    ) -> Result<Received, Unavailable> {
        let envelope = request.envelope;
        let refused = self.refuse(envelope, code.into()).await?;
        let Received::Refused(reason, Delivery::Accepted) = &refused else {
            return Ok(refused);
        };
        let (tenant, id) = (connection.tenant().clone(), connection.id().clone());
        let mut read = Some(connection);
        retry_commit("register_role", async || {
            let current = match read.take() {
                Some(connection) => Some(connection),
                None => self.store.get(&tenant, &id).await?,
            };
            let Some(connection) = current else {
                return Ok(Some(()));
            };
            let now = self.clock.now();
            let outcome = Outcome::Refused {
                reason: reason.clone(),
            };
            let record = self.new_record(&connection, request).decided(outcome).delivered();
            let event = match (connection.state(), connection.status(now)) {
                (_, Status::Pending) => Some(Event::AttemptFailed {
                    request: envelope.key.clone(),
                    reason: reason.clone(),
                }),
                (State::Pending { .. }, Status::Expired) => Some(Event::LinkExpired),
                _ => None,
            };
            let name = event.as_ref().map(Event::name);
            let after = match event {
                Some(event) => connection
                    .apply(event, now)
                    .map_err(|error| Unavailable::new("register_role", error))?,
                None => connection.clone(),
            };
            let mut change = Change::new(&connection, &after).with_request(RequestChange::Record(&record));
            if let Some(name) = name {
                change = change.audited(Actor::CustomerStack, name, Some(&envelope.key), now);
            }
            match self.store.commit(change).await {
                Ok(()) => Ok(Some(())),
                Err(error) => match error.conflict()? {
                    Conflict::ConnectionChanged => Ok(None),
                    // Recorded by another delivery, or deleted since: then that decides.
                    _ => Ok(Some(())),
                },
            }
        })
        .await?;
        Ok(refused)
    }

    fn new_record(&self, connection: &Connection, request: &Request<'_>) -> RequestRecord {
        RequestRecord::new(
            request.envelope,
            request.properties,
            connection.tenant().clone(),
            connection.id().clone(),
            request.sent_at,
            self.patience_seconds,
        )
    }
}

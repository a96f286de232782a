//! A stack asks to be connected: the request is checked against what we know, recorded once and queued.
//!
//! The verifier goes on from there ([`super::verify_role`]).

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    MAX_COMMIT_TRIES,
    answer_stack::AnswerStack,
    contended,
    members::{Members, Newcomer},
};
use crate::{
    domain::{
        audit::{Actor, AuditEntry},
        aws::AccountId,
        connection::{Attempt, Connection, Event, Standing, State, Status},
        proof::reason::{Reason, ReasonCode},
        request::{
            admission::{Admission, Claim, admit, check_accounts},
            custom_resource::{Envelope, Outcome, Properties, RequestKey, RequestType},
            request_record::RequestRecord,
        },
    },
    ports::{
        Change, Clock, Conflict, ConnectionStore, Delivery, Known, RequestChange, Unavailable,
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

impl RegisterRole {
    /// Takes one request, which SNS took at `sent_at`. Delivered again, it goes on where it was left.
    pub async fn run(&self, envelope: &Envelope, sent_at: Timestamp) -> Result<Received, Unavailable> {
        let properties = match envelope.properties() {
            Ok(properties) => properties,
            Err(invalid) => return self.refuse(envelope, invalid.into()).await,
        };
        if let Err(code) = check_accounts(&properties, &envelope.stack_id, &self.vendor_account) {
            return self.refuse(envelope, code.into()).await;
        }
        let mut is_queued = false;
        for _ in 0..MAX_COMMIT_TRIES {
            let known = self
                .store
                .find_for_request(&envelope.key, &properties.external_id)
                .await?;
            let found = match known {
                Known::Recorded(record) => return self.resume(&record, envelope).await,
                Known::Connection(found) => found,
                Known::Nothing => {
                    let code = ReasonCode::ExternalIdUnknown;
                    return self.refuse(envelope, code.into()).await;
                }
            };
            let account = envelope.stack_id.account();
            // Only what could be the first request of an account makes it one.
            let standing = found.standing(&properties.external_id, sent_at);
            let newcomer = match (envelope.request_type, standing) {
                (RequestType::Create, Standing::Current | Standing::Next) => Newcomer::ByMessage,
                _ => Newcomer::Never,
            };
            let stored = match self.members.admit(&found, &account, newcomer).await? {
                Ok(Some(stored)) => stored,
                Ok(None) if standing == Standing::Retired => {
                    return self.refuse(envelope, ReasonCode::ExternalIdRetired.into()).await;
                }
                Ok(None) => return self.refuse(envelope, ReasonCode::ExternalIdChanged.into()).await,
                Err(code) => return self.refuse(envelope, code.into()).await,
            };
            let connection = match envelope.request_type {
                RequestType::Create => stored
                    .asked_again(&found, self.clock.now())
                    .map_err(|error| Unavailable::new("register_role", error))?,
                RequestType::Update | RequestType::Delete => stored.clone().following(&found),
            };
            let claim = Claim {
                request_type: envelope.request_type,
                stack_id: &envelope.stack_id,
                external_id: &properties.external_id,
                physical_resource_id: envelope.physical_resource_id.as_deref(),
            };
            let admitted = admit(&connection, claim, sent_at)
                .and_then(|admission| Ok((admission, admission.spend(&connection, self.clock.now())?)));
            // What is refused below is remembered, and told again however late it is delivered again (I5).
            let is_newcomer = stored.is_member() && stored.live_binding().is_none() && !is_queued;
            let admitted = match admitted {
                Ok(_) if is_newcomer && !self.members.may_ask(&found).await? => {
                    Err(ReasonCode::TooManyRequests)
                }
                admitted => admitted,
            };
            let (admission, spent) = match admitted {
                Ok(admitted) => admitted,
                Err(code) => {
                    // A request that was told that its resource is deleted is told so for ever, whatever became of
                    // the connection meanwhile (I5).
                    if self.was_deleted(envelope, sent_at).await? {
                        return self.refuse(envelope, ReasonCode::StackDeleted.into()).await;
                    }
                    let refused = self.refuse(envelope, code.into()).await?;
                    if let Received::Refused(reason, Delivery::Accepted) = &refused {
                        self.remember(stored, envelope, &properties, sent_at, reason)
                            .await?;
                    }
                    return Ok(refused);
                }
            };
            // First the queue, then the record: what is recorded is on the queue, and a message that is played again is not
            // put there again. The verifier waits a moment for the record.
            if !is_queued {
                self.enqueue(&envelope.key).await?;
                is_queued = true;
            }
            match self
                .record(&stored, (admission, spent), envelope, &properties, sent_at)
                .await?
            {
                Ok(()) => return Ok(Received::Queued),
                Err(Conflict::ResourceDeleted) => {
                    let code = ReasonCode::StackDeleted;
                    return self.refuse(envelope, code.into()).await;
                }
                Err(_) => {}
            }
        }
        Err(contended("register_role"))
    }

    async fn record(
        &self,
        connection: &Connection,
        (admission, spent): (Admission, Connection),
        envelope: &Envelope,
        properties: &Properties,
        sent_at: Timestamp,
    ) -> Result<Result<(), Conflict>, Unavailable> {
        let now = self.clock.now();
        let record = self.new_record(connection, envelope, properties, sent_at);
        let attempt = Attempt {
            request: envelope.key.clone(),
            role_arn: properties.role_arn.clone(),
            started_at: now,
        };
        let after = admission
            .start(spent, attempt, now)
            .map_err(|error| Unavailable::new("register_role", error))?;
        let name = Event::ATTEMPT_STARTED;
        let audit = AuditEntry::new(&after, Actor::CustomerStack, name, Some(&envelope.key), now);
        let change = Change {
            before: connection,
            after: &after,
            request: Some(RequestChange::Record(&record)),
            audit: Some(audit),
        };
        self.store.commit(change).await
    }

    async fn was_deleted(&self, envelope: &Envelope, sent_at: Timestamp) -> Result<bool, Unavailable> {
        let stack_id = &envelope.stack_id;
        self.store
            .resource_deleted_since(stack_id, &envelope.logical_resource_id, sent_at)
            .await
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

    /// Keeps what a request was refused for because of the state of its connection: that may be another one when
    /// the message is delivered again, and the answer must not be (I5). Only for requests whose answer
    /// CloudFormation took, so that forged ones leave nothing behind (I10). A connection that waits for a stack
    /// remembers how this one failed.
    async fn remember(
        &self,
        mut connection: Connection,
        envelope: &Envelope,
        properties: &Properties,
        sent_at: Timestamp,
        reason: &Reason,
    ) -> Result<(), Unavailable> {
        for _ in 0..MAX_COMMIT_TRIES {
            let now = self.clock.now();
            let record = self
                .new_record(&connection, envelope, properties, sent_at)
                .decided(Outcome::Refused {
                    reason: reason.clone(),
                })
                .delivered();
            let event = match (&connection.state, connection.status(now)) {
                (_, Status::Pending) => Some(Event::AttemptFailed {
                    request: envelope.key.clone(),
                    reason: reason.clone(),
                }),
                (State::Pending { .. }, Status::Expired) => Some(Event::LinkExpired),
                _ => None,
            };
            let (after, audit) = match event {
                Some(event) => {
                    let name = event.name();
                    let after = connection
                        .apply(event, now)
                        .map_err(|error| Unavailable::new("register_role", error))?;
                    let audit = AuditEntry::new(&after, Actor::CustomerStack, name, Some(&envelope.key), now);
                    (after, Some(audit))
                }
                None => (connection.clone(), None),
            };
            let change = Change {
                before: &connection,
                after: &after,
                request: Some(RequestChange::Record(&record)),
                audit,
            };
            if self.store.commit(change).await? != Err(Conflict::ConnectionChanged) {
                // Stored; or recorded by another delivery, or deleted since: then that decides.
                return Ok(());
            }
            let Some(read_again) = self.store.get(&connection.tenant, &connection.id).await? else {
                return Ok(());
            };
            connection = read_again;
        }
        Err(contended("register_role"))
    }

    fn new_record(
        &self,
        connection: &Connection,
        envelope: &Envelope,
        properties: &Properties,
        sent_at: Timestamp,
    ) -> RequestRecord {
        RequestRecord::new(
            envelope,
            properties,
            connection.tenant.clone(),
            connection.id.clone(),
            sent_at,
            self.patience_seconds,
        )
    }
}

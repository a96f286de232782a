//! A stack asks to be connected: the request is checked against what we know, recorded once and queued.
//!
//! The verifier goes on from there ([`super::verify_role`]).

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    answer_stack::AnswerStack,
    is_stored,
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
            admission::{
                Admitted, Asked, Facts, NotAdmitted, StackClaims, bound_exactly, check_accounts, decide,
            },
            custom_resource::{Envelope, Outcome, Properties, RequestKey},
            request_record::RequestRecord,
        },
    },
    ports::{
        Change, Clock, CommitError, Conflict, ConnectionStore, Delivery, Known, RequestChange, Unavailable,
        VerificationQueue, VerificationTask,
    },
};

/// How old the latest proof of a role may be where a request for exactly what is bound is answered
/// without a look at it, in seconds: an hour. After that it is looked at soon.
pub const PROOF_LASTS_SECONDS: i64 = 3_600;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Its verification is on the queue.
    Queued,
    /// It asks for exactly what is bound: the stack was told that it has it, and nothing was
    /// changed.
    AsItIs(Delivery),
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
            Self::AsItIs(Delivery::Accepted) => "as_it_is",
            Self::Refused(_, Delivery::Accepted) => "refused",
            Self::AnsweredAgain(Delivery::Accepted) => "answered_again",
            Self::AsItIs(Delivery::Refused)
            | Self::Refused(_, Delivery::Refused)
            | Self::AnsweredAgain(Delivery::Refused) => "not_from_cloudformation",
        }
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused(reason, _) => Some(reason.code),
            Self::Queued | Self::AsItIs(_) | Self::AnsweredAgain(_) => None,
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
                logical_resource_id: &self.envelope.logical_resource_id,
                external_id: &self.properties.external_id,
                physical_resource_id: self.envelope.physical_resource_id.as_deref(),
            }),
            sent_at: self.sent_at,
        }
    }

    /// A connection with the note that CloudFormation took our answer to this.
    fn answered(&self, connection: Connection) -> Connection {
        let Envelope {
            stack_id,
            logical_resource_id,
            ..
        } = self.envelope;
        connection.with_answered(stack_id, logical_resource_id, self.sent_at)
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
            Err(reason) => return self.refuse_unread(envelope, reason).await,
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
            if let Some(connection) = bound_exactly(&facts, &request.asked(), &properties) {
                return self.confirm(&request, connection).await.map(Some);
            }
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
                let reason = match code {
                    ReasonCode::AccountAlreadyConnected => Reason::account_held_by(connection.id()),
                    code => code.into(),
                };
                return self
                    .refuse_and_remember(request, *connection, reason)
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
            let reason = ReasonCode::TooManyRequests.into();
            return self.refuse_and_remember(request, before, reason).await.map(Some);
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
        reason: Reason,
    ) -> Result<Received, Unavailable> {
        let envelope = request.envelope;
        let refused = self.refuse(envelope, reason).await?;
        let Received::Refused(reason, Delivery::Accepted) = &refused else {
            return Ok(refused);
        };
        let outcome = Outcome::Refused {
            reason: reason.clone(),
        };
        self.remember(request, connection, &outcome).await?;
        Ok(refused)
    }

    /// Keeps an answer that CloudFormation took, and what it means for the connection.
    async fn remember(
        &self,
        request: &Request<'_>,
        connection: Connection,
        outcome: &Outcome,
    ) -> Result<(), Unavailable> {
        let (tenant, id) = (connection.tenant().clone(), connection.id().clone());
        let bound = connection.live_binding().map(|bound| bound.request.clone());
        let mut read = Some(connection);
        retry_commit("register_role", async || {
            let current = match read.take() {
                Some(connection) => Some(connection),
                None => self.store.get(&tenant, &id).await?,
            };
            let Some(connection) = current else {
                return Ok(Some(()));
            };
            let record = self
                .new_record(&connection, request)
                .decided(outcome.clone())
                .delivered();
            let is_bound_yet = connection.live_binding().map(|bound| &bound.request) == bound.as_ref();
            let (after, news) = match outcome {
                Outcome::Refused { reason } => self.after_refusal(request, &connection, reason)?,
                _ if is_bound_yet => (after_confirmation(request, &connection), None),
                _ => (connection.clone(), None),
            };
            let mut change = Change::new(&connection, &after).with_request(RequestChange::Record(&record));
            if let (Some(name), Outcome::Refused { reason }) = (news, outcome) {
                change = change
                    .audited(
                        Actor::CustomerStack,
                        name,
                        Some(&request.envelope.key),
                        self.clock.now(),
                    )
                    .because(reason.code);
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
        .await
    }

    /// Tells the stack what is wrong with its request, and keeps that with the connection that the
    /// request names, if it names one: only where CloudFormation took the answer.
    async fn refuse_unread(&self, envelope: &Envelope, reason: Reason) -> Result<Received, Unavailable> {
        let refused = self.refuse(envelope, reason).await?;
        let (Received::Refused(reason, Delivery::Accepted), Some(external_id)) =
            (&refused, envelope.external_id())
        else {
            return Ok(refused);
        };
        let account = envelope.stack_id.account();
        retry_commit("register_role", async || {
            let Some(connection) = self.members.find(&external_id, &account).await? else {
                return Ok(Some(()));
            };
            let (after, Some(name)) = self.after_failure(envelope, &connection, reason)? else {
                return Ok(Some(()));
            };
            let change = Change::new(&connection, &after)
                .audited(Actor::CustomerStack, name, Some(&envelope.key), self.clock.now())
                .because(reason.code);
            Ok(is_stored(&*self.store, change).await?.then_some(()))
        })
        .await?;
        Ok(refused)
    }

    /// The connection once its stack was refused, and the name of what happened; none where that is
    /// nothing.
    fn after_refusal(
        &self,
        request: &Request<'_>,
        connection: &Connection,
        reason: &Reason,
    ) -> Result<(Connection, Option<&'static str>), Unavailable> {
        let (after, news) = self.after_failure(request.envelope, connection, reason)?;
        let answered = request.answered(after);
        match answered.tells_more_than(connection) {
            true => Ok((answered.one_on_from(connection), news)),
            false => Ok((connection.clone(), None)),
        }
    }

    fn after_failure(
        &self,
        envelope: &Envelope,
        connection: &Connection,
        reason: &Reason,
    ) -> Result<(Connection, Option<&'static str>), Unavailable> {
        let now = self.clock.now();
        let event = match (connection.state_at(now), connection.status(now)) {
            (State::Pending { .. }, Status::Expired) => Event::LinkExpired,
            _ => Event::AttemptFailed {
                request: envelope.key.clone(),
                reason: reason.clone(),
            },
        };
        let name = event.name();
        let after = connection
            .apply(event, now)
            .map_err(|error| Unavailable::new("register_role", error))?;
        Ok(match after.tells_more_than(connection) {
            true => (after, Some(name)),
            false => (connection.clone(), None),
        })
    }

    /// Tells a stack that it has exactly what it asks for. Nobody learns of it but CloudFormation,
    /// which alone can read the answer.
    async fn confirm(&self, request: &Request<'_>, connection: &Connection) -> Result<Received, Unavailable> {
        let outcome = Outcome::Connected {
            connection_id: connection.id().clone(),
        };
        let delivery = self.answers.answer(request.envelope, &outcome).await?;
        if delivery == Delivery::Refused {
            return Ok(Received::AsItIs(delivery));
        }
        self.remember(request, connection.clone(), &outcome).await?;
        let proven_at = connection.last_verified_at();
        let age = proven_at.map(|at| self.clock.now().duration_since(at).as_secs());
        if age.is_none_or(|seconds| seconds >= PROOF_LASTS_SECONDS) {
            let task = VerificationTask::Recheck {
                tenant: connection.tenant().clone(),
                connection_id: connection.id().clone(),
                attempt: 0,
            };
            self.queue.send(&[task], 0).await?;
        }
        Ok(Received::AsItIs(delivery))
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

/// The connection once its stack was told that it has what it asks for: the update before went
/// through, since another one comes; or is over, since this one rolls it back.
fn after_confirmation(request: &Request<'_>, connection: &Connection) -> Connection {
    let mut after = connection.clone().without_former();
    if request.envelope.changes_what_is_connected() {
        after = request.answered(after);
    }
    match after == *connection {
        true => after,
        false => after.one_on_from(connection),
    }
}

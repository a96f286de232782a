//! The role of a recorded request is proven or refused, the connection is moved, and the stack is told.

use std::sync::Arc;

use super::{
    MAX_COMMIT_TRIES,
    answer_stack::{AnswerStack, Answered},
    contended,
    members::Members,
    probe_role::ProbeRole,
};
use crate::{
    domain::{
        audit::{Actor, AuditEntry},
        connection::{Binding, Connection, Event, Standing, State},
        invalid::Invalid,
        proof::{
            permissions::PermissionReport,
            reason::{Reason, ReasonCode},
            tiers::TierName,
            verdict::{Cause, Proof, Verdict},
        },
        request::{
            admission::{Claim, admit, admit_by_hand},
            custom_resource::{Outcome, RequestKey, RequestType},
            request_record::RequestRecord,
        },
    },
    ports::{Change, Clock, Conflict, ConnectionStore, RequestChange, Unavailable},
};

/// What became of a verification.
#[derive(Debug, PartialEq, Eq)]
pub enum Verified {
    /// It was decided, now or before, and this became of the answer.
    Answered(Answered),
    /// It cannot be decided yet: try again after this many seconds.
    TryAgainIn(u32),
    /// There is no such request: it is not recorded yet ([`MAX_TRIES_OF_UNKNOWN`]), never will be, or its record has run
    /// out.
    Unknown,
}

/// How often a request is looked for that is not recorded: the listener puts it on the queue a moment before. By
/// [`retry_delay_seconds`] that is 48 s, longer than the listener may work on a message.
pub const MAX_TRIES_OF_UNKNOWN: u32 = 6;

/// Verifies the role of a request.
pub struct VerifyRole {
    /// Where connections and requests are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Tries the role.
    pub probes: Arc<ProbeRole>,
    /// Tells the stack.
    pub answers: Arc<AnswerStack>,
    /// The accounts of an organization.
    pub members: Members,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Seconds until the next try, after `tries` of them. A new role often is assumable within ten seconds and mostly
/// within thirty (AWS-FACTS): soon at first, then at a pace that costs little.
pub fn retry_delay_seconds(tries: u32) -> u32 {
    const DELAYS: [u32; 8] = [2, 3, 5, 8, 12, 18, 25, 30];
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    DELAYS.get(index).or(DELAYS.last()).copied().unwrap_or_default()
}

impl VerifyRole {
    /// Works on a request for the `tries`-th time.
    pub async fn run(&self, key: &RequestKey, tries: u32) -> Result<Verified, Unavailable> {
        for _ in 0..MAX_COMMIT_TRIES {
            let Some(record) = self.store.find_request(key).await? else {
                return Ok(Verified::Unknown);
            };
            if record.outcome.is_some() {
                return self.answer(&record).await;
            }
            let Some(connection) = self.store.get(&record.tenant, &record.connection_id).await? else {
                return Ok(Verified::Unknown);
            };
            let decision = match self.obstacle(&connection, &record).await? {
                Some(reason) => Decision::Refuse(reason),
                None => self.decide(&connection, &record, tries).await,
            };
            let stored = match decision {
                Decision::Connect(proof, permissions) => {
                    self.connect(&connection, &record, (proof, permissions), tries)
                        .await?
                }
                Decision::Refuse(reason) => self.refuse(&connection, &record, reason).await?,
                Decision::TryAgainIn(seconds) => Stored::TryAgainIn(seconds),
            };
            match stored {
                Stored::Decided(decided) => return self.answer(&decided).await,
                Stored::TryAgainIn(seconds) => return Ok(Verified::TryAgainIn(seconds)),
                Stored::LostRace => {}
            }
        }
        Err(contended("verify_role"))
    }

    /// Tells the stack. A member that has the next external ID now may have been the last one to get it.
    async fn answer(&self, record: &RequestRecord) -> Result<Verified, Unavailable> {
        let answered = self.answers.deliver(record).await?;
        if let Some(organization) = record.connection_id.organization() {
            self.members
                .complete_rotation(&record.tenant, &organization)
                .await?;
        }
        Ok(Verified::Answered(answered))
    }

    /// What has come between the recording of the request and now.
    async fn obstacle(
        &self,
        connection: &Connection,
        record: &RequestRecord,
    ) -> Result<Option<Reason>, Unavailable> {
        if let Some((stack_id, resource)) = record.resource() {
            let sent_at = record.published_at;
            let deleted = self
                .store
                .resource_deleted_since(stack_id, resource, sent_at)
                .await?;
            if deleted {
                return Ok(Some(ReasonCode::StackDeleted.into()));
            }
        }
        if let Some(organization) = self.members.organization_of(connection).await? {
            if let State::Disconnected { reason, .. } = &organization.state {
                return Ok(Some(reason.code.into()));
            }
            // Its rotation has ended since: nobody new is connected by what was retired for all.
            let standing = organization.standing(&record.external_id, record.published_at);
            if connection.live_binding().is_none() && standing == Standing::Retired {
                return Ok(Some(ReasonCode::ExternalIdRetired.into()));
            }
        }
        if self.probes.tiers.find(record.permission_tier.as_ref()).is_none() {
            return Ok(Some(
                Invalid::new("PermissionTier", "is not a tier that this vendor offers").into(),
            ));
        }
        let admitted = match &record.key.stack_id {
            Some(stack_id) => {
                let claim = Claim {
                    request_type: record.request_type,
                    stack_id,
                    external_id: &record.external_id,
                    physical_resource_id: Some(&record.physical_resource_id),
                };
                admit(connection, claim, record.published_at)
            }
            None => {
                let account = record.account();
                admit_by_hand(connection, &account, &record.external_id, record.published_at)
            }
        };
        Ok(admitted.err().map(Reason::from))
    }

    async fn decide(&self, connection: &Connection, record: &RequestRecord, tries: u32) -> Decision {
        let tier = tier(connection, record);
        let finding = self
            .probes
            .run(connection, &record.role_arn, &record.external_id, tier)
            .await;
        let reason = match finding.verdict {
            Verdict::Proven(proof) => return Decision::Connect(proof, finding.permissions),
            // A trust policy that was just repaired may look open for a while yet; a new role never was.
            Verdict::Unsafe(code) if record.request_type == RequestType::Create => {
                return Decision::Refuse(code.into());
            }
            Verdict::Unsafe(code) => code.into(),
            // A policy takes as long to be everywhere as a role does.
            Verdict::Unfit(reason) => reason,
            Verdict::NotAssumable => ReasonCode::RoleNotAssumable.into(),
            Verdict::Inconclusive(Cause::VendorNotPermitted) => ReasonCode::VendorMisconfigured.into(),
            Verdict::Inconclusive(_) => ReasonCode::VerificationInconclusive.into(),
        };
        self.wait(record, tries, reason)
    }

    /// Another try, as long as the stack has the patience for one; then a refusal for `reason`.
    fn wait(&self, record: &RequestRecord, tries: u32, reason: Reason) -> Decision {
        let seconds_left = record.deadline.duration_since(self.clock.now()).as_secs();
        match u32::try_from(seconds_left) {
            Ok(left) if left > 0 => Decision::TryAgainIn(retry_delay_seconds(tries).min(left)),
            _ => Decision::Refuse(reason),
        }
    }

    /// Stores the proven connection and the decision in one step.
    async fn connect(
        &self,
        connection: &Connection,
        record: &RequestRecord,
        (proof, permissions): (Proof, Option<PermissionReport>),
        tries: u32,
    ) -> Result<Stored, Unavailable> {
        let binding = Box::new(Binding {
            role_arn: record.role_arn.clone(),
            external_id: record.external_id.clone(),
            request: record.key.clone(),
            logical_resource_id: record.logical_resource_id.clone(),
            physical_resource_id: record.physical_resource_id.clone(),
            template_version: record.template_version.clone(),
            permission_tier: tier(connection, record).cloned(),
            permissions,
            deletion_seen_at: None,
            unsettled: None,
        });
        let now = self.clock.now();
        let event = Event::AttemptProven { binding, proof };
        let name = event.name();
        let Ok(mut after) = connection.apply(event, now) else {
            // Another change of the same connection is not settled yet: it goes first.
            return match self.wait(record, tries, ReasonCode::VerificationInconclusive.into()) {
                Decision::Refuse(reason) => self.refuse(connection, record, reason).await,
                Decision::TryAgainIn(seconds) => Ok(Stored::TryAgainIn(seconds)),
                Decision::Connect(..) => Ok(Stored::LostRace),
            };
        };
        if connection.live_binding().is_none()
            && let Some(organization) = self.members.organization_of(connection).await?
        {
            after.seat = self.members.free_seat(&organization, &record.account()).await?;
            if after.seat.is_none() {
                return self
                    .refuse(connection, record, ReasonCode::OrganizationFull.into())
                    .await;
            }
        }
        let audit = AuditEntry::new(&after, Actor::Verification, name, Some(&record.key), now);
        let outcome = Outcome::Connected {
            connection_id: connection.id.clone(),
        };
        let code = match self
            .store_decision(connection, &after, record, outcome, audit)
            .await?
        {
            Ok(decided) => return Ok(Stored::Decided(Box::new(decided))),
            Err(Conflict::AccountTaken) => ReasonCode::AccountAlreadyConnected,
            Err(Conflict::RoleTaken) => ReasonCode::RoleAlreadyConnected,
            Err(Conflict::ResourceDeleted) => ReasonCode::StackDeleted,
            Err(Conflict::ConnectionChanged | Conflict::RequestChanged | Conflict::SeatTaken) => {
                return Ok(Stored::LostRace);
            }
        };
        self.refuse(connection, record, code.into()).await
    }

    async fn refuse(
        &self,
        connection: &Connection,
        record: &RequestRecord,
        reason: Reason,
    ) -> Result<Stored, Unavailable> {
        let now = self.clock.now();
        let event = Event::AttemptRefused {
            request: record.key.clone(),
        };
        let name = event.name();
        let after = connection
            .apply(event, now)
            .map_err(|error| Unavailable::new("verify_role", error))?;
        let mut audit = AuditEntry::new(&after, Actor::Verification, name, Some(&record.key), now);
        audit.reason = Some(reason.code);
        let outcome = Outcome::Refused { reason };
        let stored = self
            .store_decision(connection, &after, record, outcome, audit)
            .await?;
        Ok(stored.map_or(Stored::LostRace, |decided| Stored::Decided(Box::new(decided))))
    }

    async fn store_decision(
        &self,
        before: &Connection,
        after: &Connection,
        record: &RequestRecord,
        outcome: Outcome,
        audit: AuditEntry,
    ) -> Result<Result<RequestRecord, Conflict>, Unavailable> {
        let decided = record.clone().decided(outcome);
        let request = Some(RequestChange::Decide(&decided));
        let change = Change {
            before,
            after,
            request,
            audit: Some(audit),
        };
        Ok(self.store.commit(change).await?.map(|()| decided))
    }
}

/// The tier that a role is held against: the vendor's wish before the stack's own choice.
fn tier<'a>(connection: &'a Connection, record: &'a RequestRecord) -> Option<&'a TierName> {
    connection
        .permission_tier
        .as_ref()
        .or(record.permission_tier.as_ref())
}

enum Decision {
    Connect(Proof, Option<PermissionReport>),
    Refuse(Reason),
    TryAgainIn(u32),
}

enum Stored {
    Decided(Box<RequestRecord>),
    TryAgainIn(u32),
    LostRace,
}

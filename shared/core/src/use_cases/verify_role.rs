//! The role of a recorded request is proven or refused, the connection is moved, and the stack is told.

use std::sync::Arc;

use super::{
    answer_stack::{AnswerStack, Answered},
    is_stored,
    members::Members,
    probe_role::{Candidate, Finding, ProbeRole},
    retry_commit, store_event,
};
use crate::{
    domain::{
        audit::Actor,
        connection::{Binding, Connection, Event},
        invalid::Invalid,
        proof::{
            permissions::PermissionReport,
            reason::{Reason, ReasonCode},
            tiers::TierName,
            trust_report::TrustReport,
            verdict::{Cause, Proof, Verdict},
        },
        request::{
            admission::{Asked, Facts, StackClaims, decide_again},
            custom_resource::{Outcome, RequestKey, RequestType},
            request_record::RequestRecord,
        },
        sweep::look_delay_seconds,
    },
    ports::{
        Change, Clock, Conflict, ConnectionSearch, ConnectionStore, RequestChange, Unavailable,
        VerificationQueue, VerificationTask,
    },
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

impl Verified {
    /// Its stable name in logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Answered(answered) => answered.code(),
            Self::TryAgainIn(_) => "try_again",
            Self::Unknown => "unknown_request",
        }
    }
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
    /// Where connections wait for another look.
    pub looks: Arc<dyn VerificationQueue>,
    /// Finds who has an account.
    pub search: Arc<dyn ConnectionSearch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Seconds until the next try, after `tries` of them. A new role often is assumable within ten seconds and mostly
/// within thirty: soon at first, then at a pace that costs little.
pub fn retry_delay_seconds(tries: u32) -> u32 {
    const DELAYS: [u32; 8] = [2, 3, 5, 8, 12, 18, 25, 30];
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    DELAYS.get(index).or(DELAYS.last()).copied().unwrap_or_default()
}

impl VerifyRole {
    /// Works on a request for the `tries`-th time.
    pub async fn run(&self, key: &RequestKey, tries: u32) -> Result<Verified, Unavailable> {
        retry_commit("verify_role", async || {
            let Some(record) = self.store.find_request(key).await? else {
                return Ok(Some(Verified::Unknown));
            };
            if record.outcome.is_some() {
                return self.answer(&record).await.map(Some);
            }
            let Some(facts) = self.gather(&record).await? else {
                return Ok(Some(Verified::Unknown));
            };
            let connection = facts.member.as_ref().unwrap_or(&facts.found);
            let decision = match self.obstacle(&facts, &record) {
                Some(reason) => Decision::Refuse(reason),
                None => self.decide(connection, &record, tries).await?,
            };
            let stored = match decision {
                Decision::Connect(proven) => {
                    let stored = self.connect(&facts, &record, *proven, tries).await?;
                    if let Stored::Decided(decided) = &stored {
                        self.look_again(decided).await;
                    }
                    stored
                }
                Decision::Refuse(reason) => self.refuse(connection, &record, reason).await?,
                Decision::TryAgainIn(seconds) => Stored::TryAgainIn(seconds),
            };
            Ok(match stored {
                Stored::Decided(decided) => Some(self.answer(&decided).await?),
                Stored::TryAgainIn(seconds) => Some(Verified::TryAgainIn(seconds)),
                Stored::LostRace => None,
            })
        })
        .await
    }

    /// Has what was just connected looked at once more. STS says the same of a wrong external ID and of a role that is not
    /// everywhere yet, and IAM may not have answered: a little later both are sure. The answer does not wait for that; where
    /// the look cannot be queued, or is lost, the next full proof is it.
    async fn look_again(&self, record: &RequestRecord) {
        let Some(Outcome::Connected { connection_id }) = &record.outcome else {
            return;
        };
        let task = VerificationTask::Recheck {
            tenant: record.tenant.clone(),
            connection_id: connection_id.clone(),
            attempt: 0,
        };
        let delay = look_delay_seconds(connection_id);
        if let Err(error) = self.looks.send(&[task], delay).await {
            tracing::error!("connection.id" = %connection_id, error = error.operation, "look.not_queued");
        }
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

    /// Reads what is known now. `None` where there is no such connection.
    async fn gather(&self, record: &RequestRecord) -> Result<Option<Facts>, Unavailable> {
        let Some(connection) = self.store.get(&record.tenant, &record.connection_id).await? else {
            return Ok(None);
        };
        let resource_deleted = match record.resource() {
            Some((stack_id, resource)) => {
                let sent_at = record.published_at;
                self.store
                    .resource_deleted_since(stack_id, resource, sent_at)
                    .await?
            }
            None => false,
        };
        let organization = self.members.organization_of(&connection).await?;
        let (found, member) = match organization {
            Some(organization) => (organization, Some(connection)),
            None => (connection, None),
        };
        Ok(Some(Facts {
            found,
            member,
            resource_deleted,
        }))
    }

    /// What has come between the recording of the request and now.
    fn obstacle(&self, facts: &Facts, record: &RequestRecord) -> Option<Reason> {
        let asked = Asked {
            key: &record.key,
            role_arn: &record.role_arn,
            stack: record.key.stack_id.as_ref().map(|stack_id| StackClaims {
                request_type: record.request_type,
                stack_id,
                logical_resource_id: &record.logical_resource_id,
                external_id: &record.external_id,
                physical_resource_id: Some(&record.physical_resource_id),
            }),
            sent_at: record.published_at,
        };
        let connection = facts.member.as_ref().unwrap_or(&facts.found);
        if let Err(code) = decide_again(facts, &asked, &record.external_id) {
            return Some(match code {
                ReasonCode::AccountAlreadyConnected => Reason::account_held_by(connection.id()),
                code => code.into(),
            });
        }
        let tiers = &self.probes.tiers;
        let Some(chosen) = tiers.find(record.permission_tier.as_ref()) else {
            return Some(Invalid::new("PermissionTier", "is not a tier that this vendor offers").into());
        };
        let (asked_for, named) = (connection.permission_tier()?, record.permission_tier.as_ref()?);
        let is_enough = chosen.has_all_of(tiers.find_or_default(Some(asked_for)));
        (!is_enough).then(|| Reason::tier_mismatch(asked_for, named))
    }

    async fn decide(
        &self,
        connection: &Connection,
        record: &RequestRecord,
        tries: u32,
    ) -> Result<Decision, Unavailable> {
        let candidate = Candidate {
            role_arn: &record.role_arn,
            external_id: &record.external_id,
            tier: tier(connection, record),
            stack_id: record.key.stack_id.as_ref(),
        };
        let Finding {
            verdict,
            permissions,
            trust,
            is_unclear,
            takes_former,
            ..
        } = self.probes.run(connection, candidate).await?;
        let reason = match verdict {
            // IAM may know a new role later than STS does. At the end a later look fills in what is missing.
            Verdict::Proven(proof) => {
                let proven = Proven {
                    proof,
                    permissions,
                    trust,
                    takes_former,
                };
                let again = is_unclear.then(|| self.next_try(record, tries)).flatten();
                return Ok(again.map_or_else(|| Decision::Connect(Box::new(proven)), Decision::TryAgainIn));
            }
            // A trust policy that was just repaired may look open for a while yet; a new role never was.
            Verdict::Unsafe(reason) if record.request_type == RequestType::Create => {
                return Ok(Decision::Refuse(reason));
            }
            Verdict::Unsafe(reason) => reason,
            // A policy takes as long to be everywhere as a role does.
            Verdict::Unfit(reason) => reason,
            Verdict::NotAssumable => ReasonCode::RoleNotAssumable.into(),
            Verdict::Inconclusive(Cause::VendorNotPermitted) => ReasonCode::VendorMisconfigured.into(),
            Verdict::Inconclusive(_) => ReasonCode::VerificationInconclusive.into(),
        };
        Ok(self.wait(record, tries, reason))
    }

    /// Another try, as long as the stack has the patience for one; then a refusal for `reason`.
    fn wait(&self, record: &RequestRecord, tries: u32, reason: Reason) -> Decision {
        let next = self.next_try(record, tries);
        next.map_or(Decision::Refuse(reason), Decision::TryAgainIn)
    }

    /// The seconds until another try, while the stack has the patience for one.
    fn next_try(&self, record: &RequestRecord, tries: u32) -> Option<u32> {
        let seconds_left = record.deadline.duration_since(self.clock.now()).as_secs();
        let left = u32::try_from(seconds_left).ok().filter(|left| *left > 0)?;
        Some(retry_delay_seconds(tries).min(left))
    }

    /// Stores the proven connection and the decision in one step.
    async fn connect(
        &self,
        facts: &Facts,
        record: &RequestRecord,
        proven: Proven,
        tries: u32,
    ) -> Result<Stored, Unavailable> {
        let connection = facts.member.as_ref().unwrap_or(&facts.found);
        let Proven {
            proof,
            permissions,
            trust,
            takes_former,
        } = proven;
        let binding = Box::new(Binding {
            role_arn: record.role_arn.clone(),
            external_id: record.external_id.clone(),
            request: record.key.clone(),
            logical_resource_id: record.logical_resource_id.clone(),
            physical_resource_id: record.physical_resource_id.clone(),
            template_version: record.template_version.clone(),
            permission_tier: tier(connection, record).cloned(),
            permissions,
            trust: trust.or_else(|| {
                let bound = connection.live_binding()?;
                bound.trust.clone().filter(|_| bound.role_arn == record.role_arn)
            }),
            deletion_seen_at: None,
            unsettled: None,
            says: record.says,
            former: None,
            takes_former,
            answered_at: None,
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
        if connection.live_binding().is_none() && facts.member.is_some() {
            let Some(seat) = self.members.free_seat(&facts.found, &record.account()).await? else {
                let full = ReasonCode::OrganizationFull.into();
                return self.refuse(connection, record, full).await;
            };
            after = after.seated(seat);
        }
        let decided = record.clone().decided(Outcome::Connected {
            connection_id: connection.id().clone(),
        });
        let change = Change::new(connection, &after)
            .audited(Actor::Verification, name, Some(&record.key), now)
            .with_request(RequestChange::Decide(&decided));
        let Err(error) = self.store.commit(change).await else {
            return Ok(Stored::Decided(Box::new(decided)));
        };
        let code = match error.conflict()? {
            Conflict::AccountTaken => return self.take_over(connection, record, tries).await,
            Conflict::RoleTaken => ReasonCode::RoleAlreadyConnected,
            Conflict::ResourceDeleted => ReasonCode::StackDeleted,
            Conflict::ConnectionChanged | Conflict::RequestChanged | Conflict::SeatTaken => {
                return Ok(Stored::LostRace);
            }
        };
        self.refuse(connection, record, code.into()).await
    }

    /// Another connection of the tenant has the account. One whose role does not let us in, at a
    /// look made now, has lost its stack without a word: it ends, and its place is free when this
    /// request is worked on again, be it after a crash.
    async fn take_over(
        &self,
        connection: &Connection,
        record: &RequestRecord,
        tries: u32,
    ) -> Result<Stored, Unavailable> {
        let holder = self
            .search
            .find_by_account(&record.tenant, &record.account())
            .await?;
        let Some(holder) = holder.filter(|holder| holder.id() != connection.id()) else {
            return Ok(Stored::LostRace);
        };
        let held = Reason::account_held_by(holder.id());
        let bound = holder.live_binding().filter(|bound| bound.unsettled.is_none());
        let (Some(bound), Some(_)) = (bound, &record.key.stack_id) else {
            return self.refuse(connection, record, held).await;
        };
        match self.probes.run_bound(&holder, bound).await?.verdict {
            Verdict::NotAssumable => {
                let event = Event::Disconnected(ReasonCode::Superseded.into());
                let (actor, now) = (Actor::Verification, self.clock.now());
                let key = Some(&record.key);
                if store_event(&*self.store, &holder, event, actor, key, now)
                    .await?
                    .is_some()
                {
                    self.members.complete_rotation_of(&holder).await?;
                }
                Ok(Stored::LostRace)
            }
            Verdict::Inconclusive(_) => match self.wait(record, tries, held) {
                Decision::TryAgainIn(seconds) => Ok(Stored::TryAgainIn(seconds)),
                Decision::Refuse(reason) => self.refuse(connection, record, reason).await,
                Decision::Connect(..) => Ok(Stored::LostRace),
            },
            Verdict::Proven(_) | Verdict::Unsafe(_) | Verdict::Unfit(_) => {
                self.refuse(connection, record, held).await
            }
        }
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
        let code = reason.code;
        let decided = record.clone().decided(Outcome::Refused { reason });
        let change = Change::new(connection, &after)
            .audited(Actor::Verification, name, Some(&record.key), now)
            .because(code)
            .with_request(RequestChange::Decide(&decided));
        Ok(match is_stored(&*self.store, change).await? {
            true => Stored::Decided(Box::new(decided)),
            false => Stored::LostRace,
        })
    }
}

/// The tier that a role is held against: the vendor's wish before the stack's own choice.
fn tier<'a>(connection: &'a Connection, record: &'a RequestRecord) -> Option<&'a TierName> {
    connection.permission_tier().or(record.permission_tier.as_ref())
}

/// What is known of a role that is to be connected.
struct Proven {
    proof: Proof,
    permissions: Option<PermissionReport>,
    trust: Option<TrustReport>,
    takes_former: bool,
}

enum Decision {
    Connect(Box<Proven>),
    Refuse(Reason),
    TryAgainIn(u32),
}

enum Stored {
    Decided(Box<RequestRecord>),
    TryAgainIn(u32),
    LostRace,
}

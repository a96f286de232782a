//! What can happen to a connection, and what it makes of it: every transition there is stands in this file.

use jiff::Timestamp;

use super::{Attempt, Binding, Connection, Failure, Rotation, State, Status, Unsettled};
use crate::domain::{
    proof::{
        reason::{Reason, ReasonCode},
        verdict::Proof,
    },
    request::custom_resource::RequestKey,
};

/// What can happen to a connection.
#[derive(Debug)]
pub enum Event {
    /// A stack asked for its first registration.
    AttemptStarted(Attempt),
    /// A stack's role was proven: a first registration, an update, or a second resource in the same stack.
    AttemptProven {
        /// What is now connected.
        binding: Box<Binding>,
        /// That it was proven (I3).
        proof: Proof,
    },
    /// A stack's request was decided against; its bucket has not been asked yet.
    AttemptRefused {
        /// The request.
        request: RequestKey,
    },
    /// A stack was told that its request failed: its bucket took the refusal, so that the request was CloudFormation's.
    AttemptFailed {
        /// The request.
        request: RequestKey,
        /// Why.
        reason: Reason,
    },
    /// CloudFormation's bucket took our SUCCESS: the request was CloudFormation's.
    AnswerAccepted {
        /// The request.
        request: RequestKey,
    },
    /// CloudFormation's bucket refused our SUCCESS: the request was never CloudFormation's, or is too old.
    AnswerRefused {
        /// The request.
        request: RequestKey,
    },
    /// A later check proved the role again.
    CheckPassed(Proof),
    /// A later check found the role unsafe or gone.
    CheckFailed(Reason),
    /// The customer or the vendor ended it.
    Disconnected(Reason),
    /// The link's time is over.
    LinkExpired,
    /// The vendor asked for another external ID.
    RotationStarted(Rotation),
    /// The vendor took that back.
    RotationCancelled,
    /// CloudFormation deleted what is bound, under an id that we never gave it.
    DeletionSeen,
    /// CloudFormation deleted what is bound and not what that replaced: it rolled an update back.
    FormerRestored,
    /// CloudFormation deleted this resource, whose place another one of the stack had taken.
    FormerDeleted(String),
    /// Every account of the organization has the next external ID.
    RotationCompleted,
    /// An account whose stack was deleted asks to be a member of its organization again.
    Reopened,
}

/// That an event cannot happen to a connection in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot happen to a connection that is {}", status.as_str())]
pub struct IllegalTransition {
    /// Where the connection stands.
    pub status: Status,
    /// The event's name.
    pub event: &'static str,
}

impl Connection {
    /// The connection after `event`, one version on. Every transition there is stands in this function.
    pub fn apply(&self, event: Event, now: Timestamp) -> Result<Self, IllegalTransition> {
        use Event as E;
        use State as S;
        let event_name = event.name();
        let illegal = || IllegalTransition {
            status: self.state.status(),
            event: event_name,
        };
        let current = self.state_at(now);
        let mut rotation = self.rotation.clone();
        let mut external_id = self.external_id.clone();
        let mut failed_change = self
            .failed_change
            .clone()
            .filter(|_| current.live_binding().is_some());
        let state = match (&current, event) {
            (S::Pending { .. } | S::Verifying { .. }, E::AttemptStarted(attempt)) => S::Verifying { attempt },

            (S::Pending { .. } | S::Verifying { .. }, E::AttemptProven { binding, proof })
                if *proof.role_arn() == binding.role_arn
                    && (binding.external_id == self.external_id
                        // A new account of an organization may come with either.
                        || self.is_member() && self.has_external_id(&binding.external_id)) =>
            {
                let binding = Binding {
                    unsettled: Some(Unsettled { replaces: None }),
                    ..*binding
                };
                S::Active {
                    binding,
                    last_verified_at: now,
                }
            }
            // Another resource or another role, but the same stack: the customer changed what is connected. One
            // such change at a time, so that there is one thing to go back to.
            (
                S::Active { binding: bound, .. } | S::Degraded { binding: bound, .. },
                E::AttemptProven { binding, proof },
            ) if bound.unsettled.is_none()
                && bound.stack_id() == binding.stack_id()
                && *proof.role_arn() == binding.role_arn
                && self.has_external_id(&binding.external_id) =>
            {
                // The rollback of a change that failed is no success of it.
                failed_change =
                    failed_change.filter(|_| bound.stack_id().is_some() && bound.says_the_same_as(&binding));
                let binding = Binding {
                    former: self.former(&current, bound, &binding),
                    answered_at: bound.answered_before(&binding),
                    unsettled: Some(Unsettled {
                        replaces: Some(Box::new(current.clone())),
                    }),
                    ..*binding
                };
                S::Active {
                    binding,
                    last_verified_at: now,
                }
            }

            (S::Verifying { attempt }, E::AttemptRefused { request } | E::AttemptFailed { request, .. })
                if attempt.request != request =>
            {
                current.clone()
            }
            (S::Verifying { .. }, E::AttemptRefused { .. }) => S::Pending { last_failure: None },
            (S::Pending { .. } | S::Verifying { .. }, E::AttemptFailed { request, reason }) => S::Pending {
                last_failure: Some(Failure {
                    reason,
                    stack_id: request.stack_id,
                    at: now,
                }),
            },
            // A failed update leaves what is connected as it was; what has ended stays ended.
            (
                S::Active { binding, .. } | S::Degraded { binding, .. },
                E::AttemptFailed { request, reason },
            ) if !binding.is_unsettled_first_registration() && is_own_failure(binding, &request, &reason) => {
                failed_change = Some(Failure {
                    reason,
                    stack_id: request.stack_id,
                    at: now,
                });
                current.clone()
            }
            (_, E::AttemptRefused { .. } | E::AttemptFailed { .. }) => current.clone(),

            (S::Active { binding, .. } | S::Degraded { binding, .. }, E::AnswerRefused { request })
                if binding.request == request
                    && let Some(unsettled) = &binding.unsettled =>
            {
                match &unsettled.replaces {
                    Some(before) => State::clone(before),
                    None => {
                        let reason = ReasonCode::AnswerRefused.into();
                        let failure = Failure {
                            reason,
                            stack_id: request.stack_id,
                            at: now,
                        };
                        S::Pending {
                            last_failure: Some(failure),
                        }
                    }
                }
            }
            // However late it is: the stack has been told, and what was stored stands.
            (_, E::AnswerAccepted { request }) => {
                rotation = rotation.or_else(|| self.rotation_brought_back_by(&request));
                self.state.settled(&request)
            }
            // The answer to a request that is settled, or was overtaken, changes nothing.
            (_, E::AnswerRefused { .. }) => current.clone(),

            (S::Active { binding, .. } | S::Degraded { binding, .. }, E::CheckPassed(proof))
                if *proof.role_arn() == binding.role_arn =>
            {
                let mut binding = binding.clone();
                binding.deletion_seen_at = None;
                S::Active {
                    binding,
                    last_verified_at: now,
                }
            }
            (
                S::Active {
                    binding,
                    last_verified_at,
                },
                E::CheckFailed(reason),
            ) => S::Degraded {
                binding: binding.clone(),
                last_verified_at: *last_verified_at,
                reason,
                since: now,
                failed_checks: 1,
            },
            (
                S::Degraded {
                    binding,
                    last_verified_at,
                    since,
                    failed_checks,
                    ..
                },
                E::CheckFailed(reason),
            ) => S::Degraded {
                binding: binding.clone(),
                last_verified_at: *last_verified_at,
                reason,
                since: *since,
                failed_checks: failed_checks.saturating_add(1),
            },

            (S::Disconnected { .. }, E::Disconnected(_)) => return Err(illegal()),
            (_, E::Disconnected(reason)) => {
                rotation = None;
                S::Disconnected {
                    binding: self.binding().cloned().map(Binding::without_former),
                    reason,
                    at: now,
                }
            }

            // One rotation at a time, and none while a change is not settled: what is bound then may still be undone.
            (S::Active { binding, .. } | S::Degraded { binding, .. }, E::RotationStarted(next))
                if binding.unsettled.is_none() && self.rotation_at(now).is_none() =>
            {
                rotation = Some(next);
                current.clone()
            }
            // Too late once the next one is proven: the role asks for nothing else any more.
            (S::Active { .. } | S::Degraded { .. }, E::RotationCancelled)
                if !self.rotation_is_being_settled() =>
            {
                rotation = None;
                current.clone()
            }

            // An organization's connection is never bound: its members are, and they have the last word.
            (S::Pending { .. }, E::RotationStarted(next))
                if self.organization.is_some() && self.rotation_at(now).is_none() =>
            {
                rotation = Some(next);
                current.clone()
            }
            (S::Pending { .. }, E::RotationCancelled) if self.organization.is_some() => {
                rotation = None;
                current.clone()
            }
            (S::Pending { .. }, E::RotationCompleted)
                if self.organization.is_some()
                    && let Some(next) = rotation.take() =>
            {
                external_id = next.external_id;
                current.clone()
            }
            (S::Disconnected { reason, .. }, E::Reopened)
                if self.is_member() && reason.code == ReasonCode::StackDeleted =>
            {
                S::Pending { last_failure: None }
            }

            (S::Active { .. } | S::Degraded { .. }, E::DeletionSeen) => current.with_deletion_seen(now),
            (S::Active { .. } | S::Degraded { .. }, E::FormerDeleted(resource)) => {
                current.with_former_deleted(&resource, now)
            }
            (S::Active { binding, .. } | S::Degraded { binding, .. }, E::FormerRestored)
                if binding.unsettled.is_none()
                    && let Some(former) = &binding.former
                    && let Some(state) = &former.state =>
            {
                if external_id != former.external_id {
                    external_id = former.external_id.clone();
                    rotation = rotation.or_else(|| former.rotation.clone());
                }
                State::clone(state)
            }

            (S::Pending { last_failure }, E::LinkExpired) if now >= self.expires_at => S::Expired {
                last_failure: last_failure.clone(),
            },

            (
                _,
                E::AttemptStarted(_)
                | E::AttemptProven { .. }
                | E::CheckPassed(_)
                | E::CheckFailed(_)
                | E::LinkExpired
                | E::RotationStarted(_)
                | E::RotationCancelled
                | E::RotationCompleted
                | E::Reopened
                | E::DeletionSeen
                | E::FormerRestored
                | E::FormerDeleted(_),
            ) => return Err(illegal()),
        };
        let after = Self {
            // Who is not connected holds none.
            seat: self.seat.filter(|_| state.live_binding().is_some()),
            state,
            rotation,
            external_id,
            failed_change,
            version: self.version + 1,
            ..self.clone()
        };
        Ok(after.with_settled_external_id())
    }
}

/// Whether a failure is kept with what is bound: the vendor's own call's, or that of the very
/// stack. Another one says nothing about a live connection, and a request that came too late
/// neither.
fn is_own_failure(bound: &Binding, request: &RequestKey, reason: &Reason) -> bool {
    let stack = request.stack_id.as_ref();
    reason.code != ReasonCode::RequestOvertaken && (stack.is_none() || stack == bound.stack_id())
}

impl Event {
    /// The name of [`Self::AttemptStarted`].
    pub const ATTEMPT_STARTED: &str = "attempt_started";
    /// The name of [`Self::RotationStarted`].
    pub const ROTATION_STARTED: &str = "rotation_started";
    /// The name of [`Self::RotationCancelled`].
    pub const ROTATION_CANCELLED: &str = "rotation_cancelled";

    /// The event's name, for the log and for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AttemptStarted(_) => Self::ATTEMPT_STARTED,
            Self::AttemptProven { .. } => "attempt_proven",
            Self::AttemptRefused { .. } => "attempt_refused",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::AnswerAccepted { .. } => "answer_accepted",
            Self::AnswerRefused { .. } => "answer_refused",
            Self::CheckPassed(_) => "check_passed",
            Self::CheckFailed(_) => "check_failed",
            Self::Disconnected(_) => "disconnected",
            Self::LinkExpired => "link_expired",
            Self::RotationStarted(_) => Self::ROTATION_STARTED,
            Self::RotationCancelled => Self::ROTATION_CANCELLED,
            Self::DeletionSeen => "deletion_seen",
            Self::FormerRestored => "former_restored",
            Self::FormerDeleted(_) => "former_deleted",
            Self::RotationCompleted => "rotation_completed",
            Self::Reopened => "reopened",
        }
    }
}

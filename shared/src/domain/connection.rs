//! A connection and its life: one function, [`Connection::apply`], makes every transition.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::{AccountId, Region, RoleArn, StackId},
    custom_resource::RequestKey,
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    profile::Profile,
    reason::{Reason, ReasonCode},
    request_budget::RequestBudget,
    verdict::Proof,
};

/// A customer's account as one tenant sees it, from the launch link to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its public name.
    pub id: ConnectionId,
    /// The external ID that its role must ask for; made by us, for it alone (I1).
    pub external_id: ExternalId,
    /// Name, description and tags.
    pub profile: Profile,
    /// The only account that may take the link, where the vendor said so at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_account: Option<AccountId>,
    /// Where the link opens the console.
    pub launch_region: Region,
    /// The customer template that the link opens.
    pub template: TemplateRef,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when its link may be used.
    pub expires_at: Timestamp,
    /// How often it may still be asked for within the hour.
    #[serde(default)]
    pub requests: RequestBudget,
    /// Where it stands.
    pub state: State,
    /// Counts the writes: a write succeeds only on the version that it was made from (I9).
    pub version: u64,
}

/// A published version of the customer template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// Its version, such as `1.0.0`.
    pub version: String,
    /// The https URL of its immutable object.
    pub url: String,
}

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum State {
    /// Its link waits for a stack.
    Pending {
        /// How the last stack failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Failure>,
    },
    /// A stack has asked, and its role is being proven.
    Verifying {
        /// The request that is being worked on; the latest, where there are several.
        attempt: Attempt,
    },
    /// The role is proven.
    Active {
        /// What is connected.
        binding: Binding,
        /// When the role was last proven.
        last_verified_at: Timestamp,
    },
    /// The role was proven once and is not as it should be now.
    Degraded {
        /// What is connected.
        binding: Binding,
        /// When the role was last proven.
        last_verified_at: Timestamp,
        /// What is wrong.
        reason: Reason,
        /// Since when.
        since: Timestamp,
        /// How many checks in a row have failed.
        failed_checks: u32,
    },
    /// It ended. Its external ID is spent.
    Disconnected {
        /// What was connected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        binding: Option<Binding>,
        /// Who ended it.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
    /// No stack came in time.
    Expired {
        /// How the last stack failed, if one tried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Failure>,
    },
}

/// The name of a state, as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// See [`State::Pending`].
    Pending,
    /// See [`State::Verifying`].
    Verifying,
    /// See [`State::Active`].
    Active,
    /// See [`State::Degraded`].
    Degraded,
    /// See [`State::Disconnected`].
    Disconnected,
    /// See [`State::Expired`].
    Expired,
}

impl Status {
    /// As it stands in the API and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verifying => "verifying",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Disconnected => "disconnected",
            Self::Expired => "expired",
        }
    }
}

/// A first registration in the making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The request that asked for it.
    pub request: RequestKey,
    /// The role that it claims.
    pub role_arn: RoleArn,
    /// When it was recorded.
    pub started_at: Timestamp,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// The stack whose attempt it was.
    pub stack_id: StackId,
    /// When.
    pub at: Timestamp,
}

/// The stack and role that a connection is bound to, once proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The proven role.
    pub role_arn: RoleArn,
    /// The request that was answered SUCCESS for it, and with it the stack.
    pub request: RequestKey,
    /// The custom resource in that stack.
    pub logical_resource_id: String,
    /// The id that we gave the custom resource: a Delete has to name it (I6).
    pub physical_resource_id: String,
    /// The version of the template that the stack was made from.
    pub template_version: String,
    /// While CloudFormation's bucket has not yet taken our SUCCESS for it: what to go back to if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
}

/// A binding whose SUCCESS is on its way. Only CloudFormation can sign a URL into its own bucket, so an accepted
/// answer proves where the request came from, and a refused one undoes what the request did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The whole state before: a refused answer goes back to exactly that, and never makes a degraded connection
    /// active. Nothing, for a first registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Box<State>>,
}

impl Binding {
    /// What was bound before, while this is not settled: it is still ours if the answer is refused.
    pub fn replaced(&self) -> Option<&Self> {
        self.unsettled.as_ref()?.replaces.as_ref()?.live_binding()
    }

    /// Whether nothing was bound before, and CloudFormation has not taken our SUCCESS yet.
    pub fn is_unsettled_first_registration(&self) -> bool {
        self.unsettled
            .as_ref()
            .is_some_and(|unsettled| unsettled.replaces.is_none())
    }

    /// The account of the role and of the stack, which are the same (I2).
    pub fn account(&self) -> AccountId {
        self.role_arn.account()
    }

    /// The stack that it came with.
    pub fn stack_id(&self) -> &StackId {
        &self.request.stack_id
    }
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum Event {
    /// A stack asked for its first registration.
    AttemptStarted(Attempt),
    /// A stack's role was proven: a first registration, an update, or a second resource in the same stack.
    AttemptProven {
        /// What is now connected.
        binding: Binding,
        /// That it was proven (I3).
        proof: Proof,
    },
    /// A stack's request was refused.
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
    /// A new connection, whose link waits for a stack.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of its own; a builder could forget one"
    )]
    pub fn new(
        tenant: TenantId,
        id: ConnectionId,
        external_id: ExternalId,
        profile: Profile,
        expected_account: Option<AccountId>,
        launch_region: Region,
        template: TemplateRef,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            tenant,
            id,
            external_id,
            profile,
            expected_account,
            launch_region,
            template,
            created_at,
            expires_at,
            requests: RequestBudget::default(),
            state: State::Pending { last_failure: None },
            version: 1,
        }
    }

    /// Where it stands at `now`. A link whose time is over is expired from that moment, written down or not.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            State::Pending { .. } if now >= self.expires_at => Status::Expired,
            state => state.status(),
        }
    }

    /// What it is bound to, while that is alive.
    pub fn live_binding(&self) -> Option<&Binding> {
        self.state.live_binding()
    }

    /// What it is bound to, or was.
    pub fn binding(&self) -> Option<&Binding> {
        match &self.state {
            State::Disconnected { binding, .. } => binding.as_ref(),
            _ => self.live_binding(),
        }
    }

    /// Why it is not active, where there is something to say.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.state {
            State::Pending { last_failure } | State::Expired { last_failure } => {
                last_failure.as_ref().map(|failure| &failure.reason)
            }
            State::Degraded { reason, .. } | State::Disconnected { reason, .. } => Some(reason),
            State::Verifying { .. } | State::Active { .. } => None,
        }
    }

    /// When the role was last proven.
    pub fn last_verified_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Active { last_verified_at, .. } | State::Degraded { last_verified_at, .. } => {
                Some(*last_verified_at)
            }
            _ => None,
        }
    }

    /// The connection after `event`, one version on. Every transition there is stands in this function.
    pub fn apply(&self, event: Event, now: Timestamp) -> Result<Self, IllegalTransition> {
        use Event as E;
        use State as S;
        let event_name = event.name();
        let illegal = || IllegalTransition {
            status: self.state.status(),
            event: event_name,
        };
        let state = match (&self.state, event) {
            (S::Pending { .. } | S::Verifying { .. }, E::AttemptStarted(attempt)) => S::Verifying { attempt },

            (S::Pending { .. } | S::Verifying { .. }, E::AttemptProven { binding, proof })
                if *proof.role_arn() == binding.role_arn =>
            {
                let binding = Binding {
                    unsettled: Some(Unsettled { replaces: None }),
                    ..binding
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
                && *proof.role_arn() == binding.role_arn =>
            {
                let replaces = Some(Box::new(self.state.clone()));
                let binding = Binding {
                    unsettled: Some(Unsettled { replaces }),
                    ..binding
                };
                S::Active {
                    binding,
                    last_verified_at: now,
                }
            }

            (S::Verifying { attempt }, E::AttemptFailed { request, .. }) if attempt.request != request => {
                self.state.clone()
            }
            (S::Pending { .. } | S::Verifying { .. }, E::AttemptFailed { request, reason }) => S::Pending {
                last_failure: Some(Failure {
                    reason,
                    stack_id: request.stack_id,
                    at: now,
                }),
            },
            // A failed update leaves what is connected as it was; what has ended stays ended.
            (_, E::AttemptFailed { .. }) => self.state.clone(),

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
            (state, E::AnswerAccepted { request }) => state.settled(&request),
            // The answer to a request that is settled, or was overtaken, changes nothing.
            (_, E::AnswerRefused { .. }) => self.state.clone(),

            (S::Active { binding, .. } | S::Degraded { binding, .. }, E::CheckPassed(proof))
                if *proof.role_arn() == binding.role_arn =>
            {
                S::Active {
                    binding: binding.clone(),
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
            (_, E::Disconnected(reason)) => S::Disconnected {
                binding: self.binding().cloned(),
                reason,
                at: now,
            },

            (S::Pending { last_failure }, E::LinkExpired) if now >= self.expires_at => S::Expired {
                last_failure: last_failure.clone(),
            },

            (
                _,
                E::AttemptStarted(_)
                | E::AttemptProven { .. }
                | E::CheckPassed(_)
                | E::CheckFailed(_)
                | E::LinkExpired,
            ) => return Err(illegal()),
        };
        Ok(Self {
            state,
            version: self.version + 1,
            ..self.clone()
        })
    }
}

impl State {
    /// The same state, with the binding that `request` made settled.
    fn settled(&self, request: &RequestKey) -> Self {
        let mut state = self.clone();
        if let Self::Active { binding, .. } | Self::Degraded { binding, .. } = &mut state
            && binding.request == *request
        {
            binding.unsettled = None;
        }
        state
    }

    /// What is connected, while that is alive.
    pub fn live_binding(&self) -> Option<&Binding> {
        match self {
            Self::Active { binding, .. } | Self::Degraded { binding, .. } => Some(binding),
            _ => None,
        }
    }

    /// The state's name.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Verifying { .. } => Status::Verifying,
            Self::Active { .. } => Status::Active,
            Self::Degraded { .. } => Status::Degraded,
            Self::Disconnected { .. } => Status::Disconnected,
            Self::Expired { .. } => Status::Expired,
        }
    }
}

impl Event {
    /// The event's name, for the log and for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AttemptStarted(_) => "attempt_started",
            Self::AttemptProven { .. } => "attempt_proven",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::AnswerAccepted { .. } => "answer_accepted",
            Self::AnswerRefused { .. } => "answer_refused",
            Self::CheckPassed(_) => "check_passed",
            Self::CheckFailed(_) => "check_failed",
            Self::Disconnected(_) => "disconnected",
            Self::LinkExpired => "link_expired",
        }
    }
}

#[cfg(test)]
mod tests;

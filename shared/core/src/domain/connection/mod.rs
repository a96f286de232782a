//! A connection and where it can stand. What can happen to it is in [`transitions`].

mod access;
mod changes;
pub mod claims;
mod deletion;
mod facts;
pub mod filing;
pub mod former;
pub mod organization;
pub mod rotation;
pub mod transitions;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use deletion::Deletion;
pub use former::Former;
pub use organization::{NEVER, Organization};
pub use rotation::{Rotation, Standing};
pub use transitions::{Event, IllegalTransition};

use crate::domain::{
    aws::{AccountId, Region, RoleArn, StackId},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
    profile::Profile,
    proof::{permissions::PermissionReport, reason::Reason, tiers::TierName, trust_report::TrustReport},
    request::{custom_resource::RequestKey, request_budget::RequestBudget, stack_says::StackSays},
};

/// How long a request can be worked on, in seconds: CloudFormation's longest patience.
pub const ATTEMPT_SECONDS: i64 = 3_600;
/// How long a binding may wait for its stack's bucket to take our SUCCESS, in seconds. The stack itself has given up
/// after five minutes (`ServiceTimeout` of the customer template).
pub const SETTLEMENT_SECONDS: i64 = 900;

/// A customer's account as one tenant sees it, from the launch link to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Whose it is.
    tenant: TenantId,
    /// Its public name.
    id: ConnectionId,
    /// The external ID that its role must ask for; made by us, for it alone (I1).
    external_id: ExternalId,
    /// The external ID that its role shall ask for, while the customer has not updated the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<Rotation>,
    /// Name, description and tags.
    profile: Profile,
    /// The only account that may take the link, where the vendor said so at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_account: Option<AccountId>,
    /// What the role shall be able to do, where the vendor said so at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permission_tier: Option<TierName>,
    /// Where the link opens the console.
    launch_region: Region,
    /// The customer template that the link opens.
    template: TemplateRef,
    /// Which accounts may share it, where it is an organization's: they connect as members of it, and it itself is never
    /// bound to a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
    /// The seat that a member has among those of its organization, from its first proof on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat: Option<u32>,
    /// When it was made.
    created_at: Timestamp,
    /// Until when its link may be used; [`NEVER`] is an organization's end.
    expires_at: Timestamp,
    /// How often it may still be asked for within the hour.
    #[serde(default)]
    requests: RequestBudget,
    /// How often the very resource that it is bound to may still be changed within the hour: a budget of its own, so
    /// that nobody who does not know that resource can use it up.
    #[serde(default)]
    changes: RequestBudget,
    /// How the last attempt to change what is connected failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_change: Option<Failure>,
    /// Where it stands.
    state: State,
    /// Counts the writes: a write succeeds only on the version that it was made from (I9).
    version: u64,
}

/// What is known of a connection when its link is made; each is as in [`Connection`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "told at the fields of `Connection`")]
pub struct Launch {
    pub tenant: TenantId,
    pub id: ConnectionId,
    pub external_id: ExternalId,
    pub profile: Profile,
    pub expected_account: Option<AccountId>,
    pub permission_tier: Option<TierName>,
    pub launch_region: Region,
    pub template: TemplateRef,
    pub organization: Option<Organization>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The version of a connection that nothing has changed since it was made.
pub const FIRST_VERSION: u64 = 1;

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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Verifying,
        Self::Active,
        Self::Degraded,
        Self::Disconnected,
        Self::Expired,
    ];

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
    /// The stack whose attempt it was; none where the role was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackId>,
    /// When.
    pub at: Timestamp,
}

/// The stack and role that a connection is bound to, once proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The proven role.
    pub role_arn: RoleArn,
    /// The external ID that it was proven with.
    pub external_id: ExternalId,
    /// The request that was answered SUCCESS for it, and with it the stack.
    pub request: RequestKey,
    /// The custom resource in that stack; empty, like the next two, where the role was made by hand.
    pub logical_resource_id: String,
    /// The id that we gave the custom resource: a Delete has to name it (I6).
    pub physical_resource_id: String,
    /// The version of the template that the stack was made from.
    pub template_version: String,
    /// The tier that the role is held against: the one that the vendor asked for, or else the stack's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_tier: Option<TierName>,
    /// What the role may do too little and too much of, when that was last asked. It goes with the role: a change that
    /// is undone takes it along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionReport>,
    /// Whom the role lets in, when that was last read. It goes with the role as the above does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustReport>,
    /// When CloudFormation sent a Delete of this resource under an id that we never gave it: should the role turn out
    /// to be gone, the stack was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_seen_at: Option<Timestamp>,
    /// While CloudFormation's bucket has not yet taken our SUCCESS for it: what to go back to if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
    /// What its stack tells of itself.
    #[serde(default, skip_serializing_if = "StackSays::is_silent")]
    pub says: StackSays,
    /// What a rollback of the update that made this binding would bring back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// Whether the role, proven with a rotation's next external ID, lets the former one in as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_former: bool,
    /// When the latest request of this resource was sent whose answer CloudFormation took. Requests
    /// that were sent before it decide nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
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

    /// The stack that it came with; none where the role was made by hand.
    pub fn stack_id(&self) -> Option<&StackId> {
        self.request.stack_id.as_ref()
    }
}

impl Connection {
    /// A new connection, whose link waits for a stack.
    pub fn new(launch: Launch) -> Self {
        Self {
            tenant: launch.tenant,
            id: launch.id,
            external_id: launch.external_id,
            rotation: None,
            profile: launch.profile,
            expected_account: launch.expected_account,
            permission_tier: launch.permission_tier,
            launch_region: launch.launch_region,
            template: launch.template,
            organization: launch.organization,
            seat: None,
            created_at: launch.created_at,
            expires_at: launch.expires_at,
            requests: RequestBudget::default(),
            changes: RequestBudget::default(),
            failed_change: None,
            state: State::Pending { last_failure: None },
            version: FIRST_VERSION,
        }
    }

    /// Where it stands for whoever asks at `now`. A link whose time is over is expired from that moment, written down or not.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state_at(now) {
            State::Pending { .. } if now >= self.expires_at => Status::Expired,
            // Proven, but the stack's bucket has not taken our answer yet: until then a forged request may be undone.
            State::Active { binding, .. } if binding.is_unsettled_first_registration() => Status::Verifying,
            state => state.status(),
        }
    }

    /// Its state, without what was begun and never finished: a request whose stack has long given up, or a binding
    /// whose SUCCESS its stack's bucket has not taken in all this time. Neither holds anything up for ever, whatever
    /// became of the message that should have ended it.
    pub fn state_at(&self, now: Timestamp) -> State {
        let is_over = |since: Timestamp, seconds| now.duration_since(since).as_secs() >= seconds;
        match &self.state {
            State::Verifying { attempt } if is_over(attempt.started_at, ATTEMPT_SECONDS) => {
                State::Pending { last_failure: None }
            }
            State::Active {
                binding,
                last_verified_at,
            } if is_over(*last_verified_at, SETTLEMENT_SECONDS) => match &binding.unsettled {
                Some(Unsettled {
                    replaces: Some(before),
                }) => (**before).clone(),
                Some(Unsettled { replaces: None }) => State::Pending { last_failure: None },
                None => self.state.clone(),
            },
            state => state.clone(),
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

    /// The same connection, last verified at `at`, where it is live.
    #[must_use]
    pub fn verified_at(mut self, at: Timestamp) -> Self {
        if let State::Active { last_verified_at, .. } | State::Degraded { last_verified_at, .. } =
            &mut self.state
        {
            *last_verified_at = at;
        }
        self
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

    /// The sentence of that reason, for those who made the role: by a stack or by hand.
    pub fn reason_message(&self) -> Option<String> {
        let had_stack = match &self.state {
            State::Pending {
                last_failure: Some(failure),
            }
            | State::Expired {
                last_failure: Some(failure),
            } => failure.stack_id.is_some(),
            _ => self.binding().is_none_or(|binding| binding.stack_id().is_some()),
        };
        let reason = self.reason()?;
        Some(if had_stack {
            reason.message()
        } else {
            reason.message_by_hand()
        })
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
}

impl State {
    /// The same state, with the binding that `request` made settled.
    fn settled(&self, request: &RequestKey) -> Self {
        let mut state = self.clone();
        if let Some(binding) = state.live_binding_mut().filter(|it| it.request == *request) {
            binding.unsettled = None;
        }
        state
    }

    /// The same state, with the note that CloudFormation deleted what is bound under an id that is not ours.
    fn with_deletion_seen(&self, at: Timestamp) -> Self {
        let mut state = self.clone();
        if let Some(binding) = state.live_binding_mut() {
            binding.deletion_seen_at = Some(at);
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

    fn live_binding_mut(&mut self) -> Option<&mut Binding> {
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

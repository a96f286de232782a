//! Who may publish to the listener topics: everybody, or the accounts that a link was made for.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::{AccountId, Region},
    connection::{Connection, State, Status},
    ids::{ConnectionId, TenantId},
    invalid::Invalid,
    proof::reason::ReasonCode,
};

/// SNS's limit on the statements of a topic's policy.
pub const MAX_POLICY_STATEMENTS: usize = 100;
/// SNS's limit on a topic's policy, in bytes: 30 KB.
pub const MAX_POLICY_BYTES: usize = 30 * 1_024;
/// How long a connection that never connected may keep its account's permission after its end, in seconds: a stack
/// that was launched in the last moment still has to fail, and its rollback to say so.
pub const GRACE_SECONDS: i64 = 24 * 3_600;
/// How long a permission may be held for a connection that is not there, in seconds: it is written down a moment before
/// the connection is.
pub const UNBORN_SECONDS: i64 = 900;
/// How the label of a permission of ours begins; the account follows.
const LABEL_PREFIX: &str = "latchkey-";

/// What a deployment decided about its listener topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerAccess {
    /// Anybody may publish, and what is published is believed in nothing.
    Open,
    /// The same, and only those accounts may publish that a link was made for.
    PerAccount,
}

impl ListenerAccess {
    /// As it stands in a deployment's parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::PerAccount => "per-account",
        }
    }
}

impl FromStr for ListenerAccess {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Open, Self::PerAccount]
            .into_iter()
            .find(|access| access.as_str() == text)
            .ok_or(Invalid::new("listener access", "must be open or per-account"))
    }
}

/// What is known of the listener topics: a StackSet may not have come to every region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTopics {
    /// When the regions were asked.
    pub asked_at: Timestamp,
    /// Whether each has its topic.
    pub topics: BTreeMap<Region, bool>,
}

/// A connection on whose behalf an account may publish in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The region of the topic.
    pub region: Region,
    /// Who may publish to it.
    pub account: AccountId,
    /// Whose connection.
    pub tenant: TenantId,
    /// Which.
    pub connection_id: ConnectionId,
    /// Since when.
    pub granted_at: Timestamp,
}

impl Grant {
    /// What `connection`, which is about to be stored, needs; nothing where it is for any account.
    pub fn of(connection: &Connection) -> Option<Self> {
        Some(Self {
            region: connection.launch_region().clone(),
            account: connection.expected_account().cloned()?,
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
            granted_at: connection.created_at(),
        })
    }

    /// Whether the stack of this grant may still have something to say at `now`. `connection` is what the grant is for,
    /// if it was ever stored; `stack_is_gone` whether CloudFormation deleted the resource that it was bound to.
    pub fn is_needed(&self, connection: Option<&Connection>, stack_is_gone: bool, now: Timestamp) -> bool {
        let within = |since: Timestamp, seconds| now.duration_since(since).as_secs() < seconds;
        let Some(connection) = connection else {
            return within(self.granted_at, UNBORN_SECONDS);
        };
        match (connection.state(), connection.status(now)) {
            // Ended by its stack, or with it: there is nothing left that could publish.
            (State::Disconnected { reason, .. }, _) if reason.code == ReasonCode::StackDeleted => false,
            // Ended by the vendor: the stack has to be able to tell that it goes.
            (State::Disconnected { binding: Some(_), .. }, _) => !stack_is_gone,
            (State::Disconnected { at, .. }, _) => within(*at, GRACE_SECONDS),
            (_, Status::Expired) => within(connection.expires_at(), GRACE_SECONDS),
            _ => true,
        }
    }
}

/// The label of an account's permission in a topic's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionLabel(AccountId);

impl PermissionLabel {
    /// The label for an account.
    pub fn of(account: &AccountId) -> Self {
        Self(account.clone())
    }

    /// The account of a label; none for a statement that is not ours.
    pub fn account(label: &str) -> Option<AccountId> {
        AccountId::parse(label.strip_prefix(LABEL_PREFIX)?).ok()
    }
}

impl fmt::Display for PermissionLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL_PREFIX}{}", self.0)
    }
}

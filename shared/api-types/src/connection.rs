//! A connection as the API shows it.

use jiff::Timestamp;
use latchkey_core::domain::{
    aws::{AccountId, Region, RoleArn, StackId},
    connection::{Connection, Failure, Status, TemplateRef},
    external_id::ExternalId,
    ids::ConnectionId,
    instructions::launch_link::LaunchLink,
    profile::Profile,
    proof::{permissions::PermissionReport, reason::ReasonCode, tiers::TierName, trust_report::TrustReport},
    request::stack_says::MadeBy,
};
use serde::{Deserialize, Serialize};

use crate::{
    organization::OrganizationBody,
    template::{RepairBody, RotationBody, UpdateBody},
};

/// Whose connection it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One account's.
    #[default]
    Account,
    /// Many accounts': it has members, each of which is one account's.
    Organization,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionBody {
    /// Its name in the API.
    pub id: ConnectionId,
    /// Where it stands; an organization's follows from its members'.
    pub status: Status,
    /// Whose it is.
    pub kind: Kind,
    /// The connection of the organization that its account is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_of: Option<ConnectionId>,
    /// Name, description and tags.
    #[serde(flatten)]
    pub profile: Profile,
    /// The external ID that its role must ask for.
    pub external_id: ExternalId,
    /// The account that is connected, or the only one that may take the link.
    pub account_id: Option<AccountId>,
    /// The only account that may take the link, where one was named.
    pub expected_account_id: Option<AccountId>,
    /// The role that is connected.
    pub role_arn: Option<RoleArn>,
    /// The stack that it came with; none where the role was made by hand.
    pub stack_id: Option<StackId>,
    /// The stack's region, or the one that the link opens.
    pub region: Region,
    /// What the role is held against, or shall be.
    pub permission_tier: Option<TierName>,
    /// Why it is not active, or how its last stack failed.
    pub reason: Option<ReasonBody>,
    /// The template that its link opens.
    pub template: TemplateRef,
    /// When its role was last proven or seen well.
    pub last_verified_at: Option<Timestamp>,
    /// Since when it is degraded, and for how many checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<DegradedBody>,
    /// How the last attempt to change what is connected failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_change: Option<FailureBody>,
    /// What the role may do too little and too much of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionReport>,
    /// Whom the role lets in besides the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustReport>,
    /// From when on the customer lets the vendor in no more, where they chose a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Timestamp>,
    /// What made the stack, where it says so: stacks of template 1.2.0 and later do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
    /// The external ID that the customer's stack shall be updated to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationBody>,
    /// How a degraded one is repaired in the customer's account, where we know how its role was
    /// made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairBody>,
    /// A newer template than its stack's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateBody>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when its link may be used; an organization's has no end.
    pub expires_at: Option<Timestamp>,
    /// Its launch link, while somebody can still use it.
    #[serde(flatten)]
    pub launch: Option<LaunchBody>,
    /// Its accounts, where it is an organization's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationBody>,
}

/// Why something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonBody {
    /// For programs.
    pub code: ReasonCode,
    /// For people: what happened and what to do.
    pub message: String,
}

impl ReasonBody {
    /// Why a connection is not active, where there is something to say.
    pub fn of(connection: &Connection) -> Option<Self> {
        Some(Self {
            code: connection.reason()?.code,
            message: connection.reason_message()?,
        })
    }
}

/// How a change failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureBody {
    /// Why.
    #[serde(flatten)]
    pub reason: ReasonBody,
    /// When.
    pub at: Timestamp,
}

impl From<&Failure> for FailureBody {
    fn from(failure: &Failure) -> Self {
        Self {
            reason: ReasonBody {
                code: failure.reason.code,
                message: match failure.stack_id {
                    Some(_) => failure.reason.message(),
                    None => failure.reason.message_by_hand(),
                },
            },
            at: failure.at,
        }
    }
}

/// How long a connection has been degraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradedBody {
    /// Since when.
    pub since: Timestamp,
    /// How many checks in a row have failed.
    pub failed_checks: u32,
}

/// How the customer's stack is launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchBody {
    /// By a click in the console.
    pub launch_url: String,
    /// By a shell command.
    pub launch_command: String,
}

impl From<&LaunchLink> for LaunchBody {
    fn from(link: &LaunchLink) -> Self {
        Self {
            launch_url: link.url(),
            launch_command: link.cli_command(),
        }
    }
}

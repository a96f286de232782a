//! The accounts of an organization that share one connection.

use latchkey_core::domain::{
    connection::{Organization, organization::Progress},
    instructions::{launch_link::LaunchLink, stack_set::StackSet},
};
use serde::{Deserialize, Serialize};

/// An organization's accounts, and how it brings them in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationBody {
    /// Which accounts may be members.
    #[serde(flatten)]
    pub rules: Organization,
    /// How far they have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Progress>,
    /// How they are brought in, while that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_set: Option<StackSetBody>,
}

/// The template as a StackSet, for each way of working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackSetBody {
    /// Opens the console where StackSets are made.
    pub console_url: String,
    /// Makes a service-managed StackSet.
    pub create_command: String,
    /// Deploys it to an organizational unit.
    pub deploy_command: String,
    /// Makes a self-managed StackSet.
    pub create_self_managed_command: String,
    /// Deploys it to accounts.
    pub deploy_self_managed_command: String,
    /// The same in Terraform.
    pub terraform: String,
}

impl From<&LaunchLink> for StackSetBody {
    fn from(link: &LaunchLink) -> Self {
        let set = StackSet { link };
        Self {
            console_url: set.console_url(),
            create_command: set.create_command(),
            deploy_command: set.deploy_command(),
            create_self_managed_command: set.create_self_managed_command(),
            deploy_self_managed_command: set.deploy_self_managed_command(),
            terraform: set.terraform(),
        }
    }
}

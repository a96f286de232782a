//! Template versions, and what a customer's stack can be updated to.

use jiff::Timestamp;
use latchkey_core::domain::{external_id::ExternalId, template_version::PublishedVersion};
use serde::{Deserialize, Serialize};

/// What the customer needs to finish a rotation, by hand or by infrastructure code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationBody {
    /// The next external ID.
    pub external_id: ExternalId,
    /// When the rotation began.
    pub started_at: Timestamp,
    /// None where it is open until its organization has another one.
    pub expires_at: Option<Timestamp>,
    /// What to do with it, for the way in which this role was made.
    pub instruction: String,
    /// The stack has brought the next external ID, and its role still takes the former one: the
    /// rotation ends once it refuses that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub role_takes_both: bool,
    /// None where the role was made by hand, or its stack is not known to be made from a template
    /// of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_url: Option<String>,
    /// The same as a shell command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_command: Option<String>,
}

/// How the customer brings a role back to what it was when it was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairBody {
    /// What to do, for the way in which the role was made.
    pub instruction: String,
    /// Makes the change set that does it, and shows it; where the stack is known to be made from a
    /// template of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair_command: Option<String>,
}

/// A newer template than the one that a stack was made from. Nothing updates without the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBody {
    /// The version that it is updated to.
    pub version: String,
    /// Opens the update in the console; none where the stack is the Terraform module's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_url: Option<String>,
    /// The same as a shell command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_command: Option<String>,
    /// What to do where the stack is the Terraform module's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// What each version on the way changes, oldest first.
    pub changes: Vec<ChangesBody>,
}

/// What a version changes for the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesBody {
    /// The version.
    pub version: String,
    /// In terms of permissions; none for a first version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<serde_json::Value>,
    /// In words, as Markdown.
    pub changelog: String,
}

impl From<&PublishedVersion> for ChangesBody {
    fn from(version: &PublishedVersion) -> Self {
        Self {
            version: version.version.clone(),
            changes: version.changes.clone(),
            changelog: version.changelog.clone(),
        }
    }
}

/// The answer of `GET /v1/template-versions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionsBody {
    /// The one that new links open; none before the first was published.
    pub current: Option<String>,
    /// Every one that was published, newest first.
    pub versions: Vec<PublishedVersion>,
}

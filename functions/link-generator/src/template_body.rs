//! Template versions, and what a customer's stack can be updated to, as the API shows them.

use jiff::Timestamp;
use latchkey_shared::domain::{
    connection::Connection,
    external_id::ExternalId,
    stack_update::StackUpdate,
    template_version::{PublishedVersion, newest_first},
};
use serde::Serialize;

/// What the customer needs to finish a rotation, by hand or by infrastructure code.
#[derive(Serialize)]
pub struct RotationBody<'a> {
    external_id: &'a ExternalId,
    started_at: Timestamp,
    expires_at: Timestamp,
    update_url: String,
    update_command: String,
}

impl<'a> RotationBody<'a> {
    pub fn of(connection: &'a Connection, versions: &[PublishedVersion], now: Timestamp) -> Option<Self> {
        let rotation = connection.rotation_at(now)?;
        let binding = connection.live_binding()?;
        let update = StackUpdate {
            stack_id: binding.stack_id(),
            external_id: Some(&rotation.external_id),
            from: version(versions, &binding.template_version),
            to: None,
        };
        Some(Self {
            external_id: &rotation.external_id,
            started_at: rotation.started_at,
            expires_at: rotation.expires_at,
            update_url: update.url(),
            update_command: update.cli_command(),
        })
    }
}

/// A newer template than the one that a stack was made from. Nothing updates without the customer.
#[derive(Serialize)]
pub struct UpdateBody<'a> {
    version: &'a str,
    update_url: String,
    update_command: String,
    /// What each version on the way changes, oldest first.
    changes: Vec<ChangesBody<'a>>,
}

/// What a version changes for the customer.
#[derive(Serialize)]
struct ChangesBody<'a> {
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a serde_json::Value>,
    changelog: &'a str,
}

impl<'a> UpdateBody<'a> {
    pub fn of(connection: &Connection, versions: &'a [PublishedVersion], current: &str) -> Option<Self> {
        let binding = connection.live_binding()?;
        let to = version(versions, current)?;
        let from = version(versions, &binding.template_version);
        let is_ahead = |version: &&PublishedVersion| {
            version.is_newer_than(&binding.template_version) && !version.is_newer_than(&to.version)
        };
        if !to.is_newer_than(&binding.template_version) {
            return None;
        }
        let update = StackUpdate {
            stack_id: binding.stack_id(),
            external_id: None,
            from,
            to: Some(to),
        };
        let mut changes: Vec<_> = newest_first(versions)
            .into_iter()
            .filter(is_ahead)
            .map(ChangesBody::of)
            .collect();
        changes.reverse();
        Some(Self {
            version: &to.version,
            update_url: update.url(),
            update_command: update.cli_command(),
            changes,
        })
    }
}

impl<'a> ChangesBody<'a> {
    fn of(version: &'a PublishedVersion) -> Self {
        Self {
            version: &version.version,
            changes: version.changes.as_ref(),
            changelog: &version.changelog,
        }
    }
}

/// The answer of `GET /v1/template-versions`.
#[derive(Serialize)]
pub struct VersionsBody<'a> {
    /// The one that new links open; none before the first was published.
    current: Option<&'a str>,
    /// Every one that was published, newest first.
    versions: Vec<&'a PublishedVersion>,
}

impl<'a> VersionsBody<'a> {
    pub fn new(versions: &'a [PublishedVersion], current: Option<&'a str>) -> Self {
        Self {
            current,
            versions: newest_first(versions),
        }
    }
}

fn version<'a>(versions: &'a [PublishedVersion], number: &str) -> Option<&'a PublishedVersion> {
    versions.iter().find(|version| version.version == number)
}

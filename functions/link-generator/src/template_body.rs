//! Template versions, and what a customer's stack can be updated to, as the API shows them.

use jiff::Timestamp;
use latchkey_core::domain::{
    connection::{Connection, NEVER},
    external_id::ExternalId,
    instructions::{launch_link::LaunchLink, stack_set::StackSet, stack_update::StackUpdate},
    template_version::{PublishedVersion, newest_first},
};
use serde::Serialize;

/// What the customer needs to finish a rotation, by hand or by infrastructure code.
#[derive(Serialize)]
pub struct RotationBody<'a> {
    external_id: &'a ExternalId,
    started_at: Timestamp,
    /// None where it is open until its organization has another one.
    expires_at: Option<Timestamp>,
    /// None where the role was made by hand: the customer changes its trust policy, and the vendor names the role again.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_command: Option<String>,
}

impl<'a> RotationBody<'a> {
    /// `link` is the organization's, whose StackSet is updated instead of a stack.
    pub fn of(
        connection: &'a Connection,
        link: Option<&LaunchLink>,
        versions: &[PublishedVersion],
        now: Timestamp,
    ) -> Option<Self> {
        let rotation = connection.rotation_at(now)?;
        let next = &rotation.external_id;
        let (update_url, update_command) = match (connection.organization(), connection.live_binding()) {
            (Some(_), _) => {
                let set = link.map(|link| StackSet { link });
                let from = version(versions, &connection.template().version);
                (
                    set.map(|set| set.console_url()),
                    set.map(|set| set.rotate_command(next, from)),
                )
            }
            (None, Some(binding)) => {
                let update = binding.stack_id().map(|stack_id| StackUpdate {
                    stack_id,
                    external_id: Some(next),
                    from: version(versions, &binding.template_version),
                    to: None,
                });
                (
                    update.as_ref().map(StackUpdate::url),
                    update.as_ref().map(StackUpdate::cli_command),
                )
            }
            (None, None) => return None,
        };
        Some(Self {
            external_id: next,
            started_at: rotation.started_at,
            expires_at: Some(rotation.expires_at).filter(|at| *at != NEVER),
            update_url,
            update_command,
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
            stack_id: binding.stack_id()?,
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

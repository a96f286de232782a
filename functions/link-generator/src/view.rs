//! What of a connection is shown: itself, its link, its members' progress, what its stack can be updated to.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use latchkey_api_types::{
    connection::{ConnectionBody, DegradedBody, FailureBody, Kind, LaunchBody, ReasonBody},
    organization::{OrganizationBody, StackSetBody},
    page::PageBody,
    template::{ChangesBody, RepairBody, RotationBody, UpdateBody},
};
use latchkey_core::{
    domain::{
        aws::StackId,
        connection::{Binding, Connection, NEVER, State as Standing, Status, organization::Progress},
        instructions::{
            launch_link::LaunchLink,
            stack_set::StackSet,
            stack_update::{StackUpdate, is_of_our_template},
        },
        proof::reason::ReasonCode,
        request::stack_says::MadeBy,
        template_version::{MODULE_NAME, PublishedVersion, TRUST_POLICY_NAME, newest_first},
    },
    ports::Page,
};

use crate::{problem::Problem, response::Response, state::State};

/// Organizations of a page whose members are read at the same time: each has up to 1,000, and all are in memory.
const ORGANIZATIONS_AT_ONCE: usize = 8;

/// What of a connection does not stand in it.
#[derive(Default)]
struct Around<'a> {
    /// Its launch link, which is shown while somebody can still use it.
    link: Option<&'a LaunchLink>,
    /// How far the accounts of an organization have come.
    progress: Option<&'a Progress>,
}

/// A connection that was just made.
pub fn made(state: &State, connection: &Connection, link: &LaunchLink) -> Response {
    let now = state.clock.now();
    // Nobody can have asked yet.
    let rules = connection.organization();
    let progress = rules.map(|rules| rules.progress(&[], now));
    let around = Around {
        link: Some(link),
        progress: progress.as_ref(),
    };
    Response::json(201, &body(connection, &around, &Templates::default(), now))
}

/// A connection with nothing around it.
pub fn alone(state: &State, connection: &Connection) -> Response {
    let (around, templates) = (Around::default(), Templates::default());
    Response::json(200, &body(connection, &around, &templates, state.clock.now()))
}

/// A connection with all that is around it.
pub async fn shown(state: &State, status: u16, connection: &Connection) -> Result<Response, Problem> {
    let link = state.start.policy.launch_link(connection).ok();
    let progress = progress(state, connection).await?;
    let templates = Templates::of(state, std::slice::from_ref(connection)).await?;
    let around = Around {
        link: link.as_ref(),
        progress: progress.as_ref(),
    };
    let body = body(connection, &around, &templates, state.clock.now());
    Ok(Response::json(status, &body))
}

/// A page of connections, without their links.
pub async fn page(state: &State, page: Page) -> Result<Response, Problem> {
    let body = PageBody {
        connections: bodies(state, &page.connections).await?,
        next_after: page.next_after,
    };
    Ok(Response::json(200, &body))
}

/// Connections of a page, without their links.
pub async fn bodies(state: &State, connections: &[Connection]) -> Result<Vec<ConnectionBody>, Problem> {
    let templates = Templates::of(state, connections).await?;
    let looks: Vec<_> = connections.iter().map(|it| progress(state, it)).collect();
    let progress: Vec<Option<Progress>> = stream::iter(looks)
        .buffered(ORGANIZATIONS_AT_ONCE)
        .try_collect()
        .await?;
    let now = state.clock.now();
    let shown = connections.iter().zip(&progress).map(|(connection, progress)| {
        let progress = progress.as_ref();
        body(connection, &Around { link: None, progress }, &templates, now)
    });
    Ok(shown.collect())
}

/// How far the accounts of an organization have come.
async fn progress(state: &State, connection: &Connection) -> Result<Option<Progress>, Problem> {
    let Some(rules) = connection.organization() else {
        return Ok(None);
    };
    let members = state.members.all(connection).await?;
    Ok(Some(rules.progress(&members, state.clock.now())))
}

/// What was published. Empty where nobody is told how a stack is updated.
#[derive(Default)]
pub struct Templates {
    pub versions: Vec<PublishedVersion>,
    /// The one that new links open.
    pub current: Option<String>,
}

impl Templates {
    pub async fn published(state: &State) -> Result<Self, Problem> {
        let current = state.templates.current().await?;
        Ok(Self {
            versions: state.templates.versions().await?,
            current: current.map(|current| current.version),
        })
    }

    /// What was published, where one of the connections has a stack that can be updated.
    async fn of(state: &State, connections: &[Connection]) -> Result<Self, Problem> {
        let has_stack =
            |connection: &Connection| connection.live_binding().is_some() || connection.rotation().is_some();
        if connections.iter().any(has_stack) {
            Self::published(state).await
        } else {
            Ok(Self::default())
        }
    }

    fn find(&self, number: &str) -> Option<&PublishedVersion> {
        self.versions.iter().find(|version| version.version == number)
    }
}

fn body(
    connection: &Connection,
    around: &Around<'_>,
    templates: &Templates,
    now: Timestamp,
) -> ConnectionBody {
    let link = around.link;
    // Not before its stack's bucket took our answer: what an unsettled first registration claims may be forged.
    let binding = connection
        .binding()
        .filter(|binding| !binding.is_unsettled_first_registration());
    let own_status = connection.status(now);
    // A member's link is its organization's.
    let usable = matches!(own_status, Status::Pending | Status::Verifying) && !connection.is_member();
    let usable_link = link.filter(|_| usable);
    let status = match around.progress {
        Some(progress) if usable => progress.status(),
        _ => own_status,
    };
    // A member's account named itself.
    let expected_account = connection.expected_account();
    let expected_account_id = expected_account.filter(|_| !connection.is_member());
    ConnectionBody {
        id: connection.id().clone(),
        status,
        kind: match connection.organization() {
            Some(_) => Kind::Organization,
            None => Kind::Account,
        },
        member_of: connection.id().organization(),
        profile: connection.profile().clone(),
        external_id: connection.external_id().clone(),
        account_id: binding
            .map(|binding| binding.account())
            .or(expected_account.cloned()),
        expected_account_id: expected_account_id.cloned(),
        role_arn: binding.map(|binding| binding.role_arn.clone()),
        stack_id: binding.and_then(|binding| binding.stack_id().cloned()),
        region: binding
            .and_then(|binding| binding.stack_id())
            .map_or_else(|| connection.launch_region().clone(), StackId::region),
        permission_tier: binding
            .and_then(|binding| binding.permission_tier.as_ref())
            .or(connection.permission_tier())
            .cloned(),
        reason: ReasonBody::of(connection),
        template: connection.template().clone(),
        last_verified_at: connection.last_verified_at(),
        degraded: match connection.state() {
            Standing::Degraded {
                since, failed_checks, ..
            } => Some(DegradedBody {
                since: *since,
                failed_checks: *failed_checks,
            }),
            _ => None,
        },
        failed_change: connection.failed_change().map(FailureBody::from),
        permissions: binding.and_then(|binding| binding.permissions.clone()),
        trust: binding.and_then(|binding| binding.trust.clone()),
        access_until: binding.and_then(Binding::access_ends_at),
        made_by: binding.and_then(|binding| binding.says.made_by),
        rotation: rotation(connection, link, templates, now),
        repair: repair(connection, templates),
        update: update(connection, templates),
        created_at: connection.created_at(),
        expires_at: Some(connection.expires_at()).filter(|at| *at != NEVER),
        launch: usable_link.map(LaunchBody::from),
        organization: connection.organization().map(|rules| OrganizationBody {
            rules: rules.clone(),
            accounts: around.progress.cloned(),
            stack_set: usable_link.map(StackSetBody::from),
        }),
    }
}

/// `link` is the organization's, whose StackSet is updated instead of a stack.
fn rotation(
    connection: &Connection,
    link: Option<&LaunchLink>,
    templates: &Templates,
    now: Timestamp,
) -> Option<RotationBody> {
    let rotation = connection.rotation_at(now)?;
    let next = &rotation.external_id;
    let takes_both = connection.takes_both();
    let (how, update_url, update_command) = match (connection.organization(), connection.live_binding()) {
        (Some(_), _) => {
            let set = link.map(|link| StackSet { link });
            let from = templates.find(&connection.template().version);
            (
                "update the StackSet with it as the parameter ExternalId",
                set.map(|set| set.console_url()),
                set.map(|set| set.rotate_command(next, from)),
            )
        }
        (None, Some(binding)) => {
            let update = stack_update(binding, templates).map(|update| StackUpdate {
                external_id: Some(next),
                ..update
            });
            let how = match (binding.stack_id(), &update) {
                _ if takes_both => {
                    "the role asks for it, and still takes the former one: take that out of its trust policy"
                }
                (None, _) => {
                    "put it into the sts:ExternalId condition of the role's trust policy, and name the role again"
                }
                (_, Some(_)) => {
                    "update the stack with it as the parameter ExternalId, and leave the others as they are"
                }
                (_, None) => match binding.says.made_by {
                    Some(MadeBy::Terraform) => "set external_id of the Terraform module to it, and apply",
                    Some(MadeBy::Another) => {
                        "set ExternalId of your own template to it, and update the stack"
                    }
                    _ => {
                        "set external_id of the Terraform module to it, or ExternalId of your own template, and apply"
                    }
                },
            };
            (
                how,
                update.as_ref().map(StackUpdate::url),
                update.as_ref().map(StackUpdate::cli_command),
            )
        }
        (None, None) => return None,
    };
    Some(RotationBody {
        external_id: next.clone(),
        instruction: format!("The next external ID is {next}: {how}."),
        started_at: rotation.started_at,
        expires_at: Some(rotation.expires_at).filter(|at| *at != NEVER && !takes_both),
        role_takes_both: takes_both,
        update_url,
        update_command,
    })
}

/// The stack of a binding, where it is known to be made from a template of ours: to update another
/// one would reset parameters, fail, or take it apart.
fn stack_update<'a>(binding: &'a Binding, templates: &'a Templates) -> Option<StackUpdate<'a>> {
    let stack_id = binding.stack_id()?;
    let from = templates.find(&binding.template_version)?;
    let is_ours = match binding.says.made_by {
        Some(made_by) => made_by == MadeBy::Template,
        None => is_of_our_template(stack_id, &binding.role_arn),
    };
    is_ours.then_some(StackUpdate {
        stack_id,
        external_id: None,
        from: Some(from),
        to: None,
    })
}

/// How a degraded connection is repaired, unless its end is what the customer asked for.
fn repair(connection: &Connection, templates: &Templates) -> Option<RepairBody> {
    let Standing::Degraded { binding, reason, .. } = connection.state() else {
        return None;
    };
    if reason.code == ReasonCode::AccessEnded {
        return None;
    }
    let update = stack_update(binding, templates);
    let instruction = match (binding.stack_id(), binding.says.made_by) {
        (None, _) => {
            let current = templates.find(templates.current.as_ref()?)?;
            let trust = current.files.iter().find(|file| file.name == TRUST_POLICY_NAME)?;
            format!(
                "Set the role's trust policy to this document, with {} in the place of YOUR_EXTERNAL_ID: {}",
                connection.external_id(),
                trust.url
            )
        }
        (Some(_), Some(MadeBy::Terraform)) => "Apply the Terraform module again.".to_owned(),
        (Some(_), _) if update.is_some() => {
            "Read the change set that this command makes, and execute it: it brings the role back to the template's."
                .to_owned()
        }
        (Some(_), _) => return None,
    };
    Some(RepairBody {
        instruction,
        repair_command: update.as_ref().map(StackUpdate::repair_command),
    })
}

/// How a stack that is behind gets to the current version.
fn update(connection: &Connection, templates: &Templates) -> Option<UpdateBody> {
    let binding = connection.live_binding()?;
    let to = templates.find(templates.current.as_ref()?)?;
    if !to.is_newer_than(&binding.template_version) {
        return None;
    }
    let is_ahead = |version: &&PublishedVersion| {
        version.is_newer_than(&binding.template_version) && !version.is_newer_than(&to.version)
    };
    let update = stack_update(binding, templates).map(|update| StackUpdate {
        to: Some(to),
        ..update
    });
    let is_module = binding.says.made_by == Some(MadeBy::Terraform);
    let module = to
        .files
        .iter()
        .find(|file| file.name == MODULE_NAME)
        .filter(|_| is_module);
    if update.is_none() && module.is_none() {
        return None;
    }
    let oldest_first = newest_first(&templates.versions).into_iter().rev();
    Some(UpdateBody {
        version: to.version.clone(),
        update_url: update.as_ref().map(StackUpdate::url),
        update_command: update.as_ref().map(StackUpdate::cli_command),
        instruction: module.map(|module| {
            format!(
                "Put the Terraform module of version {} in the place of yours and apply: {}",
                to.version, module.url
            )
        }),
        changes: oldest_first.filter(is_ahead).map(ChangesBody::from).collect(),
    })
}

//! What a new version changes, in terms of permissions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    manifest::{Resources, Statement},
    markdown::markdown,
    snapshot::{Snapshot, TierSnapshot},
};

/// Everything that differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub from: String,
    pub to: String,
    /// What differs; empty where only texts do.
    pub changes: Vec<Change>,
    /// The entry of `customer/CHANGELOG.md`: the effect on the customer's account, and what they have to do.
    pub changelog: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A tier is offered that was not.
    TierAdded {
        tier: String,
        title: String,
    },
    /// A tier is not offered any more.
    TierRemoved {
        tier: String,
    },
    DefaultTierChanged {
        from: String,
        to: String,
    },
    /// An action is granted that was not.
    ActionAdded {
        action: String,
        access_level: String,
        on: Vec<String>,
        conditions: Vec<String>,
        reason: String,
        tiers: Vec<String>,
    },
    /// An action is not granted any more.
    ActionRemoved {
        action: String,
        tiers: Vec<String>,
    },
    /// An action is granted on something else.
    ResourcesChanged {
        action: String,
        from: Vec<String>,
        to: Vec<String>,
        tiers: Vec<String>,
    },
    /// An action is granted under other conditions.
    ConditionsChanged {
        action: String,
        from: Vec<String>,
        to: Vec<String>,
        tiers: Vec<String>,
    },
    /// A managed policy is attached that was not.
    ManagedPolicyAdded {
        policy: String,
        reason: String,
        /// What data it reads, if any.
        reads_data: Option<String>,
        tiers: Vec<String>,
    },
    /// A managed policy is not attached any more.
    ManagedPolicyRemoved {
        policy: String,
        tiers: Vec<String>,
    },
    /// The role lets in somebody else, or under other conditions.
    TrustChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
    /// What is read is processed elsewhere.
    RegionsChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
}

impl Changes {
    /// What `to` changes against `from`.
    pub fn between(from: &Snapshot, to: &Snapshot, changelog: &str) -> Self {
        let mut changes = Vec::new();
        for tier in &to.tiers {
            if tier_of(from, &tier.name).is_none() {
                changes.push(Change::TierAdded {
                    tier: tier.name.clone(),
                    title: tier.title.clone(),
                });
            }
        }
        for tier in &from.tiers {
            if tier_of(to, &tier.name).is_none() {
                changes.push(Change::TierRemoved {
                    tier: tier.name.clone(),
                });
            }
        }
        if from.default_tier != to.default_tier {
            changes.push(Change::DefaultTierChanged {
                from: from.default_tier.clone(),
                to: to.default_tier.clone(),
            });
        }
        let mut grants = Vec::new();
        for tier in &to.tiers {
            // What a new tier grants beyond the one that it includes, else what it grants beyond its former self.
            let before = tier_of(from, &tier.name);
            let included = tier.includes.as_ref().and_then(|name| tier_of(to, name));
            compare(before.or(included), tier, &mut grants);
        }
        changes.extend(merged(grants));
        let (added, removed) = differences(&trust_lines(from), &trust_lines(to));
        if !added.is_empty() || !removed.is_empty() {
            changes.push(Change::TrustChanged { added, removed });
        }
        let (added, removed) = differences(&from.processing_regions, &to.processing_regions);
        if !added.is_empty() || !removed.is_empty() {
            changes.push(Change::RegionsChanged { added, removed });
        }
        Self {
            from: from.version.to_string(),
            to: to.version.to_string(),
            changes,
            changelog: changelog.to_owned(),
        }
    }
}

impl Change {
    /// The difference as a customer reads it, in Markdown.
    pub fn sentence(&self) -> String {
        let code = |items: &[String]| {
            items
                .iter()
                .map(|item| format!("`{item}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let list = |items: &[String]| {
            if items.is_empty() {
                "none".to_owned()
            } else {
                code(items)
            }
        };
        let moved = |added: &[String], removed: &[String]| {
            let part =
                |word: &str, items: &[String]| (!items.is_empty()).then(|| format!("{word} {}", code(items)));
            [part("adds", added), part("removes", removed)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        };
        match self {
            Self::TierAdded { tier, title } => format!("New tier `{tier}` ({}).", markdown(title)),
            Self::TierRemoved { tier } => format!("The tier `{tier}` is not offered any more."),
            Self::DefaultTierChanged { from, to } => {
                format!("The default tier is `{to}`, no longer `{from}`.")
            }
            Self::ActionAdded {
                action,
                access_level,
                on,
                conditions,
                reason,
                tiers,
            } => {
                let under = if conditions.is_empty() {
                    String::new()
                } else {
                    format!(", if {}", code(conditions))
                };
                format!(
                    "Adds `{action}` ({access_level}) on {}{under}, because the vendor needs it {} (tiers: {}).",
                    code(on),
                    markdown(reason),
                    code(tiers)
                )
            }
            Self::ActionRemoved { action, tiers } => format!("Removes `{action}` (tiers: {}).", code(tiers)),
            Self::ResourcesChanged {
                action,
                from,
                to,
                tiers,
            } => {
                format!(
                    "`{action}` is granted on {}, no longer on {} (tiers: {}).",
                    code(to),
                    code(from),
                    code(tiers)
                )
            }
            Self::ConditionsChanged {
                action,
                from,
                to,
                tiers,
            } => {
                format!(
                    "`{action}` has the conditions {}, before {} (tiers: {}).",
                    list(to),
                    list(from),
                    code(tiers)
                )
            }
            Self::ManagedPolicyAdded {
                policy,
                reason,
                reads_data,
                tiers,
            } => {
                let data = reads_data.as_ref().map_or(String::new(), |data| {
                    format!(" It reads data: {}.", markdown(data))
                });
                format!(
                    "Attaches `{policy}`, because the vendor needs it {} (tiers: {}).{data}",
                    markdown(reason),
                    code(tiers)
                )
            }
            Self::ManagedPolicyRemoved { policy, tiers } => {
                format!("Detaches `{policy}` (tiers: {}).", code(tiers))
            }
            Self::TrustChanged { added, removed } => format!("The role's trust {}.", moved(added, removed)),
            Self::RegionsChanged { added, removed } => {
                format!("The regions of processing: {}.", moved(added, removed))
            }
        }
    }

    fn tiers(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Self::ActionAdded { tiers, .. }
            | Self::ActionRemoved { tiers, .. }
            | Self::ResourcesChanged { tiers, .. }
            | Self::ConditionsChanged { tiers, .. }
            | Self::ManagedPolicyAdded { tiers, .. }
            | Self::ManagedPolicyRemoved { tiers, .. } => Some(tiers),
            _ => None,
        }
    }
}

/// What differs between two tiers; `before` is none where nothing was granted.
fn compare(before: Option<&TierSnapshot>, after: &TierSnapshot, changes: &mut Vec<Change>) {
    let tiers = || vec![after.name.clone()];
    let (old, new) = (before.map(by_action).unwrap_or_default(), by_action(after));
    for (action, statement) in &new {
        let action = (*action).to_owned();
        match old.get(action.as_str()) {
            None => changes.push(Change::ActionAdded {
                action,
                access_level: statement.access_level.as_str().to_owned(),
                on: on(statement),
                conditions: conditions(statement),
                reason: statement.reason.to_string(),
                tiers: tiers(),
            }),
            Some(former) => {
                if former.resources != statement.resources {
                    let (action, from, to) = (action.clone(), on(former), on(statement));
                    changes.push(Change::ResourcesChanged {
                        action,
                        from,
                        to,
                        tiers: tiers(),
                    });
                }
                if former.conditions != statement.conditions {
                    let (from, to) = (conditions(former), conditions(statement));
                    changes.push(Change::ConditionsChanged {
                        action,
                        from,
                        to,
                        tiers: tiers(),
                    });
                }
            }
        }
    }
    for action in old.keys().filter(|action| !new.contains_key(*action)) {
        changes.push(Change::ActionRemoved {
            action: (*action).to_owned(),
            tiers: tiers(),
        });
    }
    let attached = before
        .map(|tier| tier.managed_policies.as_slice())
        .unwrap_or_default();
    for policy in after
        .managed_policies
        .iter()
        .filter(|policy| !attached.iter().any(|old| old.arn == policy.arn))
    {
        changes.push(Change::ManagedPolicyAdded {
            policy: policy.arn.to_string(),
            reason: policy.reason.to_string(),
            reads_data: policy.reads_data.as_ref().map(ToString::to_string),
            tiers: tiers(),
        });
    }
    for policy in attached
        .iter()
        .filter(|old| !after.managed_policies.iter().any(|policy| old.arn == policy.arn))
    {
        changes.push(Change::ManagedPolicyRemoved {
            policy: policy.arn.to_string(),
            tiers: tiers(),
        });
    }
}

/// The same change of several tiers, told once.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for mut change in changes {
        let Some(tiers) = change.tiers().map(std::mem::take) else {
            continue;
        };
        let without_tiers = |known: &mut Change| {
            let kept = known.tiers().map(std::mem::take);
            let is_same = *known == change;
            if let (Some(slot), Some(kept)) = (known.tiers(), kept) {
                *slot = kept;
            }
            is_same
        };
        match merged
            .iter_mut()
            .find_map(|known| without_tiers(known).then_some(known))
        {
            Some(known) => {
                if let Some(all) = known.tiers() {
                    all.extend(tiers);
                }
            }
            None => {
                if let Some(slot) = change.tiers() {
                    *slot = tiers;
                }
                merged.push(change);
            }
        }
    }
    merged
}

fn tier_of<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a TierSnapshot> {
    snapshot.tiers.iter().find(|tier| tier.name == name)
}

fn by_action(tier: &TierSnapshot) -> BTreeMap<&str, &Statement> {
    let of_statement =
        |statement| move |action| (crate::manifest::texts::ActionPattern::as_str(action), statement);
    tier.statements
        .iter()
        .flat_map(|statement| statement.actions.iter().map(of_statement(statement)))
        .collect()
}

fn on(statement: &Statement) -> Vec<String> {
    match &statement.resources {
        Resources::Role => vec!["this role".to_owned()],
        Resources::Any => vec!["*".to_owned()],
        Resources::Arns(arns) => arns.iter().map(ToString::to_string).collect(),
    }
}

fn conditions(statement: &Statement) -> Vec<String> {
    let keys = statement.conditions.iter().flat_map(|(operator, keys)| {
        keys.iter().map(move |(key, values)| {
            let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
            format!("{operator} {key} = {}", values.join(" or "))
        })
    });
    keys.collect()
}

fn trust_lines(snapshot: &Snapshot) -> Vec<String> {
    let trust = &snapshot.trust;
    let on_request = trust
        .on_request
        .iter()
        .map(|term| format!("if you ask for it, {term}"));
    let of_sessions = trust
        .sessions
        .iter()
        .map(|term| format!("a session may carry, by {term}"));
    std::iter::once(format!("principal: {}", trust.principal))
        .chain(trust.always.iter().cloned())
        .chain(on_request)
        .chain(of_sessions)
        .collect()
}

/// What is in the second list alone, and what in the first alone.
fn differences(from: &[String], to: &[String]) -> (Vec<String>, Vec<String>) {
    let only = |a: &[String], b: &[String]| a.iter().filter(|item| !b.contains(item)).cloned().collect();
    (only(to, from), only(from, to))
}

#[cfg(test)]
mod tests;

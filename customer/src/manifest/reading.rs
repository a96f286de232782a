//! Reading a manifest: what is not of its form is refused with the place where it stands.

use std::collections::BTreeSet;

use latchkey_core::domain::{invalid::Invalid, proof::permissions::MAX_TIER_ACTIONS};
use serde::{Deserialize, Serialize};

use super::{Manifest, Resources, texts::ArnPattern};

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not YAML of the manifest's form.
    #[error("{place}: {why}")]
    Form {
        /// The place, such as `tiers[1].statements[0].reason`.
        place: String,
        why: String,
    },
    #[error("{place}: {why}")]
    Contradiction { place: String, why: String },
}

/// Most tiers that are offered: CloudFormation's `Fn::Or` takes ten conditions.
const MAX_OFFERED_TIERS: usize = 10;

/// [`Resources`] as it is written: `role`, `any`, or a list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum UnverifiedResources {
    Word(String),
    Arns(Vec<ArnPattern>),
}

impl TryFrom<UnverifiedResources> for Resources {
    type Error = Invalid;

    fn try_from(unverified: UnverifiedResources) -> Result<Self, Invalid> {
        match unverified {
            UnverifiedResources::Word(word) if word == "role" => Ok(Self::Role),
            UnverifiedResources::Word(word) if word == "any" => Ok(Self::Any),
            UnverifiedResources::Arns(arns) if !arns.is_empty() => Ok(Self::Arns(arns)),
            _ => Err(Invalid::new(
                "resources",
                "must be role, any, or a list of at least one ARN",
            )),
        }
    }
}

impl From<Resources> for UnverifiedResources {
    fn from(resources: Resources) -> Self {
        match resources {
            Resources::Role => Self::Word("role".to_owned()),
            Resources::Any => Self::Word("any".to_owned()),
            Resources::Arns(arns) => Self::Arns(arns),
        }
    }
}

impl Manifest {
    /// Reads `customer/permissions.yaml`.
    pub fn parse(yaml: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_path_to_error::deserialize(serde_yaml_ng::Deserializer::from_str(yaml))
            .map_err(|error| ManifestError::Form {
                place: error.path().to_string(),
                why: error.inner().to_string(),
            })?;
        manifest.contradiction().map_or(Ok(manifest), |(place, why)| {
            Err(ManifestError::Contradiction { place, why })
        })
    }

    /// The first place where the manifest says two things.
    fn contradiction(&self) -> Option<(String, String)> {
        let found = |place: &str, why: String| Some((place.to_owned(), why));
        let mut known = BTreeSet::new();
        let mut sids = BTreeSet::new();
        for tier in &self.tiers {
            let place = format!("tiers, {}", tier.name);
            if let Some(included) = tier.includes.as_ref().filter(|name| !known.contains(name)) {
                return found(&place, format!("includes {included}, which is no tier before it"));
            }
            if !known.insert(&tier.name) {
                return found(&place, "is there twice".to_owned());
            }
            if tier.statements.is_empty() && tier.managed_policies.is_empty() {
                return found(&place, "grants nothing of its own".to_owned());
            }
            for statement in &tier.statements {
                if !sids.insert(&statement.sid) {
                    return found(&place, format!("the sid {} is there twice", statement.sid));
                }
                if statement.actions.is_empty() {
                    return found(&place, format!("{} has no action", statement.sid));
                }
                if statement
                    .conditions
                    .values()
                    .any(|keys| keys.is_empty() || keys.values().any(Vec::is_empty))
                {
                    return found(
                        &place,
                        format!("{} has a condition without a value", statement.sid),
                    );
                }
            }
            if let Some(action) = first_double(
                self.statements(&tier.name)
                    .iter()
                    .flat_map(|statement| &statement.actions)
                    .chain(&self.canaries),
            ) {
                return found(
                    &place,
                    format!("{action} is asked for twice, or asked for and on the canary list"),
                );
            }
            let actions = self
                .statements(&tier.name)
                .iter()
                .map(|statement| statement.actions.len())
                .sum::<usize>();
            if actions + self.canaries.len() > MAX_TIER_ACTIONS {
                return found(
                    &place,
                    format!("names more than {MAX_TIER_ACTIONS} actions with the canaries"),
                );
            }
        }
        if let Some(name) = self.offered_tiers.iter().find(|name| !known.contains(name)) {
            return found("offered_tiers", format!("{name} is no tier"));
        }
        if self.offered_tiers.len() > MAX_OFFERED_TIERS {
            return found("offered_tiers", format!("are more than {MAX_OFFERED_TIERS}"));
        }
        if let Some(name) = first_double(self.offered_tiers.iter()) {
            return found("offered_tiers", format!("{name} is there twice"));
        }
        if !self.offered_tiers.contains(&self.default_tier) {
            return found("default_tier", format!("{} is not offered", self.default_tier));
        }
        if self.vendor.processing_regions.is_empty() {
            return found("vendor.processing_regions", "is empty".to_owned());
        }
        let vendor = &self.vendor;
        let texts = [
            &vendor.name,
            &vendor.purpose,
            &vendor.security_contact,
            &vendor.who_can_use_it,
        ];
        if texts.iter().any(|text| text.as_str().is_empty()) {
            return found("vendor", "a text is empty".to_owned());
        }
        None
    }
}

fn first_double<'a, T: Ord>(mut all: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let mut seen = BTreeSet::new();
    all.find(|item| !seen.insert(*item))
}

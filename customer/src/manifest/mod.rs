//! The permissions manifest: what a vendor asks of its customers, and why. Everything that a customer runs or reads is
//! rendered from it.

mod reading;
pub mod texts;

use std::collections::BTreeMap;

use latchkey_core::domain::proof::permissions::Severity;
use serde::{Deserialize, Serialize};

pub use reading::ManifestError;
use texts::{
    ActionPattern, AddressRange, ArnPattern, ConditionKey, ConditionOperator, ConditionValue,
    ManagedPolicyArn, OrganizationId, RegionCode, Sentence, Sid, TierName, WebAddress,
};

/// Conditions of a statement: operator, key, values.
pub type Conditions = BTreeMap<ConditionOperator, BTreeMap<ConditionKey, Vec<ConditionValue>>>;

/// `customer/permissions.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub vendor: Vendor,
    /// What is kept of what was read.
    pub data: Vec<DataHandling>,
    /// The tier of a customer who chooses none.
    pub default_tier: TierName,
    /// The tiers that a customer can choose from.
    pub offered_tiers: Vec<TierName>,
    /// Sensitive actions that no tier asks for.
    pub canaries: Vec<ActionPattern>,
    /// All tiers; one that includes another stands behind it.
    pub tiers: Vec<Tier>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    pub name: Sentence,
    /// What the product does for the customer.
    pub purpose: Sentence,
    pub website: WebAddress,
    /// Where to report a weakness, or to ask.
    pub security_contact: Sentence,
    /// Where what was read is processed and stored.
    pub processing_regions: Vec<RegionCode>,
    /// Who at the vendor can use a customer's role.
    pub who_can_use_it: Sentence,
    /// Fixed addresses that the vendor's calls come from, if they are.
    pub source_ips: Vec<AddressRange>,
    /// The vendor's AWS organization, if customers may know it.
    pub organization_id: Option<OrganizationId>,
}

/// What is kept of one kind of data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataHandling {
    pub what: Sentence,
    pub r#where: Sentence,
    /// When it is deleted after a disconnect.
    pub deleted: Sentence,
}

/// What a customer can choose to grant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name, in templates and in the API.
    pub name: TierName,
    pub title: Sentence,
    pub summary: Sentence,
    /// The tier that it adds to.
    #[serde(default)]
    pub includes: Option<TierName>,
    pub on_missing: Severity,
    /// What a permission of the canary list means.
    pub on_excessive: Severity,
    pub statements: Vec<Statement>,
    /// AWS's own policies that it attaches.
    #[serde(default)]
    pub managed_policies: Vec<ManagedPolicy>,
}

/// A statement of the role's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub sid: Sid,
    /// What all of its actions do, in AWS's own terms.
    pub access_level: AccessLevel,
    pub actions: Vec<ActionPattern>,
    pub resources: Resources,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: Conditions,
    /// Why, in a sentence that begins with "to".
    pub reason: Sentence,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedPolicy {
    pub arn: ManagedPolicyArn,
    pub reason: Sentence,
    /// What data it lets the vendor read, in plain words. It must be there for a policy that reads data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_data: Option<Sentence>,
}

/// What an action does, as AWS's service authorization reference sorts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AccessLevel {
    List,
    Read,
    Tagging,
    Write,
    #[serde(rename = "Permissions management")]
    PermissionsManagement,
}

impl AccessLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Read => "Read",
            Self::Tagging => "Tagging",
            Self::Write => "Write",
            Self::PermissionsManagement => "Permissions management",
        }
    }

    pub fn only_looks(self) -> bool {
        matches!(self, Self::List | Self::Read)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "reading::UnverifiedResources",
    into = "reading::UnverifiedResources"
)]
pub enum Resources {
    Role,
    /// `*`: for actions that AWS cannot narrow.
    Any,
    Arns(Vec<ArnPattern>),
}

impl Manifest {
    pub fn tier(&self, name: &TierName) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == *name)
    }

    /// A tier and all that it includes, the innermost first. Empty for a name that is not a tier's.
    pub fn with_included(&self, name: &TierName) -> Vec<&Tier> {
        // A tier stands behind what it includes (checked when read), so this ends.
        let mut found: Vec<&Tier> =
            std::iter::successors(self.tier(name), |tier| self.tier(tier.includes.as_ref()?)).collect();
        found.reverse();
        found
    }

    /// All statements that a tier grants.
    pub fn statements(&self, name: &TierName) -> Vec<&Statement> {
        self.with_included(name)
            .into_iter()
            .flat_map(|tier| &tier.statements)
            .collect()
    }

    /// All managed policies that a tier attaches.
    pub fn managed_policies(&self, name: &TierName) -> Vec<&ManagedPolicy> {
        self.with_included(name)
            .into_iter()
            .flat_map(|tier| &tier.managed_policies)
            .collect()
    }

    /// The tiers that a customer can choose, in the order of the offer.
    pub fn offered(&self) -> Vec<&Tier> {
        self.offered_tiers
            .iter()
            .filter_map(|name| self.tier(name))
            .collect()
    }

    /// The offered tiers that grant what `tier` adds.
    pub fn offered_with(&self, tier: &TierName) -> Vec<&TierName> {
        let grants = |name: &&TierName| {
            self.with_included(name)
                .iter()
                .any(|included| included.name == *tier)
        };
        self.offered_tiers.iter().filter(grants).collect()
    }
}

#[cfg(test)]
mod tests;

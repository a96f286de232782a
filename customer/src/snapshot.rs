//! What a released version granted: kept for ever, so that the next one can be told apart from it.

use serde::{Deserialize, Serialize};

use crate::{
    deployment_template::{TemplateVersion, sha256_hex},
    manifest::{ManagedPolicy, Manifest, Statement},
    policy::{TrustTerms, trust_terms},
};

/// A version in permission terms: `customer/versions/<version>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub version: TemplateVersion,
    /// The SHA-256 of the template with its placeholders: the text of a released version does not change either.
    pub template_sha256: String,
    /// The tier of a customer who chooses none.
    pub default_tier: String,
    pub trust: TrustTerms,
    /// Where what is read is processed.
    pub processing_regions: Vec<String>,
    pub tiers: Vec<TierSnapshot>,
}

/// A tier of a released version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierSnapshot {
    pub name: String,
    pub title: String,
    /// The tier that it adds to.
    pub includes: Option<String>,
    /// All that it grants, with what it includes.
    pub statements: Vec<Statement>,
    pub managed_policies: Vec<ManagedPolicy>,
}

impl Snapshot {
    /// What `manifest` grants at `version`, under the text `template`.
    pub fn of(manifest: &Manifest, version: &TemplateVersion, template: &str) -> Self {
        let tiers = manifest.offered().into_iter().map(|tier| TierSnapshot {
            name: tier.name.to_string(),
            title: tier.title.to_string(),
            includes: tier.includes.as_ref().map(ToString::to_string),
            statements: manifest.statements(&tier.name).into_iter().cloned().collect(),
            managed_policies: manifest
                .managed_policies(&tier.name)
                .into_iter()
                .cloned()
                .collect(),
        });
        Self {
            version: version.clone(),
            template_sha256: sha256_hex(template.as_bytes()),
            default_tier: manifest.default_tier.to_string(),
            trust: trust_terms(),
            processing_regions: manifest
                .vendor
                .processing_regions
                .iter()
                .map(ToString::to_string)
                .collect(),
            tiers: tiers.collect(),
        }
    }

    pub fn text(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }
}

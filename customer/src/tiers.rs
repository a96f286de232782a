//! The tiers as the verifier reads them.

use latchkey_core::domain::proof::permissions::{RequiredAction, Scope, Tier as VerifierTier};

use crate::manifest::{Manifest, Resources, Statement, Tier};

/// What the verifier holds a role of this tier against.
///
/// Only what IAM can simulate without knowing one resource: an action on the role itself, or on `*` without condition. What a tier
/// may do under a condition or on some resources only is not asked for: IAM would deny it on `*`, and it would seem to be missing.
pub fn verifier_tier(manifest: &Manifest, tier: &Tier) -> VerifierTier {
    let required = manifest.statements(&tier.name).into_iter().flat_map(|statement| {
        let scope = scope(statement);
        statement.actions.iter().filter_map(move |action| {
            Some(RequiredAction {
                action: action.to_string(),
                on: scope?,
                reason: statement.reason.to_string(),
            })
        })
    });
    VerifierTier {
        name: tier.name.to_string(),
        required: required.collect(),
        on_missing: tier.on_missing,
        canaries: manifest.canaries.iter().map(ToString::to_string).collect(),
        on_excessive: tier.on_excessive,
    }
}

/// What a statement's actions can be simulated on, if on anything.
pub fn scope(statement: &Statement) -> Option<Scope> {
    match statement.resources {
        _ if !statement.conditions.is_empty() => None,
        Resources::Role => Some(Scope::Role),
        Resources::Any => Some(Scope::Any),
        Resources::Arns(_) => None,
    }
}

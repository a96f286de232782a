//! What a manifest may not ask of customers, as far as it can be told without AWS's own lists; what needs those
//! (does an action exist, what does it do, does it open a way to more) is in `customer/aws_lists/check.py`.

use std::fmt;

use latchkey_core::domain::proof::permissions::Tier as VerifierTier;

use crate::{
    manifest::{AccessLevel, Manifest, Resources, Statement, Tier, texts::ArnPattern},
    policy::{MAX_INLINE_POLICY_CHARS, policy_document},
    tiers::verifier_tier,
};

/// Services that hold identities: what may change there is named one by one.
const IDENTITY_SERVICES: [&str; 7] = [
    "iam",
    "organizations",
    "sso",
    "sso-directory",
    "identitystore",
    "sts",
    "signin",
];
/// Managed policies that no reason justifies.
const POWER_POLICIES: [&str; 4] = [
    "AdministratorAccess",
    "PowerUserAccess",
    "IAMFullAccess",
    "SystemAdministrator",
];
/// What a verifier needs of every role: without it, a connection is checked less.
const SELF_INSPECTION: [&str; 2] = ["iam:GetRole", "iam:SimulatePrincipalPolicy"];
const FEWEST_WORDS_OF_A_REASON: usize = 4;

/// A refusal, and the place that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub place: String,
    pub refusal: Refusal,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.refusal)
    }
}

/// Why a manifest is refused, each with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `*`, `*:*` or a whole service.
    #[error("{0} is everything; name the actions that are needed")]
    EveryAction(String),
    /// `ec2:Describe*`: it grows with AWS.
    #[error("{0} grows by itself whenever AWS adds an action; name the actions that are needed")]
    Wildcard(String),
    /// A policy of administrators or power users.
    #[error("{0} is a policy for administrators; no vendor needs it")]
    PowerPolicy(String),
    /// A change to anything there is.
    #[error("{level} on every resource; name the resources, or a type of them under a condition", level = .0.as_str())]
    WriteOnEverything(AccessLevel),
    /// A change of identities in general.
    #[error("{0} changes identities without naming one; give the whole ARN, without a wildcard")]
    IdentityWithoutResource(String),
    /// No reason, or none that says anything.
    #[error("has no reason that a customer could judge; say in a sentence what it is needed for")]
    NoReason,
    /// A role that cannot look at itself.
    #[error(
        "does not grant {0} on the role itself; include a tier that does, so that the role can be checked"
    )]
    NoSelfInspection(&'static str),
    /// More text than a role's inline policies may have.
    #[error("has {0} characters of policy; IAM takes {MAX_INLINE_POLICY_CHARS}")]
    TooLong(usize),
    /// What the verifier would not read.
    #[error("the verifier cannot read this tier: {0}")]
    VerifierCannotRead(String),
}

/// Every refusal of `manifest`; none where it is fine.
pub fn check(manifest: &Manifest) -> Vec<Finding> {
    manifest
        .tiers
        .iter()
        .flat_map(|tier| check_tier(manifest, tier))
        .collect()
}

fn check_tier(manifest: &Manifest, tier: &Tier) -> Vec<Finding> {
    let mut findings = Vec::new();
    for statement in &tier.statements {
        let place = format!("tier {}, {}", tier.name, statement.sid);
        let found = check_statement(statement);
        findings.extend(found.into_iter().map(|refusal| Finding {
            place: place.clone(),
            refusal,
        }));
    }
    for policy in &tier.managed_policies {
        let place = format!("tier {}, {}", tier.name, policy.arn.name());
        let name = policy.arn.name();
        if POWER_POLICIES.contains(&name) || name.ends_with("FullAccess") {
            let refusal = Refusal::PowerPolicy(name.to_owned());
            findings.push(Finding {
                place: place.clone(),
                refusal,
            });
        }
        if !says_why(policy.reason.as_str()) {
            findings.push(Finding {
                place,
                refusal: Refusal::NoReason,
            });
        }
    }
    let of_tier = |refusal| Finding {
        place: format!("tier {}", tier.name),
        refusal,
    };
    for action in SELF_INSPECTION {
        let grants = |statement: &&Statement| {
            statement.resources == Resources::Role
                && statement.actions.iter().any(|granted| granted.as_str() == action)
        };
        if !manifest.statements(&tier.name).iter().any(grants) {
            findings.push(of_tier(Refusal::NoSelfInspection(action)));
        }
    }
    let characters = policy_document(manifest, &tier.name)
        .to_string()
        .chars()
        .filter(|c| !c.is_whitespace())
        .count();
    if characters > MAX_INLINE_POLICY_CHARS {
        findings.push(of_tier(Refusal::TooLong(characters)));
    }
    // Wildcards are refused above, each where it stands.
    let names_actions = manifest
        .statements(&tier.name)
        .iter()
        .all(|s| !s.actions.iter().any(|a| a.has_wildcard()));
    if names_actions {
        let rendered = serde_json::json!(verifier_tier(manifest, tier)).to_string();
        if let Err(why) = VerifierTier::parse(&rendered) {
            findings.push(of_tier(Refusal::VerifierCannotRead(why)));
        }
    }
    findings
}

fn check_statement(statement: &Statement) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for action in &statement.actions {
        if action.is_everything() {
            refusals.push(Refusal::EveryAction(action.to_string()));
        } else if action.has_wildcard() || action.service().contains('*') {
            refusals.push(Refusal::Wildcard(action.to_string()));
        }
    }
    if !says_why(statement.reason.as_str()) {
        refusals.push(Refusal::NoReason);
    }
    if statement.access_level.only_looks() {
        return refusals;
    }
    let is_wide = match &statement.resources {
        Resources::Role => false,
        Resources::Any => true,
        Resources::Arns(arns) => arns
            .iter()
            .any(|arn| is_everything(arn) || (is_whole_type(arn) && statement.conditions.is_empty())),
    };
    if is_wide {
        refusals.push(Refusal::WriteOnEverything(statement.access_level));
    }
    let names_one = match &statement.resources {
        Resources::Role => true,
        Resources::Any => false,
        Resources::Arns(arns) => arns.iter().all(|arn| !arn.as_str().contains(['*', '?'])),
    };
    let of_identities = |action: &&crate::manifest::texts::ActionPattern| {
        IDENTITY_SERVICES.contains(&action.service())
            || statement.access_level == AccessLevel::PermissionsManagement
    };
    if let Some(action) = statement
        .actions
        .iter()
        .find(of_identities)
        .filter(|_| !names_one)
    {
        refusals.push(Refusal::IdentityWithoutResource(action.to_string()));
    }
    refusals
}

/// Whether a pattern covers more than one type of resource: a wildcard for the service, or nothing but wildcards for the
/// resource.
fn is_everything(arn: &ArnPattern) -> bool {
    arn.service().contains('*') || arn.resource().chars().all(|c| "*?:/".contains(c))
}

/// Whether a pattern covers every resource of a type: `instance/*`, `table/*`, `function:*`.
fn is_whole_type(arn: &ArnPattern) -> bool {
    let name = arn.resource().rsplit(['/', ':']).next().unwrap_or_default();
    name.chars().all(|c| c == '*' || c == '?')
}

fn says_why(reason: &str) -> bool {
    reason.split_whitespace().count() >= FEWEST_WORDS_OF_A_REASON
}

#[cfg(test)]
mod tests;

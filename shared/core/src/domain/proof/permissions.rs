//! What a role may do, held against what its tier asks for: too little, and too much.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    aws::Region,
    proof::{
        reason::{Reason, ReasonCode},
        verdict::Cause,
    },
};

/// Most actions that a tier may name in all: as many as IAM simulates in a few calls.
pub const MAX_TIER_ACTIONS: usize = 200;
/// The action by which a role shows whom it lets in.
pub const READ_TRUST: &str = "iam:GetRole";
/// The action by which a role tells what it may do.
const SELF_INSPECTION: &str = "iam:SimulatePrincipalPolicy";
/// Most actions that are named in a reason; it has to fit a stack event.
const MAX_NAMED_ACTIONS: usize = 3;

/// What a template's role is for. Data, not code: `customer/tier.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// What the product needs to be able to do.
    pub required: Vec<RequiredAction>,
    /// What a missing one means.
    pub on_missing: Severity,
    /// Sensitive actions that this tier never asks for. One that a role can do all the same is told.
    pub canaries: Vec<String>,
    /// What an excessive one means.
    pub on_excessive: Severity,
}

impl Tier {
    /// Whether a role with what this tier asks for can do all that `other` asks for.
    pub fn has_all_of(&self, other: &Self) -> bool {
        let has = |needed: &RequiredAction| {
            let mut own = self.required.iter();
            own.any(|own| own.action == needed.action && own.on == needed.on)
        };
        other.required.iter().all(has)
    }
}

/// One action that a tier needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredAction {
    /// The IAM action, such as `ec2:DescribeRegions`.
    pub action: String,
    /// What it is needed on.
    pub on: Scope,
    /// Why, in a sentence that the customer can read.
    pub reason: String,
}

/// The resource that an action is simulated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The role itself.
    Role,
    /// `*`.
    Any,
}

/// What IAM is asked about a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// The actions, by what they are simulated on.
    pub actions: BTreeMap<Scope, Vec<String>>,
    /// Where the role would act: policies may allow an action in some regions alone.
    pub region: Region,
}

/// What a finding does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It fails a first registration and degrades a live connection.
    Fail,
    /// It is shown with the connection, and changes nothing.
    Show,
}

impl Tier {
    /// Reads a tier. An action that is not `service:Name`, appears twice, or is both asked for and a canary is
    /// refused, as is a tier that asks for a wildcard.
    pub fn parse(json: &str) -> Result<Self, String> {
        let tier: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let required = tier.required.iter().map(|required| &required.action);
        let mut seen = std::collections::BTreeSet::new();
        for action in required.chain(&tier.canaries) {
            if !is_action(action) {
                return Err(format!("{action} is not the name of one IAM action"));
            }
            if !seen.insert(action) {
                return Err(format!("{action} is named twice"));
            }
        }
        if seen.len() > MAX_TIER_ACTIONS {
            return Err(format!("a tier names at most {MAX_TIER_ACTIONS} actions"));
        }
        Ok(tier)
    }

    /// All that is to be simulated, of a role that would act in `region`.
    pub fn questions(&self, region: Region) -> Questions {
        let mut actions: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
        for required in &self.required {
            actions
                .entry(required.on)
                .or_default()
                .push(required.action.clone());
        }
        actions
            .entry(Scope::Any)
            .or_default()
            .extend(self.canaries.iter().cloned());
        Questions { actions, region }
    }

    /// Holds what was simulated against what the tier asks for.
    pub fn assess(&self, decisions: &BTreeMap<String, Decision>, checked_at: Timestamp) -> PermissionReport {
        let lacks = |is_judged: bool| {
            let lacking = self.required.iter().filter_map(move |required| {
                let decision = decisions.get(&required.action).copied();
                let denied_by = match decision.unwrap_or(Decision::Denied(DeniedBy::Role)) {
                    Decision::Allowed => return None,
                    decision if decision.is_judged() != is_judged => return None,
                    Decision::Denied(by) | Decision::Refused(by) => by,
                };
                Some(required.denied_by(denied_by))
            });
            lacking.collect()
        };
        let is_allowed = |action: &&String| decisions.get(*action) == Some(&Decision::Allowed);
        PermissionReport {
            tier: self.name.clone(),
            missing: lacks(true),
            estimates: lacks(false),
            excessive: self.canaries.iter().filter(is_allowed).cloned().collect(),
            checked_at,
        }
    }

    /// What is known of a role that may not look at itself, because of `by`: that this is missing, where the tier asks
    /// for it.
    pub fn without_self_inspection(&self, by: DeniedBy, checked_at: Timestamp) -> Option<PermissionReport> {
        let mut required = self.required.iter();
        let look = required.find(|required| required.action == SELF_INSPECTION)?;
        let lacking = vec![look.denied_by(by)];
        let (missing, estimates) = match Decision::Refused(by).is_judged() {
            true => (lacking, Vec::new()),
            false => (Vec::new(), lacking),
        };
        Some(PermissionReport {
            tier: self.name.clone(),
            missing,
            estimates,
            excessive: Vec::new(),
            checked_at,
        })
    }

    /// What a report means for the connection; none where it may be active.
    pub fn objection(&self, report: &PermissionReport) -> Option<Reason> {
        if self.on_missing == Severity::Fail && !report.missing.is_empty() {
            let actions = report.missing.iter().map(|missing| missing.action.as_str());
            return Some(Reason {
                code: ReasonCode::PermissionsMissing,
                detail: Some(named("Missing", actions)),
            });
        }
        if self.on_excessive == Severity::Fail && !report.excessive.is_empty() {
            let detail = named("Too much", report.excessive.iter().map(String::as_str));
            return Some(Reason {
                code: ReasonCode::PermissionsExcessive,
                detail: Some(detail),
            });
        }
        None
    }
}

impl RequiredAction {
    fn denied_by(&self, denied_by: DeniedBy) -> MissingAction {
        MissingAction {
            action: self.action.clone(),
            denied_by,
            reason: self.reason.clone(),
        }
    }
}

/// A few of the actions by name, and how many more there are. They are our own tier's texts.
fn named<'a>(what: &str, actions: impl Iterator<Item = &'a str>) -> String {
    let actions: Vec<&str> = actions.collect();
    let shown = actions
        .iter()
        .take(MAX_NAMED_ACTIONS)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match actions.len().saturating_sub(MAX_NAMED_ACTIONS) {
        0 => format!("{what}: {shown}"),
        more => format!("{what}: {shown} and {more} more"),
    }
}

fn is_action(action: &str) -> bool {
    action.split_once(':').is_some_and(|(service, name)| {
        let is_service = !service.is_empty()
            && service
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        is_service && is_name && action.len() <= 128
    })
}

/// What IAM says that a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allowed,
    /// Its simulation says that it is not, and what stands against it.
    Denied(DeniedBy),
    /// It was tried, and this refused it.
    Refused(DeniedBy),
}

impl Decision {
    /// Whether a denial speaks against the role. A simulation does not know what organizations and boundaries ask about a
    /// call; what the organization refuses is not the role's, even if it was tried.
    fn is_judged(self) -> bool {
        match self {
            Self::Allowed | Self::Refused(DeniedBy::Organization) => false,
            Self::Denied(by) => by == DeniedBy::Role,
            Self::Refused(_) => true,
        }
    }
}

/// Whose policy denies an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeniedBy {
    /// The role's own policies.
    Role,
    /// The role's permissions boundary.
    PermissionsBoundary,
    /// A policy of the customer's organization.
    Organization,
    /// A condition on something that the simulation does not know.
    Condition,
}

/// What came of asking what a role may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// IAM's decision for each action that was asked for.
    Decided(BTreeMap<String, Decision>),
    /// The role may not look at itself, because of this.
    NotPermitted(DeniedBy),
    /// Nothing can be said.
    Inconclusive(Cause),
}

/// What a role may do too little and too much of, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionReport {
    /// The tier that it was held against.
    pub tier: String,
    /// What the tier asks for and the role cannot do.
    pub missing: Vec<MissingAction>,
    /// What the tier asks for, and IAM's simulation puts down to an organization, a boundary or a condition on something that
    /// it does not know: the role may well be able to do it.
    #[serde(default)]
    pub estimates: Vec<MissingAction>,
    /// Sensitive actions that the role can do and the tier never asked for.
    pub excessive: Vec<String>,
    /// When.
    pub checked_at: Timestamp,
}

impl PermissionReport {
    /// Whether both say the same, whenever they were made.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let Self {
            tier,
            missing,
            estimates,
            excessive,
            checked_at: _,
        } = self;
        (tier, missing, estimates, excessive)
            == (&other.tier, &other.missing, &other.estimates, &other.excessive)
    }
}

/// An action that a role lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingAction {
    /// The action.
    pub action: String,
    /// Whose policy denies it.
    pub denied_by: DeniedBy,
    /// Why the tier asks for it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIER: &str = r#"{"name":"t","required":[{"action":"iam:GetRole","on":"role","reason":"r"},
        {"action":"ec2:DescribeRegions","on":"any","reason":"r"}],"on_missing":"fail",
        "canaries":["iam:CreateUser","s3:GetObject"],"on_excessive":"show"}"#;

    fn decisions(allowed: &[&str], by: DeniedBy) -> BTreeMap<String, Decision> {
        [
            "iam:GetRole",
            "ec2:DescribeRegions",
            "iam:CreateUser",
            "s3:GetObject",
        ]
        .map(|action| {
            let decision = if allowed.contains(&action) {
                Decision::Allowed
            } else {
                Decision::Denied(by)
            };
            (action.to_owned(), decision)
        })
        .into()
    }

    fn objection(tier: &Tier, allowed: &[&str], by: DeniedBy) -> Option<ReasonCode> {
        let report = tier.assess(&decisions(allowed, by), Timestamp::UNIX_EPOCH);
        tier.objection(&report).map(|reason| reason.code)
    }

    #[test]
    fn exactly_what_is_asked_for_is_fine() {
        let tier = Tier::parse(TIER).unwrap();
        assert_eq!(
            objection(&tier, &["iam:GetRole", "ec2:DescribeRegions"], DeniedBy::Role),
            None
        );
    }

    #[test]
    fn what_is_missing_is_named_with_whose_policy_denies_it() {
        let tier = Tier::parse(TIER).unwrap();
        let missing = Some(ReasonCode::PermissionsMissing);
        assert_eq!(objection(&tier, &["iam:GetRole"], DeniedBy::Role), missing);
        let report = tier.assess(&decisions(&[], DeniedBy::Role), Timestamp::UNIX_EPOCH);
        let reason = tier.objection(&report).unwrap();
        assert_eq!(
            reason.detail.as_deref(),
            Some("Missing: iam:GetRole, ec2:DescribeRegions")
        );
        assert_eq!(report.missing.len(), 2);
        // An action that IAM did not answer for is not taken for granted.
        assert_eq!(
            tier.assess(&BTreeMap::new(), Timestamp::UNIX_EPOCH).missing.len(),
            2
        );
    }

    #[test]
    fn only_what_the_role_lacks_itself_is_judged() {
        use DeniedBy::{Condition, Organization, PermissionsBoundary, Role};
        let tier = Tier::parse(TIER).unwrap();
        for (decision, is_judged) in [
            (Decision::Denied(Role), true),
            (Decision::Denied(PermissionsBoundary), false),
            (Decision::Denied(Organization), false),
            (Decision::Denied(Condition), false),
            (Decision::Refused(Role), true),
            (Decision::Refused(PermissionsBoundary), true),
            (Decision::Refused(Organization), false),
        ] {
            let mut decisions = decisions(&["iam:GetRole"], Role);
            decisions.insert("ec2:DescribeRegions".to_owned(), decision);
            let report = tier.assess(&decisions, Timestamp::UNIX_EPOCH);
            assert_eq!(tier.objection(&report).is_some(), is_judged, "{decision:?}");
            let (lacking, other) = match is_judged {
                true => (report.missing, report.estimates),
                false => (report.estimates, report.missing),
            };
            assert_eq!(lacking[0].action, "ec2:DescribeRegions", "{decision:?}");
            assert_eq!(other, []);
        }
    }

    #[test]
    fn what_is_too_much_is_shown_and_fails_only_where_the_tier_says_so() {
        let everything = [
            "iam:GetRole",
            "ec2:DescribeRegions",
            "iam:CreateUser",
            "s3:GetObject",
        ];
        let tier = Tier::parse(TIER).unwrap();
        let report = tier.assess(&decisions(&everything, DeniedBy::Role), Timestamp::UNIX_EPOCH);
        assert_eq!(report.excessive, ["iam:CreateUser", "s3:GetObject"]);
        assert_eq!(tier.objection(&report), None);
        let strict = Tier {
            on_excessive: Severity::Fail,
            ..tier
        };
        assert_eq!(
            objection(&strict, &everything, DeniedBy::Role),
            Some(ReasonCode::PermissionsExcessive)
        );
    }

    #[test]
    fn a_role_that_may_not_look_at_itself_lacks_that_where_its_tier_asks_for_it() {
        let tier = Tier::parse(TIER).unwrap();
        let without = |tier: &Tier, by| tier.without_self_inspection(by, Timestamp::UNIX_EPOCH);
        assert_eq!(without(&tier, DeniedBy::Role), None);
        let tier = Tier::parse(&TIER.replace("iam:GetRole", SELF_INSPECTION)).unwrap();
        for by in [DeniedBy::Role, DeniedBy::PermissionsBoundary] {
            let reason = tier.objection(&without(&tier, by).unwrap()).unwrap();
            assert_eq!(
                reason.detail.as_deref(),
                Some("Missing: iam:SimulatePrincipalPolicy")
            );
        }
        let estimate = without(&tier, DeniedBy::Organization).unwrap();
        assert_eq!(tier.objection(&estimate), None);
        assert_eq!(estimate.estimates[0].denied_by, DeniedBy::Organization);
    }

    #[test]
    fn a_reason_with_many_actions_still_fits_a_stack_event() {
        let action = |i| format!("servicecatalog-appregistry:AssociateAttributeGroup{i:04}");
        let actions: Vec<String> = (0..MAX_TIER_ACTIONS).map(action).collect();
        let detail = named("Missing", actions.iter().map(String::as_str));
        assert!(detail.ends_with("and 197 more") && detail.len() < 256, "{detail}");
    }

    #[test]
    fn a_tier_that_asks_for_a_wildcard_or_contradicts_itself_is_refused() {
        for (from, to) in [
            ("iam:GetRole", "iam:*"),
            ("iam:GetRole", "*"),
            ("iam:GetRole", "GetRole"),
            ("iam:GetRole", "iam:Get Role"),
            ("s3:GetObject", "iam:CreateUser"),
            ("s3:GetObject", "iam:GetRole"),
            ("\"canaries\"", "\"canary\""),
            ("\"fail\"", "\"explode\""),
        ] {
            assert!(Tier::parse(&TIER.replace(from, to)).is_err(), "{from} → {to}");
        }
    }
}

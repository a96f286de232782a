//! What the renderings are made from: the manifest with every text ready for its place.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    deployment_template::TemplateVersion,
    manifest::{
        ManagedPolicy, Manifest, Resources, Statement, Tier,
        texts::{ArnPattern, TierName},
    },
    policy::{POLICY_NAME, TAG_KEYS, TrustTerms, trust_terms},
    tiers::scope,
};

/// Everything that a rendering can say.
#[derive(Debug, Serialize)]
pub struct View {
    pub vendor: VendorView,
    /// What is kept of what was read.
    pub data: Vec<[String; 3]>,
    pub version: String,
    /// The tier of a customer who chooses none.
    pub default_tier: String,
    /// The tiers that a customer can choose from.
    pub tiers: Vec<TierView>,
    /// What the tiers are made of: each part once, in the manifest's order.
    pub parts: Vec<PartView>,
    /// Sensitive actions that no tier asks for.
    pub canaries: Vec<String>,
    pub trust: TrustTerms,
    /// The tags that the vendor may give its sessions.
    pub tag_keys: &'static str,
    /// The name of the role's inline policy.
    pub policy_name: &'static str,
}

/// [`crate::manifest::Vendor`], as texts.
#[derive(Debug, Serialize)]
pub struct VendorView {
    name: String,
    purpose: String,
    website: String,
    security_contact: String,
    processing_regions: Vec<String>,
    who_can_use_it: String,
    source_ips: Vec<String>,
    organization_id: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct TierView {
    name: String,
    title: String,
    summary: String,
    includes: Option<String>,
    is_default: bool,
    /// Whether it changes nothing in the account.
    only_looks: bool,
    statements: Vec<StatementView>,
    managed_policies: Vec<ManagedPolicyView>,
    /// The title of the tier that it adds to, if a reader finds that one on the same page.
    adds_to: Option<String>,
    /// What a reader is shown: what it adds to that one, or all.
    shown_statements: Vec<StatementView>,
    shown_managed_policies: Vec<ManagedPolicyView>,
}

/// What a tier adds to the one that it includes.
#[derive(Debug, Serialize)]
pub struct PartView {
    tier: String,
    title: String,
    /// The offered tiers that have it.
    granted_by: Vec<String>,
    /// The template's condition for it; none where every offered tier has it.
    condition: Option<String>,
    statements: Vec<StatementView>,
    managed_policies: Vec<ManagedPolicyView>,
}

#[derive(Debug, Serialize)]
pub struct StatementView {
    sid: String,
    access_level: &'static str,
    only_looks: bool,
    actions: Vec<String>,
    /// `role`, `any` or `arns`.
    on: &'static str,
    on_text: Vec<String>,
    arns_cloudformation: Vec<String>,
    arns_terraform: Vec<String>,
    conditions: Option<Value>,
    conditions_text: Vec<String>,
    reason: String,
    /// Whether the vendor's check asks IAM for it.
    is_simulated: bool,
}

#[derive(Debug, Serialize)]
pub struct ManagedPolicyView {
    name: String,
    arn_cloudformation: String,
    arn_terraform: String,
    /// With the name of the partition as publishing fills it in.
    arn: String,
    reason: String,
    reads_data: Option<String>,
}

impl View {
    /// The view of `manifest` at `version`.
    pub fn of(manifest: &Manifest, version: &TemplateVersion) -> Self {
        let vendor = &manifest.vendor;

        Self {
            vendor: VendorView {
                name: vendor.name.to_string(),
                purpose: vendor.purpose.to_string(),
                website: vendor.website.to_string(),
                security_contact: vendor.security_contact.to_string(),
                processing_regions: vendor
                    .processing_regions
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                who_can_use_it: vendor.who_can_use_it.to_string(),
                source_ips: vendor.source_ips.iter().map(ToString::to_string).collect(),
                organization_id: vendor.organization_id.as_ref().map(ToString::to_string),
            },
            data: manifest
                .data
                .iter()
                .map(|kept| {
                    [
                        kept.what.to_string(),
                        kept.r#where.to_string(),
                        kept.deleted.to_string(),
                    ]
                })
                .collect(),
            version: version.to_string(),
            default_tier: manifest.default_tier.to_string(),
            tiers: manifest
                .offered()
                .into_iter()
                .map(|tier| TierView::of(manifest, tier))
                .collect(),
            parts: manifest
                .tiers
                .iter()
                .filter_map(|tier| PartView::of(manifest, tier))
                .collect(),
            canaries: manifest.canaries.iter().map(ToString::to_string).collect(),
            trust: trust_terms(),
            tag_keys: TAG_KEYS,
            policy_name: POLICY_NAME,
        }
    }
}

impl TierView {
    fn of(manifest: &Manifest, tier: &Tier) -> Self {
        let statements = manifest.statements(&tier.name);
        let managed = manifest.managed_policies(&tier.name);
        let is_offered = |name: &&TierName| manifest.offered_tiers.contains(name);
        let adds_to = tier
            .includes
            .as_ref()
            .filter(is_offered)
            .and_then(|name| manifest.tier(name));
        let (shown, shown_managed) = match adds_to {
            Some(_) => (
                tier.statements.iter().collect(),
                tier.managed_policies.iter().collect(),
            ),
            None => (statements.clone(), managed.clone()),
        };
        Self {
            adds_to: adds_to.map(|included| included.title.to_string()),
            shown_statements: shown.into_iter().map(StatementView::of).collect(),
            shown_managed_policies: shown_managed.into_iter().map(ManagedPolicyView::of).collect(),
            name: tier.name.to_string(),
            title: tier.title.to_string(),
            summary: tier.summary.to_string(),
            includes: tier.includes.as_ref().map(ToString::to_string),
            is_default: tier.name == manifest.default_tier,
            only_looks: statements
                .iter()
                .all(|statement| statement.access_level.only_looks()),
            statements: statements.into_iter().map(StatementView::of).collect(),
            managed_policies: managed.into_iter().map(ManagedPolicyView::of).collect(),
        }
    }
}

impl PartView {
    /// None for a part that no offered tier has.
    fn of(manifest: &Manifest, tier: &Tier) -> Option<Self> {
        let granted_by = manifest.offered_with(&tier.name);
        if granted_by.is_empty() {
            return None;
        }
        let is_conditional = granted_by.len() < manifest.offered_tiers.len();
        Some(Self {
            tier: tier.name.to_string(),
            title: tier.title.to_string(),
            condition: is_conditional.then(|| format!("Grants{}", in_capitals(tier.name.as_str()))),
            granted_by: granted_by.into_iter().map(ToString::to_string).collect(),
            statements: tier.statements.iter().map(StatementView::of).collect(),
            managed_policies: tier.managed_policies.iter().map(ManagedPolicyView::of).collect(),
        })
    }
}

impl StatementView {
    fn of(statement: &Statement) -> Self {
        let (on, arns): (_, &[ArnPattern]) = match &statement.resources {
            Resources::Role => ("role", &[]),
            Resources::Any => ("any", &[]),
            Resources::Arns(arns) => ("arns", arns),
        };
        let filled = |fill: fn(&str) -> String| arns.iter().map(|arn| arn.filled(fill)).collect::<Vec<_>>();
        Self {
            sid: statement.sid.to_string(),
            access_level: statement.access_level.as_str(),
            only_looks: statement.access_level.only_looks(),
            actions: statement.actions.iter().map(ToString::to_string).collect(),
            on,
            on_text: match on {
                "role" => vec!["this role itself".to_owned()],
                "any" => vec!["the whole account (*)".to_owned()],
                _ => filled(|name| match name {
                    "partition" => "aws".to_owned(),
                    name => format!("<your {name}>"),
                }),
            },
            arns_cloudformation: filled(for_cloudformation),
            arns_terraform: filled(for_terraform),
            conditions: (!statement.conditions.is_empty()).then(|| json!(statement.conditions)),
            conditions_text: statement
                .conditions
                .iter()
                .flat_map(|(operator, keys)| {
                    keys.iter().map(move |(key, values)| {
                        let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
                        format!("{operator} {key} = {}", values.join(" or "))
                    })
                })
                .collect(),
            reason: statement.reason.to_string(),
            is_simulated: scope(statement).is_some(),
        }
    }
}

impl ManagedPolicyView {
    fn of(policy: &ManagedPolicy) -> Self {
        let arn = |partition: &str| policy.arn.as_str().replace("${partition}", partition);
        Self {
            name: policy.arn.name().to_owned(),
            arn_cloudformation: arn(&for_cloudformation("partition")),
            arn_terraform: arn(&for_terraform("partition")),
            arn: arn("__PARTITION__"),
            reason: policy.reason.to_string(),
            reads_data: policy.reads_data.as_ref().map(ToString::to_string),
        }
    }
}

/// How CloudFormation's `Fn::Sub` names a part of an ARN.
fn for_cloudformation(name: &str) -> String {
    let pseudo_parameter = match name {
        "partition" => "Partition",
        "account" => "AccountId",
        _ => "Region",
    };
    format!("${{AWS::{pseudo_parameter}}}")
}

/// How the Terraform module names a part of an ARN.
fn for_terraform(name: &str) -> String {
    match name {
        "partition" => "${data.aws_partition.current.partition}".to_owned(),
        "account" => "${data.aws_caller_identity.current.account_id}".to_owned(),
        _ => "${local.region}".to_owned(),
    }
}

/// `inventory-cost` as `InventoryCost`.
fn in_capitals(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    };
    name.split('-').map(word).collect()
}

//! Differences between two versions, one at a time.

use super::*;
use crate::{deployment_template::TemplateVersion, manifest::Manifest};

const REPOSITORY: &str = include_str!("../../permissions.yaml");

fn snapshot(yaml: &str, version: &str) -> Snapshot {
    Snapshot::of(
        &Manifest::parse(yaml).unwrap(),
        &TemplateVersion::parse(version).unwrap(),
        "",
    )
}

/// What changes where `from` is replaced by `to`.
#[track_caller]
fn changes(from: &str, to: &str) -> Vec<Change> {
    assert!(REPOSITORY.contains(from), "the test changes nothing: {from}");
    let after = snapshot(&REPOSITORY.replacen(from, to, 1), "2.0.0");
    Changes::between(&snapshot(REPOSITORY, "1.0.0"), &after, "").changes
}

#[track_caller]
fn sentences(from: &str, to: &str) -> Vec<String> {
    changes(from, to).iter().map(Change::sentence).collect()
}

#[test]
fn the_same_manifest_is_no_difference() {
    let changes = Changes::between(
        &snapshot(REPOSITORY, "1.0.0"),
        &snapshot(REPOSITORY, "1.0.1"),
        "text",
    );
    assert_eq!(
        (
            changes.from.as_str(),
            changes.to.as_str(),
            changes.changelog.as_str()
        ),
        ("1.0.0", "1.0.1", "text")
    );
    assert_eq!(changes.changes, []);
}

#[test]
fn an_action_that_is_added_is_told_with_its_reason_and_all_its_tiers() {
    assert_eq!(
        sentences(
            "[ce:GetCostAndUsage, ce:GetCostForecast]",
            "[ce:GetCostAndUsage, ce:GetCostForecast, ce:GetTags]"
        ),
        [
            "Adds `ce:GetTags` (Read) on `*`, because the vendor needs it to show what each part of the inventory costs and is going \
          to cost (tiers: `inventory-cost`)."
        ]
    );
    let found = sentences(
        "[tag:GetResources, tag:GetTagKeys]",
        "[tag:GetResources, tag:GetTagKeys, tag:GetTagValues]",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("(tiers: `inventory`, `inventory-cost`, `tagging`)."),
        "{found:?}"
    );
}

#[test]
fn an_action_that_is_removed_is_told() {
    assert_eq!(
        sentences("ce:GetCostAndUsage, ", ""),
        ["Removes `ce:GetCostAndUsage` (tiers: `inventory-cost`)."]
    );
}

#[test]
fn other_resources_and_conditions_are_told() {
    let found = sentences("          - \"arn:${partition}:ec2:*:${account}:volume/*\"\n", "");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        "`ec2:CreateTags` is granted on `arn:${partition}:ec2:*:${account}:instance/*`, no longer on \
         `arn:${partition}:ec2:*:${account}:instance/*`, `arn:${partition}:ec2:*:${account}:volume/*` (tiers: `tagging`)."
    );
    let found = sentences("[\"example-vendor:*\"]", "[\"example:*\"]");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with(
            "`ec2:CreateTags` has the conditions `ForAllValues:StringLike aws:TagKeys = example:*`"
        ),
        "{found:?}"
    );
    assert!(
        found[0].contains("before `ForAllValues:StringLike aws:TagKeys = example-vendor:*`"),
        "{found:?}"
    );
}

#[test]
fn tiers_that_come_go_and_become_the_default_are_told() {
    assert_eq!(
        sentences("inventory-cost, tagging]", "inventory-cost]"),
        ["The tier `tagging` is not offered any more."]
    );
    assert_eq!(
        sentences("default_tier: account-basics", "default_tier: inventory"),
        ["The default tier is `inventory`, no longer `account-basics`."]
    );
    let fewer = REPOSITORY.replacen("inventory-cost, tagging]", "inventory-cost]", 1);
    let added = Changes::between(&snapshot(&fewer, "1.0.0"), &snapshot(REPOSITORY, "1.1.0"), "").changes;
    assert!(
        matches!(&added[0], Change::TierAdded { tier, .. } if tier == "tagging"),
        "{added:?}"
    );
    // What it shares with the tier that it includes is no news.
    let actions: Vec<&str> = added
        .iter()
        .filter_map(|change| match change {
            Change::ActionAdded { action, .. } => Some(action.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(actions, ["ec2:CreateTags", "ec2:DeleteTags"]);
}

#[test]
fn managed_policies_are_told_with_the_data_that_they_read() {
    let policy = "    managed_policies: [{arn: \"arn:${partition}:iam::aws:policy/AmazonS3ReadOnlyAccess\", reason: to show what is stored, reads_data: every object}]\n    statements:\n      - sid: ReadCost";
    let from = "    statements:\n      - sid: ReadCost";
    assert_eq!(
        sentences(from, policy),
        [
            "Attaches `arn:${partition}:iam::aws:policy/AmazonS3ReadOnlyAccess`, because the vendor needs it to show what is stored \
          (tiers: `inventory-cost`). It reads data: every object."
        ]
    );
    let with = snapshot(&REPOSITORY.replacen(from, policy, 1), "1.0.0");
    let gone = Changes::between(&with, &snapshot(REPOSITORY, "1.1.0"), "").changes;
    assert!(
        matches!(&gone[..], [Change::ManagedPolicyRemoved { .. }]),
        "{gone:?}"
    );
}

#[test]
fn other_trust_and_other_regions_are_told() {
    let mut before = snapshot(REPOSITORY, "1.0.0");
    let after = before.clone();
    before.trust.always.pop();
    let found = Changes::between(&before, &after, "").changes;
    assert_eq!(
        found[0].sentence(),
        "The role's trust adds `StringEquals sts:ExternalId: the external ID of this connection`."
    );
    let gone = Changes::between(&after, &before, "").changes;
    assert!(
        gone[0].sentence().starts_with("The role's trust removes "),
        "{gone:?}"
    );
    assert_eq!(
        sentences("[us-east-1]", "[eu-west-1]"),
        ["The regions of processing: adds `eu-west-1`; removes `us-east-1`."]
    );
}

#[test]
fn a_difference_is_read_back_as_it_was_written() {
    let changes = Changes {
        from: "1.0.0".to_owned(),
        to: "1.1.0".to_owned(),
        changes: changes("ce:GetCostAndUsage, ", ""),
        changelog: String::new(),
    };
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(json["changes"][0]["change"], "action_removed");
    assert_eq!(serde_json::from_value::<Changes>(json).unwrap(), changes);
}

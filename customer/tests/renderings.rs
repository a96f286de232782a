//! What is rendered, held against the manifest and against the repository.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what does not fit fails the test"
)]

mod support;

use latchkey_customer::{
    deployment_template::sha256_hex,
    rendering::{Source, render_all, repository_folder, stale},
};
use serde_json::{Value, json};
use support::Copy;

/// What a change of one action has to reach.
const ROADS: [&str; 8] = [
    "connection-template.yaml",
    "rendered/terraform/main.tf",
    "rendered/iam/inventory-cost.json",
    "rendered/create-role.sh",
    "rendered/security.html",
    "SECURITY.md",
    "rendered/tiers.json",
    "rendered/versions/1.0.0-to-1.2.0.md",
];

#[test]
fn everything_in_the_repository_is_what_the_manifest_renders() {
    let source = Source::of_repository().unwrap();
    let rendered = render_all(&source).unwrap();
    assert_eq!(
        stale(repository_folder(), &rendered).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn the_released_texts_fit_their_digests_and_what_is_rendered() {
    let source = Source::of_repository().unwrap();
    let kept = |version: &str| {
        std::fs::read_to_string(repository_folder().join(format!("versions/{version}.yaml"))).unwrap()
    };
    let versions: Vec<&str> = source.released.iter().map(|it| it.version.as_str()).collect();
    assert_eq!(versions[..2], ["1.0.0", "1.1.0"]);
    for released in &source.released {
        let text = kept(released.version.as_str());
        assert_eq!(sha256_hex(text.as_bytes()), released.template_sha256);
        assert!(text.contains("__VENDOR_ACCOUNT_ID__"), "{}", released.version);
    }
    assert_eq!(source.version_problems().unwrap(), Vec::<String>::new());
    if source.is_released() {
        assert_eq!(
            kept(source.version.as_str()),
            include_str!("../connection-template.yaml")
        );
    }
}

#[test]
fn one_changed_action_reaches_every_road_by_one_command_and_the_check_fails_before_it_is_run() {
    let copy = Copy::unreleased();
    copy.succeeds(&["render", "--check"]);
    // Against a version that does not have the action.
    copy.forget("1.1.0");
    copy.succeeds(&["render"]);
    copy.replace("permissions.yaml", "ce:GetCostForecast", "ce:GetAnomalies");
    let told = copy.fails(&["render", "--check"]);
    for road in ROADS {
        assert!(told.contains(road), "{road}: {told}");
        assert!(!copy.read(road).contains("ce:GetAnomalies"), "{road}");
    }
    copy.succeeds(&["render"]);
    for road in ROADS {
        let text = copy.read(road);
        assert!(
            text.contains("ce:GetAnomalies") && !text.contains("ce:GetCostForecast"),
            "{road}"
        );
    }
    copy.succeeds(&["render", "--check"]);
    // The default tier has neither.
    assert_eq!(
        copy.read("tier.json"),
        std::fs::read_to_string(repository_folder().join("tier.json")).unwrap()
    );
}

#[test]
fn a_rendered_file_that_somebody_edited_lost_or_left_behind_is_stale() {
    let copy = Copy::of_repository();
    copy.replace("rendered/iam/self-check.json", "iam:GetRole", "iam:GetUser");
    std::fs::remove_file(copy.path("rendered/create-role.sh")).unwrap();
    copy.write("rendered/iam/former-tier.json", "{}");
    let told = copy.fails(&["render", "--check"]);
    for name in [
        "rendered/iam/self-check.json",
        "rendered/create-role.sh",
        "rendered/iam/former-tier.json",
    ] {
        assert!(told.contains(name), "{name}: {told}");
    }
    copy.succeeds(&["render"]);
    copy.succeeds(&["render", "--check"]);
    assert!(!copy.path("rendered/iam/former-tier.json").exists());
}

#[test]
fn a_refused_manifest_fails_the_check_with_its_place() {
    let copy = Copy::of_repository();
    copy.succeeds(&["check"]);
    copy.replace("permissions.yaml", "ce:GetCostForecast", "ce:*");
    let told = copy.fails(&["check"]);
    assert!(
        told.contains("tier inventory-cost, ReadCost: ce:* is everything"),
        "{told}"
    );
    copy.write("permissions.yaml", "vendor: {}\n");
    assert!(copy.fails(&["check"]).contains("permissions.yaml: vendor"));
}

#[test]
fn a_released_version_changes_neither_its_permissions_nor_its_text() {
    let copy = Copy::unreleased();
    copy.succeeds(&["release"]);
    assert_eq!(
        copy.read("versions/1.2.0.yaml"),
        copy.read("connection-template.yaml")
    );
    copy.succeeds(&["check"]);
    assert!(copy.fails(&["release"]).contains("1.2.0 is released already"));
    for (from, to) in [
        ("ce:GetCostForecast", "ce:GetAnomalies"),
        (
            "to group what runs by your own tags",
            "to group what runs by the tags of yours",
        ),
        ("default_tier: account-basics", "default_tier: inventory"),
    ] {
        copy.replace("permissions.yaml", from, to);
        let told = copy.fails(&["check"]);
        assert!(
            told.contains("changed since 1.2.0 was released; raise version.txt"),
            "{told}"
        );
        copy.replace("permissions.yaml", to, from);
    }
    copy.succeeds(&["check"]);
    // A new version may, once it says what it is about.
    copy.replace("permissions.yaml", "ce:GetCostForecast", "ce:GetAnomalies");
    copy.write("version.txt", "1.3.0\n");
    assert!(
        copy.fails(&["check"])
            .contains("CHANGELOG.md has no entry \"## 1.3.0\"")
    );
    copy.replace(
        "CHANGELOG.md",
        "## 1.2.0",
        "## 1.3.0\n\n**What you have to do:** nothing.\n\n## 1.2.0",
    );
    copy.succeeds(&["check"]);
    copy.succeeds(&["render"]);
    let difference: Value =
        serde_json::from_str(&copy.read("rendered/versions/1.2.0-to-1.3.0.json")).unwrap();
    assert_eq!(difference["changes"][0]["action"], "ce:GetAnomalies");
    assert_eq!(
        difference["changes"][1],
        json!({"change": "action_removed", "action": "ce:GetCostForecast", "tiers": ["inventory-cost"]})
    );
    assert_eq!(difference["changelog"], "**What you have to do:** nothing.");
    // The difference of the version before stays as it was.
    assert!(copy.path("rendered/versions/1.0.0-to-1.1.0.json").exists());
}

#[test]
fn the_file_of_a_released_version_cannot_be_changed_removed_or_gone_back_behind() {
    let copy = Copy::of_repository();
    copy.replace("versions/1.0.0.json", "ec2:DescribeRegions", "ec2:DescribeVpcs");
    let told = copy.fails(&["check"]);
    assert!(
        told.contains("versions/1.0.0.json is not what was released"),
        "{told}"
    );

    let copy = Copy::of_repository();
    copy.replace("versions/1.0.0.yaml", "ec2:DescribeRegions", "ec2:DescribeVpcs");
    let told = copy.fails(&["check"]);
    assert!(
        told.contains("versions/1.0.0.yaml is not what was released"),
        "{told}"
    );

    let copy = Copy::of_repository();
    std::fs::remove_file(copy.path("versions/1.0.0.json")).unwrap();
    assert!(copy.fails(&["check"]).contains("are not the same versions"));

    let copy = Copy::of_repository();
    copy.write("version.txt", "0.9.0\n");
    assert!(
        copy.fails(&["check"])
            .contains("version.txt says 0.9.0, but 1.1.0 was released")
    );
}

#[test]
fn the_default_tier_of_the_service_asks_for_what_it_always_did() {
    let tier: Value = serde_json::from_str(include_str!("../tier.json")).unwrap();
    assert_eq!(tier["name"], "account-basics");
    let actions: Vec<&Value> = tier["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|required| &required["action"])
        .collect();
    assert_eq!(
        actions,
        [
            "iam:GetRole",
            "iam:SimulatePrincipalPolicy",
            "ec2:DescribeRegions",
            "iam:ListAccountAliases"
        ]
    );
    let tiers: Value = serde_json::from_str(include_str!("../rendered/tiers.json")).unwrap();
    assert!(tiers.as_array().unwrap().contains(&tier));
    for tier in tiers.as_array().unwrap() {
        latchkey_core::domain::proof::permissions::Tier::parse(&tier.to_string()).unwrap();
    }
}

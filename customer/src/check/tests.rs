//! The list of refusals: each with a manifest that is refused for this alone, and is fine otherwise.

use super::*;

const REPOSITORY: &str = include_str!("../../permissions.yaml");

/// The findings after `from` was replaced by `to`, as they are told.
#[track_caller]
fn findings(from: &str, to: &str) -> Vec<Refusal> {
    assert!(
        REPOSITORY.contains(from),
        "the counter-test changes nothing: {from}"
    );
    let manifest = Manifest::parse(&REPOSITORY.replacen(from, to, 1)).unwrap();
    check(&manifest)
        .into_iter()
        .map(|finding| finding.refusal)
        .collect()
}

#[test]
fn the_repositorys_manifest_is_refused_nothing() {
    assert_eq!(check(&Manifest::parse(REPOSITORY).unwrap()), []);
}

#[test]
fn everything_is_refused() {
    for action in ["\"*\"", "\"*:*\"", "\"ce:*\""] {
        assert_eq!(
            findings("[ce:GetCostAndUsage, ce:GetCostForecast]", &format!("[{action}]")),
            [Refusal::EveryAction(action.trim_matches('"').to_owned())]
        );
    }
}

#[test]
fn a_wildcard_that_grows_by_itself_is_refused() {
    for action in ["ce:Get*", "ce:GetCost?", "\"*:GetCostAndUsage\""] {
        assert_eq!(
            findings("ce:GetCostForecast", action),
            [Refusal::Wildcard(action.trim_matches('"').to_owned())]
        );
    }
}

#[test]
fn a_policy_for_administrators_is_refused() {
    for name in [
        "AdministratorAccess",
        "PowerUserAccess",
        "IAMFullAccess",
        "job-function/SystemAdministrator",
        "AmazonS3FullAccess",
    ] {
        let policy = format!(
            "    managed_policies: [{{arn: \"arn:${{partition}}:iam::aws:policy/{name}\", reason: to do whatever may come up}}]\n    statements:\n      - sid: ReadCost"
        );
        let short = name.rsplit('/').next().unwrap();
        assert_eq!(
            findings("    statements:\n      - sid: ReadCost", &policy),
            [Refusal::PowerPolicy(short.to_owned())]
        );
    }
}

#[test]
fn a_write_on_every_resource_is_refused() {
    let own = "        resources:\n          - \"arn:${partition}:ec2:*:${account}:instance/*\"\n          - \"arn:${partition}:ec2:*:${account}:volume/*\"\n";
    for wide in [
        "any",
        "[\"arn:${partition}:ec2:*:*:*\"]",
        "[\"arn:${partition}:ec2:*:*:*/*\"]",
        "[\"arn:${partition}:*:*:${account}:instance/i-1\"]",
    ] {
        assert_eq!(
            findings(own, &format!("        resources: {wide}\n")),
            [Refusal::WriteOnEverything(AccessLevel::Tagging)],
            "{wide}"
        );
    }
    assert_eq!(
        findings(
            "access_level: List\n        actions: [ec2:DescribeRegions",
            "access_level: Write\n        actions: [ec2:RebootInstances"
        ),
        // The account's alias is an identity's name: see below.
        [
            Refusal::WriteOnEverything(AccessLevel::Write),
            Refusal::IdentityWithoutResource("iam:ListAccountAliases".to_owned())
        ]
    );
}

#[test]
fn a_write_on_a_whole_type_of_resource_is_refused_without_a_condition() {
    let from = REPOSITORY.find("        conditions:\n").unwrap();
    let to = REPOSITORY.find("        reason: to mark").unwrap();
    assert_eq!(
        findings(&REPOSITORY[from..to], ""),
        [Refusal::WriteOnEverything(AccessLevel::Tagging)]
    );
}

#[test]
fn a_change_of_identities_without_naming_one_is_refused() {
    let named = "        access_level: Write\n        actions: [iam:DeleteSAMLProvider]\n        resources: [\"arn:${partition}:iam::${account}:saml-provider/NAME\"]\n";
    let from = "        access_level: Read\n        actions: [ce:GetCostAndUsage, ce:GetCostForecast]\n        resources: any\n";
    assert_eq!(findings(from, &named.replace("NAME", "example-vendor")), []);
    assert_eq!(
        findings(from, &named.replace("NAME", "example-*")),
        [Refusal::IdentityWithoutResource(
            "iam:DeleteSAMLProvider".to_owned()
        )]
    );
}

#[test]
fn a_change_of_permissions_is_held_to_the_same() {
    let policy = "        access_level: Permissions management\n        actions: [sqs:AddPermission]\n        resources: [\"arn:${partition}:sqs:*:${account}:own-*\"]\n";
    let from = "        access_level: Read\n        actions: [ce:GetCostAndUsage, ce:GetCostForecast]\n        resources: any\n";
    assert_eq!(
        findings(from, policy),
        [Refusal::IdentityWithoutResource("sqs:AddPermission".to_owned())]
    );
}

#[test]
fn a_statement_or_a_policy_without_a_reason_is_refused() {
    let reason = "reason: to group what runs by your own tags";
    for none in ["reason: \"\"", "reason: needed", "reason: we need it"] {
        assert_eq!(findings(reason, none), [Refusal::NoReason], "{none}");
    }
    let policy = "    managed_policies: [{arn: \"arn:${partition}:iam::aws:policy/AWSBillingReadOnlyAccess\", reason: \"\"}]\n    statements:\n      - sid: ReadCost";
    assert_eq!(
        findings("    statements:\n      - sid: ReadCost", policy),
        [Refusal::NoReason]
    );
}

#[test]
fn a_tier_whose_role_cannot_look_at_itself_is_refused() {
    assert_eq!(
        findings("    includes: inventory\n", ""),
        [
            Refusal::NoSelfInspection("iam:GetRole"),
            Refusal::NoSelfInspection("iam:SimulatePrincipalPolicy")
        ]
    );
    // On all roles is not on itself.
    let all = findings("resources: role", "resources: any");
    assert!(all.contains(&Refusal::NoSelfInspection("iam:GetRole")), "{all:?}");
}

#[test]
fn a_policy_that_iam_would_not_take_is_refused() {
    let arns: String = (0..50)
        .map(|i| format!("\"arn:${{partition}}:s3:::{i}{}\", ", "x".repeat(240)))
        .collect();
    let from = "        actions: [ce:GetCostAndUsage, ce:GetCostForecast]\n        resources: any\n";
    let found = findings(from, &from.replace("any", &format!("[{arns}]")));
    assert!(
        matches!(found[..], [Refusal::TooLong(characters)] if characters > 10_240),
        "{found:?}"
    );
}

//! What a manifest must be like, each rule with one that breaks it and is fine otherwise.

use super::*;

const REPOSITORY: &str = include_str!("../../permissions.yaml");

/// The error of the repository's manifest after `from` was replaced by `to`.
#[track_caller]
fn refusal(from: &str, to: &str) -> String {
    assert!(
        REPOSITORY.contains(from),
        "the counter-test changes nothing: {from}"
    );
    Manifest::parse(&REPOSITORY.replacen(from, to, 1))
        .unwrap_err()
        .to_string()
}

#[test]
fn the_repositorys_manifest_has_the_tiers_in_order_each_with_all_that_it_includes() {
    let manifest = Manifest::parse(REPOSITORY).unwrap();
    let names: Vec<&str> = manifest.offered().iter().map(|tier| tier.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "self-check",
            "account-basics",
            "inventory",
            "inventory-cost",
            "tagging"
        ]
    );
    let sids = |name: &str| -> Vec<String> {
        let name = TierName::parse(name).unwrap();
        manifest
            .statements(&name)
            .iter()
            .map(|statement| statement.sid.to_string())
            .collect()
    };
    assert_eq!(sids("self-check"), ["CheckThisRole"]);
    assert_eq!(sids("account-basics"), ["CheckThisRole", "ReadAccountBasics"]);
    assert_eq!(sids("tagging").last().unwrap(), "WriteOwnTags");
    assert!(!sids("tagging").contains(&"ReadCost".to_owned()));
    let basics = TierName::parse("account-basics").unwrap();
    assert_eq!(manifest.offered_with(&basics).len(), 4);
}

#[test]
fn what_is_not_of_its_form_is_refused_with_its_place() {
    for (from, to, place) in [
        ("security_contact:", "security_kontakt:", "vendor"),
        ("website: https://", "website: http://", "vendor.website"),
        ("[us-east-1]", "[us_east]", "vendor.processing_regions[0]"),
        (
            "      - sid: ReadAccountBasics",
            "      - sid: read basics",
            "tiers[1].statements[0].sid",
        ),
        (
            "access_level: List",
            "access_level: Peek",
            "tiers[1].statements[0].access_level",
        ),
        (
            "resources: role",
            "resources: rolle",
            "tiers[0].statements[0].resources",
        ),
        (
            "[ec2:DescribeRegions,",
            "[DescribeRegions,",
            "tiers[1].statements[0].actions[0]",
        ),
        (
            "arn:${partition}:ec2",
            "arn:aws:ec2",
            "tiers[4].statements[0].resources",
        ),
        ("on_missing: fail", "on_missing: explode", "tiers[0].on_missing"),
        ("    summary: The account", "    sumary: The account", "tiers[1]"),
    ] {
        let error = refusal(from, to);
        assert!(error.starts_with(place), "{to}: {error}");
    }
    // Without a reason a statement is not one.
    let error = refusal(
        "        reason: to see that this role has what the vendor needs and nothing more\n",
        "",
    );
    assert!(error.contains("missing field `reason`"), "{error}");
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    for (from, to, why) in [
        ("includes: self-check", "includes: inventory", "no tier before it"),
        ("name: inventory-cost", "name: inventory", "twice"),
        (
            "sid: ReadAccountBasics",
            "sid: CheckThisRole",
            "the sid CheckThisRole is there twice",
        ),
        (
            "[ec2:DescribeRegions, iam:ListAccountAliases]",
            "[]",
            "has no action",
        ),
        ("[\"false\"]", "[]", "without a value"),
        (
            "[ec2:DescribeRegions,",
            "[iam:GetRole,",
            "iam:GetRole is asked for twice",
        ),
        ("[ec2:DescribeRegions,", "[s3:GetObject,", "on the canary list"),
        (
            "[self-check, account",
            "[selfcheck, account",
            "selfcheck is no tier",
        ),
        (
            "[self-check, account",
            "[account-basics, account",
            "is there twice",
        ),
        (
            "default_tier: account-basics",
            "default_tier: account",
            "is not offered",
        ),
        ("[us-east-1]", "[]", "vendor.processing_regions: is empty"),
        ("name: Example Vendor", "name: \"\"", "a text is empty"),
    ] {
        let error = refusal(from, to);
        assert!(error.contains(why), "{to}: {error}");
    }
    let many: String = (0..200).map(|i| format!("ec2:Describe{i}, ")).collect();
    assert!(refusal("[ec2:DescribeRegions,", &format!("[{many}")).contains("more than 200 actions"));
    let many: String = (0..10).map(|_| "inventory, ").collect();
    assert!(refusal("[self-check, account", &format!("[{many}account")).contains("more than 10"));
}

//! Template, Terraform module, IAM documents and script: four roads to the same role.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what does not fit fails the test"
)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use latchkey_customer::manifest::{Manifest, Resources, texts::TierName};
use serde_json::{Value, json};
use support::{Copy, EXTERNAL_ID, ROLE_ARN, TIERS, cloudformation::Stack, iam_policy, iam_trust};

fn manifest() -> Manifest {
    Manifest::parse(include_str!("../permissions.yaml")).unwrap()
}

fn template_stack(copy: &Copy, parameters: &[(&str, &str)]) -> Stack {
    let mut all = vec![("ExternalId", EXTERNAL_ID)];
    all.extend(parameters);
    Stack::of(&copy.read("connection-template.yaml"), &all).unwrap()
}

/// The document that the template's policy has, with the role's real ARN.
fn template_policy(copy: &Copy, tier: &str) -> Value {
    let stack = template_stack(copy, &[("PermissionTier", tier)]);
    let text = stack.properties("ConnectionPermissions")["PolicyDocument"].to_string();
    serde_json::from_str(&text.replace("ConnectionRole.Arn", ROLE_ARN)).unwrap()
}

#[test]
fn the_template_grants_each_tier_the_same_as_the_iam_documents() {
    let copy = Copy::of_repository();
    for tier in TIERS {
        assert_eq!(template_policy(&copy, tier), iam_policy(&copy, tier), "{tier}");
    }
    let trust = &template_stack(&copy, &[]).properties("ConnectionRole")["AssumeRolePolicyDocument"];
    assert_eq!(*trust, iam_trust(&copy));
}

#[test]
fn a_stack_that_changes_nothing_but_the_external_id_is_that_of_the_default_tier_and_has_no_options() {
    let copy = Copy::of_repository();
    let stack = template_stack(&copy, &[]);
    assert_eq!(
        stack.resources(),
        ["Connection", "ConnectionPermissions", "ConnectionRole"]
    );
    let role = stack.properties("ConnectionRole");
    let mut names: Vec<&String> = role.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        ["AssumeRolePolicyDocument", "Description", "MaxSessionDuration"]
    );
    assert_eq!(stack.properties("Connection")["PermissionTier"], "account-basics");
    assert_eq!(stack.properties("Connection")["ServiceTimeout"], 300);
    let condition = &role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"];
    assert_eq!(
        condition["StringEquals"],
        json!({ "sts:ExternalId": EXTERNAL_ID })
    );
    assert!(condition["IpAddress"].is_null() && condition["DateLessThan"].is_null());
    let told = stack.properties("Connection");
    assert_eq!(
        (&told["MadeBy"], &told["AccessUntil"]),
        (&json!("template"), &Value::Null)
    );
}

#[test]
fn each_option_of_the_template_does_what_its_label_says_and_nothing_else() {
    let copy = Copy::of_repository();
    let role = |parameters: &[(&str, &str)]| template_stack(&copy, parameters).properties("ConnectionRole");
    let plain = role(&[]);
    let with = |changes: &[(&str, Value)]| {
        let mut expected = plain.clone();
        for (name, value) in changes {
            expected[*name] = value.clone();
        }
        expected
    };
    assert_eq!(
        role(&[("RoleName", "vendor")]),
        with(&[("RoleName", json!("vendor"))])
    );
    assert_eq!(
        role(&[("RoleNamePrefix", "acme")]),
        with(&[("RoleName", json!("acme-0affd1b2c3d4"))])
    );
    assert_eq!(
        role(&[("RoleName", "vendor"), ("RoleNamePrefix", "acme")]),
        with(&[("RoleName", json!("vendor"))])
    );
    assert_eq!(
        role(&[("RolePath", "/vendors/")]),
        with(&[("Path", json!("/vendors/"))])
    );
    let boundary = "arn:aws:iam::222222222222:policy/boundary";
    assert_eq!(
        role(&[("PermissionsBoundaryArn", boundary)]),
        with(&[("PermissionsBoundary", json!(boundary))])
    );
    let mut narrowed = plain.clone();
    narrowed["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["IpAddress"] =
        json!({ "aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"] });
    assert_eq!(
        role(&[("AllowedSourceIps", "192.0.2.0/24,2001:db8::/32")]),
        narrowed
    );
    let mut narrowed = plain.clone();
    narrowed["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalOrgID"] =
        json!("o-abcdefghij");
    assert_eq!(role(&[("AllowedOrganizationId", "o-abcdefghij")]), narrowed);
    let mut ending = plain.clone();
    ending["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["DateLessThan"] =
        json!({ "aws:CurrentTime": "2030-06-30T00:00:00Z" });
    assert_eq!(role(&[("AccessUntil", "2030-06-30")]), ending);
    assert_eq!(
        template_stack(&copy, &[("AccessUntil", "2030-06-30")]).properties("Connection")["AccessUntil"],
        "2030-06-30"
    );
    // In its home region a stack is whole; elsewhere it holds nothing.
    assert_eq!(
        template_stack(&copy, &[("HomeRegion", "eu-west-1")]).resources(),
        ["Connection", "ConnectionPermissions", "ConnectionRole"]
    );
    assert_eq!(
        template_stack(&copy, &[("HomeRegion", "us-east-1")]).resources(),
        ["NothingInThisRegion"]
    );
    let stack = Stack::of(
        &copy.read("connection-template.yaml"),
        &[("ExternalId", EXTERNAL_ID), ("PermissionTier", "admin")],
    );
    assert_eq!(stack.err().unwrap(), "PermissionTier is not one of its values");
}

#[test]
fn with_one_tier_on_offer_there_is_no_choice_and_no_condition() {
    let copy = Copy::of_repository();
    copy.replace(
        "permissions.yaml",
        "[self-check, account-basics, inventory, inventory-cost, tagging]",
        "[account-basics]",
    );
    copy.succeeds(&["render"]);
    let text = copy.read("connection-template.yaml");
    assert!(
        !text.contains("!Ref PermissionTier") && !text.contains("Grants"),
        "{text}"
    );
    let stack = template_stack(&copy, &[]);
    assert_eq!(stack.properties("Connection")["PermissionTier"], "account-basics");
    let policy = stack.properties("ConnectionPermissions")["PolicyDocument"].to_string();
    assert_eq!(
        serde_json::from_str::<Value>(&policy.replace("ConnectionRole.Arn", ROLE_ARN)).unwrap(),
        iam_policy(&copy, "account-basics")
    );
    assert!(!copy.path("rendered/iam/inventory.json").exists());
}

#[test]
fn a_managed_policy_reaches_every_road_of_the_tiers_that_attach_it() {
    let copy = Copy::of_repository();
    copy.replace(
        "permissions.yaml",
        "    statements:\n      - sid: ReadCost",
        "    managed_policies: [{arn: \"arn:${partition}:iam::aws:policy/AmazonS3ReadOnlyAccess\", reason: to show what is stored, reads_data: every object}]\n    statements:\n      - sid: ReadCost",
    );
    copy.succeeds(&["render"]);
    let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let attached = |tier| {
        template_stack(&copy, &[("PermissionTier", tier)]).properties("ConnectionRole")["ManagedPolicyArns"]
            .clone()
    };
    assert_eq!(attached("inventory-cost"), json!([arn]));
    assert_eq!(attached("tagging"), json!([]));
    let module = copy.read("rendered/terraform/main.tf");
    assert!(module.contains(r#""inventory-cost" = ["arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonS3ReadOnlyAccess"]"#));
    for page in ["SECURITY.md", "rendered/security.html"] {
        let text = copy.read(page);
        assert!(
            text.contains("AmazonS3ReadOnlyAccess") && text.contains("every object"),
            "{page}"
        );
    }
    let calls = run_script(&copy, &[EXTERNAL_ID, "inventory-cost"]).unwrap();
    assert!(
        calls.contains(
            &vec![
                "iam",
                "attach-role-policy",
                "--role-name",
                "latchkey-connection",
                "--policy-arn",
                arn
            ]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
        ),
        "{calls:?}"
    );
}

/// Whether a policy allows an action on a resource, by IAM's rules for Allow statements with the conditions that are met; a Deny, a NotAction or
/// a NotResource has no place in our documents.
fn allows(policy: &Value, action: &str, resource: &str, met_conditions: bool) -> bool {
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        for (name, _) in statement.as_object().unwrap() {
            assert!(
                ["Sid", "Effect", "Action", "Resource", "Condition"].contains(&name.as_str()),
                "{name}"
            );
        }
        assert_eq!(statement["Effect"], "Allow");
        let any = |field: &str, wanted: &str| match &statement[field] {
            Value::Array(patterns) => patterns
                .iter()
                .any(|pattern| matches(pattern.as_str().unwrap(), wanted)),
            pattern => matches(pattern.as_str().unwrap(), wanted),
        };
        any("Action", action)
            && any("Resource", resource)
            && (met_conditions || statement["Condition"].is_null())
    })
}

/// IAM's wildcards: `*` for any characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches(&pattern[1..], text)
                || text
                    .chars()
                    .next()
                    .is_some_and(|c| matches(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => matches(&pattern[1..], &text[c.len_utf8()..]),
        (Some(a), Some(b)) if a == b => matches(&pattern[a.len_utf8()..], &text[b.len_utf8()..]),
        _ => false,
    }
}

#[test]
fn each_tier_allows_what_the_manifest_lists_and_nothing_of_the_canary_list() {
    let copy = Copy::of_repository();
    let manifest = manifest();
    let everything: Vec<&str> = manifest
        .tiers
        .iter()
        .flat_map(|tier| &tier.statements)
        .flat_map(|statement| statement.actions.iter().map(|action| action.as_str()))
        .collect();
    let resources = [
        "*",
        ROLE_ARN,
        "arn:aws:iam::222222222222:role/another",
        "arn:aws:ec2:eu-west-1:222222222222:instance/i-0123456789abcdef0",
        "arn:aws:ec2:eu-west-1:222222222222:security-group/sg-1",
        "arn:aws:ec2:eu-west-1:333333333333:instance/i-0123456789abcdef0",
        "arn:aws:s3:::bucket/key",
    ];
    for name in TIERS {
        let policy = iam_policy(&copy, name);
        let tier = TierName::parse(name).unwrap();
        let granted = manifest.statements(&tier);
        for action in &everything {
            let statement = granted.iter().find(|statement| {
                statement
                    .actions
                    .iter()
                    .any(|granted| granted.as_str() == *action)
            });
            for resource in resources {
                let expected = statement.is_some_and(|statement| match &statement.resources {
                    Resources::Any => true,
                    Resources::Role => resource == ROLE_ARN,
                    Resources::Arns(_) => resource.contains(":222222222222:instance/"),
                });
                assert_eq!(
                    allows(&policy, action, resource, true),
                    expected,
                    "{name}: {action} on {resource}"
                );
                let unconditional = statement.is_some_and(|statement| statement.conditions.is_empty());
                assert_eq!(
                    allows(&policy, action, resource, false),
                    expected && unconditional,
                    "{name}: {action} on {resource}"
                );
            }
        }
        for canary in &manifest.canaries {
            for resource in resources {
                assert!(
                    !allows(&policy, canary.as_str(), resource, true),
                    "{name}: {canary} on {resource}"
                );
            }
        }
    }
    // The evaluator does see what is too much.
    let mighty =
        json!({"Statement": [{"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::*"}]});
    assert!(allows(&mighty, "s3:GetObject", "arn:aws:s3:::bucket/key", true));
    assert!(!allows(&mighty, "s3:PutObject", "arn:aws:s3:::bucket/key", true));
}

/// Runs the script with an `aws` that only writes down how it is called. The calls, or what the script said when it failed.
fn run_script(copy: &Copy, arguments: &[&str]) -> Result<Vec<Vec<String>>, String> {
    run_script_with(copy, arguments, &[])
}

fn run_script_with(
    copy: &Copy,
    arguments: &[&str],
    options: &[(&str, &str)],
) -> Result<Vec<Vec<String>>, String> {
    let folder = tempfile::tempdir().unwrap();
    let aws = folder.path().join("aws");
    let log = folder.path().join("calls");
    fs::write(
        &aws,
        "#!/usr/bin/env bash\nif [ \"$1\" = sts ]; then echo arn:aws:iam::222222222222:user/admin; exit; fi\n\
         for argument in \"$@\"; do printf '%s\\0' \"$argument\" >>\"$CALLS\"; done; printf '\\n\\0' >>\"$CALLS\"\n",
    )
    .unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .arg(copy.path("rendered/create-role.sh"))
        .args(arguments)
        .env("PATH", path)
        .env("CALLS", &log)
        .env("AWS_REGION", "eu-west-1")
        .envs(options.iter().copied())
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let calls = fs::read_to_string(&log).unwrap();
    let calls = calls.split("\n\0").filter(|call| !call.is_empty());
    Ok(calls
        .map(|call| {
            call.split('\0')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect())
}

#[test]
fn the_script_makes_the_role_with_the_documents_of_each_tier() {
    let copy = Copy::of_repository();
    for tier in TIERS {
        let calls = run_script(&copy, &[EXTERNAL_ID, tier]).unwrap();
        let argument = |call: &[String], name: &str| -> Value {
            let at = call.iter().position(|word| word == name).unwrap();
            serde_json::from_str(&call[at + 1]).unwrap()
        };
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert_eq!(
            calls[0][..4],
            ["iam", "create-role", "--role-name", "latchkey-connection"]
        );
        assert_eq!(
            argument(&calls[0], "--assume-role-policy-document"),
            iam_trust(&copy)
        );
        assert_eq!(calls[1][..2], ["iam", "put-role-policy"]);
        assert_eq!(
            argument(&calls[1], "--policy-document"),
            iam_policy(&copy, tier),
            "{tier}"
        );
    }
    // Without a tier it is the default one.
    let calls = run_script(&copy, &[EXTERNAL_ID]).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(calls[1].last().unwrap()).unwrap(),
        iam_policy(&copy, "account-basics")
    );
}

#[test]
fn the_script_refuses_what_is_not_of_its_form_before_it_calls_aws() {
    let copy = Copy::of_repository();
    for (arguments, why) in [
        (&[][..], "give the external ID"),
        (&["$(id)"][..], "the external ID is"),
        (&[EXTERNAL_ID, "admin"][..], "there is no tier admin"),
        (&[EXTERNAL_ID, "inventory", "a b"][..], "the role's name is"),
    ] {
        let told = run_script(&copy, arguments).unwrap_err();
        assert!(told.contains(why), "{arguments:?}: {told}");
    }
}

#[test]
fn the_script_gives_the_role_tags_and_an_end() {
    let copy = Copy::of_repository();
    let options = [
        ("ACCESS_UNTIL", "2999-06-30"),
        ("ROLE_TAGS", "Key=dp:exclude:identity,Value=true Key=team,Value=x"),
    ];
    let calls = run_script_with(&copy, &[EXTERNAL_ID], &options).unwrap();
    let call = &calls[0];
    let at = |name: &str| call.iter().position(|word| word == name).unwrap() + 1;
    let mut expected = iam_trust(&copy);
    expected["Statement"][0]["Condition"]["DateLessThan"] =
        json!({ "aws:CurrentTime": "2999-06-30T00:00:00Z" });
    let made: Value = serde_json::from_str(&call[at("--assume-role-policy-document")]).unwrap();
    assert_eq!(made, expected);
    assert_eq!(
        call[at("--tags")..],
        ["Key=dp:exclude:identity,Value=true", "Key=team,Value=x"]
    );
    for day in ["2020-01-01", "tomorrow", "2030-6-1", "2999-06-30\"}"] {
        let told = run_script_with(&copy, &[EXTERNAL_ID], &[("ACCESS_UNTIL", day)]).unwrap_err();
        assert!(told.contains("ACCESS_UNTIL is a day to come"), "{day}: {told}");
    }
}

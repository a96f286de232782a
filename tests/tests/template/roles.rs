//! Execution roles: who takes them, and what each may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{FUNCTIONS, LISTENER, TOPICS, VERIFIER_ROLE},
    reading::{differences, list, properties, resources, role_of, statements, target, texts, vendor},
};

fn each_function_has_its_own_role_that_only_lambda_assumes(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut users: BTreeMap<&str, &str> = BTreeMap::new();
    for (function, _) in resources(template, "AWS::Serverless::Function") {
        let Some(role) = role_of(template, function) else {
            problems.push(format!("{function} has no role of its own"));
            continue;
        };
        if let Some(other) = users.insert(role, function) {
            problems.push(format!("{function} and {other} share {role}"));
        }
        let trust = list(&properties(template, role)["AssumeRolePolicyDocument"]["Statement"]);
        let expected = json!({
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"
        });
        if trust.len() != 1 || *trust[0] != expected {
            problems.push(format!("{role} trusts something else than Lambda"));
        }
        if !properties(template, role)["ManagedPolicyArns"].is_null() {
            problems.push(format!(
                "{role} has managed policies, which are not looked at here"
            ));
        }
    }
    problems
}

fn only_the_verifier_assumes_customers_roles(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (role, resource) in resources(template, "AWS::IAM::Role") {
        let path = &resource["Properties"]["Path"];
        if role == VERIFIER_ROLE {
            if *path != json!({"Ref": "RolePath"}) {
                problems.push("the verifier's role is not under RolePath: no customer lets it in".to_owned());
            }
            let denied = statements(template, role).into_iter().any(|statement| {
                statement["Effect"] == "Deny"
                    && statement["Condition"].is_null()
                    && texts(&statement["Action"]).contains("sts:AssumeRole")
                    && statement["Resource"]["Fn::Sub"]
                        == "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"
            });
            if !denied {
                problems.push("the verifier may assume roles of the vendor's own account".to_owned());
            }
            continue;
        }
        if !path.is_null() {
            problems.push(format!(
                "{role} has a path: nothing but the verifier's role may come under RolePath"
            ));
        }
        for statement in statements(template, role) {
            let assumes = texts(&statement["Action"])
                .into_iter()
                .any(|action| action == "*" || action.starts_with("sts:"));
            // By reference, or by the name that CloudFormation gives to the roles of a stack.
            let of_this_template = |resource: &&Value| {
                target(resource).is_some_and(|id| template["Resources"][id]["Type"] == "AWS::IAM::Role")
                    || resource["Fn::Sub"].as_str().is_some_and(|arn| {
                        arn.starts_with(
                            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-",
                        )
                    })
            };
            if assumes && !list(&statement["Resource"]).iter().all(of_this_template) {
                problems.push(format!("{role} may assume roles that are not in this template"));
            }
        }
    }
    problems
}

fn no_function_may_do_more_than_it_names(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for function in FUNCTIONS {
        let role = role_of(template, function).unwrap_or_default();
        for statement in statements(template, role)
            .into_iter()
            .filter(|s| s["Effect"] == "Allow")
        {
            let sid = statement["Sid"].as_str().unwrap_or("a statement");
            for action in texts(&statement["Action"])
                .into_iter()
                .filter(|action| action.contains('*'))
            {
                problems.push(format!("{role}: {sid} allows {action}"));
            }
            if !statement["NotAction"].is_null() || !statement["NotResource"].is_null() {
                problems.push(format!("{role}: {sid} allows all but something"));
            }
            let is_customers_roles = role == VERIFIER_ROLE
                && texts(&statement["Action"]) == BTreeSet::from(["sts:AssumeRole"])
                && statement["Resource"]["Fn::Sub"] == "arn:${AWS::Partition}:iam::*:role/*";
            let is_topics = statement["Resource"]["Fn::Sub"] == TOPICS;
            if !is_customers_roles
                && !is_topics
                && list(&statement["Resource"])
                    .iter()
                    .any(|r| r.to_string().contains('*'))
            {
                problems.push(format!("{role}: {sid} is not limited to its resources"));
            }
        }
    }
    problems
}

pub fn each_function_may_do_exactly_its_work(template: &Value) -> Problems {
    // What a transaction over connections needs; some also update items in place.
    let items = ["GetItem", "PutItem", "DeleteItem", "ConditionCheckItem"];
    let table = |names: &[&str]| {
        names
            .iter()
            .map(|name| (format!("dynamodb:{name}"), "Table"))
            .collect::<Vec<_>>()
    };
    let sends = |queue| ("sqs:SendMessage".to_owned(), queue);
    let receives = |queue| {
        let names = "ReceiveMessage DeleteMessage GetQueueAttributes ChangeMessageVisibility";
        names
            .split(' ')
            .map(|name| (format!("sqs:{name}"), queue))
            .collect::<Vec<_>>()
    };
    let expected: [(&str, Vec<(String, &str)>); 4] = [
        (
            "LinkGeneratorFunction",
            [
                table(&[
                    "GetItem",
                    "BatchGetItem",
                    "PutItem",
                    "UpdateItem",
                    "DeleteItem",
                    "Query",
                ]),
                vec![
                    sends("VerificationQueue"),
                    ("sns:GetTopicAttributes".to_owned(), TOPICS),
                ],
            ]
            .concat(),
        ),
        (
            LISTENER,
            [
                table(&[&items[..], &["UpdateItem", "BatchGetItem", "Query"]].concat()),
                vec![sends("VerificationQueue"), sends("ListenerDeadLetterQueue")],
            ]
            .concat(),
        ),
        (
            "RoleVerifierFunction",
            [
                table(&[&items[..], &["UpdateItem", "BatchGetItem", "Query"]].concat()),
                receives("VerificationQueue"),
                receives("SweepQueue"),
                vec![sends("SweepQueue"), ("sts:AssumeRole".to_owned(), "*")],
            ]
            .concat(),
        ),
        (
            "RevalidatorFunction",
            [
                table(&["Query", "GetItem", "PutItem"]),
                vec![sends("SweepQueue"), sends("RevalidatorDeadLetterQueue")],
            ]
            .concat(),
        ),
    ];
    let mut problems = Problems::new();
    for (function, mut expected) in expected {
        let role = role_of(template, function).unwrap_or_default();
        let logs = target(&properties(template, function)["LoggingConfig"]["LogGroup"]).unwrap_or_default();
        expected
            .extend(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| (action.to_owned(), logs)));
        let expected: BTreeSet<String> = expected
            .iter()
            .map(|(action, on)| format!("{action} on {on}"))
            .collect();
        let found: BTreeSet<String> = statements(template, role)
            .into_iter()
            .filter(|statement| statement["Effect"] == "Allow")
            .flat_map(|statement| {
                let on: Vec<&str> = list(&statement["Resource"])
                    .into_iter()
                    .map(|r| match r["Fn::Sub"].as_str() {
                        Some(TOPICS) => TOPICS,
                        _ => target(r).unwrap_or("*"),
                    })
                    .collect();
                texts(&statement["Action"])
                    .into_iter()
                    .flat_map(move |action| on.clone().into_iter().map(move |on| format!("{action} on {on}")))
                    .collect::<Vec<_>>()
            })
            .collect();
        problems.extend(differences(function, &found, &expected));
    }
    problems
}

#[test]
fn each_execution_role_is_used_by_one_function_and_assumed_by_lambda_alone() {
    holds_and_notices_each(
        each_function_has_its_own_role_that_only_lambda_assumes,
        &vendor(),
        r#"
        a shared role | RevalidatorFunction/Role = {"Fn::GetAtt": ["RoleVerifierRole", "Arn"]}
        no role, so that SAM makes one | RevalidatorFunction/Role
        a role that the whole account may assume |
            RoleVerifierRole/AssumeRolePolicyDocument/Statement/0/Principal =
                {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
        another service |
            RoleVerifierRole/AssumeRolePolicyDocument/Statement/0/Principal/Service =
                ["lambda.amazonaws.com", "ec2.amazonaws.com"]
        a managed policy | RoleVerifierRole/ManagedPolicyArns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
        "#,
    );
}

#[test]
fn only_the_verifier_may_assume_roles_and_only_its_role_is_under_the_trusted_path() {
    holds_and_notices_each(
        only_the_verifier_assumes_customers_roles,
        &vendor(),
        r#"
        another function that assumes roles | RevalidatorRole#KeepCursor/Action = ["sts:AssumeRole"]
        another role under a path | LinkGeneratorRole/Path = {"Ref": "RolePath"}
        the verifier elsewhere | RoleVerifierRole/Path
        the vendor's own roles within reach | RoleVerifierRole#NeverAssumeOwnRoles/Effect = "Allow"
        "#,
    );
}

#[test]
fn no_function_has_a_wildcard_where_a_resource_can_be_named() {
    holds_and_notices_each(
        no_function_may_do_more_than_it_names,
        &vendor(),
        r#"
        all tables | LinkGeneratorRole#KeepConnections/Resource = "*"
        all actions | LinkGeneratorRole#KeepConnections/Action = "dynamodb:*"
        more than sts:AssumeRole on every role |
            RoleVerifierRole#AssumeCustomersRoles/Action = ["sts:AssumeRole", "iam:PassRole"]
        "#,
    );
}

#[test]
fn each_function_may_do_its_work_and_nothing_more() {
    holds_and_notices_each(
        each_function_may_do_exactly_its_work,
        &vendor(),
        r#"
        a right too many | LinkGeneratorRole#KeepConnections/Action += "dynamodb:Scan"
        a right too few | RevalidatorRole#ReadSlots/Action = []
        another queue | RevalidatorRole#QueueChunks/Resource = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        "#,
    );
}

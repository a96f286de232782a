//! Topics that let in single accounts: who may change their policies, and only where a deployment wants it.

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{FUNCTIONS, TOPICS},
    reading::{list, resources, role_of, target, texts, vendor},
};

/// Which actions on the topics each policy may hold, and for which role.
const POLICIES: [(&str, &str, &[&str]); 2] = [
    ("LinkGeneratorDoors", "LinkGeneratorRole", &["sns:AddPermission"]),
    (
        "RevalidatorDoors",
        "RevalidatorRole",
        &[
            "sns:AddPermission",
            "sns:GetTopicAttributes",
            "sns:RemovePermission",
        ],
    ),
];
const ITEMS: [&str; 3] = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query"];

fn only_single_account_deployments_change_topic_policies_and_only_those_of_the_listener(
    template: &Value,
) -> Problems {
    let mut problems = Problems::new();
    for (id, policy) in resources(template, "AWS::IAM::Policy") {
        let properties = &policy["Properties"];
        let of_functions = list(&properties["Roles"]).into_iter().any(|role| {
            FUNCTIONS
                .into_iter()
                .any(|function| role_of(template, function) == target(role))
        });
        if !of_functions {
            continue;
        }
        let Some((_, role, actions)) = POLICIES.iter().find(|(name, ..)| *name == id) else {
            problems.push(format!("{id} is not known here and gives rights to a function"));
            continue;
        };
        if policy["Condition"] != "LetsInSingleAccounts" {
            problems.push(format!("{id} is there where the topics are open, too"));
        }
        let roles: Vec<_> = list(&properties["Roles"])
            .into_iter()
            .filter_map(target)
            .collect();
        if roles != [*role] {
            problems.push(format!("{id} is given to {roles:?}"));
        }
        for statement in list(&properties["PolicyDocument"]["Statement"]) {
            let found: Vec<&str> = texts(&statement["Action"]).into_iter().collect();
            let on_topics = statement["Resource"]["Fn::Sub"] == TOPICS && found == *actions;
            let on_table = target(&statement["Resource"]) == Some("Table") && found == ITEMS;
            if statement["Effect"] != "Allow" || !(on_topics || on_table) {
                problems.push(format!(
                    "{id} has a statement that is not known here: {statement}"
                ));
            }
        }
    }
    for (id, ..) in POLICIES {
        if template["Resources"][id].is_null() {
            problems.push(format!("{id} is missing"));
        }
    }
    problems
}

fn open_topics_are_a_decision_and_reach_every_region(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let parameter = &template["Parameters"]["ListenerAccess"];
    if parameter["AllowedValues"] != json!(["open", "per-account"]) {
        problems.push("ListenerAccess takes other values".to_owned());
    }
    let passed = list(&template["Resources"]["ListenerTopics"]["Properties"]["Parameters"])
        .into_iter()
        .any(|passed| {
            passed["ParameterKey"] == "ListenerAccess"
                && passed["ParameterValue"] == json!({"Ref": "ListenerAccess"})
        });
    if !passed {
        problems.push("the regions are not told of ListenerAccess".to_owned());
    }
    problems
}

#[test]
fn only_single_account_deployments_may_change_the_listener_topics_policies() {
    holds_and_notices_each(
        only_single_account_deployments_change_topic_policies_and_only_those_of_the_listener,
        &vendor(),
        r#"
        rights where nobody needs them | /Resources/RevalidatorDoors/Condition
        the right to publish | LinkGeneratorDoors/PolicyDocument/Statement/0/Action = ["sns:*"]
        every topic | LinkGeneratorDoors/PolicyDocument/Statement/0/Resource = "*"
        the listener as doorkeeper | RevalidatorDoors/Roles = [{"Ref": "CustomResourceListenerRole"}]
        "#,
    );
}

#[test]
fn a_deployment_decides_once_whether_its_topics_are_open() {
    holds_and_notices_each(
        open_topics_are_a_decision_and_reach_every_region,
        &vendor(),
        r#"
        a region that is not told | ListenerTopics/Parameters/1
        "#,
    );
}

//! Functions: their environment, their build, their logs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices, holds_and_notices_each},
    names::FUNCTIONS,
    reading::{differences, function_property, properties, resources, target, vendor},
};

pub fn each_function_is_built_for_the_same_lambda(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (function, resource) in resources(template, "AWS::Serverless::Function") {
        let property = |name| function_property(template, function, name);
        let code = property("CodeUri").as_str().unwrap_or_default();
        let package = code.strip_prefix("functions/").unwrap_or_default();
        let holds = *property("Runtime") == "provided.al2023"
            && *property("Handler") == "bootstrap"
            && *property("Architectures") == json!(["arm64"])
            && resource["Metadata"]["BuildMethod"] == "rust-cargolambda"
            && resource["Metadata"]["BuildProperties"]["Binary"] == package
            && !package.is_empty();
        if !holds {
            problems.push(format!(
                "{function} is not a rust-cargolambda build of its own folder"
            ));
        }
    }
    let functions: BTreeSet<&str> = resources(template, "AWS::Serverless::Function")
        .map(|(id, _)| id)
        .collect();
    problems.extend(differences(
        "function",
        &functions,
        &FUNCTIONS.into_iter().collect(),
    ));
    problems
}

pub fn each_function_logs_into_its_own_group_for_a_bounded_time(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut groups = BTreeSet::new();
    for function in FUNCTIONS {
        let group = target(&properties(template, function)["LoggingConfig"]["LogGroup"]).unwrap_or_default();
        if template["Resources"][group]["Type"] != "AWS::Logs::LogGroup" || !groups.insert(group) {
            problems.push(format!("{function} has no log group of its own"));
        }
    }
    for (id, group) in resources(template, "AWS::Logs::LogGroup") {
        if group["Properties"]["RetentionInDays"] != json!({"Ref": "LogRetentionDays"}) {
            problems.push(format!("{id} keeps logs for ever"));
        }
    }
    problems
}

#[test]
fn each_function_is_built_from_its_own_folder_for_the_same_lambda() {
    holds_and_notices_each(
        each_function_is_built_for_the_same_lambda,
        &vendor(),
        r#"
        another architecture | RoleVerifierFunction/Architectures = ["x86_64"]
        another binary | /Resources/RevalidatorFunction/Metadata/BuildProperties/Binary = "role-verifier"
        "#,
    );
    holds_and_notices(
        each_function_is_built_for_the_same_lambda,
        &vendor(),
        &[("a function that no test here knows", &|t| {
            let copy = t["Resources"]["RevalidatorFunction"].clone();
            t["Resources"]["AnotherFunction"] = copy;
        })],
    );
}

#[test]
fn each_function_logs_into_a_group_of_its_own_that_forgets() {
    holds_and_notices_each(
        each_function_logs_into_its_own_group_for_a_bounded_time,
        &vendor(),
        r#"
        a shared group | RevalidatorFunction/LoggingConfig/LogGroup = {"Ref": "RoleVerifierLogs"}
        a group that keeps everything | RevalidatorLogs/RetentionInDays
        "#,
    );
}

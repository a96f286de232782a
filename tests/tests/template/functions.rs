//! Functions: their environment, their build, their logs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices, resource},
    names::{FUNCTIONS, LISTENER},
    reading::{differences, function_property, properties, resources, target, vendor},
};

fn env_of(template: &Value, function: &str) -> BTreeSet<String> {
    [&template["Globals"]["Function"], properties(template, function)]
        .into_iter()
        .filter_map(|from| from["Environment"]["Variables"].as_object())
        .flat_map(|variables| variables.keys().cloned())
        .collect()
}

pub fn each_function_has_exactly_its_environment(template: &Value) -> Problems {
    let expected: [(&str, &[&str]); 4] = [
        (
            "LinkGeneratorFunction",
            &[
                "TENANT_CLAIM",
                "LINK_LIFETIME_SECONDS",
                "LISTENER_REGIONS",
                "DEFAULT_REGION",
                "STACK_NAME_PREFIX",
                "REQUIRE_ACCOUNT_ID",
                "LISTENER_ACCESS",
                "LISTENER_TOPIC_NAME",
                "VENDOR_ACCOUNT_ID",
                "VERIFICATION_QUEUE_URL",
                "VERIFICATION_DEADLINE_SECONDS",
                "AUDIT_RETENTION_DAYS",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
            ],
        ),
        (
            LISTENER,
            &[
                "VERIFICATION_QUEUE_URL",
                "LISTENER_TOPIC_NAME",
                "VENDOR_ACCOUNT_ID",
                "LISTENER_REGIONS",
                "VERIFICATION_DEADLINE_SECONDS",
                "AUDIT_RETENTION_DAYS",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
                "LOCAL_ANSWER_ENDPOINT",
            ],
        ),
        (
            "RoleVerifierFunction",
            &[
                "VERIFICATION_QUEUE_URL",
                "SWEEP_QUEUE_URL",
                "STS_CALLS_PER_SECOND",
                "SWEEP_CONCURRENCY",
                "PROBE_CONCURRENCY",
                "AUDIT_RETENTION_DAYS",
                "LOCAL_ANSWER_ENDPOINT",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
            ],
        ),
        (
            "RevalidatorFunction",
            &[
                "SWEEP_QUEUE_URL",
                "STS_CALLS_PER_SECOND",
                "PROOF_EVERY_SWEEPS",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
                "SWEEP_TICK_SECONDS",
                "LISTENER_ACCESS",
                "LISTENER_TOPIC_NAME",
                "LISTENER_REGIONS",
                "VENDOR_ACCOUNT_ID",
            ],
        ),
    ];
    expected
        .into_iter()
        .flat_map(|(function, own)| {
            let expected = own
                .iter()
                .chain(&["TABLE_NAME", "LOG_LEVEL"])
                .map(|name| (*name).to_owned())
                .collect();
            differences(function, &env_of(template, function), &expected)
        })
        .collect()
}

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
fn each_function_is_given_exactly_the_environment_that_it_reads() {
    holds_and_notices(
        each_function_has_exactly_its_environment,
        &vendor(),
        &[
            ("a missing variable", &|t| {
                let environment = &mut resource(t, "RevalidatorFunction")["Environment"]["Variables"];
                environment.as_object_mut().unwrap().remove("SWEEP_SLOTS");
            }),
            ("another one for all", &|t| {
                t["Globals"]["Function"]["Environment"]["Variables"]["DEBUG"] = json!("1");
            }),
        ],
    );
}

#[test]
fn each_function_is_built_from_its_own_folder_for_the_same_lambda() {
    holds_and_notices(
        each_function_is_built_for_the_same_lambda,
        &vendor(),
        &[
            ("another architecture", &|t| {
                resource(t, "RoleVerifierFunction")["Architectures"] = json!(["x86_64"]);
            }),
            ("another binary", &|t| {
                t["Resources"]["RevalidatorFunction"]["Metadata"]["BuildProperties"]["Binary"] =
                    json!("role-verifier");
            }),
            ("a function that no test here knows", &|t| {
                let copy = t["Resources"]["RevalidatorFunction"].clone();
                t["Resources"]["AnotherFunction"] = copy;
            }),
        ],
    );
}

#[test]
fn each_function_logs_into_a_group_of_its_own_that_forgets() {
    holds_and_notices(
        each_function_logs_into_its_own_group_for_a_bounded_time,
        &vendor(),
        &[
            ("a shared group", &|t| {
                resource(t, "RevalidatorFunction")["LoggingConfig"]["LogGroup"] =
                    json!({"Ref": "RoleVerifierLogs"});
            }),
            ("a group that keeps everything", &|t| {
                resource(t, "RevalidatorLogs")
                    .as_object_mut()
                    .unwrap()
                    .remove("RetentionInDays");
            }),
        ],
    );
}

//! What a deployment must decide is decided, or the function does not start and says what is missing. The real binaries,
//! each with the variables that it was deployed with, less or other than one.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_tests::{
    Error,
    runtime_api::{RunningFunction, Variables},
    sam_template::{load, repository_path},
    scene::Scene,
};
use serde_json::Value;

/// A variable, and values that are none of its.
type Malformed = (&'static str, &'static [&'static str]);

/// What each function reads, and a value of each variable that is no such value. A text that can be anything has none.
const VARIABLES: [(&str, &[Malformed]); 4] = [
    (
        "link-generator",
        &[
            ("LOG_LEVEL", &["loud"]),
            ("TABLE_NAME", &[]),
            ("TENANT_CLAIM", &[]),
            (
                "LISTENER_REGIONS",
                &["moon", "us-east-1,,eu-west-1", "us-east-1;eu-west-1"],
            ),
            ("DEFAULT_REGION", &["moon", "eu-north-1"]),
            ("STACK_NAME_PREFIX", &["1st", "a b", "$(x)"]),
            ("REQUIRE_ACCOUNT_ID", &["perhaps", "1"]),
            ("LISTENER_ACCESS", &["closed", "Open"]),
            ("LISTENER_TOPIC_NAME", &["a b", "a.fifo", "*"]),
            ("VENDOR_ACCOUNT_ID", &["1", "12345678901x", "*"]),
            ("VERIFICATION_QUEUE_URL", &[]),
            ("VERIFICATION_DEADLINE_SECONDS", &["0", "3601", "soon"]),
            (
                "LINK_LIFETIME_SECONDS",
                &["0", "59", "7776001", "week", "-1", "1e3"],
            ),
            ("AUDIT_RETENTION_DAYS", &["0", "3651", "x"]),
            ("SWEEP_SLOTS", &["0", "10081", "x"]),
            ("DEGRADED_SLOTS", &["0", "10081", "x"]),
        ],
    ),
    (
        "custom-resource-listener",
        &[
            ("LOG_LEVEL", &["loud"]),
            ("TABLE_NAME", &[]),
            ("VERIFICATION_QUEUE_URL", &[]),
            ("VENDOR_ACCOUNT_ID", &["1", "12345678901x", "*"]),
            ("LISTENER_TOPIC_NAME", &["a b", "a.fifo", "*"]),
            ("LISTENER_REGIONS", &["moon", "*"]),
            ("VERIFICATION_DEADLINE_SECONDS", &["0", "3601", "soon"]),
            ("AUDIT_RETENTION_DAYS", &["0", "3651", "x"]),
            ("SWEEP_SLOTS", &["0", "10081", "x"]),
            ("DEGRADED_SLOTS", &["0", "10081", "x"]),
            (
                "LOCAL_ANSWER_ENDPOINT",
                &["http://10.0.0.1", "https://10.0.0.1", "http://evil.example", "x"],
            ),
        ],
    ),
    (
        "role-verifier",
        &[
            ("LOG_LEVEL", &["loud"]),
            ("TABLE_NAME", &[]),
            ("VERIFICATION_QUEUE_URL", &[]),
            ("SWEEP_QUEUE_URL", &[]),
            ("STS_CALLS_PER_SECOND", &["19", "10001", "x"]),
            ("SWEEP_CONCURRENCY", &["0", "1001", "x"]),
            ("PROBE_CONCURRENCY", &["7", "257", "x"]),
            ("AUDIT_RETENTION_DAYS", &["0", "3651", "x"]),
            ("SWEEP_SLOTS", &["0", "10081", "x"]),
            ("DEGRADED_SLOTS", &["0", "10081", "x"]),
            (
                "LOCAL_ANSWER_ENDPOINT",
                &["http://10.0.0.1", "https://10.0.0.1", "http://evil.example", "x"],
            ),
        ],
    ),
    (
        "revalidator",
        &[
            ("LOG_LEVEL", &["loud"]),
            ("TABLE_NAME", &[]),
            ("SWEEP_QUEUE_URL", &[]),
            ("STS_CALLS_PER_SECOND", &["19", "10001", "x"]),
            ("PROOF_EVERY_SWEEPS", &["0", "91", "x"]),
            ("SWEEP_SLOTS", &["0", "10081", "x"]),
            ("DEGRADED_SLOTS", &["0", "10081", "x"]),
            ("SWEEP_TICK_SECONDS", &["0", "86401", "x"]),
            ("LISTENER_ACCESS", &["closed", "Open"]),
            ("LISTENER_TOPIC_NAME", &["a b", "a.fifo", "*"]),
            ("LISTENER_REGIONS", &["moon", "*"]),
            ("VENDOR_ACCOUNT_ID", &["1", "12345678901x", "*"]),
        ],
    ),
];
/// What a deployment on AWS does without.
const OPTIONAL: [&str; 1] = ["LOCAL_ANSWER_ENDPOINT"];

/// Expects that a function ends at once and says which variable is to blame, and not what was in it.
async fn assert_names(function: &str, variables: &Variables, name: &str) -> Result<(), Error> {
    let mut running = RunningFunction::start(function, variables).await?;
    let status = running
        .ended()
        .await
        .map_err(|error| format!("{function} with a bad {name}: {error}"))?;
    let output = running.output();
    assert!(!status.success(), "{function} with a bad {name} ended well");
    assert!(
        output.contains(&format!("environment variable {name} ")) || output.contains(&format!("\"{name}\"")),
        "{function}, {name}: {output}"
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_or_malformed_variable_stops_the_function_at_start_and_is_named() -> Result<(), Error> {
    let scene = Scene::open()?;
    for (function, table) in VARIABLES {
        let deployed = scene.variables(function).await?;
        for (name, malformed) in table {
            if !OPTIONAL.contains(name) {
                let mut missing = deployed.clone();
                missing
                    .remove(*name)
                    .ok_or_else(|| format!("{function} is deployed without {name}"))?;
                assert_names(function, &missing, name).await?;
                missing.insert((*name).to_owned(), String::new());
                assert_names(function, &missing, name).await?;
            }
            for value in *malformed {
                let mut other = deployed.clone();
                other.insert((*name).to_owned(), (*value).to_owned());
                assert_names(function, &other, name)
                    .await
                    .map_err(|error| format!("{value}: {error}"))?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn with_the_variables_of_its_deployment_and_nothing_else_a_function_starts_and_stays()
-> Result<(), Error> {
    let scene = Scene::open()?;
    for (function, table) in VARIABLES {
        let known: BTreeSet<&str> = table.iter().map(|(name, _)| *name).collect();
        let mut variables = scene.variables(function).await?;
        variables.retain(|name, _| known.contains(name.as_str()) || name.starts_with("AWS_"));
        for optional in OPTIONAL {
            variables.remove(optional);
        }
        let mut running = RunningFunction::start(function, &variables).await?;
        let ended = tokio::time::timeout(std::time::Duration::from_secs(1), running.ended()).await;
        assert!(ended.is_err(), "{function} ended: {}", running.output());
    }
    Ok(())
}

/// The names of the variables that `template.yaml` gives to each function, by its folder.
fn given() -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let template = load("template.yaml")?;
    let names = |of: &Value| -> BTreeSet<String> {
        of["Environment"]["Variables"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let everywhere = names(&template["Globals"]["Function"]);
    let resources = template["Resources"].as_object().ok_or("no resources")?;
    let functions = resources
        .values()
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    Ok(functions
        .map(|function| {
            let folder = function["Properties"]["CodeUri"].as_str().unwrap_or_default();
            let mut given = names(&function["Properties"]);
            given.extend(everywhere.clone());
            (folder.trim_start_matches("functions/").to_owned(), given)
        })
        .collect())
}

/// What the shared crate reads for a function. One that is missing here is found by the test above this: a function that
/// gets only what the table knows would not start.
const SHARED_READERS: [(&str, &[&str]); 7] = [
    (
        "ListenerTopics::from_environment",
        &["VENDOR_ACCOUNT_ID", "LISTENER_TOPIC_NAME", "LISTENER_REGIONS"],
    ),
    (
        "ListenerTopics::for_single_accounts",
        &[
            "LISTENER_ACCESS",
            "VENDOR_ACCOUNT_ID",
            "LISTENER_TOPIC_NAME",
            "LISTENER_REGIONS",
        ],
    ),
    ("sweep_plan()", &["SWEEP_SLOTS", "DEGRADED_SLOTS"]),
    ("audit_retention_days()", &["AUDIT_RETENTION_DAYS"]),
    (
        "verification_deadline_seconds()",
        &["VERIFICATION_DEADLINE_SECONDS"],
    ),
    ("sts_calls_per_second()", &["STS_CALLS_PER_SECOND"]),
    ("LocalEndpoint::from_environment", &["LOCAL_ANSWER_ENDPOINT"]),
];

/// The names of the variables that a function's code reads: the upper-case texts in its `config.rs`, and what the
/// shared crate reads for it.
fn read(function: &str) -> Result<BTreeSet<String>, Error> {
    let source = std::fs::read_to_string(repository_path(&format!("functions/{function}/src/config.rs")))?;
    let is_name = |text: &&str| {
        text.len() > 3
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let mut names: BTreeSet<String> = source.split('"').filter(is_name).map(str::to_owned).collect();
    names.insert("LOG_LEVEL".to_owned());
    for (call, variables) in SHARED_READERS {
        if source.contains(call) {
            names.extend(variables.iter().map(|&name| name.to_owned()));
        }
    }
    Ok(names)
}

#[test]
fn the_template_gives_each_function_exactly_what_it_reads_and_the_table_above_knows_it() -> Result<(), Error>
{
    let given = given()?;
    let known: BTreeSet<&str> = VARIABLES.iter().map(|(function, _)| *function).collect();
    assert_eq!(
        given.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known,
        "functions"
    );
    for (function, table) in VARIABLES {
        let read = read(function)?;
        let table: BTreeSet<String> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(table, read, "{function}: the table, and what its code reads");
        assert_eq!(
            given[function], read,
            "{function}: what template.yaml gives, and what its code reads"
        );
    }
    Ok(())
}

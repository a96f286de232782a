//! What a deployment must decide is decided, or the function does not start and says what is missing. The real binaries,
//! each with the variables that it was deployed with, less or other than one.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_aws::config::BOUNDS;
use latchkey_tests::{
    Error,
    runtime_api::{Variables, start_function},
    sam_template::{functions, load, repository_path},
    scene::Scene,
};
use serde_json::Value;

/// What each function reads.
const VARIABLES: [(&str, &str); 4] = [
    (
        "link-generator",
        "LOG_LEVEL AWS_CA_BUNDLE TABLE_NAME TENANT_CLAIM LISTENER_REGIONS DEFAULT_REGION STACK_NAME_PREFIX REQUIRE_ACCOUNT_ID \
         LISTENER_ACCESS LISTENER_TOPIC_NAME VENDOR_ACCOUNT_ID VERIFICATION_QUEUE_URL \
         VERIFICATION_DEADLINE_SECONDS LINK_LIFETIME_SECONDS AUDIT_RETENTION_DAYS SWEEP_SLOTS DEGRADED_SLOTS",
    ),
    (
        "custom-resource-listener",
        "LOG_LEVEL AWS_CA_BUNDLE TABLE_NAME VERIFICATION_QUEUE_URL VENDOR_ACCOUNT_ID LISTENER_TOPIC_NAME LISTENER_REGIONS \
         VERIFICATION_DEADLINE_SECONDS AUDIT_RETENTION_DAYS SWEEP_SLOTS DEGRADED_SLOTS LOCAL_ANSWER_ENDPOINT",
    ),
    (
        "role-verifier",
        "LOG_LEVEL AWS_CA_BUNDLE TABLE_NAME VERIFICATION_QUEUE_URL SWEEP_QUEUE_URL VENDOR_ACCOUNT_ID ROLE_PATH \
         ON_OPEN_TRUST STS_CALLS_PER_SECOND SWEEP_CONCURRENCY PROBE_CONCURRENCY AUDIT_RETENTION_DAYS SWEEP_SLOTS \
         DEGRADED_SLOTS LOCAL_ANSWER_ENDPOINT",
    ),
    (
        "revalidator",
        "LOG_LEVEL AWS_CA_BUNDLE TABLE_NAME SWEEP_QUEUE_URL STS_CALLS_PER_SECOND PROOF_EVERY_SWEEPS SWEEP_SLOTS DEGRADED_SLOTS \
         SWEEP_TICK_SECONDS LISTENER_ACCESS LISTENER_TOPIC_NAME LISTENER_REGIONS VENDOR_ACCOUNT_ID \
         LOCAL_ANSWER_ENDPOINT",
    ),
];
/// What every function reads, in the shared crates.
const READ_BY_ALL: [&str; 2] = ["LOG_LEVEL", "AWS_CA_BUNDLE"];
/// Values that are none of a variable's. A text that can be anything has none; a number has those beyond its bounds.
const MALFORMED: [(&str, &[&str]); 14] = [
    ("LOG_LEVEL", &["loud"]),
    (
        "LISTENER_REGIONS",
        &["moon", "*", "us-east-1,,eu-west-1", "us-east-1;eu-west-1"],
    ),
    ("DEFAULT_REGION", &["moon", "eu-north-1"]),
    ("STACK_NAME_PREFIX", &["1st", "a b", "$(x)"]),
    ("REQUIRE_ACCOUNT_ID", &["perhaps", "1"]),
    ("LISTENER_ACCESS", &["closed", "Open"]),
    ("LISTENER_TOPIC_NAME", &["a b", "a.fifo", "*"]),
    ("VENDOR_ACCOUNT_ID", &["1", "12345678901x", "*"]),
    ("ROLE_PATH", &["/", "latchkey/", "/latchkey", "//", "/a b/"]),
    ("ON_OPEN_TRUST", &["Refuse", "ignore"]),
    ("LINK_LIFETIME_SECONDS", &["week", "-1", "1e3"]),
    ("LOCAL_ANSWER_ENDPOINT", &["http://10.0.0.1", "https://10.0.0.1"]),
    ("AWS_CA_BUNDLE", &["/nowhere.pem", "/dev/null"]),
    ("LOCAL_ANSWER_ENDPOINT", &["http://evil.example", "x"]),
];
/// What a deployment on AWS does without.
const OPTIONAL: [&str; 3] = ["LOCAL_ANSWER_ENDPOINT", "AWS_CA_BUNDLE", "TENANT_CLAIM"];

/// Expects that a function ends at once and says which variable is to blame, and not what was in it.
async fn assert_names(function: &str, variables: &Variables, name: &str) -> Result<(), Error> {
    let mut running = start_function(function, variables).await?;
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
        for name in table.split(' ') {
            if !OPTIONAL.contains(&name) {
                let mut missing = deployed.clone();
                missing
                    .remove(name)
                    .ok_or_else(|| format!("{function} is deployed without {name}"))?;
                assert_names(function, &missing, name).await?;
                missing.insert(name.to_owned(), String::new());
                assert_names(function, &missing, name).await?;
            }
            let bounds = BOUNDS.into_iter().filter(|(bounded, _)| *bounded == name);
            let beyond = bounds.flat_map(|(_, bounds)| {
                let (less, more) = (bounds.start() - 1, bounds.end() + 1);
                [less.to_string(), more.to_string(), "x".to_owned()]
            });
            let malformed = MALFORMED.iter().filter(|(of, _)| *of == name);
            let malformed = malformed.flat_map(|(_, values)| values.iter().map(|&value| value.to_owned()));
            for value in malformed.chain(beyond) {
                let mut other = deployed.clone();
                other.insert(name.to_owned(), value.clone());
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
        let known: BTreeSet<&str> = table.split(' ').collect();
        let mut variables = scene.variables(function).await?;
        variables.retain(|name, _| known.contains(name.as_str()) || name.starts_with("AWS_"));
        for optional in OPTIONAL {
            variables.remove(optional);
        }
        let mut running = start_function(function, &variables).await?;
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
    let all = functions(&template).into_iter().map(|(folder, id)| {
        let mut given = names(&template["Resources"][&id]["Properties"]);
        given.extend(everywhere.clone());
        (folder, given)
    });
    Ok(all.collect())
}

/// What the shared crate reads for a function. One that is missing here is found by the test above this: a function that
/// gets only what the table knows would not start.
const SHARED_READERS: [(&str, &str); 7] = [
    (
        "ListenerTopics::from_environment",
        "VENDOR_ACCOUNT_ID LISTENER_TOPIC_NAME LISTENER_REGIONS",
    ),
    (
        "ListenerTopics::for_single_accounts",
        "LISTENER_ACCESS VENDOR_ACCOUNT_ID LISTENER_TOPIC_NAME LISTENER_REGIONS",
    ),
    ("sweep_plan()", "SWEEP_SLOTS DEGRADED_SLOTS"),
    ("audit_retention_days()", "AUDIT_RETENTION_DAYS"),
    ("verification_deadline_seconds()", "VERIFICATION_DEADLINE_SECONDS"),
    ("sts_calls_per_second()", "STS_CALLS_PER_SECOND"),
    ("LocalEndpoint::from_environment", "LOCAL_ANSWER_ENDPOINT"),
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
    names.extend(READ_BY_ALL.map(str::to_owned));
    for (call, variables) in SHARED_READERS {
        if source.contains(call) {
            names.extend(variables.split(' ').map(str::to_owned));
        }
    }
    Ok(names)
}

#[test]
fn the_template_gives_each_function_exactly_what_it_reads_and_the_table_above_knows_it() -> Result<(), Error>
{
    let given = given()?;
    let known: BTreeSet<&str> = VARIABLES.iter().map(|(function, _)| *function).collect();
    assert!(given.keys().map(String::as_str).eq(known), "{given:?}");
    for (function, table) in VARIABLES {
        let read = read(function)?;
        let table: BTreeSet<String> = table.split(' ').map(str::to_owned).collect();
        assert_eq!(table, read, "{function}: the table, and what its code reads");
        assert_eq!(
            given[function], read,
            "{function}: what template.yaml gives, and what its code reads"
        );
    }
    Ok(())
}

/// The least and the most that a deployment can set a variable to: of its parameter, or of the mapping that the
/// parameter chooses from.
fn settable(template: &Value, variable: &Value) -> Option<(u64, u64)> {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let ends = |values: Vec<u64>| Some((*values.iter().min()?, *values.iter().max()?));
    if let Some(parameter) = variable["Ref"].as_str() {
        let parameter = &template["Parameters"][parameter];
        return match parameter["AllowedValues"].as_array() {
            Some(allowed) => ends(allowed.iter().filter_map(number).collect()),
            None => Some((number(&parameter["MinValue"])?, number(&parameter["MaxValue"])?)),
        };
    }
    let found = variable["Fn::FindInMap"].as_array()?;
    let mapping = template["Mappings"][found[0].as_str()?].as_object()?;
    let key = found[2].as_str()?;
    ends(mapping.values().filter_map(|entry| number(&entry[key])).collect())
}

#[test]
fn template_and_functions_agree_on_the_bounds_of_numbers() -> Result<(), Error> {
    let template = load("template.yaml")?;
    let mut compared = BTreeSet::new();
    for (_, id) in functions(&template) {
        let variables = &template["Resources"][&id]["Properties"]["Environment"]["Variables"];
        for (name, bounds) in BOUNDS {
            if let Some(variable) = variables.get(name) {
                let (min, max) = (u64::from(*bounds.start()), u64::from(*bounds.end()));
                assert_eq!(settable(&template, variable), Some((min, max)), "{name}");
                compared.insert(name);
            }
        }
    }
    assert_eq!(compared, BOUNDS.into_iter().map(|(name, _)| name).collect());
    Ok(())
}

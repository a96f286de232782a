//! Every file of `events/` goes to the real binary of its function through the Lambda Runtime API, with the local AWS
//! behind it: what the README tells people to try does what it says.

use std::collections::BTreeSet;

use latchkey_tests::{
    Error,
    runtime_api::{Outcome, start_function},
    sam_template::repository_path,
    scene::Scene,
};
use serde_json::{Value, json};

/// What a file comes to.
enum Expected {
    /// The API's status, and a field of the body with its value.
    Http(u16, &'static str, &'static str),
    /// The listener drops it, because of this field.
    Dropped(&'static str),
    /// The listener has worked on it, with this outcome in its log.
    Received(&'static str),
    /// These messages of the batch come back.
    Failures(&'static [&'static str]),
    /// A sweep.
    Swept,
}
use Expected::{Dropped, Failures, Http, Received, Swept};

/// Every file and what it comes to in a deployment that knows nothing of what is in it, and into whose buckets nobody
/// but CloudFormation signs.
const FILES: &[(&str, &str, Expected)] = &[
    ("link-generator", "create", Http(201, "status", "pending")),
    (
        "link-generator",
        "create-with-a-name-only",
        Http(201, "status", "pending"),
    ),
    (
        "link-generator",
        "create-for-an-organization",
        Http(201, "kind", "organization"),
    ),
    (
        "link-generator",
        "create-with-its-own-external-id",
        Http(400, "type", "urn:latchkey:problem:invalid_request"),
    ),
    (
        "link-generator",
        "create-with-bad-json",
        Http(400, "type", "urn:latchkey:problem:invalid_request"),
    ),
    (
        "link-generator",
        "create-without-a-body",
        Http(400, "type", "urn:latchkey:problem:invalid_request"),
    ),
    (
        "link-generator",
        "create-in-a-region-without-a-topic",
        Http(400, "type", "urn:latchkey:problem:invalid_request"),
    ),
    (
        "link-generator",
        "create-without-a-tenant-claim",
        Http(403, "type", "urn:latchkey:problem:no_tenant"),
    ),
    (
        "link-generator",
        "get",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    (
        "link-generator",
        "get-with-a-bad-id",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    (
        "link-generator",
        "delete",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    (
        "link-generator",
        "name-a-role",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    (
        "link-generator",
        "rotate",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    (
        "link-generator",
        "cancel-rotation",
        Http(404, "type", "urn:latchkey:problem:not_found"),
    ),
    ("link-generator", "template-versions", Http(200, "", "")),
    ("link-generator", "list", Http(200, "", "")),
    ("link-generator", "list-with-a-limit", Http(200, "", "")),
    (
        "custom-resource-listener",
        "create",
        Received("external_id_unknown"),
    ),
    (
        "custom-resource-listener",
        "update",
        Received("external_id_unknown"),
    ),
    (
        "custom-resource-listener",
        "delete",
        Received("not_from_cloudformation"),
    ),
    (
        "custom-resource-listener",
        "delete-of-an-unknown-resource",
        Received("not_from_cloudformation"),
    ),
    (
        "custom-resource-listener",
        "create-with-garbage-properties",
        Received("external_id_unknown"),
    ),
    (
        "custom-resource-listener",
        "create-with-an-unknown-external-id",
        Received("external_id_unknown"),
    ),
    (
        "custom-resource-listener",
        "create-with-a-role-of-another-account",
        Received("role_in_other_account"),
    ),
    (
        "custom-resource-listener",
        "create-answered-to-the-metadata-service",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-to-the-metadata-service-by-path",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-to-a-look-alike-bucket",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-to-a-look-alike-host",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-to-localhost",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-for-another-stack",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-in-another-region",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-with-user-info",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-answered-over-http",
        Dropped("ResponseURL"),
    ),
    (
        "custom-resource-listener",
        "create-from-another-region-than-its-topic",
        Dropped("StackId"),
    ),
    (
        "custom-resource-listener",
        "create-for-another-vendors-topic",
        Dropped("ServiceToken"),
    ),
    (
        "custom-resource-listener",
        "create-through-a-foreign-topic",
        Dropped("TopicArn"),
    ),
    (
        "custom-resource-listener",
        "create-of-another-resource-type",
        Received("not_from_cloudformation"),
    ),
    (
        "custom-resource-listener",
        "delete-of-another-resource-type",
        Received("not_from_cloudformation"),
    ),
    (
        "custom-resource-listener",
        "create-of-cdks-default-type",
        Received("external_id_unknown"),
    ),
    (
        "custom-resource-listener",
        "unknown-request-type",
        Received("not_from_cloudformation"),
    ),
    ("custom-resource-listener", "not-json", Dropped("request")),
    (
        "role-verifier",
        "request",
        Failures(&["19dd0b57-b21e-4ac1-bd88-000000000001"]),
    ),
    ("role-verifier", "recheck", Failures(&[])),
    ("role-verifier", "chunk", Failures(&[])),
    ("role-verifier", "batch", Failures(&[])),
    (
        "role-verifier",
        "batch-with-a-bad-message",
        Failures(&[
            "19dd0b57-b21e-4ac1-bd88-000000000001",
            "19dd0b57-b21e-4ac1-bd88-000000000002",
            "19dd0b57-b21e-4ac1-bd88-000000000003",
        ]),
    ),
    ("revalidator", "tick", Swept),
];

#[test]
fn every_file_of_events_has_a_line_here() -> Result<(), Error> {
    let mut files = BTreeSet::new();
    for folder in std::fs::read_dir(repository_path("events"))? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            let name = |path: &std::path::Path| {
                path.file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            };
            files.insert((name(&folder), name(&file)));
        }
    }
    let lines: BTreeSet<_> = FILES
        .iter()
        .map(|(function, file, _)| ((*function).to_owned(), (*file).to_owned()))
        .collect();
    assert_eq!(files, lines);
    Ok(())
}

async fn feed(function: &str) -> Result<(), Error> {
    let scene = Scene::open()?;
    let mut running = start_function(function, &scene.variables(function).await?).await?;
    for (_, file, expected) in FILES.iter().filter(|(of, _, _)| *of == function) {
        let path = repository_path(&format!("events/{function}/{file}.json"));
        let event: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let before = running.output().len();
        let answer = match running.invoke(&event).await? {
            Outcome::Answer(answer) => answer,
            Outcome::Failure(failure) => return Err(format!("{file} failed: {failure}").into()),
        };
        let said = running.output()[before..].to_owned();
        check(file, expected, &event, &answer, &said)?;
    }
    Ok(())
}

fn check(file: &str, expected: &Expected, event: &Value, answer: &Value, said: &str) -> Result<(), Error> {
    match expected {
        Http(status, field, value) => {
            assert_eq!(answer["statusCode"], *status, "{file}: {answer}");
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
            if !field.is_empty() {
                assert_eq!(body[*field], *value, "{file}: {body}");
            }
            assert_eq!(answer["headers"]["cache-control"], "no-store");
            let problem = answer["headers"]["content-type"] == "application/problem+json";
            assert_eq!(problem, *status >= 400, "{file}: {answer}");
        }
        Dropped(field) => {
            assert_eq!(*answer, Value::Null, "{file}");
            assert!(said.contains("request.dropped"), "{file}: {said}");
            assert!(
                said.contains(&format!("\"invalid.field\":\"{field}\"")),
                "{file}: {said}"
            );
        }
        Received(outcome) => {
            assert_eq!(*answer, Value::Null, "{file}");
            assert!(
                said.contains("request.received") && said.contains(outcome),
                "{file}: {said}"
            );
        }
        Failures(ids) => {
            let failures = answer["batchItemFailures"].as_array().ok_or("no failures")?;
            let failed: Vec<&Value> = failures
                .iter()
                .map(|failure| &failure["itemIdentifier"])
                .collect();
            assert_eq!(
                failed,
                ids.iter()
                    .map(|id| json!(id))
                    .collect::<Vec<_>>()
                    .iter()
                    .collect::<Vec<_>>(),
                "{file}"
            );
            assert!(
                event["Records"]
                    .as_array()
                    .is_some_and(|records| records.len() >= ids.len())
            );
        }
        Swept => {
            for field in ["tick", "slots", "queued"] {
                assert!(answer[field].is_u64(), "{file}: {answer}");
            }
        }
    }
    let secret = ["X-Amz-", "Signature", "EXAMPLE.NOT-A-TOKEN"];
    assert!(!secret.iter().any(|part| said.contains(part)), "{file}: {said}");
    Ok(())
}

#[tokio::test]
async fn the_link_generator_does_with_its_events_what_their_readme_says() -> Result<(), Error> {
    feed("link-generator").await
}

#[tokio::test]
async fn the_listener_does_with_its_events_what_their_readme_says() -> Result<(), Error> {
    feed("custom-resource-listener").await
}

#[tokio::test]
async fn the_verifier_does_with_its_events_what_their_readme_says() -> Result<(), Error> {
    feed("role-verifier").await
}

#[tokio::test]
async fn the_revalidator_does_with_its_events_what_their_readme_says() -> Result<(), Error> {
    feed("revalidator").await
}

/// The Runtime API of this test is no Runtime API if a function's own failure looks like an answer.
#[tokio::test]
async fn an_event_of_another_function_is_a_failure() -> Result<(), Error> {
    let scene = Scene::open()?;
    let variables = scene.variables("custom-resource-listener").await?;
    let mut running = start_function("custom-resource-listener", &variables).await?;
    let outcome = running.invoke(&json!({ "Records": [{ "Sns": 1 }] })).await?;
    assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
    Ok(())
}

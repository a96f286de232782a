//! Every file of `events/` goes to the real binary of its function through the Lambda Runtime API, with the local AWS
//! behind it: what the README tells people to try does what it says.

use std::collections::BTreeSet;

use latchkey_tests::{
    Error,
    runtime_api::{Outcome, start_function},
    sam_template::repository_path,
    scene::{Scene, assert_contains},
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

/// A function, and what its files come to.
type Function = (&'static str, &'static [(Expected, &'static str)]);

/// Every file and what it comes to in a deployment that knows nothing of what is in it, and into whose buckets nobody
/// but CloudFormation signs.
const FILES: &[Function] = &[
    (
        "link-generator",
        &[
            (
                Http(201, "status", "pending"),
                "create create-with-a-name-only signed-create",
            ),
            (Http(201, "kind", "organization"), "create-for-an-organization"),
            (
                Http(400, "type", "urn:latchkey:problem:invalid_request"),
                "create-with-its-own-external-id create-with-bad-json create-without-a-body \
                 create-in-a-region-without-a-topic signed-for-a-tenant-with-a-slash",
            ),
            (
                Http(403, "type", "urn:latchkey:problem:no_tenant"),
                "create-without-a-tenant-claim",
            ),
            (
                Http(403, "type", "urn:latchkey:problem:wrong_door"),
                "signed-route-with-a-token token-route-with-a-signature",
            ),
            (
                Http(404, "type", "urn:latchkey:problem:not_found"),
                "get get-with-a-bad-id delete name-a-role rotate cancel-rotation signed-get",
            ),
            (
                Http(200, "", ""),
                "options template-versions list list-with-a-limit signed-list",
            ),
        ],
    ),
    (
        "custom-resource-listener",
        &[
            (
                Received("external_id_unknown"),
                "create update create-of-cdks-default-type create-with-garbage-properties \
                 create-with-an-unknown-external-id",
            ),
            (
                Received("not_from_cloudformation"),
                "delete delete-of-an-unknown-resource",
            ),
            (
                Received("answer_refused"),
                "delete-of-another-resource-type create-of-another-resource-type unknown-request-type",
            ),
            (
                Received("role_in_other_account"),
                "create-with-a-role-of-another-account",
            ),
            (
                Dropped("ResponseURL"),
                "create-answered-to-the-metadata-service create-answered-to-the-metadata-service-by-path \
                 create-answered-to-a-look-alike-bucket create-answered-to-a-look-alike-host \
                 create-answered-to-localhost create-answered-for-another-stack \
                 create-answered-in-another-region create-answered-with-user-info \
                 create-answered-over-http",
            ),
            (Dropped("StackId"), "create-from-another-region-than-its-topic"),
            (Dropped("ServiceToken"), "create-for-another-vendors-topic"),
            (Dropped("TopicArn"), "create-through-a-foreign-topic"),
            (Dropped("request"), "not-json"),
        ],
    ),
    (
        "role-verifier",
        &[
            (Failures(&["19dd0b57-b21e-4ac1-bd88-000000000001"]), "request"),
            (Failures(&[]), "recheck chunk batch"),
            (
                Failures(&[
                    "19dd0b57-b21e-4ac1-bd88-000000000001",
                    "19dd0b57-b21e-4ac1-bd88-000000000002",
                    "19dd0b57-b21e-4ac1-bd88-000000000003",
                ]),
                "batch-with-a-bad-message",
            ),
        ],
    ),
    ("revalidator", &[(Swept, "tick")]),
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
    let mut lines = BTreeSet::new();
    for (function, expected) in FILES {
        let files = expected.iter().flat_map(|(_, files)| files.split(' '));
        lines.extend(files.map(|file| ((*function).to_owned(), file.to_owned())));
    }
    assert_eq!(files, lines);
    Ok(())
}

async fn feed(function: &str) -> Result<(), Error> {
    let scene = Scene::open()?;
    let mut running = start_function(function, &scene.variables(function).await?).await?;
    let of_function = FILES.iter().filter(|(of, _)| *of == function);
    for (expected, files) in of_function.flat_map(|(_, expected)| *expected) {
        for file in files.split(' ') {
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
            assert_contains(said, &format!("\"invalid.field\":\"{field}\""));
        }
        Received(outcome) => {
            assert_eq!(*answer, Value::Null, "{file}");
            assert_contains(said, "request.received");
            assert_contains(said, outcome);
        }
        Failures(ids) => {
            let failures = answer["batchItemFailures"].as_array().ok_or("no failures")?;
            let failed: Vec<&str> = failures
                .iter()
                .filter_map(|failure| failure["itemIdentifier"].as_str())
                .collect();
            assert_eq!(failed, *ids, "{file}");
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

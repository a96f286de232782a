//! What several classes start from: messages that are forged well, and how to see what became of them.

use std::time::{Duration, Instant};

use latchkey_tests::{
    Error,
    api::Api,
    cloudformation_message::{ForgedRequest, uuid},
    customer::Customer,
    scene::{Connected, Scene, text},
    trap::Trap,
    wiretap::Wiretap,
};
use serde_json::{Value, json};

/// The folder of the function that the topics call.
pub const LISTENER: &str = "custom-resource-listener";

/// Expects that something took less than so many seconds.
#[track_caller]
pub fn assert_soon(started: Instant, seconds: u64) {
    let took = started.elapsed();
    assert!(took < Duration::from_secs(seconds), "it took {took:?}");
}

/// A customer who connects while somebody reads along, and the request that connected them.
pub async fn tapped(scene: &Scene, api: &Api) -> Result<(Wiretap, Connected, Value), Error> {
    let mut wiretap = Wiretap::on(scene, "us-east-1").await?;
    let one = scene.connect(api, "us-east-1").await?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    Ok((wiretap, one, create))
}

/// Expects that the listener did not work on a message for this field, and keeps nothing of the stack that it names.
pub async fn assert_not_read(
    scene: &Scene,
    message_id: &str,
    stack_id: &str,
    field: &str,
) -> Result<(), Error> {
    let line = scene.heard(&[message_id, "invalid.field"]).await?;
    let told = format!("\"invalid.field\":\"{field}\"");
    assert!(line.contains(&told), "{field}: {line}");
    let left = scene.items_about(stack_id).await?;
    assert!(left.is_empty(), "{field}: {left:?}");
    Ok(())
}

/// A forged Create that would be admitted if its URL were CloudFormation's.
pub async fn admissible(scene: &Scene, attacker: &Customer) -> Result<ForgedRequest, Error> {
    let link = scene.link(&scene.acme()?, "us-east-1").await?;
    ForgedRequest::create(
        scene,
        attacker,
        &text(&link, "external_id")?,
        &attacker.role_arn("x"),
    )
}

/// URLs that are not CloudFormation's for the request, each for its own reason.
pub fn other_urls(request: &ForgedRequest, trap: &Trap) -> Vec<String> {
    let (host, path, query) = (request.host(), request.path(), ForgedRequest::query());
    let trap = trap.address;
    let bucket = "cloudformation-custom-resource-response-useast1";
    let other_id = request.stack_id().replace("stack/Forged", "stack/Another");
    let other_stack = request.clone().with("StackId", json!(other_id)).path();
    let other_request = request.clone().with("RequestId", json!(uuid())).path();
    vec![
        format!("https://{trap}{path}?{query}"),
        format!("http://{trap}{path}?{query}"),
        format!("http://169.254.169.254/latest/meta-data/iam/security-credentials/?{query}"),
        format!("https://169.254.169.254{path}?{query}"),
        format!("https://[::ffff:127.0.0.1]:{}{path}?{query}", trap.port()),
        format!("https://localhost:{}{path}?{query}", trap.port()),
        format!("https://{host}@{trap}{path}?{query}"),
        format!("https://{trap}\\@{host}{path}?{query}"),
        format!("https://{host}:443@{trap}{path}?{query}"),
        format!("https://user@{host}{path}?{query}"),
        format!("http://{host}{path}?{query}"),
        format!("HTTPS://{host}{path}?{query}"),
        format!("https://{host}:443{path}?{query}"),
        format!("https://{host}:{}{path}?{query}", trap.port()),
        format!("https://{host}.evil.example{path}?{query}"),
        format!("https://{bucket}x.s3.us-east-1.amazonaws.com{path}?{query}"),
        format!("https://{bucket}.evil.example{path}?{query}"),
        format!("https://evil-bucket.s3.us-east-1.amazonaws.com{path}?{query}"),
        format!("https://s3.us-east-1.amazonaws.com/{bucket}{path}?{query}"),
        format!(
            "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com{path}?{query}"
        ),
        format!("https://{bucket}.s3.us-east-1.amazonaws.com.cn{path}?{query}"),
        format!("https://{host}{other_stack}?{query}"),
        format!("https://{host}{other_request}?{query}"),
        format!("https://{host}/a/..{other_stack}?{query}"),
        format!("https://{host}{path}"),
        format!("https://{host}{path}?{query}#fragment"),
        // A URL to whoever drops tabs and line ends, as the URL standard says, and none to anybody else.
        format!("https://{host}/\t{}?{query}", &path[1..]),
        format!("https://{host}{path}?{query}\n"),
        format!("https://{host}{}?{query}", path.replace('/', "\\")),
        format!("https://{host}{path}?{query}&padding={}", "x".repeat(9_000)),
        format!("file:///etc/passwd?{query}"),
        format!("gopher://{trap}{path}?{query}"),
        format!("//{trap}{path}?{query}"),
        String::new(),
    ]
}

/// What SNS hands to the listener.
pub fn notification(scene: &Scene, message: &str) -> Result<Value, Error> {
    let path = latchkey_tests::sam_template::repository_path("events/custom-resource-listener/create.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    event["Records"][0]["Sns"]["TopicArn"] = json!(scene.ready.topic("us-east-1")?);
    event["Records"][0]["Sns"]["Message"] = json!(message);
    Ok(event)
}

/// IAM gives documents percent-encoded.
pub fn percent_decoded(document: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    decoded.into_owned()
}

//! Published versions are listed with what each changes, and a connection that is behind tells how it gets there.

use std::time::Duration;

use aws_sdk_iam::operation::create_role::CreateRoleError;
use aws_sdk_sts::{error::ProvideErrorMetadata as _, operation::assume_role::AssumeRoleOutput, types::Tag};
use jiff::{SignedDuration, Timestamp};
use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::{
    Error,
    api::Api,
    customer::Customer,
    local_aws::aws,
    sam_template::repository_path,
    scene::{Scene, assert_shows, text},
    stack_template::StackTemplate,
};
use reqwest::Method;
use serde_json::{Value, json};

async fn versions(api: &Api) -> Result<Value, Error> {
    let answer = api.call(Method::GET, "/v1/template-versions", None).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body)
}

#[tokio::test]
async fn every_tenant_reads_the_published_versions_with_their_digests_and_changes() -> Result<(), Error> {
    let scene = Scene::open()?;
    let body = versions(&scene.acme()?).await?;
    let current = text(&body, "current")?;
    let newest = body["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|version| version["version"] == json!(current))
        .ok_or("the current version is not listed")?;
    assert_eq!(newest["url"], json!(scene.ready.template_url));
    assert_eq!(text(newest, "sha256")?.len(), 64);
    assert!(
        newest["changes"]["changes"]
            .as_array()
            .is_some_and(|changes| !changes.is_empty()),
        "{newest}"
    );
    assert!(text(newest, "changelog")?.len() > 20);
    let names: Vec<_> = newest["files"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| &file["name"])
        .collect();
    assert!(names.contains(&&json!("security.html")), "{names:?}");
    assert_eq!(versions(&scene.globex()?).await?["current"], json!(current));
    Ok(())
}

/// A stack of the first template, the newest one as its update: through the very command that the API gives.
#[tokio::test]
async fn a_connection_that_is_behind_is_updated_by_the_command_from_the_api_and_then_is_not_behind_any_more()
-> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    scene.publish_first_version().await?;
    let mut first: Value = serde_json::from_str(&StackTemplate::new(&scene.ready, "EXTERNAL-ID").text())?;
    first["Parameters"] = json!({ "ExternalId": { "Type": "String", "Default": link.external_id.clone() } });
    let first = first
        .to_string()
        .replace("\"EXTERNAL-ID\"", "{\"Ref\":\"ExternalId\"}")
        // As our templates call it: by that the stack is known to be one of theirs.
        .replace("\"Role\"", "\"ConnectionRole\"");
    customer.create_stack("Behind", &first).await?;
    customer.wait("Behind").await?.expect("CREATE_COMPLETE")?;

    let shown = api.wait_for(&link.id, "active").await?;
    let current = text(&versions(&api).await?, "current")?;
    let update = &shown["update"];
    assert_eq!(update["version"], json!(current), "{shown}");
    let changes = update["changes"].as_array().ok_or("no changes")?;
    assert_eq!(changes.last().map(|last| &last["version"]), Some(&json!(current)));
    assert!(text(update, "update_url")?.contains("/stacks/update/template?stackId="));

    customer
        .run_update_command(&text(update, "update_command")?)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let updated = api
        .wait_until(&link.id, |connection| connection.get("update").is_none())
        .await?;
    assert_shows(
        &updated,
        json!({ "status": "active", "external_id": link.shown["external_id"] }),
    );
    // The template's default.
    assert_eq!(updated["permission_tier"], json!("account-basics"));
    Ok(())
}

#[tokio::test]
async fn a_link_for_a_tier_launches_with_it_and_is_not_behind() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let body = json!({ "name": "x", "region": "us-east-1", "permission_tier": "inventory" });
    let link = api.create(&body).await?;
    assert_eq!(link["permission_tier"], json!("inventory"));
    let customer = scene.new_customer("us-east-1").await?;
    customer.follow(&link).await?;
    let shown = api.wait_for(&text(&link, "id")?, "active").await?;
    assert_shows(
        &shown,
        json!({ "permission_tier": "inventory", "permissions": { "tier": "inventory" } }),
    );
    // The role has what the tier asks for.
    assert_eq!(shown["permissions"]["missing"], json!([]));
    assert_eq!(shown.get("update"), None);
    Ok(())
}

/// A template of the repository as this deployment publishes it, with the external ID as its
/// parameter's default.
fn template_text(scene: &Scene, file: &str, version: &str, external_id: &str) -> Result<String, Error> {
    let text = std::fs::read_to_string(repository_path(&format!("customer/{file}")))?;
    let filled = [
        ("__VENDOR_ACCOUNT_ID__", scene.ready.vendor_account.as_str()),
        ("__VENDOR_ROLE_PATH__", &scene.ready.role_path),
        ("__LISTENER_TOPIC_NAME__", "latchkey-listener"),
        ("__SERVED_REGIONS__", &scene.ready.regions.join(", ")),
        ("__TEMPLATE_VERSION__", version),
        (
            "  ExternalId:\n    Type: String\n",
            &format!("  ExternalId:\n    Type: String\n    Default: {external_id}\n"),
        ),
    ]
    .iter()
    .fold(text, |text, (name, value)| text.replace(name, value));
    Ok(filled)
}

/// Becomes a role of the vendor's that lives under the role path and has every right of STS.
async fn broker(scene: &Scene) -> Result<aws_sdk_sts::Client, Error> {
    let vendor = aws::root(&scene.ready.endpoint, &scene.ready.vendor_account, "us-east-1");
    let iam = aws_sdk_iam::Client::new(&vendor);
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": format!("arn:aws:iam::{}:root", scene.ready.vendor_account) },
    }] });
    let (name, path) = ("Broker", &scene.ready.role_path);
    let made = iam
        .create_role()
        .role_name(name)
        .path(path)
        .assume_role_policy_document(trust.to_string())
        .send()
        .await;
    let is_new = !made.as_ref().is_err_and(|error| {
        matches!(
            error.as_service_error(),
            Some(CreateRoleError::EntityAlreadyExistsException(_))
        )
    });
    if is_new {
        made?;
    }
    let may = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Resource": "*",
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
    }] });
    let put = iam.put_role_policy().role_name(name).policy_name("sessions");
    put.policy_document(may.to_string()).send().await?;
    let asked = aws_sdk_sts::Client::new(&vendor).assume_role();
    let role_arn = format!("arn:aws:iam::{}:role{path}{name}", scene.ready.vendor_account);
    let session = asked
        .role_arn(role_arn)
        .role_session_name("broker")
        .send()
        .await?;
    let session = session.credentials().ok_or("STS gave no credentials")?;
    let credentials = aws_sdk_sts::config::Credentials::new(
        session.access_key_id(),
        session.secret_access_key(),
        Some(session.session_token().to_owned()),
        None,
        "broker",
    );
    let config = aws_sdk_sts::config::Builder::from(&vendor)
        .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(credentials))
        .build();
    Ok(aws_sdk_sts::Client::from_conf(config))
}

/// A session of the customer's role that says what it comes for, or what STS said instead.
async fn session_that_says_why(
    broker: &aws_sdk_sts::Client,
    role_arn: &str,
    external_id: &str,
) -> Result<AssumeRoleOutput, String> {
    let tag = Tag::builder().key("latchkey:purpose").value("sync").build();
    let asked = broker
        .assume_role()
        .role_arn(role_arn)
        .external_id(external_id)
        .role_session_name("sync")
        .source_identity("ticket-7")
        .tags(tag.map_err(|error| error.to_string())?);
    let answer = asked.send().await;
    answer.map_err(|error| error.message().map_or_else(|| error.to_string(), str::to_owned))
}

/// What a session may say is known of the role, and it is so.
#[tokio::test]
async fn stacks_of_former_templates_keep_role_connection_and_external_id() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let broker = broker(&scene).await?;
    for version in ["1.0.0", "1.1.0"] {
        let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
        let former = template_text(
            &scene,
            &format!("versions/{version}.yaml"),
            version,
            &link.external_id,
        )?;
        customer.create_stack("Former", &former).await?;
        customer.wait("Former").await?.expect("CREATE_COMPLETE")?;
        let before = api.wait_for(&link.id, "active").await?;
        let told =
            |shown: &Value| ["takes_source_identity", "takes_tags"].map(|name| shown["trust"][name].clone());
        assert_eq!(told(&before), [json!(false), json!(false)], "{before}");
        let role_arn = text(&before, "role_arn")?;
        let refused = session_that_says_why(&broker, &role_arn, &link.external_id).await;
        let refused = refused.err().ok_or("a role of a former template let it in")?;
        assert!(
            refused.contains("is not authorized to perform: sts:TagSession"),
            "{refused}"
        );

        let current = template_text(&scene, "connection-template.yaml", "1.2.0", &link.external_id)?;
        customer.update_stack("Former", &current).await?;
        customer.wait("Former").await?.expect("UPDATE_COMPLETE")?;
        let after = api
            .wait_until(&link.id, |shown| shown["made_by"] == json!("template"))
            .await?;
        assert_shows(
            &after,
            json!({ "status": "active", "role_arn": role_arn, "external_id": link.external_id, "id": link.id }),
        );
        assert_eq!(told(&after), [json!(true), json!(true)], "{after}");
        let session = session_that_says_why(&broker, &role_arn, &link.external_id).await?;
        assert_eq!(session.source_identity(), Some("ticket-7"));
    }
    Ok(())
}

/// Launches the published template with a choice, from whichever region.
async fn chosen(
    scene: &Scene,
    customer: &Customer,
    external_id: &str,
    choice: (&str, &str),
) -> Result<latchkey_tests::customer::StackOutcome, Error> {
    let (name, value) = choice;
    let text = template_text(scene, "connection-template.yaml", "1.2.0", external_id)?;
    let parameter = format!("  {name}:\n    Type: String\n");
    let at = text.find(&parameter).ok_or("there is no such parameter")?;
    let default = text[at..].find("    Default: \"\"").ok_or("it has no default")? + at;
    let text = format!(
        "{}    Default: \"{value}\"{}",
        &text[..default],
        &text[default + "    Default: \"\"".len()..]
    );
    customer.create_stack("Chosen", &text).await?;
    customer.wait("Chosen").await
}

#[tokio::test]
async fn a_day_for_the_end_is_shown_and_a_past_one_refused_at_once() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let past = chosen(
        &scene,
        &customer,
        &link.external_id,
        ("AccessUntil", "2020-06-30"),
    )
    .await?;
    past.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::AccessEnded)?;
    customer.deleted(&past.stack_id).await?;
    let unreadable = chosen(
        &scene,
        &customer,
        &link.external_id,
        ("AccessUntil", "2999-02-31"),
    )
    .await?;
    unreadable.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::InvalidRequest)?;
    customer.deleted(&unreadable.stack_id).await?;
    let outcome = chosen(
        &scene,
        &customer,
        &link.external_id,
        ("AccessUntil", "2999-06-30"),
    )
    .await?;
    outcome.expect("CREATE_COMPLETE")?;
    let shown = api.wait_for(&link.id, "active").await?;
    assert_eq!(shown["access_until"], json!("2999-06-30T00:00:00Z"));
    assert_eq!(shown["trust"]["ends_at"], shown["access_until"]);
    Ok(())
}

#[tokio::test]
async fn an_access_that_ended_is_told_as_such_and_a_later_day_brings_it_back() -> Result<(), Error> {
    let (scene, api, connected) = Scene::with_connected().await?;
    let until = |seconds| -> Result<(Timestamp, Value), Error> {
        let end = Timestamp::now().checked_add(SignedDuration::from_secs(seconds))?;
        let mut condition = connected.template.published_condition();
        condition["DateLessThan"] =
            json!({ "aws:CurrentTime": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() });
        Ok((end, condition))
    };
    let (end, condition) = until(30)?;
    connected
        .updated(&connected.template.clone().condition(condition))
        .await?;
    let shown = scene.proven_after(&api, &connected.id, &connected.shown).await?;
    assert_eq!(shown["status"], "active");
    assert!(shown["access_until"].is_string(), "{shown}");
    let left = end.duration_since(Timestamp::now()).as_secs().max(0);
    tokio::time::sleep(Duration::from_secs(left.unsigned_abs() + 1)).await;
    let ended = scene.degraded(&api, &connected.id).await?;
    assert_eq!(ended["reason"]["code"], "access_ended", "{ended}");

    let (_, condition) = until(3_600)?;
    let later = connected.template.clone().condition(condition);
    connected
        .updated(&later.property("AccessUntil", json!("2999-06-30")))
        .await?;
    let back = api.wait_for(&connected.id, "active").await?;
    assert_eq!(back["reason"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_stack_in_a_region_that_is_not_served_is_refused_before_it_makes_anything() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let abroad = Customer::sign_in(&scene.ready.endpoint, &customer.account, "sa-east-1").await?;
    let text = template_text(&scene, "connection-template.yaml", "1.2.0", &link.external_id)?;
    let refused = abroad.create_stack("Abroad", &text).await;
    let refused = refused.err().ok_or("it was made")?.to_string();
    assert!(
        refused.contains("This vendor is not reached from this region"),
        "{refused}"
    );
    Ok(())
}

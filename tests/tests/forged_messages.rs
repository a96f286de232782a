//! Messages that no stack sent. The listener topics are open, as CloudFormation publishes with its customers' rights:
//! whoever knows the source code can publish whatever they like, and must get nothing for it.

use latchkey_shared::domain::reason::ReasonCode;
use latchkey_tests::{
    Error,
    cloudformation_message::{ForgedRequest, uuid},
    customer::Customer,
    runtime_api::{Outcome, RunningFunction},
    scene::{Connected, Scene, settled, text},
    stack_template::{StackTemplate, allow},
    trap::Trap,
    wiretap::Wiretap,
};
use serde_json::{Value, json};

const LISTENER: &str = "custom-resource-listener";

/// Publishes a message that is not read, and expects that the listener says so and keeps nothing of it.
async fn assert_dropped(
    scene: &Scene,
    attacker: &Customer,
    topic: &str,
    message: &str,
    stack_id: &str,
    field: &str,
) -> Result<(), Error> {
    let message_id = attacker.publish(topic, message).await?;
    let line = scene
        .wait_for_log(LISTENER, &[&message_id, "request.dropped"])
        .await?;
    assert!(
        line.contains(&format!("\"invalid.field\":\"{field}\"")),
        "{field}: {line}"
    );
    let left = scene.items_about(stack_id).await?;
    assert!(left.is_empty(), "{field}: {left:?}");
    Ok(())
}

/// A forged Create that would be admitted if its URL were CloudFormation's.
async fn admissible(scene: &Scene, attacker: &Customer) -> Result<ForgedRequest, Error> {
    let link = scene.link(&scene.acme()?, "us-east-1").await?;
    let external_id = text(&link, "external_id")?;
    ForgedRequest::create(
        scene,
        "us-east-1",
        &attacker.account,
        &external_id,
        &attacker.role_arn("x"),
    )
}

/// URLs that are not CloudFormation's for the request, each for its own reason.
fn other_urls(request: &ForgedRequest, trap: &Trap) -> Vec<String> {
    let (host, path, query) = (request.host(), request.path(), ForgedRequest::query());
    let trap = trap.address;
    let bucket = "cloudformation-custom-resource-response-useast1";
    let other_stack = ForgedRequest {
        fields: request.fields.clone(),
    }
    .with(
        "StackId",
        json!(request.stack_id().replace("stack/Forged", "stack/Another")),
    )
    .path();
    let other_request = ForgedRequest {
        fields: request.fields.clone(),
    }
    .with("RequestId", json!(uuid()))
    .path();
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
        format!("file:///etc/passwd?{query}"),
        format!("gopher://{trap}{path}?{query}"),
        format!("//{trap}{path}?{query}"),
        String::new(),
    ]
}

#[tokio::test]
async fn an_answer_url_that_is_not_cloudformations_drops_its_message_on_the_real_topic() -> Result<(), Error>
{
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let request = admissible(&scene, &attacker).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let published = other_urls(&request, &trap).into_iter().map(|url| {
        let forged = request.clone().with("ResponseURL", json!(url));
        let (scene, attacker) = (&scene, &attacker);
        async move {
            assert_dropped(
                scene,
                attacker,
                topic,
                &forged.text(),
                forged.stack_id(),
                "ResponseURL",
            )
            .await
            .map_err(|error| format!("{url}: {error}").into())
        }
    });
    for message in published {
        message.await.map_err(|error: Error| error)?;
    }
    assert_eq!(trap.connections(), 0);
    Ok(())
}

/// As deployed on AWS, where nothing relocates the answers: the binary opens what the guard lets through.
#[tokio::test]
async fn the_listener_as_on_aws_opens_no_connection_to_any_other_url() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let trap = Trap::set().await?;
    let mut variables = scene.variables(LISTENER).await?;
    variables.insert("LOCAL_ANSWER_ENDPOINT".to_owned(), String::new());
    let mut listener = RunningFunction::start(LISTENER, &variables).await?;
    let request = admissible(&scene, &attacker).await?;
    for request_type in ["Create", "Update", "Delete"] {
        for url in other_urls(&request, &trap) {
            let mut forged = request
                .clone()
                .with("RequestType", json!(request_type))
                .with("ResponseURL", json!(url));
            if request_type != "Create" {
                forged = forged.with("PhysicalResourceId", json!("latchkey-0f1e2d3c4b5a69788796a5b4"));
            }
            let event = notification(&scene, &forged.text())?;
            assert_eq!(
                listener.invoke(&event).await?,
                Outcome::Answer(Value::Null),
                "{url}"
            );
        }
    }
    assert_eq!(trap.connections(), 0);
    let output = listener.output();
    assert_eq!(
        output.matches("request.dropped").count(),
        3 * other_urls(&request, &trap).len()
    );
    assert!(
        !output.contains("X-Amz") && !output.contains("amazonaws.com/"),
        "no URL is logged"
    );
    assert!(scene.items_about(request.stack_id()).await?.is_empty());

    // The trap does notice who comes.
    drop(tokio::net::TcpStream::connect(trap.address).await?);
    while trap.connections() == 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What SNS hands to the listener.
fn notification(scene: &Scene, message: &str) -> Result<Value, Error> {
    let path = latchkey_tests::sam_template::repository_path("events/custom-resource-listener/create.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    event["Records"][0]["Sns"]["TopicArn"] = json!(scene.ready.topic("us-east-1")?);
    event["Records"][0]["Sns"]["Message"] = json!(message);
    Ok(event)
}

#[tokio::test]
async fn a_message_that_is_no_request_of_cloudformation_is_dropped() -> Result<(), Error> {
    let scene = Scene::open()?;
    let attacker = scene.new_customer("us-east-1").await?;
    let request = admissible(&scene, &attacker).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let other_topic = scene.ready.topic("eu-west-1")?;
    let with = |name: &str, value: Value| request.clone().with(name, value);
    let without = |name: &str| {
        let mut request = request.clone();
        request.fields.as_object_mut().unwrap().remove(name);
        request.text()
    };
    let deep = format!("{{\"RequestType\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let other_account = request.stack_id().replace(&attacker.account, "222222222222");
    let cases = [
        (
            with(
                "ServiceToken",
                json!("arn:aws:sns:us-east-1:222222222222:latchkey-listener"),
            )
            .text(),
            "ServiceToken",
        ),
        (with("ServiceToken", json!(other_topic)).text(), "ServiceToken"),
        (
            request
                .clone()
                .with_property("ServiceToken", json!(other_topic))
                .text(),
            "ServiceToken",
        ),
        (with("RequestType", json!("Describe")).text(), "RequestType"),
        (with("RequestType", json!("create")).text(), "RequestType"),
        (with("RequestType", json!(1)).text(), "RequestType"),
        (
            with("RequestType", json!("Update")).sign().text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete")).sign().text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete"))
                .with("PhysicalResourceId", json!("x".repeat(1_025)))
                .text(),
            "PhysicalResourceId",
        ),
        (
            with("RequestType", json!("Delete"))
                .with("PhysicalResourceId", json!("a\nb"))
                .text(),
            "PhysicalResourceId",
        ),
        (
            with("PhysicalResourceId", json!("x")).text(),
            "PhysicalResourceId",
        ),
        (
            with("ResourceType", json!("Custom::Other")).text(),
            "ResourceType",
        ),
        (with("StackId", json!("arn:aws:s3:::bucket")).text(), "StackId"),
        (with("StackId", json!(other_account)).text(), "ResponseURL"),
        (with("RequestId", json!("a#REQUEST#b")).sign().text(), "RequestId"),
        (
            with("RequestId", json!("x".repeat(129))).sign().text(),
            "RequestId",
        ),
        (
            with("LogicalResourceId", json!("a|b")).sign().text(),
            "LogicalResourceId",
        ),
        (
            with("ResourceProperties", json!("x")).text(),
            "ResourceProperties",
        ),
        (with("ResourceProperties", json!([])).text(), "ResourceProperties"),
        (without("RequestType"), "RequestType"),
        (without("StackId"), "StackId"),
        (without("RequestId"), "RequestId"),
        (without("LogicalResourceId"), "LogicalResourceId"),
        (without("ResponseURL"), "ResponseURL"),
        (without("ResourceType"), "ResourceType"),
        (without("ResourceProperties"), "ResourceProperties"),
        (
            request
                .clone()
                .with_property("Padding", json!("x".repeat(40_000)))
                .text(),
            "request",
        ),
        (
            request
                .clone()
                .with_property("Padding", json!("x".repeat(200_000)))
                .text(),
            "request",
        ),
        (deep, "request"),
        ("[".repeat(30_000), "request"),
        ("[]".to_owned(), "request"),
        ("null".to_owned(), "request"),
        ("hello".to_owned(), "request"),
        ("{\"RequestType\":\"Create\",\u{202e}}".to_owned(), "request"),
    ];
    for (message, field) in cases {
        let sent: String = message.chars().take(200).collect();
        assert_dropped(&scene, &attacker, topic, &message, request.stack_id(), field)
            .await
            .map_err(|error| format!("{} bytes of {sent}: {error}", message.len()))?;
    }
    // A request of one region, through the topic of another.
    let elsewhere = request.clone().with("ServiceToken", json!(other_topic));
    let elsewhere = elsewhere.with_property("ServiceToken", json!(other_topic)).text();
    let other_region = Customer::sign_in(&scene.ready.endpoint, &attacker.account, "eu-west-1").await?;
    assert_dropped(
        &scene,
        &other_region,
        other_topic,
        &elsewhere,
        request.stack_id(),
        "StackId",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_forged_delete_that_names_the_real_stack_and_resource_leaves_the_connection() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let answer = scene
        .answer(&one.stack.stack_id, "Connection", &text(&create, "RequestId")?)
        .await?;
    let physical_id = text(&answer, "PhysicalResourceId")?;
    let attacker = scene.new_customer("us-east-1").await?;
    let role = one.customer.role_arn(Connected::ROLE);
    for _ in 0..3 {
        let forged =
            ForgedRequest::delete(&scene, &one.stack.stack_id, &physical_id, &one.external_id, &role)?;
        attacker
            .publish(scene.ready.topic("us-east-1")?, &forged.text())
            .await?;
        scene
            .wait_for_log(
                LISTENER,
                &[forged.request_id(), "Delete", "NotFromCloudFormation"],
            )
            .await?;
        assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    }
    // With the URL that CloudFormation signed for another request.
    let mut stolen =
        ForgedRequest::delete(&scene, &one.stack.stack_id, &physical_id, &one.external_id, &role)?;
    stolen.fields["ResponseURL"] = create["ResponseURL"].clone();
    let message_id = attacker
        .publish(scene.ready.topic("us-east-1")?, &stolen.text())
        .await?;
    scene
        .wait_for_log(LISTENER, &[&message_id, "request.dropped", "ResponseURL"])
        .await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    assert!(
        !scene
            .audit_events(&one.id)
            .await?
            .iter()
            .any(|event| event == "disconnected")
    );

    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    api.wait_for(&one.id, "disconnected").await?;
    Ok(())
}

/// The attacker's stack is genuine, its Delete is signed by CloudFormation, and it names the victim's ids.
#[tokio::test]
async fn a_genuine_delete_of_another_stack_that_names_the_victims_ids_leaves_the_connection()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let (one, attacker) =
        futures::try_join!(scene.connect(&api, "us-east-1"), scene.connect(&api, "us-east-1"))?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let answer = scene
        .answer(&one.stack.stack_id, "Connection", &text(&create, "RequestId")?)
        .await?;
    // A URL that CloudFormation made for the attacker's stack.
    let mut delete = wiretap.request("Create", &attacker.stack.stack_id).await?;
    delete["RequestType"] = json!("Delete");
    delete["PhysicalResourceId"] = answer["PhysicalResourceId"].clone();
    delete["ResourceProperties"]["ExternalId"] = json!(one.external_id);
    attacker
        .customer
        .publish(scene.ready.topic("us-east-1")?, &delete.to_string())
        .await?;
    let request_id = text(&delete, "RequestId")?;
    scene
        .wait_for_log(LISTENER, &[&request_id, "Delete", "LeftAlone"])
        .await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    assert_eq!(settled(&api.get(&attacker.id).await?), settled(&attacker.shown));
    Ok(())
}

/// The attacker has seen the link, made a role of their own that the vendor can assume with its external ID, and
/// publishes a Create by hand: everything holds but the signature.
#[tokio::test]
async fn a_forged_create_leaves_no_connection_active_and_keeps_nobody_out() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let template = StackTemplate::new(&scene.ready, &external_id);
    let attacker = scene.new_customer("us-east-1").await?;
    let role = attacker.make_role("Bait", &template.published_trust()).await?;
    let topic = scene.ready.topic("us-east-1")?;
    let forge = || ForgedRequest::create(&scene, "us-east-1", &attacker.account, &external_id, &role);

    let forged = forge()?;
    attacker.publish(topic, &forged.text()).await?;
    scene
        .wait_for_log("role-verifier", &[forged.request_id(), "Answered(Now(Refused))"])
        .await?;
    let shown = api.get(&id).await?;
    assert_eq!(
        (&shown["status"], &shown["account_id"]),
        (&json!("pending"), &Value::Null)
    );
    assert_eq!(shown["reason"]["code"], ReasonCode::AnswerRefused.as_str());
    assert!(!scene.stored("acme", &id).await?.contains_key("sweep_slot"));
    assert_eq!(
        shown.get("permissions"),
        None,
        "what the attacker's role may do says nothing here"
    );

    // A handful more, while the true customer launches.
    for _ in 0..5 {
        attacker.publish(topic, &forge()?.text()).await?;
    }
    let customer = scene.new_customer("us-east-1").await?;
    let stack = customer.open(&text(&link, "launch_url")?, None).await?;
    for _ in 0..5 {
        attacker.publish(topic, &forge()?.text()).await?;
    }
    customer.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    let last = forge()?;
    attacker.publish(topic, &last.text()).await?;
    scene
        .wait_for_log(LISTENER, &[last.request_id(), "request.received"])
        .await?;
    let shown = api.get(&id).await?;
    assert_eq!(
        (&shown["status"], &shown["account_id"]),
        (&json!("active"), &json!(customer.account))
    );
    // The attacker's account and role were never taken for connected: their own link still works.
    let own = scene.link(&api, "us-east-1").await?;
    let stack = attacker.open(&text(&own, "launch_url")?, None).await?;
    attacker.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    Ok(())
}

/// Forged in the name of the true customer's account, with a role that is not there: it is waited for in vain.
#[tokio::test]
async fn a_forged_create_that_is_waited_for_does_not_hold_up_the_true_one() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let customer = scene.new_customer("us-east-1").await?;
    let body = json!({ "name": "Bound", "region": "us-east-1", "account_id": customer.account });
    let link = api.create(&body).await?;
    let (id, external_id) = (text(&link, "id")?, text(&link, "external_id")?);
    let attacker = scene.new_customer("us-east-1").await?;
    let role = customer.role_arn("Nowhere");
    let forged = ForgedRequest::create(&scene, "us-east-1", &customer.account, &external_id, &role)?;
    attacker
        .publish(scene.ready.topic("us-east-1")?, &forged.text())
        .await?;
    api.wait_for(&id, "verifying").await?;
    let started = std::time::Instant::now();
    let stack = customer.open(&text(&link, "launch_url")?, None).await?;
    customer.wait(&stack).await?.expect("CREATE_COMPLETE")?;
    assert!(
        started.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let shown = settled(&api.get(&id).await?);
    assert_eq!(shown["status"], "active");
    // When the forged one is given up, nothing happens to the true one.
    scene
        .wait_for_log("role-verifier", &[forged.request_id(), "Answered("])
        .await?;
    assert_eq!(settled(&api.get(&id).await?), shown);
    Ok(())
}

#[tokio::test]
async fn a_forged_update_of_a_live_connection_changes_nothing() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let answer = scene
        .answer(&one.stack.stack_id, "Connection", &text(&create, "RequestId")?)
        .await?;
    let attacker = scene.new_customer("us-east-1").await?;
    // A second role in the customer's account that the vendor could assume as well, and that may do anything.
    let role = one
        .customer
        .make_role("Second", &one.template.published_trust())
        .await?;
    one.customer
        .iam
        .put_role_policy()
        .role_name("Second")
        .policy_name("everything")
        .policy_document(allow(&["*"]).to_string())
        .send()
        .await?;
    let physical_id = text(&answer, "PhysicalResourceId")?;
    let update = ForgedRequest::delete(&scene, &one.stack.stack_id, &physical_id, &one.external_id, &role)?
        .with("RequestType", json!("Update"));
    attacker
        .publish(scene.ready.topic("us-east-1")?, &update.text())
        .await?;
    scene
        .wait_for_log("role-verifier", &[update.request_id(), "Answered(Now(Refused))"])
        .await?;
    assert_eq!(settled(&api.get(&one.id).await?), settled(&one.shown));
    Ok(())
}

#[tokio::test]
async fn a_genuine_message_that_is_replayed_after_its_time_changes_nothing() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let mut wiretap = Wiretap::on(&scene, "us-east-1").await?;
    let one = scene.connect(&api, "us-east-1").await?;
    let renamed = one.template.clone().role_name("Renamed");
    one.customer
        .update(Connected::STACK, &renamed)
        .await?
        .expect("UPDATE_COMPLETE")?;
    let create = wiretap.request("Create", &one.stack.stack_id).await?;
    let update = wiretap.request("Update", &one.stack.stack_id).await?;
    let active = settled(&api.get(&one.id).await?);
    let attacker = scene.new_customer("us-east-1").await?;
    let topic = scene.ready.topic("us-east-1")?;
    let replay = async |message: &Value, outcome: &str| {
        attacker.publish(topic, &message.to_string()).await?;
        let request_id = text(message, "RequestId")?;
        scene.wait_for_log(LISTENER, &[&request_id, outcome]).await
    };

    // The Create names the former role.
    replay(&create, "AnsweredAgain(Accepted)").await?;
    assert_eq!(settled(&api.get(&one.id).await?), active);

    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    let ended = api.wait_for(&one.id, "disconnected").await?;
    let delete = wiretap.request("Delete", &one.stack.stack_id).await?;
    replay(&create, "AnsweredAgain(Accepted)").await?;
    replay(&update, "AnsweredAgain(Accepted)").await?;
    replay(&delete, "LeftAlone").await?;
    assert_eq!(api.get(&one.id).await?, ended);
    // Through the topic of another region it is not even read.
    let elsewhere = Customer::sign_in(&scene.ready.endpoint, &attacker.account, "eu-west-1").await?;
    let message_id = elsewhere
        .publish(scene.ready.topic("eu-west-1")?, &create.to_string())
        .await?;
    scene
        .wait_for_log(LISTENER, &[&message_id, "request.dropped"])
        .await?;
    Ok(())
}

#[tokio::test]
async fn no_answer_url_stands_in_any_log() -> Result<(), Error> {
    let scene = Scene::open()?;
    let api = scene.acme()?;
    let one = scene.connect(&api, "us-east-1").await?;
    let attacker = scene.new_customer("us-east-1").await?;
    let forged = admissible(&scene, &attacker).await?;
    attacker
        .publish(scene.ready.topic("us-east-1")?, &forged.text())
        .await?;
    scene.wait_for_log(LISTENER, &[forged.request_id()]).await?;
    one.customer
        .delete_stack(&one.stack.stack_id)
        .await?
        .expect("DELETE_COMPLETE")?;
    for function in scene.ready.functions.keys() {
        for line in scene.log_lines(function).await? {
            let secret = ["X-Amz-", "custom-resource-response", "Signature", "eyJ"];
            assert!(
                !secret.iter().any(|part| line.contains(part)),
                "{function}: {line}"
            );
        }
    }
    Ok(())
}

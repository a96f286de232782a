//! Deployments of real accounts that the defaults would have broken, and the vendor would have learned from customers.
//! Numbers are of the reading of AWS's guides and other projects' failures.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::types::{Capability, Parameter};
use jiff::Timestamp;
use latchkey_customer::{
    deployment::Deployment,
    deployment_template::TemplateVersion,
    publish::{PublishError, publish},
    rendering::Source,
    verify::{Finding, verify},
};
use latchkey_tests::{
    Error,
    customer::wait_for_stack,
    local_aws::{ARTIFACTS_BUCKET, aws},
    sam_template::repository_path,
    scene::{OwnScene, Scene, assert_contains, text},
};
use reqwest::Method;
use serde_json::{Value, json};

/// The vendor's template, as it is deployed, with changes.
async fn deployed_template(scene: &Scene) -> Result<Value, Error> {
    let object = aws::s3(&scene.vendor)
        .get_object()
        .bucket(ARTIFACTS_BUCKET)
        .key("template.json")
        .send()
        .await?;
    Ok(serde_json::from_slice(&object.body.collect().await?.to_vec())?)
}

/// Makes the conditional parts of a vendor's stack in the hub, and returns their logical ids and what trusts whom.
async fn made_for(scene: &Scene, name: &str, regions: &str) -> Result<BTreeSet<String>, Error> {
    let mut template = deployed_template(scene).await?;
    // MiniStack has no StackSets. What else would stay beside other tests' deployment is left out.
    let resources = template["Resources"].as_object_mut().ok_or("no resources")?;
    resources.retain(|_, resource| {
        ["AWS::Lambda::Permission", "AWS::IAM::Role"].contains(&resource["Type"].as_str().unwrap_or_default())
            && resource["Condition"].is_string()
    });
    for (_, resource) in resources {
        if resource["Type"] == "AWS::Lambda::Permission" {
            let listener = scene.function("custom-resource-listener")?;
            resource["Properties"]["FunctionName"] = json!(listener);
        }
    }
    template["Outputs"] = json!({});
    let others = template.as_object_mut().ok_or("no template")?;
    others.remove("Globals");
    let given = [
        ("ListenerRegions", regions),
        ("DefaultRegion", "us-east-1"),
        ("JwtIssuer", "https://login.example.com/"),
        ("JwtAudience", "x"),
        ("TenantClaim", "tenant"),
    ];
    let parameters = given.map(|(key, value)| {
        Parameter::builder()
            .parameter_key(key)
            .parameter_value(value)
            .build()
    });
    let cloudformation = aws_sdk_cloudformation::Client::new(&scene.vendor);
    cloudformation
        .create_stack()
        .stack_name(name)
        .template_body(template.to_string())
        .set_parameters(Some(parameters.to_vec()))
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .send()
        .await?;
    wait_for_stack(&cloudformation, name)
        .await?
        .expect("CREATE_COMPLETE")?;
    let resources = cloudformation
        .describe_stack_resources()
        .stack_name(name)
        .send()
        .await?;
    let ids = resources.stack_resources().iter();
    Ok(ids
        .filter_map(|resource| Some(resource.logical_resource_id()?.to_owned()))
        .collect())
}

/// Whom the StackSet's administration role of a stack lets in.
async fn administrators(scene: &Scene, name: &str) -> Result<BTreeSet<String>, Error> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&scene.vendor);
    let role = cloudformation
        .describe_stack_resource()
        .stack_name(name)
        .logical_resource_id("ListenerTopicsAdministrationRole")
        .send()
        .await?;
    let role = role
        .stack_resource_detail()
        .and_then(|role| role.physical_resource_id());
    let role = aws_sdk_iam::Client::new(&scene.vendor)
        .get_role()
        .role_name(role.ok_or("no role")?)
        .send()
        .await?;
    let trust = role.role().and_then(|role| role.assume_role_policy_document());
    let trust = percent_encoding::percent_decode_str(trust.ok_or("no trust")?).decode_utf8()?;
    let trust: Value = serde_json::from_str(&trust)?;
    let services = trust["Statement"][0]["Principal"]["Service"].as_array();
    let services = services.ok_or("no services")?.iter();
    Ok(services
        .filter_map(|service| Some(service.as_str()?.to_owned()))
        .collect())
}

/// aws-review 4; failed at 51a4ca2: each deployment named seventeen principals of regions that it did not use.
#[tokio::test]
async fn an_opt_in_region_stands_in_a_deployment_that_names_it() -> Result<(), Error> {
    let scene = Scene::open()?;
    let with = made_for(&scene, "with-af-south-1", "us-east-1,af-south-1").await?;
    let without = made_for(&scene, "without-af-south-1", "").await?;
    let roles = ["ListenerTopicsAdministrationRole", "ListenerTopicsExecutionRole"];
    let ids = |more: &[&str]| roles.iter().chain(more).map(|id| (*id).to_owned()).collect();
    assert_eq!(with, ids(&["SnsUsEast1Permission", "SnsAfSouth1Permission"]));
    assert_eq!(without, ids(&["SnsUsEast1Permission"]));
    let general = "cloudformation.amazonaws.com".to_owned();
    let of_region = "cloudformation.af-south-1.amazonaws.com".to_owned();
    assert_eq!(
        administrators(&scene, "with-af-south-1").await?,
        BTreeSet::from([general.clone(), of_region])
    );
    assert_eq!(
        administrators(&scene, "without-af-south-1").await?,
        BTreeSet::from([general])
    );
    Ok(())
}

/// aws-review 5; failed at 51a4ca2: a list without the default region made an API that answered nothing but 500.
#[tokio::test]
async fn a_list_of_regions_without_the_default_one_is_refused() -> Result<(), Error> {
    let scene = Scene::open()?;
    let refused = made_for(&scene, "without-its-default", "eu-west-1").await;
    let refused = format!("{:?}", refused.err().ok_or("it was deployed")?);
    assert!(
        refused.contains("ListenerRegions needs DefaultRegion in it"),
        "{refused}"
    );
    Ok(())
}

/// aws-review 3; failed at 51a4ca2: account-wide S3 Block Public Access killed every link, and `--verify` said fine.
#[tokio::test]
async fn a_template_that_customers_cannot_read_is_noticed() -> Result<(), Error> {
    let own = OwnScene::open().await?;
    let scene = &own.scene;
    let cloudformation = aws_sdk_cloudformation::Client::new(&scene.vendor);
    let stack = wait_for_stack(&cloudformation, "latchkey").await?;
    let deployment = Deployment::from_outputs(&stack.stack_id, &stack.outputs)?;
    let (s3, dynamodb) = (
        aws::s3(&scene.vendor),
        aws_sdk_dynamodb::Client::new(&scene.vendor),
    );
    let reader = aws::stranger(&scene.ready.endpoint);
    let check = async || verify(&s3, &dynamodb, &reader, &deployment).await;
    assert_eq!(check().await?[0].finding, Finding::AsPublished);
    assert_eq!(scene.revalidate().await?["template"], "template_readable");

    s3.delete_bucket_policy()
        .bucket(&scene.ready.bucket)
        .send()
        .await?;
    assert_eq!(check().await?[0].finding, Finding::Unreadable(403));
    assert_eq!(scene.revalidate().await?["template"], "template_unreadable");
    let mut source = Source::of_repository()?;
    source.version = TemplateVersion::parse("9.0.0")?;
    let published = publish(
        &s3,
        &dynamodb,
        &reader,
        &deployment,
        &source,
        Timestamp::UNIX_EPOCH,
    )
    .await;
    assert!(
        matches!(published, Err(PublishError::Unreadable { status: 403, .. })),
        "{published:?}"
    );
    assert_eq!(
        check().await?.len(),
        1,
        "what customers cannot read is not published"
    );
    Ok(())
}

/// aws-review 3; failed at 51a4ca2: an account that may have no public bucket could not be deployed to.
#[tokio::test]
async fn a_bucket_made_elsewhere_takes_the_templates() -> Result<(), Error> {
    const BUCKET: &str = "made-elsewhere";
    let own = OwnScene::with_bucket(BUCKET).await?;
    let scene = &own.scene;
    assert_eq!(scene.ready.bucket, BUCKET);
    assert!(scene.ready.template_url.contains(&format!("//{BUCKET}.s3.")));
    let cloudformation = aws_sdk_cloudformation::Client::new(&scene.vendor);
    let resources = cloudformation
        .describe_stack_resources()
        .stack_name("latchkey")
        .send()
        .await?;
    let kinds = resources.stack_resources().iter();
    let mut buckets = kinds.filter(|resource| {
        resource
            .resource_type()
            .is_some_and(|kind| kind.starts_with("AWS::S3"))
    });
    assert!(buckets.next().is_none());
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    customer.follow(&link.shown).await?;
    api.wait_for(&link.id, "active").await?;
    Ok(())
}

/// A14; failed at 51a4ca2: a link was made for a region whose topic was never made, and its stack failed in AWS's words.
#[tokio::test]
async fn a_region_without_its_topic_gets_no_link_and_the_others_are_named() -> Result<(), Error> {
    let regions = "us-east-1,eu-west-1,ap-southeast-2,eu-central-1";
    let own = OwnScene::with(&[("ListenerRegions", regions)]).await?;
    let api = own.scene.acme()?;
    let body = json!({ "name": "x", "region": "eu-central-1" });
    let refused = api.call(Method::POST, "/v1/connections", Some(&body)).await?;
    refused.shows(400, json!({ "type": "urn:latchkey:problem:invalid_request" }));
    let detail = text(&refused.body, "detail")?;
    assert_contains(
        &detail,
        "eu-central-1; customers can launch in us-east-1, eu-west-1, ap-southeast-2",
    );
    let options = api.call(Method::GET, "/v1/options", None).await?;
    options.shows(
        200,
        json!({ "regions": ["us-east-1", "eu-west-1", "ap-southeast-2"], "default_region": "us-east-1" }),
    );
    let tiers = options.body["permission_tiers"].as_array().ok_or("no tiers")?;
    assert!(
        tiers
            .iter()
            .any(|tier| tier["name"] == "inventory" && tier["summary"].is_string())
    );
    Ok(())
}

/// What the program says of a deployment in the local AWS, and whether it would fail. `credentials`
/// are variables of its environment.
async fn preflight_with(
    scene: &Scene,
    credentials: &[(&str, &str)],
    parameters: &[&str],
) -> Result<(bool, String), Error> {
    let output = tokio::process::Command::new(repository_path("target/debug/latchkey-publish"))
        .args(["preflight", "--stack-name", "latchkey", "--region", "us-east-1"])
        .args(parameters)
        .env_clear()
        .env("AWS_ENDPOINT_URL", &scene.ready.endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(credentials.iter().copied())
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

async fn preflight(scene: &Scene, parameters: &[&str]) -> Result<(bool, String), Error> {
    let keys = [
        ("AWS_ACCESS_KEY_ID", scene.ready.vendor_account.as_str()),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    preflight_with(scene, &keys, parameters).await
}

/// aws-review 18; fails without the features of aws-config in customer/Cargo.toml. `sso` and
/// `login` ask services that MiniStack does not have: they have to get as far as asking.
#[tokio::test]
async fn the_profiles_of_engineers_tools_are_taken() -> Result<(), Error> {
    let scene = Scene::open()?;
    let home = std::env::temp_dir().join(format!("latchkey-profiles-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let keys = json!({ "Version": 1, "AccessKeyId": scene.ready.vendor_account, "SecretAccessKey": "test" });
    std::fs::write(home.join("keys"), keys.to_string())?;
    let config = format!(
        "[profile process]\ncredential_process = /bin/cat {}\n\
         [profile sso]\nsso_session = x\nsso_account_id = 111111111111\nsso_role_name = x\n\
         [sso-session x]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n\
         [profile login]\nlogin_session = arn:aws:iam::111111111111:user/x\n",
        home.join("keys").display()
    );
    let file = home.join("config");
    std::fs::write(&file, config)?;
    let (home_text, file) = (home.display().to_string(), file.display().to_string());
    let with = async |profile| {
        let variables = [
            ("AWS_PROFILE", profile),
            ("AWS_CONFIG_FILE", file.as_str()),
            ("HOME", home_text.as_str()),
        ];
        preflight_with(&scene, &variables, &[]).await
    };
    let (is_ready, said) = with("process").await?;
    assert!(is_ready, "{said}");
    assert_contains(&said, "us-east-1 has its topic");
    for (profile, lacks) in [("sso", "token"), ("login", "login")] {
        let (_, said) = with(profile).await?;
        assert_contains(&said, "who you are could not be asked");
        assert!(
            said.contains(lacks) && !said.contains("feature"),
            "{profile}: {said}"
        );
    }
    std::fs::remove_dir_all(&home)?;
    Ok(())
}

/// aws-review 2, 3, 5, 7, 15; at 51a4ca2 nobody asked before the deployment failed.
#[tokio::test]
async fn preflight_asks_the_account_that_is_deployed_to() -> Result<(), Error> {
    let scene = Scene::open()?;
    let (is_ready, said) = preflight(
        &scene,
        &["ListenerRegions=us-east-1,eu-west-1", "DefaultRegion=us-east-1"],
    )
    .await?;
    assert!(is_ready, "{said}");
    for part in [
        "Lambda's quota is",
        "no other role is under /latchkey/",
        "us-east-1 has its topic",
        "eu-west-1 has its topic",
        "update-termination-protection",
        "Block Public Access could not be asked",
        "no issuer was asked",
    ] {
        assert_contains(&said, part);
    }
    // A second deployment under other names, and what it would break.
    let iam = aws_sdk_iam::Client::new(&scene.vendor);
    iam.create_role()
        .role_name("somebody-elses")
        .path("/staging/")
        .assume_role_policy_document(r#"{"Version":"2012-10-17","Statement":[]}"#)
        .send()
        .await?;
    let nobody = "JwtIssuer=http://127.0.0.1:1";
    let (is_ready, said) =
        preflight(&scene, &["RolePath=/staging/", "ListenerConcurrency=500", nobody]).await?;
    assert!(!is_ready, "{said}");
    for part in [
        "somebody-elses",
        "500 cannot be reserved",
        "openid-configuration cannot be read",
    ] {
        assert_contains(&said, part);
    }
    let (_, said) = preflight(&scene, &["ListenerTopic=x"]).await?;
    assert_contains(&said, "template.yaml has no parameter ListenerTopic");
    Ok(())
}

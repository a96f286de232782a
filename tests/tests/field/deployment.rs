//! Deployments of real accounts that the defaults would have broken, and the vendor would have learned from customers.
//! Numbers are of the reading of AWS's guides and other projects' failures.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::types::{Capability, Parameter};
use latchkey_tests::{Error, customer::wait_for_stack, local_aws::ARTIFACTS_BUCKET, scene::Scene};
use serde_json::{Value, json};

/// The vendor's template, as it is deployed, with changes.
async fn deployed_template(scene: &Scene) -> Result<Value, Error> {
    let object = latchkey_tests::local_aws::aws::s3(&scene.vendor)
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

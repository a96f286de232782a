//! Class 22: the published template is changed, in the bucket or on its way.
//!
//! Guard: nobody but the vendor can write the bucket (`template.yaml`); every published text lies under its SHA-256, and
//! `latchkey-publish --verify` holds each against it (`customer/src/verify.rs`). An edited copy meets the probes, as
//! any template does.
//! Shown to fail without it: `tests/mutations/class22-digest.patch`.

use aws_sdk_s3::{error::ProvideErrorMetadata, primitives::ByteStream};
use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_customer::{
    deployment::Deployment,
    verify::{Finding, verify},
};
use latchkey_tests::{
    Error,
    local_aws::aws,
    refusal::waits_again,
    scene::{OwnScene, Scene, text},
};

/// The key of an object in the vendor's bucket, from its URL.
fn key(scene: &Scene) -> Result<String, Error> {
    let (_, key) = scene
        .ready
        .template_url
        .split_once(".amazonaws.com/")
        .ok_or("no S3 URL")?;
    Ok(key.to_owned())
}

fn assert_denied<T>(done: Result<T, impl ProvideErrorMetadata>, what: &str) {
    let error = done.err();
    let code = error.as_ref().and_then(|error| error.code());
    assert_eq!(code, Some("AccessDenied"), "{what}");
}

#[tokio::test]
async fn nobody_but_the_vendor_can_write_or_delete_a_published_template() -> Result<(), Error> {
    let scene = Scene::open()?;
    let account = latchkey_tests::scene::fresh_account();
    let attacker = aws::s3(&aws::administrator(&scene.ready.endpoint, &account, "us-east-1").await?);
    let key = key(&scene)?;
    attacker
        .get_object()
        .bucket(&scene.ready.bucket)
        .key(&key)
        .send()
        .await?;
    for key in [key.as_str(), "customer-templates/9.9.9/new.yaml"] {
        let put = attacker
            .put_object()
            .bucket(&scene.ready.bucket)
            .key(key)
            .body(ByteStream::from_static(b"Resources: {}"))
            .send()
            .await;
        assert_denied(put, key);
    }
    let deleted = attacker
        .delete_object()
        .bucket(&scene.ready.bucket)
        .key(&key)
        .send()
        .await;
    assert_denied(deleted, &key);
    let policy = attacker
        .delete_bucket_policy()
        .bucket(&scene.ready.bucket)
        .send()
        .await;
    assert_denied(policy, "the policy");
    Ok(())
}

#[tokio::test]
async fn a_published_template_that_was_changed_or_lost_is_found_by_its_digest() -> Result<(), Error> {
    let own = OwnScene::open().await?;
    let scene = &own.scene;
    let (s3, dynamodb) = (
        aws::s3(&scene.vendor),
        aws_sdk_dynamodb::Client::new(&scene.vendor),
    );
    let cloudformation = aws_sdk_cloudformation::Client::new(&scene.vendor);
    let stack = latchkey_tests::customer::wait_for_stack(&cloudformation, "latchkey").await?;
    let deployment = Deployment::from_outputs(&stack.stack_id, &stack.outputs)?;
    let reader = aws::stranger(&scene.ready.endpoint);
    let check = async || verify(&s3, &dynamodb, &reader, &deployment).await;
    let first = check().await?;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0].finding, Finding::AsPublished);
    assert!(first[0].is_current);

    let key = key(scene)?;
    let object = s3
        .get_object()
        .bucket(&scene.ready.bucket)
        .key(&key)
        .send()
        .await?;
    let text_before = String::from_utf8(object.body.collect().await?.to_vec())?;
    let evil = text_before.replace(&scene.ready.vendor_account, "123456789012");
    assert_ne!(evil, text_before);
    let put = async |text: &str| {
        s3.put_object()
            .bucket(&scene.ready.bucket)
            .key(&key)
            .body(ByteStream::from(text.as_bytes().to_vec()))
            .send()
            .await
    };
    put(&evil).await?;
    assert_eq!(check().await?[0].finding, Finding::Changed);
    // Who launched it meanwhile connects nothing: the message goes to the vendor that the text names, or to nobody.
    let api = scene.acme()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let stack = customer.open(&link.url, None).await?;
    customer.wait(&stack).await?.expect("ROLLBACK_COMPLETE")?;
    assert_eq!(api.get(&link.id).await?["status"], "pending");

    s3.delete_object()
        .bucket(&scene.ready.bucket)
        .key(&key)
        .send()
        .await?;
    assert_eq!(check().await?[0].finding, Finding::Gone);
    put(&text_before).await?;
    assert_eq!(check().await?[0].finding, Finding::AsPublished);
    Ok(())
}

/// A copy in which only the condition was taken out, for the customer's convenience.
#[tokio::test]
async fn an_edited_copy_of_the_true_template_meets_the_probes() -> Result<(), Error> {
    let (scene, api) = Scene::with_acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let external_id = text(&link, "external_id")?;
    let object = aws::s3(&scene.vendor)
        .get_object()
        .bucket(&scene.ready.bucket)
        .key(key(&scene)?)
        .send()
        .await?;
    let published = String::from_utf8(object.body.collect().await?.to_vec())?;
    let condition = "StringEquals:\n                sts:ExternalId: !Ref ExternalId";
    // The condition is written as it was.
    assert!(published.contains(condition));
    let edited = published
        .replace(condition, "StringLike:\n                sts:ExternalId: \"*\"")
        // The first parameter is the external ID.
        .replacen(
            "    Type: String\n",
            &format!("    Type: String\n    Default: {external_id}\n"),
            1,
        );
    let customer = scene.new_customer("us-east-1").await?;
    customer.create_stack("Edited", &edited).await?;
    let outcome = customer.wait("Edited").await?;
    outcome.expect_refusal("ROLLBACK_COMPLETE", ReasonCode::ExternalIdNotEnforced)?;
    waits_again(&api, &text(&link, "id")?, ReasonCode::ExternalIdNotEnforced).await?;
    Ok(())
}

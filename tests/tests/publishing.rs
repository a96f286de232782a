//! Publishing again, into the table and the bucket of the local AWS.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use latchkey_core::domain::{
    aws::{AccountId, Region},
    template_version::PublishedVersion,
};
use latchkey_customer::{
    deployment::Deployment,
    deployment_template::{RolePath, ServedRegions, TemplateValues, TopicName},
    publish::{PublishError, publish},
    rendering::Source,
    verify::{Finding, verify},
};
use latchkey_tests::{
    Error,
    local_aws::aws::{self, open_to_everybody},
    own_table::new_table,
    scene::{Item, Scene},
};

/// A bucket and a table of this test's own: the pointer of the deployment is other tests' ground.
async fn a_deployment_of_its_own(scene: &Scene) -> Result<Deployment, Error> {
    let table = new_table(&scene.vendor).await?;
    let bucket = format!("of-{table}");
    aws::s3(&scene.vendor)
        .create_bucket()
        .bucket(&bucket)
        .send()
        .await?;
    open_to_everybody(&scene.vendor, &bucket).await?;
    Ok(Deployment {
        region: Region::parse(&scene.ready.hub_region)?,
        bucket,
        bucket_region: Region::parse(&scene.ready.hub_region)?,
        table,
        values: TemplateValues {
            vendor_account: AccountId::parse(&scene.ready.vendor_account)?,
            role_path: RolePath::parse(&scene.ready.role_path)?,
            topic_name: TopicName::parse("latchkey-listener")?,
            served_regions: ServedRegions::parse("us-east-1")?,
        },
    })
}

async fn item(scene: &Scene, deployment: &Deployment, sk: &str) -> Result<Item, Error> {
    let answer = aws_sdk_dynamodb::Client::new(&scene.vendor)
        .get_item()
        .table_name(&deployment.table)
        .key("pk", AttributeValue::S("TEMPLATE".to_owned()))
        .key("sk", AttributeValue::S(sk.to_owned()))
        .send()
        .await?;
    answer.item.ok_or_else(|| format!("there is no {sk}").into())
}

#[tokio::test]
async fn a_version_is_there_with_all_its_files_and_publishing_it_again_changes_nothing_but_the_pointers_time()
-> Result<(), Error> {
    let scene = Scene::open()?;
    let deployment = a_deployment_of_its_own(&scene).await?;
    let (s3, dynamodb) = (
        aws::s3(&scene.vendor),
        aws_sdk_dynamodb::Client::new(&scene.vendor),
    );
    let reader = aws::stranger(&scene.ready.endpoint);
    let source = Source::of_repository()?;
    let first: Timestamp = "2026-11-21T12:00:00Z".parse()?;
    let later: Timestamp = "2026-11-22T12:00:00Z".parse()?;
    let published = publish(&s3, &dynamodb, &reader, &deployment, &source, first).await?;
    let files = published.files.iter().map(|file| (&file.url, &file.sha256));
    for (url, sha256) in files.chain([(&published.url, &published.sha256)]) {
        let key = url.split_once(".amazonaws.com/").ok_or("no key")?.1;
        let object = s3.get_object().bucket(&deployment.bucket).key(key).send().await?;
        let content = object.body.collect().await?.to_vec();
        assert_eq!(
            latchkey_customer::deployment_template::sha256_hex(&content),
            *sha256,
            "{key}"
        );
    }
    publish(&s3, &dynamodb, &reader, &deployment, &source, later).await?;
    let remembered: PublishedVersion =
        serde_dynamo::from_item(item(&scene, &deployment, &published.sk()).await?)?;
    assert_eq!(remembered, published);
    let pointer = item(&scene, &deployment, "CURRENT").await?;
    assert_eq!(pointer["published_at"], AttributeValue::S(later.to_string()));
    assert_eq!(pointer["url"], AttributeValue::S(published.url));
    Ok(())
}

#[tokio::test]
async fn a_version_that_was_published_is_not_published_with_other_content() -> Result<(), Error> {
    let scene = Scene::open()?;
    let deployment = a_deployment_of_its_own(&scene).await?;
    let (s3, dynamodb) = (
        aws::s3(&scene.vendor),
        aws_sdk_dynamodb::Client::new(&scene.vendor),
    );
    let reader = aws::stranger(&scene.ready.endpoint);
    let source = Source::of_repository()?;
    let published = publish(
        &s3,
        &dynamodb,
        &reader,
        &deployment,
        &source,
        Timestamp::UNIX_EPOCH,
    )
    .await?;
    let mut other = source.clone();
    other.manifest.vendor.name = latchkey_customer::manifest::texts::Sentence::parse("Another Vendor")?;
    let refused = publish(
        &s3,
        &dynamodb,
        &reader,
        &deployment,
        &other,
        Timestamp::UNIX_EPOCH,
    )
    .await;
    assert!(
        matches!(&refused, Err(PublishError::VersionTaken(version)) if *version == published.version),
        "{refused:?}"
    );
    let pointer = item(&scene, &deployment, "CURRENT").await?;
    assert_eq!(pointer["sha256"], AttributeValue::S(published.sha256.clone()));
    assert_eq!(
        verify(&s3, &dynamodb, &reader, &deployment).await?.len(),
        1,
        "what is refused leaves nothing behind"
    );
    // Under a version of its own it is welcome, and the former one stays.
    other.version = latchkey_customer::deployment_template::TemplateVersion::parse("9.0.0")?;
    let next = publish(
        &s3,
        &dynamodb,
        &reader,
        &deployment,
        &other,
        Timestamp::UNIX_EPOCH,
    )
    .await?;
    assert_eq!(
        item(&scene, &deployment, "CURRENT").await?["url"],
        AttributeValue::S(next.url)
    );
    let remembered: PublishedVersion =
        serde_dynamo::from_item(item(&scene, &deployment, &published.sk()).await?)?;
    assert_eq!(remembered, published);
    Ok(())
}

#[tokio::test]
async fn a_version_is_published_again_for_more_regions() -> Result<(), Error> {
    let scene = Scene::open()?;
    let mut deployment = a_deployment_of_its_own(&scene).await?;
    let (s3, dynamodb) = (
        aws::s3(&scene.vendor),
        aws_sdk_dynamodb::Client::new(&scene.vendor),
    );
    let reader = aws::stranger(&scene.ready.endpoint);
    let source = Source::of_repository()?;
    let findings = async |deployment: &Deployment| -> Result<Vec<(bool, Finding)>, Error> {
        let checked = verify(&s3, &dynamodb, &reader, deployment).await?;
        Ok(checked.iter().map(|it| (it.is_current, it.finding)).collect())
    };
    let at = Timestamp::UNIX_EPOCH;
    let first = publish(&s3, &dynamodb, &reader, &deployment, &source, at).await?;
    assert_eq!(findings(&deployment).await?, [(true, Finding::AsPublished)]);

    deployment.values.served_regions = ServedRegions::parse("us-east-1,eu-west-1")?;
    assert_eq!(findings(&deployment).await?, [(true, Finding::OtherRegions)]);
    let wider = publish(&s3, &dynamodb, &reader, &deployment, &source, Timestamp::now()).await?;
    assert_ne!(wider.sha256, first.sha256);
    assert_eq!(
        item(&scene, &deployment, "CURRENT").await?["sha256"],
        AttributeValue::S(wider.sha256.clone())
    );
    // Both are held against their digests.
    assert_eq!(
        findings(&deployment).await?,
        [(false, Finding::AsPublished), (true, Finding::AsPublished)]
    );
    let key = first.url.split_once(".amazonaws.com/").ok_or("no key")?.1;
    s3.delete_object()
        .bucket(&deployment.bucket)
        .key(key)
        .send()
        .await?;
    assert_eq!(
        findings(&deployment).await?,
        [(false, Finding::Gone), (true, Finding::AsPublished)]
    );
    // With any other difference it is refused, whatever the regions are.
    deployment.values.topic_name = TopicName::parse("another-topic")?;
    let refused = publish(&s3, &dynamodb, &reader, &deployment, &source, at).await;
    assert!(
        matches!(&refused, Err(PublishError::VersionTaken(_))),
        "{refused:?}"
    );
    Ok(())
}

//! What is published, and where it lies.

use std::io::Read as _;

use latchkey_core::domain::aws::Region;

use super::*;
use crate::{
    deployment_template::{RolePath, ServedRegions},
    rendering::Source,
};

fn bundle(deployment: &Deployment) -> Bundle {
    Bundle::of(&Source::of_repository().unwrap(), deployment).unwrap()
}

#[test]
fn each_file_lies_under_the_public_prefix_by_version_and_its_own_digest() {
    let bundle = bundle(&Deployment::example().unwrap());
    let version = Source::of_repository().unwrap().version;
    for file in std::iter::once(&bundle.template).chain(&bundle.files) {
        assert_eq!(file.sha256, sha256_hex(&file.content));
        assert_eq!(
            file.key,
            format!("customer-templates/{version}/{}/{}", file.sha256, file.name)
        );
        assert_eq!(
            file.url,
            format!("https://latchkey-example.s3.us-east-1.amazonaws.com/{}", file.key)
        );
        assert!(!file.content.is_empty());
    }
    let names: Vec<&str> = bundle.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "SECURITY.md",
            "ORGANIZATION.md",
            "PLATFORM.md",
            "create-role.sh",
            "permissions-account-basics.json",
            "permissions-inventory-cost.json",
            "permissions-inventory.json",
            "permissions-self-check.json",
            "permissions-tagging.json",
            "trust-policy.json",
            "security.html",
            "changes.md",
            "latchkey-terraform.zip",
        ]
    );
    assert_eq!(bundle.template.name, "latchkey-connection.yaml");
}

#[test]
fn the_same_source_and_deployment_make_the_same_bytes_and_another_deployment_others() {
    let deployment = Deployment::example().unwrap();
    assert_eq!(bundle(&deployment), bundle(&deployment));
    let mut other = deployment.clone();
    other.values.vendor_account = latchkey_core::domain::aws::AccountId::parse("222222222222").unwrap();
    assert_ne!(bundle(&deployment).template.key, bundle(&other).template.key);
}

#[test]
fn the_url_is_on_the_partitions_own_domain() {
    for (code, host) in [
        ("us-east-1", "latchkey-example.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "latchkey-example.s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "latchkey-example.s3.us-gov-west-1.amazonaws.com"),
        (
            "eusc-de-east-1",
            "latchkey-example.s3.eusc-de-east-1.amazonaws.eu",
        ),
    ] {
        let mut deployment = Deployment::example().unwrap();
        deployment.region = Region::parse(code).unwrap();
        deployment.bucket_region = deployment.region.clone();
        let bundle = bundle(&deployment);
        assert!(
            bundle.template.url.starts_with(&format!("https://{host}/")),
            "{}",
            bundle.template.url
        );
        let trust = bundle
            .files
            .iter()
            .find(|file| file.name == "trust-policy.json")
            .unwrap();
        let partition = deployment.region.partition().as_str();
        let text = String::from_utf8(trust.content.clone()).unwrap();
        assert!(
            text.contains(&format!("\"arn:{partition}:iam::111111111111:root\"")),
            "{text}"
        );
    }
}

#[test]
fn the_page_names_the_template_that_it_is_about_and_its_digest() {
    let bundle = bundle(&Deployment::example().unwrap());
    for name in ["security.html", "SECURITY.md"] {
        let page = bundle.files.iter().find(|file| file.name == name).unwrap();
        let text = String::from_utf8(page.content.clone()).unwrap();
        assert!(
            text.contains(&bundle.template.url) && text.contains(&bundle.template.sha256),
            "{name}"
        );
        assert!(text.contains("111111111111") && !text.contains("__"), "{name}");
    }
}

#[test]
fn the_archive_holds_the_whole_module_with_the_deployments_values() {
    let bundle = bundle(&Deployment::example().unwrap());
    let file = bundle.files.iter().find(|file| file.name == MODULE_NAME).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(&file.content)).unwrap();
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let expected = [
        "README.md",
        "main.tf",
        "outputs.tf",
        "variables.tf",
        "versions.tf",
    ];
    assert_eq!(names, expected.map(|name| format!("latchkey-terraform/{name}")));
    let mut main = String::new();
    archive
        .by_name("latchkey-terraform/main.tf")
        .unwrap()
        .read_to_string(&mut main)
        .unwrap();
    assert!(main.contains("vendor_account_id = \"111111111111\""), "{main}");
}

#[test]
fn the_item_tells_the_difference_and_the_changelog() {
    let source = Source::of_repository().unwrap();
    let deployment = Deployment::example().unwrap();
    let published = Bundle::of(&source, &deployment).unwrap().published(
        &source,
        &deployment.values,
        Timestamp::UNIX_EPOCH,
    );
    let changes = published.changes.unwrap();
    assert_eq!(
        (&changes["from"], &changes["to"]),
        (&json!("1.1.0"), &json!(source.version.as_str()))
    );
    assert!(!changes["changes"].as_array().unwrap().is_empty());
    assert!(published.changelog.contains("**What you have to do:**"));
    assert!(!published.changelog.contains("## "), "{}", published.changelog);
    // DynamoDB takes an item of 400 KB; a listing reads all versions.
    let bytes = json!(changes).to_string().len() + published.changelog.len();
    assert!(bytes < 40_000, "{bytes}");
}

#[test]
fn a_versions_identity_knows_nothing_of_the_deployment_and_everything_of_the_text() {
    let deployment = Deployment::example().unwrap();
    let known = bundle(&deployment);
    let mut other = deployment.clone();
    other.values.served_regions = ServedRegions::parse("us-east-1,eu-west-1").unwrap();
    other.bucket = "another".to_owned();
    assert_eq!(bundle(&other).identity, known.identity);
    assert_ne!(bundle(&other).template.sha256, known.template.sha256);
    let mut source = Source::of_repository().unwrap();
    source.manifest.vendor.name = crate::manifest::texts::Sentence::parse("Another Vendor").unwrap();
    assert_ne!(Bundle::of(&source, &deployment).unwrap().identity, known.identity);
}

#[test]
fn a_role_path_with_which_iam_could_refuse_a_trust_policy_is_not_published() {
    let source = Source::of_repository().unwrap();
    let mut deployment = Deployment::example().unwrap();
    let longest = longest_trust_policy(&deployment.values);
    assert!((1_500..=MAX_TRUST_POLICY_CHARS).contains(&longest), "{longest}");
    // The path stands in both statements.
    let room = (MAX_TRUST_POLICY_CHARS - longest) / 2;
    let path = |more| {
        let names = "x".repeat(60) + "/";
        let path = format!("/{}", names.repeat(4));
        RolePath::parse(&format!(
            "{}/",
            &path[..deployment.values.role_path.as_str().len() - 1 + more]
        ))
        .unwrap()
    };
    let (fits, too_long) = (path(room), path(room + 1));
    deployment.values.role_path = fits;
    assert!(Bundle::of(&source, &deployment).is_ok());
    deployment.values.role_path = too_long;
    assert!(matches!(
        Bundle::of(&source, &deployment),
        Err(BundleError::TrustTooLong(_))
    ));
}

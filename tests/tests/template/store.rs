//! What is kept, and what is shown: the table, the bucket of customer templates, the outputs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    reading::{list, properties, resources, texts, vendor},
};

pub fn the_table_keeps_what_it_is_given(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let table = properties(template, "Table");
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let key = |partition: &str, sort: &str| json!([attribute(partition, "HASH"), attribute(sort, "RANGE")]);
    let indexes = json!([{
        "IndexName": "sweep", "KeySchema": key("sweep_slot", "sk"), "Projection": {
            "ProjectionType": "INCLUDE", "NonKeyAttributes": ["sweep_role", "external_id"]
        }
    }, {
        "IndexName": "status", "KeySchema": key("filed_under", "sk"),
        "Projection": { "ProjectionType": "KEYS_ONLY" }
    }]);
    for (what, found, expected) in [
        ("key", &table["KeySchema"], key("pk", "sk")),
        ("indexes", &table["GlobalSecondaryIndexes"], indexes),
        ("billing", &table["BillingMode"], json!("PAY_PER_REQUEST")),
        (
            "time to live",
            &table["TimeToLiveSpecification"],
            json!({"AttributeName": "ttl", "Enabled": true}),
        ),
        (
            "recovery",
            &table["PointInTimeRecoverySpecification"],
            json!({"PointInTimeRecoveryEnabled": true}),
        ),
        // AWS's own key, which costs nothing: `SSEEnabled` would take one of KMS.
        ("encryption", &table["SSESpecification"], Value::Null),
        (
            "deletion",
            &template["Resources"]["Table"]["DeletionPolicy"],
            json!("RetainExceptOnCreate"),
        ),
        (
            "replacement",
            &template["Resources"]["Table"]["UpdateReplacePolicy"],
            json!("Retain"),
        ),
    ] {
        if *found != expected {
            problems.push(format!("the table's {what} is {found}"));
        }
    }
    problems
}

pub fn only_published_templates_are_public(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let policies: Vec<_> = resources(template, "AWS::S3::BucketPolicy").collect();
    for (id, policy) in &policies {
        for statement in list(&policy["Properties"]["PolicyDocument"]["Statement"]) {
            if statement["Effect"] != "Allow" {
                continue;
            }
            let https_on_aws = json!({
                "Fn::If": ["IsLocal", {"Ref": "AWS::NoValue"}, {"Bool": {"aws:SecureTransport": "true"}}]
            });
            if texts(&statement["Action"]) != BTreeSet::from(["s3:GetObject"])
                || statement["Resource"]["Fn::Sub"] != "${TemplateBucket.Arn}/customer-templates/*"
                || statement["Condition"] != https_on_aws
            {
                problems.push(format!(
                    "{id} opens more than reading published templates over https"
                ));
            }
        }
    }
    if policies.len() != 1 {
        problems.push("there is not exactly one bucket policy".to_owned());
    }
    for (id, kind) in [
        ("TemplateBucket", "Bucket"),
        ("TemplateBucketPolicy", "BucketPolicy"),
    ] {
        let resource = &template["Resources"][id];
        if resource["Type"] != format!("AWS::S3::{kind}") || resource["Condition"] != "MakesBucket" {
            problems.push(format!("{id} is made where another bucket is named"));
        }
    }
    let bucket = properties(template, "TemplateBucket");
    let access = &bucket["PublicAccessBlockConfiguration"];
    if access["BlockPublicAcls"] != true || access["IgnorePublicAcls"] != true {
        problems.push("an ACL could open the bucket".to_owned());
    }
    if access["BlockPublicPolicy"] != false || access["RestrictPublicBuckets"] != false {
        problems.push("customers' CloudFormation cannot read the templates".to_owned());
    }
    if bucket["VersioningConfiguration"]["Status"] != "Enabled" {
        problems.push("what was once published can be lost".to_owned());
    }
    if bucket["BucketEncryption"].is_null() {
        problems.push("the bucket is not encrypted".to_owned());
    }
    if template["Conditions"]["IsLocal"]
        != json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "LocalAnswerEndpoint"}, ""]}]})
        || template["Parameters"]["LocalAnswerEndpoint"]["Default"] != ""
    {
        problems.push("a deployment could be taken for the local AWS".to_owned());
    }
    problems
}

pub fn what_the_tools_need_is_an_output(template: &Value) -> Problems {
    let needed = "ApiUrl TableName VerificationQueueUrl DeadLetterQueueUrl TemplateBucketName ListenerTopicName \
                  ListenerFunctionArn VerifierRolePath LinkGeneratorFunctionName \
                  CustomResourceListenerFunctionName RoleVerifierFunctionName RevalidatorFunctionName";
    needed
        .split(' ')
        .filter(|name| template["Outputs"][*name]["Value"].is_null())
        .map(|name| format!("{name} is no output"))
        .collect()
}

#[test]
fn the_table_has_its_sparse_index_and_survives_mistakes() {
    holds_and_notices_each(
        the_table_keeps_what_it_is_given,
        &vendor(),
        r#"
        another index | Table/GlobalSecondaryIndexes/0/Projection/ProjectionType = "ALL"
        no recovery | Table/PointInTimeRecoverySpecification
        a table that goes with its stack | /Resources/Table/DeletionPolicy = "Delete"
        "#,
    );
}

#[test]
fn the_public_can_read_published_templates_and_nothing_else() {
    holds_and_notices_each(
        only_published_templates_are_public,
        &vendor(),
        r#"
        the whole bucket |
            TemplateBucketPolicy/PolicyDocument/Statement/0/Resource = {"Fn::Sub": "${TemplateBucket.Arn}/*"}
        public writing |
            TemplateBucketPolicy/PolicyDocument/Statement/0/Action = ["s3:GetObject", "s3:PutObject"]
        a public bucket beside the one that is named | /Resources/TemplateBucketPolicy/Condition
        plain http on AWS | TemplateBucketPolicy/PolicyDocument/Statement/0/Condition
        a bucket that no customer can read |
            TemplateBucket/PublicAccessBlockConfiguration/BlockPublicPolicy = true
        a deployment that takes itself for local |
            /Parameters/LocalAnswerEndpoint/Default = "http://127.0.0.1:4566"
        "#,
    );
}

#[test]
fn what_the_publisher_and_the_local_aws_read_is_an_output() {
    holds_and_notices_each(
        what_the_tools_need_is_an_output,
        &vendor(),
        r#"
        a missing output | /Outputs/TemplateBucketName
        "#,
    );
}

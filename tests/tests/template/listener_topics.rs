//! The listener topics, and the StackSet that brings them to every region.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{DEFAULT_REGIONS, OPT_IN_REGIONS},
    reading::{allows, differences, list, properties, resources, target, texts, topic, vendor},
};

pub fn the_stack_set_makes_the_listener_topics(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let stack_sets: Vec<_> = resources(template, "AWS::CloudFormation::StackSet").collect();
    if stack_sets.len() != 1 {
        problems.push("there is not exactly one StackSet".to_owned());
    }
    for (id, stack_set) in stack_sets {
        let properties = &stack_set["Properties"];
        let parameter = template["Conditions"][stack_set["Condition"].as_str().unwrap_or_default()].clone();
        if parameter != json!({"Fn::Equals": [{"Ref": "ListenerTopicsBy"}, "StackSet"]}) {
            problems.push(format!("{id} cannot be turned off"));
        }
        if properties["TemplateURL"] != "functions/custom-resource-listener/listener-topic.yaml" {
            problems.push(format!("{id} makes something else than listener topics"));
        }
        let given: BTreeSet<&str> = list(&properties["Parameters"])
            .into_iter()
            .filter_map(|p| p["ParameterKey"].as_str())
            .collect();
        let topic = topic();
        let wanted: BTreeSet<&str> = topic["Parameters"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        problems.extend(differences("parameter of the listener topic", &given, &wanted));
        let group = &properties["StackInstancesGroup"][0];
        if group["Regions"] != json!({"Ref": "ListenerRegions"})
            || group["DeploymentTargets"]["Accounts"] != json!([{"Ref": "AWS::AccountId"}])
        {
            problems.push(format!("{id} does not go to this account's ListenerRegions"));
        }
        for role in [
            &properties["AdministrationRoleARN"],
            &properties["ExecutionRoleName"],
        ] {
            let role = target(role).unwrap_or_default();
            if template["Resources"][role]["Condition"] != stack_set["Condition"] {
                problems.push(format!("{id}'s role {role} does not come and go with it"));
            }
        }
        let administration = target(&properties["AdministrationRoleARN"]).unwrap_or_default();
        let execution = target(&properties["ExecutionRoleName"]).unwrap_or_default();
        if !allows(template, administration, "sts:AssumeRole", execution) {
            problems.push(format!("{administration} may not use {execution}"));
        }
        let trust = &self::properties(template, administration)["AssumeRolePolicyDocument"]["Statement"][0];
        let services = texts(&trust["Principal"]["Service"]["Fn::If"][1]);
        for region in OPT_IN_REGIONS.split(' ') {
            if !services.contains(format!("cloudformation.{region}.amazonaws.com").as_str()) {
                problems.push(format!(
                    "{administration} does not trust CloudFormation in {region}"
                ));
            }
        }
        if !services.contains("cloudformation.amazonaws.com") {
            problems.push(format!("{administration} does not trust CloudFormation"));
        }
    }
    problems
}

pub fn strangers_may_only_publish_to_the_topic(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let owner = json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}});
    let mut is_open = false;
    for (id, policy) in resources(template, "AWS::SNS::TopicPolicy") {
        for statement in list(&policy["Properties"]["PolicyDocument"]["Statement"]) {
            // Of a statement that depends on ListenerAccess, the open one is looked at.
            let statement = match &statement["Fn::If"] {
                Value::Array(choice)
                    if choice[0] == "IsOpen" && choice[2] == json!({"Ref": "AWS::NoValue"}) =>
                {
                    &choice[1]
                }
                _ => statement,
            };
            let actions = texts(&statement["Action"]);
            if statement["Effect"] != "Allow" || statement["Principal"] == owner {
                continue;
            }
            let knocks = statement["Principal"] == json!({"AWS": "*"})
                && actions == BTreeSet::from(["sns:Publish"])
                && target(&statement["Resource"]) == Some("ListenerTopic");
            if !knocks {
                problems.push(format!("{id} lets strangers do more than publish"));
            }
            is_open |= knocks && statement["Condition"].is_null();
        }
    }
    if !is_open {
        problems.push("customers' CloudFormation cannot publish".to_owned());
    }
    let subscription = properties(template, "ListenerSubscription");
    if subscription["Protocol"] != "lambda"
        || subscription["Endpoint"] != json!({"Ref": "ListenerFunctionArn"})
        || target(&subscription["TopicArn"]) != Some("ListenerTopic")
    {
        problems.push("the topic does not deliver to the listener".to_owned());
    }
    if target(&subscription["RedrivePolicy"]["deadLetterTargetArn"]) != Some("Undelivered") {
        problems.push("what cannot be delivered is lost".to_owned());
    }
    let undelivered = &properties(template, "UndeliveredPolicy")["PolicyDocument"]["Statement"];
    if undelivered.as_array().map(Vec::len) != Some(1)
        || undelivered[0]["Principal"] != json!({"Service": "sns.amazonaws.com"})
        || undelivered[0]["Action"] != "sqs:SendMessage"
        || undelivered[0]["Condition"] != json!({"ArnEquals": {"aws:SourceArn": {"Ref": "ListenerTopic"}}})
    {
        problems.push("the topic may not set messages aside, or others may".to_owned());
    }
    if !properties(template, "ListenerTopic")["KmsMasterKeyId"].is_null() {
        problems.push("publishers of other accounts cannot use the topic's key".to_owned());
    }
    problems
}

#[test]
fn the_stack_set_brings_the_listener_topic_to_every_chosen_region() {
    holds_and_notices_each(
        the_stack_set_makes_the_listener_topics,
        &vendor(),
        r#"
        a parameter that the topic's template does not have |
            ListenerTopics/Parameters/0/ParameterKey = "TopicName"
        a StackSet that cannot be turned off | /Resources/ListenerTopics/Condition
        an opt-in region whose CloudFormation is not trusted |
            ListenerTopicsAdministrationRole/AssumeRolePolicyDocument/Statement/0/Principal/Service/Fn::If/1 -= "cloudformation.me-south-1.amazonaws.com"
        roles that may not be used | /Resources/ListenerTopicsAdministrationPolicy
        "#,
    );
}

#[test]
fn every_default_listener_region_is_one_that_sns_may_deliver_from() {
    let template = vendor();
    let default = template["Parameters"]["ListenerRegions"]["Default"]
        .as_str()
        .unwrap()
        .to_owned();
    let regions: BTreeSet<&str> = default.split(',').collect();
    assert_eq!(regions, DEFAULT_REGIONS.split(' ').collect());
    assert!(
        regions.contains(
            template["Parameters"]["DefaultRegion"]["Default"]
                .as_str()
                .unwrap()
        )
    );
}

#[test]
fn strangers_may_knock_at_the_listener_topic_and_do_nothing_else() {
    holds_and_notices_each(
        strangers_may_only_publish_to_the_topic,
        &topic(),
        r#"
        strangers who subscribe |
            ListenerTopicPolicy/PolicyDocument/Statement/0/Fn::If/1/Action = ["sns:Publish", "sns:Subscribe"]
        a closed topic | ListenerTopicPolicy/PolicyDocument/Statement/0/Fn::If/1/Effect = "Deny"
        managers of any account | ListenerTopicPolicy/PolicyDocument/Statement/1/Principal = {"AWS": "*"}
        an encrypted topic | ListenerTopic/KmsMasterKeyId = "alias/aws/sns"
        a queue that anybody fills | UndeliveredPolicy/PolicyDocument/Statement/0/Condition
        "#,
    );
}

//! The listener topics, and the StackSet that brings them to every region.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{OPT_IN_REGIONS, serves},
    reading::{differences, list, properties, resources, target, texts, topic, vendor},
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
        if group["Regions"]
            != json!({"Fn::If": ["NamesRegions", {"Ref": "ListenerRegions"}, [{"Ref": "AWS::Region"}]]})
            || group["DeploymentTargets"]["Accounts"] != json!([{"Ref": "AWS::AccountId"}])
        {
            problems.push(format!("{id} does not go to this account's ListenerRegions"));
        }
        // Roles that were made the moment before may not be known everywhere yet.
        if list(&stack_set["DependsOn"]).is_empty() || properties["OperationPreferences"] != tolerant() {
            problems.push(format!(
                "{id} fails for one region, or begins before its roles are known"
            ));
        }
        let administration = target(&properties["AdministrationRoleARN"]).unwrap_or_default();
        let execution = target(&properties["ExecutionRoleName"]).unwrap_or_default();
        for role in [administration, execution] {
            if template["Resources"][role]["Condition"] != stack_set["Condition"] {
                problems.push(format!("{id}'s role {role} does not come and go with it"));
            }
        }
        problems.extend(administration_uses_nothing_but(
            template,
            administration,
            execution,
        ));
        let trust = &self::properties(template, administration)["AssumeRolePolicyDocument"]["Statement"][0];
        let principals = list(&trust["Principal"]["Service"]);
        for region in OPT_IN_REGIONS.split(' ') {
            let name = format!("cloudformation.{region}.amazonaws.com");
            let principal = json!({ "Fn::If": [serves(region), name, { "Ref": "AWS::NoValue" }] });
            if !principals.contains(&&principal) {
                problems.push(format!(
                    "{administration} does not trust CloudFormation in {region}"
                ));
            }
        }
        if !principals.contains(&&json!("cloudformation.amazonaws.com")) {
            problems.push(format!("{administration} does not trust CloudFormation"));
        }
    }
    problems
}

fn tolerant() -> Value {
    json!({
        "RegionConcurrencyType": "PARALLEL",
        "MaxConcurrentPercentage": 100,
        "FailureTolerancePercentage": 100,
        "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
    })
}

/// CloudFormation's names of roles: `<stack>-<logical id>-<12 characters>`, of which the logical id is cut.
const MAX_ROLE_NAME: usize = 64;
const SUFFIX: usize = 12;
/// The longest name of a stack that the pattern is made for.
const MAX_STACK_NAME: usize = 30;

/// The administration role's policy stands in the role itself, and names the execution role by the beginning of its name.
fn administration_uses_nothing_but(template: &Value, administration: &str, execution: &str) -> Problems {
    let begin = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-";
    let inline = &properties(template, administration)["Policies"];
    let statement = &inline[0]["PolicyDocument"]["Statement"];
    let pattern = statement[0]["Resource"]["Fn::Sub"].as_str().unwrap_or_default();
    let named = pattern
        .strip_prefix(begin)
        .and_then(|rest| rest.strip_suffix('*'))
        .unwrap_or_default();
    let kept = MAX_ROLE_NAME - MAX_STACK_NAME - SUFFIX - "--".len();
    let fits = !named.is_empty() && execution.starts_with(named) && named.len() <= kept;
    let names_others =
        resources(template, "AWS::IAM::Role").any(|(id, _)| id != execution && id.starts_with(named));
    if fits && !names_others && list(inline).len() == 1 && list(statement).len() == 1 {
        return Problems::new();
    }
    vec![format!(
        "{administration} may use something else than {execution}"
    )]
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
            ListenerTopicsAdministrationRole/AssumeRolePolicyDocument/Statement/0/Principal/Service -=
                {"Fn::If": ["ServesMeSouth1", "cloudformation.me-south-1.amazonaws.com", {"Ref": "AWS::NoValue"}]}
        roles that may not be used | ListenerTopicsAdministrationRole/Policies
        a pattern that long stack names cut off |
            ListenerTopicsAdministrationRole/Policies/0/PolicyDocument/Statement/0/Resource =
                {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-ListenerTopicsExecutionRole*"}
        a pattern of every role |
            ListenerTopicsAdministrationRole/Policies/0/PolicyDocument/Statement/0/Resource =
                {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-*"}
        one region that takes all with it | ListenerTopics/OperationPreferences/FailureTolerancePercentage = 0
        a StackSet that runs ahead of its roles | /Resources/ListenerTopics/DependsOn
        "#,
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

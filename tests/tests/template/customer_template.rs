//! The customer's template: whom its role lets in, what it grants, when it tells us.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices, resource},
    reading::{
        customer, differences, function_property, list, properties, resources, statements, target, texts,
        vendor,
    },
};

pub fn the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let role = properties(template, "ConnectionRole");
    let trust = list(&role["AssumeRolePolicyDocument"]["Statement"]);
    let expected = json!({
        "ArnLike": {"aws:PrincipalArn": {
            "Fn::Sub": "arn:${AWS::Partition}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*"
        }},
        "StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}},
    });
    let principal = json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::__VENDOR_ACCOUNT_ID__:root"}});
    if trust.len() != 1
        || trust[0]["Condition"] != expected
        || trust[0]["Principal"] != principal
        || trust[0]["Action"] != "sts:AssumeRole"
    {
        problems.push("the trust policy is another".to_owned());
    }
    if !role["RoleName"].is_null() {
        problems.push("a second stack would collide with the role's name".to_owned());
    }
    let parameters: Vec<&String> = template["Parameters"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(n, _)| n)
        .collect();
    if parameters != ["ExternalId"] || !template["Parameters"]["ExternalId"]["NoEcho"].is_null() {
        problems.push("the external ID is not the one visible parameter".to_owned());
    }
    let types: BTreeSet<&str> = template["Resources"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, resource)| resource["Type"].as_str())
        .collect();
    let expected = BTreeSet::from(["AWS::IAM::Role", "AWS::IAM::Policy", "Custom::LatchkeyConnection"]);
    problems.extend(differences("resource type", &types, &expected));
    if !template["Transform"].is_null() {
        problems.push("service-managed StackSets refuse transforms".to_owned());
    }
    problems
}

fn the_customers_role_can_only_look(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for statement in statements(template, "ConnectionRole") {
        for action in texts(&statement["Action"]) {
            let verb = action.split_once(':').map_or(action, |(_, verb)| verb);
            let reads = ["Get", "List", "Describe", "Simulate"]
                .iter()
                .any(|start| verb.starts_with(start));
            if !reads || action.contains('*') {
                problems.push(format!("{action} does more than look"));
            }
            let is_about_the_role = matches!(action, "iam:GetRole" | "iam:SimulatePrincipalPolicy");
            if is_about_the_role && target(&statement["Resource"]) != Some("ConnectionRole") {
                problems.push(format!("{action} is not limited to the role itself"));
            }
        }
    }
    problems
}

pub fn the_connection_is_made_last_and_waits_long_enough(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let connection = &template["Resources"]["Connection"];
    let policies: BTreeSet<&str> = resources(template, "AWS::IAM::Policy")
        .map(|(id, _)| id)
        .collect();
    if !policies.is_subset(&texts(&connection["DependsOn"])) {
        problems.push("the vendor is told before the role has its permissions".to_owned());
    }
    let properties = &connection["Properties"];
    let token = "arn:${AWS::Partition}:sns:${AWS::Region}:__VENDOR_ACCOUNT_ID__:__LISTENER_TOPIC_NAME__";
    for (name, expected) in [
        ("ServiceToken", json!({"Fn::Sub": token})),
        ("ExternalId", json!({"Ref": "ExternalId"})),
        ("RoleArn", json!({"Fn::GetAtt": ["ConnectionRole", "Arn"]})),
        ("TemplateVersion", json!("__TEMPLATE_VERSION__")),
    ] {
        if properties[name] != expected {
            problems.push(format!("{name} is {}", properties[name]));
        }
    }
    let timeout = properties["ServiceTimeout"].as_i64().unwrap_or(3600);
    let vendor = vendor();
    let longest = vendor["Parameters"]["VerificationDeadlineSeconds"]["MaxValue"]
        .as_i64()
        .unwrap_or(i64::MAX);
    let verifier = function_property(&vendor, "RoleVerifierFunction", "Timeout")
        .as_i64()
        .unwrap_or(900);
    if timeout < longest + verifier {
        problems.push(format!(
            "the stack waits {timeout} s, a last verification may end after {longest} + {verifier} s"
        ));
    }
    for (output, attribute) in [("ConnectionId", "ConnectionId"), ("Status", "Status")] {
        if template["Outputs"][output]["Value"] != json!({"Fn::GetAtt": ["Connection", attribute]}) {
            problems.push(format!("the output {output} is missing"));
        }
    }
    problems
}

#[test]
fn the_customers_role_lets_in_nobody_but_the_vendors_verifier_with_the_external_id() {
    holds_and_notices(
        the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id,
        &customer(),
        &[
            ("no external ID", &|t| {
                resource(t, "ConnectionRole")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
                    .as_object_mut()
                    .unwrap()
                    .remove("StringEquals");
            }),
            ("any role of the vendor", &|t| {
                resource(t, "ConnectionRole")["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
                    .as_object_mut()
                    .unwrap()
                    .remove("ArnLike");
            }),
            ("a second way in", &|t| {
                let statements = &mut resource(t, "ConnectionRole")["AssumeRolePolicyDocument"]["Statement"];
                let copy = statements[0].clone();
                statements.as_array_mut().unwrap().push(copy);
            }),
            ("the vendor as an editable parameter", &|t| {
                t["Parameters"]["VendorAccountId"] = json!({"Type": "String"});
            }),
            ("a role name that collides", &|t| {
                resource(t, "ConnectionRole")["RoleName"] = json!("Latchkey")
            }),
            ("another resource", &|t| {
                t["Resources"]["User"] = json!({"Type": "AWS::IAM::User"})
            }),
        ],
    );
}

#[test]
fn the_customers_role_is_for_looking_only() {
    holds_and_notices(
        the_customers_role_can_only_look,
        &customer(),
        &[
            ("writing", &|t| {
                resource(t, "ConnectionPermissions")["PolicyDocument"]["Statement"][1]["Action"] =
                    json!(["iam:CreateUser"]);
            }),
            ("every action of a service", &|t| {
                resource(t, "ConnectionPermissions")["PolicyDocument"]["Statement"][1]["Action"] =
                    json!(["ec2:Describe*"]);
            }),
            ("reading other roles", &|t| {
                resource(t, "ConnectionPermissions")["PolicyDocument"]["Statement"][0]["Resource"] =
                    json!("*");
            }),
        ],
    );
}

#[test]
fn the_stack_tells_the_vendor_last_and_waits_longer_than_a_verification_takes() {
    holds_and_notices(
        the_connection_is_made_last_and_waits_long_enough,
        &customer(),
        &[
            ("a connection before the permissions", &|t| {
                t["Resources"]["Connection"]
                    .as_object_mut()
                    .unwrap()
                    .remove("DependsOn");
            }),
            ("a stack that gives up too early", &|t| {
                resource(t, "Connection")["ServiceTimeout"] = json!(269)
            }),
            ("a topic of another region", &|t| {
                resource(t, "Connection")["ServiceToken"] = json!({
                    "Fn::Sub": "arn:${AWS::Partition}:sns:us-east-1:__VENDOR_ACCOUNT_ID__:__LISTENER_TOPIC_NAME__"
                });
            }),
        ],
    );
}

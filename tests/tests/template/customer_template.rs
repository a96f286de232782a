//! The customer's template: whom its role lets in, what it grants, when it tells us.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    reading::{
        customer, differences, function_property, list, properties, resources, statements, target, texts,
        vendor,
    },
};

/// The one parameter that a launch link fills in.
const EXTERNAL_ID: &str = "ExternalId";
/// All others: each can be left as it is, and none names the vendor.
const OPTIONAL_PARAMETERS: [&str; 9] = [
    "PermissionTier",
    "PermissionsBoundaryArn",
    "RoleName",
    "RoleNamePrefix",
    "RolePath",
    "AllowedSourceIps",
    "AllowedOrganizationId",
    "AccessUntil",
    "HomeRegion",
];

pub fn the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let role = properties(template, "ConnectionRole");
    let trust = list(&role["AssumeRolePolicyDocument"]["Statement"]);
    let roles = json!({"aws:PrincipalArn": {
        "Fn::Sub": "arn:${AWS::Partition}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*"
    }});
    let expected = json!({
        "ArnLike": roles,
        "StringEquals": {
            "sts:ExternalId": {"Ref": "ExternalId"},
            "aws:PrincipalOrgID": {"Fn::If": ["HasOrganizationId", {"Ref": "AllowedOrganizationId"}, {"Ref": "AWS::NoValue"}]},
        },
        "IpAddress": {"Fn::If": ["HasSourceIps", {"aws:SourceIp": {"Fn::Split": [",", {"Ref": "AllowedSourceIps"}]}}, {"Ref": "AWS::NoValue"}]},
        "DateLessThan": {"Fn::If": ["HasAccessUntil", {"aws:CurrentTime": {"Fn::Sub": "${AccessUntil}T00:00:00Z"}}, {"Ref": "AWS::NoValue"}]},
    });
    let principal = json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::__VENDOR_ACCOUNT_ID__:root"}});
    let said = json!({
        "Sid": "VendorSaysWhatItComesFor",
        "Effect": "Allow",
        "Principal": principal,
        "Action": ["sts:SetSourceIdentity", "sts:TagSession"],
        "Condition": {"ArnLike": roles, "ForAllValues:StringLike": {"aws:TagKeys": "latchkey:*"}},
    });
    if trust.len() != 2
        || *trust[1] != said
        || trust[0]["Condition"] != expected
        || trust[0]["Principal"] != principal
        || trust[0]["Action"] != "sts:AssumeRole"
    {
        problems.push("the trust policy is another".to_owned());
    }
    // The last choice is no name at all, and a prefix goes with a part of the stack's own id.
    let prefixed = &role["RoleName"]["Fn::If"][2]["Fn::If"];
    if role["RoleName"]["Fn::If"][0] != "HasRoleName"
        || prefixed[0] != "HasRoleNamePrefix"
        || !prefixed[1].to_string().contains("AWS::StackId")
        || prefixed[2] != json!({"Ref": "AWS::NoValue"})
    {
        problems.push("a second stack would collide with the role's name".to_owned());
    }
    let found: BTreeSet<&str> = template["Parameters"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let expected: BTreeSet<&str> = [EXTERNAL_ID].into_iter().chain(OPTIONAL_PARAMETERS).collect();
    problems.extend(differences("parameter", &found, &expected));
    let groups = list(&template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]);
    if groups.first().map(|group| &group["Parameters"]) != Some(&json!([EXTERNAL_ID]))
        || !template["Parameters"][EXTERNAL_ID]["NoEcho"].is_null()
    {
        problems.push("the external ID is not what is seen first, readable".to_owned());
    }
    for name in OPTIONAL_PARAMETERS {
        if !template["Parameters"][name]["Default"].is_string() {
            problems.push(format!("{name} cannot be left as it is"));
        }
        let below = groups.iter().skip(1);
        if below
            .filter(|group| texts(&group["Parameters"]).contains(name))
            .count()
            != 1
        {
            problems.push(format!("{name} is not in one of the groups below"));
        }
    }
    for (name, condition) in template["Conditions"].as_object().into_iter().flatten() {
        // Where a parameter is empty, its condition must not hold: then nothing but the defaults is made.
        if name.starts_with("Has") && condition["Fn::Not"][0]["Fn::Equals"].is_null() {
            problems.push(format!("{name} holds for a parameter that was left as it is"));
        }
    }
    let types: BTreeSet<&str> = template["Resources"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, resource)| resource["Type"].as_str())
        .collect();
    let expected = BTreeSet::from([
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
        "Custom::LatchkeyConnection",
        // In the regions that are not the home region; it is nothing.
        "AWS::CloudFormation::WaitConditionHandle",
    ]);
    problems.extend(differences("resource type", &types, &expected));
    if !template["Transform"].is_null() {
        problems.push("service-managed StackSets refuse transforms".to_owned());
    }
    problems
}

/// The statements of the customer's role, each with the condition that grants it, if it has one.
fn granted(template: &Value) -> Vec<(Option<&str>, &Value)> {
    statements(template, "ConnectionRole")
        .into_iter()
        .map(|statement| match &statement["Fn::If"] {
            Value::Array(parts) => (parts[0].as_str(), &parts[1]),
            _ => (None, statement),
        })
        .collect()
}

fn without_a_choice_the_customers_role_can_only_look(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let default = &template["Parameters"]["PermissionTier"]["Default"];
    for (condition, statement) in granted(template) {
        let is_default = condition.is_none_or(|name| {
            let condition = template["Conditions"][name].to_string();
            condition.contains(&format!("[{{\"Ref\":\"PermissionTier\"}},{default}]"))
        });
        for action in texts(&statement["Action"]) {
            let verb = action.split_once(':').map_or(action, |(_, verb)| verb);
            let reads = ["Get", "List", "Describe", "Simulate"]
                .iter()
                .any(|start| verb.starts_with(start));
            if action.contains('*') || (!reads && (is_default || statement["Resource"] == "*")) {
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
        ("PermissionTier", json!({"Ref": "PermissionTier"})),
        ("MadeBy", json!("template")),
        (
            "AccessUntil",
            json!({"Fn::If": ["HasAccessUntil", {"Ref": "AccessUntil"}, {"Ref": "AWS::NoValue"}]}),
        ),
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
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        let condition = if id == "NothingInThisRegion" {
            "IsElsewhere"
        } else {
            "IsAtHome"
        };
        if resource["Condition"] != condition {
            problems.push(format!("a second region of an account would make a second {id}"));
        }
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
    holds_and_notices_each(
        the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id,
        &customer(),
        r#"
        no external ID | ConnectionRole/AssumeRolePolicyDocument/Statement/0/Condition/StringEquals
        any role of the vendor | ConnectionRole/AssumeRolePolicyDocument/Statement/0/Condition/ArnLike
        a second way in | ConnectionRole/AssumeRolePolicyDocument/Statement += {}
        any tag | ConnectionRole/AssumeRolePolicyDocument/Statement/1/Condition/ForAllValues:StringLike
        a second action that lets in |
            ConnectionRole/AssumeRolePolicyDocument/Statement/1/Action = ["sts:*"]
        an access that does not end | ConnectionRole/AssumeRolePolicyDocument/Statement/0/Condition/DateLessThan
        a parameter that must be filled in | /Parameters/RoleName/Default
        another parameter among the first |
            /Metadata/AWS::CloudFormation::Interface/ParameterGroups/0/Parameters =
                ["ExternalId", "HomeRegion"]
        trust that is narrowed by an empty list | /Conditions/HasSourceIps = {"Fn::Equals": ["", ""]}
        the vendor as an editable parameter | /Parameters/VendorAccountId = {"Type": "String"}
        a role name that collides | ConnectionRole/RoleName = "Latchkey"
        another resource | /Resources/User = {"Type": "AWS::IAM::User"}
        "#,
    );
}

#[test]
fn the_customers_role_is_for_looking_unless_they_choose_otherwise() {
    holds_and_notices_each(
        without_a_choice_the_customers_role_can_only_look,
        &customer(),
        r#"
        writing by default |
            ConnectionPermissions/PolicyDocument/Statement/1/Fn::If/1/Action = ["iam:CreateUser"]
        writing on everything by choice |
            ConnectionPermissions/PolicyDocument/Statement/6/Fn::If/1/Resource = "*"
        a tier that writes as the default | /Parameters/PermissionTier/Default = "tagging"
        every action of a service |
            ConnectionPermissions/PolicyDocument/Statement/1/Fn::If/1/Action = ["ec2:Describe*"]
        reading other roles | ConnectionPermissions/PolicyDocument/Statement/0/Resource = "*"
        "#,
    );
}

#[test]
fn the_stack_tells_the_vendor_last_and_waits_longer_than_a_verification_takes() {
    holds_and_notices_each(
        the_connection_is_made_last_and_waits_long_enough,
        &customer(),
        r#"
        a connection before the permissions | /Resources/Connection/DependsOn
        a stack that gives up too early | Connection/ServiceTimeout = 269
        a tier that nobody is told | Connection/PermissionTier
        an end that nobody is told | Connection/AccessUntil
        a stack that does not say what made it | Connection/MadeBy
        a role in every region of a StackSet | /Resources/ConnectionRole/Condition
        a topic of another region |
            Connection/ServiceToken =
                { "Fn::Sub": "arn:${AWS::Partition}:sns:us-east-1:__VENDOR_ACCOUNT_ID__:__LISTENER_TOPIC_NAME__" }
        "#,
    );
}

//! A region is served, or its service principals stand nowhere: IAM and Lambda refuse a whole deployment for one that
//! they do not know.

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{DEFAULT_REGIONS, regions, serves},
    reading::{topic, vendor},
};

/// What is made for a region is made where the stack is, and where `ListenerRegions` names it.
pub fn each_region_is_served_where_the_deployment_names_it(template: &Value) -> Problems {
    let named = json!({"Fn::Join": [",", [
        {"Ref": "AWS::Region"},
        {"Fn::Join": [",", {"Ref": "ListenerRegions"}]},
    ]]});
    let is_named = |region| {
        let without = json!({"Fn::Join": ["", {"Fn::Split": [region, named]}]});
        json!({"Fn::Not": [{"Fn::Equals": [without, named]}]})
    };
    let conditions = &template["Conditions"];
    regions()
        .filter(|region| conditions[serves(region)] != is_named(*region))
        .map(|region| format!("{region} is served where nobody named it, or is not where somebody did"))
        .collect()
}

/// Service principals of a region that is not enabled everywhere, outside of that region's condition.
fn a_regions_service_principals_come_with_the_region(template: &Value) -> Problems {
    let mut problems = Problems::new();
    visit(template, "", &mut problems);
    problems
}

/// The region of `sns.af-south-1.amazonaws.com`, unless each account has it.
fn region_of_principal(text: &str) -> Option<&str> {
    let host = text.strip_suffix(".cn").unwrap_or(text);
    let (service, region) = host.strip_suffix(".amazonaws.com")?.split_once('.')?;
    let is_name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_default = DEFAULT_REGIONS.split(' ').any(|default| default == region);
    (is_name(service) && is_name(region) && !is_default).then_some(region)
}

/// `condition` is the one that what is looked at depends on.
fn visit(value: &Value, condition: &str, problems: &mut Problems) {
    match value {
        Value::String(text) => {
            if let Some(region) = region_of_principal(text)
                && condition != serves(region)
            {
                problems.push(format!("{text} does not depend on {}", serves(region)));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, condition, problems)),
        Value::Object(members) => {
            if let Some(choice) = members.get("Fn::If").and_then(Value::as_array) {
                visit(&choice[1], choice[0].as_str().unwrap_or_default(), problems);
                visit(&choice[2], condition, problems);
                return;
            }
            let own = members.get("Condition").and_then(Value::as_str);
            let condition = own.unwrap_or(condition);
            members
                .values()
                .for_each(|member| visit(member, condition, problems));
        }
        _ => {}
    }
}

#[test]
fn a_region_is_served_where_the_deployment_names_it() {
    holds_and_notices_each(
        each_region_is_served_where_the_deployment_names_it,
        &vendor(),
        r#"
        a region without its condition | /Conditions/ServesAfSouth1
        a region that is always served | /Conditions/ServesMeSouth1 = {"Fn::Equals": ["x", "x"]}
        a region under another one's name |
            /Conditions/ServesEuSouth1/Fn::Not/0/Fn::Equals/0/Fn::Join/1/Fn::Split/0 = "eu-south-2"
        "#,
    );
}

#[test]
fn no_service_principal_of_an_opt_in_region_is_unconditional() {
    assert_eq!(
        a_regions_service_principals_come_with_the_region(&topic()),
        Problems::new()
    );
    holds_and_notices_each(
        a_regions_service_principals_come_with_the_region,
        &vendor(),
        r#"
        an opt-in region's permission without condition | /Resources/SnsAfSouth1Permission/Condition
        one under another region's | /Resources/SnsIlCentral1Permission/Condition = "ServesAfSouth1"
        one in a role's trust policy |
            ListenerTopicsAdministrationRole/AssumeRolePolicyDocument/Statement/0/Principal/Service +=
                "cloudformation.ap-east-2.amazonaws.com"
        a region that nobody knows yet |
            RoleVerifierRole/AssumeRolePolicyDocument/Statement/0/Principal/Service = "lambda.xx-west-9.amazonaws.com"
        "#,
    );
}

#[test]
fn no_regions_name_stands_within_another_ones() {
    for region in regions() {
        let within = regions().filter(|other| other.contains(region)).count();
        assert_eq!(within, 1, "{region}: a condition looks for it in a list");
    }
}

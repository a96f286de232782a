//! Who may start a function: SNS in every region, the API, and nobody else.

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::{DEFAULT_REGIONS, LISTENER, OPT_IN_REGIONS, regions, serves},
    reading::{resources, target, vendor},
};

pub fn sns_may_invoke_the_listener_from_every_served_region(template: &Value) -> Problems {
    regions()
        .map(
            |region| match OPT_IN_REGIONS.split(' ').any(|opt_in| opt_in == region) {
                true => (region, format!("sns.{region}.amazonaws.com")),
                false => (region, "sns.amazonaws.com".to_owned()),
            },
        )
        .filter(|(region, principal)| {
            let source =
                format!("arn:${{AWS::Partition}}:sns:{region}:${{AWS::AccountId}}:${{ListenerTopicName}}");
            !resources(template, "AWS::Lambda::Permission").any(|(_, permission)| {
                let properties = &permission["Properties"];
                target(&properties["FunctionName"]) == Some(LISTENER)
                    && properties["Action"] == "lambda:InvokeFunction"
                    && properties["Principal"] == principal.as_str()
                    && properties["SourceArn"]["Fn::Sub"] == source.as_str()
                    && permission["Condition"] == serves(region)
            })
        })
        .map(|(region, principal)| format!("{principal} may not deliver from {region}"))
        .collect()
}

fn no_permission_lets_in_a_source_that_is_not_ours(template: &Value) -> Problems {
    resources(template, "AWS::Lambda::Permission")
        .filter(|(_, permission)| {
            let source = permission["Properties"]["SourceArn"]["Fn::Sub"]
                .as_str()
                .unwrap_or_default();
            // Lambda refuses a wildcard as a region, and one as an account would let in strangers.
            let plain = source.replace("${AWS::", "${");
            let parts: Vec<&str> = plain.splitn(6, ':').collect();
            parts.len() < 6 || parts[..5].iter().any(|part| part.contains('*')) || parts[4] != "${AccountId}"
        })
        .map(|(id, _)| format!("{id} is not limited to a source of this account"))
        .collect()
}

fn the_api_may_invoke_the_function_of_its_integrations(template: &Value) -> Problems {
    resources(template, "AWS::ApiGatewayV2::Integration")
        .filter(|(_, integration)| {
            let function = target(&integration["Properties"]["IntegrationUri"]);
            let api = target(&integration["Properties"]["ApiId"]).unwrap_or_default();
            !resources(template, "AWS::Lambda::Permission").any(|(_, permission)| {
                let properties = &permission["Properties"];
                target(&properties["FunctionName"]) == function
                    && properties["Action"] == "lambda:InvokeFunction"
                    && properties["Principal"] == "apigateway.amazonaws.com"
                    && properties["SourceArn"]["Fn::Sub"].as_str().is_some_and(|source| {
                        source.starts_with(
                            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:",
                        ) && source.contains(&format!(":${{{api}}}/"))
                    })
            })
        })
        .map(|(id, _)| format!("API Gateway may not invoke the function of {id}"))
        .collect()
}

#[test]
fn sns_of_every_served_region_may_deliver_to_the_listener() {
    holds_and_notices_each(
        sns_may_invoke_the_listener_from_every_served_region,
        &vendor(),
        r#"
        an opt-in region without its permission | /Resources/SnsAfSouth1Permission
        a default-enabled region without its permission | /Resources/SnsUsEast1Permission
        an opt-in region under SNS's general name |
            SnsMeCentral1Permission/Principal = "sns.amazonaws.com"
        a permission for another function |
            SnsEuWest1Permission/FunctionName = {"Ref": "RoleVerifierFunction"}
        a permission that another region switches on |
            /Resources/SnsEuWest1Permission/Condition = "ServesEuWest2"
        "#,
    );
}

#[test]
fn every_lambda_permission_is_limited_to_a_source_of_this_account() {
    holds_and_notices_each(
        no_permission_lets_in_a_source_that_is_not_ours,
        &vendor(),
        r#"
        any topic of SNS | SnsEuWest1Permission/SourceArn
        a topic of any account |
            SnsEuWest1Permission/SourceArn =
                {"Fn::Sub": "arn:${AWS::Partition}:sns:eu-west-1:*:${ListenerTopicName}"}
        a wildcard as region, which Lambda refuses |
            SnsEuWest1Permission/SourceArn =
                {"Fn::Sub": "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:${ListenerTopicName}"}
        "#,
    );
}

#[test]
fn the_api_may_invoke_the_link_generator() {
    holds_and_notices_each(
        the_api_may_invoke_the_function_of_its_integrations,
        &vendor(),
        r#"
        no permission | /Resources/LinkGeneratorApiPermission
        a permission for any API |
            LinkGeneratorApiPermission/SourceArn =
                {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*"}
        "#,
    );
}

#[test]
fn a_function_policy_has_room_for_all_regions() {
    /// Lambda's limit on the resource policy of a function, in bytes.
    const MAX_POLICY_BYTES: usize = 20_480;
    let longest_region = "ap-southeast-7";
    let topic = format!("arn:aws:sns:{longest_region}:111111111111:latchkey-listener");
    // A statement as Lambda stores it, for a stack named `latchkey`; function names are at most 64 characters.
    let statement = json!({
        "Sid": format!("latchkey-SnsApSoutheast7Permission-{}", "X".repeat(13)),
        "Effect": "Allow",
        "Principal": {"Service": format!("sns.{longest_region}.amazonaws.com")},
        "Action": "lambda:InvokeFunction",
        "Resource": format!("arn:aws:lambda:{longest_region}:111111111111:function:{}", "f".repeat(64)),
        "Condition": {"ArnLike": {"AWS:SourceArn": topic}},
    });
    let regions = DEFAULT_REGIONS.split(' ').count() + OPT_IN_REGIONS.split(' ').count();
    let bytes = regions * (statement.to_string().len() + 1) + 100;
    assert!(bytes < MAX_POLICY_BYTES, "{bytes} bytes");
}

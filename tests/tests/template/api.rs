//! The API: its routes, its tokens, its access log.

use std::collections::BTreeSet;

use link_generator::router::ROUTES;
use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices, remove, resource},
    names::FUNCTIONS,
    reading::{differences, properties, resources, target, vendor},
};

fn every_route_asks_for_a_token(template: &Value) -> Problems {
    let authorizer_holds = |id: &str| {
        let authorizer = properties(template, id);
        authorizer["AuthorizerType"] == "JWT"
            && authorizer["JwtConfiguration"]["Issuer"] == json!({"Ref": "JwtIssuer"})
            && authorizer["JwtConfiguration"]["Audience"] == json!({"Ref": "JwtAudience"})
    };
    let mut problems: Problems = resources(template, "AWS::ApiGatewayV2::Route")
        .filter(|(_, route)| {
            let route = &route["Properties"];
            route["AuthorizationType"] != "JWT"
                || !target(&route["AuthorizerId"]).is_some_and(authorizer_holds)
        })
        .map(|(id, _)| format!("{id} is open to everybody"))
        .collect();
    // A proxy that SAM or a quick-create target would add has no authorizer at all.
    for (id, api) in resources(template, "AWS::ApiGatewayV2::Api") {
        if !api["Properties"]["Target"].is_null() || !api["Properties"]["Body"].is_null() {
            problems.push(format!("{id} makes routes that are not listed as resources"));
        }
    }
    for kind in [
        "AWS::Serverless::HttpApi",
        "AWS::Serverless::Api",
        "AWS::Lambda::Url",
    ] {
        problems
            .extend(resources(template, kind).map(|(id, _)| format!("{id} is a way in past the authorizer")));
    }
    for function in FUNCTIONS {
        for way in ["Events", "FunctionUrlConfig"] {
            if !properties(template, function)[way].is_null() {
                problems.push(format!("{function} has {way}, which are not looked at here"));
            }
        }
    }
    for parameter in ["JwtIssuer", "JwtAudience", "TenantClaim"] {
        if !template["Parameters"][parameter]["Default"].is_null() {
            problems.push(format!(
                "{parameter} has a default, though only the deployer can know it"
            ));
        }
    }
    problems
}

pub fn the_api_has_exactly_its_routes(template: &Value) -> Problems {
    let routes: BTreeSet<&str> = resources(template, "AWS::ApiGatewayV2::Route")
        .filter_map(|(_, route)| route["Properties"]["RouteKey"].as_str())
        .collect();
    let expected = ROUTES.iter().map(|route| route.key).collect();
    let mut problems = differences("route", &routes, &expected);
    for (id, route) in resources(template, "AWS::ApiGatewayV2::Route") {
        let integration = target(&route["Properties"]["Target"]).unwrap_or_default();
        let integration = properties(template, integration);
        if target(&integration["IntegrationUri"]) != Some("LinkGeneratorFunction")
            || integration["PayloadFormatVersion"] != "2.0"
        {
            problems.push(format!("{id} does not lead to the link generator by payload 2.0"));
        }
    }
    problems
}

/// Which pages may call the API from a browser is for the deployer to say; by default none may.
fn only_named_pages_may_call_the_api(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let named = json!({"Fn::If": ["LetsInPages", {
        "AllowOrigins": {"Ref": "CorsAllowedOrigins"},
        "AllowMethods": ["GET", "POST", "DELETE"],
        "AllowHeaders": ["authorization", "content-type"],
        "MaxAge": 600,
    }, {"Ref": "AWS::NoValue"}]});
    for (id, api) in resources(template, "AWS::ApiGatewayV2::Api") {
        if api["Properties"]["CorsConfiguration"] != named {
            problems.push(format!(
                "{id} lets in pages that nobody named, or shuts out those that somebody did"
            ));
        }
    }
    if template["Parameters"]["CorsAllowedOrigins"]["Default"] != "" {
        problems.push("pages are let in by default".to_owned());
    }
    problems
}

#[test]
fn pages_of_no_other_origin_call_the_api_from_a_browser() {
    holds_and_notices(
        only_named_pages_may_call_the_api,
        &vendor(),
        &[
            ("any page", &|t| {
                resource(t, "Api")["CorsConfiguration"]["Fn::If"][1]["AllowOrigins"] = json!(["*"]);
            }),
            ("cookies", &|t| {
                resource(t, "Api")["CorsConfiguration"]["Fn::If"][1]["AllowCredentials"] = json!(true);
            }),
            ("a page by default", &|t| {
                t["Parameters"]["CorsAllowedOrigins"]["Default"] = json!("https://x.example");
            }),
        ],
    );
}

fn access_logs_hold_no_secret(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (id, stage) in resources(template, "AWS::ApiGatewayV2::Stage") {
        let stage = &stage["Properties"];
        let format = stage["AccessLogSettings"]["Format"].as_str().unwrap_or_default();
        if format.is_empty() || target(&stage["AccessLogSettings"]["DestinationArn"]).is_none() {
            problems.push(format!("{id} has no access log"));
        }
        for secret in [
            "header",
            "Authorization",
            "claims",
            "queryString",
            "body",
            "context.path",
        ] {
            if format.contains(secret) {
                problems.push(format!("{id} logs {secret}"));
            }
        }
        if serde_json::from_str::<Value>(format).is_err() {
            problems.push(format!("{id} logs lines that are not JSON"));
        }
        let throttling = &stage["DefaultRouteSettings"];
        if throttling["ThrottlingRateLimit"].is_null() || throttling["ThrottlingBurstLimit"].is_null() {
            problems.push(format!("{id} does not throttle"));
        }
    }
    problems
}

#[test]
fn no_route_is_open_without_a_token() {
    holds_and_notices(
        every_route_asks_for_a_token,
        &vendor(),
        &[
            ("a new route without the authorizer", &|t| {
                t["Resources"]["NewRoute"] = json!({
                    "Type": "AWS::ApiGatewayV2::Route",
                    "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": "GET /v1/everything"}
                });
            }),
            ("a route that turns it off", &|t| {
                resource(t, "ReadConnectionRoute")["AuthorizationType"] = json!("NONE");
            }),
            ("an authorizer with an audience of its own", &|t| {
                resource(t, "ApiAuthorizer")["JwtConfiguration"]["Audience"] = json!(["any"]);
            }),
            ("a catch-all target", &|t| {
                resource(t, "Api")["Target"] = json!("arn")
            }),
            ("a function URL", &|t| {
                resource(t, "LinkGeneratorFunction")["FunctionUrlConfig"] = json!({"AuthType": "NONE"});
            }),
            ("a SAM event", &|t| {
                resource(t, "LinkGeneratorFunction")["Events"] = json!({"X": {"Type": "HttpApi"}})
            }),
            ("a default issuer", &|t| {
                t["Parameters"]["JwtIssuer"]["Default"] = json!("https://x.example")
            }),
        ],
    );
}

#[test]
fn the_template_has_the_functions_routes_and_no_other() {
    holds_and_notices(
        the_api_has_exactly_its_routes,
        &vendor(),
        &[
            ("a missing route", &|t| remove(t, "DeleteConnectionRoute")),
            ("another route", &|t| {
                resource(t, "DeleteConnectionRoute")["RouteKey"] = json!("$default")
            }),
            ("another payload", &|t| {
                resource(t, "ApiIntegration")["PayloadFormatVersion"] = json!("1.0")
            }),
        ],
    );
}

#[test]
fn the_access_log_is_json_without_secrets_and_the_api_is_throttled() {
    holds_and_notices(
        access_logs_hold_no_secret,
        &vendor(),
        &[
            ("a claim in the log", &|t| {
                resource(t, "ApiStage")["AccessLogSettings"]["Format"] =
                    json!("{\"who\":\"$context.authorizer.claims.sub\"}");
            }),
            ("no throttling", &|t| {
                resource(t, "ApiStage")
                    .as_object_mut()
                    .unwrap()
                    .remove("DefaultRouteSettings");
            }),
        ],
    );
}

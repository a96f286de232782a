//! The API: its routes, its tokens, its access log.

use std::collections::BTreeSet;

use link_generator::router::{Door, ROUTES, Route};
use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices, holds_and_notices_each, remove, resource},
    names::FUNCTIONS,
    reading::{differences, list, properties, resources, target, vendor},
};

/// What a route of a door has in the template.
fn of_door(template: &Value, door: Door, route: &Value) -> bool {
    let authorization = &route["Properties"]["AuthorizationType"];
    match door {
        Door::Tenant => {
            let authorizer = target(&route["Properties"]["AuthorizerId"]).unwrap_or_default();
            let authorizer = properties(template, authorizer);
            let is_conditional = |resource: &Value| resource["Condition"] == "TakesTokens";
            authorization == "JWT"
                && is_conditional(route)
                && is_conditional(
                    &template["Resources"][target(&route["Properties"]["AuthorizerId"]).unwrap_or_default()],
                )
                && authorizer["AuthorizerType"] == "JWT"
                && authorizer["JwtConfiguration"]["Issuer"] == json!({"Ref": "JwtIssuer"})
                && authorizer["JwtConfiguration"]["Audience"]
                    == json!({"Fn::Split": [",", {"Ref": "JwtAudience"}]})
        }
        Door::Vendor => {
            authorization == "AWS_IAM"
                && route["Properties"]["AuthorizerId"].is_null()
                && route["Condition"].is_null()
        }
    }
}

fn every_route_has_its_doors_authorizer(template: &Value) -> Problems {
    let door_of = |route: &Value| {
        let key = route["Properties"]["RouteKey"].as_str().unwrap_or_default();
        let all = ROUTES.iter().flat_map(Route::keys);
        all.into_iter()
            .find(|(_, of_door)| of_door == key)
            .map(|(door, _)| door)
    };
    let mut problems: Problems = resources(template, "AWS::ApiGatewayV2::Route")
        .filter(|(_, route)| !door_of(route).is_some_and(|door| of_door(template, door, route)))
        .map(|(id, _)| format!("{id} is open to others than its door's callers"))
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
    problems
}

pub fn the_api_has_exactly_its_routes(template: &Value) -> Problems {
    let routes: BTreeSet<String> = resources(template, "AWS::ApiGatewayV2::Route")
        .filter_map(|(_, route)| Some(route["Properties"]["RouteKey"].as_str()?.to_owned()))
        .collect();
    let expected = ROUTES.iter().flat_map(Route::keys).map(|(_, key)| key).collect();
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
fn no_route_is_open_to_the_callers_of_another_door() {
    holds_and_notices(
        every_route_has_its_doors_authorizer,
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
            ("a vendor's route that turns it off", &|t| {
                resource(t, "VendorReadConnectionRoute")["AuthorizationType"] = json!("NONE");
            }),
            ("a vendor's route for tokens", &|t| {
                let route = resource(t, "VendorReadConnectionRoute");
                route["AuthorizationType"] = json!("JWT");
                route["AuthorizerId"] = json!({"Ref": "ApiAuthorizer"});
            }),
            ("a tenant's route for signatures", &|t| {
                resource(t, "ReadConnectionRoute")["AuthorizationType"] = json!("AWS_IAM");
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
            ("a tenant's route without an issuer", &|t| {
                let route = t["Resources"]["ReadConnectionRoute"].as_object_mut().unwrap();
                route.remove("Condition");
            }),
            ("a vendor's route with an issuer alone", &|t| {
                t["Resources"]["VendorReadConnectionRoute"]["Condition"] = json!("TakesTokens");
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
            ("a missing route of the vendor's door", &|t| {
                remove(t, "VendorDeleteConnectionRoute")
            }),
            ("a default route", &|t| {
                resource(t, "DeleteConnectionRoute")["RouteKey"] = json!("$default")
            }),
            ("a greedy route", &|t| {
                resource(t, "VendorDeleteConnectionRoute")["RouteKey"] =
                    json!("ANY /v1/tenants/{tenant}/{proxy+}")
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

/// The default and the rules of the three parameters that are given together or not at all.
fn tokens_are_a_decision_of_three_parameters(template: &Value) -> Problems {
    let parameters = template["Parameters"].as_object().unwrap();
    let undecided = parameters
        .iter()
        .filter(|(_, parameter)| !parameter["Default"].is_string() && !parameter["Default"].is_number());
    let mut problems: Problems = undecided
        .map(|(name, _)| format!("{name} has no default"))
        .collect();
    let is_empty = |name: &str| json!({ "Fn::Equals": [{ "Ref": name }, ""] });
    let not = |condition: Value| json!({ "Fn::Not": [condition] });
    let issuer = is_empty("JwtIssuer");
    for name in ["JwtAudience", "TenantClaim"] {
        for (when, asserted) in [
            (not(issuer.clone()), not(is_empty(name))),
            (issuer.clone(), is_empty(name)),
        ] {
            let rules = template["Rules"]
                .as_object()
                .into_iter()
                .flat_map(|rules| rules.values());
            let holds = rules.filter(|rule| rule["RuleCondition"] == when).any(|rule| {
                list(&rule["Assertions"])
                    .into_iter()
                    .any(|assertion| assertion["Assert"] == asserted)
            });
            if !holds {
                problems.push(format!("no rule asserts {asserted} when {when}"));
            }
        }
    }
    for name in ["JwtIssuer", "JwtAudience", "TenantClaim"] {
        if parameters[name]["Default"] != "" {
            problems.push(format!("{name} has a default that only the deployer can know"));
        }
    }
    if template["Conditions"]["TakesTokens"] != not(issuer) {
        problems.push("tokens are taken for another reason than the issuer".to_owned());
    }
    problems
}

#[test]
fn no_parameter_is_without_a_default_and_three_go_together() {
    holds_and_notices_each(
        tokens_are_a_decision_of_three_parameters,
        &vendor(),
        r#"
        a parameter without a default | /Parameters/RolePath/Default
        an issuer of somebody else | /Parameters/JwtIssuer/Default = "https://x.example"
        an audience of somebody else | /Parameters/JwtAudience/Default = "x"
        an issuer without an audience | /Rules/AnIssuerNeedsAudienceAndClaim/Assertions/0
        an issuer without a claim | /Rules/AnIssuerNeedsAudienceAndClaim/Assertions/1
        a claim without an issuer | /Rules/AudienceAndClaimNeedAnIssuer/Assertions/1
        a rule for another case | /Rules/AudienceAndClaimNeedAnIssuer/RuleCondition
        tokens always | /Conditions/TakesTokens = {"Fn::Equals": ["a", "a"]}
        "#,
    );
}

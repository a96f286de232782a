//! What `template.yaml`, the listener topic's template and the customer's template must hold, and the local AWS does
//! not check: resource policies, trust of execution roles, rights of event sources, queues and schedules, who may
//! assume roles, what is public.
//!
//! Every check takes the template and returns what is wrong with it, so that a counter-test can show it a broken
//! one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this file is tests only"
)]

use std::collections::{BTreeMap, BTreeSet};

use latchkey_tests::sam_template::{load, parse};
use serde_json::{Value, json};

/// What a check found; empty where all is well.
type Problems = Vec<String>;
type Check = fn(&Value) -> Problems;
/// A way to break a template, and what it is.
type Breakage<'a> = (&'a str, &'a dyn Fn(&mut Value));

const FUNCTIONS: [&str; 4] = [
    "LinkGeneratorFunction",
    "CustomResourceListenerFunction",
    "RoleVerifierFunction",
    "RevalidatorFunction",
];
const VERIFIER_ROLE: &str = "RoleVerifierRole";
const LISTENER: &str = "CustomResourceListenerFunction";

/// AWS-FACTS, "Regions", August 2026: enabled in every account.
const DEFAULT_REGIONS: &str = "\
    us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 \
    ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 \
    eu-north-1 sa-east-1";
/// AWS-FACTS, "Regions": SNS delivers from these as `sns.<region>.amazonaws.com`.
const OPT_IN_REGIONS: &str = "\
    af-south-1 ap-east-1 ap-east-2 ap-south-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 \
    ap-southeast-6 ap-southeast-7 ca-west-1 eu-south-1 eu-south-2 eu-central-2 il-central-1 \
    mx-central-1 me-south-1 me-central-1";
/// The other partitions, and the condition that turns their permissions on.
const OTHER_REGIONS: [(&str, &str); 5] = [
    ("us-gov-east-1", "IsGovCloud"),
    ("us-gov-west-1", "IsGovCloud"),
    ("cn-north-1", "IsChina"),
    ("cn-northwest-1", "IsChina"),
    ("eusc-de-east-1", "IsEuropeanSovereign"),
];

// --------------------------------------------------------------------------------------------------- reading

fn vendor() -> Value {
    load("template.yaml").unwrap()
}

fn topic() -> Value {
    load("functions/custom-resource-listener/listener-topic.yaml").unwrap()
}

fn customer() -> Value {
    load("customer/connection-template.yaml").unwrap()
}

fn resources<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = template["Resources"]
        .as_object()
        .expect("a template has resources");
    all.iter()
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
}

fn properties<'a>(template: &'a Value, id: &str) -> &'a Value {
    &template["Resources"][id]["Properties"]
}

/// The resource that a `Ref`, a `Fn::GetAtt` or the first variable of a `Fn::Sub` is about.
fn target(value: &Value) -> Option<&str> {
    if let Some(id) = value["Ref"].as_str() {
        return Some(id);
    }
    if let Some(id) = value["Fn::GetAtt"][0].as_str() {
        return Some(id);
    }
    let text = value["Fn::Sub"].as_str()?;
    let variable = text.split_once("${")?.1.split_once('}')?.0;
    (!variable.starts_with("AWS::")).then(|| variable.split('.').next().unwrap_or(variable))
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        single => vec![single],
    }
}

fn texts(value: &Value) -> BTreeSet<&str> {
    list(value).into_iter().filter_map(Value::as_str).collect()
}

/// A function's property, or the one that `Globals` gives it.
fn function_property<'a>(template: &'a Value, function: &str, name: &str) -> &'a Value {
    let own = &properties(template, function)[name];
    if own.is_null() {
        &template["Globals"]["Function"][name]
    } else {
        own
    }
}

fn role_of<'a>(template: &'a Value, function: &str) -> Option<&'a str> {
    target(&properties(template, function)["Role"])
}

/// All statements of a role's inline policies and of the policies that are attached to it.
fn statements<'a>(template: &'a Value, role: &str) -> Vec<&'a Value> {
    let inline = list(&properties(template, role)["Policies"])
        .into_iter()
        .map(|policy| &policy["PolicyDocument"]);
    let attached = resources(template, "AWS::IAM::Policy")
        .filter(|(_, policy)| {
            list(&policy["Properties"]["Roles"])
                .into_iter()
                .any(|r| target(r) == Some(role))
        })
        .map(|(_, policy)| &policy["Properties"]["PolicyDocument"]);
    inline
        .chain(attached)
        .flat_map(|document| list(&document["Statement"]))
        .collect()
}

/// Whether a role may do `action` on the resource `on`, without condition.
fn allows(template: &Value, role: &str, action: &str, on: &str) -> bool {
    statements(template, role).into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && statement["Condition"].is_null()
            && texts(&statement["Action"]).contains(action)
            && list(&statement["Resource"])
                .into_iter()
                .any(|resource| target(resource) == Some(on))
    })
}

fn env_of(template: &Value, function: &str) -> BTreeSet<String> {
    [&template["Globals"]["Function"], properties(template, function)]
        .into_iter()
        .filter_map(|from| from["Environment"]["Variables"].as_object())
        .flat_map(|variables| variables.keys().cloned())
        .collect()
}

// --------------------------------------------------------------------------------------------------- checks

fn sns_may_invoke_the_listener_from_every_region(template: &Value) -> Problems {
    let of_partition = |region: &'static str| (region, "IsCommercialPartition");
    let expected = DEFAULT_REGIONS
        .split(' ')
        .map(|region| (of_partition(region), "sns.amazonaws.com".to_owned()))
        .chain(
            OPT_IN_REGIONS
                .split(' ')
                .map(|region| (of_partition(region), format!("sns.{region}.amazonaws.com"))),
        )
        .chain(
            OTHER_REGIONS
                .into_iter()
                .map(|other| (other, "sns.amazonaws.com".to_owned())),
        );
    expected
        .filter(|((region, condition), principal)| {
            let source =
                format!("arn:${{AWS::Partition}}:sns:{region}:${{AWS::AccountId}}:${{ListenerTopicName}}");
            !resources(template, "AWS::Lambda::Permission").any(|(_, permission)| {
                let properties = &permission["Properties"];
                target(&properties["FunctionName"]) == Some(LISTENER)
                    && properties["Action"] == "lambda:InvokeFunction"
                    && properties["Principal"] == principal.as_str()
                    && properties["SourceArn"]["Fn::Sub"] == source.as_str()
                    && permission["Condition"] == *condition
            })
        })
        .map(|((region, _), principal)| format!("{principal} may not deliver from {region}"))
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

fn the_api_has_exactly_its_routes(template: &Value) -> Problems {
    let routes: BTreeSet<&str> = resources(template, "AWS::ApiGatewayV2::Route")
        .filter_map(|(_, route)| route["Properties"]["RouteKey"].as_str())
        .collect();
    let expected = BTreeSet::from([
        "POST /v1/connections",
        "GET /v1/connections",
        "GET /v1/connections/{id}",
        "DELETE /v1/connections/{id}",
    ]);
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

fn each_function_has_its_own_role_that_only_lambda_assumes(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut users: BTreeMap<&str, &str> = BTreeMap::new();
    for (function, _) in resources(template, "AWS::Serverless::Function") {
        let Some(role) = role_of(template, function) else {
            problems.push(format!("{function} has no role of its own"));
            continue;
        };
        if let Some(other) = users.insert(role, function) {
            problems.push(format!("{function} and {other} share {role}"));
        }
        let trust = list(&properties(template, role)["AssumeRolePolicyDocument"]["Statement"]);
        let expected = json!({
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"
        });
        if trust.len() != 1 || *trust[0] != expected {
            problems.push(format!("{role} trusts something else than Lambda"));
        }
        if !properties(template, role)["ManagedPolicyArns"].is_null() {
            problems.push(format!(
                "{role} has managed policies, which are not looked at here"
            ));
        }
    }
    problems
}

fn only_the_verifier_assumes_customers_roles(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (role, resource) in resources(template, "AWS::IAM::Role") {
        let path = &resource["Properties"]["Path"];
        if role == VERIFIER_ROLE {
            if *path != json!({"Ref": "RolePath"}) {
                problems.push("the verifier's role is not under RolePath: no customer lets it in".to_owned());
            }
            let denied = statements(template, role).into_iter().any(|statement| {
                statement["Effect"] == "Deny"
                    && statement["Condition"].is_null()
                    && texts(&statement["Action"]).contains("sts:AssumeRole")
                    && statement["Resource"]["Fn::Sub"]
                        == "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"
            });
            if !denied {
                problems.push("the verifier may assume roles of the vendor's own account".to_owned());
            }
            continue;
        }
        if !path.is_null() {
            problems.push(format!(
                "{role} has a path: nothing but the verifier's role may come under RolePath"
            ));
        }
        for statement in statements(template, role) {
            let assumes = texts(&statement["Action"])
                .into_iter()
                .any(|action| action == "*" || action.starts_with("sts:"));
            let of_this_template = |resource: &&Value| {
                target(resource).is_some_and(|id| template["Resources"][id]["Type"] == "AWS::IAM::Role")
            };
            if assumes && !list(&statement["Resource"]).iter().all(of_this_template) {
                problems.push(format!("{role} may assume roles that are not in this template"));
            }
        }
    }
    problems
}

fn no_function_may_do_more_than_it_names(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for function in FUNCTIONS {
        let role = role_of(template, function).unwrap_or_default();
        for statement in statements(template, role)
            .into_iter()
            .filter(|s| s["Effect"] == "Allow")
        {
            let sid = statement["Sid"].as_str().unwrap_or("a statement");
            for action in texts(&statement["Action"])
                .into_iter()
                .filter(|action| action.contains('*'))
            {
                problems.push(format!("{role}: {sid} allows {action}"));
            }
            if !statement["NotAction"].is_null() || !statement["NotResource"].is_null() {
                problems.push(format!("{role}: {sid} allows all but something"));
            }
            let is_customers_roles = role == VERIFIER_ROLE
                && texts(&statement["Action"]) == BTreeSet::from(["sts:AssumeRole"])
                && statement["Resource"]["Fn::Sub"] == "arn:${AWS::Partition}:iam::*:role/*";
            if !is_customers_roles
                && list(&statement["Resource"])
                    .iter()
                    .any(|r| r.to_string().contains('*'))
            {
                problems.push(format!("{role}: {sid} is not limited to its resources"));
            }
        }
    }
    problems
}

fn each_function_may_do_exactly_its_work(template: &Value) -> Problems {
    let items = [
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "ConditionCheckItem",
    ];
    let table = |names: &[&str]| {
        names
            .iter()
            .map(|name| (format!("dynamodb:{name}"), "Table"))
            .collect::<Vec<_>>()
    };
    let sends = |queue| ("sqs:SendMessage".to_owned(), queue);
    let expected: [(&str, Vec<(String, &str)>); 4] = [
        ("LinkGeneratorFunction", table(&[&items[..], &["Query"]].concat())),
        (
            LISTENER,
            [
                table(&items),
                vec![sends("VerificationQueue"), sends("ListenerDeadLetterQueue")],
            ]
            .concat(),
        ),
        (
            "RoleVerifierFunction",
            [
                table(&items),
                [
                    "ReceiveMessage",
                    "DeleteMessage",
                    "GetQueueAttributes",
                    "ChangeMessageVisibility",
                ]
                .map(|name| (format!("sqs:{name}"), "VerificationQueue"))
                .to_vec(),
                vec![("sts:AssumeRole".to_owned(), "*")],
            ]
            .concat(),
        ),
        (
            "RevalidatorFunction",
            [
                table(&["Query", "GetItem", "PutItem", "UpdateItem"]),
                vec![sends("VerificationQueue"), sends("RevalidatorDeadLetterQueue")],
            ]
            .concat(),
        ),
    ];
    let mut problems = Problems::new();
    for (function, mut expected) in expected {
        let role = role_of(template, function).unwrap_or_default();
        let logs = target(&properties(template, function)["LoggingConfig"]["LogGroup"]).unwrap_or_default();
        expected
            .extend(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| (action.to_owned(), logs)));
        let expected: BTreeSet<String> = expected
            .iter()
            .map(|(action, on)| format!("{action} on {on}"))
            .collect();
        let found: BTreeSet<String> = statements(template, role)
            .into_iter()
            .filter(|statement| statement["Effect"] == "Allow")
            .flat_map(|statement| {
                let on: Vec<&str> = list(&statement["Resource"])
                    .into_iter()
                    .map(|r| target(r).unwrap_or("*"))
                    .collect();
                texts(&statement["Action"])
                    .into_iter()
                    .flat_map(move |action| on.clone().into_iter().map(move |on| format!("{action} on {on}")))
                    .collect::<Vec<_>>()
            })
            .collect();
        problems.extend(differences(function, &found, &expected));
    }
    problems
}

fn each_function_has_exactly_its_environment(template: &Value) -> Problems {
    let expected: [(&str, &[&str]); 4] = [
        (
            "LinkGeneratorFunction",
            &[
                "TENANT_CLAIM",
                "LINK_LIFETIME_SECONDS",
                "LISTENER_REGIONS",
                "DEFAULT_REGION",
                "STACK_NAME_PREFIX",
                "AUDIT_RETENTION_DAYS",
            ],
        ),
        (
            LISTENER,
            &[
                "VERIFICATION_QUEUE_URL",
                "LISTENER_TOPIC_NAME",
                "VENDOR_ACCOUNT_ID",
                "LISTENER_REGIONS",
                "VERIFICATION_DEADLINE_SECONDS",
                "AUDIT_RETENTION_DAYS",
                "LOCAL_ANSWER_ENDPOINT",
            ],
        ),
        (
            "RoleVerifierFunction",
            &[
                "VERIFICATION_QUEUE_URL",
                "VENDOR_ACCOUNT_ID",
                "AUDIT_RETENTION_DAYS",
                "LOCAL_ANSWER_ENDPOINT",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
            ],
        ),
        (
            "RevalidatorFunction",
            &[
                "VERIFICATION_QUEUE_URL",
                "SWEEP_SLOTS",
                "DEGRADED_SLOTS",
                "SWEEP_TICK_SECONDS",
            ],
        ),
    ];
    expected
        .into_iter()
        .flat_map(|(function, own)| {
            let expected = own
                .iter()
                .chain(&["TABLE_NAME", "LOG_LEVEL"])
                .map(|name| (*name).to_owned())
                .collect();
            differences(function, &env_of(template, function), &expected)
        })
        .collect()
}

fn each_function_is_built_for_the_same_lambda(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (function, resource) in resources(template, "AWS::Serverless::Function") {
        let property = |name| function_property(template, function, name);
        let code = property("CodeUri").as_str().unwrap_or_default();
        let package = code.strip_prefix("functions/").unwrap_or_default();
        let holds = *property("Runtime") == "provided.al2023"
            && *property("Handler") == "bootstrap"
            && *property("Architectures") == json!(["arm64"])
            && resource["Metadata"]["BuildMethod"] == "rust-cargolambda"
            && resource["Metadata"]["BuildProperties"]["Binary"] == package
            && !package.is_empty();
        if !holds {
            problems.push(format!(
                "{function} is not a rust-cargolambda build of its own folder"
            ));
        }
    }
    let functions: BTreeSet<&str> = resources(template, "AWS::Serverless::Function")
        .map(|(id, _)| id)
        .collect();
    problems.extend(differences(
        "function",
        &functions,
        &FUNCTIONS.into_iter().collect(),
    ));
    problems
}

fn each_function_logs_into_its_own_group_for_a_bounded_time(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut groups = BTreeSet::new();
    for function in FUNCTIONS {
        let group = target(&properties(template, function)["LoggingConfig"]["LogGroup"]).unwrap_or_default();
        if template["Resources"][group]["Type"] != "AWS::Logs::LogGroup" || !groups.insert(group) {
            problems.push(format!("{function} has no log group of its own"));
        }
    }
    for (id, group) in resources(template, "AWS::Logs::LogGroup") {
        if group["Properties"]["RetentionInDays"] != json!({"Ref": "LogRetentionDays"}) {
            problems.push(format!("{id} keeps logs for ever"));
        }
    }
    problems
}

fn event_sources_may_be_read_by_their_functions(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut count = 0;
    for (id, mapping) in resources(template, "AWS::Lambda::EventSourceMapping") {
        count += 1;
        let mapping = &mapping["Properties"];
        let queue = target(&mapping["EventSourceArn"]).unwrap_or_default();
        let role = target(&mapping["FunctionName"])
            .and_then(|f| role_of(template, f))
            .unwrap_or_default();
        for action in [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
        ] {
            if !allows(template, role, action, queue) {
                problems.push(format!("{id}: {role} may not {action} on {queue}"));
            }
        }
        if texts(&mapping["FunctionResponseTypes"]) != BTreeSet::from(["ReportBatchItemFailures"]) {
            problems.push(format!("{id}: one bad message would bring the whole batch back"));
        }
        if mapping["ScalingConfig"]["MaximumConcurrency"].is_null() {
            problems.push(format!("{id}: nothing bounds the concurrency"));
        }
        if mapping["BatchSize"] != 10 {
            problems.push(format!("{id}: the batch size is not 10"));
        }
    }
    if count == 0 {
        problems.push("no event source".to_owned());
    }
    problems
}

fn messages_stay_invisible_while_they_are_worked_on(template: &Value) -> Problems {
    resources(template, "AWS::Lambda::EventSourceMapping")
        .filter_map(|(id, mapping)| {
            let queue = target(&mapping["Properties"]["EventSourceArn"])?;
            let function = target(&mapping["Properties"]["FunctionName"])?;
            let visibility = properties(template, queue)["VisibilityTimeout"]
                .as_i64()
                .unwrap_or(30);
            let timeout = function_property(template, function, "Timeout")
                .as_i64()
                .unwrap_or(3);
            // Lambda's guide for SQS: at least six times the function's time-out.
            (visibility < 6 * timeout)
                .then(|| format!("{id}: {visibility} s of visibility for {timeout} s of work"))
        })
        .collect()
}

fn what_is_given_up_ends_in_a_dead_letter_queue(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let is_queue =
        |id: Option<&str>| id.is_some_and(|id| template["Resources"][id]["Type"] == "AWS::SQS::Queue");
    for (id, mapping) in resources(template, "AWS::Lambda::EventSourceMapping") {
        let queue = target(&mapping["Properties"]["EventSourceArn"]).unwrap_or_default();
        let redrive = &properties(template, queue)["RedrivePolicy"];
        if !is_queue(target(&redrive["deadLetterTargetArn"])) {
            problems.push(format!("{id}: {queue} has no dead-letter queue"));
        }
        if redrive["maxReceiveCount"] != 20 {
            problems.push(format!("{id}: {queue} does not give up after 20 receives"));
        }
    }
    for function in [LISTENER, "RevalidatorFunction"] {
        let on_failure =
            &properties(template, function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        let queue = target(&on_failure["Destination"]);
        if on_failure["Type"] != "SQS" || !is_queue(queue) {
            problems.push(format!("{function}: failed events are lost"));
        }
        let role = role_of(template, function).unwrap_or_default();
        if !allows(template, role, "sqs:SendMessage", queue.unwrap_or_default()) {
            problems.push(format!("{function}: {role} may not set failed events aside"));
        }
    }
    for (id, queue) in resources(template, "AWS::SQS::Queue") {
        if queue["Properties"]["SqsManagedSseEnabled"] != true {
            problems.push(format!("{id} is not encrypted"));
        }
        let is_dead_letter_queue = id.ends_with("DeadLetterQueue");
        if is_dead_letter_queue && queue["Properties"]["MessageRetentionPeriod"] != 1_209_600 {
            problems.push(format!(
                "{id} does not keep messages for the longest time, 14 days"
            ));
        }
    }
    problems
}

fn the_schedule_may_start_the_revalidator_and_nothing_else(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let schedules: Vec<_> = resources(template, "AWS::Scheduler::Schedule").collect();
    if schedules.len() != 1 {
        problems.push("there is not exactly one schedule".to_owned());
    }
    for (id, schedule) in schedules {
        let to = &schedule["Properties"]["Target"];
        let role = target(&to["RoleArn"]).unwrap_or_default();
        if target(&to["Arn"]) != Some("RevalidatorFunction") {
            problems.push(format!("{id} does not start the revalidator"));
        }
        if !allows(template, role, "lambda:InvokeFunction", "RevalidatorFunction") {
            problems.push(format!("{role} may not start the revalidator"));
        }
        let queue = target(&to["DeadLetterConfig"]["Arn"]).unwrap_or_default();
        if template["Resources"][queue]["Type"] != "AWS::SQS::Queue"
            || !allows(template, role, "sqs:SendMessage", queue)
        {
            problems.push(format!("{id}: ticks that cannot be handed over are lost"));
        }
        if to["RetryPolicy"]["MaximumRetryAttempts"].is_null() {
            problems.push(format!("{id} has no retry policy"));
        }
        if schedule["Properties"]["State"] != "ENABLED" {
            problems.push(format!("{id} is switched off"));
        }
        let trust = list(&properties(template, role)["AssumeRolePolicyDocument"]["Statement"]);
        let of_this_account = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
        if trust.len() != 1
            || trust[0]["Principal"] != json!({"Service": "scheduler.amazonaws.com"})
            || trust[0]["Condition"] != of_this_account
        {
            problems.push(format!(
                "{role} trusts something else than this account's schedules"
            ));
        }
        if statements(template, role)
            .into_iter()
            .any(|s| s["Resource"].to_string().contains('*'))
        {
            problems.push(format!("{role} may start more than the revalidator"));
        }
        if users_of(template, role) != 1 {
            problems.push(format!("{role} is used by something else, too"));
        }
    }
    problems
}

fn users_of(template: &Value, role: &str) -> usize {
    let needle = json!({"Fn::GetAtt": [role, "Arn"]}).to_string();
    template["Resources"].to_string().matches(&needle).count()
}

fn the_tick_is_the_same_for_schedule_and_revalidator(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let by_parameter =
        |name: &str| json!({"Fn::FindInMap": ["SweepTick", {"Ref": "SweepTickMinutes"}, name]});
    let schedule = &properties(template, "RevalidationSchedule")["ScheduleExpression"];
    let seconds =
        &properties(template, "RevalidatorFunction")["Environment"]["Variables"]["SWEEP_TICK_SECONDS"];
    if *schedule != by_parameter("Expression") || *seconds != by_parameter("Seconds") {
        problems.push("schedule and revalidator do not follow from SweepTickMinutes alone".to_owned());
    }
    for minutes in texts(&template["Parameters"]["SweepTickMinutes"]["AllowedValues"]) {
        let number: u32 = minutes.parse().unwrap_or(0);
        // EventBridge refuses `rate(1 minutes)`.
        let unit = if number == 1 { "minute" } else { "minutes" };
        let expected =
            json!({"Expression": format!("rate({number} {unit})"), "Seconds": (number * 60).to_string()});
        if template["Mappings"]["SweepTick"][minutes] != expected {
            problems.push(format!("a tick of {minutes} minutes is not mapped to {expected}"));
        }
    }
    problems
}

fn the_verifiers_concurrency_is_the_number_that_was_chosen(template: &Value) -> Problems {
    texts(&template["Parameters"]["VerifierConcurrency"]["AllowedValues"])
        .into_iter()
        .filter(|chosen| {
            let number = template["Mappings"]["Concurrency"][*chosen]["Number"].as_u64();
            number.is_none() || number != chosen.parse().ok()
        })
        .map(|chosen| format!("{chosen} is mapped to another number"))
        .collect()
}

fn the_table_keeps_what_it_is_given(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let table = properties(template, "Table");
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let key = |partition: &str, sort: &str| json!([attribute(partition, "HASH"), attribute(sort, "RANGE")]);
    let index = json!([{
        "IndexName": "sweep", "KeySchema": key("sweep_slot", "sk"), "Projection": {"ProjectionType": "KEYS_ONLY"}
    }]);
    for (what, found, expected) in [
        ("key", &table["KeySchema"], key("pk", "sk")),
        ("sweep index", &table["GlobalSecondaryIndexes"], index),
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
        (
            "encryption",
            &table["SSESpecification"],
            json!({"SSEEnabled": true}),
        ),
        (
            "deletion",
            &template["Resources"]["Table"]["DeletionPolicy"],
            json!("Retain"),
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

fn only_published_templates_are_public(template: &Value) -> Problems {
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

fn the_stack_set_makes_the_listener_topics(template: &Value) -> Problems {
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

fn what_the_tools_need_is_an_output(template: &Value) -> Problems {
    [
        "ApiUrl",
        "TableName",
        "VerificationQueueUrl",
        "DeadLetterQueueUrl",
        "TemplateBucketName",
        "ListenerTopicName",
        "ListenerFunctionArn",
        "VerifierRolePath",
        "LinkGeneratorFunctionName",
        "CustomResourceListenerFunctionName",
        "RoleVerifierFunctionName",
        "RevalidatorFunctionName",
    ]
    .into_iter()
    .filter(|name| template["Outputs"][*name]["Value"].is_null())
    .map(|name| format!("{name} is no output"))
    .collect()
}

fn strangers_may_only_publish_to_the_topic(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let owner = json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}});
    let mut is_open = false;
    for (id, policy) in resources(template, "AWS::SNS::TopicPolicy") {
        for statement in list(&policy["Properties"]["PolicyDocument"]["Statement"]) {
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

fn the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id(template: &Value) -> Problems {
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

fn the_connection_is_made_last_and_waits_long_enough(template: &Value) -> Problems {
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

fn differences<T: Ord + std::fmt::Display>(
    what: &str,
    found: &BTreeSet<T>,
    expected: &BTreeSet<T>,
) -> Problems {
    let missing = expected
        .difference(found)
        .map(|item| format!("{what}: {item} is missing"));
    let extra = found
        .difference(expected)
        .map(|item| format!("{what}: {item} is not expected"));
    missing.chain(extra).collect()
}

// --------------------------------------------------------------------------------------------------- tests

/// Shows that the check passes what is in the repository, and that it fails each of `broken`.
fn holds_and_notices(check: Check, template: &Value, broken: &[Breakage<'_>]) {
    assert_eq!(check(template), Problems::new());
    for (what, break_it) in broken {
        let mut template_broken = template.clone();
        break_it(&mut template_broken);
        assert_ne!(
            template_broken, *template,
            "the counter-test changes nothing: {what}"
        );
        assert_ne!(check(&template_broken), Problems::new(), "not noticed: {what}");
    }
}

fn resource<'a>(template: &'a mut Value, id: &str) -> &'a mut Value {
    &mut template["Resources"][id]["Properties"]
}

fn remove(template: &mut Value, id: &str) {
    template["Resources"].as_object_mut().unwrap().remove(id).unwrap();
}

/// The first statement of the role's first policy that has the Sid.
fn statement<'a>(template: &'a mut Value, role: &str, sid: &str) -> &'a mut Value {
    let statements = resource(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array_mut()
        .unwrap();
    statements
        .iter_mut()
        .find(|statement| statement["Sid"] == sid)
        .unwrap()
}

#[test]
fn sns_of_every_region_may_deliver_to_the_listener() {
    holds_and_notices(
        sns_may_invoke_the_listener_from_every_region,
        &vendor(),
        &[
            ("an opt-in region without its permission", &|t| {
                remove(t, "SnsAfSouth1Permission")
            }),
            ("a default-enabled region without its permission", &|t| {
                remove(t, "SnsUsEast1Permission")
            }),
            ("an opt-in region under SNS's general name", &|t| {
                resource(t, "SnsMeCentral1Permission")["Principal"] = json!("sns.amazonaws.com");
            }),
            ("a permission for another function", &|t| {
                resource(t, "SnsEuWest1Permission")["FunctionName"] = json!({"Ref": "RoleVerifierFunction"});
            }),
            ("a permission that another partition switches on", &|t| {
                t["Resources"]["SnsEuWest1Permission"]["Condition"] = json!("IsChina");
            }),
        ],
    );
}

#[test]
fn every_lambda_permission_is_limited_to_a_source_of_this_account() {
    holds_and_notices(
        no_permission_lets_in_a_source_that_is_not_ours,
        &vendor(),
        &[
            ("any topic of SNS", &|t| {
                resource(t, "SnsEuWest1Permission")
                    .as_object_mut()
                    .unwrap()
                    .remove("SourceArn");
            }),
            ("a topic of any account", &|t| {
                resource(t, "SnsEuWest1Permission")["SourceArn"] =
                    json!({"Fn::Sub": "arn:${AWS::Partition}:sns:eu-west-1:*:${ListenerTopicName}"});
            }),
            ("a wildcard as region, which Lambda refuses", &|t| {
                resource(t, "SnsEuWest1Permission")["SourceArn"] =
                    json!({"Fn::Sub": "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:${ListenerTopicName}"});
            }),
        ],
    );
}

#[test]
fn the_api_may_invoke_the_link_generator() {
    holds_and_notices(
        the_api_may_invoke_the_function_of_its_integrations,
        &vendor(),
        &[
            ("no permission", &|t| remove(t, "LinkGeneratorApiPermission")),
            ("a permission for any API", &|t| {
                let any_api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*";
                resource(t, "LinkGeneratorApiPermission")["SourceArn"] = json!({"Fn::Sub": any_api});
            }),
        ],
    );
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
fn the_api_has_the_documented_routes_and_no_other() {
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

#[test]
fn each_execution_role_is_used_by_one_function_and_assumed_by_lambda_alone() {
    holds_and_notices(
        each_function_has_its_own_role_that_only_lambda_assumes,
        &vendor(),
        &[
            ("a shared role", &|t| {
                resource(t, "RevalidatorFunction")["Role"] = json!({"Fn::GetAtt": [VERIFIER_ROLE, "Arn"]});
            }),
            ("no role, so that SAM makes one", &|t| {
                resource(t, "RevalidatorFunction")
                    .as_object_mut()
                    .unwrap()
                    .remove("Role");
            }),
            ("a role that the whole account may assume", &|t| {
                resource(t, VERIFIER_ROLE)["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] =
                    json!({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}});
            }),
            ("another service", &|t| {
                resource(t, VERIFIER_ROLE)["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] =
                    json!(["lambda.amazonaws.com", "ec2.amazonaws.com"]);
            }),
            ("a managed policy", &|t| {
                resource(t, VERIFIER_ROLE)["ManagedPolicyArns"] =
                    json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
            }),
        ],
    );
}

#[test]
fn only_the_verifier_may_assume_roles_and_only_its_role_is_under_the_trusted_path() {
    holds_and_notices(
        only_the_verifier_assumes_customers_roles,
        &vendor(),
        &[
            ("another function that assumes roles", &|t| {
                statement(t, "RevalidatorRole", "KeepCursor")["Action"] = json!(["sts:AssumeRole"]);
            }),
            ("another role under a path", &|t| {
                resource(t, "LinkGeneratorRole")["Path"] = json!({"Ref": "RolePath"})
            }),
            ("the verifier elsewhere", &|t| {
                resource(t, VERIFIER_ROLE).as_object_mut().unwrap().remove("Path");
            }),
            ("the vendor's own roles within reach", &|t| {
                statement(t, VERIFIER_ROLE, "NeverAssumeOwnRoles")["Effect"] = json!("Allow");
            }),
        ],
    );
}

#[test]
fn no_function_has_a_wildcard_where_a_resource_can_be_named() {
    holds_and_notices(
        no_function_may_do_more_than_it_names,
        &vendor(),
        &[
            ("all tables", &|t| {
                statement(t, "LinkGeneratorRole", "KeepConnections")["Resource"] = json!("*")
            }),
            ("all actions", &|t| {
                statement(t, "LinkGeneratorRole", "KeepConnections")["Action"] = json!("dynamodb:*");
            }),
            ("more than sts:AssumeRole on every role", &|t| {
                statement(t, VERIFIER_ROLE, "AssumeCustomersRoles")["Action"] =
                    json!(["sts:AssumeRole", "iam:PassRole"]);
            }),
        ],
    );
}

#[test]
fn each_function_may_do_its_work_and_nothing_more() {
    holds_and_notices(
        each_function_may_do_exactly_its_work,
        &vendor(),
        &[
            ("a right too many", &|t| {
                statement(t, "LinkGeneratorRole", "KeepConnections")["Action"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!("dynamodb:Scan"));
            }),
            ("a right too few", &|t| {
                statement(t, "RevalidatorRole", "ReadSlots")["Action"] = json!([])
            }),
            ("another queue", &|t| {
                statement(t, "RevalidatorRole", "QueueVerifications")["Resource"] =
                    json!({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]});
            }),
        ],
    );
}

#[test]
fn each_function_is_given_exactly_the_environment_that_it_reads() {
    holds_and_notices(
        each_function_has_exactly_its_environment,
        &vendor(),
        &[
            ("a missing variable", &|t| {
                let environment = &mut resource(t, "RevalidatorFunction")["Environment"]["Variables"];
                environment.as_object_mut().unwrap().remove("SWEEP_SLOTS");
            }),
            ("another one for all", &|t| {
                t["Globals"]["Function"]["Environment"]["Variables"]["DEBUG"] = json!("1");
            }),
        ],
    );
}

#[test]
fn each_function_is_built_from_its_own_folder_for_the_same_lambda() {
    holds_and_notices(
        each_function_is_built_for_the_same_lambda,
        &vendor(),
        &[
            ("another architecture", &|t| {
                resource(t, "RoleVerifierFunction")["Architectures"] = json!(["x86_64"]);
            }),
            ("another binary", &|t| {
                t["Resources"]["RevalidatorFunction"]["Metadata"]["BuildProperties"]["Binary"] =
                    json!("role-verifier");
            }),
            ("a function that no test here knows", &|t| {
                let copy = t["Resources"]["RevalidatorFunction"].clone();
                t["Resources"]["AnotherFunction"] = copy;
            }),
        ],
    );
}

#[test]
fn each_function_logs_into_a_group_of_its_own_that_forgets() {
    holds_and_notices(
        each_function_logs_into_its_own_group_for_a_bounded_time,
        &vendor(),
        &[
            ("a shared group", &|t| {
                resource(t, "RevalidatorFunction")["LoggingConfig"]["LogGroup"] =
                    json!({"Ref": "RoleVerifierLogs"});
            }),
            ("a group that keeps everything", &|t| {
                resource(t, "RevalidatorLogs")
                    .as_object_mut()
                    .unwrap()
                    .remove("RetentionInDays");
            }),
        ],
    );
}

#[test]
fn the_verifier_may_take_hand_back_and_delay_its_messages() {
    holds_and_notices(
        event_sources_may_be_read_by_their_functions,
        &vendor(),
        &[
            ("no right to delay a message", &|t| {
                statement(t, VERIFIER_ROLE, "WorkThroughQueue")["Action"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|action| action != "sqs:ChangeMessageVisibility");
            }),
            ("rights on another queue", &|t| {
                statement(t, VERIFIER_ROLE, "WorkThroughQueue")["Resource"] =
                    json!({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]});
            }),
            ("no partial failures", &|t| {
                resource(t, "VerificationEventSource")
                    .as_object_mut()
                    .unwrap()
                    .remove("FunctionResponseTypes");
            }),
            ("no bound", &|t| {
                resource(t, "VerificationEventSource")
                    .as_object_mut()
                    .unwrap()
                    .remove("ScalingConfig");
            }),
        ],
    );
}

#[test]
fn a_message_stays_invisible_for_six_times_the_verifiers_time_out() {
    holds_and_notices(
        messages_stay_invisible_while_they_are_worked_on,
        &vendor(),
        &[
            ("too short a visibility", &|t| {
                resource(t, "VerificationQueue")["VisibilityTimeout"] = json!(359)
            }),
            ("too long a time-out", &|t| {
                resource(t, "RoleVerifierFunction")["Timeout"] = json!(61)
            }),
            ("SQS's default", &|t| {
                resource(t, "VerificationQueue")
                    .as_object_mut()
                    .unwrap()
                    .remove("VisibilityTimeout");
            }),
        ],
    );
}

#[test]
fn nothing_that_is_given_up_is_lost() {
    holds_and_notices(
        what_is_given_up_ends_in_a_dead_letter_queue,
        &vendor(),
        &[
            ("no redrive", &|t| {
                resource(t, "VerificationQueue")
                    .as_object_mut()
                    .unwrap()
                    .remove("RedrivePolicy");
            }),
            ("too few tries", &|t| {
                resource(t, "VerificationQueue")["RedrivePolicy"]["maxReceiveCount"] = json!(3)
            }),
            ("a listener whose failures vanish", &|t| {
                resource(t, LISTENER)
                    .as_object_mut()
                    .unwrap()
                    .remove("EventInvokeConfig");
            }),
            ("a listener that may not set them aside", &|t| {
                statement(t, "CustomResourceListenerRole", "SetFailedEventsAside")["Action"] =
                    json!("sqs:ReceiveMessage");
            }),
            ("a queue in the clear", &|t| {
                resource(t, "ListenerDeadLetterQueue")["SqsManagedSseEnabled"] = json!(false);
            }),
        ],
    );
}

#[test]
fn the_schedule_starts_the_revalidator_under_a_role_of_its_own() {
    holds_and_notices(
        the_schedule_may_start_the_revalidator_and_nothing_else,
        &vendor(),
        &[
            ("another target", &|t| {
                resource(t, "RevalidationSchedule")["Target"]["Arn"] =
                    json!({"Fn::GetAtt": ["RoleVerifierFunction", "Arn"]});
            }),
            ("a role that may not", &|t| {
                statement(t, "RevalidationScheduleRole", "StartRevalidator")["Resource"] =
                    json!({"Fn::GetAtt": ["RoleVerifierFunction", "Arn"]});
            }),
            ("a role that any account's schedules may use", &|t| {
                resource(t, "RevalidationScheduleRole")["AssumeRolePolicyDocument"]["Statement"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("Condition");
            }),
            ("a role of another service", &|t| {
                resource(t, "RevalidationScheduleRole")["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] =
                    json!({"Service": "events.amazonaws.com"});
            }),
            ("lost ticks", &|t| {
                resource(t, "RevalidationSchedule")["Target"]
                    .as_object_mut()
                    .unwrap()
                    .remove("DeadLetterConfig");
            }),
            ("a schedule that is off", &|t| {
                resource(t, "RevalidationSchedule")["State"] = json!("DISABLED")
            }),
        ],
    );
}

#[test]
fn schedule_and_revalidator_know_the_same_tick() {
    holds_and_notices(
        the_tick_is_the_same_for_schedule_and_revalidator,
        &vendor(),
        &[
            ("a wrong number of seconds", &|t| {
                t["Mappings"]["SweepTick"]["5"]["Seconds"] = json!("60")
            }),
            ("a plural of one", &|t| {
                t["Mappings"]["SweepTick"]["1"]["Expression"] = json!("rate(1 minutes)")
            }),
            ("a value without a mapping", &|t| {
                t["Parameters"]["SweepTickMinutes"]["AllowedValues"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!("7"));
            }),
            ("a schedule of its own", &|t| {
                resource(t, "RevalidationSchedule")["ScheduleExpression"] = json!("rate(5 minutes)");
            }),
        ],
    );
}

#[test]
fn the_chosen_concurrency_reaches_the_event_source_as_a_number() {
    holds_and_notices(
        the_verifiers_concurrency_is_the_number_that_was_chosen,
        &vendor(),
        &[
            ("another number", &|t| {
                t["Mappings"]["Concurrency"]["10"]["Number"] = json!(100)
            }),
            ("a value without a mapping", &|t| {
                t["Parameters"]["VerifierConcurrency"]["AllowedValues"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!("7"));
            }),
        ],
    );
}

#[test]
fn the_table_has_its_sparse_index_and_survives_mistakes() {
    holds_and_notices(
        the_table_keeps_what_it_is_given,
        &vendor(),
        &[
            ("another index", &|t| {
                resource(t, "Table")["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] =
                    json!("ALL");
            }),
            ("no recovery", &|t| {
                resource(t, "Table")
                    .as_object_mut()
                    .unwrap()
                    .remove("PointInTimeRecoverySpecification");
            }),
            ("a table that goes with its stack", &|t| {
                t["Resources"]["Table"]["DeletionPolicy"] = json!("Delete")
            }),
        ],
    );
}

#[test]
fn the_public_can_read_published_templates_and_nothing_else() {
    holds_and_notices(
        only_published_templates_are_public,
        &vendor(),
        &[
            ("the whole bucket", &|t| {
                resource(t, "TemplateBucketPolicy")["PolicyDocument"]["Statement"][0]["Resource"] =
                    json!({"Fn::Sub": "${TemplateBucket.Arn}/*"});
            }),
            ("public writing", &|t| {
                resource(t, "TemplateBucketPolicy")["PolicyDocument"]["Statement"][0]["Action"] =
                    json!(["s3:GetObject", "s3:PutObject"]);
            }),
            ("plain http on AWS", &|t| {
                resource(t, "TemplateBucketPolicy")["PolicyDocument"]["Statement"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("Condition");
            }),
            ("a bucket that no customer can read", &|t| {
                resource(t, "TemplateBucket")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] =
                    json!(true);
            }),
            ("a deployment that takes itself for local", &|t| {
                t["Parameters"]["LocalAnswerEndpoint"]["Default"] = json!("http://127.0.0.1:4566");
            }),
        ],
    );
}

#[test]
fn the_stack_set_brings_the_listener_topic_to_every_chosen_region() {
    holds_and_notices(
        the_stack_set_makes_the_listener_topics,
        &vendor(),
        &[
            ("a parameter that the topic's template does not have", &|t| {
                resource(t, "ListenerTopics")["Parameters"][0]["ParameterKey"] = json!("TopicName");
            }),
            ("a StackSet that cannot be turned off", &|t| {
                t["Resources"]["ListenerTopics"]
                    .as_object_mut()
                    .unwrap()
                    .remove("Condition");
            }),
            ("an opt-in region whose CloudFormation is not trusted", &|t| {
                resource(t, "ListenerTopicsAdministrationRole")["AssumeRolePolicyDocument"]["Statement"][0]
                    ["Principal"]["Service"]["Fn::If"][1]
                    .as_array_mut()
                    .unwrap()
                    .retain(|service| service != "cloudformation.me-south-1.amazonaws.com");
            }),
            ("roles that may not be used", &|t| {
                remove(t, "ListenerTopicsAdministrationPolicy")
            }),
        ],
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
fn what_the_publisher_and_the_local_aws_read_is_an_output() {
    holds_and_notices(
        what_the_tools_need_is_an_output,
        &vendor(),
        &[("a missing output", &|t| {
            t["Outputs"].as_object_mut().unwrap().remove("TemplateBucketName");
        })],
    );
}

#[test]
fn strangers_may_knock_at_the_listener_topic_and_do_nothing_else() {
    holds_and_notices(
        strangers_may_only_publish_to_the_topic,
        &topic(),
        &[
            ("strangers who subscribe", &|t| {
                resource(t, "ListenerTopicPolicy")["PolicyDocument"]["Statement"][0]["Action"] =
                    json!(["sns:Publish", "sns:Subscribe"]);
            }),
            ("a closed topic", &|t| {
                resource(t, "ListenerTopicPolicy")["PolicyDocument"]["Statement"][0]["Effect"] =
                    json!("Deny");
            }),
            ("managers of any account", &|t| {
                resource(t, "ListenerTopicPolicy")["PolicyDocument"]["Statement"][1]["Principal"] =
                    json!({"AWS": "*"});
            }),
            ("an encrypted topic", &|t| {
                resource(t, "ListenerTopic")["KmsMasterKeyId"] = json!("alias/aws/sns")
            }),
            ("a queue that anybody fills", &|t| {
                resource(t, "UndeliveredPolicy")["PolicyDocument"]["Statement"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("Condition");
            }),
        ],
    );
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
                resource(t, "Connection")["ServiceTimeout"] = json!(299)
            }),
            ("a topic of another region", &|t| {
                resource(t, "Connection")["ServiceToken"] = json!({
                    "Fn::Sub": "arn:${AWS::Partition}:sns:us-east-1:__VENDOR_ACCOUNT_ID__:__LISTENER_TOPIC_NAME__"
                });
            }),
        ],
    );
}

#[test]
fn the_template_fits_a_deployment_without_a_bucket() {
    // CloudFormation's limit on a template that is passed as text, which is how the local AWS is given it.
    let bytes = vendor().to_string().len();
    assert!(bytes < 51_200, "{bytes} bytes of JSON");
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

#[test]
fn a_check_over_an_empty_template_is_not_taken_for_a_pass() {
    let empty = parse("Resources: {}").unwrap();
    for check in [
        sns_may_invoke_the_listener_from_every_region as Check,
        the_api_has_exactly_its_routes,
        each_function_may_do_exactly_its_work,
        each_function_has_exactly_its_environment,
        each_function_is_built_for_the_same_lambda,
        each_function_logs_into_its_own_group_for_a_bounded_time,
        event_sources_may_be_read_by_their_functions,
        what_is_given_up_ends_in_a_dead_letter_queue,
        the_schedule_may_start_the_revalidator_and_nothing_else,
        the_table_keeps_what_it_is_given,
        only_published_templates_are_public,
        the_stack_set_makes_the_listener_topics,
        what_the_tools_need_is_an_output,
        strangers_may_only_publish_to_the_topic,
        the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id,
        the_connection_is_made_last_and_waits_long_enough,
    ] {
        assert_ne!(check(&empty), Problems::new());
    }
}

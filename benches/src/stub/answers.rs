//! What each service answers.

use serde_json::{Value, json};

use super::{Service, World};
use crate::http::{Request, Response};

/// Type of the answers of DynamoDB.
const DYNAMODB_JSON: &str = "application/x-amz-json-1.0";
/// The customer's account.
const CUSTOMER_ACCOUNT: &str = "222222222222";
/// What the customer's role may do: what `customer/tier.json` asks for, and nothing else.
const ALLOWED_ACTIONS: [&str; 4] = [
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "ec2:DescribeRegions",
    "iam:ListAccountAliases",
];

/// The answer to one request, which is counted by the name of its operation.
pub fn answer(world: &World, service: Service, request: &Request) -> Response {
    if request.method == "GET" {
        world.count(service, "GET /");
        return Response::new("200 OK", "text/plain", "healthy");
    }
    match service {
        Service::Answers => {
            world.count(service, &request.method);
            world.answered(&request.body);
            Response::new("200 OK", "text/plain", "")
        }
        Service::DynamoDb | Service::Sqs => {
            let operation = request
                .target
                .as_deref()
                .and_then(|target| target.split('.').nth(1))
                .unwrap_or_default();
            world.count(service, operation);
            json_answer(world, service, operation, &request.body)
        }
        Service::Sts | Service::Iam => {
            let form: Vec<(String, String)> =
                url::form_urlencoded::parse(&request.body).into_owned().collect();
            let operation = field(&form, "Action").unwrap_or_default();
            world.count(service, operation);
            query_answer(world, operation, &form)
        }
    }
}

fn json_answer(world: &World, service: Service, operation: &str, body: &[u8]) -> Response {
    let answer = match serde_json::from_slice(body) {
        Err(error) => Err(error.to_string()),
        Ok(request) if service == Service::Sqs => queue(world, operation, &request),
        Ok(request) => world
            .table()
            .call(operation, &request, world.is_frozen())
            .inspect(|answer| world.count_items(items_of(answer))),
    };
    match answer {
        Ok(value) => Response::new("200 OK", DYNAMODB_JSON, value.to_string()),
        Err(message) => {
            let error = json!({ "__type": "com.amazonaws#ValidationException", "message": message });
            Response::new("400 Bad Request", DYNAMODB_JSON, error.to_string())
        }
    }
}

/// How many items an answer of DynamoDB has.
fn items_of(answer: &Value) -> usize {
    let listed = answer["Items"].as_array().map_or(0, Vec::len);
    let responses = answer["Responses"].as_object().into_iter().flatten();
    let batched = responses.filter_map(|(_, items)| items.as_array()).map(Vec::len);
    listed + batched.sum::<usize>() + usize::from(answer["Item"].is_object())
}

fn queue(world: &World, operation: &str, request: &Value) -> Result<Value, String> {
    let done = |entry: &Value| json!({ "Id": entry["Id"], "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274", "MD5OfMessageBody": "" });
    match operation {
        "SendMessage" => {
            world.enqueue(request["MessageBody"].as_str().unwrap_or_default());
            Ok(json!({ "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274", "MD5OfMessageBody": "" }))
        }
        "SendMessageBatch" | "ChangeMessageVisibilityBatch" => {
            let entries = request["Entries"].as_array().ok_or("no Entries")?;
            for body in entries.iter().filter_map(|entry| entry["MessageBody"].as_str()) {
                world.enqueue(body);
            }
            Ok(json!({ "Successful": entries.iter().map(done).collect::<Vec<_>>(), "Failed": [] }))
        }
        other => Err(format!("the stub does not know {other}")),
    }
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(of, _)| of == name)
        .map(|(_, value)| value.as_str())
}

fn query_answer(world: &World, operation: &str, form: &[(String, String)]) -> Response {
    match operation {
        "AssumeRole" if !world.is_within_sts_quota() => {
            world.count(Service::Sts, "throttled");
            Response::new(
                "400 Bad Request",
                "text/xml",
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                 <Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>r</RequestId></ErrorResponse>",
            )
        }
        "AssumeRole" if world.accepts(field(form, "ExternalId")) => {
            let role = field(form, "RoleArn").unwrap_or_default();
            let name = role.rsplit('/').next().unwrap_or_default();
            let session = field(form, "RoleSessionName").unwrap_or_default();
            xml(
                operation,
                &format!(
                    "<AssumedRoleUser><Arn>arn:aws:sts::{CUSTOMER_ACCOUNT}:assumed-role/{name}/{session}</Arn>\
                     <AssumedRoleId>AROAEXAMPLEEXAMPLEXX:{session}</AssumedRoleId></AssumedRoleUser>\
                     <Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLEXX</AccessKeyId>\
                     <SecretAccessKey>secretsecretsecretsecretsecretsecretsecr</SecretAccessKey>\
                     <SessionToken>{}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>",
                    "token".repeat(100),
                ),
            )
        }
        "AssumeRole" => Response::new(
            "403 Forbidden",
            "text/xml",
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>User: arn:aws:sts::111111111111:assumed-role/verifier/f is not \
             authorized to perform: sts:AssumeRole</Message></Error><RequestId>r</RequestId></ErrorResponse>",
        ),
        "GetCallerIdentity" => xml(
            operation,
            &format!(
                "<Arn>arn:aws:sts::{CUSTOMER_ACCOUNT}:assumed-role/r/s</Arn><UserId>AROAEXAMPLE:s</UserId>\
                 <Account>{CUSTOMER_ACCOUNT}</Account>"
            ),
        ),
        "SimulatePrincipalPolicy" => {
            let members = form
                .iter()
                .filter(|(name, _)| name.starts_with("ActionNames.member."))
                .map(|(_, action)| {
                    let decision = if ALLOWED_ACTIONS.contains(&action.as_str()) { "allowed" } else { "implicitDeny" };
                    format!(
                        "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>\
                         <EvalDecision>{decision}</EvalDecision></member>"
                    )
                })
                .collect::<String>();
            xml(
                operation,
                &format!("<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"),
            )
        }
        other => Response::new(
            "400 Bad Request",
            "text/xml",
            format!("the stub does not know {other}"),
        ),
    }
}

/// A successful answer of the query protocol.
fn xml(operation: &str, result: &str) -> Response {
    Response::new(
        "200 OK",
        "text/xml",
        format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}\
             </{operation}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assume(external_id: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            body: format!(
                "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fr{external_id}"
            )
            .into(),
            ..Request::default()
        }
    }

    #[test]
    fn a_role_is_given_for_its_external_id_alone() {
        let world = World::default();
        world.set_external_id("right");
        for (external_id, status) in [
            ("&ExternalId=right", "200 OK"),
            ("&ExternalId=wrong", "403 Forbidden"),
            ("", "403 Forbidden"),
        ] {
            let response = answer(&world, Service::Sts, &assume(external_id));
            assert_eq!(response.status, status, "{external_id}");
        }
        assert_eq!(world.take_calls()[&(Service::Sts, "AssumeRole".to_owned())], 3);
    }

    #[test]
    fn sts_keeps_its_quota() {
        let world = World::default();
        world.set_external_id("right");
        world.set_sts_quota(Some(1));
        for status in ["200 OK", "400 Bad Request"] {
            let response = answer(&world, Service::Sts, &assume("&ExternalId=right"));
            assert_eq!(response.status, status);
        }
        assert_eq!(world.take_calls()[&(Service::Sts, "throttled".to_owned())], 1);
    }

    #[test]
    fn an_operation_that_is_not_known_is_an_error_and_not_an_empty_answer() {
        let world = World::default();
        for service in [Service::DynamoDb, Service::Sqs, Service::Sts] {
            let request = Request {
                method: "POST".to_owned(),
                target: Some("X.Fly".to_owned()),
                body: b"{}".to_vec(),
                ..Request::default()
            };
            assert_eq!(answer(&world, service, &request).status, "400 Bad Request");
        }
    }
}

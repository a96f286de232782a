//! What each service answers.

use std::time::Instant;

use latchkey_testing::{
    dynamodb_stub,
    http::{Request, Response},
};

use serde_json::{Value, json};

use super::{Service, World};

const CUSTOMER_ACCOUNT: &str = "222222222222";
/// What the customer's role trusts, as IAM answers it; an external ID that is nobody's.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":
    {"AWS":"arn:aws:iam::111111111111:root"},"Condition":{"StringEquals":{"sts:ExternalId":"benchmark"},"ArnLike":
    {"aws:PrincipalArn":"arn:aws:iam::111111111111:role/latchkey/*"}}}]}"#;
/// What the customer's role may do: what `customer/tier.json` asks for, and nothing else.
const ALLOWED_ACTIONS: [&str; 4] = [
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "ec2:DescribeRegions",
    "iam:ListAccountAliases",
];

/// The answer to one request, which is counted by the name of its operation.
pub fn answer(world: &mut World, service: Service, request: &Request) -> Response {
    if request.method == "GET" {
        world.count(service, "GET /");
        return Response::new("200 OK", "text/plain", "healthy");
    }
    match service {
        Service::Answers => {
            world.count(service, &request.method);
            world.answered = Some((Instant::now(), request.body.clone()));
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

fn json_answer(world: &mut World, service: Service, operation: &str, body: &[u8]) -> Response {
    let (status, answer) = if service == Service::DynamoDb {
        dynamodb_stub::answer(&mut world.table, operation, body, world.is_frozen)
    } else {
        let request = serde_json::from_slice(body).map_err(|error| error.to_string());
        match request.and_then(|request| queue(world, operation, &request)) {
            Ok(answer) => (200, answer),
            Err(problem) => (
                400,
                json!({ "__type": "com.amazonaws#ValidationException", "message": problem }),
            ),
        }
    };
    let status = if status == 200 {
        "200 OK"
    } else {
        "400 Bad Request"
    };
    Response::new(status, dynamodb_stub::CONTENT_TYPE, answer.to_string())
}

fn queue(world: &mut World, operation: &str, request: &Value) -> Result<Value, String> {
    const MESSAGE: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
    let one = [request.clone()];
    let entries = match operation {
        "SendMessage" => &one[..],
        "SendMessageBatch" | "ChangeMessageVisibilityBatch" => {
            request["Entries"].as_array().ok_or("no Entries")?
        }
        other => return Err(format!("the stub does not know {other}")),
    };
    let bodies = entries.iter().filter_map(|entry| entry["MessageBody"].as_str());
    if !world.is_frozen {
        world.queued.extend(bodies.map(str::to_owned));
    }
    let done = |entry: &Value| json!({ "Id": entry["Id"], "MessageId": MESSAGE, "MD5OfMessageBody": "" });
    let successful: Vec<_> = entries.iter().map(done).collect();
    Ok(match operation {
        "SendMessage" => json!({ "MessageId": MESSAGE, "MD5OfMessageBody": "" }),
        _ => json!({ "Successful": successful, "Failed": [] }),
    })
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(of, _)| of == name)
        .map(|(_, value)| value.as_str())
}

fn query_answer(world: &mut World, operation: &str, form: &[(String, String)]) -> Response {
    let external_id = field(form, "ExternalId");
    match operation {
        "AssumeRole"
            if world
                .sts_quota
                .as_mut()
                .is_some_and(|quota| !quota.allows(Instant::now())) =>
        {
            refusal("400 Bad Request", "Throttling", "Rate exceeded")
        }
        "AssumeRole" if external_id.is_some() && external_id == world.external_id.as_deref() => {
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
        "AssumeRole" => refusal(
            "403 Forbidden",
            "AccessDenied",
            "User: arn:aws:sts::111111111111:assumed-role/verifier/f is not authorized to perform: sts:AssumeRole",
        ),
        "GetCallerIdentity" => xml(
            operation,
            &format!(
                "<Arn>arn:aws:sts::{CUSTOMER_ACCOUNT}:assumed-role/r/s</Arn><UserId>AROAEXAMPLE:s</UserId>\
                 <Account>{CUSTOMER_ACCOUNT}</Account>"
            ),
        ),
        "GetRole" => {
            let name = field(form, "RoleName").unwrap_or_default();
            let trust = url::form_urlencoded::byte_serialize(TRUST.as_bytes()).collect::<String>();
            xml(
                operation,
                &format!(
                    "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROAEXAMPLE</RoleId>\
                     <Arn>arn:aws:iam::{CUSTOMER_ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
                     <AssumeRolePolicyDocument>{}</AssumeRolePolicyDocument></Role>",
                    trust.replace('+', "%20"),
                ),
            )
        }
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

fn refusal(status: &'static str, code: &str, message: &str) -> Response {
    Response::new(
        status,
        "text/xml",
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
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
    use crate::stub::Quota;

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

    fn world() -> World {
        World {
            external_id: Some("right".to_owned()),
            ..World::default()
        }
    }

    #[test]
    fn a_role_is_given_for_its_external_id_alone() {
        let mut world = world();
        for (external_id, status) in [
            ("&ExternalId=right", "200 OK"),
            ("&ExternalId=wrong", "403 Forbidden"),
            ("", "403 Forbidden"),
        ] {
            let response = answer(&mut world, Service::Sts, &assume(external_id));
            assert_eq!(response.status, status, "{external_id}");
        }
        assert_eq!(world.take_calls()[&(Service::Sts, "AssumeRole".to_owned())], 3);
    }

    #[test]
    fn sts_refuses_calls_above_its_quota() {
        let mut world = world();
        world.sts_quota = Some(Quota::new(1, Instant::now()));
        for status in ["200 OK", "400 Bad Request"] {
            let response = answer(&mut world, Service::Sts, &assume("&ExternalId=right"));
            assert_eq!(response.status, status);
        }
    }

    #[test]
    fn an_unknown_operation_is_refused_and_not_answered_empty() {
        for service in [Service::DynamoDb, Service::Sqs, Service::Sts] {
            let request = Request {
                method: "POST".to_owned(),
                target: Some("X.Fly".to_owned()),
                body: b"{}".to_vec(),
                ..Request::default()
            };
            let response = answer(&mut world(), service, &request);
            assert_eq!(response.status, "400 Bad Request");
        }
    }
}

//! Asks STS for a role, and tells a refusal from everything else (I3).

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_sts::{
    Client, config::Builder, error::ProvideErrorMetadata, error::SdkError, operation::RequestId,
};

use crate::{
    domain::{
        aws::{AccountId, RoleArn},
        external_id::ExternalId,
        ids::ConnectionId,
        verdict::{Cause, Probe},
    },
    ports::RoleAssumer,
};

/// The shortest session that STS gives.
const SESSION_SECONDS: i32 = 900;
/// What a probe's session may do: nothing (I7). `GetCallerIdentity` works all the same (AWS-FACTS).
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
/// How a session is named in the customer's CloudTrail, before the connection's id: 51 of 64 characters in all.
const SESSION_NAME_PREFIX: &str = "latchkey-";

/// STS.
pub struct StsAssumer {
    client: Client,
    config: aws_config::SdkConfig,
}

impl StsAssumer {
    /// STS with the credentials of the function's own role.
    pub fn new(config: aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(&config),
            config,
        }
    }

    /// The account that the credentials of a session act in.
    async fn caller_account(&self, session: &aws_sdk_sts::types::Credentials) -> Result<AccountId, Cause> {
        let credentials = Credentials::new(
            session.access_key_id(),
            session.secret_access_key(),
            Some(session.session_token().to_owned()),
            None,
            "latchkey-probe",
        );
        let config = Builder::from(&self.config)
            .credentials_provider(credentials)
            .build();
        let identity = Client::from_conf(config)
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| cause(&error))?;
        identity
            .account()
            .and_then(|account| AccountId::parse(account).ok())
            .ok_or(Cause::ServiceError)
    }
}

#[async_trait]
impl RoleAssumer for StsAssumer {
    async fn probe(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
    ) -> Probe {
        let answer = self
            .client
            .assume_role()
            .role_arn(role_arn.as_str())
            .role_session_name(format!("{SESSION_NAME_PREFIX}{session}"))
            .set_external_id(external_id.map(ToString::to_string))
            .duration_seconds(SESSION_SECONDS)
            .policy(DENY_ALL)
            .send()
            .await;
        match answer {
            Ok(answer) => match answer.credentials() {
                Some(session) => match self.caller_account(session).await {
                    Ok(caller_account) => Probe::Accepted { caller_account },
                    Err(cause) => Probe::Inconclusive(cause),
                },
                None => Probe::Inconclusive(Cause::ServiceError),
            },
            Err(error) if is_refusal(&error) => Probe::Refused,
            Err(error) => {
                let cause = cause(&error);
                tracing::warn!(
                    "connection.id" = %session,
                    "sts.cause" = ?cause,
                    "sts.code" = error.code(),
                    "sts.request_id" = error.as_service_error().and_then(RequestId::request_id),
                    "probe.inconclusive"
                );
                Probe::Inconclusive(cause)
            }
        }
    }
}

fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    refused(error.code(), error.message())
}

fn cause<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Cause {
    match error {
        SdkError::ServiceError(_) => service_cause(error.code(), error.message()),
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Cause::Unreachable,
        _ => Cause::ServiceError,
    }
}

/// Whether STS said that the role is refused to us: AccessDenied, and not because of a policy on our own side.
fn refused(code: Option<&str>, message: Option<&str>) -> bool {
    is_access_denied(code) && !names_the_callers_policies(message)
}

fn is_access_denied(code: Option<&str>) -> bool {
    matches!(code, Some("AccessDenied" | "AccessDeniedException"))
}

/// AWS names the kind of policy where it is one of the caller's account: identity-based, service control, boundary,
/// session. A trust policy is a resource-based one, and is mostly not named at all.
fn names_the_callers_policies(message: Option<&str>) -> bool {
    const OURS: [&str; 4] = [
        "identity-based policy",
        "service control policy",
        "permissions boundary",
        "session policy",
    ];
    message.is_some_and(|message| OURS.iter().any(|kind| message.contains(kind)))
}

fn service_cause(code: Option<&str>, message: Option<&str>) -> Cause {
    match code {
        _ if is_access_denied(code) && names_the_callers_policies(message) => Cause::VendorNotPermitted,
        Some("RegionDisabledException") => Cause::RegionDisabled,
        Some("Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException") => {
            Cause::Throttled
        }
        _ => Cause::ServiceError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "User: arn:aws:sts::111111111111:assumed-role/v/s is not authorized to perform: \
                         sts:AssumeRole on resource: arn:aws:iam::222222222222:role/r";

    #[test]
    fn only_access_denied_by_the_role_is_a_refusal() {
        let because = |kind: &str| format!("{PLAIN} because no {kind} allows the sts:AssumeRole action");
        assert!(refused(Some("AccessDenied"), Some(PLAIN)));
        assert!(refused(
            Some("AccessDenied"),
            Some(&because("resource-based policy"))
        ));
        assert!(refused(Some("AccessDenied"), None));
        for kind in [
            "identity-based policy",
            "service control policy",
            "permissions boundary",
            "session policy",
        ] {
            assert!(!refused(Some("AccessDenied"), Some(&because(kind))), "{kind}");
            assert_eq!(
                service_cause(Some("AccessDenied"), Some(&because(kind))),
                Cause::VendorNotPermitted
            );
        }
        for code in [
            "Throttling",
            "RegionDisabledException",
            "ExpiredToken",
            "InternalFailure",
            "ValidationError",
        ] {
            assert!(!refused(Some(code), Some(PLAIN)), "{code}");
        }
        assert!(!refused(None, None));
    }

    #[test]
    fn what_is_no_refusal_has_its_cause() {
        assert_eq!(
            service_cause(Some("Throttling"), Some("Rate exceeded")),
            Cause::Throttled
        );
        assert_eq!(
            service_cause(Some("RegionDisabledException"), None),
            Cause::RegionDisabled
        );
        assert_eq!(service_cause(Some("ExpiredToken"), None), Cause::ServiceError);
        assert_eq!(service_cause(None, None), Cause::ServiceError);
    }
}

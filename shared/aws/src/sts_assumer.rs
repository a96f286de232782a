//! Asks STS for a role, and tells a refusal from everything else (I3).

use std::{sync::OnceLock, time::Duration};

use async_trait::async_trait;
use aws_sdk_sts::{
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        RequestId,
        assume_role::{AssumeRoleError, AssumeRoleOutput},
    },
};
use aws_types::SdkConfig;
use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        external_id::ExternalId,
        ids::ConnectionId,
        proof::verdict::{Cause, Probe},
    },
    ports::RoleAssumer,
};

/// The shortest session that STS gives.
const SESSION_SECONDS: i32 = 900;
/// Longest time for one call of STS: a check has to leave time for the others of its chunk.
const CALL_TIME: Duration = Duration::from_secs(5);
/// What a probe's session may do: nothing (I7).
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
/// How a session is named in the customer's CloudTrail, before the connection's id: 51 of 64 characters in all.
const SESSION_NAME_PREFIX: &str = "latchkey-";

pub struct StsAssumer {
    sts: aws_sdk_sts::Client,
    iam_config: SdkConfig,
    /// Made when a role is first looked into: not by a start.
    iam: OnceLock<aws_sdk_iam::Client>,
}

impl StsAssumer {
    /// STS with the credentials of the function's own role.
    ///
    /// Nothing is tried again down there: the sweep has to see what STS throttles, and each call has to be one.
    pub fn new(sts: &SdkConfig, iam: SdkConfig) -> Self {
        let sts = sts.to_builder().retry_config(RetryConfig::disabled()).build();
        Self {
            sts: aws_sdk_sts::Client::new(&sts),
            iam_config: iam,
            iam: OnceLock::new(),
        }
    }

    /// IAM, to be asked with the credentials of a session.
    pub(crate) fn iam(&self) -> &aws_sdk_iam::Client {
        self.iam
            .get_or_init(|| aws_sdk_iam::Client::new(&self.iam_config))
    }

    /// One AssumeRole for the shortest session, under `session_policy`; or what the refusal says.
    pub(crate) async fn assume(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
        session_policy: &str,
    ) -> Result<AssumeRoleOutput, Probe> {
        let call = || {
            let request = self
                .sts
                .assume_role()
                .role_arn(role_arn.as_str())
                .role_session_name(format!("{SESSION_NAME_PREFIX}{session}"))
                .set_external_id(external_id.map(ToString::to_string))
                .duration_seconds(SESSION_SECONDS)
                .policy(session_policy)
                .send();
            tokio::time::timeout(CALL_TIME, request)
        };
        let mut answer = call().await;
        // A connection that was kept, and that STS has closed since, is found out by its next use.
        if let Ok(Err(SdkError::DispatchFailure(_))) = &answer {
            answer = call().await;
        }
        let Ok(answer) = answer else {
            tracing::warn!("connection.id" = %session, "sts.cause" = Cause::Unreachable.code(), "probe.inconclusive");
            return Err(Probe::Inconclusive(Cause::Unreachable));
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) if is_refusal(&error) => Err(Probe::Refused),
            Err(error) => {
                let cause = cause(&error);
                tracing::warn!(
                    "connection.id" = %session,
                    "sts.cause" = cause.code(),
                    "sts.code" = error.code(),
                    "sts.request_id" = error.as_service_error().and_then(RequestId::request_id),
                    "probe.inconclusive"
                );
                Err(Probe::Inconclusive(cause))
            }
        }
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
        match self.assume(role_arn, external_id, session, DENY_ALL).await {
            Ok(answer) => entered_account(&answer)
                .map_or(Probe::Inconclusive(Cause::ServiceError), |caller_account| {
                    Probe::Accepted { caller_account }
                }),
            Err(probe) => probe,
        }
    }
}

/// The account that was entered: STS names the role that was assumed, `arn:aws:sts::<account>:assumed-role/…`, so that
/// nobody has to ask with the session who it is.
fn entered_account(answer: &AssumeRoleOutput) -> Option<AccountId> {
    let arn = answer.assumed_role_user()?.arn();
    let mut parts = arn.split(':').skip(2);
    let (service, _region, account, resource) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_session = service == "sts" && resource.starts_with("assumed-role/");
    AccountId::parse(account).ok().filter(|_| is_session)
}

fn is_refusal(error: &SdkError<AssumeRoleError>) -> bool {
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

pub(crate) fn is_access_denied(code: Option<&str>) -> bool {
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
    fn a_call_that_times_out_says_nothing_about_the_role() {
        use aws_sdk_sts::operation::assume_role::AssumeRoleError;
        let error: SdkError<AssumeRoleError> = SdkError::timeout_error("two seconds");
        assert!(!is_refusal(&error));
        assert_eq!(cause(&error), Cause::Unreachable);
    }

    #[test]
    fn the_account_that_was_entered_is_the_one_that_sts_names() {
        use aws_sdk_sts::types::AssumedRoleUser;
        let entered = |arn: &str| {
            let user = AssumedRoleUser::builder()
                .arn(arn)
                .assumed_role_id("AROA:s")
                .build()
                .unwrap();
            entered_account(&AssumeRoleOutput::builder().assumed_role_user(user).build())
                .map(|account| account.to_string())
        };
        for arn in [
            "arn:aws:sts::222222222222:assumed-role/Reader/latchkey-x",
            "arn:aws-cn:sts::222222222222:assumed-role/Reader/latchkey-x",
        ] {
            assert_eq!(entered(arn).as_deref(), Some("222222222222"), "{arn}");
        }
        for arn in [
            "arn:aws:iam::222222222222:role/Reader",
            "arn:aws:sts::222222222222:federated-user/x",
            "arn:aws:sts::22222222222:assumed-role/Reader/latchkey-x",
            "arn:aws:sts",
            "x",
        ] {
            assert_eq!(entered(arn), None, "{arn}");
        }
        assert_eq!(entered_account(&AssumeRoleOutput::builder().build()), None);
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

//! Asks IAM, in a role's own session, whom that role lets in and what it may do.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_iam::{
    error::ProvideErrorMetadata,
    types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType},
};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use latchkey_core::{
    domain::{
        aws::{Region, RoleArn},
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{
            permissions::{Decision, DeniedBy, Inspection, Questions, Scope},
            trust_policy,
            trust_report::TrustReading,
            verdict::{Cause, Probe},
        },
    },
    ports::{Look, RoleInspector},
};

use crate::sts_assumer::{StsAssumer, is_access_denied};

#[async_trait]
impl RoleInspector for StsAssumer {
    async fn inspect(
        &self,
        role_arn: &RoleArn,
        external_id: &ExternalId,
        session: &ConnectionId,
        questions: &Questions,
    ) -> Look {
        let policy = look_at_itself(role_arn);
        let session = match self.assume(role_arn, Some(external_id), session, &policy).await {
            Ok(session) => session,
            Err(Probe::Inconclusive(cause)) => return Look::unclear(cause),
            // Refused after all, as a role can be in its first seconds.
            Err(_) => return Look::unclear(Cause::ServiceError),
        };
        let Some(credentials) = credentials(&session) else {
            return Look::unclear(Cause::ServiceError);
        };
        let (trust, permissions) = futures::join!(
            self.trust_policy(&credentials, role_arn),
            self.permissions(&credentials, role_arn, questions)
        );
        Look { trust, permissions }
    }
}

impl StsAssumer {
    /// The role's trust policy, read by the role itself.
    async fn trust_policy(&self, session: &Credentials, role_arn: &RoleArn) -> TrustReading {
        let credentials = aws_sdk_iam::config::Builder::new().credentials_provider(session.clone());
        let answer = self
            .iam()
            .get_role()
            .role_name(role_arn.name())
            .customize()
            .config_override(credentials)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let code = error.code();
                tracing::warn!("iam.code" = code, "trust_policy.not_read");
                return match denied(code, error.message()) {
                    Some(by) => TrustReading::Denied(by),
                    None => TrustReading::Unclear(Cause::ServiceError),
                };
            }
        };
        let document = answer.role().and_then(|role| {
            // One of the same name under another path is another role.
            let is_asked_for = role.arn() == role_arn.as_str();
            role.assume_role_policy_document().filter(|_| is_asked_for)
        });
        match document.map(trust_policy::decode) {
            Some(Ok(document)) => TrustReading::Read(document),
            Some(Err(_)) | None => TrustReading::Unclear(Cause::ServiceError),
        }
    }

    async fn permissions(
        &self,
        session: &Credentials,
        role_arn: &RoleArn,
        questions: &Questions,
    ) -> Inspection {
        let mut decisions = BTreeMap::new();
        for (scope, actions) in &questions.actions {
            let context = context(role_arn, &questions.region);
            match self.simulate(session, role_arn, *scope, actions, context).await {
                Ok(decided) => decisions.extend(decided),
                Err(inspection) => return inspection,
            }
        }
        Inspection::Decided(decisions)
    }

    /// What the role may do on one resource.
    async fn simulate(
        &self,
        session: &Credentials,
        role_arn: &RoleArn,
        scope: Scope,
        actions: &[String],
        context: Vec<ContextEntry>,
    ) -> Result<Vec<(String, Decision)>, Inspection> {
        let resource = match scope {
            Scope::Role => role_arn.as_str(),
            Scope::Any => "*",
        };
        let mut decisions = Vec::with_capacity(actions.len());
        let mut marker = None;
        loop {
            let credentials = aws_sdk_iam::config::Builder::new().credentials_provider(session.clone());
            let page = self
                .iam()
                .simulate_principal_policy()
                .policy_source_arn(role_arn.as_str())
                .set_action_names(Some(actions.to_vec()))
                .resource_arns(resource)
                .set_context_entries(Some(context.clone()))
                .set_marker(marker)
                .customize()
                .config_override(credentials)
                .send()
                .await;
            let page = page.map_err(|error| {
                let code = error.code();
                tracing::warn!("iam.code" = code, "inspection.failed");
                match denied(code, error.message()) {
                    Some(by) => Inspection::NotPermitted(by),
                    // Never `Throttled`: IAM counts by the customer's account, and one customer's quota must not
                    // slow the sweep of all others down.
                    None => Inspection::Inconclusive(Cause::ServiceError),
                }
            })?;
            decisions.extend(
                page.evaluation_results()
                    .iter()
                    .map(|result| (result.eval_action_name().to_owned(), decision(result))),
            );
            marker = page.marker().filter(|_| page.is_truncated()).map(str::to_owned);
            if marker.is_none() {
                return Ok(decisions);
            }
        }
    }
}

fn credentials(answer: &AssumeRoleOutput) -> Option<Credentials> {
    let credentials = answer.credentials()?;
    Some(Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "latchkey-probe",
    ))
}

/// The session policy of a look: the two calls that look at the role itself, and nothing else (I7).
fn look_at_itself(role_arn: &RoleArn) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            "Resource": role_arn,
        }],
    })
    .to_string()
}

/// What a call of ours would say about itself: a simulation says nothing of that, so that a condition on it would
/// be held against a call that does not exist.
fn context(role_arn: &RoleArn, region: &Region) -> Vec<ContextEntry> {
    use ContextKeyTypeEnum::{Boolean, String};
    [
        ("aws:RequestedRegion", String, region.to_string()),
        ("aws:SecureTransport", Boolean, "true".to_owned()),
        ("aws:ViaAWSService", Boolean, "false".to_owned()),
        ("aws:PrincipalIsAWSService", Boolean, "false".to_owned()),
        ("aws:PrincipalArn", String, role_arn.to_string()),
        ("aws:PrincipalAccount", String, role_arn.account().to_string()),
    ]
    .map(|(key, kind, value)| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(kind)
            .context_key_values(value)
            .build()
    })
    .into()
}

/// Whose policy denies a call, as IAM's words for AccessDenied have it; `None` where it was not denied by a policy of
/// the customer's.
fn denied(code: Option<&str>, message: Option<&str>) -> Option<DeniedBy> {
    if !is_access_denied(code) {
        return None;
    }
    let names = |kind: &str| message.is_some_and(|message| message.contains(kind));
    if names("session policy") {
        None
    } else if names("service control policy") || names("resource control policy") {
        Some(DeniedBy::Organization)
    } else if names("permissions boundary") {
        Some(DeniedBy::PermissionsBoundary)
    } else {
        Some(DeniedBy::Role)
    }
}

/// What IAM decided, and whose policy it says stands against it.
fn decision(result: &EvaluationResult) -> Decision {
    if *result.eval_decision() == PolicyEvaluationDecisionType::Allowed {
        return Decision::Allowed;
    }
    let organization = result.organizations_decision_detail();
    let boundary = result.permissions_boundary_decision_detail();
    Decision::Denied(
        if organization.is_some_and(|detail| !detail.allowed_by_organizations()) {
            DeniedBy::Organization
        } else if boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary()) {
            DeniedBy::PermissionsBoundary
        } else if lacks_context(result) {
            DeniedBy::Condition
        } else {
            DeniedBy::Role
        },
    )
}

/// Whether a policy asks about something that we did not tell. Where a resource was named, IAM says so beside that.
fn lacks_context(result: &EvaluationResult) -> bool {
    let mut of_resources = result.resource_specific_results().iter();
    !result.missing_context_values().is_empty()
        || of_resources.any(|of_one| !of_one.missing_context_values().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_look_is_put_down_to_the_policy_that_iam_names() {
        const PLAIN: &str = "User: arn:aws:sts::222222222222:assumed-role/Reader/latchkey-x is not authorized to \
                             perform: iam:GetRole on resource: role Reader";
        let because = |words: &str| format!("{PLAIN} {words}");
        for (words, by) in [
            (
                "because no identity-based policy allows the iam:GetRole action",
                Some(DeniedBy::Role),
            ),
            (
                "with an explicit deny in an identity-based policy",
                Some(DeniedBy::Role),
            ),
            ("", Some(DeniedBy::Role)),
            (
                "because no permissions boundary allows the iam:GetRole action",
                Some(DeniedBy::PermissionsBoundary),
            ),
            (
                "with an explicit deny in a service control policy: arn:aws:organizations::333333333333:policy/p-1",
                Some(DeniedBy::Organization),
            ),
            (
                "because no service control policy allows the iam:GetRole action",
                Some(DeniedBy::Organization),
            ),
            (
                "with an explicit deny in a resource control policy",
                Some(DeniedBy::Organization),
            ),
            ("because no session policy allows the iam:GetRole action", None),
        ] {
            let text = because(words);
            assert_eq!(denied(Some("AccessDenied"), Some(&text)), by, "{words}");
        }
        assert_eq!(denied(Some("AccessDenied"), None), Some(DeniedBy::Role));
        for code in ["InvalidClientTokenId", "NoSuchEntity", "Throttling"] {
            assert_eq!(denied(Some(code), Some(PLAIN)), None, "{code}");
        }
    }

    /// The shape of IAM's answer, as its service model has it.
    fn result(decision: &str, organization: Option<bool>, boundary: Option<bool>) -> EvaluationResult {
        use aws_sdk_iam::types::{OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail};
        let organization = organization.map(|allowed| {
            OrganizationsDecisionDetail::builder()
                .allowed_by_organizations(allowed)
                .build()
        });
        let boundary = boundary.map(|allowed| {
            PermissionsBoundaryDecisionDetail::builder()
                .allowed_by_permissions_boundary(allowed)
                .build()
        });
        EvaluationResult::builder()
            .eval_action_name("ec2:DescribeRegions")
            .eval_decision(PolicyEvaluationDecisionType::from(decision))
            .set_organizations_decision_detail(organization)
            .set_permissions_boundary_decision_detail(boundary)
            .build()
            .unwrap()
    }

    #[test]
    fn it_is_told_apart_whose_policy_denies_an_action() {
        for (result, expected) in [
            (result("allowed", Some(true), Some(true)), Decision::Allowed),
            (
                result("implicitDeny", None, None),
                Decision::Denied(DeniedBy::Role),
            ),
            (
                result("implicitDeny", Some(true), Some(true)),
                Decision::Denied(DeniedBy::Role),
            ),
            (
                result("implicitDeny", Some(true), Some(false)),
                Decision::Denied(DeniedBy::PermissionsBoundary),
            ),
            (
                result("explicitDeny", Some(false), Some(true)),
                Decision::Denied(DeniedBy::Organization),
            ),
            (
                result("explicitDeny", Some(false), Some(false)),
                Decision::Denied(DeniedBy::Organization),
            ),
            (
                result("somethingNew", None, None),
                Decision::Denied(DeniedBy::Role),
            ),
        ] {
            assert_eq!(decision(&result), expected, "{result:?}");
        }
    }

    #[test]
    fn an_inspections_session_can_look_at_its_own_role_and_do_nothing_else() {
        let role = RoleArn::parse("arn:aws:iam::222222222222:role/a/b").unwrap();
        let policy: serde_json::Value = serde_json::from_str(&look_at_itself(&role)).unwrap();
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
        assert_eq!(policy["Statement"][0]["Resource"], role.as_str());
        assert_eq!(
            policy["Statement"][0]["Action"],
            serde_json::json!(["iam:GetRole", "iam:SimulatePrincipalPolicy"])
        );
    }
}

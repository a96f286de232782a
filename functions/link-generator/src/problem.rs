//! Why a request is not done: each error of a use case as its sender sees it.

use latchkey_api_types::problem::{ProblemBody, TYPE_PREFIX};
use latchkey_aws::telemetry::causes;
use latchkey_core::{
    domain::{
        invalid::Invalid,
        proof::reason::{Reason, ReasonCode},
    },
    ports::Unavailable,
    use_cases::{
        register_by_hand::ByHandError, rotate_external_id::RotateError, start_connection::StartError,
    },
};

/// Why a request was not done, for its sender.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem(pub Box<ProblemBody>);

impl Problem {
    fn new(status: u16, code: &str, title: &str, detail: impl ToString) -> Self {
        Self(Box::new(ProblemBody {
            detail: detail.to_string(),
            request_id: None,
            connection_id: None,
            status,
            title: title.to_owned(),
            kind: format!("{TYPE_PREFIX}{code}"),
        }))
    }

    pub fn invalid_request(detail: impl ToString) -> Self {
        Self::new(400, "invalid_request", "The request cannot be read", detail)
    }

    /// The token's claim `claim` names no tenant, for this reason.
    pub fn no_tenant(claim: &str, rule: &str) -> Self {
        let detail = format!("The claim {claim:?} of the token, which names the caller's tenant, {rule}.");
        Self::new(403, "no_tenant", "The caller belongs to no tenant", detail)
    }

    /// The route is one door's, and the caller came by the other's authorizer or by none.
    pub fn wrong_door() -> Self {
        let detail = "The vendor's routes take requests that are signed for IAM, the tenant's take tokens.";
        Self::new(403, "wrong_door", "The caller did not come by this door", detail)
    }

    /// The same for a connection that never was and for another tenant's (I8).
    pub fn no_such_connection() -> Self {
        Self::new(
            404,
            "not_found",
            "Not found",
            "There is no connection with this id.",
        )
    }

    pub fn no_such_route() -> Self {
        Self::new(
            404,
            "not_found",
            "Not found",
            "The API has no such path and method.",
        )
    }

    /// The request is fine, and does not go with where the connection stands.
    fn conflict(detail: impl ToString) -> Self {
        Self::new(409, "conflict", "The connection does not allow this now", detail)
    }

    /// The same where one of the closed list of reasons says why.
    fn refused(reason: &Reason) -> Self {
        let status = match reason.code {
            ReasonCode::InvalidRequest => 400,
            ReasonCode::TooManyRequests => 429,
            _ => 409,
        };
        Self::new(
            status,
            reason.code.as_str(),
            "The role is not taken",
            reason.message_by_hand(),
        )
    }

    fn not_ready(detail: impl ToString) -> Self {
        Self::new(503, "not_ready", "The deployment is not ready", detail)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        tracing::error!(error = causes(&error), "store.failed");
        let detail = "Nothing was changed or it is safe to look; try again in a moment.";
        Self::new(503, "unavailable", "Temporarily unavailable", detail)
    }
}

impl From<Invalid> for Problem {
    fn from(error: Invalid) -> Self {
        Self::invalid_request(error)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::RegionNotServed(..)
            | StartError::AccountRequired
            | StartError::OrganizationNotServed
            | StartError::NoSuchAccount
            | StartError::TierNotOffered(_) => Self::invalid_request(error),
            StartError::AccountConnected(id) => {
                let code = ReasonCode::AccountAlreadyConnected.as_str();
                let connected = StartError::AccountConnected(id.clone());
                let Self(mut body) = Self::new(409, code, "The account is connected already", connected);
                body.connection_id = Some(id);
                Self(body)
            }
            StartError::NoTemplate => Self::not_ready(error),
            StartError::ListenerFull => {
                Self::new(503, "listener_full", "The region takes no further account", error)
            }
            StartError::BadLink(_) => {
                tracing::error!(error = causes(&error), "link.failed");
                Self::not_ready("the deployment's configuration makes no valid link")
            }
            StartError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ByHandError> for Problem {
    fn from(error: ByHandError) -> Self {
        match error {
            ByHandError::NotFound => Self::no_such_connection(),
            ByHandError::OfAStack => Self::conflict(error),
            ByHandError::Refused(reason) => Self::refused(&reason),
            ByHandError::Unavailable(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::NotFound => Self::no_such_connection(),
            RotateError::NotConnected(_)
            | RotateError::OfOrganization
            | RotateError::BeingChanged
            | RotateError::TakenUp => Self::conflict(error),
            RotateError::Unavailable(error) => error.into(),
        }
    }
}

//! Whether a request may be verified at all: what its claims must agree with before anybody asks STS.

use jiff::Timestamp;

use crate::domain::{
    aws::{AccountId, StackId},
    connection::{Attempt, Binding, Connection, Event, IllegalTransition, Standing, State, Status},
    external_id::ExternalId,
    proof::reason::ReasonCode,
    request::custom_resource::{Properties, RequestType},
};

/// What a Create or Update claims about itself.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Create or Update.
    pub request_type: RequestType,
    /// The stack.
    pub stack_id: &'a StackId,
    /// The external ID that it brings: one that was made for the connection.
    pub external_id: &'a ExternalId,
    /// The resource that an Update names.
    pub physical_resource_id: Option<&'a str>,
}

/// What an admitted request does to its connection before it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is a first registration: the connection goes to `verifying`.
    FirstRegistration,
    /// It changes what a live connection is bound to: that stays as it is until the change is proven.
    Change,
    /// The same, by an Update of the very resource that is bound.
    ChangeOfBoundResource,
}

impl Admission {
    /// The connection, with one request less to go. An Update of what is bound has a budget of its own: whoever does not
    /// know the resource cannot use that up (I10).
    pub fn spend(self, connection: &Connection, now: Timestamp) -> Result<Connection, ReasonCode> {
        let mut spent = connection.clone();
        let budget = match self {
            Self::FirstRegistration | Self::Change => &mut spent.requests,
            Self::ChangeOfBoundResource => &mut spent.changes,
        };
        *budget = budget.spend(now).ok_or(ReasonCode::TooManyRequests)?;
        Ok(spent)
    }

    /// The connection once `attempt` is being worked on: what is bound stays as it is until the change is proven.
    pub fn start(
        self,
        spent: Connection,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Connection, IllegalTransition> {
        match self {
            Self::FirstRegistration => spent.apply(Event::AttemptStarted(attempt), now),
            Self::Change | Self::ChangeOfBoundResource => Ok(Connection {
                version: spent.version + 1,
                ..spent
            }),
        }
    }
}

/// The role must be in the stack's own account and partition, and not in the vendor's (I2).
pub fn check_accounts(
    properties: &Properties,
    stack_id: &StackId,
    vendor_account: &AccountId,
) -> Result<(), ReasonCode> {
    let role = &properties.role_arn;
    if stack_id.account() == *vendor_account || role.account() == *vendor_account {
        return Err(ReasonCode::VendorAccount);
    }
    if role.account() != stack_id.account() || role.partition() != stack_id.partition() {
        return Err(ReasonCode::RoleInOtherAccount);
    }
    Ok(())
}

/// Whether `connection` can take the request, which was sent at `sent_at`. The moment of sending decides, so that
/// the same request gets the same answer however late it is delivered again.
pub fn admit(connection: &Connection, claim: Claim<'_>, sent_at: Timestamp) -> Result<Admission, ReasonCode> {
    if let Some(expected) = &connection.expected_account
        && *expected != claim.stack_id.account()
    {
        return Err(ReasonCode::AccountMismatch);
    }
    if let State::Disconnected { reason, .. } = &connection.state {
        return Err(reason.code);
    }
    if connection.standing(claim.external_id, sent_at) == Standing::Retired {
        return Err(ReasonCode::ExternalIdRetired);
    }
    match (claim.request_type, connection.live_binding()) {
        // Also while another stack is being verified: a link in use lives no longer than one that is not.
        (RequestType::Create, None)
            if connection.state.status() == Status::Expired || sent_at >= connection.expires_at =>
        {
            Err(ReasonCode::LinkExpired)
        }
        (RequestType::Create, None) => Ok(Admission::FirstRegistration),
        // The same stack makes the resource anew, under another name: a replacement.
        (RequestType::Create, Some(bound)) if bound.stack_id() == Some(claim.stack_id) => {
            Ok(Admission::Change)
        }
        // What is bound has not been shown to be CloudFormation's yet, so that it can refuse nobody: whoever forges a
        // Create could keep the true one out. The verifier waits until one of them is settled.
        (RequestType::Create, Some(bound)) if bound.is_unsettled_first_registration() => {
            Ok(Admission::Change)
        }
        (RequestType::Create, Some(bound)) if bound.account() == claim.stack_id.account() => {
            Err(ReasonCode::AccountAlreadyConnected)
        }
        (RequestType::Create, Some(_)) => Err(ReasonCode::LinkAlreadyUsed),
        (RequestType::Update, Some(bound)) if names(claim, bound) => Ok(Admission::ChangeOfBoundResource),
        (RequestType::Update | RequestType::Delete, _) => Err(ReasonCode::ExternalIdChanged),
    }
}

/// Whether `connection` can take a role in `account` that was made by hand, named by the vendor at `at`.
pub fn admit_by_hand(
    connection: &Connection,
    account: &AccountId,
    external_id: &ExternalId,
    at: Timestamp,
) -> Result<Admission, ReasonCode> {
    if connection
        .expected_account
        .as_ref()
        .is_some_and(|expected| expected != account)
    {
        return Err(ReasonCode::AccountMismatch);
    }
    if let State::Disconnected { reason, .. } = &connection.state {
        return Err(reason.code);
    }
    if connection.standing(external_id, at) == Standing::Retired {
        return Err(ReasonCode::ExternalIdRetired);
    }
    match connection.live_binding() {
        None if connection.state.status() == Status::Expired || at >= connection.expires_at => {
            Err(ReasonCode::LinkExpired)
        }
        None => Ok(Admission::FirstRegistration),
        // What is bound by a stack is the stack's to change: it would put its own role back.
        Some(bound) if bound.stack_id().is_some() => Err(ReasonCode::LinkAlreadyUsed),
        Some(bound) if bound.account() != *account => Err(ReasonCode::LinkAlreadyUsed),
        Some(_) => Ok(Admission::ChangeOfBoundResource),
    }
}

fn names(claim: Claim<'_>, bound: &Binding) -> bool {
    bound.stack_id() == Some(claim.stack_id)
        && claim.physical_resource_id == Some(&bound.physical_resource_id)
}

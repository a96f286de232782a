//! Whether a request may be verified at all: decided from what is known, before anybody asks STS.

use jiff::Timestamp;

use crate::domain::{
    aws::{AccountId, RoleArn, StackId},
    connection::{Attempt, Binding, Connection, Event, IllegalTransition, Standing, State, Status},
    external_id::ExternalId,
    proof::reason::ReasonCode,
    request::custom_resource::{Properties, RequestKey, RequestType},
};

/// What a Create or Update says of itself.
#[derive(Debug, Clone, Copy)]
pub struct StackClaims<'a> {
    /// Create or Update.
    pub request_type: RequestType,
    /// The stack.
    pub stack_id: &'a StackId,
    /// The resource's name in the stack's template.
    pub logical_resource_id: &'a str,
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
    pub fn spend(
        self,
        connection: &Connection,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Connection, ReasonCode> {
        let bound = connection.live_binding().and_then(Binding::stack_id);
        let is_own = bound.is_some() && bound == asked.stack.map(|claims| claims.stack_id);
        let code = match is_own {
            // To delete this stack would end what is connected.
            true => ReasonCode::TooManyUpdates,
            false => ReasonCode::TooManyRequests,
        };
        connection.spend(self, now).ok_or(code)
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
            Self::Change | Self::ChangeOfBoundResource => Ok(spent.while_changing()),
        }
    }
}

/// A request to connect a role: by a stack's message, or by the vendor's call for a role that was made by hand.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its name.
    pub key: &'a RequestKey,
    /// The role that it is for.
    pub role_arn: &'a RoleArn,
    /// What a stack's message says of itself; none of the vendor's call.
    pub stack: Option<StackClaims<'a>>,
    /// When it was sent. This decides, and not when it is worked on: the same request gets the same answer however
    /// late it is delivered again.
    pub sent_at: Timestamp,
}

/// What is known when a request is decided on.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The connection that the external ID was made for, or that the vendor named; an organization's for its members.
    pub found: Connection,
    /// The member that the account is of that organization, if it is one already.
    pub member: Option<Connection>,
    /// Whether the request's resource was deleted since the request was sent.
    pub resource_deleted: bool,
}

/// What a request that may be verified changes.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The connection as it is stored; where it is new, as it has to be stored first.
    pub before: Connection,
    /// The connection while the request is worked on.
    pub after: Connection,
    /// Whether the account asks its organization for the first time: counted by the day where a message brings it.
    pub is_new: bool,
    /// Whether the request counts among those that accounts which are not connected may send within an hour.
    pub counts: bool,
}

/// Why a request is not verified.
#[derive(Debug, Clone)]
pub enum NotAdmitted {
    /// It is refused, whatever the state of the connection that it names: the same refusal follows from it again.
    Refused(ReasonCode),
    /// It is refused for the state of this connection, which may be another one when it is delivered again.
    RefusedByState(Box<Connection>, ReasonCode),
    /// The state machine has no such step. A bug: nothing was decided.
    Illegal(IllegalTransition),
}

impl From<IllegalTransition> for NotAdmitted {
    fn from(illegal: IllegalTransition) -> Self {
        Self::Illegal(illegal)
    }
}

/// Decides on a request at `now`.
pub fn decide(facts: &Facts, asked: &Asked<'_>, now: Timestamp) -> Result<Admitted, NotAdmitted> {
    let (stored, is_new) = connection_of(facts, asked, now)?;
    // A request that was told that its resource is deleted is told so for ever, whatever became of the connection (I5).
    if facts.resource_deleted {
        return Err(NotAdmitted::Refused(ReasonCode::StackDeleted));
    }
    let refused = |code| NotAdmitted::RefusedByState(Box::new(stored.clone()), code);
    let connection = match asked.stack.map(|claims| claims.request_type) {
        None | Some(RequestType::Create) => stored.asked_again(&facts.found, now)?,
        Some(RequestType::Update | RequestType::Delete) => stored.clone().following(&facts.found),
    };
    let admission = match asked.stack {
        Some(claims) => admit(&connection, claims, asked.sent_at),
        None => {
            let external_id = connection.external_id_by_hand(asked.sent_at);
            admit_by_hand(&connection, &asked.role_arn.account(), external_id, asked.sent_at)
        }
    }
    .map_err(refused)?;
    let spent = admission.spend(&connection, asked, now).map_err(refused)?;
    let attempt = Attempt {
        request: asked.key.clone(),
        role_arn: asked.role_arn.clone(),
        started_at: now,
    };
    Ok(Admitted {
        after: admission.start(spent, attempt, now)?,
        is_new,
        counts: asked.stack.is_some() && stored.is_member() && stored.live_binding().is_none(),
        before: stored,
    })
}

/// The connection that a request is about: the one that was found or, of an organization, its account's own. The flag
/// says whether it is new.
fn connection_of(
    facts: &Facts,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<(Connection, bool), NotAdmitted> {
    let refused = NotAdmitted::Refused;
    let Some(rules) = facts.found.organization() else {
        return Ok((facts.found.clone(), false));
    };
    if let State::Disconnected { reason, .. } = facts.found.state() {
        return Err(refused(reason.code));
    }
    let account = match asked.stack {
        Some(claims) => claims.stack_id.account(),
        None => asked.role_arn.account(),
    };
    rules.check(&account).map_err(refused)?;
    if let Some(member) = &facts.member {
        return Ok((member.clone(), false));
    }
    // Only what could be the first request of an account makes it a member.
    if let Some(claims) = asked.stack {
        let standing = facts.found.standing(claims.external_id, asked.sent_at);
        if standing == Standing::Retired {
            return Err(refused(ReasonCode::ExternalIdRetired));
        }
        if claims.request_type != RequestType::Create {
            return Err(refused(ReasonCode::ExternalIdChanged));
        }
    }
    Ok((facts.found.new_member(&account, now), true))
}

/// Whether a request that was admitted may still be connected: what has come since. `facts.found` is the organization of
/// a member, and `facts.member` the member.
pub fn decide_again(facts: &Facts, asked: &Asked<'_>, external_id: &ExternalId) -> Result<(), ReasonCode> {
    if facts.resource_deleted {
        return Err(ReasonCode::StackDeleted);
    }
    let connection = facts.member.as_ref().unwrap_or(&facts.found);
    if facts.member.is_some() {
        if let State::Disconnected { reason, .. } = facts.found.state() {
            return Err(reason.code);
        }
        // Its rotation has ended since: nobody new is connected by what was retired for all.
        let standing = facts.found.standing(external_id, asked.sent_at);
        if connection.live_binding().is_none() && standing == Standing::Retired {
            return Err(ReasonCode::ExternalIdRetired);
        }
    }
    match asked.stack {
        Some(claims) => admit(connection, claims, asked.sent_at),
        None => admit_by_hand(connection, &asked.role_arn.account(), external_id, asked.sent_at),
    }
    .map(drop)
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
pub fn admit(
    connection: &Connection,
    claim: StackClaims<'_>,
    sent_at: Timestamp,
) -> Result<Admission, ReasonCode> {
    if let Some(expected) = connection.expected_account()
        && *expected != claim.stack_id.account()
    {
        return Err(ReasonCode::AccountMismatch);
    }
    if let State::Disconnected { reason, .. } = connection.state() {
        return Err(reason.code);
    }
    let bound = connection.live_binding();
    let is_of_bound = bound.is_some_and(|bound| names(claim, bound));
    let is_update = is_of_bound && claim.request_type == RequestType::Update;
    if connection.standing(claim.external_id, sent_at) == Standing::Retired
        && !(is_update && connection.had_before(claim.external_id))
    {
        return Err(ReasonCode::ExternalIdRetired);
    }
    let answered_at = bound.and_then(|it| it.answered_at_of(claim.stack_id, claim.logical_resource_id));
    if answered_at.is_some_and(|answered_at| sent_at < answered_at) {
        return Err(ReasonCode::RequestOvertaken);
    }
    match (claim.request_type, bound) {
        // Also while another stack is being verified: a link in use lives no longer than one that is not.
        (RequestType::Create, None)
            if connection.state().status() == Status::Expired || sent_at >= connection.expires_at() =>
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
        (RequestType::Update, Some(_)) if is_of_bound => Ok(Admission::ChangeOfBoundResource),
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
        .expected_account()
        .is_some_and(|expected| expected != account)
    {
        return Err(ReasonCode::AccountMismatch);
    }
    if let State::Disconnected { reason, .. } = connection.state() {
        return Err(reason.code);
    }
    if connection.standing(external_id, at) == Standing::Retired {
        return Err(ReasonCode::ExternalIdRetired);
    }
    match connection.live_binding() {
        None if connection.state().status() == Status::Expired || at >= connection.expires_at() => {
            Err(ReasonCode::LinkExpired)
        }
        None => Ok(Admission::FirstRegistration),
        // What is bound by a stack is the stack's to change: it would put its own role back.
        Some(bound) if bound.stack_id().is_some() => Err(ReasonCode::LinkAlreadyUsed),
        Some(bound) if bound.account() != *account => Err(ReasonCode::LinkAlreadyUsed),
        Some(_) => Ok(Admission::ChangeOfBoundResource),
    }
}

/// Whether a request is for what is bound, or for what that has replaced and a rollback may bring
/// back.
fn names(claim: StackClaims<'_>, bound: &Binding) -> bool {
    let known = [Some(bound), bound.former_resource()];
    let mut known = known.into_iter().flatten();
    known.any(|bound| bound.is_resource(claim.stack_id, claim.physical_resource_id))
}

/// The connection that has already, active and settled, exactly what an Update of its stack asks
/// for: there is nothing to prove, and nothing to change. It is sent by a rollback, or by an update
/// that changed what concerns nobody here.
pub fn bound_exactly<'a>(
    facts: &'a Facts,
    asked: &Asked<'_>,
    properties: &Properties,
) -> Option<&'a Connection> {
    let claims = asked.stack?;
    let connection = match facts.found.organization() {
        Some(_) => facts.member.as_ref()?,
        None => &facts.found,
    };
    let State::Active { binding, .. } = connection.state() else {
        return None;
    };
    let tier = connection
        .permission_tier()
        .or(properties.permission_tier.as_ref());
    let is_settled = binding.unsettled.is_none() && binding.deletion_seen_at.is_none();
    let is_same = binding.is_resource(claims.stack_id, claims.physical_resource_id)
        && binding.logical_resource_id == claims.logical_resource_id
        && binding.role_arn == properties.role_arn
        && binding.external_id == properties.external_id
        && binding.template_version == properties.template_version
        && binding.says == properties.says
        && binding.permission_tier.as_ref() == tier
        // A stack that chose another than the vendor asks for may have less now.
        && properties.permission_tier.as_ref().is_none_or(|chosen| Some(chosen) == tier);
    let is_latest = binding
        .answered_at
        .is_none_or(|answered_at| answered_at <= asked.sent_at);
    let is_update = claims.request_type == RequestType::Update && !facts.resource_deleted;
    (is_update && is_settled && is_same && is_latest).then_some(connection)
}

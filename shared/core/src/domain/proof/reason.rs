//! Why a connection is not what it should be: a closed list.

use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::ConnectionId,
    invalid::{Invalid, PADDED},
    proof::tiers::TierName,
};

/// Longest text that a stack event gets from us, in bytes. CloudFormation allows more, but its console shows about
/// this much of a reason.
pub const MAX_STACK_EVENT_BYTES: usize = 320;

/// The stable code of a reason. Each has one sentence for the customer and a section in `docs/REASONS.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasonCode {
    /// A property of the request cannot be read.
    InvalidRequest,
    /// No connection has this external ID.
    ExternalIdUnknown,
    /// The launch link was used after its time.
    LinkExpired,
    /// The launch link already made a connection, from another stack.
    LinkAlreadyUsed,
    /// The launch link was made for another account.
    AccountMismatch,
    /// The tenant has a live connection to this account.
    AccountAlreadyConnected,
    /// The vendor named the accounts of the organization, and this is none of them.
    AccountNotAllowed,
    /// As many accounts of the organization are connected as the vendor allows.
    OrganizationFull,
    /// Another connection has this role.
    RoleAlreadyConnected,
    /// The role is in another account than the stack.
    RoleInOtherAccount,
    /// The stack runs in the vendor's own account.
    VendorAccount,
    /// STS refuses the role to us, with the right external ID.
    RoleNotAssumable,
    /// STS gives us the role without the right external ID.
    ExternalIdNotEnforced,
    /// The role's trust policy lets in whom it should not, which the probes cannot see.
    TrustTooOpen,
    /// AWS gave no clear answer before the deadline.
    VerificationInconclusive,
    /// The vendor's own policy kept the verifier from asking.
    VendorMisconfigured,
    /// The role cannot do what its tier needs.
    PermissionsMissing,
    /// The role can do what its tier never asked for.
    PermissionsExcessive,
    /// A policy of the customer's organization denies what the tier needs.
    BlockedByOrganizationPolicy,
    /// A role that was proven is refused to us now.
    RoleGone,
    /// The customer deleted the stack.
    StackDeleted,
    /// The vendor ended the connection.
    DisconnectedByVendor,
    /// More requests came for the connection than an hour may bring.
    TooManyRequests,
    /// An update gave the stack the external ID of another connection.
    ExternalIdChanged,
    /// The external ID was the connection's once, or was to become it, and is not any more.
    ExternalIdRetired,
    /// CloudFormation's bucket did not take our answer: the request was not CloudFormation's, or too old.
    AnswerRefused,
    /// The day on which the customer let the access end has come.
    AccessEnded,
    /// More updates of a live connection came than an hour may bring.
    TooManyUpdates,
    /// A request that was sent later was answered before this one.
    RequestOvertaken,
    /// The stack chose a tier that has less than the one that the link asks for.
    TierMismatch,
    /// A new stack of the same account took the place of one that did not let us in any more.
    Superseded,
}

impl ReasonCode {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 31] = [
        Self::InvalidRequest,
        Self::ExternalIdUnknown,
        Self::LinkExpired,
        Self::LinkAlreadyUsed,
        Self::AccountMismatch,
        Self::AccountAlreadyConnected,
        Self::AccountNotAllowed,
        Self::OrganizationFull,
        Self::RoleAlreadyConnected,
        Self::RoleInOtherAccount,
        Self::VendorAccount,
        Self::RoleNotAssumable,
        Self::ExternalIdNotEnforced,
        Self::TrustTooOpen,
        Self::VerificationInconclusive,
        Self::VendorMisconfigured,
        Self::PermissionsMissing,
        Self::PermissionsExcessive,
        Self::BlockedByOrganizationPolicy,
        Self::RoleGone,
        Self::StackDeleted,
        Self::DisconnectedByVendor,
        Self::TooManyRequests,
        Self::ExternalIdChanged,
        Self::ExternalIdRetired,
        Self::AnswerRefused,
        Self::AccessEnded,
        Self::TooManyUpdates,
        Self::RequestOvertaken,
        Self::TierMismatch,
        Self::Superseded,
    ];

    /// As it stands in the API, in a stack event and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::ExternalIdUnknown => "external_id_unknown",
            Self::LinkExpired => "link_expired",
            Self::LinkAlreadyUsed => "link_already_used",
            Self::AccountMismatch => "account_mismatch",
            Self::AccountAlreadyConnected => "account_already_connected",
            Self::AccountNotAllowed => "account_not_allowed",
            Self::OrganizationFull => "organization_full",
            Self::RoleAlreadyConnected => "role_already_connected",
            Self::RoleInOtherAccount => "role_in_other_account",
            Self::VendorAccount => "vendor_account",
            Self::RoleNotAssumable => "role_not_assumable",
            Self::ExternalIdNotEnforced => "external_id_not_enforced",
            Self::TrustTooOpen => "trust_too_open",
            Self::VerificationInconclusive => "verification_inconclusive",
            Self::VendorMisconfigured => "vendor_misconfigured",
            Self::PermissionsMissing => "permissions_missing",
            Self::PermissionsExcessive => "permissions_excessive",
            Self::BlockedByOrganizationPolicy => "blocked_by_organization_policy",
            Self::RoleGone => "role_gone",
            Self::StackDeleted => "stack_deleted",
            Self::DisconnectedByVendor => "disconnected_by_vendor",
            Self::TooManyRequests => "too_many_requests",
            Self::ExternalIdChanged => "external_id_changed",
            Self::ExternalIdRetired => "external_id_retired",
            Self::AnswerRefused => "answer_refused",
            Self::AccessEnded => "access_ended",
            Self::TooManyUpdates => "too_many_updates",
            Self::RequestOvertaken => "request_overtaken",
            Self::TierMismatch => "tier_mismatch",
            Self::Superseded => "superseded",
        }
    }

    /// One sentence for the customer: what happened, and what to do.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "The stack sent a request that cannot be read; create it again from an unchanged launch link."
            }
            Self::ExternalIdUnknown => {
                "The vendor never issued this external ID; open a launch link in the vendor's product and leave \
                 the ExternalId parameter as it is."
            }
            Self::LinkExpired => {
                "This launch link has expired; delete this stack and open a new link in the vendor's product."
            }
            Self::LinkAlreadyUsed => {
                "This launch link has already connected another stack, which was not touched; delete this stack \
                 and open a new link to connect another account."
            }
            Self::AccountMismatch => {
                "This launch link was made for another AWS account; sign in to that account, or ask for a link \
                 for this one."
            }
            Self::AccountAlreadyConnected => {
                "This AWS account is already connected, and that connection was not touched; delete this stack, \
                 or have the other connection ended in the vendor's product first."
            }
            Self::AccountNotAllowed => {
                "The vendor does not expect this AWS account of your organization; delete this stack, or ask the \
                 vendor for a connection that takes the account."
            }
            Self::OrganizationFull => {
                "As many accounts of your organization are connected as the vendor allows; disconnect one, or ask \
                 the vendor for a connection for more accounts."
            }
            Self::RoleAlreadyConnected => {
                "This role already belongs to a connection; let each stack make a role of its own."
            }
            Self::RoleInOtherAccount => {
                "The role is in another AWS account than the stack; create the stack in the role's account."
            }
            Self::VendorAccount => {
                "This is the vendor's own AWS account, which cannot be connected to itself; sign in to yours."
            }
            Self::RoleNotAssumable => {
                "The vendor cannot assume the role with this external ID; check that its trust policy is the \
                 template's and that no organization policy blocks it, then create the stack again."
            }
            Self::ExternalIdNotEnforced => {
                "The role can be assumed without the right external ID, which is not safe; restore the \
                 sts:ExternalId condition of the template's trust policy and try again."
            }
            Self::TrustTooOpen => {
                "The role's trust policy lets in others than the vendor with this external ID, which is not safe; \
                 restore the template's trust policy and try again."
            }
            Self::VerificationInconclusive => {
                "AWS gave no clear answer about the role in time, so nothing was connected; delete this stack \
                 and create it again in a few minutes."
            }
            Self::VendorMisconfigured => {
                "The vendor's service lacks a permission of its own and could not check the role; nothing is \
                 wrong in your account, please try again later."
            }
            Self::PermissionsMissing => {
                "The role lacks permissions of the template; restore its policy, check its permissions boundary, \
                 and try again."
            }
            Self::PermissionsExcessive => {
                "The role can do more than the vendor asks for; remove the policies that the template did not \
                 attach, and try again."
            }
            Self::BlockedByOrganizationPolicy => {
                "A policy of your AWS organization denies what the role needs; ask its administrators to allow it \
                 for this role, and try again."
            }
            Self::RoleGone => {
                "The role can no longer be assumed: it was deleted or its trust policy was changed; restore it \
                 from the template, or delete the stack to disconnect."
            }
            Self::StackDeleted => {
                "The stack that made this connection was deleted; open a new launch link to connect again."
            }
            Self::DisconnectedByVendor => {
                "This connection was ended in the vendor's product; delete the stack, and open a new launch link \
                 to connect again."
            }
            Self::TooManyRequests => {
                "Too many stacks asked for this connection; delete this stack and try again in an hour, for a new \
                 account of an organization tomorrow, or ask the vendor for a new link."
            }
            Self::ExternalIdChanged => {
                "An update cannot move a stack to another connection; put the former ExternalId back, or delete \
                 the stack and create one from the new link."
            }
            Self::ExternalIdRetired => {
                "This external ID was replaced or its rotation was cancelled or ran out; ask the vendor for the \
                 connection's current one and update the stack with it."
            }
            Self::AnswerRefused => {
                "CloudFormation did not take the answer, so the request was not its own or came too late; create \
                 the stack again from the launch link."
            }
            Self::AccessEnded => {
                "The day on which you let the vendor's access end has come; give the stack a later day as \
                 AccessUntil, or none, or delete the stack to disconnect."
            }
            Self::TooManyUpdates => {
                "Too many updates of this connection came within an hour, so this one changed nothing; what is \
                 connected stays connected: do not delete the stack, and update it again in an hour."
            }
            Self::RequestOvertaken => {
                "A later request of this stack was answered before this one, so this one changed nothing; update \
                 the stack again if it is not as you want it."
            }
            Self::TierMismatch => {
                "This stack grants less than its launch link asks for; choose the link's own tier in the \
                 parameter PermissionTier, and try again."
            }
            Self::Superseded => {
                "A new stack in this AWS account took the place of this connection, whose role no longer let the \
                 vendor in; delete what is left of this stack, and use the new one."
            }
        }
    }
}

/// A reason as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which one.
    pub code: ReasonCode,
    /// What exactly, where a code covers several things; one of our own texts, never the sender's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Reason {
    /// The sentence for people, with its detail.
    pub fn message(&self) -> String {
        self.with_detail(self.code.sentence())
    }

    /// The same for a role that was made by hand.
    pub fn message_by_hand(&self) -> String {
        self.with_detail(self.code.sentence_by_hand())
    }

    fn with_detail(&self, sentence: &str) -> String {
        match &self.detail {
            None => sentence.to_owned(),
            Some(detail) => format!("{detail}. {sentence}"),
        }
    }

    /// The text in the stack's events: the sentence, and the code to look up.
    pub fn stack_event(&self) -> String {
        format!("{} [{}]", self.message(), self.code.as_str())
    }
}

impl Reason {
    /// That the account is taken, and by which connection: whoever reads it can have that one
    /// ended.
    pub fn account_held_by(connection: &ConnectionId) -> Self {
        Self {
            code: ReasonCode::AccountAlreadyConnected,
            detail: Some(format!("Connection {connection} has this account")),
        }
    }

    /// That a stack chose the tier `chosen` where its link asks for `asked`.
    pub fn tier_mismatch(asked: &TierName, chosen: &TierName) -> Self {
        Self {
            code: ReasonCode::TierMismatch,
            detail: Some(format!("The link asks for {asked}, and the stack chose {chosen}")),
        }
    }
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Self {
        Self { code, detail: None }
    }
}

impl From<Invalid> for Reason {
    fn from(invalid: Invalid) -> Self {
        let is_other_value = !["is missing", PADDED].contains(&invalid.rule);
        let code = if invalid.what == "ExternalId" && is_other_value {
            ReasonCode::ExternalIdUnknown
        } else {
            ReasonCode::InvalidRequest
        };
        let detail = (code == ReasonCode::InvalidRequest).then(|| invalid.to_string());
        Self { code, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plain_text::is_plain_text;

    #[test]
    fn every_code_is_written_the_same_everywhere() {
        for code in ReasonCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        let distinct: std::collections::BTreeSet<_> = ReasonCode::ALL.map(ReasonCode::as_str).into();
        assert_eq!(distinct.len(), ReasonCode::ALL.len());
    }

    #[test]
    fn every_sentence_says_what_to_do_and_fits_a_stack_event() {
        for code in ReasonCode::ALL {
            let text = Reason::from(code).stack_event();
            assert!(is_plain_text(&text), "{text}");
            assert!(
                text.len() <= MAX_STACK_EVENT_BYTES,
                "{} bytes: {text}",
                text.len()
            );
            assert!(
                code.sentence().ends_with('.') && code.sentence().contains([';', ':', ',']),
                "{text}"
            );
        }
    }

    #[test]
    fn the_sentences_are_these() {
        let table: Vec<String> = ReasonCode::ALL
            .map(|code| format!("{}: {}", code.as_str(), code.sentence()))
            .into();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn whoever_made_a_role_by_hand_reads_of_no_stack_and_no_link() {
        // They come of a stack alone.
        let of_stacks = [
            ReasonCode::ExternalIdUnknown,
            ReasonCode::StackDeleted,
            ReasonCode::ExternalIdChanged,
            ReasonCode::AnswerRefused,
            ReasonCode::TooManyUpdates,
            ReasonCode::RequestOvertaken,
            ReasonCode::TierMismatch,
        ];
        for code in ReasonCode::ALL
            .into_iter()
            .filter(|code| !of_stacks.contains(code))
        {
            let said = code.sentence_by_hand();
            assert!(!said.contains("stack") && !said.contains("launch link"), "{said}");
            assert!(is_plain_text(said) && said.ends_with('.'), "{said}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_property_is_told_without_repeating_it() {
        let reason = Reason::from(Invalid::new("RoleArn", "is missing"));
        assert_eq!(reason.code, ReasonCode::InvalidRequest);
        assert!(
            reason
                .stack_event()
                .starts_with("RoleArn is missing. The stack sent")
        );
        let padded = Reason::from(Invalid::new("ExternalId", PADDED));
        assert_eq!(padded.code, ReasonCode::InvalidRequest);
        let said = "ExternalId has a blank or a line break around it. The stack sent";
        assert!(padded.stack_event().starts_with(said), "{padded:?}");
        let unknown = Reason::from(Invalid::new("ExternalId", "is not one that this vendor issued"));
        assert_eq!(unknown, ReasonCode::ExternalIdUnknown.into());
    }
}

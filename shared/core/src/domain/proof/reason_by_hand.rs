//! The sentences of reasons for those who made a role by hand.

use super::reason::ReasonCode;

impl ReasonCode {
    /// The same for a role that was made by hand: there is no stack, and no link that was opened.
    pub fn sentence_by_hand(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The role cannot be taken as it was named; name it by its ARN.",
            Self::LinkExpired => {
                "This connection was not completed in time; start a new one in the vendor's product, and put its \
                 external ID into the role's trust policy."
            }
            Self::LinkAlreadyUsed => {
                "This connection already belongs to another AWS account, which was not touched; start another \
                 connection for this account."
            }
            Self::AccountMismatch => {
                "This connection was made for another AWS account; name a role of that account, or start a \
                 connection for this one."
            }
            Self::AccountAlreadyConnected => {
                "This AWS account is already connected, and that connection was not touched; end it in the \
                 vendor's product first if this role shall take its place."
            }
            Self::AccountNotAllowed => {
                "The vendor does not expect this AWS account of your organization; ask the vendor for a \
                 connection that takes the account."
            }
            Self::RoleAlreadyConnected => {
                "This role already belongs to a connection; make a role of its own for each connection."
            }
            Self::RoleInOtherAccount => {
                "The role acts in another AWS account than its ARN names; name a role of the account itself."
            }
            Self::VendorAccount => {
                "This is the vendor's own AWS account, which cannot be connected to itself; name a role of yours."
            }
            Self::RoleNotAssumable => {
                "The vendor cannot assume the role with this external ID; check that the role exists, that its \
                 trust policy is the one that the vendor gave you and that no organization policy blocks it, then \
                 name the role again."
            }
            Self::ExternalIdNotEnforced => {
                "The role can be assumed without the right external ID, which is not safe; restore the \
                 sts:ExternalId condition of its trust policy and name the role again."
            }
            Self::VerificationInconclusive => {
                "AWS gave no clear answer about the role in time, so nothing was connected; name the role again in \
                 a few minutes."
            }
            Self::PermissionsMissing => {
                "The role lacks permissions that its tier needs; add them to its policy, check its permissions \
                 boundary, and name the role again."
            }
            Self::PermissionsExcessive => {
                "The role can do more than the vendor asks for; remove the policies that its tier does not need, \
                 and name the role again."
            }
            Self::RoleGone => {
                "The role can no longer be assumed: it was deleted or its trust policy was changed; restore it, or \
                 end the connection in the vendor's product."
            }
            Self::DisconnectedByVendor => {
                "This connection was ended in the vendor's product; delete the role, and start a new connection to \
                 connect again."
            }
            Self::TooManyRequests => {
                "A role was named too often for this connection; nothing was changed, so name it again in an hour."
            }
            Self::ExternalIdRetired => {
                "This external ID was replaced or its rotation was cancelled or ran out; put the connection's \
                 current one into the role's trust policy, and name the role again."
            }
            Self::AccessEnded => {
                "The day on which the role's trust policy lets the vendor's access end has come; write a later \
                 day into it, or end the connection in the vendor's product."
            }
            Self::Superseded => {
                "Another connection of this AWS account took the place of this one, whose role no longer let the \
                 vendor in; use that one."
            }
            // The others say nothing of a stack, or cannot be without one.
            _ => self.sentence(),
        }
    }
}

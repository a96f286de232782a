//! What a connection holds so that no other connection can: an account, roles, a seat; and the external IDs that lead
//! to it. A store takes and gives back what follows from a connection before and after a change.

use std::collections::BTreeSet;

use super::Connection;
use crate::domain::{
    aws::{AccountId, RoleArn},
    external_id::ExternalId,
    ids::{ConnectionId, TenantId},
};

/// One thing that one connection at a time can hold. In this order a store says which of several is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// An account, among the connections of one tenant.
    Account(TenantId, AccountId),
    /// A role, whoever the tenants are.
    Role(RoleArn),
    /// The account's twin: it is taken and given back with the account, and is found by the account
    /// alone, for whoever looks over all tenants.
    AccountOf(AccountId, TenantId),
    /// A member's seat in its organization.
    Seat(ConnectionId, u32),
}

/// What a change takes and gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Held after it and not before.
    pub taken: BTreeSet<Claim>,
    /// Held before it and not after.
    pub given_back: BTreeSet<Claim>,
}

impl Claims {
    /// What follows from storing `after` in the place of `before`.
    pub fn of_change(before: &Connection, after: &Connection) -> Self {
        let (old, new) = (before.claims(), after.claims());
        Self {
            taken: new.difference(&old).cloned().collect(),
            given_back: old.difference(&new).cloned().collect(),
        }
    }
}

impl Connection {
    /// What it holds now: also the roles that it may go back to. Nothing once it has ended.
    pub fn claims(&self) -> BTreeSet<Claim> {
        let Some(binding) = self.live_binding() else {
            return BTreeSet::new();
        };
        let replaced = binding.replaced();
        let former = [Some(binding), replaced].map(|bound| bound?.former_resource());
        let roles = [Some(binding), replaced].into_iter().chain(former).flatten();
        let mut claims: BTreeSet<Claim> = roles.map(|bound| Claim::Role(bound.role_arn.clone())).collect();
        let (tenant, account) = (&self.tenant, binding.account());
        claims.insert(Claim::AccountOf(account.clone(), tenant.clone()));
        claims.insert(Claim::Account(tenant.clone(), account));
        if let (Some(organization), Some(seat)) = (self.id.organization(), self.seat) {
            claims.insert(Claim::Seat(organization, seat));
        }
        claims
    }

    /// The external ID that leads to this connection from its creation on, for ever (I1). A member has its organization's.
    pub fn first_external_id(&self) -> Option<&ExternalId> {
        (!self.is_member()).then_some(&self.external_id)
    }

    /// The external ID that leads to this connection from the change on that made it of `before`: a rotation's next one.
    pub fn new_external_id(&self, before: &Self) -> Option<&ExternalId> {
        let next = |connection: &'_ Self| connection.rotation.as_ref().map(|next| next.external_id.clone());
        // A rollback opens a rotation again whose external ID was the connection's.
        let is_new = next(self).is_some_and(|next| next != before.external_id)
            && next(self) != next(before)
            && !self.is_member();
        self.rotation
            .as_ref()
            .filter(|_| is_new)
            .map(|next| &next.external_id)
    }
}

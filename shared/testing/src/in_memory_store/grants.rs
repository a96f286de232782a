//! [`GrantStore`] in memory.

use async_trait::async_trait;
use latchkey_core::{
    domain::listener_access::Grant,
    ports::{GrantStore, Unavailable},
};

use super::{super::faults::Operation, InMemoryStore};

fn same(one: &Grant, other: &Grant) -> bool {
    (&one.region, &one.account, &one.connection_id) == (&other.region, &other.account, &other.connection_id)
}

#[async_trait]
impl GrantStore for InMemoryStore {
    async fn remember_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.run(Operation::RememberGrant, |tables| {
            tables.grants.retain(|kept| !same(kept, grant));
            tables.grants.push(grant.clone());
            Ok(())
        })
    }

    async fn forget_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.run(Operation::ForgetGrant, |tables| {
            tables.grants.retain(|kept| !same(kept, grant));
            Ok(())
        })
    }

    async fn grants(&self) -> Result<Vec<Grant>, Unavailable> {
        self.run(Operation::Grants, |tables| Ok(tables.grants.clone()))
    }
}

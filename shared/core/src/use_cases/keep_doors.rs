//! The accounts that may publish to a listener topic are those whose stacks may still have something to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    domain::{
        aws::{AccountId, Region},
        listener_access::Grant,
    },
    ports::{Clock, ConnectionStore, GrantStore, Permitted, TopicPermissions, Unavailable},
};

/// How often the schedule has the doors looked at, in seconds. A look reads every grant and its connection, and asks every
/// region for its topic: once a minute that would cost more than the sweep, and no permission is that urgent.
pub const LOOK_SECONDS: u32 = 300;

/// What was put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Permissions that are needed and were there, or are there now.
    pub needed: usize,
    /// Permissions that were missing, and were given again.
    pub restored: usize,
    /// Permissions that were taken back.
    pub withdrawn: usize,
    /// Permissions that are needed, are missing, and have no room in their topic's policy.
    pub without_room: usize,
    /// Permissions that are needed, for accounts that AWS does not know, or knows no more.
    pub without_account: usize,
}

/// Takes permissions back whose stacks are gone, and gives those again that somebody took.
pub struct KeepDoors {
    /// Where connections are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Who was let in, and for whom.
    pub grants: Arc<dyn GrantStore>,
    /// The topics' policies.
    pub topics: Arc<dyn TopicPermissions>,
    /// The regions with a topic.
    pub regions: Vec<Region>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl KeepDoors {
    /// Looks at every grant and every topic once. What fails for one account or one region does not
    /// keep the others out: its error comes when all have been looked at.
    pub async fn run(&self) -> Result<Kept, Unavailable> {
        let mut kept = Kept::default();
        let mut failed = None;
        let mut needed: BTreeMap<&Region, BTreeSet<AccountId>> = BTreeMap::new();
        let grants = self.grants.grants().await?;
        for grant in &grants {
            if self.is_needed(grant).await? {
                needed
                    .entry(&grant.region)
                    .or_default()
                    .insert(grant.account.clone());
            } else {
                self.grants.forget_grant(grant).await?;
            }
        }
        for region in &self.regions {
            let needed = needed.remove(region).unwrap_or_default();
            kept.needed += needed.len();
            let permitted = match self.topics.permitted(region).await {
                Ok(permitted) => permitted,
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            for account in permitted.difference(&needed) {
                match self.withdraw(region, account).await {
                    Ok(is_gone) => kept.withdrawn += usize::from(is_gone),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            for account in needed.difference(&permitted) {
                match self.topics.permit(region, account).await {
                    Ok(Permitted::Yes) => kept.restored += 1,
                    Ok(Permitted::PolicyFull) => kept.without_room += 1,
                    Ok(Permitted::NoSuchAccount) => kept.without_account += 1,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(kept),
        }
    }

    async fn is_needed(&self, grant: &Grant) -> Result<bool, Unavailable> {
        let connection = self.store.get(&grant.tenant, &grant.connection_id).await?;
        let stack_is_gone = match connection.as_ref().and_then(|connection| connection.binding()) {
            Some(bound) => {
                let resource = &bound.logical_resource_id;
                match bound.stack_id() {
                    Some(stack_id) => {
                        self.store
                            .resource_deleted_since(stack_id, resource, Timestamp::UNIX_EPOCH)
                            .await?
                    }
                    None => true,
                }
            }
            None => false,
        };
        Ok(grant.is_needed(connection.as_ref(), stack_is_gone, self.clock.now()))
    }

    /// Takes a permission back. A link that was made for the account at this very moment had its grant written down
    /// before it asked for the permission: one more look tells.
    async fn withdraw(&self, region: &Region, account: &AccountId) -> Result<bool, Unavailable> {
        self.topics.withdraw(region, account).await?;
        let grants = self.grants.grants().await?;
        let came_meanwhile = |grant: &Grant| grant.region == *region && grant.account == *account;
        if grants.iter().any(came_meanwhile) {
            self.topics.permit(region, account).await?;
            return Ok(false);
        }
        Ok(true)
    }
}

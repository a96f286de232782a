//! The listener topics, and who may publish to them.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Unavailable;
use crate::domain::{
    aws::{AccountId, Region},
    listener_access::{Grant, KnownTopics},
};

/// Which accounts may publish, and on whose behalf.
#[async_trait]
pub trait GrantStore: Send + Sync {
    /// Remembers a grant; again, it is a repetition.
    async fn remember_grant(&self, grant: &Grant) -> Result<(), Unavailable>;

    /// Forgets a grant; one that is not there is forgotten.
    async fn forget_grant(&self, grant: &Grant) -> Result<(), Unavailable>;

    /// Every grant, as it stands at this moment.
    async fn grants(&self) -> Result<Vec<Grant>, Unavailable>;
}

/// What a listener topic made of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permitted {
    /// The account may publish, now or already.
    Yes,
    /// The topic's policy takes no more statements.
    PolicyFull,
    /// AWS knows no such account: it was mistyped, or closed.
    NoSuchAccount,
}

/// The policies of the listener topics.
#[async_trait]
pub trait TopicPermissions: Send + Sync {
    /// Lets an account publish to a region's topic; again, it is a repetition.
    async fn permit(&self, region: &Region, account: &AccountId) -> Result<Permitted, Unavailable>;

    /// Takes that back; again, it is a repetition.
    async fn withdraw(&self, region: &Region, account: &AccountId) -> Result<(), Unavailable>;

    /// The accounts that were permitted.
    async fn permitted(&self, region: &Region) -> Result<BTreeSet<AccountId>, Unavailable>;
}

/// The listener topics themselves.
#[async_trait]
pub trait ListenerTopics: Send + Sync {
    /// Whether a region has its topic, as far as we are let there.
    async fn is_there(&self, region: &Region) -> Result<bool, Unavailable>;
}

/// Remembers which regions have a topic.
#[async_trait]
pub trait KnownTopicsStore: Send + Sync {
    /// What was kept last.
    async fn known_topics(&self) -> Result<Option<KnownTopics>, Unavailable>;

    /// Keeps what was found out, in the place of what was.
    async fn keep_known_topics(&self, known: &KnownTopics) -> Result<(), Unavailable>;
}

//! Where customers can launch: the deployment's regions, without those that have no listener topic. A StackSet that could
//! not make one in a region leaves the others as they are, and a stack in that region would fail in AWS's words.

use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;

use crate::{
    domain::{aws::Region, listener_access::KnownTopics},
    ports::{Clock, KnownTopicsStore, ListenerTopics, Unavailable},
};

/// How long an answer is kept.
pub const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How long where a region has no topic: somebody may be making it.
pub const KEPT_WHILE_ONE_IS_MISSING: SignedDuration = SignedDuration::from_mins(1);

/// The regions that customers can launch in.
pub struct ServedRegions {
    /// Those that the deployment names.
    pub named: Vec<Region>,
    /// Their topics.
    pub topics: Arc<dyn ListenerTopics>,
    /// What was found out before.
    pub known: Arc<dyn KnownTopicsStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl ServedRegions {
    /// The named regions that have a topic, in their order.
    pub async fn list(&self) -> Result<Vec<Region>, Unavailable> {
        let before = self.known.known_topics().await?;
        let known = match before {
            Some(known) if self.holds(&known) => known,
            before => self.ask(before).await?,
        };
        // One of which nothing could be learned is served: its stacks will tell.
        let is_served = |region: &&Region| known.topics.get(*region).copied().unwrap_or(true);
        Ok(self.named.iter().filter(is_served).cloned().collect())
    }

    fn holds(&self, known: &KnownTopics) -> bool {
        let age = self.clock.now().duration_since(known.asked_at);
        let all_there = self
            .named
            .iter()
            .all(|region| known.topics.get(region) == Some(&true));
        age < if all_there {
            KEPT
        } else {
            KEPT_WHILE_ONE_IS_MISSING
        }
    }

    /// Asks all at once. A region that gives no answer stays what it was.
    async fn ask(&self, before: Option<KnownTopics>) -> Result<KnownTopics, Unavailable> {
        let mut topics = before.map(|known| known.topics).unwrap_or_default();
        topics.retain(|region, _| self.named.contains(region));
        let answers = join_all(self.named.iter().map(|region| self.topics.is_there(region))).await;
        for (region, answer) in self.named.iter().zip(answers) {
            if let Ok(is_there) = answer {
                topics.insert(region.clone(), is_there);
            }
        }
        let known = KnownTopics {
            asked_at: self.clock.now(),
            topics,
        };
        self.known.keep_known_topics(&known).await?;
        Ok(known)
    }
}

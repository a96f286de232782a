//! The connections of a chunk are checked side by side. Who is well costs one call of STS and no write.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::future::join_all;

use super::recheck_role::{RecheckRole, Rechecked};
use crate::{
    domain::{
        ids::{ConnectionId, TenantId},
        proof::verdict::Probe,
        sweep::{Chunk, Group, Look, Member, ledger::ChunkRecord},
    },
    ports::{Clock, RoleAssumer, SweepLedger, Unavailable, VerificationQueue, VerificationTask},
};

/// Most connections of a chunk that are given back one by one. Where nothing can be said of more it is STS that
/// fails, and the whole chunk waits.
pub const MAX_GIVEN_BACK: usize = 16;
/// How often a connection of which nothing can be said is tried again before it waits for its next turn: well below the
/// 16 hops after which Lambda stops what it takes for a loop.
pub const MAX_ATTEMPTS: u32 = 5;
/// Delay of the first of those tries, in seconds; each next one waits twice as long.
const FIRST_DELAY_SECONDS: u16 = 30;

/// What came of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkChecked {
    /// It is done.
    Done {
        /// How many connections it had.
        members: usize,
        /// Of how many there was something to store, or nothing to check any more.
        news: usize,
        /// Of how many nothing could be said: they are on the queue again, one by one.
        given_back: usize,
    },
    /// Nothing could be said of too many: it shall come again as it is.
    StsInTrouble,
}

impl ChunkChecked {
    /// Its stable name in logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::StsInTrouble => "sts_in_trouble",
        }
    }

    /// How many members there were, with news, and given back; of a chunk that is done.
    pub fn counts(self) -> Option<(usize, usize, usize)> {
        match self {
            Self::Done {
                members,
                news,
                given_back,
            } => Some((members, news, given_back)),
            Self::StsInTrouble => None,
        }
    }
}

/// What came of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It is well, and nothing was stored.
    Well,
    /// What was found stands in the connection.
    Stored,
    /// Nothing can be said; whoever failed has logged why.
    Nothing,
}

/// Checks chunks, and what is given back from them.
pub struct CheckChunk {
    /// Proves a role anew, at the sweep's pace.
    pub recheck: Arc<RecheckRole>,
    /// Tries a role, at the sweep's pace.
    pub assumer: Arc<dyn RoleAssumer>,
    /// Where the sweep's messages wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// Where it is kept who was verified when.
    pub ledger: Arc<dyn SweepLedger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How many connections are checked side by side.
    pub concurrency: usize,
}

impl CheckChunk {
    /// Checks the connections of a chunk. What is given back is on the queue before the ledger says that the chunk is done:
    /// a crash repeats it.
    pub async fn run(&self, chunk: &Chunk) -> Result<ChunkChecked, Unavailable> {
        let verified_at = self.clock.now();
        let troubles = AtomicUsize::new(0);
        // Each worker takes the next one when it is done with one: a check holds the state of a call, and a chunk has many
        // more members than are checked at once.
        let next = AtomicUsize::new(0);
        let worker = || async {
            let mut seen = Vec::new();
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(member) = chunk.members.get(at)
            {
                let found = self.check_unless_in_trouble(chunk.group, member, &troubles);
                seen.push((at, found.await));
            }
            seen
        };
        let workers: Vec<_> = (0..self.concurrency.clamp(1, chunk.members.len().max(1)))
            .map(|_| worker())
            .collect();
        let mut seen: Vec<(usize, Seen)> = join_all(workers).await.into_iter().flatten().collect();
        seen.sort_unstable_by_key(|(at, _)| *at);
        let seen: Vec<Seen> = seen.into_iter().map(|(_, seen)| seen).collect();
        if troubles.load(Ordering::Relaxed) > MAX_GIVEN_BACK {
            return Ok(ChunkChecked::StsInTrouble);
        }
        let members = || chunk.members.iter().zip(&seen);
        let again: Vec<VerificationTask> = members()
            .filter(|(_, seen)| **seen == Seen::Nothing)
            .map(|(member, _)| recheck(&member.tenant, &member.connection_id, 1))
            .collect();
        if !again.is_empty() {
            self.queue.send(&again, FIRST_DELAY_SECONDS).await?;
        }
        if let (Group::Active, Some(first), Some(last)) =
            (chunk.group, chunk.members.first(), chunk.members.last())
        {
            let excepted = members().filter(|(_, seen)| **seen != Seen::Well);
            let record = ChunkRecord {
                first: first.connection_id.clone(),
                last: last.connection_id.clone(),
                queried_at: chunk.queried_at,
                verified_at,
                but: excepted.map(|(member, _)| member.connection_id.clone()).collect(),
            };
            self.ledger.record(&chunk.slot, chunk.tick, &record).await?;
        }
        Ok(ChunkChecked::Done {
            members: chunk.members.len(),
            news: members().filter(|(_, seen)| **seen == Seen::Stored).count(),
            given_back: again.len(),
        })
    }

    /// Checks one connection. Where nothing can be said it is put on the queue again, a bounded number of times.
    pub async fn run_single(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        attempt: u32,
    ) -> Result<Rechecked, Unavailable> {
        let rechecked = self.recheck.run(tenant, id).await?;
        if matches!(rechecked, Rechecked::Inconclusive(_)) && attempt < MAX_ATTEMPTS {
            let delay = FIRST_DELAY_SECONDS << attempt.min(MAX_ATTEMPTS - 1);
            let task = recheck(tenant, id, attempt + 1);
            self.queue.send(&[task], delay).await?;
        }
        Ok(rechecked)
    }

    /// Once nothing could be said of too many, nobody else is asked for.
    async fn check_unless_in_trouble(&self, group: Group, member: &Member, troubles: &AtomicUsize) -> Seen {
        if troubles.load(Ordering::Relaxed) > MAX_GIVEN_BACK {
            return Seen::Nothing;
        }
        let seen = self.check(group, member).await;
        if seen == Seen::Nothing {
            troubles.fetch_add(1, Ordering::Relaxed);
        }
        seen
    }

    async fn check(&self, group: Group, member: &Member) -> Seen {
        let Member {
            tenant,
            connection_id,
            ..
        } = member;
        if let Some(Look {
            role_arn,
            external_id,
        }) = &member.look
        {
            let probe = self
                .assumer
                .probe(role_arn, Some(external_id), connection_id)
                .await;
            match probe {
                Probe::Accepted { caller_account } if caller_account == role_arn.account() => {
                    return Seen::Well;
                }
                Probe::Inconclusive(_) => return Seen::Nothing,
                // Whatever that means is found out with what the table says now: only a verdict moves a connection (I3).
                Probe::Accepted { .. } | Probe::Refused => {}
            }
        }
        let rechecked = match group {
            Group::Active => self.recheck.run_in_sweep(tenant, connection_id).await,
            Group::Degraded => self.recheck.run(tenant, connection_id).await,
        };
        match rechecked {
            Ok(Rechecked::AsItWas) => Seen::Well,
            Ok(Rechecked::Stands(_) | Rechecked::NotLive) => Seen::Stored,
            Ok(Rechecked::Inconclusive(_)) => Seen::Nothing,
            Err(error) => {
                tracing::warn!(
                    "connection.id" = %connection_id,
                    error = error.operation,
                    "connection.check_failed"
                );
                Seen::Nothing
            }
        }
    }
}

fn recheck(tenant: &TenantId, id: &ConnectionId, attempt: u32) -> VerificationTask {
    VerificationTask::Recheck {
        tenant: tenant.clone(),
        connection_id: id.clone(),
        attempt,
    }
}

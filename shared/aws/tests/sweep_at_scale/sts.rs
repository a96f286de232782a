//! STS and IAM as a sweep sees them: 20 ms for an answer, 600 calls a second, roles that are deleted or loosened at
//! their time, an outage.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        aws::RoleArn,
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{
            permissions::{Decision, DeniedBy, Inspection, Scope},
            verdict::{Cause, Probe},
        },
    },
    ports::{RoleAssumer, RoleInspector},
};
use latchkey_testing::scripted_sts::tier;

use crate::world::{SimClock, external_id_of, number_of};

/// STS's quota: calls a second, per account and region.
pub const QUOTA: u64 = 600;
/// Time until STS answers.
const LATENCY: Duration = Duration::from_millis(20);

/// What becomes of a role, and when, in seconds since the beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Deleted(f64),
    Loosened(f64),
}

pub struct SimSts {
    pub clock: Arc<SimClock>,
    /// Whose role changes.
    pub fates: BTreeMap<u32, Fate>,
    /// While it does not answer.
    pub outage: Range<f64>,
    /// Calls that somebody else makes each second: stacks, other software of the account.
    pub others: u64,
    pub seconds: Mutex<BTreeMap<u64, u64>>,
    pub throttled: AtomicU64,
    pub calls: AtomicU64,
    pub simulations: AtomicU64,
}

impl SimSts {
    async fn answer(&self) -> Result<(), Cause> {
        let now = self.clock.elapsed();
        self.calls.fetch_add(1, Ordering::Relaxed);
        let this_second = {
            let mut seconds = self.seconds.lock().unwrap();
            let calls = seconds.entry(now as u64).or_default();
            *calls += 1;
            *calls + self.others
        };
        tokio::time::sleep(LATENCY).await;
        if self.outage.contains(&now) {
            return Err(Cause::Unreachable);
        }
        if this_second > QUOTA {
            self.throttled.fetch_add(1, Ordering::Relaxed);
            return Err(Cause::Throttled);
        }
        Ok(())
    }

    fn fate(&self, number: u32) -> Option<Fate> {
        let now = self.clock.elapsed();
        self.fates.get(&number).copied().filter(|fate| match fate {
            Fate::Deleted(at) | Fate::Loosened(at) => *at <= now,
        })
    }
}

#[async_trait]
impl RoleAssumer for SimSts {
    async fn probe(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
    ) -> Probe {
        let number = number_of(session);
        if let Err(cause) = self.answer().await {
            return Probe::Inconclusive(cause);
        }
        let lets_in = match self.fate(number) {
            Some(Fate::Deleted(_)) => false,
            Some(Fate::Loosened(_)) => true,
            None => external_id == Some(&external_id_of(number)),
        };
        if lets_in {
            let caller_account = role_arn.account();
            Probe::Accepted { caller_account }
        } else {
            Probe::Refused
        }
    }
}

#[async_trait]
impl RoleInspector for SimSts {
    async fn inspect(
        &self,
        _role_arn: &RoleArn,
        _external_id: &ExternalId,
        _session: &ConnectionId,
        questions: &BTreeMap<Scope, Vec<String>>,
    ) -> Inspection {
        if let Err(cause) = self.answer().await {
            return Inspection::Inconclusive(cause);
        }
        let tier = tier();
        self.simulations
            .fetch_add(questions.len() as u64, Ordering::Relaxed);
        tokio::time::sleep(LATENCY * u32::try_from(questions.len()).unwrap()).await;
        let decide = |action: &String| {
            let is_required = tier.required.iter().any(|required| required.action == *action);
            let decision = if is_required {
                Decision::Allowed
            } else {
                Decision::Denied(DeniedBy::Role)
            };
            (action.clone(), decision)
        };
        Inspection::Decided(questions.values().flatten().map(decide).collect())
    }
}

//! STS and IAM as a sweep sees them: 20 ms for an answer, 600 calls a second, roles that are deleted or loosened at
//! their time, an outage.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        aws::RoleArn,
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{
            permissions::{Decision, DeniedBy, Inspection, Questions},
            trust_report::TrustReading,
            verdict::{Cause, Probe},
        },
    },
    ports::{Look, RoleAssumer, RoleInspector},
};
use latchkey_testing::scripted_sts::{Trust, tier};

use crate::world::{SimClock, external_id_of, number_of};

/// STS's quota: calls a second, per account and region.
pub const QUOTA: u64 = 600;
const LATENCY: Duration = Duration::from_millis(20);

/// What becomes of a role, and when, in seconds since the beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Deleted(f64),
    Loosened(f64),
}

#[derive(Debug, Default)]
pub struct Asked {
    pub seconds: BTreeMap<u64, u64>,
    pub throttled: u64,
    pub simulations: u64,
}

impl Asked {
    pub fn calls(&self) -> u64 {
        self.seconds.values().sum()
    }

    /// The most calls within a span of so many seconds.
    pub fn busiest(&self, span: u64) -> u64 {
        let mut spans: BTreeMap<u64, u64> = BTreeMap::new();
        for (second, calls) in &self.seconds {
            *spans.entry(second / span).or_default() += calls;
        }
        spans.values().copied().max().unwrap_or_default()
    }
}

pub struct SimSts {
    pub clock: Arc<SimClock>,
    pub fates: BTreeMap<u32, Fate>,
    pub outage: Range<f64>,
    /// Calls that somebody else makes each second: stacks, other software of the account.
    pub others: u64,
    pub asked: Mutex<Asked>,
}

impl SimSts {
    async fn answer(&self) -> Result<(), Cause> {
        let now = self.clock.elapsed();
        let is_throttled = {
            let mut asked = self.asked.lock().unwrap();
            let calls = asked.seconds.entry(now as u64).or_default();
            *calls += 1;
            *calls + self.others > QUOTA
        };
        tokio::time::sleep(LATENCY).await;
        if self.outage.contains(&now) {
            return Err(Cause::Unreachable);
        }
        if is_throttled {
            self.asked.lock().unwrap().throttled += 1;
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
        external_id: &ExternalId,
        _session: &ConnectionId,
        questions: &Questions,
    ) -> Look {
        if let Err(cause) = self.answer().await {
            return Look::unclear(cause);
        }
        let calls = questions.actions.len();
        self.asked.lock().unwrap().simulations += calls as u64;
        tokio::time::sleep(LATENCY * u32::try_from(calls).unwrap()).await;
        let tier = tier();
        let decide = |action: &String| {
            let is_required = tier.required.iter().any(|required| required.action == *action);
            let denied = Decision::Denied(DeniedBy::Role);
            (
                action.clone(),
                if is_required { Decision::Allowed } else { denied },
            )
        };
        Look {
            trust: TrustReading::Read(Trust::only(external_id).document()),
            permissions: Inspection::Decided(questions.actions.values().flatten().map(decide).collect()),
        }
    }
}

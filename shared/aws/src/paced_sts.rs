//! STS at the sweep's pace: each call waits for its turn, and what STS throttles makes all that follow slower.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        aws::RoleArn,
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{
            permissions::{Inspection, Questions},
            verdict::{Cause, Probe},
        },
        sweep::pace::Pace,
    },
    ports::{Look, RoleAssumer, RoleInspector},
};
use tokio::time::Instant;

/// Tokio's timer is no finer than this; who would wait less does not.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

pub struct PacedSts<S> {
    sts: Arc<S>,
    pace: Mutex<Pace>,
    origin: Instant,
}

impl<S> PacedSts<S> {
    /// At most `calls_per_second`: this verifier's share of what the sweep may ask of STS.
    pub fn new(sts: Arc<S>, calls_per_second: f64) -> Self {
        Self {
            sts,
            pace: Mutex::new(Pace::new(calls_per_second)),
            origin: Instant::now(),
        }
    }

    async fn wait_for_turn(&self) {
        let now = self.now();
        let turn = self.with_pace(|pace| pace.take_turn(now));
        let wait = Duration::from_secs_f64((turn - now).max(0.0));
        if wait >= TIMER_RESOLUTION {
            tokio::time::sleep(wait).await;
        }
    }

    fn slow_down(&self) {
        let now = self.now();
        self.with_pace(|pace| pace.slow_down(now));
    }

    fn now(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    fn with_pace<T>(&self, change: impl FnOnce(&mut Pace) -> T) -> T {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl<S: RoleAssumer> RoleAssumer for PacedSts<S> {
    async fn probe(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
    ) -> Probe {
        self.wait_for_turn().await;
        let probe = self.sts.probe(role_arn, external_id, session).await;
        if probe == Probe::Inconclusive(Cause::Throttled) {
            self.slow_down();
        }
        probe
    }
}

#[async_trait]
impl<S: RoleInspector> RoleInspector for PacedSts<S> {
    async fn inspect(
        &self,
        role_arn: &RoleArn,
        external_id: &ExternalId,
        session: &ConnectionId,
        questions: &Questions,
    ) -> Look {
        self.wait_for_turn().await;
        let look = self.sts.inspect(role_arn, external_id, session, questions).await;
        if look.permissions == Inspection::Inconclusive(Cause::Throttled) {
            self.slow_down();
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use latchkey_core::{domain::aws::Region, ports::IdSource as _};

    use crate::system::Cuid2Ids;

    /// An STS that says the same to everybody.
    struct Says(Cause);

    #[async_trait]
    impl RoleAssumer for Says {
        async fn probe(&self, _: &RoleArn, _: Option<&ExternalId>, _: &ConnectionId) -> Probe {
            Probe::Inconclusive(self.0)
        }
    }

    #[async_trait]
    impl RoleInspector for Says {
        async fn inspect(&self, _: &RoleArn, _: &ExternalId, _: &ConnectionId, _: &Questions) -> Look {
            Look::unclear(self.0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_throttling_slows_probes_and_inspections() {
        const FULL: f64 = 100.0;
        let role = RoleArn::parse("arn:aws:iam::222222222222:role/r").unwrap();
        let (external_id, connection) = (Cuid2Ids.external_id(), Cuid2Ids.connection_id());
        for (cause, rate) in [(Cause::Throttled, FULL / 2.0), (Cause::Unreachable, FULL)] {
            let probing = PacedSts::new(Arc::new(Says(cause)), FULL);
            probing.probe(&role, None, &connection).await;
            assert_eq!(probing.with_pace(|pace| pace.rate_at(0.0)), rate, "{cause:?}");
            let inspecting = PacedSts::new(Arc::new(Says(cause)), FULL);
            let questions = Questions {
                actions: BTreeMap::new(),
                region: Region::parse("eu-west-1").unwrap(),
            };
            inspecting
                .inspect(&role, &external_id, &connection, &questions)
                .await;
            assert_eq!(inspecting.with_pace(|pace| pace.rate_at(0.0)), rate, "{cause:?}");
        }
    }
}

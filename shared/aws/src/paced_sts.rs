//! STS at the sweep's pace: each call waits for its turn, and what STS throttles makes all that follow slower.

use std::{
    collections::BTreeMap,
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
            permissions::{Inspection, Scope},
            verdict::{Cause, Probe},
        },
        sweep::pace::Pace,
    },
    ports::{RoleAssumer, RoleInspector},
};
use tokio::time::Instant;

/// Tokio's timer is no finer than this; who would wait less does not.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// STS for the sweep.
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
            let now = self.now();
            self.with_pace(|pace| pace.slow_down(now));
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
        questions: &BTreeMap<Scope, Vec<String>>,
    ) -> Inspection {
        self.wait_for_turn().await;
        self.sts.inspect(role_arn, external_id, session, questions).await
    }
}

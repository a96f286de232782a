//! A role is tried three ways, and judged.

use std::sync::Arc;

use crate::{
    domain::{
        aws::RoleArn,
        connection::Connection,
        verdict::{Probe, Probes, Verdict, judge},
    },
    ports::{IdSource, RoleAssumer},
};

/// Probes roles.
pub struct ProbeRole {
    /// Asks STS.
    pub assumer: Arc<dyn RoleAssumer>,
    /// Makes the wrong external ID of each probe: a fresh one, so that no role can have been made for it.
    pub ids: Arc<dyn IdSource>,
}

impl ProbeRole {
    /// Tries `role_arn` with the connection's external ID and, where that is accepted, without one and with a wrong
    /// one. A role that is refused to us anyway is not asked three times.
    pub async fn run(&self, connection: &Connection, role_arn: &RoleArn) -> Verdict {
        let probe = |external_id| self.assumer.probe(role_arn, external_id, &connection.id);
        let right_external_id = probe(Some(&connection.external_id)).await;
        let (no_external_id, wrong_external_id) = if let Probe::Accepted { .. } = right_external_id {
            let wrong = self.ids.external_id();
            let (none, wrong) = futures::join!(probe(None), probe(Some(&wrong)));
            (Some(none), Some(wrong))
        } else {
            (None, None)
        };
        judge(
            &Probes {
                right_external_id,
                no_external_id,
                wrong_external_id,
            },
            role_arn,
        )
    }
}

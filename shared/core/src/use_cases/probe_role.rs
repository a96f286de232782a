//! A role is tried four ways and judged; a proven one is held against what its tier asks for.

use std::sync::Arc;

use crate::{
    domain::{
        aws::RoleArn,
        connection::Connection,
        external_id::ExternalId,
        proof::{
            permissions::{Inspection, PermissionReport, Tier},
            tiers::{TierName, Tiers},
            verdict::{Probe, Probes, Verdict, judge},
        },
    },
    ports::{Clock, IdSource, RoleAssumer, RoleInspector},
};

/// Probes roles.
pub struct ProbeRole {
    /// Asks STS.
    pub assumer: Arc<dyn RoleAssumer>,
    /// Asks IAM what a proven role may do.
    pub inspector: Arc<dyn RoleInspector>,
    /// Makes the middle of each probe's wrong external ID: a fresh one, so that no role can have been made for it.
    pub ids: Arc<dyn IdSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the roles are for.
    pub tiers: Tiers,
}

/// What was found out about a role.
#[derive(Debug)]
pub struct Finding {
    /// What it amounts to.
    pub verdict: Verdict,
    /// What the role may do too little and too much of, where that could be asked.
    pub permissions: Option<PermissionReport>,
}

impl ProbeRole {
    /// Tries `role_arn` with `external_id` and, where that is accepted, without one, with a wrong one and with one that
    /// is nearly right. A role that is refused to us anyway is not asked four times.
    pub async fn run(
        &self,
        connection: &Connection,
        role_arn: &RoleArn,
        external_id: &ExternalId,
        tier: Option<&TierName>,
    ) -> Finding {
        let tier = self.tiers.find_or_default(tier);
        let probe = |external_id| self.assumer.probe(role_arn, external_id, connection.id());
        let right_external_id = probe(Some(external_id)).await;
        let mut probes = Probes {
            right_external_id,
            no_external_id: None,
            wrong_external_id: None,
            similar_external_id: None,
        };
        if let Probe::Accepted { .. } = probes.right_external_id {
            let wrong = external_id.near_miss(&self.ids.external_id());
            let similar = external_id.similar();
            let (none, wrong, similar) =
                futures::join!(probe(None), probe(Some(&wrong)), probe(Some(&similar)));
            probes.no_external_id = Some(none);
            probes.wrong_external_id = Some(wrong);
            probes.similar_external_id = Some(similar);
        }
        match judge(&probes, role_arn) {
            Verdict::Proven(proof) => {
                let permissions = self.inspect(connection, role_arn, external_id, tier).await;
                let objection = permissions.as_ref().and_then(|report| tier.objection(report));
                let verdict = objection.map_or(Verdict::Proven(proof), Verdict::Unfit);
                Finding { verdict, permissions }
            }
            verdict => Finding {
                verdict,
                permissions: None,
            },
        }
    }

    /// What the role may do. `None` where nothing can be said: like an inconclusive probe, that never breaks a
    /// connection.
    async fn inspect(
        &self,
        connection: &Connection,
        role_arn: &RoleArn,
        external_id: &ExternalId,
        tier: &Tier,
    ) -> Option<PermissionReport> {
        let questions = tier.questions();
        let now = self.clock.now();
        match self
            .inspector
            .inspect(role_arn, external_id, connection.id(), &questions)
            .await
        {
            Inspection::Decided(decisions) => Some(tier.assess(&decisions, now)),
            Inspection::NotPermitted => tier.without_self_inspection(now),
            Inspection::Inconclusive(_) => None,
        }
    }
}

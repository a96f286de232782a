//! A role is tried four ways and judged; a proven one is asked whom else it lets in, and held against what its tier
//! asks for.

use std::sync::Arc;

use crate::{
    domain::{
        aws::{AccountId, RoleArn, StackId},
        connection::{Binding, Connection},
        external_id::ExternalId,
        proof::{
            permissions::{Decision, DeniedBy, Inspection, PermissionReport, READ_TRUST, Tier},
            tiers::{TierName, Tiers},
            trust_policy::{Facts, TrustPolicy, Truth},
            trust_report::{MAX_LOOKED_UP, NotRead, OnOpenTrust, RolePath, TrustReading, TrustReport},
            verdict::{Probe, Probes, Verdict, judge},
        },
    },
    ports::{Clock, ConnectionStore, IdSource, Look, RoleAssumer, RoleInspector, Unavailable},
};

/// Who the vendor is to customers' trust policies, and what is made of those that let in too many.
#[derive(Debug, Clone)]
pub struct TrustRules {
    /// The vendor's account.
    pub vendor: AccountId,
    /// The path of its roles that customers' roles let in.
    pub role_path: RolePath,
    /// What a policy that is too open does.
    pub on_open: OnOpenTrust,
}

/// Probes roles.
#[derive(Clone)]
pub struct ProbeRole {
    /// Asks STS.
    pub assumer: Arc<dyn RoleAssumer>,
    /// Asks IAM whom a proven role lets in and what it may do.
    pub inspector: Arc<dyn RoleInspector>,
    /// Knows whose an external ID is that stands beside ours.
    pub store: Arc<dyn ConnectionStore>,
    /// Makes the middle of each probe's wrong external ID: a fresh one, so that no role can have been made for it.
    pub ids: Arc<dyn IdSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the roles are for.
    pub tiers: Tiers,
    /// Whom they may let in.
    pub trust: TrustRules,
}

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The role.
    pub role_arn: &'a RoleArn,
    /// The external ID that it must ask for.
    pub external_id: &'a ExternalId,
    /// What it is held against.
    pub tier: Option<&'a TierName>,
    /// The stack that it came with; none where it was made by hand.
    pub stack_id: Option<&'a StackId>,
}

/// What was found out about a role.
pub struct Finding {
    /// What it amounts to.
    pub verdict: Verdict,
    /// What the role may do too little and too much of, where that could be asked.
    pub permissions: Option<PermissionReport>,
    /// Whom it lets in, where there is something new to say.
    pub trust: Option<TrustReport>,
    /// Whether IAM could not answer yet what it was asked of a proven role.
    pub is_unclear: bool,
    /// Whether a role that was proven with a rotation's next external ID takes the former one, too.
    pub takes_former: bool,
}

impl Finding {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            permissions: None,
            trust: None,
            is_unclear: false,
            takes_former: false,
        }
    }
}

impl ProbeRole {
    /// Tries a role with its external ID and, where that is accepted, without one, with a wrong one and with one that
    /// is nearly right. A role that is refused to us anyway is not asked four times.
    pub async fn run(
        &self,
        connection: &Connection,
        candidate: Candidate<'_>,
    ) -> Result<Finding, Unavailable> {
        let Candidate {
            role_arn,
            external_id,
            ..
        } = candidate;
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
                let former = connection.external_id_before(external_id);
                let former_probe = match former {
                    Some(former) => Some(self.assumer.probe(role_arn, Some(former), connection.id()).await),
                    None => None,
                };
                if let Some(Probe::Inconclusive(cause)) = former_probe {
                    return Ok(Finding::of(Verdict::Inconclusive(cause)));
                }
                let mut finding = self
                    .look(connection, candidate, Verdict::Proven(proof), former)
                    .await?;
                finding.takes_former |= matches!(former_probe, Some(Probe::Accepted { .. }));
                Ok(finding)
            }
            verdict => Ok(Finding::of(verdict)),
        }
    }

    /// The same with the role that a connection is bound to: with the external ID that it was
    /// proven with and, where that is refused, with the other one of a rotation. The customer's
    /// update changes the role before it tells us.
    pub async fn run_bound(
        &self,
        connection: &Connection,
        binding: &Binding,
    ) -> Result<Finding, Unavailable> {
        let next = connection.rotation_at(self.clock.now());
        let own = [&binding.external_id, connection.external_id()];
        let known = own.into_iter().chain(next.map(|next| &next.external_id));
        let mut tried = Vec::new();
        let mut finding = Finding::of(Verdict::NotAssumable);
        for external_id in known {
            if finding.verdict != Verdict::NotAssumable {
                break;
            }
            if !tried.contains(&external_id) {
                tried.push(external_id);
                let candidate = Candidate {
                    role_arn: &binding.role_arn,
                    external_id,
                    tier: binding.permission_tier.as_ref(),
                    stack_id: binding.stack_id(),
                };
                finding = self.run(connection, candidate).await?;
            }
        }
        // What else the role takes is of interest where it has what its stack has brought.
        finding.takes_former |= binding.takes_former && tried.len() > 1;
        Ok(finding)
    }

    /// What a proven role says of itself. Where nothing can be said nothing changes: like an inconclusive probe, that never
    /// breaks a connection.
    async fn look(
        &self,
        connection: &Connection,
        candidate: Candidate<'_>,
        proven: Verdict,
        former: Option<&ExternalId>,
    ) -> Result<Finding, Unavailable> {
        let tier = self.tiers.find_or_default(candidate.tier);
        let region = candidate
            .stack_id
            .map_or_else(|| connection.launch_region().clone(), StackId::region);
        let Candidate {
            role_arn,
            external_id,
            ..
        } = candidate;
        let Look { trust, permissions } = self
            .inspector
            .inspect(role_arn, external_id, connection.id(), &tier.questions(region))
            .await;
        let now = self.clock.now();
        let is_unclear =
            matches!(trust, TrustReading::Unclear(_)) || matches!(permissions, Inspection::Inconclusive(_));
        let permissions = self.permissions(tier, permissions, &trust);
        let state = connection.state_at(now);
        let bound = state
            .live_binding()
            .filter(|bound| !bound.is_unsettled_first_registration());
        let (trust, policy) = self.trust(connection, candidate, trust, bound).await?;
        let lets_in = |policy: TrustPolicy| {
            let former = former?;
            Some(policy.lets_us_in(former, &self.facts(role_arn, &[former])))
        };
        let takes_former = policy.and_then(lets_in) == Some(Truth::Yes);
        let known = trust.as_ref().or_else(|| known_of(bound, role_arn));
        let too_open = known.and_then(|known| known.objection(self.trust.on_open, bound.is_some(), now));
        let unfit = permissions.as_ref().and_then(|report| tier.objection(report));
        let verdict = match (too_open, unfit) {
            (Some(reason), _) => Verdict::Unsafe(reason),
            (None, Some(reason)) => Verdict::Unfit(reason),
            (None, None) => proven,
        };
        Ok(Finding {
            verdict,
            permissions,
            trust,
            is_unclear,
            takes_former,
        })
    }

    /// What the role may do, as far as that can be said.
    fn permissions(
        &self,
        tier: &Tier,
        inspection: Inspection,
        trust: &TrustReading,
    ) -> Option<PermissionReport> {
        let now = self.clock.now();
        match inspection {
            Inspection::Decided(mut decisions) => {
                // What was seen to be so is not guessed.
                let seen = match trust {
                    TrustReading::Read(_) => Some(Decision::Allowed),
                    TrustReading::Denied(by) => Some(Decision::Refused(*by)),
                    TrustReading::Unclear(_) => None,
                };
                decisions.extend(seen.map(|decision| (READ_TRUST.to_owned(), decision)));
                Some(tier.assess(&decisions, now))
            }
            Inspection::NotPermitted(by) => tier.without_self_inspection(by, now),
            Inspection::Inconclusive(_) => None,
        }
    }

    /// Whom the role lets in, where what is `bound` does not say so already.
    async fn trust(
        &self,
        connection: &Connection,
        candidate: Candidate<'_>,
        reading: TrustReading,
        bound: Option<&Binding>,
    ) -> Result<(Option<TrustReport>, Option<TrustPolicy>), Unavailable> {
        let before = known_of(bound, candidate.role_arn);
        let not_read = |why| (Some(TrustReport::not_read(why, before)), None);
        let document = match reading {
            TrustReading::Read(document) => document,
            TrustReading::Denied(DeniedBy::Organization) => return Ok(not_read(NotRead::Organization)),
            TrustReading::Denied(_) => return Ok(not_read(NotRead::Role)),
            // What is known stays, and is not called old for one answer that was late.
            TrustReading::Unclear(_) if before.is_some() => return Ok((None, None)),
            TrustReading::Unclear(_) => return Ok(not_read(NotRead::NoAnswer)),
        };
        let Ok(policy) = TrustPolicy::parse(&document) else {
            tracing::warn!("connection.id" = %connection.id(), "trust_policy.not_understood");
            return Ok(not_read(NotRead::NotUnderstood));
        };
        let mut ours = vec![candidate.external_id, connection.external_id()];
        ours.extend(connection.rotation().map(|next| &next.external_id));
        let facts = self.facts(candidate.role_arn, &ours);
        let of_others = self.of_others(connection, &policy, &facts).await?;
        // Another role of the same connection does not begin the time anew.
        let open_since = bound.and_then(|bound| bound.trust.as_ref()?.open_since);
        let report = TrustReport::of(&policy, &facts, &of_others, open_since);
        Ok((Some(report), Some(policy)))
    }

    /// The external IDs beside ours that were made for other connections.
    async fn of_others(
        &self,
        connection: &Connection,
        policy: &TrustPolicy,
        facts: &Facts<'_>,
    ) -> Result<Vec<ExternalId>, Unavailable> {
        let beside = policy.external_ids_beside_ours(facts);
        let mut beside: Vec<_> = beside.into_iter().map(|(_, external_id)| external_id).collect();
        beside.dedup();
        let own = connection
            .id()
            .organization()
            .unwrap_or_else(|| connection.id().clone());
        let mut of_others = Vec::new();
        for external_id in beside.into_iter().take(MAX_LOOKED_UP) {
            let found = self.store.find_by_external_id(&external_id).await?;
            if found.is_some_and(|found| *found.id() != own) {
                of_others.push(external_id);
            }
        }
        Ok(of_others)
    }

    fn facts<'a>(&'a self, role: &'a RoleArn, external_ids: &'a [&'a ExternalId]) -> Facts<'a> {
        Facts {
            role,
            vendor: &self.trust.vendor,
            organization: None,
            role_path: self.trust.role_path.as_str(),
            external_ids,
            now: self.clock.now(),
        }
    }
}

/// What is known of whom the role lets in, if it is the bound one.
fn known_of<'a>(bound: Option<&'a Binding>, role_arn: &RoleArn) -> Option<&'a TrustReport> {
    bound.filter(|bound| bound.role_arn == *role_arn)?.trust.as_ref()
}

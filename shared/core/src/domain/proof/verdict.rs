//! What was observed of a role, and what is decided from it (I3).

use crate::domain::{
    aws::{AccountId, RoleArn},
    proof::reason::{Reason, ReasonCode},
};

/// What STS said to one AssumeRole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Credentials, and the account that they are of, as STS names it.
    Accepted {
        /// The account that the session acts in.
        caller_account: AccountId,
    },
    /// AccessDenied. STS gives no cause: a missing role, a wrong principal and a wrong external ID look alike.
    Refused,
    /// Anything else, which says nothing about the role.
    Inconclusive(Cause),
}

/// Why a probe says nothing about the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// STS asked us to slow down.
    Throttled,
    /// No answer in time, or no connection.
    Unreachable,
    /// STS failed, or answered what we do not know.
    ServiceError,
    /// STS is switched off for the account in the region that we asked.
    RegionDisabled,
    /// Our own execution role may not ask: our alarm, not the customer's fault.
    VendorNotPermitted,
}

impl Cause {
    /// Its stable name in logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::ServiceError => "service_error",
            Self::RegionDisabled => "region_disabled",
            Self::VendorNotPermitted => "vendor_not_permitted",
        }
    }
}

/// The probes of one verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probes {
    /// With the connection's external ID.
    pub right_external_id: Probe,
    /// With none. `None` where it was not tried, because the right one was not accepted.
    pub no_external_id: Option<Probe>,
    /// With one made up for this probe. `None` as above.
    pub wrong_external_id: Option<Probe>,
    /// With one that is the right one but for its last character. `None` as above.
    pub similar_external_id: Option<Probe>,
}

/// That a role was proven. Only [`judge`] makes one, and nothing becomes `active` without one.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof {
    role_arn: RoleArn,
}

impl Proof {
    /// The role that was proven.
    pub fn role_arn(&self) -> &RoleArn {
        &self.role_arn
    }
}

/// What the probes amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The right external ID is accepted; none, a wrong one and a similar one are refused; the
    /// account is the claimed one.
    Proven(Proof),
    /// The role is not safe, or not the claimed one.
    Unsafe(Reason),
    /// The role is safe, and cannot do what its tier needs, or can do more than it allows.
    Unfit(Reason),
    /// STS refuses the role to us. A new role often is refused for half a minute.
    NotAssumable,
    /// Nothing can be said: no verdict for the role and none against it.
    Inconclusive(Cause),
}

/// The only source of a verdict (I3).
pub fn judge(probes: &Probes, claimed_role: &RoleArn) -> Verdict {
    let negatives = [
        &probes.no_external_id,
        &probes.wrong_external_id,
        &probes.similar_external_id,
    ];
    // Whatever else was seen, a role that opens to anybody is not safe.
    if negatives
        .iter()
        .any(|probe| matches!(probe, Some(Probe::Accepted { .. })))
    {
        return Verdict::Unsafe(ReasonCode::ExternalIdNotEnforced.into());
    }
    match &probes.right_external_id {
        Probe::Refused => return Verdict::NotAssumable,
        Probe::Inconclusive(cause) => return Verdict::Inconclusive(*cause),
        Probe::Accepted { caller_account } if *caller_account != claimed_role.account() => {
            return Verdict::Unsafe(ReasonCode::RoleInOtherAccount.into());
        }
        Probe::Accepted { .. } => {}
    }
    for probe in negatives {
        match probe {
            Some(Probe::Refused) => {}
            Some(Probe::Inconclusive(cause)) => return Verdict::Inconclusive(*cause),
            // An accepted one has been dealt with; one that was not tried proves nothing.
            Some(Probe::Accepted { .. }) | None => return Verdict::Inconclusive(Cause::ServiceError),
        }
    }
    Verdict::Proven(Proof {
        role_arn: claimed_role.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> RoleArn {
        RoleArn::parse("arn:aws:iam::222222222222:role/Reader").unwrap()
    }

    fn accepted(account: &str) -> Probe {
        Probe::Accepted {
            caller_account: AccountId::parse(account).unwrap(),
        }
    }

    fn every_probe() -> Vec<Option<Probe>> {
        use Cause::*;
        let causes = [
            Throttled,
            Unreachable,
            ServiceError,
            RegionDisabled,
            VendorNotPermitted,
        ];
        let mut all = vec![
            None,
            Some(Probe::Refused),
            Some(accepted("222222222222")),
            Some(accepted("333333333333")),
        ];
        all.extend(causes.map(|cause| Some(Probe::Inconclusive(cause))));
        all
    }

    #[test]
    fn of_all_combinations_of_probes_exactly_one_proves_the_role() {
        let mut proven = Vec::new();
        for right_external_id in every_probe().into_iter().flatten() {
            for no_external_id in every_probe() {
                for wrong_external_id in every_probe() {
                    for similar_external_id in every_probe() {
                        let probes = Probes {
                            right_external_id: right_external_id.clone(),
                            no_external_id: no_external_id.clone(),
                            wrong_external_id: wrong_external_id.clone(),
                            similar_external_id,
                        };
                        if let Verdict::Proven(proof) = judge(&probes, &role()) {
                            assert_eq!(proof.role_arn(), &role());
                            proven.push(probes);
                        }
                    }
                }
            }
        }
        assert_eq!(
            proven,
            [Probes {
                right_external_id: accepted("222222222222"),
                no_external_id: Some(Probe::Refused),
                wrong_external_id: Some(Probe::Refused),
                similar_external_id: Some(Probe::Refused),
            }]
        );
    }

    #[test]
    fn only_access_denied_counts_as_a_refusal_and_only_acceptance_as_a_weakness() {
        let throttled = || Some(Probe::Inconclusive(Cause::Throttled));
        let refused = || Some(Probe::Refused);
        let yes = || accepted("222222222222");
        for (right, none, wrong, verdict) in [
            (Probe::Refused, None, None, Verdict::NotAssumable),
            (
                Probe::Inconclusive(Cause::Unreachable),
                None,
                None,
                Verdict::Inconclusive(Cause::Unreachable),
            ),
            (
                yes(),
                throttled(),
                refused(),
                Verdict::Inconclusive(Cause::Throttled),
            ),
            (
                yes(),
                refused(),
                throttled(),
                Verdict::Inconclusive(Cause::Throttled),
            ),
            (yes(), None, None, Verdict::Inconclusive(Cause::ServiceError)),
            (
                yes(),
                Some(yes()),
                refused(),
                Verdict::Unsafe(ReasonCode::ExternalIdNotEnforced.into()),
            ),
            (
                yes(),
                refused(),
                Some(yes()),
                Verdict::Unsafe(ReasonCode::ExternalIdNotEnforced.into()),
            ),
            (
                yes(),
                throttled(),
                Some(yes()),
                Verdict::Unsafe(ReasonCode::ExternalIdNotEnforced.into()),
            ),
            (
                accepted("333333333333"),
                refused(),
                refused(),
                Verdict::Unsafe(ReasonCode::RoleInOtherAccount.into()),
            ),
        ] {
            let tried = none.as_ref().map(|_| Probe::Refused);
            // What is said of a wrong external ID is said of one that is nearly right.
            for (wrong, similar) in [(wrong.clone(), tried.clone()), (tried, wrong)] {
                let probes = Probes {
                    right_external_id: right.clone(),
                    no_external_id: none.clone(),
                    wrong_external_id: wrong,
                    similar_external_id: similar,
                };
                assert_eq!(judge(&probes, &role()), verdict, "{probes:?}");
            }
        }
    }
}

//! Tiers, and what IAM answers about a role.

use std::collections::BTreeMap;

use bolero::{TypeGenerator, check};
use jiff::Timestamp;
use latchkey_core::domain::{
    aws::Region,
    proof::permissions::{Decision, DeniedBy, Tier},
};
use serde_json::Value;

use super::{INPUTS, each_value};
use crate::mangle::Mangled;

const TIER: &str = include_str!("../../../../customer/tier.json");

/// IAM's answers about some actions: by number those that are asked about, else by any name.
#[derive(Debug, TypeGenerator)]
struct Answers(Vec<(Result<u8, Mangled>, u8)>);

impl Answers {
    fn decisions(&self, asked: &[String]) -> BTreeMap<String, Decision> {
        let decide = |which: u8| match which % 6 {
            0 => Decision::Allowed,
            1 => Decision::Denied(DeniedBy::Role),
            2 => Decision::Denied(DeniedBy::Organization),
            3 => Decision::Denied(DeniedBy::Condition),
            4 => Decision::Refused(DeniedBy::PermissionsBoundary),
            _ => Decision::Denied(DeniedBy::PermissionsBoundary),
        };
        let answers = self.0.iter().map(|(action, which)| {
            let action = match action {
                Ok(index) => asked[usize::from(*index) % asked.len()].clone(),
                Err(mangled) => mangled.text(asked),
            };
            (action, decide(*which))
        });
        answers.collect()
    }
}

#[test]
fn whatever_iam_answers_the_report_names_our_own_actions_alone() {
    let tier = Tier::parse(TIER).unwrap();
    let region = Region::parse("eu-west-1").unwrap();
    let asked: Vec<String> = tier.questions(region).actions.into_values().flatten().collect();
    check!()
        .with_type::<Answers>()
        .with_iterations(INPUTS)
        .for_each(|answers| {
            let decisions = answers.decisions(&asked);
            let report = tier.assess(&decisions, Timestamp::UNIX_EPOCH);
            for missing in report.missing.iter().chain(&report.estimates) {
                assert!(asked.contains(&missing.action), "{}", missing.action);
                assert_ne!(decisions.get(&missing.action), Some(&Decision::Allowed));
            }
            for excessive in &report.excessive {
                assert!(asked.contains(excessive));
                assert_eq!(decisions.get(excessive), Some(&Decision::Allowed));
            }
            if let Some(reason) = tier.objection(&report) {
                let told = reason.stack_event();
                assert!(told.len() <= 1_024, "{told:?}");
                assert!(!told.contains(char::is_control), "{told:?}");
            }
        });
}

#[test]
fn a_tier_is_read_or_refused_and_never_half_read() {
    let seeds = [serde_json::from_str::<Value>(TIER).unwrap()];
    each_value(&seeds, |value| {
        if let Ok(tier) = Tier::parse(&value.to_string()) {
            let _ = tier.without_self_inspection(DeniedBy::Role, Timestamp::UNIX_EPOCH);
            let nothing = tier.assess(&BTreeMap::new(), Timestamp::UNIX_EPOCH);
            // What nobody answered is not allowed.
            assert!(nothing.excessive.is_empty());
        }
    });
}

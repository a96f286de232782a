//! What somebody is about to deploy: the parameters of `template.yaml`, by their own names.

use std::collections::BTreeMap;

use latchkey_core::domain::{aws::Region, invalid::Invalid};
use serde_yaml_ng::Value;

use super::{Finding, Level};

const TEMPLATE: &str = include_str!("../../../template.yaml");
/// The longest name of a stack that the StackSet's roles are found under: IAM cuts names of roles at 64 characters.
const MAX_STACK_NAME_CHARS: usize = 30;

/// A deployment that is to be made, or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the stack is, or will be, called.
    pub stack_name: String,
    /// Its region.
    pub hub: Region,
    parameters: BTreeMap<String, String>,
}

/// Why something is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{0} is not of the form Parameter=Value")]
    NoAssignment(String),
    #[error("template.yaml has no parameter {0}")]
    Unknown(String),
    #[error("template.yaml cannot be read: {0}")]
    Template(String),
    #[error(transparent)]
    Region(#[from] Invalid),
}

impl Plan {
    /// `given` is as `sam deploy --parameter-overrides` takes it; what is not given has the template's default, or nothing.
    pub fn new(stack_name: &str, hub: &str, given: &[String]) -> Result<Self, PlanError> {
        let template: Value =
            serde_yaml_ng::from_str(TEMPLATE).map_err(|error| PlanError::Template(error.to_string()))?;
        let declared = template["Parameters"].as_mapping();
        let mut parameters: BTreeMap<String, String> = declared
            .into_iter()
            .flatten()
            .filter_map(|(name, of)| {
                let default = match &of["Default"] {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => String::new(),
                };
                Some((name.as_str()?.to_owned(), default))
            })
            .collect();
        for assignment in given {
            let (name, value) = assignment
                .split_once('=')
                .ok_or_else(|| PlanError::NoAssignment(assignment.clone()))?;
            let known = parameters.get_mut(name);
            *known.ok_or_else(|| PlanError::Unknown(name.to_owned()))? = value.to_owned();
        }
        let plan = Self {
            stack_name: stack_name.to_owned(),
            hub: Region::parse(hub)?,
            parameters,
        };
        for region in plan.names().split(',').filter(|name| !name.is_empty()) {
            Region::parse(region)?;
        }
        Ok(plan)
    }

    /// A parameter's value; empty where it has none.
    pub fn value(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn names(&self) -> &str {
        self.value("ListenerRegions")
    }

    /// The regions that shall get a listener topic.
    pub fn regions(&self) -> Vec<Region> {
        let named = self
            .names()
            .split(',')
            .filter_map(|name| Region::parse(name).ok());
        let named: Vec<Region> = named.collect();
        if named.is_empty() {
            vec![self.hub.clone()]
        } else {
            named
        }
    }

    /// What the plan itself tells, without asking anybody.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let has_stack_set = self.value("ListenerTopicsBy") == "StackSet";
        if has_stack_set && self.stack_name.chars().count() > MAX_STACK_NAME_CHARS {
            findings.push(Finding::stop(
                format!("the stack's name has more than {MAX_STACK_NAME_CHARS} characters: the StackSet would not find its role"),
                "choose a shorter name",
            ));
        }
        let default = self.value("DefaultRegion");
        if !self.names().is_empty() && !self.names().split(',').any(|name| name == default) {
            findings.push(Finding::stop(
                "ListenerRegions does not have DefaultRegion in it",
                "name both, or leave both empty for the stack's own region",
            ));
        }
        if self.hub.partition().as_str() == "aws-cn" {
            findings.push(Finding::new(
                Level::Advice,
                "the stack is for China, where API Gateway's default endpoint needs an ICP filing",
                "have one, and map a domain of your own",
            ));
        }
        findings
    }
}

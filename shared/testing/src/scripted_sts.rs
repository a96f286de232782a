//! A world of roles, and the STS that hands out their sessions.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::Timestamp;
use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{
            permissions::{Decision, DeniedBy, Inspection, Questions, Tier},
            tiers::Tiers,
            trust_report::TrustReading,
            verdict::{Cause, Probe},
        },
    },
    ports::{Clock, Look, RoleAssumer, RoleInspector},
};
use serde_json::{Value, json};

use super::{
    builders::{VENDOR_ACCOUNT, VENDOR_ROLE_PATH},
    manual_clock::ManualClock,
};

/// Whom a role lets in, of those who come from the vendor's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    accepts: BTreeSet<String>,
    without: bool,
    any: bool,
    beginning: Option<String>,
    beside: Vec<Value>,
}

impl Trust {
    /// `StringEquals sts:ExternalId`: this one and nothing else.
    pub fn only(external_id: &ExternalId) -> Self {
        Self::default().and(external_id)
    }

    /// Another external ID in the list of the condition.
    #[must_use]
    pub fn and(mut self, external_id: &ExternalId) -> Self {
        self.accepts.insert(external_id.to_string());
        self
    }

    /// `…IfExists`: whoever brings no external ID comes in too.
    #[must_use]
    pub fn if_exists(mut self) -> Self {
        self.without = true;
        self
    }

    /// `StringLike: *`: any external ID will do, but there must be one.
    pub fn wildcard() -> Self {
        Self {
            any: true,
            ..Self::default()
        }
    }

    /// `StringLike` with how an external ID begins, and an asterisk.
    pub fn beginning_of(external_id: &ExternalId, chars: usize) -> Self {
        Self {
            beginning: Some(external_id.as_str()[..chars].to_owned()),
            ..Self::default()
        }
    }

    /// Another statement of the policy, which lets in others than the vendor's verifier.
    #[must_use]
    pub fn beside(mut self, statement: Value) -> Self {
        self.beside.push(statement);
        self
    }

    pub fn open() -> Self {
        Self::wildcard().if_exists()
    }

    /// A condition that nobody meets, or another principal.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// The policy's document.
    pub fn document(&self) -> String {
        let arn = format!("arn:aws:iam::{VENDOR_ACCOUNT}:role{VENDOR_ROLE_PATH}*");
        let verifier = |operator: &str, key: &str, values: Value| {
            let mut condition = json!({ "ArnLike": { "aws:PrincipalArn": arn } });
            condition[operator] = json!({ key: values });
            json!({
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{VENDOR_ACCOUNT}:root") },
                "Action": "sts:AssumeRole",
                "Condition": condition,
            })
        };
        const KEY: &str = "sts:ExternalId";
        let mut statements = self.beside.clone();
        if !self.accepts.is_empty() {
            statements.push(verifier("StringEquals", KEY, json!(self.accepts)));
        }
        if self.without {
            statements.push(verifier("Null", KEY, json!("true")));
        }
        if self.any {
            statements.push(verifier("StringLike", KEY, json!("*")));
        }
        if let Some(beginning) = &self.beginning {
            statements.push(verifier("StringLike", KEY, json!(format!("{beginning}*"))));
        }
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    fn lets_in(&self, external_id: Option<&ExternalId>) -> bool {
        match external_id {
            None => self.without,
            Some(external_id) => {
                let text = external_id.as_str();
                let beginning = self.beginning.as_deref();
                self.any
                    || self.accepts.contains(text)
                    || beginning.is_some_and(|start| text.starts_with(start))
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Role {
    trust: Trust,
    /// The account that its session turns out to act in.
    acts_in: AccountId,
    assumable_from: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRoleCall {
    pub role_arn: RoleArn,
    pub external_id: Option<ExternalId>,
    pub session: ConnectionId,
}

/// STS over a world of roles.
pub struct ScriptedSts {
    clock: Arc<ManualClock>,
    roles: Mutex<HashMap<RoleArn, Role>>,
    trouble: Mutex<Option<Cause>>,
    next: Mutex<VecDeque<Option<Cause>>>,
    calls: Mutex<Vec<AssumeRoleCall>>,
    inspection: Mutex<Option<Inspection>>,
    reading: Mutex<Option<TrustReading>>,
}

impl ScriptedSts {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            clock,
            roles: Mutex::default(),
            trouble: Mutex::default(),
            next: Mutex::default(),
            calls: Mutex::default(),
            inspection: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// What IAM says from now on of what roles may do; `None` for exactly what the tier asks for.
    pub fn inspect_as(&self, inspection: Option<Inspection>) {
        *self.inspection.lock().unwrap() = inspection;
    }

    /// What comes from now on of reading trust policies; `None` for the policies themselves.
    pub fn read_trust_as(&self, reading: Option<TrustReading>) {
        *self.reading.lock().unwrap() = reading;
    }

    /// Makes a role, or changes its trust policy.
    pub fn put_role(&self, role_arn: &RoleArn, trust: Trust) {
        let role = Role {
            trust,
            acts_in: role_arn.account(),
            assumable_from: None,
        };
        self.roles.lock().unwrap().insert(role_arn.clone(), role);
    }

    /// Makes a role that IAM will not know of before `from`.
    pub fn put_role_assumable_from(&self, role_arn: &RoleArn, trust: Trust, from: Timestamp) {
        self.put_role(role_arn, trust);
        self.roles
            .lock()
            .unwrap()
            .get_mut(role_arn)
            .unwrap()
            .assumable_from = Some(from);
    }

    /// Makes a role whose session turns out to be in another account.
    pub fn put_role_of(&self, role_arn: &RoleArn, trust: Trust, acts_in: AccountId) {
        self.put_role(role_arn, trust);
        self.roles.lock().unwrap().get_mut(role_arn).unwrap().acts_in = acts_in;
    }

    pub fn delete_role(&self, role_arn: &RoleArn) {
        self.roles.lock().unwrap().remove(role_arn);
    }

    /// From now on every call fails for this cause; `None` ends it.
    pub fn trouble(&self, cause: Option<Cause>) {
        *self.trouble.lock().unwrap() = cause;
    }

    /// What the next calls come to, one by one: a cause, or `None` for a call that works.
    pub fn script(&self, next: impl IntoIterator<Item = Option<Cause>>) {
        self.next.lock().unwrap().extend(next);
    }

    pub fn calls(&self) -> Vec<AssumeRoleCall> {
        self.calls.lock().unwrap().clone()
    }

    /// Whether a role is what a connection with this external ID may rest on, seen from outside and now: the truth
    /// that verdicts are held against.
    pub fn is_safe(&self, role_arn: &RoleArn, external_id: &ExternalId) -> bool {
        let roles = self.roles.lock().unwrap();
        roles.get(role_arn).is_some_and(|role| {
            let Trust {
                accepts,
                without,
                any,
                beginning,
                beside,
            } = &role.trust;
            accepts.contains(external_id.as_str())
                && !without
                && !any
                && beginning.is_none()
                && beside.is_empty()
                && role.acts_in == role_arn.account()
                && role.assumable_from.is_none_or(|from| from <= self.clock.now())
        })
    }
}

#[async_trait]
impl RoleAssumer for ScriptedSts {
    async fn probe(
        &self,
        role_arn: &RoleArn,
        external_id: Option<&ExternalId>,
        session: &ConnectionId,
    ) -> Probe {
        self.calls.lock().unwrap().push(AssumeRoleCall {
            role_arn: role_arn.clone(),
            external_id: external_id.cloned(),
            session: session.clone(),
        });
        let scripted = self.next.lock().unwrap().pop_front().flatten();
        if let Some(cause) = scripted.or(*self.trouble.lock().unwrap()) {
            return Probe::Inconclusive(cause);
        }
        let roles = self.roles.lock().unwrap();
        match roles.get(role_arn) {
            Some(role)
                if role.assumable_from.is_none_or(|from| from <= self.clock.now())
                    && role.trust.lets_in(external_id) =>
            {
                Probe::Accepted {
                    caller_account: role.acts_in.clone(),
                }
            }
            _ => Probe::Refused,
        }
    }
}

/// A small tier: two actions that are needed, and a canary.
pub fn tier() -> Tier {
    Tier::parse(TIER).unwrap()
}

const TIER: &str = r#"{"name":"test","required":[
    {"action":"iam:SimulatePrincipalPolicy","on":"role","reason":"to look at itself"},
    {"action":"ec2:DescribeRegions","on":"any","reason":"to know the regions"}],
"on_missing":"fail","canaries":["iam:CreateUser"],"on_excessive":"show"}"#;

/// That tier, which is the default one, and a larger one that the roles of this world do not meet by themselves.
pub fn tiers() -> Tiers {
    let larger = TIER.replace("\"test\"", "\"larger\"").replace(
        "regions\"}]",
        "regions\"},{\"action\":\"ec2:DescribeInstances\",\"on\":\"any\",\"reason\":\"to count\"}]",
    );
    Tiers::parse(&format!("[{TIER},{larger}]"), TIER).unwrap()
}

#[async_trait]
impl RoleInspector for ScriptedSts {
    async fn inspect(
        &self,
        role_arn: &RoleArn,
        _external_id: &ExternalId,
        _session: &ConnectionId,
        questions: &Questions,
    ) -> Look {
        let scripted = self.reading.lock().unwrap().clone();
        let read = || {
            let roles = self.roles.lock().unwrap();
            roles.get(role_arn).map(|role| role.trust.document())
        };
        let trust = scripted.or_else(|| read().map(TrustReading::Read));
        let trust = trust.unwrap_or(TrustReading::Unclear(Cause::ServiceError));
        if let Some(inspection) = &*self.inspection.lock().unwrap() {
            let permissions = inspection.clone();
            return Look { trust, permissions };
        }
        let required: BTreeSet<String> = tier()
            .required
            .into_iter()
            .map(|required| required.action)
            .collect();
        let decide = |action: &String| {
            let allowed = required.contains(action);
            (
                action.clone(),
                if allowed {
                    Decision::Allowed
                } else {
                    Decision::Denied(DeniedBy::Role)
                },
            )
        };
        let permissions = Inspection::Decided(questions.actions.values().flatten().map(decide).collect());
        Look { trust, permissions }
    }
}

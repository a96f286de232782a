//! What a role's trust policy says about who gets in (I11): what the probes cannot see, because
//! they are only we.
//!
//! A document is held against requests that must be refused. A key, a variable or an operator that
//! we do not know is taken as true for an Allow and as false for a Deny: whoever gets in on AWS
//! gets in here.

mod condition;
mod document;
mod pattern;
#[cfg(test)]
mod tests;
mod truth;
mod witness;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use self::{
    document::{Principal, Statement},
    witness::{Request, named_external_ids, named_organizations},
};
pub use self::{truth::Truth, witness::Witness};
use crate::domain::{
    aws::{AccountId, RoleArn},
    external_id::ExternalId,
    invalid::Invalid,
};

/// IAM's highest quota for a trust policy, white space not counted. It keeps what an evaluation
/// costs in bounds.
pub const MAX_TRUST_POLICY_CHARS: usize = 4_096;
/// The longest policy document in IAM's service model, white space and all.
const MAX_DOCUMENT_BYTES: usize = 131_072;
/// An organization that no document names.
pub const UNNAMED_ORGANIZATION: &str = "o-~";
const ASSUME_ROLE: &str = "sts:AssumeRole";
/// What a session with a source identity needs beside it.
pub const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";
/// What a session with tags needs beside it.
pub const TAG_SESSION: &str = "sts:TagSession";

/// What a document is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The customer's role, whose trust policy it is.
    pub role: &'a RoleArn,
    /// The vendor's account.
    pub vendor: &'a AccountId,
    /// The vendor's organization, where it is known. [`UNNAMED_ORGANIZATION`] stands for any that the
    /// document does not name, and for none.
    pub organization: Option<&'a str>,
    /// The path of the vendor's roles that may assume customers' roles, such as `/latchkey/`.
    pub role_path: &'a str,
    /// This connection's external IDs: the current one and, while it is being rotated, the next.
    pub external_ids: &'a [&'a ExternalId],
    /// For conditions on the time.
    pub now: Timestamp,
}

/// A trust policy that was read.
pub struct TrustPolicy {
    statements: Vec<Statement>,
}

/// A statement, as the customer finds it in their document: by its `Sid`, else by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// Counted from one.
    pub position: usize,
    /// Its `Sid`, where it has one of letters and digits.
    pub sid: Option<String>,
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement {sid}"),
            None => write!(f, "statement {}", self.position),
        }
    }
}

/// Whom a statement lets in that it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opening {
    /// Principals of accounts that it does not name.
    Anybody,
    /// A principal of the vendor's account that does not bring this connection's external ID.
    VendorWithoutExternalId,
}

/// Somebody besides us whom a statement lets in, which is the customer's to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guest {
    /// The role's own account.
    OwnAccount,
    /// Another account.
    Account(AccountId),
    /// An AWS service.
    Service(String),
    /// An identity provider.
    Federation(String),
    /// Whomever its conditions let in of everybody.
    AsConditionsSay,
}

/// Reads a document as IAM's GetRole answers it: percent-encoded.
pub fn decode(encoded: &str) -> Result<String, Invalid> {
    if encoded.len() > 3 * MAX_DOCUMENT_BYTES {
        return Err(TOO_LONG);
    }
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
    Ok(decoded
        .map_err(|_| Invalid::new("trust policy", "is not UTF-8"))?
        .into_owned())
}

const TOO_LONG: Invalid = Invalid::new("trust policy", "is longer than IAM allows");

impl TrustPolicy {
    /// Reads the document's JSON. What an element says may stay unknown; where it is not known
    /// whether a statement allows or denies, and what, the document is refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let chars = text.chars().filter(|c| !c.is_whitespace()).count();
        if text.len() > MAX_DOCUMENT_BYTES || chars > MAX_TRUST_POLICY_CHARS {
            return Err(TOO_LONG);
        }
        let statements = document::parse(text)?;
        Ok(Self { statements })
    }

    /// The statements that let somebody in who must not be, each with the worse of what it does.
    pub fn findings(&self, facts: &Facts<'_>) -> Vec<(StatementName, Opening)> {
        let mut found = BTreeMap::new();
        for witness in Witness::ALL {
            let opening = match witness.is_stranger() {
                true => Opening::Anybody,
                false => Opening::VendorWithoutExternalId,
            };
            for request in Request::all_of(witness, &self.statements, facts) {
                for position in self.judge(ASSUME_ROLE, &request).1 {
                    let known = found.entry(position).or_insert(opening);
                    *known = opening.min(*known);
                }
            }
        }
        let named = |(position, opening)| (self.name(position), opening);
        found.into_iter().map(named).collect()
    }

    /// The same where the vendor's organization is not known: what opens whichever it is, and the
    /// statements that open if it is one that the document names. An organization in which our own
    /// role would get in without the right external ID is not the vendor's: the probes were refused.
    pub fn findings_in_any_organization(
        &self,
        facts: &Facts<'_>,
    ) -> (Vec<(StatementName, Opening)>, Vec<StatementName>) {
        let within = |organization| Facts {
            organization,
            ..*facts
        };
        let certain = self.findings(&within(Some(UNNAMED_ORGANIZATION)));
        let named = named_organizations(&self.statements);
        // Where one is not named in full it may be any.
        let possible = named.map_or_else(|| vec![None], |ids| ids.into_iter().map(Some).collect());
        let mut perhaps = Vec::new();
        for facts in possible.into_iter().map(within) {
            let probed = [Witness::NoExternalId, Witness::WrongExternalId];
            if probed.iter().any(|it| self.lets_in(*it, &facts) == Truth::Yes) {
                continue;
            }
            for (name, _) in self.findings(&facts) {
                let is_known = certain.iter().any(|(known, _)| *known == name);
                if !is_known && !perhaps.contains(&name) {
                    perhaps.push(name);
                }
            }
        }
        (certain, perhaps)
    }

    /// Whether `witness` gets in.
    pub fn lets_in(&self, witness: Witness, facts: &Facts<'_>) -> Truth {
        let requests = Request::all_of(witness, &self.statements, facts);
        Truth::any(requests.iter().map(|request| self.judge(ASSUME_ROLE, request).0))
    }

    /// Whether a role under the vendor's role path gets in with this external ID.
    pub fn lets_us_in(&self, external_id: &ExternalId, facts: &Facts<'_>) -> Truth {
        self.lets_us(ASSUME_ROLE, external_id, facts)
    }

    /// The same for another action of STS, such as `sts:TagSession` or `sts:SetSourceIdentity`.
    pub fn lets_us(&self, action: &str, external_id: &ExternalId, facts: &Facts<'_>) -> Truth {
        self.judge(action, &Request::ours(external_id, facts).for_action(action))
            .0
    }

    /// When we are let in no more, if every statement that lets us in has an end.
    pub fn ends(&self, external_id: &ExternalId, facts: &Facts<'_>) -> Option<Timestamp> {
        let (_, positions) = self.judge(ASSUME_ROLE, &Request::ours(external_id, facts));
        let end = |it: usize| {
            self.statements[it]
                .conditions
                .iter()
                .filter_map(|it| it.end())
                .min()
        };
        let ends: Option<Vec<_>> = positions.into_iter().map(end).collect();
        ends?.into_iter().max()
    }

    /// What could be external IDs of other connections of ours, by their shape, and lets our roles
    /// in. Whether one is, the store knows.
    pub fn external_ids_beside_ours(&self, facts: &Facts<'_>) -> Vec<(StatementName, ExternalId)> {
        let mut found = Vec::new();
        for text in named_external_ids(&self.statements) {
            let Ok(other) = ExternalId::parse(&text.to_ascii_lowercase()) else {
                continue;
            };
            if facts.external_ids.contains(&&other) {
                continue;
            }
            for position in self.judge(ASSUME_ROLE, &Request::ours(&other, facts)).1 {
                let entry = (self.name(position), other.clone());
                if !found.contains(&entry) {
                    found.push(entry);
                }
            }
        }
        found
    }

    /// Who else is let in, by whichever action: to be shown.
    pub fn guests(&self, facts: &Facts<'_>) -> Vec<(StatementName, Guest)> {
        let own = facts.role.account();
        let guest = |principal: &Principal| {
            let account = match principal {
                Principal::Account(account) => account.clone(),
                Principal::Arn(arn) => AccountId::parse(arn.split(':').nth(4)?).ok()?,
                Principal::Service(name) => return Some(Guest::Service(name.clone())),
                Principal::Federated(name) => return Some(Guest::Federation(name.clone())),
                Principal::Anyone => return Some(Guest::AsConditionsSay),
                Principal::Deleted | Principal::Unknown => return None,
            };
            match account {
                account if account == own => Some(Guest::OwnAccount),
                account if account == *facts.vendor => None,
                account => Some(Guest::Account(account)),
            }
        };
        let statements = self.statements.iter().enumerate();
        let allowing = statements.filter(|(_, statement)| statement.allow);
        allowing
            .flat_map(|(position, statement)| {
                let guests = statement.principals.iter().filter_map(guest);
                guests.map(move |guest| (self.name(position), guest))
            })
            .collect()
    }

    /// Whether `request` gets in, and by which statements it may.
    fn judge(&self, action: &str, request: &Request<'_>) -> (Truth, Vec<usize>) {
        let (mut allowed, mut denied, mut by) = (Truth::No, Truth::No, Vec::new());
        for (position, statement) in self.statements.iter().enumerate() {
            let met = request.is_met_by(statement, action);
            if !statement.allow {
                denied = denied.max(met);
            } else if met != Truth::No {
                allowed = allowed.max(met);
                by.push(position);
            }
        }
        if denied == Truth::Yes {
            by.clear();
        }
        (allowed.min(!denied), by)
    }

    fn name(&self, position: usize) -> StatementName {
        StatementName {
            position: position + 1,
            sid: self
                .statements
                .get(position)
                .and_then(|statement| statement.sid.clone()),
        }
    }
}

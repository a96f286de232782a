//! Those who must not get in, and we, as the requests that they would send.

use std::collections::BTreeSet;

use super::{
    Facts, SET_SOURCE_IDENTITY, TAG_SESSION, Truth, UNNAMED_ORGANIZATION,
    condition::Key,
    document::{Principal, Statement},
    pattern::{UNNAMED, arn_matches},
};
use crate::domain::external_id::ExternalId;

/// Somebody whom no trust policy may let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A role of an account that the policy does not name, with any external ID: whoever saw the
    /// link knows ours.
    StrangersRole,
    /// A user of such an account.
    StrangersUser,
    /// A role of the vendor's account outside the role path, without this connection's external ID.
    VendorsOtherRole,
    /// A user of the vendor's account, without it as well.
    VendorsUser,
    /// A role under the role path, without any external ID.
    NoExternalId,
    /// A role under the role path, with an external ID that nobody listed.
    WrongExternalId,
}

impl Witness {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StrangersRole,
        Self::StrangersUser,
        Self::VendorsOtherRole,
        Self::VendorsUser,
        Self::NoExternalId,
        Self::WrongExternalId,
    ];

    /// Whether it is of an account that has nothing to do with the connection.
    pub fn is_stranger(self) -> bool {
        matches!(self, Self::StrangersRole | Self::StrangersUser)
    }
}

/// One AssumeRole, as far as it is known. Values may have an open shape (see [`super::pattern`]).
pub(super) struct Request<'a> {
    facts: &'a Facts<'a>,
    arn: Key,
    account: String,
    is_user: bool,
    is_stranger: bool,
    external_id: Key,
    /// The keys of the session's tags.
    tag_keys: Key,
}

/// So many external IDs of a policy are tried one by one, which costs time. Where it names more, a
/// stranger is taken to know the right one.
const MOST_NAMED: usize = 32;

impl<'a> Request<'a> {
    /// What `witness` would try against these statements.
    pub(super) fn all_of(witness: Witness, statements: &[Statement], facts: &'a Facts<'a>) -> Vec<Self> {
        let is = |id: String| Key::Is(id);
        let external_ids = match witness {
            Witness::NoExternalId => vec![Key::Absent],
            Witness::WrongExternalId => vec![is(UNNAMED.to_string())],
            Witness::VendorsOtherRole | Witness::VendorsUser => vec![Key::Absent, is(UNNAMED.to_string())],
            Witness::StrangersRole | Witness::StrangersUser => {
                let ours = facts.external_ids.iter().map(ToString::to_string);
                // One operator may take another spelling, and another refuse that spelling alone.
                let named = named_external_ids(statements)
                    .take(MOST_NAMED + 1)
                    .flat_map(|id| [id.to_uppercase(), id.to_lowercase(), id.to_owned()]);
                let known: Vec<_> = ours.chain(named).chain([UNNAMED.to_string()]).map(is).collect();
                if known.len() > 3 * MOST_NAMED {
                    vec![Key::Open]
                } else {
                    known.into_iter().chain([Key::Absent]).collect()
                }
            }
        };
        let new = |external_id| Self::of(witness, external_id, facts);
        external_ids.into_iter().map(new).collect()
    }

    fn of(witness: Witness, external_id: Key, facts: &'a Facts<'a>) -> Self {
        let is_user = matches!(witness, Witness::StrangersUser | Witness::VendorsUser);
        let is_stranger = witness.is_stranger();
        let account = if is_stranger {
            "############"
        } else {
            facts.vendor.as_str()
        };
        let kind = if is_user { "user" } else { "role" };
        let arn = |path: &str| {
            format!(
                "arn:{}:iam::{account}:{kind}{path}*",
                facts.role.partition().as_str()
            )
        };
        let arn = match witness {
            Witness::NoExternalId | Witness::WrongExternalId => Key::Is(arn(facts.role_path)),
            Witness::VendorsOtherRole => Key::But(arn("/"), format!("role{}", facts.role_path)),
            _ => Key::Is(arn("/")),
        };
        Self {
            facts,
            arn,
            account: account.to_owned(),
            is_user,
            is_stranger,
            external_id,
            tag_keys: Key::Open,
        }
    }

    /// Ours, with this external ID.
    pub(super) fn ours(external_id: &ExternalId, facts: &'a Facts<'a>) -> Self {
        Self::of(Witness::WrongExternalId, Key::Is(external_id.to_string()), facts)
    }

    /// The same, as we ask for `action`: our tags have keys of our own prefix.
    pub(super) fn for_action(mut self, action: &str) -> Self {
        self.tag_keys = match action {
            TAG_SESSION => Key::Is("latchkey:*".to_owned()),
            SET_SOURCE_IDENTITY => Key::Absent,
            _ => self.tag_keys,
        };
        self
    }

    /// Whether `statement` is about this request for `action`.
    pub(super) fn is_met_by(&self, statement: &Statement, action: &str) -> Truth {
        let covered = statement.covers(action);
        if covered == Truth::No {
            return Truth::No;
        }
        let named = Truth::any(
            statement
                .principals
                .iter()
                .map(|principal| self.is_named_by(principal)),
        );
        if named == Truth::No {
            return Truth::No;
        }
        let fill = |variable: &str| self.variable(variable);
        let fits = statement
            .conditions
            .iter()
            .map(|it| it.fits(&self.key(&it.key), &fill));
        Truth::all(fits).min(named).min(covered)
    }

    fn is_named_by(&self, principal: &Principal) -> Truth {
        match principal {
            Principal::Anyone => Truth::Yes,
            Principal::Account(account) => (account.as_str() == self.account).into(),
            Principal::Arn(arn) => match arn.split_once(":assumed-role/") {
                // The session's role is told by its name alone, and who makes a session names it.
                Some((of, _)) => Truth::from(!self.is_user && of.ends_with(&format!("::{}", self.account)))
                    .min(Truth::Maybe),
                None => self.has_arn(arn),
            },
            Principal::Deleted | Principal::Service(_) | Principal::Federated(_) => Truth::No,
            Principal::Unknown => Truth::Maybe,
        }
    }

    fn has_arn(&self, arn: &str) -> Truth {
        match &self.arn {
            Key::But(_, never) if arn.splitn(6, ':').nth(5).is_some_and(|it| it.starts_with(never)) => {
                Truth::No
            }
            Key::But(shape, _) | Key::Is(shape) => arn_matches(arn, shape),
            _ => Truth::Maybe,
        }
    }

    /// What the request says under a condition key, given in lower case. Most of what is not here
    /// its sender chooses (session names, tags, source identities, MFA), or is no guard against
    /// strangers (source addresses and networks).
    /// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    fn key(&self, key: &str) -> Key {
        let is = |text: &str| Key::Is(text.to_owned());
        let of = self.facts.organization;
        let is_unnamed = self.is_stranger || of == Some(UNNAMED_ORGANIZATION);
        let organization = |suffix: &str| match of {
            _ if is_unnamed => Key::Perhaps(format!("{UNNAMED_ORGANIZATION}{suffix}")),
            Some(id) => Key::Is(format!("{id}{suffix}")),
            None => Key::Open,
        };
        match key {
            "sts:externalid" => self.external_id.clone(),
            "aws:principalarn" => self.arn.clone(),
            "aws:tagkeys" => self.tag_keys.clone(),
            "aws:principalaccount" => is(&self.account),
            "aws:principaltype" => is(if self.is_user { "User" } else { "AssumedRole" }),
            "aws:principalorgid" => organization(""),
            "aws:principalorgpaths" => organization("/*"),
            "aws:userid" if self.is_stranger => is(if self.is_user { "AIDA~" } else { "AROA~:*" }),
            "aws:username" if !self.is_user => Key::Absent,
            "aws:resourceaccount" => is(self.facts.role.account().as_str()),
            "aws:securetransport" => is("true"),
            "aws:currenttime" | "aws:epochtime" => Key::Now(self.facts.now),
            "aws:principalisawsservice" => is("false"),
            // Said where a service calls for itself, and never by a role's or a user's own call.
            "aws:principalservicename"
            | "aws:principalservicenameslist"
            | "aws:sourceaccount"
            | "aws:sourcearn"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths" => Key::Absent,
            _ => Key::Open,
        }
    }

    /// A policy variable, if it is about the customer's side.
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "aws:resourceaccount" => Some(self.facts.role.account().to_string()),
            // Which one it is does not matter: no stranger is in it.
            "aws:resourceorgid" if self.is_stranger => Some("o-customers0".to_owned()),
            _ => None,
        }
    }
}

/// The external IDs that some statement names, to let them in or not, as they are written there.
pub(super) fn named_external_ids(statements: &[Statement]) -> impl Iterator<Item = &str> {
    // STS takes no other characters in one.
    let can_be_sent = |id: &&str| id.chars().all(|c| c.is_alphanumeric() || "_+=,.@:/-".contains(c));
    let conditions = statements.iter().flat_map(|statement| &statement.conditions);
    let about_it = conditions.filter(|condition| condition.key == "sts:externalid");
    about_it
        .flat_map(|condition| condition.named())
        .filter(can_be_sent)
}

/// The organizations that the conditions name, as far as each is named in full; `None` where one is
/// not.
pub(super) fn named_organizations(statements: &[Statement]) -> Option<BTreeSet<&str>> {
    let conditions = statements.iter().flat_map(|statement| &statement.conditions);
    let mut named = BTreeSet::new();
    for condition in conditions {
        match condition.key.as_str() {
            "aws:principalorgid" => named.extend(condition.all_named()?),
            "aws:principalorgpaths" => return None,
            _ => {}
        }
    }
    Some(named)
}

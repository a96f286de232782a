//! What was found in a role's trust policy, as it is kept with the connection and shown, and what
//! that means for it (I11).

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    permissions::DeniedBy,
    reason::{Reason, ReasonCode},
    trust_policy::{
        Facts, Guest, Opening, SET_SOURCE_IDENTITY, StatementName, TAG_SESSION, TrustPolicy, Truth,
    },
    verdict::Cause,
};
use crate::domain::{external_id::ExternalId, invalid::Invalid};

/// How long a connection that was proven before is shown with a trust policy that is too open until
/// it is degraded for it, in seconds: thirty days from the first finding.
pub const GRACE_SECONDS: i64 = 30 * 24 * 3_600;
/// Most findings, and most guests, that are kept.
const MAX_KEPT: usize = 20;
/// Most external IDs beside ours that are looked up.
pub const MAX_LOOKED_UP: usize = 10;
/// Longest name of a guest, in characters; what is longer is cut.
const MAX_GUEST_CHARS: usize = 128;

/// What came of asking IAM for a role's trust policy, in the role's own session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustReading {
    /// The document's JSON.
    Read(String),
    /// The role may not look at itself, and whose policy forbids it.
    Denied(DeniedBy),
    /// IAM could not say it.
    Unclear(Cause),
}

/// What a trust policy that is too open does to a connection: `OnOpenTrust`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOpenTrust {
    /// It fails a first registration, and degrades a live connection after [`GRACE_SECONDS`].
    Refuse,
    /// It is shown, and changes nothing.
    Show,
}

impl FromStr for OnOpenTrust {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "show" => Ok(Self::Show),
            _ => Err(Invalid::new("on open trust", "must be refuse or show")),
        }
    }
}

/// The path of the vendor's roles that customers' roles let in, such as `/latchkey/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePath(String);

impl RolePath {
    /// As it stands in an ARN, between `role` and the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RolePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // The path `/` would be that of every role of the account.
        let segments = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let is_plain = |segments: &str| {
            let mut segments = segments.split('/');
            segments.all(|it| {
                !it.is_empty()
                    && it
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
            })
        };
        match segments {
            Some(segments) if is_plain(segments) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "role path",
                "must begin and end with a slash and name something",
            )),
        }
    }
}

/// What is known of a role's trust policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustReport {
    /// When it was last read; none where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// Why the last look could not read it, if so. The rest is what was read before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_read: Option<NotRead>,
    /// Whom it lets in that it should not, the worst first.
    pub findings: Vec<TrustFinding>,
    /// Whom else it lets in, which is the customer's to decide.
    pub guests: Vec<TrustGuest>,
    /// When we are let in no more, where the policy itself says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Since which look it is too open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since: Option<Timestamp>,
    /// Whether our sessions may carry a source identity; none where that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_source_identity: Option<bool>,
    /// Whether they may carry tags whose keys begin with `latchkey:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_tags: Option<bool>,
}

/// Why a trust policy was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRead {
    /// The role's own policies or its boundary forbid it.
    Role,
    /// A policy of the customer's organization forbids it.
    Organization,
    /// IAM gave no answer.
    NoAnswer,
    /// It is none that we understand.
    NotUnderstood,
}

/// Somebody whom a statement lets in, and should not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustFinding {
    /// The statement, by its `Sid` or else by its position: `statement 2`.
    pub statement: String,
    /// Whom it lets in.
    pub lets_in: LetsIn,
}

/// Whom a statement lets in that it should not; in the order of how bad that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetsIn {
    /// Principals of any account.
    Anybody,
    /// Principals of the vendor's account without this connection's external ID.
    VendorWithoutExternalId,
    /// The same, if the vendor's account is in an organization that the statement names.
    OrganizationIfVendorIsInIt,
    /// The vendor with the external ID of another connection.
    AnotherConnection,
}

/// Whom else a statement lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustGuest {
    /// The statement, as in [`TrustFinding`].
    pub statement: String,
    /// What they are.
    pub who: GuestKind,
    /// Which, where there are several of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestKind {
    /// The role's own account.
    OwnAccount,
    /// Another account.
    Account,
    /// An AWS service.
    Service,
    /// An identity provider.
    Federation,
    /// Whomever its conditions let in of everybody.
    AsConditionsSay,
}

impl TrustReport {
    /// What a document says. `of_others` are the external IDs that it names and that belong to other
    /// connections; `open_since` is when the connection's role was first found too open.
    pub fn of(
        policy: &TrustPolicy,
        facts: &Facts<'_>,
        of_others: &[ExternalId],
        open_since: Option<Timestamp>,
    ) -> Self {
        let found = |(statement, lets_in): (StatementName, LetsIn)| TrustFinding {
            statement: statement.to_string(),
            lets_in,
        };
        let (certain, if_in_organization) = policy.findings_in_any_organization(facts);
        let openings = certain.into_iter().map(|(statement, opening)| match opening {
            Opening::Anybody => (statement, LetsIn::Anybody),
            Opening::VendorWithoutExternalId => (statement, LetsIn::VendorWithoutExternalId),
        });
        let perhaps = if_in_organization
            .into_iter()
            .map(|statement| (statement, LetsIn::OrganizationIfVendorIsInIt));
        let listed = policy.external_ids_beside_ours(facts).into_iter();
        let others = listed.filter(|(_, id)| of_others.contains(id));
        let others = others.map(|(statement, _)| (statement, LetsIn::AnotherConnection));
        let mut findings: Vec<_> = openings.chain(perhaps).chain(others).map(found).collect();
        findings.sort_by_key(|finding| finding.lets_in);
        findings.dedup();
        findings.truncate(MAX_KEPT);
        let guests = policy.guests(facts).into_iter().take(MAX_KEPT);
        let takes = |action| {
            let ours = facts.external_ids.first()?;
            match policy.lets_us(action, ours, facts) {
                Truth::Yes => Some(true),
                Truth::No => Some(false),
                Truth::Maybe => None,
            }
        };
        let is_open = findings.iter().any(|finding| finding.is_too_open());
        Self {
            read_at: Some(facts.now),
            not_read: None,
            findings,
            guests: guests.map(TrustGuest::new).collect(),
            ends_at: facts.external_ids.first().and_then(|id| policy.ends(id, facts)),
            open_since: is_open.then_some(open_since.unwrap_or(facts.now)),
            takes_source_identity: takes(SET_SOURCE_IDENTITY),
            takes_tags: takes(TAG_SESSION),
        }
    }

    /// That it could not be read now; what was known stays known.
    pub fn not_read(why: NotRead, before: Option<&Self>) -> Self {
        Self {
            not_read: Some(why),
            ..before.cloned().unwrap_or_default()
        }
    }

    /// Whether both say the same, whenever it was read.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let at_once = Self {
            read_at: other.read_at,
            ..self.clone()
        };
        at_once == *other
    }

    /// What it means for the connection; none where it may be active. One that was proven before is
    /// only shown for a while.
    pub fn objection(&self, on_open: OnOpenTrust, was_proven: bool, now: Timestamp) -> Option<Reason> {
        let since = self.open_since.filter(|_| on_open == OnOpenTrust::Refuse)?;
        let is_shown = was_proven && now < degrades_at(since);
        let mut open = self.findings.iter().filter(|finding| finding.is_too_open());
        let first = open.next().filter(|_| !is_shown)?;
        let others = match open.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let whom = match first.lets_in {
            LetsIn::Anybody => "lets in any account",
            _ => "lets in the vendor's account without this external ID",
        };
        Some(Reason {
            code: ReasonCode::TrustTooOpen,
            detail: Some(format!("Its {} {whom}{others}", first.statement)),
        })
    }
}

/// When a connection whose trust policy is too open since then is degraded for it.
fn degrades_at(open_since: Timestamp) -> Timestamp {
    let grace = SignedDuration::from_secs(GRACE_SECONDS);
    open_since.checked_add(grace).unwrap_or(Timestamp::MAX)
}

impl TrustFinding {
    /// Whether a connection is refused for it. What hangs on an organization that we do not know, and
    /// an external ID beside ours, as there is one while a customer moves from one connection to
    /// another, is shown alone.
    fn is_too_open(&self) -> bool {
        matches!(self.lets_in, LetsIn::Anybody | LetsIn::VendorWithoutExternalId)
    }
}

impl TrustGuest {
    fn new((statement, guest): (StatementName, Guest)) -> Self {
        let (who, name) = match guest {
            Guest::OwnAccount => (GuestKind::OwnAccount, None),
            Guest::Account(account) => (GuestKind::Account, Some(account.to_string())),
            Guest::Service(name) => (GuestKind::Service, Some(name)),
            Guest::Federation(name) => (GuestKind::Federation, Some(name)),
            Guest::AsConditionsSay => (GuestKind::AsConditionsSay, None),
        };
        let shown = |name: String| name.chars().take(MAX_GUEST_CHARS).collect();
        Self {
            statement: statement.to_string(),
            who,
            name: name.map(shown),
        }
    }
}

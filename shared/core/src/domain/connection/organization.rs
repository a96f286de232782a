//! A connection that many accounts of one organization share: each proves itself, and becomes a member of its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Connection, Event, FIRST_VERSION, IllegalTransition, Rotation, State, Status};
use crate::domain::{
    aws::AccountId, ids::ConnectionId, invalid::Invalid, proof::reason::ReasonCode,
    request::request_budget::RequestBudget,
};

/// The end of what has none. Accounts join an organization for years: its link stays open until the vendor ends it.
pub const NEVER: Timestamp = Timestamp::MAX;
/// Most accounts that may be members of one connection: what one call of the vendor's can still end or rotate while
/// the API waits for it.
pub const MAX_ACCOUNTS: u32 = 1_000;
/// How many accounts may be members where the vendor does not say.
pub const DEFAULT_ACCOUNTS: u32 = 100;
/// Accounts that may ask for the first time within a day, and requests of accounts that are not connected within an hour,
/// for each account that may be a member: whoever knows the external ID can invent accounts, and this is how many of
/// them leave anything behind and are verified (I10).
pub const PER_SEAT: u32 = 2;
/// So many more, whatever the number of seats: those of a small organization who get it wrong try again.
pub const BESIDE_SEATS: u32 = 20;
/// Length of a day, in seconds.
const DAY_SECONDS: i64 = 24 * 3_600;
/// Length of an hour, in seconds.
const HOUR_SECONDS: i64 = 3_600;
/// How long a member that was never connected is remembered after its last attempt, in seconds: a week.
pub const NEWCOMER_SECONDS: i64 = 7 * 24 * 3_600;

/// Which accounts may be members of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// How many may be connected at a time.
    pub max_accounts: u32,
    /// Which ones; any, where it is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allowed_accounts: BTreeSet<AccountId>,
}

impl Organization {
    /// Checks the vendor's wishes: `max_accounts` is the number of the allowed ones where only those are named.
    pub fn new(max_accounts: Option<u32>, allowed_accounts: BTreeSet<AccountId>) -> Result<Self, Invalid> {
        const WHAT: &str = "organization";
        let named = u32::try_from(allowed_accounts.len()).unwrap_or(u32::MAX);
        let max_accounts = max_accounts.unwrap_or(if named > 0 { named } else { DEFAULT_ACCOUNTS });
        if !(1..=MAX_ACCOUNTS).contains(&max_accounts) || named > MAX_ACCOUNTS {
            return Err(Invalid::new(WHAT, "must be for 1 to 1,000 accounts"));
        }
        if named > max_accounts {
            return Err(Invalid::new(WHAT, "names more accounts than max_accounts"));
        }
        Ok(Self {
            max_accounts,
            allowed_accounts,
        })
    }

    /// Whether `account` may become a member.
    pub fn check(&self, account: &AccountId) -> Result<(), ReasonCode> {
        if self.allowed_accounts.is_empty() || self.allowed_accounts.contains(account) {
            Ok(())
        } else {
            Err(ReasonCode::AccountNotAllowed)
        }
    }

    /// How many accounts may ask for the first time within a day, and how many requests of accounts that are not connected
    /// are verified within an hour.
    pub fn most_newcomers(&self) -> u32 {
        self.max_accounts
            .saturating_mul(PER_SEAT)
            .saturating_add(BESIDE_SEATS)
    }
}

/// Most members in trouble that are named with their reason; all are counted.
pub const MAX_TROUBLES: usize = 20;

/// What is counted for an organization: its accounts can be invented, and have no budget that would bound them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Accounts that ask for the first time, on a day counted from the epoch.
    Newcomers(i64),
    /// Requests of accounts that are not connected, in an hour counted from the epoch.
    Requests(i64),
}

impl Counter {
    /// Newcomers on the day of `at`.
    pub fn newcomers(at: Timestamp) -> Self {
        Self::Newcomers(at.as_second().div_euclid(DAY_SECONDS))
    }

    /// Requests in the hour of `at`.
    pub fn requests(at: Timestamp) -> Self {
        Self::Requests(at.as_second().div_euclid(HOUR_SECONDS))
    }

    /// When it can be forgotten, in seconds since the epoch: some time after its day or hour.
    pub fn forget_at(self) -> i64 {
        match self {
            Self::Newcomers(day) => (day + 2) * DAY_SECONDS,
            Self::Requests(hour) => (hour + 2) * HOUR_SECONDS,
        }
    }
}

/// How far an organization has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many accounts there are: as many as are allowed by name, or else as asked so far and did not leave.
    pub total: usize,
    /// Proven, and as they should be.
    pub active: usize,
    /// Proven once, and not as they should be now.
    pub degraded: usize,
    /// Being proven.
    pub verifying: usize,
    /// Asked, and failed.
    pub failed: usize,
    /// Left, or ended by the vendor.
    pub disconnected: usize,
    /// The same in a sentence.
    pub summary: String,
    /// What is wrong with those that are degraded or failed, the first [`MAX_TROUBLES`] of them.
    pub troubles: Vec<Trouble>,
}

/// What is wrong with one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its account.
    pub account_id: AccountId,
    /// Its connection.
    pub connection_id: ConnectionId,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub code: ReasonCode,
    /// The sentence for people.
    pub message: String,
}

impl Organization {
    /// How far its members have come at `now`.
    pub fn progress(&self, members: &[Connection], now: Timestamp) -> Progress {
        let mut progress = Progress::default();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members {
            let status = member.status(now);
            match status {
                Status::Active => progress.active += 1,
                Status::Degraded => progress.degraded += 1,
                Status::Verifying => progress.verifying += 1,
                Status::Pending | Status::Expired if member.reason().is_some() => progress.failed += 1,
                Status::Pending | Status::Expired => {}
                Status::Disconnected => progress.disconnected += 1,
            }
            let reason = member.reason().filter(|_| status != Status::Disconnected);
            let (Some(reason), Some(account)) = (reason, &member.expected_account) else {
                continue;
            };
            *reasons.entry(reason.code.as_str()).or_default() += 1;
            if progress.troubles.len() < MAX_TROUBLES {
                progress.troubles.push(Trouble {
                    account_id: account.clone(),
                    connection_id: member.id.clone(),
                    status,
                    code: reason.code,
                    message: member.reason_message().unwrap_or_default(),
                });
            }
        }
        progress.total = match self.allowed_accounts.len() {
            0 => members.len() - progress.disconnected,
            named => named,
        };
        progress.summary = format!("{} of {} active", progress.active, progress.total);
        for (number, word) in [(progress.degraded, "degraded"), (progress.failed, "failed")] {
            if number > 0 {
                progress.summary.push_str(&format!(", {number} {word}"));
            }
        }
        if !reasons.is_empty() {
            let reasons: Vec<String> = reasons
                .into_iter()
                .map(|(code, number)| format!("{number} {code}"))
                .collect();
            progress.summary.push_str(&format!(": {}", reasons.join(", ")));
        }
        progress
    }
}

impl Progress {
    /// Where the connection of the organization stands: as badly as the worst of its live members.
    pub fn status(&self) -> Status {
        match self {
            Self { degraded: 1.., .. } => Status::Degraded,
            Self { active: 1.., .. } => Status::Active,
            Self { verifying: 1.., .. } => Status::Verifying,
            _ => Status::Pending,
        }
    }
}

impl Connection {
    /// Whether it is the connection of an account in an organization.
    pub fn is_member(&self) -> bool {
        self.id.organization().is_some()
    }

    /// The member that `account` becomes when it asks for the first time, at `now`.
    #[must_use]
    pub fn new_member(&self, account: &AccountId, now: Timestamp) -> Self {
        Self {
            id: self.id.member(account),
            expected_account: Some(account.clone()),
            organization: None,
            seat: None,
            created_at: now,
            expires_at: NEVER,
            requests: RequestBudget::default(),
            changes: RequestBudget::default(),
            failed_change: None,
            state: State::Pending { last_failure: None },
            version: FIRST_VERSION,
            ..self.clone()
        }
    }

    /// A member as it is to a request that comes now: with the external ID and the rotation of its organization. Nothing is
    /// stored by this alone.
    #[must_use]
    pub fn following(mut self, organization: &Self) -> Self {
        if !self.is_member() {
            return self;
        }
        if self.live_binding().is_none() {
            self.external_id = organization.external_id.clone();
            self.rotation.clone_from(&organization.rotation);
        } else if !self.rotation_is_being_settled() {
            self.rotation = match &organization.rotation {
                Some(rotation) if rotation.external_id == self.external_id => None,
                Some(rotation) => Some(rotation.clone()),
                // Left behind by a rotation that ended, or ahead of one that was taken back: its stack can still come after.
                None if organization.external_id != self.external_id => Some(Rotation {
                    external_id: organization.external_id.clone(),
                    started_at: organization.created_at,
                    expires_at: NEVER,
                }),
                None => None,
            };
        }
        self
    }

    /// The same, where a role is to be connected that is not the one that was: where the customer had deleted the stack of a
    /// member, it is there again. What the vendor ended stays ended.
    pub fn asked_again(&self, organization: &Self, now: Timestamp) -> Result<Self, IllegalTransition> {
        let asked = match &self.state {
            State::Disconnected { reason, .. }
                if self.is_member() && reason.code == ReasonCode::StackDeleted =>
            {
                self.apply(Event::Reopened, now)?
            }
            _ => self.clone(),
        };
        Ok(asked.following(organization))
    }

    /// When it can be forgotten: an organization's member that was never connected, some time after its last attempt.
    pub fn forget_at(&self) -> Option<Timestamp> {
        let last = match &self.state {
            _ if !self.is_member() || self.seat.is_some() => return None,
            State::Pending { last_failure } => last_failure
                .as_ref()
                .map_or(self.created_at, |failure| failure.at),
            State::Verifying { attempt } => attempt.started_at,
            State::Disconnected {
                binding: None, at, ..
            } => *at,
            _ => return None,
        };
        last.checked_add(SignedDuration::from_secs(NEWCOMER_SECONDS)).ok()
    }
}

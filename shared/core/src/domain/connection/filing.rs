//! Where connections are filed, so that people find those of one status without reading all others.

use super::{Connection, State, Status, Unsettled};

/// A file of connections. There are fewer than there are statuses: what time alone changes must not need a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filing {
    /// Its link waits, is being taken or was not taken in time.
    Open,
    /// Its role is proven.
    Active,
    /// Its role was proven once.
    Degraded,
    /// It ended.
    Ended,
}

impl Filing {
    /// Where `connection` is filed. An organization's is not: its status follows from that of its accounts, which are
    /// filed.
    pub fn of(connection: &Connection) -> Option<Self> {
        connection
            .organization
            .is_none()
            .then(|| Self::of_state(&connection.state))
    }

    /// What is not settled yet is filed where it goes back to if its answer is never taken, so that this takes no write
    /// either: a first registration shows as verifying until then. A repair of a degraded one shows as active, and is found
    /// as that once it is settled: a moment later, or never.
    fn of_state(state: &State) -> Self {
        match state {
            State::Active { binding, .. } => match &binding.unsettled {
                Some(Unsettled {
                    replaces: Some(before),
                }) => Self::of_state(before),
                Some(Unsettled { replaces: None }) => Self::Open,
                None => Self::Active,
            },
            State::Pending { .. } | State::Verifying { .. } | State::Expired { .. } => Self::Open,
            State::Degraded { .. } => Self::Degraded,
            State::Disconnected { .. } => Self::Ended,
        }
    }

    /// Where connections of a status are filed, among others.
    pub fn holding(status: Status) -> Self {
        match status {
            Status::Pending | Status::Verifying | Status::Expired => Self::Open,
            Status::Active => Self::Active,
            Status::Degraded => Self::Degraded,
            Status::Disconnected => Self::Ended,
        }
    }

    /// As it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Ended => "ended",
        }
    }
}

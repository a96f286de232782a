use std::ops::Not;

/// What is known of a claim about a request. `Maybe`: its sender has it in hand, or we do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It certainly does not hold.
    No,
    /// It may hold.
    Maybe,
    /// It certainly holds.
    Yes,
}

impl Truth {
    /// Whether all hold; nothing at all holds.
    pub(super) fn all(of: impl IntoIterator<Item = Self>) -> Self {
        of.into_iter().min().unwrap_or(Self::Yes)
    }

    /// Whether one of them holds; of nothing at all, none does.
    pub(super) fn any(of: impl IntoIterator<Item = Self>) -> Self {
        of.into_iter().max().unwrap_or(Self::No)
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

//! What a stack tells of itself beside what has to be proven: claims, which change nothing but what
//! people are shown.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::invalid::Invalid;

/// What made a stack and its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    /// Our template.
    Template,
    /// Our Terraform module.
    Terraform,
    /// Something else, which sends our message.
    Another,
}

impl MadeBy {
    /// As the property says it.
    pub fn parse(text: &str) -> Self {
        match text {
            "template" => Self::Template,
            "terraform" => Self::Terraform,
            _ => Self::Another,
        }
    }
}

/// What a stack of template 1.2.0 or later tells; nothing in an older one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackSays {
    /// What made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
    /// From when on its role lets us in no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Timestamp>,
}

impl StackSays {
    /// Whether it tells nothing.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// The beginning of a day such as `2030-06-30`, in UTC, as the template writes it into the role's
/// trust policy.
pub fn access_until(text: &str) -> Result<Timestamp, Invalid> {
    let unreadable = Invalid::new("AccessUntil", "is not a day such as 2030-06-30");
    let day: Date = text.parse().map_err(|_| unreadable)?;
    // A longer form would parse, too, and the role's condition would not be the same.
    if day.to_string() != text {
        return Err(unreadable);
    }
    let begin = day.to_zoned(TimeZone::UTC).map_err(|_| unreadable)?;
    Ok(begin.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_and_nothing_else_is_one() {
        assert_eq!(
            access_until("2030-06-30").unwrap().to_string(),
            "2030-06-30T00:00:00Z"
        );
        for text in [
            "",
            "2030-02-31",
            "2030-6-1",
            "20300630",
            "2030-06-30T12:00:00Z",
            "tomorrow",
            " 2030-06-30",
        ] {
            assert!(access_until(text).is_err(), "{text:?}");
        }
    }
}

//! The external ID: the value that stands between a customer's role and a confused deputy.

use crate::domain::{
    ids::is_cuid2,
    invalid::{Invalid, checked_text},
};

/// Length of an external ID: a 32-character CUID2, the longest that the algorithm makes (about 165 bits). AWS
/// allows 2 to 1,224 characters of `[\w+=,.@:\/-]`.
pub const EXTERNAL_ID_CHARS: usize = 32;
/// Characters at each end that a near miss has in common with the right external ID. Somebody who makes links until one
/// of them meets a pattern of eight characters makes some two million million of them.
pub const NEAR_MISS_CHARS: usize = 8;

/// An external ID. Latchkey makes each one (I1); parsing tells only that a text could be one of ours, never that
/// it is: that takes a look into the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Accepts the shape that Latchkey's own external IDs have.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_cuid2(text, EXTERNAL_ID_CHARS) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("ExternalId", "is not one that this vendor issued"))
        }
    }

    /// One that differs in the last character alone: whatever accepts it looks at a part of the external ID only, as
    /// `StringLike` with the beginning of the right one and an asterisk does.
    #[must_use]
    pub fn similar(&self) -> Self {
        let (start, last) = self.0.split_at(EXTERNAL_ID_CHARS - 1);
        let other = if last == "a" { "b" } else { "a" };
        Self(format!("{start}{other}"))
    }

    /// This external ID with `fresh` in its middle: wrong, and yet it begins and ends like the right one, so that a
    /// trust policy with a pattern such as `tz4a*` gives itself away. What a longer pattern than
    /// [`NEAR_MISS_CHARS`] lets in has never been issued to anybody.
    #[must_use]
    pub fn near_miss(&self, fresh: &Self) -> Self {
        let middle = NEAR_MISS_CHARS..EXTERNAL_ID_CHARS - NEAR_MISS_CHARS;
        let mut text = self.0.clone();
        text.replace_range(middle.clone(), &fresh.0[middle]);
        let near_miss = Self(text);
        // By a chance of one in 36 to the 16th.
        if near_miss == *self {
            fresh.clone()
        } else {
            near_miss
        }
    }
}
checked_text!(ExternalId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_one_has_the_same_shape_and_another_end() {
        for text in [
            "tz4a98xxat96iws9zmbrgj3atz4a98xx",
            "tz4a98xxat96iws9zmbrgj3atz4a98xa",
        ] {
            let external_id = ExternalId::parse(text).unwrap();
            let similar = external_id.similar();
            assert_ne!(similar, external_id);
            assert_eq!(similar.as_str()[..31], text[..31]);
            assert!(ExternalId::parse(similar.as_str()).is_ok());
        }
    }

    #[test]
    fn a_near_miss_begins_and_ends_like_the_right_one_and_is_another() {
        let id = |text: &str| ExternalId::parse(text).unwrap();
        let right = id("tz4a98xxat96iws9zmbrgj3atz4a98xx");
        let fresh = id("abcdefghijklmnopqrstuvwxyz012345");
        let miss = right.near_miss(&fresh);
        assert_eq!(miss.as_str(), "tz4a98xxijklmnopqrstuvwxtz4a98xx");
        assert_eq!(ExternalId::parse(miss.as_str()), Ok(miss));
        // Were the middle the same, it would be no miss.
        let twin = id("abcdefghat96iws9zmbrgj3ayz012345");
        assert_eq!(right.near_miss(&twin), twin);
    }

    #[test]
    fn only_the_shape_of_our_own_external_ids_is_read() {
        let good = "tz4a98xxat96iws9zmbrgj3atz4a98xx";
        assert_eq!(ExternalId::parse(good).unwrap().as_str(), good);
        for text in [
            "",
            "*",
            "tz4a98xxat96iws9zmbrgj3a",
            &good.to_uppercase(),
            &format!("{good} "),
            &good.replace('a', "*"),
        ] {
            assert!(ExternalId::parse(text).is_err(), "{text:?}");
        }
    }
}

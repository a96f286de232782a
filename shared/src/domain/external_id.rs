//! The external ID: the value that stands between a customer's role and a confused deputy.

use crate::domain::{
    ids::is_cuid2,
    invalid::{Invalid, checked_text},
};

/// Length of an external ID: a 32-character CUID2, the longest that the algorithm makes (about 165 bits). AWS
/// allows 2 to 1,224 characters of `[\w+=,.@:\/-]`.
pub const EXTERNAL_ID_CHARS: usize = 32;

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
}
checked_text!(ExternalId);

#[cfg(test)]
mod tests {
    use super::*;

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

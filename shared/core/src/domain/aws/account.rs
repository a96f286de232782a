use crate::domain::invalid::{Invalid, checked_text};

/// An AWS account id: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// Accepts exactly 12 ASCII digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("account id", "must be 12 digits"))
        }
    }
}
checked_text!(AccountId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_twelve_ascii_digits() {
        assert_eq!(AccountId::parse("012345678901").unwrap().as_str(), "012345678901");
        for text in [
            "",
            "12345678901",
            "1234567890123",
            "12345678901a",
            "１２３４５６７８９０１２",
            " 12345678901",
        ] {
            assert!(AccountId::parse(text).is_err(), "{text:?}");
        }
    }
}

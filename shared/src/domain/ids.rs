//! Who a connection belongs to, and what it is called.

use crate::domain::invalid::{Invalid, checked_text};

/// Longest tenant identifier that a deployment's identity provider may issue.
pub const MAX_TENANT_ID_CHARS: usize = 128;
/// Every connection id starts with this, so that one is recognised wherever it turns up.
pub const CONNECTION_ID_PREFIX: &str = "conn_";
/// Length of the CUID2 in a connection id: 24 is CUID2's default, about 124 bits.
pub const CONNECTION_ID_CUID_CHARS: usize = 24;

/// A vendor's own customer, as the verified claim of the caller's token names it. The only sources are the API's
/// authorizer and our own table: no request body and no message carries one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// Accepts 1 to [`MAX_TENANT_ID_CHARS`] of `A-Z a-z 0-9 . _ : @ / + = -`: what identity providers issue, and
    /// nothing that could be read as the separator of a table key.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:@/+=-".contains(c);
        if text.is_empty() || text.len() > MAX_TENANT_ID_CHARS || !text.chars().all(allowed) {
            return Err(Invalid::new(
                "tenant",
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / + = -",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}
checked_text!(TenantId);

/// The public name of a connection: `conn_` and a CUID2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Accepts `conn_` and [`CONNECTION_ID_CUID_CHARS`] characters of a CUID2.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let cuid = text.strip_prefix(CONNECTION_ID_PREFIX);
        match cuid {
            Some(cuid) if is_cuid2(cuid, CONNECTION_ID_CUID_CHARS) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "connection id",
                "must be `conn_` and 24 lower-case letters and digits",
            )),
        }
    }
}
checked_text!(ConnectionId);

/// Whether `text` has the shape of a CUID2 of `chars` characters: a lower-case letter, then lower-case letters
/// and digits.
pub(crate) fn is_cuid2(text: &str, chars: usize) -> bool {
    text.len() == chars
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_could_be_read_as_a_key_separator_or_a_log_line_is_refused() {
        for text in [
            "",
            "a#b",
            "a b",
            "a\nb",
            "é",
            "a\u{202e}b",
            "<b>",
            &"a".repeat(129),
        ] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
        for text in ["acme", "org:42/eu", "a@b.example", &"a".repeat(128)] {
            assert_eq!(TenantId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_connection_id_is_the_prefix_and_a_cuid2_and_nothing_else() {
        let good = "conn_tz4a98xxat96iws9zmbrgj3a";
        assert_eq!(ConnectionId::parse(good).unwrap().to_string(), good);
        for text in [
            "",
            "conn_",
            "tz4a98xxat96iws9zmbrgj3a",
            "conn_4z4a98xxat96iws9zmbrgj3a",
            "conn_tz4a98xxat96iws9zmbrgj3",
            "conn_tz4a98xxat96iws9zmbrgj3aa",
            "conn_Tz4a98xxat96iws9zmbrgj3a",
            "CONN_tz4a98xxat96iws9zmbrgj3a",
            "conn_tz4a98xxat96iws9zmbrgj3\u{ff41}",
        ] {
            assert!(ConnectionId::parse(text).is_err(), "{text:?}");
        }
    }
}

//! Who a connection belongs to, and what it is called.

use crate::domain::{
    aws::AccountId,
    invalid::{Invalid, checked_text},
};

/// Longest tenant identifier that a deployment's identity provider may issue.
pub const MAX_TENANT_ID_CHARS: usize = 128;
/// Every connection id starts with this, so that one is recognised wherever it turns up.
pub const CONNECTION_ID_PREFIX: &str = "conn_";
/// Length of the CUID2 in a connection id: 24 is CUID2's default, about 124 bits.
pub const CONNECTION_ID_CUID_CHARS: usize = 24;

/// A vendor's own customer, as the verified claim of the caller's token names it, or the path that
/// IAM let the caller use. The other source is our own table: no request body and no message
/// carries one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// Accepts 1 to [`MAX_TENANT_ID_CHARS`] of `A-Z a-z 0-9 . _ : @ / + = | -`: what identity providers issue, and
    /// nothing that could be read as the separator of a table key.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:@/+=|-".contains(c);
        if text.is_empty() || text.len() > MAX_TENANT_ID_CHARS || !text.chars().all(allowed) {
            return Err(Invalid::new(
                "tenant",
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / + = | -",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The same for a segment of a path, where IAM decides by what stands between two slashes: a
    /// tenant with a slash, and `.` and `..`, could be read as another path.
    pub fn parse_path_segment(text: &str) -> Result<Self, Invalid> {
        if text == "." || text == ".." || text.contains('/') {
            return Err(Invalid::new(
                "tenant",
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ + = | -, and not `.` or `..`",
            ));
        }
        Self::parse(text)
    }
}
checked_text!(TenantId);

/// What stands between the id of an organization's connection and the account of one of its members.
const MEMBER_SEPARATOR: char = '-';

/// The public name of a connection: `conn_` and a CUID2. The connection of an account in an organization has the name of
/// the organization's connection, a dash and the account: there can be no second one, and the members stand side by side
/// in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Accepts `conn_` and [`CONNECTION_ID_CUID_CHARS`] characters of a CUID2, and for a member of an organization a dash and
    /// an account.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (own, account) = match text.split_once(MEMBER_SEPARATOR) {
            Some((own, account)) => (own, Some(account)),
            None => (text, None),
        };
        let cuid = own.strip_prefix(CONNECTION_ID_PREFIX);
        let is_account = |text: &str| AccountId::parse(text).is_ok();
        match cuid {
            Some(cuid) if is_cuid2(cuid, CONNECTION_ID_CUID_CHARS) && account.is_none_or(is_account) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "connection id",
                "must be `conn_` and 24 lower-case letters and digits, and may end in a dash and an account",
            )),
        }
    }

    /// The id of the connection of an organization's account. A member has no members: its own id comes back.
    #[must_use]
    pub fn member(&self, account: &AccountId) -> Self {
        match self.organization() {
            Some(_) => self.clone(),
            None => Self(format!("{self}{MEMBER_SEPARATOR}{account}")),
        }
    }

    /// The connection of the organization that this one is a member of.
    pub fn organization(&self) -> Option<Self> {
        let (organization, _) = self.0.split_once(MEMBER_SEPARATOR)?;
        Some(Self(organization.to_owned()))
    }

    /// How the ids of all members begin.
    pub fn members_prefix(&self) -> String {
        format!("{self}{MEMBER_SEPARATOR}")
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
        for text in [
            "acme",
            "org:42/eu",
            "a@b.example",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "samlp|corp|jane@corp.example",
            &"a".repeat(128),
        ] {
            assert_eq!(TenantId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_tenant_in_a_path_has_no_slash_and_is_no_dot() {
        for text in ["", ".", "..", "a/b", "/", "a%2Fb", "a#b", &"a".repeat(129)] {
            assert!(TenantId::parse_path_segment(text).is_err(), "{text:?}");
        }
        for text in ["acme", "...", "auth0|42", "a.b_c:d@e+f=g-h", &"a".repeat(128)] {
            assert_eq!(TenantId::parse_path_segment(text).unwrap().as_str(), text);
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
            "conn_tz4a98xxat96iws9zmbrgj3a-",
            "conn_tz4a98xxat96iws9zmbrgj3a-22222222222",
            "conn_tz4a98xxat96iws9zmbrgj3a-22222222222x",
            "conn_tz4a98xxat96iws9zmbrgj3a-222222222222-222222222222",
        ] {
            assert!(ConnectionId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_connection_of_an_organizations_account_is_named_after_both_and_has_no_members() {
        let organization = ConnectionId::parse("conn_tz4a98xxat96iws9zmbrgj3a").unwrap();
        let account = AccountId::parse("222222222222").unwrap();
        let member = organization.member(&account);
        assert_eq!(member.as_str(), "conn_tz4a98xxat96iws9zmbrgj3a-222222222222");
        assert_eq!(ConnectionId::parse(member.as_str()).unwrap(), member);
        assert_eq!(member.organization(), Some(organization.clone()));
        assert_eq!(organization.organization(), None);
        assert_eq!(member.member(&account), member);
        assert!(member.as_str().starts_with(&organization.members_prefix()));
    }
}

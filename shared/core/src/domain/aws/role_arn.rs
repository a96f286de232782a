use super::{AccountId, Partition, split_arn};
use crate::domain::invalid::{Invalid, checked_text};

/// The ARN of an IAM role, path included: `arn:<partition>:iam::<account>:role/<path><name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

/// What the message of every refused role ARN is about.
const WHAT: &str = "RoleArn";

impl RoleArn {
    /// Accepts the ARN of a role and of nothing else: no user, no session, no instance profile, no wildcard. Limits
    /// are IAM's: a name of 1 to 64 characters of `[\w+=,.@-]`, a path of at most 512.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let arn = split_arn(text).ok_or(Invalid::new(WHAT, "is not an ARN"))?;
        Partition::parse(arn.partition)
            .map_err(|_| Invalid::new(WHAT, "is in a partition that this vendor does not serve"))?;
        if arn.service == "sts" {
            return Err(Invalid::new(
                WHAT,
                "is the ARN of a session; give the ARN of its role",
            ));
        }
        if arn.service != "iam" || !arn.region.is_empty() {
            return Err(Invalid::new(WHAT, "is not the ARN of an IAM role"));
        }
        AccountId::parse(arn.account).map_err(|_| Invalid::new(WHAT, "has no account of 12 digits"))?;
        let path_and_name = arn
            .resource
            .strip_prefix("role/")
            .ok_or(Invalid::new(WHAT, "is not the ARN of a role (role/…)"))?;
        let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
        if !is_role_name(name) {
            return Err(Invalid::new(WHAT, "has a role name that IAM does not allow"));
        }
        if !is_role_path(path) {
            return Err(Invalid::new(WHAT, "has a role path that IAM does not allow"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The account that the role is in.
    pub fn account(&self) -> AccountId {
        AccountId::parse(self.part(4)).unwrap_or_else(|_| unreachable!("checked when parsed"))
    }

    /// The partition that the role is in.
    pub fn partition(&self) -> Partition {
        Partition::parse(self.part(1)).unwrap_or_else(|_| unreachable!("checked when parsed"))
    }

    /// The role's name, without its path: what the ARN of an assumed role carries.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}
checked_text!(RoleArn);

fn is_role_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

/// `path` as it stands between `role/` and the name, without its outer slashes.
fn is_role_path(path: &str) -> bool {
    /// IAM's 512 less the two outer slashes.
    const MAX_PATH_CHARS: usize = 510;
    // IAM allows U+0021 to U+007E; a wildcard or a colon would let an ARN mean more than one role to a reader.
    path.len() <= MAX_PATH_CHARS
        && path
            .chars()
            .all(|c| c.is_ascii_graphic() && !"*?:\"'\\<>".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_role_arn_with_and_without_a_path_tells_its_account_and_name() {
        for (text, account, name) in [
            ("arn:aws:iam::222222222222:role/Reader", "222222222222", "Reader"),
            (
                "arn:aws:iam::222222222222:role/a/b-c/Reader_1",
                "222222222222",
                "Reader_1",
            ),
            ("arn:aws-us-gov:iam::000000000001:role/x", "000000000001", "x"),
        ] {
            let role = RoleArn::parse(text).unwrap();
            assert_eq!(
                (role.account().as_str(), role.name(), role.as_str()),
                (account, name, text)
            );
        }
    }

    #[test]
    fn what_is_not_the_arn_of_one_role_is_refused_with_its_reason() {
        let long_name = format!("arn:aws:iam::222222222222:role/{}", "a".repeat(65));
        let long_path = format!("arn:aws:iam::222222222222:role/{}/a", "a".repeat(511));
        let endless = format!("arn:aws:iam::222222222222:role/{}", "a/".repeat(5_000));
        for (text, rule) in [
            ("", "is not an ARN"),
            ("Reader", "is not an ARN"),
            (endless.as_str(), "is not an ARN"),
            ("arn:aws:iam::222222222222", "is not an ARN"),
            (
                "arn:aws-iso:iam::222222222222:role/x",
                "is in a partition that this vendor does not serve",
            ),
            (
                "arn:aws:sts::222222222222:assumed-role/x/y",
                "is the ARN of a session; give the ARN of its role",
            ),
            (
                "arn:aws:iam:us-east-1:222222222222:role/x",
                "is not the ARN of an IAM role",
            ),
            ("arn:aws:s3:::bucket", "is not the ARN of an IAM role"),
            ("arn:aws:iam::22222222222:role/x", "has no account of 12 digits"),
            ("arn:aws:iam::aws:role/x", "has no account of 12 digits"),
            (
                "arn:aws:iam::222222222222:user/x",
                "is not the ARN of a role (role/…)",
            ),
            (
                "arn:aws:iam::222222222222:root",
                "is not the ARN of a role (role/…)",
            ),
            (
                "arn:aws:iam::222222222222:instance-profile/x",
                "is not the ARN of a role (role/…)",
            ),
            (
                "arn:aws:iam::222222222222:role/",
                "has a role name that IAM does not allow",
            ),
            (
                "arn:aws:iam::222222222222:role/*",
                "has a role name that IAM does not allow",
            ),
            (
                "arn:aws:iam::222222222222:role/a b",
                "has a role name that IAM does not allow",
            ),
            (
                "arn:aws:iam::222222222222:role/x\n",
                "has a role name that IAM does not allow",
            ),
            (long_name.as_str(), "has a role name that IAM does not allow"),
            (
                "arn:aws:iam::222222222222:role/*/x",
                "has a role path that IAM does not allow",
            ),
            (
                "arn:aws:iam::222222222222:role/a:b/x",
                "has a role path that IAM does not allow",
            ),
            (long_path.as_str(), "has a role path that IAM does not allow"),
        ] {
            assert_eq!(RoleArn::parse(text).unwrap_err().rule, rule, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics_and_what_is_accepted_is_kept_as_it_was(text in "\\PC{0,120}") {
            if let Ok(role) = RoleArn::parse(&text) {
                prop_assert_eq!(role.as_str(), text.as_str());
            }
        }

        #[test]
        fn every_role_that_iam_allows_is_read(account in "[0-9]{12}", path in "([a-zA-Z0-9._-]{1,10}/){0,3}", name in "[A-Za-z0-9_+=,.@-]{1,64}") {
            let role = RoleArn::parse(&format!("arn:aws:iam::{account}:role/{path}{name}")).unwrap();
            prop_assert_eq!(role.account().to_string(), account);
            prop_assert_eq!(role.name(), name);
        }
    }
}

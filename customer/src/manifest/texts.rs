//! The small texts of a manifest, each checked when it is read, so that no rendering has to doubt them.

use std::fmt;

use latchkey_core::domain::{aws::Region, invalid::Invalid};
use serde::{Deserialize, Serialize};

/// Longest sentence. More does not fit a table cell that somebody reads.
const MAX_SENTENCE_CHARS: usize = 400;
/// What may stand in an ARN pattern between `${` and `}`; each rendering has its own way to fill them in.
pub const ARN_PLACEHOLDERS: [&str; 3] = ["partition", "account", "region"];

macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $why:literal, $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let is_fine: fn(&str) -> bool = $check;
                if is_fine(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Invalid::new($what, $why))
                }
            }

            /// The text as it was read.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

checked_texts! {
    /// A sentence, a title or a name that a customer reads: one line of any script.
    Sentence: "text", "must be one line of at most 400 characters that begins and ends with none of space", is_line;
    /// The name of a tier, such as `inventory-cost`.
    TierName: "tier", "must be a lower-case letter, then up to 31 letters, digits and dashes", is_tier_name;
    Sid: "sid", "must be a capital letter, then up to 63 letters and digits", is_sid;
    /// What a statement names as an action. Wildcards are read, so that the check can say why they are refused.
    ActionPattern: "action", "must be a service and a name, such as ec2:DescribeRegions", is_action_pattern;
    /// An ARN with `${partition}` for the partition.
    ArnPattern: "resource", "must be an ARN that begins with arn:${partition}: and holds no other placeholder than \
        ${partition}, ${account} and ${region}", is_arn_pattern;
    /// The operator of a condition, such as `ForAllValues:StringLike`.
    ConditionOperator: "condition operator", "must be letters, with ForAllValues: or ForAnyValue: before them if need be",
        is_condition_operator;
    /// The key of a condition, such as `aws:TagKeys`.
    ConditionKey: "condition key", "must be a service and a name, such as aws:TagKeys", is_condition_key;
    /// A value of a condition. No policy variables: a rendering could take them for its own.
    ConditionValue: "condition value", "must be 1 to 256 printable ASCII characters, without quote, backslash or $",
        is_condition_value;
    WebAddress: "address", "must be an https URL without spaces and quotes", is_web_address;
    RegionCode: "region", "must be the code of a region, such as eu-west-1", |text| Region::parse(text).is_ok();
    AddressRange: "source IP", "must be an address and the length of its prefix, such as 192.0.2.0/24", is_address_range;
    /// The id of an AWS organization.
    OrganizationId: "organization id", "must be o- and 10 to 32 lower-case letters and digits", is_organization_id;
    /// The ARN of a managed policy, with `${partition}` for the partition.
    ManagedPolicyArn: "managed policy", "must be arn:${partition}:iam::aws:policy/ and a name", is_managed_policy;
}

impl ActionPattern {
    /// The part before the colon; empty for `*`.
    pub fn service(&self) -> &str {
        self.0.split_once(':').map_or("", |(service, _)| service)
    }

    /// Whether it names more than one action.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether it names every action of a service, or of all.
    pub fn is_everything(&self) -> bool {
        let name = self.0.rsplit(':').next().unwrap_or_default();
        !name.is_empty() && name.chars().all(|c| c == '*')
    }
}

impl ArnPattern {
    /// The pattern with each placeholder replaced by what `fill` gives for its name.
    pub fn filled(&self, fill: impl Fn(&str) -> String) -> String {
        ARN_PLACEHOLDERS.iter().fold(self.0.clone(), |text, name| {
            text.replace(&format!("${{{name}}}"), &fill(name))
        })
    }

    /// The part after the account: the resource itself.
    pub fn resource(&self) -> &str {
        self.0.splitn(6, ':').nth(5).unwrap_or_default()
    }

    /// The service that it belongs to.
    pub fn service(&self) -> &str {
        self.0.split(':').nth(2).unwrap_or_default()
    }
}

impl ManagedPolicyArn {
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn is_line(text: &str) -> bool {
    // Characters that turn the direction of a text could make it read as another one.
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().count() <= MAX_SENTENCE_CHARS
        && text.trim() == text
        && !text.contains(is_odd)
        // What the renderings fill in themselves.
        && !text.contains("__")
}

fn is_tier_name(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_sid(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_action_pattern(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    text.split_once(':').is_some_and(|(service, name)| {
        let is_service = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '*';
        !service.is_empty()
            && service.chars().all(is_service)
            && !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '*' || c == '?')
            && text.len() <= 128
    })
}

fn is_arn_pattern(text: &str) -> bool {
    let without = ARN_PLACEHOLDERS.iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("${{{name}}}"), "")
    });
    let is_allowed = |c: char| c.is_ascii_graphic() && !"\"'\\`<>$(){}&;|".contains(c);
    text.starts_with("arn:${partition}:")
        && text.len() <= 512
        && !text.contains("__")
        && text.splitn(6, ':').count() == 6
        && text.split(':').nth(2).is_some_and(|service| !service.is_empty())
        && text
            .splitn(6, ':')
            .nth(5)
            .is_some_and(|resource| !resource.is_empty())
        && without.chars().all(is_allowed)
}

fn is_condition_operator(text: &str) -> bool {
    let name = text
        .strip_prefix("ForAllValues:")
        .or(text.strip_prefix("ForAnyValue:"))
        .unwrap_or(text);
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphabetic())
}

fn is_condition_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty()
            && service
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && (1..=128).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/:_-.@+=".contains(c))
            && !name.contains("__")
    })
}

fn is_condition_value(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && !text.contains("__")
        && text
            .chars()
            .all(|c| (c.is_ascii_graphic() || c == ' ') && !"\"\\$".contains(c))
}

fn is_web_address(text: &str) -> bool {
    text.len() <= 512
        && text
            .strip_prefix("https://")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        && !text.contains("__")
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !"\"'\\`<>()[]$".contains(c))
}

fn is_address_range(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        let longest = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => 32,
            Ok(std::net::IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        // A prefix of 0 would be every address there is.
        prefix
            .parse::<u8>()
            .is_ok_and(|length| (1..=longest).contains(&length))
            && !prefix.starts_with('+')
    })
}

fn is_organization_id(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len()) && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

fn is_managed_policy(text: &str) -> bool {
    text.strip_prefix("arn:${partition}:iam::aws:policy/")
        .is_some_and(|name| {
            (1..=128).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+=,.@-_/".contains(c))
                && !name.contains("__")
                && !name.ends_with('/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_break_out_of_a_rendering_is_refused() {
        for text in ["a\nb", " a", "a ", "a\u{202e}b", "__X__", "a\u{7}"] {
            assert!(Sentence::parse(text).is_err(), "{text:?}");
        }
        assert!(Sentence::parse(&"ä".repeat(401)).is_err());
        // What the renderings escape is no reason to refuse a name.
        for text in [
            "<script>alert(1)</script>",
            "Größe & Söhne \"GmbH\"",
            "a | b",
            "${x} %{y} `z` $(id)",
        ] {
            assert_eq!(Sentence::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_goes_into_policies_takes_no_other_form() {
        for text in ["", "A", "a_b", "a b", "-a", "ä"] {
            assert!(TierName::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "a", "A-b", "A b", "1"] {
            assert!(Sid::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "ec2", "ec2:", ":X", "EC2:X", "ec2:X Y", "ec2:X\n", "ec2:X\""] {
            assert!(ActionPattern::parse(text).is_err(), "{text:?}");
        }
        for text in ["*", "*:*", "ec2:*", "ec2:Describe*", "ec2:DescribeRegions"] {
            assert!(ActionPattern::parse(text).is_ok(), "{text:?}");
        }
        for text in [
            "*",
            "arn:aws:s3:::x",
            "arn:${partition}:s3:::",
            "arn:${partition}:s3:::${aws:username}",
            "arn:${partition}:s3:::a b",
            "arn:${partition}:s3:::a\"",
            "arn:${partition}::::x",
            "arn:${partition}:s3",
        ] {
            assert!(ArnPattern::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "a\"b", "a\\b", "${x}", "a\nb"] {
            assert!(ConditionValue::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "http://x.example",
            "https://",
            "javascript:alert(1)",
            "https://x.example/\"",
            "https://x example",
        ] {
            assert!(WebAddress::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "0.0.0.0/0",
            "::/0",
            "192.0.2.0",
            "192.0.2.0/33",
            "192.0.2.0/+8",
            "x/8",
        ] {
            assert!(AddressRange::parse(text).is_err(), "{text:?}");
        }
        assert!(AddressRange::parse("192.0.2.0/24").is_ok() && AddressRange::parse("2001:db8::/32").is_ok());
        for text in ["o-", "o-ABCDEFGHIJ", "x-abcdefghij", "o-abc"] {
            assert!(OrganizationId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn everything_is_told_from_one_action() {
        let action = |text| ActionPattern::parse(text).unwrap();
        for text in ["*", "*:*", "iam:*", "iam:**"] {
            assert!(
                action(text).is_everything() && action(text).has_wildcard(),
                "{text}"
            );
        }
        assert!(!action("iam:Get*").is_everything() && action("iam:Get*").has_wildcard());
        assert!(!action("iam:GetRole").has_wildcard());
    }
}

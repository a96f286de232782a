//! The connection template with a deployment's own values in it.
//!
//! The vendor's account, role path and topic are written into the text, never parameters: a genuine template cannot
//! be turned against the customer who launches it by a link with other values.

use std::{collections::BTreeSet, fmt};

use latchkey_core::domain::{
    aws::{AccountId, Region},
    invalid::Invalid,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a placeholder begins and ends with: `__VENDOR_ACCOUNT_ID__`.
const PLACEHOLDER_MARK: &str = "__";
/// CloudFormation's limit on a template that is passed as text. A launch link would allow 1 MB, but a customer must
/// also be able to paste the template into a StackSet or a pipeline.
pub const MAX_TEMPLATE_BYTES: usize = 51_200;

/// The IAM path of the roles that customers let in, such as `/latchkey/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePath(String);

impl RolePath {
    /// Accepts one to four segments of 1 to 64 characters between slashes. The path `/` is refused: it would let every
    /// role of the vendor's account into every customer's role.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let error = Invalid::new(
            "role path",
            "must be one to four names between slashes, such as /latchkey/",
        );
        let inner = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .ok_or(error)?;
        let segments: Vec<&str> = inner.split('/').collect();
        let is_segment = |segment: &&str| {
            (1..=64).contains(&segment.len())
                && segment
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
        };
        if segments.len() <= 4 && segments.iter().all(is_segment) && !text.contains(PLACEHOLDER_MARK) {
            Ok(Self(text.to_owned()))
        } else {
            Err(error)
        }
    }
}

/// The name that the listener topic has in every region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicName(String);

impl TopicName {
    /// Accepts 1 to 64 letters, digits, dashes and underscores.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=64).contains(&text.len()) && text.chars().all(is_allowed) && !text.contains(PLACEHOLDER_MARK)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "topic name",
                "must be 1 to 64 letters, digits, dashes and underscores",
            ))
        }
    }
}

/// The regions that customers can launch in, as the template lists them: `eu-west-1, us-east-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedRegions(String);

impl ServedRegions {
    /// Accepts codes of regions between commas, and puts them in order.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let codes = text.split(',').map(|code| Region::parse(code.trim()));
        let codes: BTreeSet<String> = codes
            .map(|region| Ok(region?.to_string()))
            .collect::<Result<_, Invalid>>()?;
        Ok(Self(codes.into_iter().collect::<Vec<_>>().join(", ")))
    }
}

/// A version of the template: `<major>.<minor>.<patch>`. Ordered as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TemplateVersion(String);

impl TryFrom<String> for TemplateVersion {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl Ord for TemplateVersion {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let numbers = |version: &Self| -> Vec<u16> {
            version
                .0
                .split('.')
                .filter_map(|number| number.parse().ok())
                .collect()
        };
        numbers(self).cmp(&numbers(other))
    }
}

impl PartialOrd for TemplateVersion {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl TemplateVersion {
    /// Accepts three numbers of up to four digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_number = |part: &&str| {
            (1..=4).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_digit())
                && (*part == "0" || !part.starts_with('0'))
        };
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() == 3 && parts.iter().all(is_number) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "template version",
                "must be three numbers, such as 1.0.0",
            ))
        }
    }
}

macro_rules! shown_as_text {
    ($($type:ident),+) => {$(
        impl $type {
            /// The text, exactly as it was checked.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}
shown_as_text!(RolePath, TopicName, ServedRegions, TemplateVersion);

/// What a deployment writes into its customers' template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateValues {
    /// The vendor's account: who customers trust, and whose topics their stacks call.
    pub vendor_account: AccountId,
    /// The path of the roles in that account that customers let in.
    pub role_path: RolePath,
    /// The topic that stacks call, in their own region.
    pub topic_name: TopicName,
    /// Where there is such a topic: a stack elsewhere is refused before it makes anything.
    pub served_regions: ServedRegions,
}

/// A template that is ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedTemplate {
    pub version: TemplateVersion,
    pub text: String,
}

impl RenderedTemplate {
    /// The SHA-256 of the text, in lower-case hexadecimal: a customer can compare it with what they read.
    pub fn sha256_hex(&self) -> String {
        sha256_hex(self.text.as_bytes())
    }
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The source does not use a value that must be in it: trust or phone-home would be gone.
    #[error("the template has no placeholder {0}: every value must be used at least once")]
    PlaceholderMissing(&'static str),
    /// The source has a placeholder that nobody fills in.
    #[error("the template still has the placeholder {0} after all values were filled in")]
    PlaceholderLeft(String),
    /// The text is longer than CloudFormation takes.
    #[error("the template has {0} bytes; CloudFormation takes {MAX_TEMPLATE_BYTES} as text")]
    TooLarge(usize),
}

/// Renders `source` for a deployment.
pub fn render_source(
    source: &str,
    version: TemplateVersion,
    values: &TemplateValues,
) -> Result<RenderedTemplate, RenderError> {
    let placeholders = deployment_placeholders(values, &version);
    if let Some((missing, _)) = placeholders.iter().find(|(name, _)| !source.contains(name)) {
        return Err(RenderError::PlaceholderMissing(missing));
    }
    let text = fill(source, &placeholders)?;
    if text.len() > MAX_TEMPLATE_BYTES {
        return Err(RenderError::TooLarge(text.len()));
    }
    Ok(RenderedTemplate { version, text })
}

/// What a deployment fills in, by its placeholder.
pub fn deployment_placeholders<'a>(
    values: &'a TemplateValues,
    version: &'a TemplateVersion,
) -> [(&'static str, &'a str); 5] {
    [
        ("__VENDOR_ACCOUNT_ID__", values.vendor_account.as_str()),
        ("__VENDOR_ROLE_PATH__", values.role_path.as_str()),
        ("__LISTENER_TOPIC_NAME__", values.topic_name.as_str()),
        ("__SERVED_REGIONS__", values.served_regions.as_str()),
        ("__TEMPLATE_VERSION__", version.as_str()),
    ]
}

/// `text` with its placeholders filled in; one that is left is refused. Values cannot hold a placeholder (their parsers refuse
/// the mark), so the order does not matter.
pub fn fill(text: &str, placeholders: &[(&'static str, &str)]) -> Result<String, RenderError> {
    let filled = placeholders
        .iter()
        .fold(text.to_owned(), |text, (placeholder, value)| {
            text.replace(placeholder, value)
        });
    placeholder_in(&filled).map_or(Ok(filled), |left| Err(RenderError::PlaceholderLeft(left)))
}

/// The first thing in `text` that looks like a placeholder: the mark, capital letters and underscores, the mark.
fn placeholder_in(text: &str) -> Option<String> {
    let after_marks = text
        .match_indices(PLACEHOLDER_MARK)
        .map(|(at, mark)| &text[at + mark.len()..]);
    for rest in after_marks {
        let name_length = rest
            .bytes()
            .take_while(|b| b.is_ascii_uppercase() || *b == b'_')
            .count();
        let name = rest[..name_length].trim_end_matches('_');
        if !name.is_empty() && rest[name.len()..].starts_with(PLACEHOLDER_MARK) {
            return Some(format!("{PLACEHOLDER_MARK}{name}{PLACEHOLDER_MARK}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> TemplateValues {
        TemplateValues {
            vendor_account: AccountId::parse("111111111111").unwrap(),
            role_path: RolePath::parse("/latchkey/").unwrap(),
            topic_name: TopicName::parse("latchkey-listener").unwrap(),
            served_regions: ServedRegions::parse("us-east-1,eu-west-1,us-east-1").unwrap(),
        }
    }

    fn version() -> TemplateVersion {
        TemplateVersion::parse("1.2.3").unwrap()
    }

    const ALL: &str = "__VENDOR_ACCOUNT_ID__ __VENDOR_ROLE_PATH__ __LISTENER_TOPIC_NAME__ __SERVED_REGIONS__ __TEMPLATE_VERSION__";

    #[test]
    fn the_repositorys_template_is_rendered_with_the_deployments_own_values() {
        let source = include_str!("../connection-template.yaml");
        let rendered = render_source(source, version(), &values()).unwrap();
        for expected in [
            "arn:${AWS::Partition}:iam::111111111111:root",
            "arn:${AWS::Partition}:iam::111111111111:role/latchkey/*",
            "arn:${AWS::Partition}:sns:${AWS::Region}:111111111111:latchkey-listener",
            "TemplateVersion: \"1.2.3\"",
            "[[eu-west-1, us-east-1], !Ref \"AWS::Region\"]",
        ] {
            assert!(rendered.text.contains(expected), "{expected}");
        }
        assert!(!rendered.text.contains(PLACEHOLDER_MARK));
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let version = |text| TemplateVersion::parse(text).unwrap();
        assert!(version("1.9.0") < version("1.10.0") && version("2.0.0") > version("1.99.99"));
    }

    #[test]
    fn a_template_that_lacks_a_placeholder_is_refused() {
        for missing in [
            "__VENDOR_ACCOUNT_ID__",
            "__VENDOR_ROLE_PATH__",
            "__LISTENER_TOPIC_NAME__",
            "__SERVED_REGIONS__",
            "__TEMPLATE_VERSION__",
        ] {
            let source = ALL.replace(missing, "");
            assert_eq!(
                render_source(&source, version(), &values()),
                Err(RenderError::PlaceholderMissing(missing))
            );
        }
    }

    #[test]
    fn a_placeholder_that_nobody_fills_in_is_refused() {
        for (source, left) in [
            ("__VENDOR_NAME__", "__VENDOR_NAME__"),
            ("role__VENDOR_ROLE_PATHS__*", "__VENDOR_ROLE_PATHS__"),
            ("___X__", "___X__"),
        ] {
            assert_eq!(
                render_source(&format!("{ALL} {source}"), version(), &values()),
                Err(RenderError::PlaceholderLeft(left.to_owned()))
            );
        }
        assert!(render_source(&format!("{ALL} a__b __ c____d"), version(), &values()).is_ok());
    }

    #[test]
    fn a_template_that_cloudformation_would_not_take_is_refused() {
        let room = MAX_TEMPLATE_BYTES - render_source(ALL, version(), &values()).unwrap().text.len();
        let filled = |bytes| render_source(&format!("{ALL}{}", "x".repeat(bytes)), version(), &values());
        assert!(filled(room).is_ok());
        assert_eq!(
            filled(room + 1),
            Err(RenderError::TooLarge(MAX_TEMPLATE_BYTES + 1))
        );
    }

    #[test]
    fn a_role_path_that_lets_in_more_than_its_own_roles_is_refused() {
        for text in [
            "",
            "/",
            "//",
            "latchkey",
            "/latchkey",
            "latchkey/",
            "/*/",
            "/a*/",
            "/a?/",
            "/a//b/",
            "/a b/",
            "/a\n/",
            "/\"/",
            "/a:b/",
            "/${aws:username}/",
            "/a/b/c/d/e/",
            "/__X__/",
        ] {
            assert!(RolePath::parse(text).is_err(), "{text:?}");
        }
        for text in ["/latchkey/", "/a/b.c/D_1/", "/x@y=z,w+v-u/"] {
            assert_eq!(RolePath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_topic_name_or_version_that_could_break_out_of_the_template_is_refused() {
        for text in [
            "",
            "a:b",
            "a*",
            "a\"",
            "a b",
            "a\nb",
            "a/b",
            "a__b",
            &"a".repeat(65),
        ] {
            assert!(TopicName::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "us-east-1,", "us-east-1]", "__X__", "us-east-1,*"] {
            assert!(ServedRegions::parse(text).is_err(), "{text:?}");
        }
        for text in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "v1.0.0",
            "1.0.0-beta",
            "1.0.x",
            "1..0",
            "01.0.0",
            "1.0.0\n",
            "1.0.00000",
        ] {
            assert!(TemplateVersion::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_digest_is_the_sha256_of_the_text() {
        let template = RenderedTemplate {
            version: version(),
            text: "abc".to_owned(),
        };
        assert_eq!(
            template.sha256_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

//! A published version of the customer template, as the table remembers it for ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Partition key of everything in the table that is about templates.
pub const TEMPLATE_PK: &str = "TEMPLATE";
/// How the sort key of a published version begins; the version follows.
pub const VERSION_SK_PREFIX: &str = "VERSION#";

/// The item `TEMPLATE` / `VERSION#<version>`. It is written once, when the version is published first, and never changes.
///
/// A version that was published before there were differences has neither `changes` nor `files`; its sort key has the digest behind the
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVersion {
    /// The version: `<major>.<minor>.<patch>`.
    pub version: String,
    /// The https URL of the template.
    pub url: String,
    /// The SHA-256 of the template, in lower-case hexadecimal.
    pub sha256: String,
    /// When it was published first.
    pub published_at: Timestamp,
    /// What differs from the version before, in terms of permissions: `{from, to, changes: [{change, …}], changelog}`. None for a
    /// first version. The publisher makes it (`customer/src/diff.rs`); the service passes it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Value>,
    /// The entry of the customers' changelog, in Markdown: the effect on their account, and what they have to do.
    #[serde(default)]
    pub changelog: String,
    /// The names of the template's parameters: an update has to name each, or CloudFormation gives it its default again.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// What was published beside the template: security page, Terraform module, policies, script.
    #[serde(default)]
    pub files: Vec<PublishedFile>,
}

/// A file that was published beside a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Its name, such as `security.html`.
    pub name: String,
    /// Its https URL.
    pub url: String,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// Versions, newest first. One that is no version of ours comes last.
pub fn newest_first(versions: &[PublishedVersion]) -> Vec<&PublishedVersion> {
    let mut sorted: Vec<_> = versions.iter().collect();
    sorted.sort_by_key(|version| std::cmp::Reverse(numbers(&version.version)));
    sorted
}

/// The numbers of `<major>.<minor>.<patch>`.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let numbers: Vec<u32> = version
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    numbers.try_into().ok()
}

impl PublishedVersion {
    /// Whether this is a later version than `other`. Every version of ours is later than what is none: a stack made from
    /// a template that somebody edited.
    pub fn is_newer_than(&self, other: &str) -> bool {
        numbers(&self.version) > numbers(other)
    }

    /// The sort key of its item.
    pub fn sk(&self) -> String {
        format!("{VERSION_SK_PREFIX}{}", self.version)
    }

    /// Whether `other` is the same publication, whenever it was made.
    pub fn is_same_content(&self, other: &Self) -> bool {
        Self {
            published_at: other.published_at,
            ..self.clone()
        } == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"version":"1.0.0","url":"https://x.example/t","sha256":"ab","published_at":"2026-11-21T12:00:00Z"}"#;

    #[test]
    fn an_item_of_a_time_without_differences_is_read() {
        let version: PublishedVersion = serde_json::from_str(FIRST).unwrap();
        assert_eq!((version.changes.as_ref(), version.files.len()), (None, 0));
        assert_eq!(version.sk(), "VERSION#1.0.0");
    }

    #[test]
    fn versions_are_compared_by_their_numbers_and_not_by_their_letters() {
        let version = |number: &str| PublishedVersion {
            version: number.to_owned(),
            ..serde_json::from_str(FIRST).unwrap()
        };
        assert!(version("1.10.0").is_newer_than("1.9.3"));
        assert!(!version("1.9.3").is_newer_than("1.9.3"));
        assert!(!version("1.9.3").is_newer_than("2.0.0"));
        assert!(version("0.0.1").is_newer_than("1.0.0-edited"));
        let all = ["1.9.0", "x", "1.10.0", "1.0.0"].map(version);
        let sorted: Vec<_> = newest_first(&all)
            .into_iter()
            .map(|version| version.version.as_str())
            .collect();
        assert_eq!(sorted, ["1.10.0", "1.9.0", "1.0.0", "x"]);
    }

    #[test]
    fn the_same_content_is_the_same_whenever_it_was_published() {
        let version: PublishedVersion = serde_json::from_str(FIRST).unwrap();
        let later = PublishedVersion {
            published_at: Timestamp::UNIX_EPOCH,
            ..version.clone()
        };
        assert!(version.is_same_content(&later));
        let other = PublishedVersion {
            sha256: "cd".to_owned(),
            ..version.clone()
        };
        assert!(!version.is_same_content(&other));
        let file = PublishedFile {
            name: "a".to_owned(),
            url: "u".to_owned(),
            sha256: "ef".to_owned(),
        };
        let more = PublishedVersion {
            files: vec![file],
            ..version.clone()
        };
        assert!(!version.is_same_content(&more));
    }
}

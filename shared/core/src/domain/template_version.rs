//! A published version of the customer template, as the table remembers it for ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Partition key of everything in the table that is about templates.
pub const TEMPLATE_PK: &str = "TEMPLATE";
/// How the sort key of a published version begins; the version follows.
pub const VERSION_SK_PREFIX: &str = "VERSION#";
/// The name of the Terraform module's archive, which is published beside the template.
pub const MODULE_NAME: &str = "latchkey-terraform.zip";
/// The name of the trust policy for a role that is made by hand, with YOUR_EXTERNAL_ID in it.
pub const TRUST_POLICY_NAME: &str = "trust-policy.json";

/// The item `TEMPLATE` / `VERSION#<version>`: the newest publication of the version, and those
/// before it. Publishing the version for other regions adds a publication; nothing else about it
/// changes after the first.
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
    /// When it was published.
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
    /// What makes it this version: the SHA-256 of all that is rendered for it, before anything of a
    /// deployment is filled in. None where it was published before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The vendor's account, role path and topic that are filled in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vendor: String,
    /// The regions in which the template lets itself be launched: `eu-west-1, us-east-1`. Empty
    /// where it does not ask.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub regions: String,
    /// The publications before this one, the oldest first. Their links open as long as the bucket
    /// stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Publication>,
}

/// A version as it was published for other regions than it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The https URL of the template.
    pub url: String,
    /// The SHA-256 of the template, in lower-case hexadecimal.
    pub sha256: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// The regions in which that template lets itself be launched.
    pub regions: String,
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

    /// What is remembered where this is published after `known`; none where that is another content
    /// under the same version, which customers rely on as it is.
    pub fn after(self, known: &Self) -> Option<Self> {
        let is_same_version = match &known.identity {
            Some(identity) => self.identity.as_ref() == Some(identity) && self.vendor == known.vendor,
            None => (&self.url, &self.files) == (&known.url, &known.files),
        };
        if !is_same_version {
            return None;
        }
        if self.url == known.url {
            return Some(known.clone());
        }
        let former = Publication {
            url: known.url.clone(),
            sha256: known.sha256.clone(),
            published_at: known.published_at,
            regions: known.regions.clone(),
        };
        let earlier = known.earlier.iter().filter(|it| it.url != self.url);
        Some(Self {
            earlier: earlier.cloned().chain([former]).collect(),
            ..self
        })
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

    fn publication(url: &str, identity: Option<&str>) -> PublishedVersion {
        PublishedVersion {
            url: url.to_owned(),
            identity: identity.map(str::to_owned),
            vendor: "111111111111 /latchkey/ topic".to_owned(),
            regions: url.to_owned(),
            ..serde_json::from_str(FIRST).unwrap()
        }
    }

    #[test]
    fn a_version_is_published_for_other_regions_and_back() {
        let [first, wider] = ["a", "b"].map(|url| publication(url, Some("1")));
        assert_eq!(first.clone().after(&first).as_ref(), Some(&first));
        let later = PublishedVersion {
            published_at: Timestamp::MAX,
            ..first.clone()
        };
        assert_eq!(
            later.after(&first).as_ref(),
            Some(&first),
            "the first time is kept"
        );
        let widened = wider.clone().after(&first).unwrap();
        let urls = |it: &PublishedVersion| -> Vec<_> { it.earlier.iter().map(|it| it.url.clone()).collect() };
        assert_eq!(
            (widened.url.as_str(), urls(&widened)),
            ("b", vec!["a".to_owned()])
        );
        let back = first.after(&widened).unwrap();
        assert_eq!((back.url.as_str(), urls(&back)), ("a", vec!["b".to_owned()]));
    }

    #[test]
    fn another_content_is_not_published_under_a_known_version() {
        let known = publication("a", Some("1"));
        let of_another_vendor = PublishedVersion {
            vendor: "222222222222 /latchkey/ topic".to_owned(),
            ..publication("b", Some("1"))
        };
        let unnamed = publication("a", None);
        for other in [
            publication("b", Some("2")),
            publication("a", None),
            of_another_vendor,
        ] {
            assert_eq!(other.after(&known), None);
        }
        // Published by a former release, which knew no identity: the files have to be the same.
        assert_eq!(publication("b", Some("1")).after(&unnamed), None);
        assert_eq!(publication("a", Some("1")).after(&unnamed), Some(unnamed));
    }
}

//! What the vendor calls a connection: texts for people, kept and shown, never interpreted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::invalid::Invalid;

/// Longest name of a connection, in characters.
pub const MAX_NAME_CHARS: usize = 128;
/// Longest description of a connection, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1_024;
/// Most tags on one connection.
pub const MAX_TAGS: usize = 20;
/// Longest key of a tag, in characters.
pub const MAX_TAG_KEY_CHARS: usize = 64;
/// Longest value of a tag, in characters.
pub const MAX_TAG_VALUE_CHARS: usize = 256;

/// Name, description and tags of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Shown wherever the connection is.
    pub name: String,
    /// Shown with the connection itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The vendor's own labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Profile {
    /// Checks sizes, counts and characters.
    pub fn new(
        name: String,
        description: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Self, Invalid> {
        if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || !is_plain_text(&name) {
            return Err(Invalid::new(
                "name",
                "must be 1 to 128 characters of plain text on one line",
            ));
        }
        if let Some(description) = &description
            && (description.chars().count() > MAX_DESCRIPTION_CHARS || !is_plain_text(description))
        {
            return Err(Invalid::new(
                "description",
                "must be at most 1,024 characters of plain text on one line",
            ));
        }
        if tags.len() > MAX_TAGS {
            return Err(Invalid::new("tags", "must be at most 20"));
        }
        for (key, value) in &tags {
            if key.trim().is_empty() || key.chars().count() > MAX_TAG_KEY_CHARS || !is_plain_text(key) {
                return Err(Invalid::new(
                    "tags",
                    "must have keys of 1 to 64 characters of plain text",
                ));
            }
            if value.chars().count() > MAX_TAG_VALUE_CHARS || !is_plain_text(value) {
                return Err(Invalid::new(
                    "tags",
                    "must have values of at most 256 characters of plain text",
                ));
            }
        }
        Ok(Self {
            name,
            description,
            tags,
        })
    }
}

/// Whether a text shows as what it is: no control character, no line break, nothing invisible, nothing that turns
/// the direction of reading. Quotes and angle brackets are text; whoever shows them escapes them.
pub fn is_plain_text(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Profile, Invalid> {
        Profile::new(name.to_owned(), None, BTreeMap::new())
    }

    #[test]
    fn names_of_the_world_are_accepted_as_they_are() {
        for name in [
            "Acme",
            "Ärzte & Söhne <GmbH>",
            "日本語の名前",
            "\"quoted\"",
            &"ä".repeat(MAX_NAME_CHARS),
        ] {
            assert_eq!(named(name).unwrap().name, name);
        }
    }

    #[test]
    fn a_name_that_could_forge_a_log_line_or_turn_a_page_around_is_refused() {
        for name in [
            "",
            "  ",
            "a\nb",
            "a\r",
            "\u{1b}[31m",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{0}",
        ] {
            assert_eq!(named(name).unwrap_err().what, "name", "{name:?}");
        }
        assert!(named(&"a".repeat(MAX_NAME_CHARS + 1)).is_err());
    }

    #[test]
    fn descriptions_and_tags_have_limits() {
        let profile = |description: Option<String>, tags: Vec<(String, String)>| {
            Profile::new("a".into(), description, tags.into_iter().collect())
        };
        assert!(profile(Some("d".repeat(MAX_DESCRIPTION_CHARS)), vec![]).is_ok());
        assert!(profile(Some("d".repeat(MAX_DESCRIPTION_CHARS + 1)), vec![]).is_err());
        assert!(profile(Some("a\u{2066}b".into()), vec![]).is_err());
        let tag = |i: usize| (format!("k{i}"), "v".to_owned());
        assert!(profile(None, (0..MAX_TAGS).map(tag).collect()).is_ok());
        assert!(profile(None, (0..=MAX_TAGS).map(tag).collect()).is_err());
        for (key, value) in [
            (String::new(), "v".to_owned()),
            ("k".repeat(MAX_TAG_KEY_CHARS + 1), "v".into()),
            ("k\n".into(), "v".into()),
            ("k".into(), "v".repeat(MAX_TAG_VALUE_CHARS + 1)),
            ("k".into(), "\u{7}".into()),
        ] {
            assert!(
                profile(None, vec![(key.clone(), value.clone())]).is_err(),
                "{key:?} {value:?}"
            );
        }
    }
}

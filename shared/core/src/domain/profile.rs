//! What the vendor calls a connection: texts for people, kept and shown, never interpreted.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::domain::{invalid::Invalid, plain_text::refused_character};

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
        check(&name, 1..=MAX_NAME_CHARS, NAME)?;
        if let Some(description) = &description {
            check(description, 0..=MAX_DESCRIPTION_CHARS, DESCRIPTION)?;
        }
        if tags.len() > MAX_TAGS {
            return Err(Invalid::new("tags", "must be at most 20"));
        }
        for (key, value) in &tags {
            check(key, 1..=MAX_TAG_KEY_CHARS, TAG_KEY)?;
            check(value, 0..=MAX_TAG_VALUE_CHARS, TAG_VALUE)?;
        }
        Ok(Self {
            name,
            description,
            tags,
        })
    }
}

const NAME: Invalid = Invalid::new("name", "must be 1 to 128 characters of plain text on one line");
const DESCRIPTION: Invalid = Invalid::new(
    "description",
    "must be at most 1,024 characters of plain text on one line",
);
const TAG_KEY: Invalid = Invalid::new("tags", "must have keys of 1 to 64 characters of plain text");
const TAG_VALUE: Invalid = Invalid::new("tags", "must have values of at most 256 characters of plain text");

fn check(text: &str, chars: RangeInclusive<usize>, otherwise: Invalid) -> Result<(), Invalid> {
    if let Some(character) = refused_character(text) {
        return Err(otherwise.at(character));
    }
    let is_blank = *chars.start() > 0 && text.trim().is_empty();
    if is_blank || !chars.contains(&text.chars().count()) {
        return Err(otherwise);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Profile, Invalid> {
        Profile::new(name.to_owned(), None, BTreeMap::new())
    }

    #[test]
    fn a_name_is_kept_as_it_is_and_has_limits() {
        for name in ["Acme", "می\u{200c}خواهم", &"ä".repeat(MAX_NAME_CHARS)] {
            assert_eq!(named(name).unwrap().name, name);
        }
        for name in ["", "  ", &"a".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(named(name).unwrap_err(), NAME, "{name:?}");
        }
    }

    #[test]
    fn a_name_that_could_forge_a_log_line_or_turn_a_page_around_is_refused() {
        for (name, character) in [("a\nb", "2 (U+000A)"), ("ab\u{202e}", "3 (U+202E)")] {
            let told = named(name).unwrap_err().to_string();
            assert_eq!(told, format!("{NAME}; character {character} is not taken there"));
        }
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

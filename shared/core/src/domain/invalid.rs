//! The error of every parser in the domain.

use std::fmt;

/// The rule of a value that shows nothing wrong: what is wrong stands around it.
pub const PADDED: &str = "has a blank or a line break around it";

/// Why an input was refused. It names the field and the rule, and never repeats the input, so that it is safe in
/// a log, a stack event and a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// The field as the sender knows it, such as `RoleArn`.
    pub what: &'static str,
    /// The rule that it breaks, as the rest of a sentence, such as `is missing`.
    pub rule: &'static str,
    /// The character that breaks it, where one does.
    pub character: Option<Character>,
}

impl Invalid {
    /// An error for `what` that breaks `rule`.
    pub const fn new(what: &'static str, rule: &'static str) -> Self {
        Self {
            what,
            rule,
            character: None,
        }
    }

    /// The same for this character.
    #[must_use]
    pub const fn at(self, character: Character) -> Self {
        Self {
            character: Some(character),
            ..self
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.rule)?;
        match self.character {
            Some(character) => write!(f, "; {character} is not taken there"),
            None => Ok(()),
        }
    }
}

/// A character of an input, by its number: most of those that are refused do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Character {
    /// Which one.
    pub code: char,
    /// Where it stands, counted from 1.
    pub position: usize,
}

impl fmt::Display for Character {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {} (U+{:04X})", self.position, u32::from(self.code))
    }
}

/// Gives a newtype over `String` with a `parse` function the traits that a checked text has: `Display`, `AsRef`,
/// `FromStr`, and serde through the parser, so that a value read back from the table is checked again.
macro_rules! checked_text {
    ($type:ident) => {
        impl $type {
            /// The text, exactly as it was checked.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::invalid::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use checked_text;

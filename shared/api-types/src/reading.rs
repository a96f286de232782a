//! Reads requests strictly, and says in plain words which field is wrong: serde's words are for programmers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error as _, IgnoredAny, IntoDeserializer as _, MapAccess, Visitor,
        value::MapAccessDeserializer,
    },
};

/// Longest body that is read. The largest valid one, every character escaped, has half of it.
pub const MAX_BODY_BYTES: usize = 65_536;
/// Characters of an unknown field's name that are repeated to its sender.
const MAX_SHOWN_CHARS: usize = 64;

/// What a request may contain.
pub trait Takes: DeserializeOwned {
    /// What is read, at the beginning of a sentence.
    const WHAT: &'static str = "the body";
    /// Each field by its path, with its rule as the rest of a sentence, such as `must be a number`.
    const FIELDS: &'static [(&'static str, &'static str)];
}

/// Why a request could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It has a field of this name, which is not known.
    UnknownField(String),
    /// What else is wrong, in a sentence.
    Other(String),
}

impl Unread {
    /// The sentence for the sender of a `T`.
    pub fn sentence<T: Takes>(&self) -> String {
        match self {
            Self::UnknownField(name) => {
                let known: Vec<&str> = T::FIELDS.iter().map(|(name, _)| *name).collect();
                let known = match known.as_slice() {
                    [] => "no field".to_owned(),
                    known => known.join(", "),
                };
                format!("{name:?} is not known here; {} may have {known}", T::WHAT)
            }
            Self::Other(sentence) => sentence.clone(),
        }
    }
}

/// Reads a body of JSON: an object, each field once, and nothing after it.
pub fn body<T: Takes>(text: &str) -> Result<T, Unread> {
    if text.len() > MAX_BODY_BYTES {
        return Err(Unread::Other(format!(
            "the body is longer than {MAX_BODY_BYTES} bytes"
        )));
    }
    // From the text itself: a field that comes twice is refused instead of one of the two being taken.
    let mut reader = serde_json::Deserializer::from_str(text);
    let Object(read) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // serde_json takes a value that cannot be a name of an enum for broken JSON.
        let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
        if error.inner().is_data() || is_json() {
            unread::<T>(&error)
        } else {
            not_json()
        }
    })?;
    reader.end().map_err(|_| not_json())?;
    Ok(read)
}

/// Reads the parameters of a query string, each with all of its values.
pub fn query<T: Takes>(parameters: BTreeMap<String, Vec<String>>) -> Result<T, Unread> {
    let is_known = |name: &str| T::FIELDS.iter().any(|(known, _)| *known == name);
    // A filter with a slip of the pen would list everything.
    if let Some(name) = parameters.keys().find(|name| !is_known(name)) {
        return Err(Unread::UnknownField(shown(name)));
    }
    let mut values = serde_json::Map::new();
    for (name, given) in parameters {
        let Ok([value]) = <[String; 1]>::try_from(given) else {
            return Err(Unread::Other(format!(
                "{name} must be given once, and has no comma"
            )));
        };
        values.insert(name, as_meant(&value).into());
    }
    serde_path_to_error::deserialize(serde_json::Value::Object(values)).map_err(|error| unread::<T>(&error))
}

fn not_json() -> Unread {
    Unread::Other("the body is not JSON".to_owned())
}

fn unread<T: Takes>(error: &serde_path_to_error::Error<serde_json::Error>) -> Unread {
    let words = error.inner().to_string();
    if let Some(name) = named(&words, "unknown field `") {
        return Unread::UnknownField(shown(name));
    }
    for (kind, rule) in [
        ("missing field `", "is missing"),
        ("duplicate field `", "is given twice"),
    ] {
        if let Some(name) = named(&words, kind) {
            return Unread::Other(format!("{name} {rule}"));
        }
    }
    // An element of a list, or a key of the sender's own, is told by its field.
    let path = error.path().to_string();
    let is_in = |field: &str| {
        let rest = path.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    // The longest path comes last.
    let rule = T::FIELDS.iter().rev().find(|(field, _)| is_in(field));
    Unread::Other(match rule {
        Some((field, rule)) => format!("{field} {rule}"),
        None => format!("{} must be a JSON object", T::WHAT),
    })
}

/// The field that serde's sentence is about, where it is one of that kind.
fn named<'a>(words: &'a str, kind: &str) -> Option<&'a str> {
    words.strip_prefix(kind)?.split('`').next()
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN_CHARS).collect()
}

/// A JSON object: a struct of serde's would be read from an array, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads an object where there may be one.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let read = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(read.map(|Object(read)| read))
}

/// A value as it was meant where a person pasted it: without what stands around it, and an account without the dashes
/// that AWS's console shows it with.
pub(crate) fn as_meant(pasted: &str) -> String {
    let text = pasted.trim();
    let groups: Vec<&str> = text.split('-').collect();
    let is_group = |group: &&str| group.len() == 4 && group.bytes().all(|b| b.is_ascii_digit());
    if groups.len() == 3 && groups.iter().all(is_group) {
        groups.concat()
    } else {
        text.to_owned()
    }
}

/// Reads a value that a person may have pasted ([`as_meant`]). As serde does it by itself, `{"name":null}` would be
/// taken for the name of an enum's variant.
pub(crate) fn pasted<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(as_meant(&String::deserialize(deserializer)?).into_deserializer())
}

/// The same where there may be one.
pub(crate) fn pasted_if_any<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| T::deserialize(as_meant(&text).into_deserializer()))
        .transpose()
}

/// The same for a list of them.
pub(crate) fn pasted_list<'de, D, T>(deserializer: D) -> Result<Option<BTreeSet<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Ord,
{
    let texts = Option::<Vec<String>>::deserialize(deserializer)?;
    let read = |text: String| T::deserialize(as_meant(&text).into_deserializer());
    texts
        .map(|texts| texts.into_iter().map(read).collect())
        .transpose()
}

/// Reads a text of a person's own, without the blanks around it.
pub(crate) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.trim().to_owned())
}

/// The same where there may be one.
pub(crate) fn trimmed_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.trim().to_owned()))
}

/// Reads an object with keys of the sender's own, each once, without the blanks around keys and values.
pub(crate) fn unique<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Once;

    impl<'de> Visitor<'de> for Once {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<String, String>()? {
                if read
                    .insert(key.trim().to_owned(), value.trim().to_owned())
                    .is_some()
                {
                    return Err(A::Error::custom("a key twice"));
                }
            }
            Ok(read)
        }
    }

    deserializer.deserialize_map(Once)
}

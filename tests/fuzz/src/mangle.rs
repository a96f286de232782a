//! Inputs that are almost right: a seed, and what was done to it.

use std::{fs, path::Path};

use bolero::TypeGenerator;
use serde_json::Value;

/// Texts that have a meaning to some reader on the way, put in wherever.
const WORDS: [&str; 34] = [
    "",
    "*",
    "?",
    "/",
    "//",
    "\\",
    "@",
    ":",
    "#",
    "|",
    "%7C",
    "%2F",
    "%00",
    "%",
    "..",
    "/../",
    "\n",
    "\r\n",
    "\t",
    "\u{0}",
    "\u{202e}",
    "\u{feff}",
    "\u{ff0f}",
    "é",
    "${AWS::AccountId}",
    "arn:aws:",
    "role/",
    "assumed-role/",
    "169.254.169.254",
    "http://",
    "evil.example",
    ":443",
    "Delete",
    "null",
];

/// One thing that is done to a text. Positions and lengths are taken modulo what there is.
#[derive(Debug, Clone, TypeGenerator)]
pub enum Edit {
    /// A byte becomes another one.
    Set(u16, u8),
    /// A byte comes in.
    Insert(u16, u8),
    /// Some bytes go.
    Remove(u16, u8),
    /// Some bytes come again, many times.
    Repeat(u16, u8, u8),
    /// One of `WORDS` comes in.
    Word(u16, u8),
    /// The rest goes.
    Cut(u16),
    /// The rest of another seed comes instead.
    Splice(u16, u8, u16),
    /// Letters change their case.
    Case(u16, u8),
}

/// A seed by its number, and what is done to it.
#[derive(Debug, Clone, TypeGenerator)]
pub struct Mangled {
    seed: u8,
    #[generator(bolero::produce::<Vec<Edit>>().with().len(0..6_usize))]
    edits: Vec<Edit>,
}

impl Mangled {
    /// As a text; what is no UTF-8 any more is replaced.
    pub fn text(&self, seeds: &[String]) -> String {
        let pick = |index: u8| seeds[usize::from(index) % seeds.len()].as_bytes();
        let mut bytes = pick(self.seed).to_vec();
        for edit in &self.edits {
            let length = bytes.len();
            let at = |position: u16| usize::from(position) % (length + 1);
            let range =
                |position: u16, count: u8| at(position)..(at(position) + usize::from(count)).min(length);
            match edit {
                Edit::Set(position, byte) if length > 0 => bytes[usize::from(*position) % length] = *byte,
                Edit::Set(..) => {}
                Edit::Insert(position, byte) => bytes.insert(at(*position), *byte),
                Edit::Remove(position, count) => drop(bytes.drain(range(*position, *count))),
                Edit::Repeat(position, count, times) => {
                    let part = bytes[range(*position, *count)].repeat(usize::from(*times));
                    let position = at(*position);
                    bytes.splice(position..position, part);
                }
                Edit::Word(position, word) => {
                    let word = WORDS[usize::from(*word) % WORDS.len()];
                    let position = at(*position);
                    bytes.splice(position..position, word.bytes());
                }
                Edit::Cut(position) => bytes.truncate(at(*position)),
                Edit::Splice(position, seed, from) => {
                    let other = pick(*seed);
                    bytes.truncate(at(*position));
                    bytes.extend_from_slice(&other[usize::from(*from) % (other.len() + 1)..]);
                }
                Edit::Case(position, count) => {
                    for byte in &mut bytes[range(*position, *count)] {
                        *byte = if byte.is_ascii_uppercase() {
                            byte.to_ascii_lowercase()
                        } else {
                            byte.to_ascii_uppercase()
                        };
                    }
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// One thing that is done to a JSON value: some value in it becomes another.
#[derive(Debug, Clone, TypeGenerator)]
pub enum JsonEdit {
    /// Another kind of value, from a list of odd ones.
    Odd(u16, u8),
    /// A mangled text in the place of a text.
    Text(u16, Mangled),
    /// It goes.
    Gone(u16),
    /// It comes under another name.
    Renamed(u16, u8),
}

/// A seed that is JSON, and what is done to it: well-formed, whatever else it is.
#[derive(Debug, Clone, TypeGenerator)]
pub struct MangledJson {
    seed: u8,
    #[generator(bolero::produce::<Vec<JsonEdit>>().with().len(0..5_usize))]
    edits: Vec<JsonEdit>,
}

impl MangledJson {
    /// As a value.
    pub fn value(&self, seeds: &[Value]) -> Value {
        let mut value = seeds[usize::from(self.seed) % seeds.len()].clone();
        for edit in &self.edits {
            let (JsonEdit::Odd(at, _)
            | JsonEdit::Text(at, _)
            | JsonEdit::Gone(at)
            | JsonEdit::Renamed(at, _)) = edit;
            let mut paths = Vec::new();
            collect(&value, "", &mut paths);
            let path = paths[usize::from(*at) % paths.len()].clone();
            match edit {
                JsonEdit::Odd(_, odd) => replace(&mut value, &path, &odd_value(*odd)),
                JsonEdit::Text(_, mangled) => {
                    let text = value
                        .pointer(&path)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned();
                    let seeds: Vec<String> = [text].into_iter().chain(WORDS.map(str::to_owned)).collect();
                    replace(&mut value, &path, &Value::from(mangled.text(&seeds)));
                }
                JsonEdit::Gone(_) => drop(take(&mut value, &path)),
                JsonEdit::Renamed(_, word) => {
                    let word = WORDS[usize::from(*word) % WORDS.len()];
                    if let Some(taken) = take(&mut value, &path)
                        && let Some(fields) = parent(&mut value, &path).and_then(Value::as_object_mut)
                    {
                        fields.insert(word.to_owned(), taken);
                    }
                }
            }
        }
        value
    }
}

fn odd_value(which: u8) -> Value {
    match which % 12 {
        0 => Value::Null,
        1 => Value::from(true),
        2 => Value::from(0),
        3 => Value::from(-1),
        4 => Value::from(u64::MAX),
        5 => Value::from(1e300),
        6 => Value::from(""),
        7 => Value::from("x".repeat(5_000)),
        8 => Value::Array(Vec::new()),
        9 => serde_json::json!([["x"], {}]),
        10 => serde_json::json!({}),
        _ => serde_json::json!({ "a": { "b": { "c": [] } } }),
    }
}

fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    paths.push(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(field, &format!("{path}/{name}"), paths);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}/{index}"), paths);
            }
        }
        _ => {}
    }
}

fn replace(value: &mut Value, path: &str, with: &Value) {
    if let Some(place) = value.pointer_mut(path) {
        *place = with.clone();
    }
}

fn parent<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    value.pointer_mut(path.rsplit_once('/')?.0)
}

fn take(value: &mut Value, path: &str) -> Option<Value> {
    let name = path.rsplit_once('/')?.1.replace("~1", "/").replace("~0", "~");
    match parent(value, path)? {
        Value::Object(fields) => fields.remove(&name),
        Value::Array(items) => name
            .parse()
            .ok()
            .filter(|index| *index < items.len())
            .map(|index: usize| items.remove(index)),
        _ => None,
    }
}

/// The lines of a file of `seeds/`.
pub fn lines(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// The payloads of `events/` for a function.
pub fn events(function: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events")
        .join(function);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

//! As much of DynamoDB's expressions as a sweep writes. What is not understood stops the simulation.

use serde_json::{Map, Value};

/// Whether the condition of a write holds of the item that is there.
pub fn holds(write: &Value, item: Option<&Value>) -> bool {
    let Some(condition) = write["ConditionExpression"].as_str() else {
        return true;
    };
    let all_hold = |terms: &str| terms.split(" AND ").all(|term| term_holds(term, write, item));
    condition.split(" OR ").any(all_hold)
}

fn term_holds(term: &str, write: &Value, item: Option<&Value>) -> bool {
    let inside = |function: &str| term.strip_prefix(function)?.strip_suffix(')');
    let value = |name: &str| item.map(|item| &item[name]).filter(|value| !value.is_null());
    if let Some(name) = inside("attribute_not_exists(") {
        return value(name).is_none();
    }
    if let Some(name) = inside("attribute_exists(") {
        return value(name).is_some();
    }
    let [name, comparison, wanted] = term.split(' ').collect::<Vec<_>>()[..] else {
        panic!("a condition that is not known: {term}");
    };
    let wanted = &write["ExpressionAttributeValues"][wanted];
    assert!(!wanted.is_null(), "no value for {term}");
    let Some(value) = value(name) else {
        return false;
    };
    match comparison {
        "=" => value == wanted,
        "<" => number(value) < number(wanted),
        ">" => number(value) > number(wanted),
        _ => panic!("a condition that is not known: {term}"),
    }
}

fn number(value: &Value) -> i64 {
    value["N"].as_str().unwrap().parse().unwrap()
}

/// Does what an update says, `SET <map>.<#name> = <:value>`.
pub fn update(update: &Value, item: &mut Value) {
    let expression = update["UpdateExpression"].as_str().unwrap();
    let (path, value) = expression
        .strip_prefix("SET ")
        .unwrap()
        .split_once(" = ")
        .unwrap();
    let (map, name) = path.split_once('.').unwrap();
    let name = update["ExpressionAttributeNames"][name].as_str().unwrap();
    let value = update["ExpressionAttributeValues"][value].clone();
    item[map]["M"]
        .as_object_mut()
        .unwrap()
        .insert(name.to_owned(), value);
}

/// The size of an item in bytes, as DynamoDB counts it: the names and the values, a number's two digits in one byte and
/// one more, and a map's three and one for each entry.
pub fn bytes(item: &Map<String, Value>) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum()
}

fn value_bytes(value: &Value) -> usize {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => value.as_str().unwrap().len(),
        "N" => value.as_str().unwrap().len().div_ceil(2) + 1,
        "BOOL" | "NULL" => 1,
        "M" => {
            let entries = value.as_object().unwrap();
            3 + entries.len() + bytes(entries)
        }
        "L" => {
            let entries = value.as_array().unwrap();
            3 + entries.len() + entries.iter().map(value_bytes).sum::<usize>()
        }
        other => panic!("an attribute of a kind that is not known: {other}"),
    }
}

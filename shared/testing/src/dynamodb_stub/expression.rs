//! As much of DynamoDB's expressions as we and the benchmark's peers write, and the size of an item.

use serde_json::{Map, Value, json};

/// Whether the condition of a write holds of the item that is there.
pub fn holds(write: &Value, item: Option<&Value>) -> Result<bool, String> {
    let Some(condition) = write["ConditionExpression"].as_str() else {
        return Ok(true);
    };
    for terms in condition.split(" OR ") {
        let mut all_hold = true;
        for term in terms.split(" AND ") {
            all_hold &= term_holds(term, write, item)?;
        }
        if all_hold {
            return Ok(true);
        }
    }
    Ok(false)
}

fn term_holds(term: &str, write: &Value, item: Option<&Value>) -> Result<bool, String> {
    let inside = |function: &str| term.strip_prefix(function)?.strip_suffix(')');
    let value = |named: &str| item.and_then(|item| item.get(name(write, named)));
    if let Some(named) = inside("attribute_not_exists(") {
        return Ok(value(named).is_none());
    }
    if let Some(named) = inside("attribute_exists(") {
        return Ok(value(named).is_some());
    }
    let not_known = || format!("the stub does not know the condition {term:?}");
    let [named, comparison, wanted] = term.split(' ').collect::<Vec<_>>()[..] else {
        return Err(not_known());
    };
    let wanted = placeholder(write, wanted)?;
    match (comparison, value(named)) {
        ("=" | "<" | ">", None) => Ok(false),
        ("=", Some(value)) => Ok(value == wanted),
        ("<", Some(value)) => Ok(number(value)? < number(wanted)?),
        (">", Some(value)) => Ok(number(value)? > number(wanted)?),
        _ => Err(not_known()),
    }
}

fn number(value: &Value) -> Result<i64, String> {
    let number = value["N"].as_str().and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{value} is no whole number"))
}

/// Does what an update says: `SET <path> = <:value>, … ADD <name> <:value>`.
pub fn update(update: &Value, item: &mut Value) -> Result<(), String> {
    let expression = update["UpdateExpression"].as_str().ok_or("no UpdateExpression")?;
    let not_known = || format!("the stub does not know the update {expression:?}");
    let (set, add) = match expression.split_once(" ADD ") {
        Some((set, add)) => (set, Some(add)),
        None => (expression, None),
    };
    for part in set.strip_prefix("SET ").ok_or_else(not_known)?.split(", ") {
        let (path, value) = part.split_once(" = ").ok_or_else(not_known)?;
        let value = placeholder(update, value)?.clone();
        match path.split_once('.') {
            None => item[name(update, path)] = value,
            Some((map, inner)) => {
                let entries = item[name(update, map)]["M"].as_object_mut();
                entries
                    .ok_or_else(not_known)?
                    .insert(name(update, inner).to_owned(), value);
            }
        }
    }
    if let Some(add) = add {
        let (named, value) = add.split_once(' ').ok_or_else(not_known)?;
        let named = name(update, named);
        let before = item.get(named).map_or(Ok(0), number)?;
        let sum = before + number(placeholder(update, value)?)?;
        item[named] = json!({ "N": sum.to_string() });
    }
    Ok(())
}

/// The name of an attribute, which a placeholder may stand for.
pub fn name<'a>(request: &'a Value, named: &'a str) -> &'a str {
    request["ExpressionAttributeNames"][named]
        .as_str()
        .unwrap_or(named)
}

/// The value that a placeholder stands for.
pub fn placeholder<'a>(request: &'a Value, name: &str) -> Result<&'a Value, String> {
    let value = request["ExpressionAttributeValues"].get(name);
    value.ok_or_else(|| format!("there is no value {name}"))
}

/// The size of an item in bytes, as DynamoDB counts it: the names and the values, a number's two digits in one byte and
/// one more, and a map's three and one for each entry.
pub fn bytes(item: &Map<String, Value>) -> usize {
    let size = |(name, value): (&String, &Value)| name.len() + value_bytes(value);
    item.iter().map(size).sum()
}

fn value_bytes(value: &Value) -> usize {
    let typed = value.as_object().and_then(|value| value.iter().next());
    match typed.map(|(kind, value)| (kind.as_str(), value)) {
        Some(("S", Value::String(text))) => text.len(),
        Some(("N", Value::String(digits))) => digits.len().div_ceil(2) + 1,
        Some(("M", Value::Object(entries))) => 3 + entries.len() + bytes(entries),
        Some(("L", Value::Array(entries))) => {
            3 + entries.len() + entries.iter().map(value_bytes).sum::<usize>()
        }
        _ => 1,
    }
}

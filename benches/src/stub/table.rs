//! A table that keeps items by their keys. It checks no condition, and refuses what it does not understand, so that no
//! benchmark runs on a wrong answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Items by partition and sort key, in DynamoDB's JSON.
#[derive(Debug, Default, Clone)]
pub struct Table(BTreeMap<(String, String), Value>);

/// What is answered to a call, or why it is refused.
pub type Answer = Result<Value, String>;

fn key(of: &Value) -> Option<(String, String)> {
    Some((
        of["pk"]["S"].as_str()?.to_owned(),
        of["sk"]["S"].as_str()?.to_owned(),
    ))
}

impl Table {
    /// Stores an item; one without a key is dropped.
    pub fn put(&mut self, item: Value) {
        if let Some(key) = key(&item) {
            self.0.insert(key, item);
        }
    }

    fn get(&self, of: &Value) -> Answer {
        let key = key(of).ok_or("a key without pk and sk")?;
        Ok(match self.0.get(&key) {
            Some(item) => json!({ "Item": item }),
            None => json!({}),
        })
    }

    /// Answers one call. With `is_frozen`, writes are understood and not done.
    pub fn call(&mut self, operation: &str, request: &Value, is_frozen: bool) -> Answer {
        match operation {
            "GetItem" => self.get(&request["Key"]),
            "BatchGetItem" => self.batch_get(request),
            "Query" => self.query(request),
            "PutItem" => self.write(&json!({ "Put": request }), is_frozen),
            "UpdateItem" => self.write(&json!({ "Update": request }), is_frozen),
            "DeleteItem" => self.write(&json!({ "Delete": request }), is_frozen),
            "TransactWriteItems" => {
                for write in request["TransactItems"].as_array().ok_or("no TransactItems")? {
                    self.write(write, is_frozen)?;
                }
                Ok(json!({}))
            }
            other => Err(format!("the stub does not know {other}")),
        }
    }

    fn batch_get(&self, request: &Value) -> Answer {
        let mut responses = Map::new();
        for (table, wanted) in request["RequestItems"].as_object().ok_or("no RequestItems")? {
            let keys = wanted["Keys"].as_array().ok_or("no Keys")?;
            let found = keys
                .iter()
                .filter_map(|wanted| self.0.get(&key(wanted)?))
                .cloned()
                .collect();
            responses.insert(table.clone(), Value::Array(found));
        }
        Ok(json!({ "Responses": responses, "UnprocessedKeys": {} }))
    }

    fn write(&mut self, write: &Value, is_frozen: bool) -> Answer {
        let (kind, part) = write
            .as_object()
            .and_then(|write| write.iter().next())
            .ok_or("an empty write")?;
        let (old, new) = match kind.as_str() {
            "Put" => (key(&part["Item"]), Some(part["Item"].clone())),
            "Delete" => (key(&part["Key"]), None),
            "Update" => (key(&part["Key"]), Some(self.updated(part)?)),
            "ConditionCheck" => return Ok(json!({})),
            other => return Err(format!("the stub does not know a write of {other}")),
        };
        let key = old.ok_or("a write without a key")?;
        if !is_frozen {
            match new {
                Some(item) => self.0.insert(key, item),
                None => self.0.remove(&key),
            };
        }
        Ok(json!({}))
    }

    /// An item with what an update sets. Only `SET name = :value, …` is understood.
    fn updated(&self, update: &Value) -> Answer {
        let expression = update["UpdateExpression"].as_str().ok_or("no UpdateExpression")?;
        let key = key(&update["Key"]).ok_or("no Key")?;
        let mut item = self.0.get(&key).cloned().unwrap_or_else(|| update["Key"].clone());
        let not_known = || format!("the stub does not know the update {expression:?}");
        for part in expression.strip_prefix("SET ").ok_or_else(not_known)?.split(", ") {
            let (name, value) = part.split_once(" = ").ok_or_else(not_known)?;
            item[attribute(update, name)] = placeholder(update, value).ok_or_else(not_known)?;
        }
        Ok(item)
    }

    /// What fits a key condition, in the order of the keys; an index is a condition like any other.
    fn query(&self, request: &Value) -> Answer {
        let expression = request["KeyConditionExpression"].as_str().ok_or("no condition")?;
        let mut conditions = Vec::new();
        for part in expression.split(" AND ") {
            let not_known = || format!("the stub does not know the condition {part:?}");
            let (name, value, is_prefix) = if let Some(rest) = part.strip_prefix("begins_with(") {
                let (name, value) = rest
                    .trim_end_matches(')')
                    .split_once(", ")
                    .ok_or_else(not_known)?;
                (name, value, true)
            } else {
                let (name, value) = part.split_once(" = ").ok_or_else(not_known)?;
                (name, value, false)
            };
            let value = placeholder(request, value).ok_or_else(not_known)?;
            conditions.push((attribute(request, name), value, is_prefix));
        }
        let fits = |item: &&Value| {
            conditions.iter().all(|(name, value, is_prefix)| {
                if *is_prefix {
                    let texts = item[name]["S"].as_str().zip(value["S"].as_str());
                    texts.is_some_and(|(text, prefix)| text.starts_with(prefix))
                } else {
                    item[name] == *value
                }
            })
        };
        let items: Vec<&Value> = self.0.values().filter(fits).collect();
        Ok(json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }))
    }
}

/// The name of an attribute, which a placeholder may stand for.
fn attribute(request: &Value, name: &str) -> String {
    request["ExpressionAttributeNames"][name]
        .as_str()
        .unwrap_or(name)
        .to_owned()
}

fn placeholder(request: &Value, name: &str) -> Option<Value> {
    request["ExpressionAttributeValues"].get(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pk: &str, sk: &str, slot: &str) -> Value {
        json!({ "pk": { "S": pk }, "sk": { "S": sk }, "slot": { "S": slot } })
    }

    #[test]
    fn what_was_written_is_read_and_queried_and_what_is_frozen_stays() -> Result<(), String> {
        let mut table = Table::default();
        let put = |item: Value| json!({ "TransactItems": [{ "Put": { "Item": item } }] });
        table.call("TransactWriteItems", &put(item("A", "CONN#1", "x")), false)?;
        table.call("TransactWriteItems", &put(item("A", "CONN#2", "x")), true)?;
        let key = json!({ "Key": { "pk": { "S": "A" }, "sk": { "S": "CONN#1" } } });
        assert_eq!(table.call("GetItem", &key, false)?["Item"]["slot"]["S"], "x");
        let update = json!({
            "Key": key["Key"],
            "UpdateExpression": "SET #slot = :slot",
            "ExpressionAttributeNames": { "#slot": "slot" },
            "ExpressionAttributeValues": { ":slot": { "S": "y" } },
        });
        table.call("UpdateItem", &update, false)?;
        let query = |slot: &str| {
            json!({
                "KeyConditionExpression": "slot = :slot AND begins_with(sk, :prefix)",
                "ExpressionAttributeValues": { ":slot": { "S": slot }, ":prefix": { "S": "CONN#" } },
            })
        };
        assert_eq!(table.call("Query", &query("y"), false)?["Count"], 1);
        assert_eq!(table.call("Query", &query("x"), false)?["Count"], 0);
        Ok(())
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut table = Table::default();
        for (operation, request) in [
            ("Scan", json!({})),
            ("GetItem", json!({ "Key": {} })),
            (
                "UpdateItem",
                json!({ "Key": { "pk": { "S": "a" }, "sk": { "S": "b" } }, "UpdateExpression": "ADD n :one" }),
            ),
            ("Query", json!({ "KeyConditionExpression": "pk > :a" })),
        ] {
            assert!(table.call(operation, &request, false).is_err(), "{operation}");
        }
    }
}

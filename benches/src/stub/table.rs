//! A table that keeps items by their keys. It checks no condition, and refuses what it does not understand, so that no
//! benchmark runs on a wrong answer.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

/// A primary key.
type Key = (String, String);

/// The attribute that the index `status` is by.
const FILED_UNDER: &str = "filed_under";
const TENANT_PREFIX: &str = "TENANT#";
const CONNECTION_PREFIX: &str = "CONN#";

/// Items by partition and sort key, in DynamoDB's JSON.
#[derive(Debug, Default, Clone)]
pub struct Table {
    items: BTreeMap<Key, Stored>,
    /// The index `status`: where an item is filed, and its sort key.
    filed: BTreeMap<Key, Key>,
}

/// An item.
#[derive(Debug, Clone)]
enum Stored {
    Item(Value),
    /// A connection that differs from another one in its tenant and its id alone: a million of them fit into memory.
    CopyOf(Arc<Value>),
}

impl Stored {
    fn item(&self, (pk, sk): &Key) -> Value {
        match self {
            Self::Item(item) => item.clone(),
            Self::CopyOf(original) => {
                let mut item = Value::clone(original);
                let tenant = pk.trim_start_matches(TENANT_PREFIX);
                item["pk"] = json!({ "S": pk });
                item["sk"] = json!({ "S": sk });
                item["tenant"] = json!({ "S": tenant });
                item["id"] = json!({ "S": sk.trim_start_matches(CONNECTION_PREFIX) });
                if let Some((filing, _)) = filed_under(original).and_then(|filed| filed.split_once('#')) {
                    item[FILED_UNDER] = json!({ "S": format!("{filing}#{tenant}") });
                }
                item
            }
        }
    }
}

/// What is answered to a call, or why it is refused.
pub type Answer = Result<Value, String>;

fn key(of: &Value) -> Option<Key> {
    Some((
        of["pk"]["S"].as_str()?.to_owned(),
        of["sk"]["S"].as_str()?.to_owned(),
    ))
}

fn filed_under(item: &Value) -> Option<&str> {
    item[FILED_UNDER]["S"].as_str()
}

impl Table {
    /// Stores an item; one without a key is dropped.
    pub fn put(&mut self, item: Value) {
        if let Some(key) = key(&item) {
            self.insert(key, Stored::Item(item));
        }
    }

    /// Gives a tenant `count` copies of the one connection that is there. Their ids are their numbers, by
    /// [`copied_id`].
    pub fn copy_connection(&mut self, tenant: &str, count: usize) -> Result<(), String> {
        let is_connection =
            |key: &Key| key.0.starts_with(TENANT_PREFIX) && key.1.starts_with(CONNECTION_PREFIX);
        let original = self.items.iter().find_map(|(key, stored)| match stored {
            Stored::Item(item) if is_connection(key) => Some(item.clone()),
            _ => None,
        });
        let original = Arc::new(original.ok_or("no connection to copy")?);
        for number in 0..count {
            let key = (
                format!("{TENANT_PREFIX}{tenant}"),
                format!("{CONNECTION_PREFIX}{}", copied_id(number)),
            );
            self.insert(key, Stored::CopyOf(original.clone()));
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, stored: Stored) {
        self.remove(&key);
        if let Some(filed) = filed_under(&stored.item(&key)) {
            self.filed.insert((filed.to_owned(), key.1.clone()), key.clone());
        }
        self.items.insert(key, stored);
    }

    fn remove(&mut self, key: &Key) {
        let removed = self.items.remove(key).map(|stored| stored.item(key));
        if let Some(filed) = removed.as_ref().and_then(filed_under) {
            self.filed.remove(&(filed.to_owned(), key.1.clone()));
        }
    }

    fn find(&self, key: &Key) -> Option<Value> {
        self.items.get(key).map(|stored| stored.item(key))
    }

    fn get(&self, of: &Value) -> Answer {
        let key = key(of).ok_or("a key without pk and sk")?;
        Ok(match self.find(&key) {
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
                .filter_map(|wanted| self.find(&key(wanted)?))
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
                Some(item) => self.insert(key, Stored::Item(item)),
                None => self.remove(&key),
            }
        }
        Ok(json!({}))
    }

    /// An item with what an update sets. Only `SET name = :value, …` is understood.
    fn updated(&self, update: &Value) -> Answer {
        let expression = update["UpdateExpression"].as_str().ok_or("no UpdateExpression")?;
        let key = key(&update["Key"]).ok_or("no Key")?;
        let mut item = self.find(&key).unwrap_or_else(|| update["Key"].clone());
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
        if let Some(page) = self.page(request, &conditions) {
            return Ok(page);
        }
        let fits = |item: &Value| {
            conditions.iter().all(|(name, value, is_prefix)| {
                if *is_prefix {
                    let texts = item[name]["S"].as_str().zip(value["S"].as_str());
                    texts.is_some_and(|(text, prefix)| text.starts_with(prefix))
                } else {
                    item[name] == *value
                }
            })
        };
        let items = self.items.iter().map(|(key, stored)| stored.item(key));
        let items: Vec<Value> = items.filter(fits).collect();
        Ok(json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }))
    }

    /// A page of one partition of the table or of the index `status`, found as DynamoDB finds it: by its place, however
    /// much there is beside it. None for another query.
    fn page(&self, request: &Value, conditions: &[(String, Value, bool)]) -> Option<Value> {
        let [(attribute, partition, false), (sk, prefix, true)] = conditions else {
            return None;
        };
        let (partition, prefix) = (partition["S"].as_str()?, prefix["S"].as_str()?);
        let limit = request["Limit"]
            .as_u64()
            .map_or(usize::MAX, |limit| limit as usize);
        let after = request["ExclusiveStartKey"]["sk"]["S"].as_str();
        let from = (partition.to_owned(), after.unwrap_or(prefix).to_owned());
        let belongs =
            |(of, sk): &&Key| of == partition && sk.starts_with(prefix) && Some(sk.as_str()) != after;
        let passed = |(of, sk): &&Key| of == partition && Some(sk.as_str()) == after;
        let items: Vec<Value> = match (attribute.as_str(), sk.as_str()) {
            ("pk", "sk") => {
                let keys = self.items.range(from..).map(|(key, _)| key).skip_while(passed);
                let keys = keys.take_while(belongs).take(limit);
                keys.filter_map(|key| self.find(key)).collect()
            }
            (FILED_UNDER, "sk") => {
                let keys = self
                    .filed
                    .range(from..)
                    .map(|(filed, _)| filed)
                    .skip_while(passed);
                let keys = keys.take_while(belongs).take(limit);
                let item = |filed: &Key| {
                    let (pk, sk) = self.filed.get(filed)?;
                    Some(json!({ "pk": { "S": pk }, "sk": { "S": sk }, FILED_UNDER: { "S": filed.0 } }))
                };
                keys.filter_map(item).collect()
            }
            _ => return None,
        };
        let mut page = json!({ "Count": items.len(), "ScannedCount": items.len() });
        if let Some(last) = items.last().filter(|_| items.len() == limit) {
            page["LastEvaluatedKey"] =
                json!({ "pk": last["pk"], "sk": last["sk"], FILED_UNDER: last[FILED_UNDER] });
        }
        page["Items"] = Value::Array(items);
        Some(page)
    }
}

/// The id of a copy, by its number.
pub fn copied_id(number: usize) -> String {
    format!("conn_c{number:023}")
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
    fn a_partition_is_read_in_pages_and_holds_its_own_alone() -> Result<(), String> {
        let mut table = Table::default();
        let mut original = item("TENANT#a", "CONN#z", "x");
        original[FILED_UNDER] = json!({ "S": "active#a" });
        table.put(original);
        table.copy_connection("b", 5)?;
        table.copy_connection("bb", 5)?;
        for (attribute, partition) in [("pk", "TENANT#b"), (FILED_UNDER, "active#b")] {
            let mut request = json!({
                "KeyConditionExpression": format!("{attribute} = :of AND begins_with(sk, :prefix)"),
                "ExpressionAttributeValues": { ":of": { "S": partition }, ":prefix": { "S": "CONN#" } },
                "Limit": 2,
            });
            let mut pages = Vec::new();
            loop {
                let page = table.call("Query", &request, false)?;
                let ids = page["Items"].as_array().ok_or("no items")?;
                let ids: Vec<String> = ids.iter().map(|item| item["sk"]["S"].to_string()).collect();
                pages.push(ids.len());
                assert!(ids.iter().all(|id| id.contains("CONN#conn_c0")), "{ids:?}");
                if page["LastEvaluatedKey"].is_null() {
                    break;
                }
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
            }
            assert_eq!(pages, [2, 2, 1], "{attribute}");
        }
        let key =
            json!({ "Key": { "pk": { "S": "TENANT#b" }, "sk": { "S": format!("CONN#{}", copied_id(3)) } } });
        let copy = &table.call("GetItem", &key, false)?["Item"];
        assert_eq!(copy["tenant"]["S"], "b");
        assert_eq!(copy["id"]["S"], copied_id(3));
        assert_eq!(copy[FILED_UNDER]["S"], "active#b");
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

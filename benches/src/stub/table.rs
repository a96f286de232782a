//! A table that keeps items by their keys. It checks no condition, and refuses what it does not understand, so that no
//! benchmark runs on a wrong answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

/// A primary key.
type Key = (String, String);

/// The attributes that an index is by, and what it has beside the keys.
const INDEXES: [(&str, &[&str]); 2] = [(FILED_UNDER, &[]), (SWEEP_SLOT, &["sweep_role", "external_id"])];
/// That of the index `status`.
const FILED_UNDER: &str = "filed_under";
/// That of the index `sweep`.
const SWEEP_SLOT: &str = "sweep_slot";
/// DynamoDB's limit on what a page of a query has, in bytes.
const MAX_PAGE_BYTES: usize = 1 << 20;
const TENANT_PREFIX: &str = "TENANT#";
const CONNECTION_PREFIX: &str = "CONN#";

/// Items by partition and sort key, in DynamoDB's JSON.
#[derive(Debug, Default, Clone)]
pub struct Table {
    items: BTreeMap<Key, Stored>,
    /// The indexes: by which attribute, its value, and the item's sort key before its partition.
    indexed: BTreeSet<(&'static str, String, String, String)>,
}

/// An item.
#[derive(Debug, Clone)]
enum Stored {
    Item(Arc<Value>),
    /// A connection that differs from another one in its tenant, its id and its slot of so many alone: a million of them
    /// fit into memory.
    CopyOf(Arc<Value>, usize),
}

impl Stored {
    /// One attribute of the item with this key.
    fn attribute(&self, (pk, sk): &Key, name: &str) -> Value {
        let (original, slots) = match self {
            Self::Item(item) => return item[name].clone(),
            Self::CopyOf(original, slots) => (original, slots),
        };
        let tenant = pk.trim_start_matches(TENANT_PREFIX);
        let text = match name {
            "pk" => pk.clone(),
            "sk" => sk.clone(),
            "tenant" => tenant.to_owned(),
            "id" => sk.trim_start_matches(CONNECTION_PREFIX).to_owned(),
            SWEEP_SLOT => {
                let number = sk.trim_start_matches(COPY_PREFIX).parse::<usize>();
                format!("active#{}", number.unwrap_or_default() % slots)
            }
            FILED_UNDER => {
                let of_original = original[name]["S"].as_str().unwrap_or_default();
                let filing = of_original.split('#').next().unwrap_or_default();
                format!("{filing}#{tenant}")
            }
            _ => return original[name].clone(),
        };
        json!({ "S": text })
    }

    /// The item with this key, whole.
    fn item(&self, key: &Key) -> Value {
        let (Self::Item(item) | Self::CopyOf(item, _)) = self;
        self.part(
            key,
            item.as_object()
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str),
        )
    }

    /// These attributes of it, as far as it has them.
    fn part<'a>(&self, key: &Key, names: impl Iterator<Item = &'a str>) -> Value {
        let attributes = names.map(|name| (name.to_owned(), self.attribute(key, name)));
        attributes.filter(|(_, value)| !value.is_null()).collect()
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

/// Where the indexes have an item.
fn entries(stored: &Stored, key: &Key) -> impl Iterator<Item = (&'static str, String, String, String)> {
    INDEXES.into_iter().filter_map(move |(attribute, _)| {
        let value = stored.attribute(key, attribute)["S"].as_str()?.to_owned();
        Some((attribute, value, key.1.clone(), key.0.clone()))
    })
}

/// The bytes that DynamoDB counts for an item of texts: names and values.
fn bytes(item: &Value) -> usize {
    let attributes = item.as_object().into_iter().flatten();
    attributes
        .map(|(name, value)| name.len() + value["S"].as_str().map_or(0, str::len))
        .sum()
}

impl Table {
    /// Stores an item; one without a key is dropped.
    pub fn put(&mut self, item: Value) {
        if let Some(key) = key(&item) {
            self.insert(key, Stored::Item(Arc::new(item)));
        }
    }

    /// Gives a tenant `count` copies of the one connection that is there, in the sweep's `slots` in turn. Their ids are
    /// their numbers, by [`copied_id`].
    pub fn copy_connection(&mut self, tenant: &str, count: usize, slots: usize) -> Result<(), String> {
        let is_connection =
            |key: &Key| key.0.starts_with(TENANT_PREFIX) && key.1.starts_with(CONNECTION_PREFIX);
        let original = self.items.iter().find_map(|(key, stored)| match stored {
            Stored::Item(item) if is_connection(key) => Some(item.clone()),
            _ => None,
        });
        let original = original.ok_or("no connection to copy")?;
        for number in 0..count {
            let key = (
                format!("{TENANT_PREFIX}{tenant}"),
                format!("{CONNECTION_PREFIX}{}", copied_id(number)),
            );
            self.insert(key, Stored::CopyOf(original.clone(), slots));
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, stored: Stored) {
        self.remove(&key);
        self.indexed.extend(entries(&stored, &key));
        self.items.insert(key, stored);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(removed) = self.items.remove(key) {
            for entry in entries(&removed, key) {
                self.indexed.remove(&entry);
            }
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
                Some(item) => self.insert(key, Stored::Item(Arc::new(item))),
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

    /// A page of one partition of the table or of an index, found as DynamoDB finds it: by its place, however much there
    /// is beside it, and no more than DynamoDB gives at once. None for another query.
    fn page(&self, request: &Value, conditions: &[(String, Value, bool)]) -> Option<Value> {
        let (attribute, partition, prefix) = match conditions {
            [(attribute, partition, false)] => (attribute, partition, ""),
            [(attribute, partition, false), (sk, prefix, true)] if sk == "sk" => {
                (attribute, partition, prefix["S"].as_str()?)
            }
            _ => return None,
        };
        let partition = partition["S"].as_str()?;
        let start = &request["ExclusiveStartKey"];
        let after = start["sk"]["S"].as_str().zip(start["pk"]["S"].as_str());
        let (sk, pk) = after.unwrap_or((prefix, ""));
        let is_after = |(pk, sk): (&str, &str)| sk.starts_with(prefix) && after != Some((sk, pk));
        let index = INDEXES.into_iter().find(|(name, _)| name == attribute);
        let mut items: Box<dyn Iterator<Item = Value>> = match index {
            None if attribute == "pk" => {
                let from = (partition.to_owned(), sk.to_owned());
                let of_partition = self
                    .items
                    .range(from..)
                    .take_while(|((pk, _), _)| pk == partition);
                let keys = of_partition.map(|(key, _)| key);
                Box::new(
                    keys.filter(move |(pk, sk)| is_after((pk, sk)))
                        .filter_map(|key| self.find(key)),
                )
            }
            None => return None,
            Some((name, projected)) => {
                let from = (name, partition.to_owned(), sk.to_owned(), pk.to_owned());
                let of_partition = self.indexed.range(from..);
                let of_partition =
                    of_partition.take_while(move |(of, value, ..)| *of == name && value == partition);
                let keys = of_partition.map(|(_, _, sk, pk)| (pk.clone(), sk.clone()));
                let item = move |key: Key| {
                    let names = ["pk", "sk", name].into_iter().chain(projected.iter().copied());
                    Some(self.items.get(&key)?.part(&key, names))
                };
                Box::new(keys.filter(move |(pk, sk)| is_after((pk, sk))).filter_map(item))
            }
        };
        let limit = request["Limit"]
            .as_u64()
            .map_or(usize::MAX, |limit| limit as usize);
        let (mut page, mut size) = (Vec::new(), 0);
        while page.len() < limit && size < MAX_PAGE_BYTES {
            let Some(item) = items.next() else { break };
            size += bytes(&item);
            page.push(item);
        }
        let mut answer = json!({ "Count": page.len(), "ScannedCount": page.len() });
        if let Some(last) = page
            .last()
            .filter(|_| page.len() == limit || size >= MAX_PAGE_BYTES)
        {
            answer["LastEvaluatedKey"] = json!({ "pk": last["pk"], "sk": last["sk"] });
            if index.is_some() {
                answer["LastEvaluatedKey"][attribute] = last[attribute].clone();
            }
        }
        answer["Items"] = Value::Array(page);
        Some(answer)
    }
}

/// The id of a copy, by its number.
pub fn copied_id(number: usize) -> String {
    format!("conn_c{number:023}")
}

/// How a copy's sort key begins, before its number.
const COPY_PREFIX: &str = "CONN#conn_c";

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
        for (name, text) in [
            (FILED_UNDER, "active#a"),
            ("tenant", "a"),
            ("id", "z"),
            (SWEEP_SLOT, "active#7"),
        ] {
            original[name] = json!({ "S": text });
        }
        table.put(original);
        table.copy_connection("b", 5, 2)?;
        table.copy_connection("bb", 5, 1)?;
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
        let mut request = json!({
            "KeyConditionExpression": "sweep_slot = :slot",
            "ExpressionAttributeValues": { ":slot": { "S": "active#0" } },
            "Limit": 7,
        });
        let first = table.call("Query", &request, false)?;
        // Numbers 0, 2 and 4 of one tenant, all five of the other.
        assert_eq!(first["Count"], 7);
        request["ExclusiveStartKey"] = first["LastEvaluatedKey"].clone();
        let rest = table.call("Query", &request, false)?;
        assert_eq!(
            (&rest["Count"], &rest["LastEvaluatedKey"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(rest["Items"][0]["sk"]["S"], format!("CONN#{}", copied_id(4)));
        assert!(rest["Items"][0]["slot"].is_null(), "it is not in the index");
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

//! The table: items by their keys, and what of them the indexes have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    crowd::Crowd,
    expression::{bytes, holds, name, placeholder, update},
};

/// A primary key.
pub(super) type Key = (String, String);
/// An item's place in an index: the attribute that the index is by, its value, the sort key and the partition key.
type Entry = (&'static str, String, String, String);
type Answer = Result<Value, Refusal>;

/// The attribute that the index `status` is by.
pub(super) const FILED_UNDER: &str = "filed_under";
/// The attribute that the index `sweep` is by.
pub(super) const SWEEP_SLOT: &str = "sweep_slot";
/// An index: its name, the attribute that it is by, and all attributes that it has.
type Index = (&'static str, &'static str, &'static [&'static str]);
const INDEXES: [Index; 2] = [
    ("status", FILED_UNDER, &["pk", "sk", FILED_UNDER]),
    (
        "sweep",
        SWEEP_SLOT,
        &["pk", "sk", SWEEP_SLOT, "sweep_role", "external_id"],
    ),
];
/// DynamoDB's limit on what a page of a query has, in bytes.
const PAGE_BYTES: usize = 1 << 20;
/// What DynamoDB adds to an entry of an index, in bytes.
const ENTRY_OVERHEAD: usize = 100;
pub(super) const TENANT_PREFIX: &str = "TENANT#";
pub(super) const CONNECTION_PREFIX: &str = "CONN#";
const LEDGER_PREFIX: &str = "LEDGER#";
/// What would change the answer to a query, and is not understood.
const NOT_KNOWN: [&str; 4] = [
    "FilterExpression",
    "ProjectionExpression",
    "ScanIndexForward",
    "Select",
];

/// What was read and written, partly in DynamoDB's units of billing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Units {
    /// Read units of the indexes.
    pub index_reads: f64,
    /// Write units of the sweep's ledger.
    pub ledger_writes: f64,
    /// Writes of the ledger.
    pub records: u64,
    /// Connections that were read one by one.
    pub gets: u64,
    /// Transactions.
    pub commits: u64,
    /// Items that were returned.
    pub items: u64,
}

/// Items by partition and sort key. A clone is cheap where the items are few.
#[derive(Default, Clone)]
pub struct Table {
    /// As texts, which take a fifth of the room of a value.
    items: BTreeMap<Key, Arc<str>>,
    indexed: BTreeSet<Entry>,
    crowd: Option<Arc<Crowd>>,
    units: Units,
}

/// The text of an attribute; empty where there is none.
pub(super) fn text<'a>(item: &'a Value, attribute: &str) -> &'a str {
    item[attribute]["S"].as_str().unwrap_or_default()
}

fn key(of: &Value) -> Result<Key, String> {
    let part = |name: &str| of[name]["S"].as_str().map(str::to_owned);
    part("pk").zip(part("sk")).ok_or_else(|| format!("no key: {of}"))
}

/// Where the indexes have an item.
fn entries<'a>(item: &'a Value, key: &'a Key) -> impl Iterator<Item = Entry> + 'a {
    INDEXES.into_iter().filter_map(move |(_, attribute, _)| {
        let value = item[attribute]["S"].as_str()?.to_owned();
        Some((attribute, value, key.1.clone(), key.0.clone()))
    })
}

fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

fn size(item: &Value) -> usize {
    item.as_object().map_or(0, bytes)
}

impl Table {
    /// What was read and written since this was asked last.
    pub fn take_units(&mut self) -> Units {
        std::mem::take(&mut self.units)
    }

    /// Has these connections in the table as well.
    pub fn gather(&mut self, crowd: Crowd) {
        self.crowd = Some(Arc::new(crowd));
    }

    /// The items of connections that were written, by their sort keys.
    pub fn connections(&self) -> impl Iterator<Item = (&str, Value)> {
        let connections = self
            .items
            .iter()
            .filter(|((_, sk), _)| sk.starts_with(CONNECTION_PREFIX));
        connections.map(|((_, sk), item)| (sk.as_str(), parsed(item)))
    }

    /// Stores an item.
    pub fn put(&mut self, item: &Value) -> Result<(), String> {
        self.store(key(item)?, Some(item));
        Ok(())
    }

    fn store(&mut self, key: Key, item: Option<&Value>) {
        if let Some(removed) = self.items.remove(&key) {
            for entry in entries(&parsed(&removed), &key) {
                self.indexed.remove(&entry);
            }
        }
        if let Some(item) = item {
            self.indexed.extend(entries(item, &key));
            self.items.insert(key, item.to_string().into());
        }
    }

    fn find(&self, key: &Key) -> Option<Value> {
        let made = || {
            let crowd = self.crowd.as_deref()?;
            Some(crowd.item(crowd.number(key)?, None))
        };
        self.items.get(key).map(|item| parsed(item)).or_else(made)
    }

    /// Answers one call. With `is_frozen`, writes are held against their conditions and not done.
    pub fn call(&mut self, operation: &str, request: &Value, is_frozen: bool) -> Answer {
        match operation {
            "GetItem" => self.get(request),
            "BatchGetItem" => self.batch_get(request),
            "Query" => self.query(request),
            "PutItem" => self.write("Put", request, is_frozen),
            "UpdateItem" => self.write("Update", request, is_frozen),
            "DeleteItem" => self.write("Delete", request, is_frozen),
            "TransactWriteItems" => self.transact(request, is_frozen),
            other => Err(format!("the stub does not know {other}").into()),
        }
    }

    fn get(&mut self, request: &Value) -> Answer {
        if request["ConsistentRead"] != true {
            return Err("an item is read as it was a moment ago".into());
        }
        let key = key(&request["Key"])?;
        self.units.gets += u64::from(key.1.starts_with(CONNECTION_PREFIX));
        let found = self.find(&key);
        self.units.items += u64::from(found.is_some());
        Ok(found.map_or_else(|| json!({}), |item| json!({ "Item": item })))
    }

    fn batch_get(&mut self, request: &Value) -> Answer {
        let mut responses = Map::new();
        for (table, wanted) in request["RequestItems"].as_object().ok_or("no RequestItems")? {
            let mut found = Vec::new();
            for wanted in wanted["Keys"].as_array().ok_or("no Keys")? {
                found.extend(self.find(&key(wanted)?));
            }
            self.units.items += found.len() as u64;
            responses.insert(table.clone(), found.into());
        }
        Ok(json!({ "Responses": responses, "UnprocessedKeys": {} }))
    }

    /// What one write leaves where, if its condition holds; nothing is stored for a mere check.
    fn outcome(&self, kind: &str, write: &Value) -> Result<Option<Outcome>, Refusal> {
        let key = key(&write[if kind == "Put" { "Item" } else { "Key" }])?;
        let old = self.find(&key);
        if !holds(write, old.as_ref())? {
            return Ok(None);
        }
        let leaves = match kind {
            "Put" => Leaves::Item(write["Item"].clone()),
            "Update" => {
                let mut item = old.unwrap_or_else(|| write["Key"].clone());
                update(write, &mut item)?;
                Leaves::Item(item)
            }
            "Delete" if self.items.contains_key(&key) || old.is_none() => Leaves::Nothing,
            "ConditionCheck" => Leaves::WhatWasThere,
            other => return Err(format!("the stub does not know a {other} of {key:?}").into()),
        };
        Ok(Some((key, leaves)))
    }

    fn apply(&mut self, (key, leaves): Outcome) {
        match leaves {
            Leaves::Item(item) => self.store(key, Some(&item)),
            Leaves::Nothing => self.store(key, None),
            Leaves::WhatWasThere => {}
        }
    }

    fn write(&mut self, kind: &str, write: &Value, is_frozen: bool) -> Answer {
        let outcome = self.outcome(kind, write)?;
        let part = if kind == "Put" {
            &write["Item"]
        } else {
            &write["Key"]
        };
        if text(part, "pk").starts_with(LEDGER_PREFIX) {
            // A write that is refused is billed as well.
            let item = match &outcome {
                Some((_, Leaves::Item(item))) => size(item),
                _ => 0,
            };
            self.units.ledger_writes += units(item, 1_024);
            self.units.records += u64::from(outcome.is_some());
        }
        let outcome = outcome.ok_or(Refusal::Condition)?;
        if !is_frozen {
            self.apply(outcome);
        }
        Ok(json!({}))
    }

    /// All of the writes, or none.
    fn transact(&mut self, request: &Value, is_frozen: bool) -> Answer {
        let mut outcomes = Vec::new();
        for write in request["TransactItems"].as_array().ok_or("no TransactItems")? {
            let write = write.as_object().and_then(|write| write.iter().next());
            let (kind, write) = write.ok_or("an empty write")?;
            outcomes.push(self.outcome(kind, write)?);
        }
        if outcomes.iter().any(Option::is_none) {
            return Err(Refusal::Cancelled(outcomes.iter().map(Option::is_some).collect()));
        }
        self.units.commits += 1;
        if !is_frozen {
            outcomes
                .into_iter()
                .flatten()
                .for_each(|outcome| self.apply(outcome));
        }
        Ok(json!({}))
    }

    /// A page of one partition of the table or of an index, found as DynamoDB finds it: by its place, however much there is
    /// beside it, and no more than DynamoDB gives at once.
    fn query(&mut self, request: &Value) -> Answer {
        if let Some(other) = NOT_KNOWN.into_iter().find(|other| !request[*other].is_null()) {
            return Err(format!("the stub does not know {other}").into());
        }
        let (attribute, partition, prefix) = condition(request)?;
        let index_name = &request["IndexName"];
        let index = INDEXES
            .into_iter()
            .find(|(name, by, _)| index_name == name && *by == attribute);
        if index.is_none() && (attribute != "pk" || !index_name.is_null()) {
            return Err(format!("the index {index_name} is not by {attribute}").into());
        }
        let start = &request["ExclusiveStartKey"];
        let after = (!start.is_null()).then(|| (text(start, "sk"), text(start, "pk")));
        let from = after.unwrap_or((prefix, ""));
        let mut written = self.written(index, partition, from).peekable();
        let mut made = self.made(attribute, partition, from.0).peekable();
        let limit = request["Limit"].as_u64().unwrap_or(u64::MAX);
        let names = index.map(|(_, _, names)| names);
        let (mut page, mut bytes) = (Vec::new(), 0);
        while (page.len() as u64) < limit && bytes < PAGE_BYTES {
            let is_made = match (made.peek(), written.peek()) {
                (Some((_, (_, made))), Some((_, written))) => made < written,
                (made, _) => made.is_some(),
            };
            let next = if is_made {
                made.next()
                    .map(|((crowd, number), key)| (key, crowd.item(number, names)))
            } else {
                let item = |key: &Key| only(parsed(&self.items[key]), names);
                written.next().map(|key| (key.clone(), item(&key)))
            };
            let Some((key, item)) = next else { break };
            if !key.1.starts_with(prefix) {
                break;
            }
            if after == Some((&key.1, &key.0)) {
                continue;
            }
            bytes += size(&item) + if index.is_some() { ENTRY_OVERHEAD } else { 0 };
            page.push(item);
        }
        let is_cut = page.len() as u64 == limit || bytes >= PAGE_BYTES;
        let last = page
            .last()
            .filter(|_| is_cut)
            .map(|last| only(last.clone(), Some(&["pk", "sk", attribute])));
        drop((written, made));
        if index.is_some() {
            self.units.index_reads += 0.5 * units(bytes, 4_096);
        }
        self.units.items += page.len() as u64;
        let mut answer = json!({ "Count": page.len(), "ScannedCount": page.len(), "Items": page });
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last;
        }
        Ok(answer)
    }

    /// The connections of the crowd in a partition, but for those that were written, from this sort key on.
    fn made<'a>(
        &'a self,
        attribute: &'a str,
        partition: &'a str,
        from: &'a str,
    ) -> impl Iterator<Item = ((&'a Crowd, u32), Key)> {
        let of_crowd = move |crowd: &'a Crowd| {
            let numbers = crowd.numbers(attribute, partition, from);
            numbers.map(move |number| ((crowd, number), crowd.key(number)))
        };
        let made = self.crowd.as_deref().into_iter().flat_map(of_crowd);
        made.filter(|(_, key)| !self.items.contains_key(key))
    }

    /// The keys of what was written in a partition of the table or of an index, in the order of the sort keys.
    fn written<'a>(
        &'a self,
        index: Option<Index>,
        partition: &'a str,
        (sk, pk): (&str, &str),
    ) -> Box<dyn Iterator<Item = Key> + 'a> {
        let (partition_text, sk, pk) = (partition.to_owned(), sk.to_owned(), pk.to_owned());
        match index {
            None => {
                let keys = self.items.range((partition_text, sk)..).map(|(key, _)| key);
                Box::new(keys.take_while(move |key| key.0 == partition).cloned())
            }
            Some((_, attribute, _)) => {
                let entries = self.indexed.range((attribute, partition_text, sk, pk)..);
                let own = entries.take_while(move |(by, value, ..)| *by == attribute && value == partition);
                Box::new(own.map(|(_, _, sk, pk)| (pk.clone(), sk.clone())))
            }
        }
    }
}

type Outcome = (Key, Leaves);

/// What stands in a place after a write.
enum Leaves {
    Item(Value),
    Nothing,
    WhatWasThere,
}

fn parsed(item: &str) -> Value {
    // It was a value before.
    serde_json::from_str(item).unwrap_or_default()
}

fn only(mut item: Value, names: Option<&[&str]>) -> Value {
    if let (Some(attributes), Some(names)) = (item.as_object_mut(), names) {
        attributes.retain(|name, _| names.contains(&name.as_str()));
    }
    item
}

/// The attribute of a key condition, its value, and how the sort key has to begin.
fn condition(request: &Value) -> Result<(&str, &str, &str), String> {
    let expression = request["KeyConditionExpression"].as_str().ok_or("no condition")?;
    let not_known = || format!("the stub does not know the condition {expression:?}");
    let value = |placed: &str| placeholder(request, placed)?["S"].as_str().ok_or_else(not_known);
    let (first, second) = match expression.split_once(" AND ") {
        Some((first, second)) => (first, Some(second)),
        None => (expression, None),
    };
    let (attribute, partition) = first.split_once(" = ").ok_or_else(not_known)?;
    let prefix = match second {
        None => "",
        Some(second) => {
            let prefix = second
                .strip_prefix("begins_with(sk, ")
                .and_then(|rest| rest.strip_suffix(')'));
            value(prefix.ok_or_else(not_known)?)?
        }
    };
    Ok((name(request, attribute), value(partition)?, prefix))
}

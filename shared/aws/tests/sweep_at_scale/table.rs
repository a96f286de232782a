//! The table of the simulation, which DynamoDB's protocol is spoken over (`wire.rs`): items by their keys, conditions,
//! transactions, and the index `sweep` in pages of 1 MB. It counts what DynamoDB would bill. What nobody has written is
//! made from its number when it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use latchkey_core::domain::{connection::Connection, sweep::SweepPlan};
use serde_json::{Value, json};

use crate::{
    expression::{bytes, holds, update},
    world::{external_id_of, id_of, made, number_of_sk, role_of, tenant_of},
};

/// Most bytes on a page of a query.
const PAGE_BYTES: usize = 1 << 20;
/// What DynamoDB adds to an entry of an index, in bytes.
const ENTRY_OVERHEAD: usize = 100;
const LEDGER_PREFIX: &str = "LEDGER#";
const CONNECTION_PREFIX: &str = "CONN#";

/// What was billed, in DynamoDB's units.
#[derive(Debug, Default, Clone, Copy)]
pub struct Units {
    pub index_reads: f64,
    pub ledger_writes: f64,
    /// Connections that were read.
    pub gets: u64,
    pub commits: u64,
    /// Chunks that were noted in the ledger.
    pub records: u64,
}

/// Why a write is refused.
pub enum Refusal {
    /// Its condition does not hold.
    Condition,
    /// One of a transaction's does not: which ones hold.
    Cancelled(Vec<bool>),
}

type Key = (String, String);

#[derive(Debug, Default)]
struct Written {
    /// As texts, which take a fifth of the room: what grows with the day is a table's, not a function's.
    items: HashMap<Key, Box<str>>,
    /// The connections in a slot of the index that were written, by number.
    swept: BTreeMap<String, BTreeSet<u32>>,
    units: Units,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    /// The pattern of all connections, as the adapter wrote it.
    pattern: Pattern,
    /// The numbers in each slot, as they were made.
    slots: HashMap<String, Vec<u32>>,
    written: Mutex<Written>,
    /// The real time that answers took.
    busy: Mutex<Duration>,
}

/// An item as a text, and what in it is another one in each connection.
#[derive(Debug, Default)]
struct Pattern {
    text: String,
    id: String,
    tenant: String,
    external_id: String,
    role: String,
}

fn key(of: &Value) -> Key {
    let part = |name: &str| of[name]["S"].as_str().unwrap().to_owned();
    (part("pk"), part("sk"))
}

fn parsed(item: &str) -> Value {
    serde_json::from_str(item).unwrap()
}

fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

impl Table {
    /// The real time that all answers together took.
    pub fn busy(&self) -> Duration {
        *self.busy.lock().unwrap()
    }

    /// Notes the real time that an answer took.
    pub fn was_busy(&self, time: Duration) {
        *self.busy.lock().unwrap() += time;
    }

    /// A table with nothing in it.
    pub fn empty() -> Self {
        Self {
            pattern: Pattern::default(),
            slots: HashMap::new(),
            written: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// `number` connections like `pattern`, whose item `scratch` has.
    pub fn of(number: u32, pattern: &Connection, scratch: &Self, plan: SweepPlan) -> Self {
        let sk = format!("{CONNECTION_PREFIX}{}", pattern.id());
        let scratch = scratch.written.lock().unwrap();
        let item = scratch.items.iter().find(|((_, has), _)| *has == sk).unwrap().1;
        let pattern_texts = Pattern {
            text: item.to_string(),
            id: pattern.id().to_string(),
            tenant: pattern.tenant().to_string(),
            external_id: pattern.external_id().to_string(),
            role: pattern.live_binding().unwrap().role_arn.to_string(),
        };
        let mut slots: HashMap<String, Vec<u32>> = HashMap::new();
        for number in 0..number {
            let slot = plan.slot(&made(pattern, number)).unwrap();
            slots.entry(slot).or_default().push(number);
        }
        Self {
            pattern: pattern_texts,
            slots,
            written: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// What was billed so far.
    pub fn units(&self) -> Units {
        self.written.lock().unwrap().units
    }

    /// The numbers of the connections that were written.
    pub fn written(&self) -> Vec<u32> {
        let written = self.written.lock().unwrap();
        let connections = written
            .items
            .keys()
            .filter(|(_, sk)| sk.starts_with(CONNECTION_PREFIX));
        connections.map(|(_, sk)| number_of_sk(sk)).collect()
    }

    fn made_item(&self, number: u32) -> Value {
        let Pattern {
            text,
            id,
            tenant,
            external_id,
            role,
        } = &self.pattern;
        let text = text
            .replace(id, id_of(number).as_str())
            .replace(external_id, external_id_of(number).as_str())
            .replace(role, role_of(number).as_str())
            .replace(&format!("\"{tenant}\""), &format!("\"{}\"", tenant_of(number)))
            .replace(&format!("#{tenant}\""), &format!("#{}\"", tenant_of(number)));
        parsed(&text)
    }

    /// An item as it is now.
    fn find(&self, written: &Written, key: &Key) -> Option<Value> {
        if let Some(item) = written.items.get(key) {
            return Some(parsed(item));
        }
        let (pk, sk) = key;
        if self.slots.is_empty() || !sk.starts_with(CONNECTION_PREFIX) {
            return None;
        }
        let number = number_of_sk(sk);
        (*pk == format!("TENANT#{}", tenant_of(number))).then(|| self.made_item(number))
    }

    /// Answers one call of DynamoDB.
    pub fn call(&self, operation: &str, request: &Value) -> Result<Value, Refusal> {
        let mut written = self.written.lock().unwrap();
        match operation {
            "GetItem" => Ok(self.get(&mut written, request)),
            "BatchGetItem" => Ok(self.batch_get(&written, request)),
            "Query" => Ok(self.query(&mut written, request)),
            "PutItem" | "UpdateItem" => self.write(&mut written, operation, request),
            "TransactWriteItems" => self.transact(&mut written, request),
            other => panic!("a sweep has no use for {other}"),
        }
    }

    fn get(&self, written: &mut Written, request: &Value) -> Value {
        assert_eq!(request["ConsistentRead"], true);
        let key = key(&request["Key"]);
        written.units.gets += u64::from(key.1.starts_with(CONNECTION_PREFIX));
        match self.find(written, &key) {
            Some(item) => json!({ "Item": item }),
            None => json!({}),
        }
    }

    fn batch_get(&self, written: &Written, request: &Value) -> Value {
        let (table, wanted) = request["RequestItems"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        let keys = wanted["Keys"].as_array().unwrap();
        let found: Vec<Value> = keys
            .iter()
            .filter_map(|of| self.find(written, &key(of)))
            .collect();
        json!({ "Responses": { table: found }, "UnprocessedKeys": {} })
    }

    /// A page of the index `sweep`: what was made and not written since, and what was written.
    fn query(&self, written: &mut Written, request: &Value) -> Value {
        assert_eq!(request["IndexName"], "sweep");
        assert_eq!(request["KeyConditionExpression"], "sweep_slot = :slot");
        let slot = request["ExpressionAttributeValues"][":slot"]["S"]
            .as_str()
            .unwrap();
        let after = request["ExclusiveStartKey"]["sk"]["S"].as_str().map(number_of_sk);
        let from = after.map_or(0, |after| after + 1);
        let made = self.slots.get(slot).map(Vec::as_slice).unwrap_or_default();
        let begin = made.partition_point(|number| *number < from);
        let in_slot = written.swept.get(slot);
        let numbers: BTreeSet<u32> = in_slot
            .into_iter()
            .flat_map(|numbers| numbers.range(from..))
            .copied()
            .collect();
        let mut made = made[begin..].iter().copied().peekable();
        let mut later = numbers.into_iter().peekable();
        let (mut items, mut size) = (Vec::new(), 0);
        while size <= PAGE_BYTES {
            let is_made = match (made.peek(), later.peek()) {
                (None, None) => break,
                (Some(made), Some(later)) => made < later,
                (made, _) => made.is_some(),
            };
            let number = if is_made { made.next() } else { later.next() }.unwrap();
            let key = (
                format!("TENANT#{}", tenant_of(number)),
                format!("{CONNECTION_PREFIX}{}", id_of(number)),
            );
            let entry = match written.items.get(&key) {
                // It is where it was written to.
                Some(_) if is_made => continue,
                Some(item) => {
                    let item = parsed(item);
                    let names = ["pk", "sk", "sweep_slot", "sweep_role", "external_id"];
                    let attributes = names.into_iter().filter(|name| !item[name].is_null());
                    attributes
                        .map(|name| (name.to_owned(), item[name].clone()))
                        .collect()
                }
                None => json!({
                    "pk": { "S": key.0 },
                    "sk": { "S": key.1 },
                    "sweep_slot": { "S": slot },
                    "sweep_role": { "S": role_of(number).as_str() },
                    "external_id": { "S": external_id_of(number).as_str() },
                }),
            };
            size += ENTRY_OVERHEAD + bytes(entry.as_object().unwrap());
            items.push(entry);
        }
        let has_more = made.peek().is_some() || later.peek().is_some();
        let last = items.last().filter(|_| has_more);
        let last =
            last.map(|last| json!({ "pk": last["pk"], "sk": last["sk"], "sweep_slot": last["sweep_slot"] }));
        written.units.index_reads += 0.5 * units(size, 4_096);
        let mut answer = json!({ "Count": items.len(), "Items": items });
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last;
        }
        answer
    }

    /// One write of the cursor or of the ledger.
    fn write(&self, written: &mut Written, operation: &str, request: &Value) -> Result<Value, Refusal> {
        let is_put = operation == "PutItem";
        let key = key(&request[if is_put { "Item" } else { "Key" }]);
        let is_ledger = key.0.starts_with(LEDGER_PREFIX);
        let old = self.find(written, &key);
        let may = holds(request, old.as_ref());
        if !may {
            written.units.ledger_writes += f64::from(u8::from(is_ledger));
            return Err(Refusal::Condition);
        }
        let item = match old {
            Some(mut item) if !is_put => {
                update(request, &mut item);
                item
            }
            _ => request["Item"].clone(),
        };
        if is_ledger {
            written.units.records += 1;
            written.units.ledger_writes += units(bytes(item.as_object().unwrap()), 1_024);
        }
        written.items.insert(key, item.to_string().into());
        Ok(json!({}))
    }

    /// All of the writes, or none.
    fn transact(&self, written: &mut Written, request: &Value) -> Result<Value, Refusal> {
        assert!(request["ClientRequestToken"].is_string());
        let writes = request["TransactItems"].as_array().unwrap();
        let mut reasons = Vec::new();
        let mut puts = Vec::new();
        for write in writes {
            let put = &write["Put"];
            assert!(put.is_object(), "a sweep has no use for {write}");
            let key = key(&put["Item"]);
            reasons.push(holds(put, self.find(written, &key).as_ref()));
            puts.push((key, put["Item"].clone()));
        }
        if reasons.contains(&false) {
            return Err(Refusal::Cancelled(reasons));
        }
        for (key, item) in puts {
            // The scratch table's connection has no number.
            if key.1.starts_with(CONNECTION_PREFIX) && !self.slots.is_empty() {
                let number = number_of_sk(&key.1);
                for numbers in written.swept.values_mut() {
                    numbers.remove(&number);
                }
                if let Some(slot) = item["sweep_slot"]["S"].as_str() {
                    written.swept.entry(slot.to_owned()).or_default().insert(number);
                }
            }
            written.items.insert(key, item.to_string().into());
        }
        written.units.commits += 1;
        Ok(json!({}))
    }
}

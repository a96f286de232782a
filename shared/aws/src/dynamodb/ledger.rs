//! [`SweepLedger`]: for each slot one item of the last sweep and one of the sweep before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use latchkey_core::{
    domain::sweep::{latest_stored_tick, ledger::ChunkRecord},
    ports::{SweepLedger, Unavailable},
};

use crate::sdk_errors::{applied, failed};

use super::{
    DynamoDbStore,
    items::{Generation, Item, Key, ledger_slot, number},
    schema,
};

/// The tick whose sweep an item is of.
const TICK: &str = "tick";
/// What is known, by the first connection of each chunk.
const CHUNKS: &str = "chunks";
/// DynamoDB's limit on the keys of one batch.
const MAX_BATCH: usize = 100;

impl DynamoDbStore {
    /// Adds a chunk to the item of its sweep. `false` if there is no such item yet.
    async fn add_chunk(
        &self,
        key: &Key,
        tick: i64,
        record: &ChunkRecord,
        value: &AttributeValue,
    ) -> Result<bool, Unavailable> {
        let result = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.clone().into_item()))
            .condition_expression(format!("{TICK} = :tick"))
            .update_expression(format!("SET {CHUNKS}.#first = :chunk"))
            .expression_attribute_names("#first", record.first.as_str())
            .expression_attribute_values(":tick", number(tick))
            .expression_attribute_values(":chunk", value.clone())
            .send()
            .await;
        applied("dynamodb.UpdateItem", result)
    }

    /// Begins the item of a sweep with its first chunk. `false` if it was begun, or a later one was; what was written when
    /// ticks were shorter is no later one.
    async fn begin_item(
        &self,
        key: &Key,
        tick: i64,
        record: &ChunkRecord,
        value: &AttributeValue,
    ) -> Result<bool, Unavailable> {
        let chunks = HashMap::from([(record.first.to_string(), value.clone())]);
        let mut item = key.clone().into_new_item();
        item.insert(TICK.to_owned(), number(tick));
        item.insert(CHUNKS.to_owned(), AttributeValue::M(chunks));
        let result = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(format!(
                "attribute_not_exists(pk) OR {TICK} < :tick OR {TICK} > :latest"
            ))
            .expression_attribute_values(":tick", number(tick))
            .expression_attribute_values(":latest", number(latest_stored_tick(tick)))
            .send()
            .await;
        applied("dynamodb.PutItem", result)
    }
}

#[async_trait]
impl SweepLedger for DynamoDbStore {
    async fn record(&self, slot: &str, tick: i64, record: &ChunkRecord) -> Result<(), Unavailable> {
        let value: AttributeValue =
            serde_dynamo::to_attribute_value(record).map_err(failed("dynamodb.write_item"))?;
        let generation = Generation::of_sweep(self.sweep_plan.sweep_number(tick));
        let key = Key::ledger(slot, generation);
        // Another chunk may begin the item between the first and the second. What is left after all three is of a sweep
        // that was written over: nobody needs it any more.
        let _ = self.add_chunk(&key, tick, record, &value).await?
            || self.begin_item(&key, tick, record, &value).await?
            || self.add_chunk(&key, tick, record, &value).await?;
        Ok(())
    }

    async fn records(
        &self,
        slots: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<ChunkRecord>>, Unavailable> {
        let keys: Vec<Item> = slots
            .iter()
            .flat_map(|slot| Generation::BOTH.map(|generation| Key::ledger(slot, generation).into_item()))
            .collect();
        // A page of connections has two batches, which need not wait for each other.
        let batches = keys.chunks(MAX_BATCH).map(|batch| self.get_batch(batch.to_vec()));
        let items = try_join_all(batches).await?;
        let mut records: BTreeMap<String, Vec<ChunkRecord>> = BTreeMap::new();
        for item in items.into_iter().flatten() {
            schema::check(&item)?;
            let Some(slot) = ledger_slot(&item) else { continue };
            let known = records.entry(slot.to_owned()).or_default();
            let chunks = item.get(CHUNKS).and_then(|chunks| chunks.as_m().ok());
            for chunk in chunks.into_iter().flat_map(HashMap::values) {
                let record = serde_dynamo::from_attribute_value(chunk.clone())
                    .map_err(failed("dynamodb.read_item"))?;
                known.push(record);
            }
        }
        Ok(records)
    }
}

//! [`SweepIndex`] over the table's sparse index.

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;

use super::{
    DynamoDbStore,
    items::{Key, SWEEP_SLOT, number, sweep_key, text},
};
use crate::ports::{SweepIndex, SweepKey, SweepPage, Unavailable};

/// Name of the index.
const INDEX: &str = "sweep";
/// The attribute of the cursor that holds the last tick.
const LAST_TICK: &str = "last_tick";

#[async_trait]
impl SweepIndex for DynamoDbStore {
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable> {
        const OPERATION: &str = "dynamodb.Query";
        let start = after.map(|key| {
            let mut start = Key::connection(&key.tenant, &key.connection_id).into_item();
            start.insert(SWEEP_SLOT.to_owned(), text(slot));
            start
        });
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression(format!("{SWEEP_SLOT} = :slot"))
            .expression_attribute_values(":slot", text(slot))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| Unavailable::new(OPERATION, error))?;
        let keys = output
            .items()
            .iter()
            .map(|item| sweep_key(item).ok_or_else(|| Unavailable::new(OPERATION, "a key is not ours")))
            .collect::<Result<_, _>>()?;
        Ok(SweepPage {
            keys,
            has_more: output.last_evaluated_key().is_some(),
        })
    }

    async fn last_tick(&self) -> Result<Option<i64>, Unavailable> {
        let item = self.get_item(Key::sweep_cursor()).await?;
        Ok(item.and_then(|item| item.get(LAST_TICK)?.as_n().ok()?.parse().ok()))
    }

    async fn set_last_tick(&self, tick: i64) -> Result<(), Unavailable> {
        let mut item = Key::sweep_cursor().into_item();
        item.insert(LAST_TICK.to_owned(), number(tick));
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(format!("attribute_not_exists(pk) OR {LAST_TICK} < :tick"))
            .expression_attribute_values(":tick", number(tick))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            // Another run was faster and is further.
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                Ok(())
            }
            Err(error) => Err(Unavailable::new("dynamodb.PutItem", error)),
        }
    }
}

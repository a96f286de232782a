//! [`SweepIndex`] over the table's sparse index.

use async_trait::async_trait;
use latchkey_core::{
    domain::sweep::{Cursor, SweepKey},
    ports::{SweepIndex, SweepPage, Unavailable},
};

use crate::sdk_errors::{applied, failed};

use super::{
    DynamoDbStore,
    items::{Key, SWEEP_SLOT, from_item, number, sweep_member, sweep_start, text, to_item},
};

const INDEX: &str = "sweep";

#[async_trait]
impl SweepIndex for DynamoDbStore {
    async fn slot_page(&self, slot: &str, after: Option<SweepKey>) -> Result<SweepPage, Unavailable> {
        const OPERATION: &str = "dynamodb.Query";
        let output = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression(format!("{SWEEP_SLOT} = :slot"))
            .expression_attribute_values(":slot", text(slot))
            .set_exclusive_start_key(after.map(|key| sweep_start(slot, &key)))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let members = output
            .items()
            .iter()
            .map(|item| sweep_member(item).ok_or_else(|| Unavailable::new(OPERATION, "an entry is not ours")))
            .collect::<Result<_, _>>()?;
        Ok(SweepPage {
            members,
            has_more: output.last_evaluated_key().is_some(),
        })
    }

    async fn cursor(&self) -> Result<Cursor, Unavailable> {
        let item = self.get_item(Key::sweep_cursor()).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }

    async fn move_cursor(&self, cursor: &Cursor) -> Result<bool, Unavailable> {
        let next = Cursor {
            version: cursor.version + 1,
            ..cursor.clone()
        };
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(Key::sweep_cursor(), &next)?));
        // `version` is no reserved word of DynamoDB's.
        let put = match cursor.version {
            0 => put.condition_expression("attribute_not_exists(version)"),
            version => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(version)),
        };
        applied("dynamodb.PutItem", put.send().await)
    }
}

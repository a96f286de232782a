//! [`GrantStore`] over the table: few items, in one place, so that all of them can be read as they stand.

use async_trait::async_trait;
use latchkey_core::{
    domain::listener_access::Grant,
    ports::{GrantStore, Unavailable},
};

use crate::sdk_errors::failed;

use super::{
    DynamoDbStore,
    items::{Key, from_item, text, to_item},
};

#[async_trait]
impl GrantStore for DynamoDbStore {
    async fn remember_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(Key::grant(grant), grant)?))
            .send()
            .await
            .map_err(failed("dynamodb.PutItem"))?;
        Ok(())
    }

    async fn forget_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.dynamodb
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::grant(grant).into_item()))
            .send()
            .await
            .map_err(failed("dynamodb.DeleteItem"))?;
        Ok(())
    }

    async fn grants(&self) -> Result<Vec<Grant>, Unavailable> {
        let query = self
            .dynamodb
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(Key::GRANTS))
            .consistent_read(true);
        self.query_all(query).await?.into_iter().map(from_item).collect()
    }
}

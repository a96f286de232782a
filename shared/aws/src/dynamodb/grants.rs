//! [`GrantStore`] over the table: few items, in one place, so that all of them can be read as they stand.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::{delete_item::DeleteItemInput, put_item::PutItemInput, query::QueryInput};
use latchkey_core::{
    domain::listener_access::Grant,
    ports::{GrantStore, Unavailable},
};

use super::{
    DynamoDbStore,
    items::{Key, from_item, text, to_item},
};

#[async_trait]
impl GrantStore for DynamoDbStore {
    async fn remember_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.dynamodb
            .call(
                PutItemInput::builder()
                    .table_name(&self.table)
                    .set_item(Some(to_item(Key::grant(grant), grant)?))
                    .build(),
            )
            .await
            .map_err(|error| Unavailable::new("dynamodb.PutItem", error))?;
        Ok(())
    }

    async fn forget_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.dynamodb
            .call(
                DeleteItemInput::builder()
                    .table_name(&self.table)
                    .set_key(Some(Key::grant(grant).into_item()))
                    .build(),
            )
            .await
            .map_err(|error| Unavailable::new("dynamodb.DeleteItem", error))?;
        Ok(())
    }

    async fn grants(&self) -> Result<Vec<Grant>, Unavailable> {
        let query = QueryInput::builder()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(Key::GRANTS))
            .consistent_read(true);
        self.query_all(query).await?.into_iter().map(from_item).collect()
    }
}

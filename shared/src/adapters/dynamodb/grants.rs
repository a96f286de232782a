//! [`GrantStore`] over the table: few items, in one place, so that all of them can be read as they stand.

use async_trait::async_trait;

use super::{
    DynamoDbStore,
    items::{Key, from_item, text, to_item},
};
use crate::{
    domain::listener_access::Grant,
    ports::{GrantStore, Unavailable},
};

#[async_trait]
impl GrantStore for DynamoDbStore {
    async fn remember_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(Key::grant(grant), grant)?))
            .send()
            .await
            .map_err(|error| Unavailable::new("dynamodb.PutItem", error))?;
        Ok(())
    }

    async fn forget_grant(&self, grant: &Grant) -> Result<(), Unavailable> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::grant(grant).into_item()))
            .send()
            .await
            .map_err(|error| Unavailable::new("dynamodb.DeleteItem", error))?;
        Ok(())
    }

    async fn grants(&self) -> Result<Vec<Grant>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(Key::GRANTS))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut grants = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| Unavailable::new("dynamodb.Query", error))?;
            grants.push(from_item(item)?);
        }
        Ok(grants)
    }
}

//! [`TemplateCatalog`] over the pointer that publishing moves.

use async_trait::async_trait;

use super::{
    DynamoDbStore,
    items::{Key, from_item, text},
};
use crate::{
    domain::{
        connection::TemplateRef,
        template_version::{PublishedVersion, TEMPLATE_PK, VERSION_SK_PREFIX},
    },
    ports::{TemplateCatalog, Unavailable},
};

#[async_trait]
impl TemplateCatalog for DynamoDbStore {
    async fn current(&self) -> Result<Option<TemplateRef>, Unavailable> {
        self.get_item(Key::current_template())
            .await?
            .map(from_item)
            .transpose()
    }

    async fn versions(&self) -> Result<Vec<PublishedVersion>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(TEMPLATE_PK))
            .expression_attribute_values(":prefix", text(VERSION_SK_PREFIX))
            .into_paginator()
            .items()
            .send();
        let mut versions = Vec::new();
        while let Some(item) = pages.next().await {
            versions.push(from_item(
                item.map_err(|error| Unavailable::new("dynamodb.Query", error))?,
            )?);
        }
        Ok(versions)
    }
}

//! [`TemplateCatalog`] over the pointer that publishing moves.

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        connection::TemplateRef,
        template_version::{PublishedVersion, TEMPLATE_PK, VERSION_SK_PREFIX},
    },
    ports::{TemplateCatalog, Unavailable},
};

use super::{
    DynamoDbStore,
    items::{Key, from_item, text},
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
        let query = self
            .dynamodb
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(TEMPLATE_PK))
            .expression_attribute_values(":prefix", text(VERSION_SK_PREFIX));
        self.query_all(query).await?.into_iter().map(from_item).collect()
    }
}

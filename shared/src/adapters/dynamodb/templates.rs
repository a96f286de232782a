//! [`TemplateCatalog`] over the pointer that publishing moves.

use async_trait::async_trait;

use super::{
    DynamoDbStore,
    items::{Key, from_item},
};
use crate::{
    domain::connection::TemplateRef,
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
}

//! [`KnownTopicsStore`] over one item.

use async_trait::async_trait;
use latchkey_core::{
    domain::listener_access::KnownTopics,
    ports::{KnownTopicsStore, Unavailable},
};

use crate::sdk_errors::failed;

use super::{
    DynamoDbStore,
    items::{Key, from_item, to_item},
};

#[async_trait]
impl KnownTopicsStore for DynamoDbStore {
    async fn known_topics(&self) -> Result<Option<KnownTopics>, Unavailable> {
        self.get_item(Key::known_topics())
            .await?
            .map(from_item)
            .transpose()
    }

    async fn keep_known_topics(&self, known: &KnownTopics) -> Result<(), Unavailable> {
        self.dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(Key::known_topics(), known)?))
            .send()
            .await
            .map_err(failed("dynamodb.PutItem"))?;
        Ok(())
    }
}

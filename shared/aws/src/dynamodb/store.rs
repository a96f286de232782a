//! [`ConnectionStore`] over the table.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::KeysAndAttributes};
use jiff::Timestamp;
use latchkey_core::{
    domain::{
        audit::{AuditEntry, FORGED_DELETE_EVENT},
        aws::StackId,
        connection::{Connection, organization::Counter},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        request::{
            custom_resource::{Envelope, RequestKey},
            request_record::RequestRecord,
        },
    },
    ports::{Change, CommitError, ConnectionStore, Known, Page, Unavailable},
};

use crate::sdk_errors::{applied, failed};

use super::{
    DynamoDbStore,
    commit::{forget_deletion_at, put_new},
    items::{
        CONNECTION_SK_PREFIX, ConnectionPointer, DELETED_AT_MS, Item, Key, PK, SEAT_SK_PREFIX, SK, TTL,
        from_item, last_id, number, seats_pk, tenant_pk, text, to_item,
    },
    schema::{self, SCHEMA, SCHEMA_VERSION},
};

/// How often what DynamoDB left out of a batch is asked for again.
const MAX_BATCH_TRIES: usize = 5;

impl DynamoDbStore {
    /// Reads one item as it is now, not as it was a moment ago.
    pub(super) async fn get_item(&self, key: Key) -> Result<Option<Item>, Unavailable> {
        let output = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("dynamodb.GetItem"))?;
        Ok(output.item)
    }

    /// Reads items, at most 100, as they are now; those that are not there are left out.
    pub(super) async fn get_batch(&self, mut keys: Vec<Item>) -> Result<Vec<Item>, Unavailable> {
        const OPERATION: &str = "dynamodb.BatchGetItem";
        let mut items = Vec::new();
        for _ in 0..MAX_BATCH_TRIES {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(failed(OPERATION))?;
            let output = self
                .dynamodb
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await
                .map_err(failed(OPERATION))?;
            items.extend(output.responses.unwrap_or_default().into_values().flatten());
            keys = output
                .unprocessed_keys
                .unwrap_or_default()
                .remove(&self.table)
                .map(|left| left.keys)
                .unwrap_or_default();
            if keys.is_empty() {
                return Ok(items);
            }
        }
        Err(Unavailable::new(OPERATION, "some keys were left out each time"))
    }

    /// What a query of the table finds, all pages of it.
    pub(super) async fn query_all(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, Unavailable> {
        let query = query.table_name(&self.table);
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let page = query.clone().set_exclusive_start_key(start).send();
            let output = page.await.map_err(failed("dynamodb.Query"))?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

/// Whether the mark of a deleted resource, if there is one, is of a Delete sent at or after `sent_at`.
fn was_deleted_since(mark: Option<&Item>, sent_at: Timestamp) -> Result<bool, Unavailable> {
    mark.map_or(Ok(()), schema::check)?;
    let deleted_at = mark.and_then(|item| item.get(DELETED_AT_MS)?.as_n().ok()?.parse::<i64>().ok());
    Ok(deleted_at.is_some_and(|deleted_at| deleted_at >= sent_at.as_millisecond()))
}

#[async_trait]
impl ConnectionStore for DynamoDbStore {
    async fn insert(&self, connection: &Connection, audit: &AuditEntry) -> Result<(), Unavailable> {
        let mut items = vec![
            self.connection_item(connection)?,
            self.audit_item(connection, audit)?,
        ];
        if let Some(external_id) = connection.first_external_id() {
            let key = Key::external_id(external_id);
            items.push(to_item(key, &ConnectionPointer::to(connection))?);
        }
        // A member's is its organization's.
        if !connection.is_member() {
            let key = Key::connection_pointer(connection.id());
            items.push(to_item(key, &ConnectionPointer::to(connection))?);
        }
        let puts: Vec<_> = items
            .into_iter()
            .map(|item| put_new(item, &self.table))
            .collect::<Result<_, _>>()?;
        self.transact(puts)
            .await
            .map_err(failed("dynamodb.TransactWriteItems"))?;
        Ok(())
    }

    async fn get(&self, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        self.get_item(Key::connection(tenant, id))
            .await?
            .map(from_item)
            .transpose()
    }

    async fn find_by_external_id(&self, external_id: &ExternalId) -> Result<Option<Connection>, Unavailable> {
        let Some(item) = self.get_item(Key::external_id(external_id)).await? else {
            return Ok(None);
        };
        let pointer: ConnectionPointer = from_item(item)?;
        self.get(&pointer.tenant, &pointer.connection_id).await
    }

    async fn find_for_request(
        &self,
        envelope: &Envelope,
        external_id: &ExternalId,
        sent_at: Timestamp,
    ) -> Result<Known, Unavailable> {
        let [request, pointer, deleted] = [
            Key::request(&envelope.key),
            Key::external_id(external_id),
            Key::deleted_resource(&envelope.stack_id, &envelope.logical_resource_id),
        ]
        .map(Key::into_item);
        let items = self
            .get_batch(vec![request.clone(), pointer.clone(), deleted.clone()])
            .await?;
        let found = |key: &Item| items.iter().find(|item| item.get(PK) == key.get(PK)).cloned();
        if let Some(record) = found(&request) {
            return Ok(Known::Recorded(Box::new(from_item(record)?)));
        }
        let Some(pointer) = found(&pointer) else {
            return Ok(Known::Nothing);
        };
        let pointer: ConnectionPointer = from_item(pointer)?;
        let connection = self.get(&pointer.tenant, &pointer.connection_id).await?;
        let resource_deleted = was_deleted_since(found(&deleted).as_ref(), sent_at)?;
        Ok(connection.map_or(Known::Nothing, |connection| Known::Connection {
            connection: Box::new(connection),
            resource_deleted,
        }))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        let members = members_of.map(ConnectionId::members_prefix).unwrap_or_default();
        let output = self
            .dynamodb
            .query()
            .table_name(&self.table)
            // What concerns all members must not leave one out.
            .consistent_read(members_of.is_some())
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(tenant_pk(tenant)))
            .expression_attribute_values(":prefix", text(format!("{CONNECTION_SK_PREFIX}{members}")))
            .set_exclusive_start_key(after.map(|id| Key::connection(tenant, id).into_item()))
            .limit(i32::from(limit))
            .send()
            .await
            .map_err(failed("dynamodb.Query"))?;
        let next_after = last_id(output.last_evaluated_key())?;
        let connections = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(from_item)
            .collect::<Result<_, _>>()?;
        Ok(Page {
            connections,
            next_after,
        })
    }

    async fn count_for(
        &self,
        organization: &ConnectionId,
        counter: Counter,
        most: u32,
    ) -> Result<bool, Unavailable> {
        let counted = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::counter(organization, counter).into_item()))
            .condition_expression("attribute_not_exists(pk) OR counted < :most")
            .update_expression("SET #ttl = :ttl, #schema = :schema ADD counted :one")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_names("#schema", SCHEMA)
            .expression_attribute_values(":schema", number(SCHEMA_VERSION))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":ttl", number(counter.forget_at()))
            .expression_attribute_values(":one", number(1))
            .send()
            .await;
        applied("dynamodb.UpdateItem", counted)
    }

    async fn seats(&self, organization: &ConnectionId) -> Result<BTreeSet<u32>, Unavailable> {
        const OPERATION: &str = "dynamodb.Query";
        let seat = |item: &Item| {
            let text = item.get(SK)?.as_s().ok()?.strip_prefix(SEAT_SK_PREFIX)?;
            text.parse().ok()
        };
        let query = self
            .dynamodb
            .query()
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(seats_pk(organization)));
        let items = self.query_all(query).await?;
        items
            .iter()
            .map(|item| {
                schema::check(item)?;
                seat(item).ok_or_else(|| Unavailable::new(OPERATION, "an entry is not ours"))
            })
            .collect()
    }

    async fn commit(&self, change: Change<'_>) -> Result<(), CommitError> {
        self.commit_change(change).await
    }

    async fn find_request(&self, key: &RequestKey) -> Result<Option<RequestRecord>, Unavailable> {
        self.get_item(Key::request(key)).await?.map(from_item).transpose()
    }

    async fn mark_resource_deleted(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut item = Key::deleted_resource(stack_id, logical_resource_id).into_new_item();
        item.insert(DELETED_AT_MS.to_owned(), number(sent_at.as_millisecond()));
        item.insert(TTL.to_owned(), number(forget_deletion_at(sent_at)));
        let result = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(format!("attribute_not_exists(pk) OR {DELETED_AT_MS} < :sent"))
            .expression_attribute_values(":sent", number(sent_at.as_millisecond()))
            .send()
            .await;
        // Where a later Delete is remembered, it stays.
        applied("dynamodb.PutItem", result)?;
        Ok(())
    }

    async fn count_forged_delete(&self, connection: &Connection, at: Timestamp) -> Result<(), Unavailable> {
        const DAY_SECONDS: i64 = 24 * 3_600;
        let midnight = at.as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS;
        let forget_at = at.as_second() + i64::from(self.audit_retention_days) * DAY_SECONDS;
        let order = format!("{:015}#{FORGED_DELETE_EVENT}", midnight * 1_000);
        self.dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::audit(connection.id(), order).into_item()))
            .update_expression(
                "SET #at = :at, actor = :actor, event = :event, #status = :status, #ttl = :ttl, #schema = :schema \
                 ADD #count :one",
            )
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#schema", SCHEMA)
            .expression_attribute_values(":schema", number(SCHEMA_VERSION))
            .expression_attribute_values(":at", text(at.to_string()))
            .expression_attribute_values(":actor", text("unknown"))
            .expression_attribute_values(":event", text(FORGED_DELETE_EVENT))
            .expression_attribute_values(":status", text(connection.state().status().as_str()))
            .expression_attribute_values(":ttl", number(forget_at))
            .expression_attribute_values(":one", number(1))
            .send()
            .await
            .map_err(failed("dynamodb.UpdateItem"))?;
        Ok(())
    }

    async fn resource_deleted_since(
        &self,
        stack_id: &StackId,
        logical_resource_id: &str,
        sent_at: Timestamp,
    ) -> Result<bool, Unavailable> {
        let item = self
            .get_item(Key::deleted_resource(stack_id, logical_resource_id))
            .await?;
        was_deleted_since(item.as_ref(), sent_at)
    }
}

//! What 0.1.0 did not write is written: where each connection's tenant stands, and the tenants of
//! its claims.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use latchkey_core::{
    domain::connection::Connection,
    ports::{ConnectionStore as _, Unavailable},
};

use crate::sdk_errors::failed;

use super::{
    DynamoDbStore,
    commit::put,
    items::{
        CONNECTION_SK_PREFIX, ConnectionPointer, Item, Key, TENANT_PK_PREFIX, from_item, number, text,
        to_item,
    },
};

/// Connections that are written side by side.
const SIDE_BY_SIDE: usize = 16;
/// How often a connection that others change meanwhile is read again.
const MAX_TRIES: usize = 5;
const OPERATION: &str = "dynamodb.TransactWriteItems";

impl DynamoDbStore {
    /// Writes what follows from each connection and is not there, and tells how many connections
    /// there are. Again, it writes the same. No function of 0.1.0 may be at work any more.
    pub async fn backfill(&self) -> Result<u64, Unavailable> {
        let mut connections = 0;
        let mut start = None;
        loop {
            let page = self
                .dynamodb
                .scan()
                .table_name(&self.table)
                .consistent_read(true)
                .filter_expression("begins_with(pk, :tenant) AND begins_with(sk, :connection)")
                .expression_attribute_values(":tenant", text(TENANT_PK_PREFIX))
                .expression_attribute_values(":connection", text(CONNECTION_SK_PREFIX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed("dynamodb.Scan"))?;
            let found = page
                .items
                .unwrap_or_default()
                .into_iter()
                .map(from_item::<Connection>);
            let found: Vec<Connection> = found.collect::<Result<_, _>>()?;
            connections += found.len() as u64;
            stream::iter(found.into_iter().map(|it| self.backfill_one(it)))
                .buffer_unordered(SIDE_BY_SIDE)
                .try_collect::<()>()
                .await?;
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(connections);
            }
        }
    }

    async fn backfill_one(&self, mut connection: Connection) -> Result<(), Unavailable> {
        let mut tries = 1;
        loop {
            let Err(error) = self.transact(self.that_follow(&connection)?).await else {
                return Ok(());
            };
            if tries == MAX_TRIES {
                return Err(failed(OPERATION)(error));
            }
            tries += 1;
            // Others change it meanwhile. A member that was never connected is forgotten.
            match self.get(connection.tenant(), connection.id()).await? {
                Some(read) => connection = read,
                None => return Ok(()),
            }
        }
    }

    /// The items that follow from a connection, while it is the one that was read.
    fn that_follow(&self, connection: &Connection) -> Result<Vec<TransactWriteItem>, Unavailable> {
        let key: Item = Key::connection(connection.tenant(), connection.id()).into_item();
        let unchanged = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", number(connection.version()))
            .build()
            .map_err(failed(OPERATION))?;
        let mut writes = vec![TransactWriteItem::builder().condition_check(unchanged).build()];
        if !connection.is_member() {
            let key = Key::connection_pointer(connection.id());
            let pointer = to_item(key, &ConnectionPointer::to(connection))?;
            writes.push(put(pointer, &self.table, std::convert::identity)?);
        }
        for claim in connection.claims() {
            writes.push(self.take(&claim, connection)?);
        }
        Ok(writes)
    }
}

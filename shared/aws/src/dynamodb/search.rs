//! [`ConnectionSearch`] over the table's second index and the claims on accounts.

use async_trait::async_trait;
use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        connection::{Connection, claims::Claim, filing::Filing},
        ids::{ConnectionId, TenantId},
    },
    ports::{ConnectionSearch, ConnectionStore as _, Holders, Page, Unavailable},
};

use crate::sdk_errors::failed;

use super::{
    DynamoDbStore,
    items::{
        CONNECTION_ID, CONNECTION_SK_PREFIX, ConnectionPointer, FILED_UNDER, Item, Key, PK, SK, TENANT,
        accounts_pk, filed_under, from_item, last_id, text,
    },
    schema,
};

const INDEX: &str = "status";

#[async_trait]
impl ConnectionSearch for DynamoDbStore {
    async fn list_filed(
        &self,
        tenant: &TenantId,
        filing: Filing,
        members_of: Option<&ConnectionId>,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<Page, Unavailable> {
        const OPERATION: &str = "dynamodb.Query";
        let members = members_of.map(ConnectionId::members_prefix).unwrap_or_default();
        let start = after.map(|id| {
            let mut start = Key::connection(tenant, id).into_item();
            start.insert(FILED_UNDER.to_owned(), text(filed_under(tenant, filing)));
            start
        });
        let output = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression(format!("{FILED_UNDER} = :filed AND begins_with(sk, :prefix)"))
            .expression_attribute_values(":filed", text(filed_under(tenant, filing)))
            .expression_attribute_values(":prefix", text(format!("{CONNECTION_SK_PREFIX}{members}")))
            .set_exclusive_start_key(start)
            .limit(i32::from(limit))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let next_after = last_id(output.last_evaluated_key())?;
        let key_of = |item: &Item| {
            let mut key = item.clone();
            key.retain(|name, _| name == PK || name == SK);
            key
        };
        let keys: Vec<Item> = output.items().iter().map(key_of).collect();
        let mut connections = Vec::with_capacity(keys.len());
        if !keys.is_empty() {
            for item in self.get_batch(keys).await? {
                connections.push(from_item::<Connection>(item)?);
            }
        }
        // A batch comes in any order.
        connections.sort_unstable_by(|one, other| one.id().cmp(other.id()));
        Ok(Page {
            connections,
            next_after,
        })
    }

    async fn find_by_account(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Option<Connection>, Unavailable> {
        const OPERATION: &str = "dynamodb.GetItem";
        let Some(claim) = self.get_item(Key::account_claim(tenant, account)).await? else {
            return Ok(None);
        };
        schema::check(&claim)?;
        let holder = claim.get(CONNECTION_ID).and_then(|id| id.as_s().ok());
        let id =
            ConnectionId::parse(holder.map(String::as_str).unwrap_or_default()).map_err(failed(OPERATION))?;
        self.get(tenant, &id).await
    }

    async fn find_by_id(&self, id: &ConnectionId) -> Result<Option<Connection>, Unavailable> {
        let of_tenant = id.organization().unwrap_or_else(|| id.clone());
        let Some(item) = self.get_item(Key::connection_pointer(&of_tenant)).await? else {
            return Ok(None);
        };
        let pointer: ConnectionPointer = from_item(item)?;
        self.get(&pointer.tenant, id).await
    }

    async fn find_by_role(&self, role_arn: &RoleArn) -> Result<Option<Connection>, Unavailable> {
        let claim = Key::claim(&Claim::Role(role_arn.clone()));
        // What 0.1.0 claimed and nobody filled up since has no tenant, and is not found.
        let known = |claim: &Item| claim.contains_key(TENANT);
        let Some(item) = self.get_item(claim).await?.filter(known) else {
            return Ok(None);
        };
        let pointer: ConnectionPointer = from_item(item)?;
        self.get(&pointer.tenant, &pointer.connection_id).await
    }

    async fn list_by_account(
        &self,
        account: &AccountId,
        after: Option<&TenantId>,
        limit: u16,
    ) -> Result<Holders, Unavailable> {
        let start = after.map(|tenant| {
            let claim = Claim::AccountOf(account.clone(), tenant.clone());
            Key::claim(&claim).into_item()
        });
        let output = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(accounts_pk(account)))
            .set_exclusive_start_key(start)
            .limit(i32::from(limit))
            .send()
            .await
            .map_err(failed("dynamodb.Query"))?;
        let has_more = output.last_evaluated_key().is_some();
        let items = output.items.unwrap_or_default().into_iter();
        let pointers: Vec<ConnectionPointer> = items.map(from_item).collect::<Result<_, _>>()?;
        let keys = pointers
            .iter()
            .map(|it| Key::connection(&it.tenant, &it.connection_id).into_item());
        let keys: Vec<Item> = keys.collect();
        let mut connections = Vec::with_capacity(keys.len());
        if !keys.is_empty() {
            for item in self.get_batch(keys).await? {
                connections.push(from_item::<Connection>(item)?);
            }
        }
        // A batch comes in any order.
        connections.sort_unstable_by(|one, other| one.tenant().cmp(other.tenant()));
        Ok(Holders {
            connections,
            next_after: pointers.last().filter(|_| has_more).map(|it| it.tenant.clone()),
        })
    }
}

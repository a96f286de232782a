//! Keys and attributes of the table's items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    domain::{
        aws::{RoleArn, StackId},
        connection::Connection,
        custom_resource::RequestKey,
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        listener_access::Grant,
    },
    ports::{SweepKey, Unavailable},
};

/// An item as the SDK knows it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Partition key.
pub(super) const PK: &str = "pk";
/// Sort key.
pub(super) const SK: &str = "sk";
/// When DynamoDB may forget an item, in seconds since the epoch.
pub(super) const TTL: &str = "ttl";
/// The sweep index's partition key; present while a connection is to be checked.
pub(super) const SWEEP_SLOT: &str = "sweep_slot";
/// The id of the connection that an item belongs to.
pub(super) const CONNECTION_ID: &str = "connection_id";
/// When the Delete of a resource was sent, in milliseconds since the epoch.
pub(super) const DELETED_AT_MS: &str = "deleted_at_ms";
/// How the sort key of a connection begins.
pub(super) const CONNECTION_SK_PREFIX: &str = "CONN#";
const TENANT_PK_PREFIX: &str = "TENANT#";

/// Whose connection an external ID was made for.
#[derive(Serialize, Deserialize)]
pub(super) struct ExternalIdPointer {
    pub(super) tenant: TenantId,
    pub(super) connection_id: ConnectionId,
}

impl ExternalIdPointer {
    pub(super) fn to(connection: &Connection) -> Self {
        Self {
            tenant: connection.tenant.clone(),
            connection_id: connection.id.clone(),
        }
    }
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(super) fn connection(tenant: &TenantId, id: &ConnectionId) -> Self {
        Self::new(tenant_pk(tenant), format!("{CONNECTION_SK_PREFIX}{id}"))
    }

    pub(super) fn external_id(external_id: &ExternalId) -> Self {
        Self::new(format!("EXTERNAL#{external_id}"), "EXTERNAL")
    }

    pub(super) fn request(key: &RequestKey) -> Self {
        Self::new(format!("REQUEST#{}#{}", key.stack_id, key.request_id), "REQUEST")
    }

    pub(super) fn deleted_resource(stack_id: &StackId, logical_resource_id: &str) -> Self {
        Self::new(format!("DELETED#{stack_id}#{logical_resource_id}"), "DELETED")
    }

    /// The claim of one tenant's connection on one account.
    pub(super) fn account_claim(connection: &Connection, role_arn: &RoleArn) -> Self {
        Self::new(
            format!("ACCOUNT#{}#{}", connection.tenant, role_arn.account()),
            "ACCOUNT",
        )
    }

    /// The claim of one connection on one role, whoever its tenant is.
    pub(super) fn role_claim(role_arn: &RoleArn) -> Self {
        Self::new(format!("ROLE#{role_arn}"), "ROLE")
    }

    pub(super) fn audit(connection: &ConnectionId, order: String) -> Self {
        Self::new(format!("AUDIT#{connection}"), order)
    }

    /// The partition of all grants.
    pub(super) const GRANTS: &'static str = "GRANT";

    pub(super) fn grant(grant: &Grant) -> Self {
        let Grant {
            region,
            account,
            connection_id,
            ..
        } = grant;
        Self::new(
            Self::GRANTS.to_owned(),
            format!("{region}#{account}#{connection_id}"),
        )
    }

    pub(super) fn current_template() -> Self {
        Self::new("TEMPLATE".to_owned(), "CURRENT")
    }

    pub(super) fn sweep_cursor() -> Self {
        Self::new("SWEEP".to_owned(), "CURSOR")
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([(PK.to_owned(), text(self.pk)), (SK.to_owned(), text(self.sk))])
    }
}

pub(super) fn tenant_pk(tenant: &TenantId) -> String {
    format!("{TENANT_PK_PREFIX}{tenant}")
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// `value` as an item under `key`.
pub(super) fn to_item<T: Serialize>(key: Key, value: &T) -> Result<Item, Unavailable> {
    let mut item: Item =
        serde_dynamo::to_item(value).map_err(|error| Unavailable::new("dynamodb.write_item", error))?;
    item.extend(key.into_item());
    Ok(item)
}

/// What stands in an item. An item that does not parse is an error, never an absent one.
pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Unavailable> {
    serde_dynamo::from_item(item).map_err(|error| Unavailable::new("dynamodb.read_item", error))
}

/// The connection that a key of the sweep index names.
pub(super) fn sweep_key(item: &Item) -> Option<SweepKey> {
    let part = |name: &str, prefix: &str| item.get(name)?.as_s().ok()?.strip_prefix(prefix);
    Some(SweepKey {
        tenant: TenantId::parse(part(PK, TENANT_PK_PREFIX)?).ok()?,
        connection_id: ConnectionId::parse(part(SK, CONNECTION_SK_PREFIX)?).ok()?,
    })
}

//! Keys and attributes of the table's items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn, StackId},
        connection::{Connection, claims::Claim, filing::Filing, organization::Counter},
        external_id::ExternalId,
        ids::{ConnectionId, TenantId},
        listener_access::Grant,
        request::custom_resource::RequestKey,
        sweep::{Look, Member, SweepKey},
    },
    ports::Unavailable,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::schema;
use crate::sdk_errors::failed;

/// An item as the SDK knows it.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
/// When DynamoDB may forget an item, in seconds since the epoch.
pub(super) const TTL: &str = "ttl";
/// The sweep index's partition key; present while a connection is to be checked.
pub(super) const SWEEP_SLOT: &str = "sweep_slot";
/// The role of a connection that only has to be looked at; projected into the sweep index.
pub(super) const SWEEP_ROLE: &str = "sweep_role";
/// The external ID of a connection; projected into the sweep index.
pub(super) const EXTERNAL_ID: &str = "external_id";
/// The index `status`' partition key: whose and where a connection is filed.
pub(super) const FILED_UNDER: &str = "filed_under";
/// The id of the connection that an item belongs to.
pub(super) const CONNECTION_ID: &str = "connection_id";
/// The tenant of the connection that an item belongs to.
pub(super) const TENANT: &str = "tenant";
/// When the Delete of a resource was sent, in milliseconds since the epoch.
pub(super) const DELETED_AT_MS: &str = "deleted_at_ms";
/// How the sort key of a connection begins.
pub(super) const CONNECTION_SK_PREFIX: &str = "CONN#";
/// How the sort key of a seat begins.
pub(super) const SEAT_SK_PREFIX: &str = "SEAT#";
/// What stands for the stack in the key of a request without one.
const BY_HAND: &str = "by-hand";
pub(super) const TENANT_PK_PREFIX: &str = "TENANT#";
const LEDGER_PK_PREFIX: &str = "LEDGER#";

/// The ledger keeps two sweeps of each slot: one writes over the last but one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Generation {
    Even,
    Odd,
}

impl Generation {
    pub(super) const BOTH: [Self; 2] = [Self::Even, Self::Odd];

    pub(super) fn of_sweep(number: i64) -> Self {
        if number.rem_euclid(2) == 0 {
            Self::Even
        } else {
            Self::Odd
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Even => "EVEN",
            Self::Odd => "ODD",
        }
    }
}

/// Which connection an external ID, an id or a claim leads to. 0.1.0 also kept a copy of the
/// connection with an external ID; it is not read. Its claims had no tenant.
#[derive(Serialize, Deserialize)]
pub(super) struct ConnectionPointer {
    pub(super) tenant: TenantId,
    pub(super) connection_id: ConnectionId,
}

impl ConnectionPointer {
    pub(super) fn to(connection: &Connection) -> Self {
        Self {
            tenant: connection.tenant().clone(),
            connection_id: connection.id().clone(),
        }
    }
}

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

    /// Where it stands whose a connection is.
    pub(super) fn connection_pointer(id: &ConnectionId) -> Self {
        Self::new(format!("CONNECTION#{id}"), "CONNECTION")
    }

    pub(super) fn request(key: &RequestKey) -> Self {
        let asked_by = key.stack_id.as_ref().map_or(BY_HAND, StackId::as_str);
        Self::new(format!("REQUEST#{asked_by}#{}", key.request_id), "REQUEST")
    }

    pub(super) fn deleted_resource(stack_id: &StackId, logical_resource_id: &str) -> Self {
        Self::new(format!("DELETED#{stack_id}#{logical_resource_id}"), "DELETED")
    }

    pub(super) fn claim(claim: &Claim) -> Self {
        match claim {
            Claim::Account(tenant, account) => Self::account_claim(tenant, account),
            Claim::AccountOf(account, tenant) => Self::new(accounts_pk(account), tenant_pk(tenant)),
            // One connection's, whoever its tenant is.
            Claim::Role(role_arn) => Self::new(format!("ROLE#{role_arn}"), "ROLE"),
            Claim::Seat(organization, seat) => {
                Self::new(seats_pk(organization), format!("{SEAT_SK_PREFIX}{seat}"))
            }
        }
    }

    /// The claim of one tenant's connection on one account.
    pub(super) fn account_claim(tenant: &TenantId, account: &AccountId) -> Self {
        Self::new(format!("ACCOUNT#{tenant}#{account}"), "ACCOUNT")
    }

    /// What is counted for an organization within a day or an hour.
    pub(super) fn counter(organization: &ConnectionId, counter: Counter) -> Self {
        let (name, period) = match counter {
            Counter::Newcomers(day) => ("NEWCOMERS", day),
            Counter::Requests(hour) => ("REQUESTS", hour),
        };
        Self::new(format!("COUNT#{organization}"), format!("{name}#{period}"))
    }

    pub(super) fn audit(connection: &ConnectionId, order: String) -> Self {
        Self::new(format!("AUDIT#{connection}"), order)
    }

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

    pub(super) fn known_topics() -> Self {
        Self::new("TOPICS".to_owned(), "KNOWN")
    }

    pub(super) fn sweep_cursor() -> Self {
        Self::new("SWEEP".to_owned(), "CURSOR")
    }

    /// What the sweeps of an odd or even number know of a slot.
    pub(super) fn ledger(slot: &str, generation: Generation) -> Self {
        Self::new(format!("{LEDGER_PK_PREFIX}{slot}"), generation.name())
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([(PK.to_owned(), text(self.pk)), (SK.to_owned(), text(self.sk))])
    }

    /// An item to be put under this key, without what is in it.
    pub(super) fn into_new_item(self) -> Item {
        let mut item = self.into_item();
        schema::stamp(&mut item);
        item
    }
}

pub(super) fn seats_pk(organization: &ConnectionId) -> String {
    format!("SEATS#{organization}")
}

pub(super) fn accounts_pk(account: &AccountId) -> String {
    format!("ACCOUNTS#{account}")
}

pub(super) fn tenant_pk(tenant: &TenantId) -> String {
    format!("{TENANT_PK_PREFIX}{tenant}")
}

/// Whose and where a connection is filed. What comes first has no other values, so that no tenant's name can look like
/// another's.
pub(super) fn filed_under(tenant: &TenantId, filing: Filing) -> String {
    format!("{}#{tenant}", filing.as_str())
}

/// The connection that a page ended with, where there may be more.
pub(super) fn last_id(last_key: Option<&Item>) -> Result<Option<ConnectionId>, Unavailable> {
    last_key
        .and_then(|key| key.get(SK)?.as_s().ok()?.strip_prefix(CONNECTION_SK_PREFIX))
        .map(ConnectionId::parse)
        .transpose()
        .map_err(failed("dynamodb.Query"))
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// `value` as an item under `key`.
pub(super) fn to_item<T: Serialize>(key: Key, value: &T) -> Result<Item, Unavailable> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(failed("dynamodb.write_item"))?;
    item.extend(key.into_new_item());
    Ok(item)
}

/// What stands in an item. An item that does not parse is an error, never an absent one.
pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Unavailable> {
    schema::check(&item)?;
    serde_dynamo::from_item(item).map_err(failed("dynamodb.read_item"))
}

/// The slot whose ledger an item is.
pub(super) fn ledger_slot(item: &Item) -> Option<&str> {
    item.get(PK)?.as_s().ok()?.strip_prefix(LEDGER_PK_PREFIX)
}

/// The connection that an entry of the sweep index is of.
pub(super) fn sweep_member(item: &Item) -> Option<Member> {
    let part = |name: &str, prefix: &str| item.get(name)?.as_s().ok()?.strip_prefix(prefix);
    let look = match (part(SWEEP_ROLE, ""), part(EXTERNAL_ID, "")) {
        (Some(role_arn), Some(external_id)) => Some(Look {
            role_arn: RoleArn::parse(role_arn).ok()?,
            external_id: ExternalId::parse(external_id).ok()?,
        }),
        _ => None,
    };
    Some(Member {
        tenant: TenantId::parse(part(PK, TENANT_PK_PREFIX)?).ok()?,
        connection_id: ConnectionId::parse(part(SK, CONNECTION_SK_PREFIX)?).ok()?,
        look,
    })
}

/// Where the index goes on after a connection.
pub(super) fn sweep_start(slot: &str, key: &SweepKey) -> Item {
    let mut start = Key::connection(&key.tenant, &key.connection_id).into_item();
    start.insert(SWEEP_SLOT.to_owned(), text(slot));
    start
}

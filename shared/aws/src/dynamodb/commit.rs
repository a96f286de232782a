//! One atomic change, as one transaction, and what its failure means.

use std::convert::identity;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, builders::PutBuilder},
};
use jiff::Timestamp;
use latchkey_core::{
    domain::{
        audit::AuditEntry,
        connection::{
            Connection,
            claims::{Claim, Claims},
            filing::Filing,
        },
        request::{custom_resource::Outcome, request_record::RequestRecord},
        sweep::Member,
    },
    ports::{Change, CommitError, Conflict, RequestChange, Unavailable},
};

use crate::sdk_errors::failed;

use super::{
    DynamoDbStore, REQUEST_RETENTION_SECONDS,
    items::{
        ConnectionPointer, DELETED_AT_MS, FILED_UNDER, Item, Key, SWEEP_ROLE, SWEEP_SLOT, TTL, filed_under,
        number, text, to_item,
    },
};

const OPERATION: &str = "dynamodb.TransactWriteItems";
/// Of a claim that nobody holds, or the connection `:id` itself.
const FREE_OR_OWN: &str = "attribute_not_exists(pk) OR connection_id = :id";

/// A part of a transaction, and what it means if its condition does not hold.
struct Part {
    write: TransactWriteItem,
    conflict: Conflict,
}

impl DynamoDbStore {
    pub(super) async fn commit_change(&self, change: Change<'_>) -> Result<(), CommitError> {
        let parts = self.parts(&change)?;
        let (writes, conflicts): (_, Vec<_>) =
            parts.into_iter().map(|part| (part.write, part.conflict)).unzip();
        self.transact(writes)
            .await
            .map_err(|error| match conflict(&conflicts, &error) {
                Some(conflict) => CommitError::Conflict(conflict),
                None => failed(OPERATION)(error).into(),
            })
    }

    /// All of `writes`, or none. The client adds a token, so that its own retry of a call whose answer was lost is the
    /// same call, and is not refused by what the first one wrote.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<(), SdkError<TransactWriteItemsError>> {
        let request = self.dynamodb.transact_write_items();
        request.set_transact_items(Some(writes)).send().await.map(drop)
    }

    fn parts(&self, change: &Change<'_>) -> Result<Vec<Part>, Unavailable> {
        let Change {
            before,
            after,
            request,
            audit,
        } = change;
        // In this order the first part that fails names the conflict that says most.
        let mut parts = Vec::new();
        match request {
            Some(RequestChange::Record(record)) => {
                parts.push(self.put_request(record, "attribute_not_exists(pk)")?);
                parts.extend(self.unless_deleted(record)?);
            }
            Some(RequestChange::Decide(record)) => {
                let undecided = "attribute_exists(pk) AND attribute_not_exists(outcome)";
                parts.push(self.put_request(record, undecided)?);
                if matches!(record.outcome, Some(Outcome::Connected { .. })) {
                    parts.extend(self.unless_deleted(record)?);
                }
            }
            Some(RequestChange::Deliver(record)) => {
                parts.push(self.put_request(record, "attribute_exists(pk)")?);
            }
            None => {}
        }
        parts.push(self.replace_connection(before, after)?);
        parts.extend(self.move_claims(before, after)?);
        parts.extend(self.new_external_id(before, after)?);
        if let Some(audit) = audit {
            parts.push(Part {
                write: put(self.audit_item(after, audit)?, &self.table, identity)?,
                conflict: Conflict::ConnectionChanged,
            });
        }
        Ok(parts)
    }

    fn replace_connection(&self, before: &Connection, after: &Connection) -> Result<Part, Unavailable> {
        let condition = "version = :version";
        let version = number(before.version());
        let write = if before == after {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(Key::connection(before.tenant(), before.id()).into_item()))
                .condition_expression(condition)
                .expression_attribute_values(":version", version)
                .build()
                .map_err(failed(OPERATION))?;
            TransactWriteItem::builder().condition_check(check).build()
        } else {
            put(self.connection_item(after)?, &self.table, |put| {
                put.condition_expression(condition)
                    .expression_attribute_values(":version", version)
            })?
        };
        Ok(Part {
            write,
            conflict: Conflict::ConnectionChanged,
        })
    }

    pub(super) fn connection_item(&self, connection: &Connection) -> Result<Item, Unavailable> {
        let mut item = to_item(Key::connection(connection.tenant(), connection.id()), connection)?;
        if let Some(slot) = self.sweep_plan.slot(connection) {
            item.insert(SWEEP_SLOT.to_owned(), text(slot));
            if let Some(look) = Member::of(connection).look {
                item.insert(SWEEP_ROLE.to_owned(), text(look.role_arn.as_str()));
            }
        }
        if let Some(filing) = Filing::of(connection) {
            item.insert(
                FILED_UNDER.to_owned(),
                text(filed_under(connection.tenant(), filing)),
            );
        }
        if let Some(forget_at) = connection.forget_at() {
            item.insert(TTL.to_owned(), number(forget_at.as_second()));
        }
        Ok(item)
    }

    pub(super) fn audit_item(
        &self,
        connection: &Connection,
        audit: &AuditEntry,
    ) -> Result<Item, Unavailable> {
        // Two entries of one moment differ in what they tell or in the request that they tell it of.
        let request = audit.request.as_ref().map(|key| key.request_id.as_str());
        let order = format!(
            "{:015}#{:010}#{}#{}",
            audit.at.as_millisecond(),
            connection.version(),
            audit.event,
            request.unwrap_or_default()
        );
        let mut item = to_item(Key::audit(connection.id(), order), audit)?;
        let seconds = i64::from(self.audit_retention_days) * 24 * 3_600;
        item.insert(TTL.to_owned(), number(audit.at.as_second() + seconds));
        Ok(item)
    }

    fn put_request(&self, record: &RequestRecord, condition: &str) -> Result<Part, Unavailable> {
        let mut item = to_item(Key::request(&record.key), record)?;
        let forget_at = record.published_at.as_second() + REQUEST_RETENTION_SECONDS;
        item.insert(TTL.to_owned(), number(forget_at));
        let write = put(item, &self.table, |put| put.condition_expression(condition))?;
        Ok(Part {
            write,
            conflict: Conflict::RequestChanged,
        })
    }

    fn unless_deleted(&self, record: &RequestRecord) -> Result<Option<Part>, Unavailable> {
        let Some((stack_id, resource)) = record.resource() else {
            return Ok(None);
        };
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::deleted_resource(stack_id, resource).into_item()))
            .condition_expression(format!("attribute_not_exists(pk) OR {DELETED_AT_MS} < :sent"))
            .expression_attribute_values(":sent", number(record.published_at.as_millisecond()))
            .build()
            .map_err(failed(OPERATION))?;
        let write = TransactWriteItem::builder().condition_check(check).build();
        Ok(Some(Part {
            write,
            conflict: Conflict::ResourceDeleted,
        }))
    }

    /// Takes what the connection holds from now on, and gives back what it held until now.
    fn move_claims(&self, before: &Connection, after: &Connection) -> Result<Vec<Part>, Unavailable> {
        let claims = Claims::of_change(before, after);
        let mut parts = Vec::new();
        for claim in &claims.taken {
            parts.push(Part {
                write: self.take(claim, after)?,
                conflict: claim.into(),
            });
        }
        for claim in &claims.given_back {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(Key::claim(claim).into_item()))
                .condition_expression(FREE_OR_OWN)
                .expression_attribute_values(":id", text(after.id().as_str()))
                .build()
                .map_err(failed(OPERATION))?;
            parts.push(Part {
                write: TransactWriteItem::builder().delete(delete).build(),
                conflict: Conflict::ConnectionChanged,
            });
        }
        Ok(parts)
    }

    /// A put of the item that says that a connection holds a claim.
    pub(super) fn take(&self, claim: &Claim, holder: &Connection) -> Result<TransactWriteItem, Unavailable> {
        let item = to_item(Key::claim(claim), &ConnectionPointer::to(holder))?;
        put(item, &self.table, |put| {
            put.condition_expression(FREE_OR_OWN)
                .expression_attribute_values(":id", text(holder.id().as_str()))
        })
    }

    /// Makes the next external ID of a rotation findable, for ever (I1).
    fn new_external_id(&self, before: &Connection, after: &Connection) -> Result<Option<Part>, Unavailable> {
        let Some(external_id) = after.new_external_id(before) else {
            return Ok(None);
        };
        let item = to_item(Key::external_id(external_id), &ConnectionPointer::to(after))?;
        Ok(Some(Part {
            write: put_new(item, &self.table)?,
            conflict: Conflict::ConnectionChanged,
        }))
    }
}

/// A put of an item whose key must be free.
pub(super) fn put_new(item: Item, table: &str) -> Result<TransactWriteItem, Unavailable> {
    put(item, table, |put| {
        put.condition_expression("attribute_not_exists(pk)")
    })
}

/// A put of `item`, with what `finish` adds to it.
pub(super) fn put(
    item: Item,
    table: &str,
    finish: impl FnOnce(PutBuilder) -> PutBuilder,
) -> Result<TransactWriteItem, Unavailable> {
    let builder = Put::builder().table_name(table).set_item(Some(item));
    let put = finish(builder).build().map_err(failed(OPERATION))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// The conflict, of those that a transaction's parts stand for, that made DynamoDB cancel it; none where it failed for another reason.
fn conflict(conflicts: &[Conflict], error: &SdkError<TransactWriteItemsError>) -> Option<Conflict> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error.as_service_error()? else {
        return None;
    };
    let reasons = cancelled.cancellation_reasons();
    let is = |reason: &CancellationReason, code: &str| reason.code() == Some(code);
    let failed = conflicts
        .iter()
        .zip(reasons)
        .find(|(_, reason)| is(reason, "ConditionalCheckFailed"));
    match failed {
        Some((conflict, _)) => Some(*conflict),
        // Two transactions met: whoever lost reads again.
        None if reasons.iter().any(|reason| is(reason, "TransactionConflict")) => {
            Some(Conflict::ConnectionChanged)
        }
        None => None,
    }
}

/// When DynamoDB may forget that a resource was deleted.
pub(super) fn forget_deletion_at(sent_at: Timestamp) -> i64 {
    sent_at.as_second() + REQUEST_RETENTION_SECONDS
}

//! One atomic change: every condition first, in the order of the real transaction, then every write.

use latchkey_core::{
    domain::{
        connection::claims::{Claim, Claims},
        request::{custom_resource::Outcome, request_record::RequestRecord},
        sweep::SweepPlan,
    },
    ports::{Change, Conflict, RequestChange},
};

use super::tables::{Tables, key};

pub(super) fn commit(tables: &mut Tables, plan: SweepPlan, change: Change<'_>) -> Result<(), Conflict> {
    let Change {
        before,
        after,
        request,
        audit,
    } = change;
    if let Some(request) = &request {
        check_request(tables, request)?;
    }
    if tables
        .connection(&key(before))
        .is_none_or(|stored| stored.version() != before.version())
    {
        return Err(Conflict::ConnectionChanged);
    }
    let claims = Claims::of_change(before, after);
    let is_taken = |claim: &&Claim| {
        tables
            .claims
            .get(claim)
            .is_some_and(|holder| *holder != key(after))
    };
    if let Some(taken) = claims.taken.iter().find(is_taken) {
        return Err(taken.into());
    }
    let new_external_id = after.new_external_id(before);
    if new_external_id.is_some_and(|external_id| tables.external_ids.contains_key(external_id)) {
        return Err(Conflict::ConnectionChanged);
    }

    match request {
        Some(
            RequestChange::Record(record) | RequestChange::Decide(record) | RequestChange::Deliver(record),
        ) => {
            tables.put_request(record);
        }
        None => {}
    }
    if before != after {
        tables.put_connection(after, plan.slot(after));
    }
    for claim in &claims.given_back {
        tables.claims.remove(claim);
    }
    for claim in claims.taken {
        tables.claims.insert(claim, key(after));
    }
    if let Some(external_id) = new_external_id {
        tables.external_ids.insert(external_id.clone(), key(after));
    }
    if let Some(entry) = audit {
        tables.put_audit(after, entry);
    }
    Ok(())
}

fn check_request(tables: &Tables, request: &RequestChange<'_>) -> Result<(), Conflict> {
    let (record, holds, undeleted) = match request {
        RequestChange::Record(record) => (record, tables.request(&record.key).is_none(), true),
        RequestChange::Decide(record) => {
            let stored = tables.request(&record.key);
            let undecided = stored.is_some_and(|stored| stored.outcome.is_none());
            let connects = matches!(record.outcome, Some(Outcome::Connected { .. }));
            (record, undecided, connects)
        }
        RequestChange::Deliver(record) => (record, tables.request(&record.key).is_some(), false),
    };
    if !holds {
        return Err(Conflict::RequestChanged);
    }
    if undeleted && was_deleted(tables, record) {
        return Err(Conflict::ResourceDeleted);
    }
    Ok(())
}

fn was_deleted(tables: &Tables, record: &RequestRecord) -> bool {
    let deleted_at = record
        .resource()
        .and_then(|(stack_id, name)| tables.deleted.get(&(stack_id.clone(), name.to_owned())));
    deleted_at.is_some_and(|deleted_at| *deleted_at >= record.published_at.as_millisecond())
}

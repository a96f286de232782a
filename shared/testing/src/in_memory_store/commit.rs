//! One atomic change: every condition first, in the order of the real transaction, then every write.

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        connection::Connection,
        ids::{ConnectionId, TenantId},
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
        .is_none_or(|stored| stored.version != before.version)
    {
        return Err(Conflict::ConnectionChanged);
    }
    let (old, new) = (claims(before), claims(after));
    check_claims(tables, after, &old, &new)?;
    let new_external_id = after.rotation.as_ref().filter(|next| {
        let known = before.rotation.as_ref().map(|rotation| &rotation.external_id);
        known != Some(&next.external_id) && !after.is_member()
    });
    if new_external_id.is_some_and(|rotation| tables.external_ids.contains_key(&rotation.external_id)) {
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
    for account in old.accounts.difference(&new.accounts) {
        tables.accounts.remove(account);
    }
    for role in old.roles.difference(&new.roles) {
        tables.roles.remove(&RoleArn::parse(role).unwrap());
    }
    for seat in old.seats.difference(&new.seats) {
        tables.seats.remove(seat);
    }
    for seat in new.seats.difference(&old.seats) {
        tables.seats.insert(seat.clone(), after.id.clone());
    }
    for account in new.accounts.difference(&old.accounts) {
        tables.accounts.insert(account.clone(), after.id.clone());
    }
    for role in new.roles.difference(&old.roles) {
        tables
            .roles
            .insert(RoleArn::parse(role).unwrap(), after.id.clone());
    }
    if let Some(rotation) = new_external_id {
        tables
            .external_ids
            .insert(rotation.external_id.clone(), key(after));
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

struct Claims {
    accounts: BTreeSet<(TenantId, AccountId)>,
    roles: BTreeSet<String>,
    seats: BTreeSet<(ConnectionId, u32)>,
}

/// The account and the roles that a connection holds, and a member's seat: while a change of role is not settled, both
/// roles.
fn claims(connection: &Connection) -> Claims {
    let bindings: Vec<_> = connection
        .live_binding()
        .into_iter()
        .flat_map(|binding| std::iter::once(binding).chain(binding.replaced()))
        .collect();
    Claims {
        accounts: bindings
            .iter()
            .map(|binding| (connection.tenant.clone(), binding.account()))
            .collect(),
        roles: bindings
            .iter()
            .map(|binding| binding.role_arn.to_string())
            .collect(),
        seats: connection
            .live_binding()
            .and_then(|_| Some((connection.id.organization()?, connection.seat?)))
            .into_iter()
            .collect(),
    }
}

fn check_claims(tables: &Tables, after: &Connection, old: &Claims, new: &Claims) -> Result<(), Conflict> {
    for account in new.accounts.difference(&old.accounts) {
        if tables
            .accounts
            .get(account)
            .is_some_and(|holder| *holder != after.id)
        {
            return Err(Conflict::AccountTaken);
        }
    }
    for role in new.roles.difference(&old.roles) {
        let role = RoleArn::parse(role).unwrap();
        if tables.roles.get(&role).is_some_and(|holder| *holder != after.id) {
            return Err(Conflict::RoleTaken);
        }
    }
    for seat in new.seats.difference(&old.seats) {
        if tables.seats.get(seat).is_some_and(|holder| *holder != after.id) {
            return Err(Conflict::SeatTaken);
        }
    }
    Ok(())
}

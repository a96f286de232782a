//! Links are made, connections are listed, shown and ended.

use std::collections::BTreeSet;

use latchkey_api_types::{
    connection::Kind,
    page::{DEFAULT_PAGE, ListQuery},
    request::CreateBody,
};
use latchkey_core::{
    domain::{connection::Organization, profile::Profile},
    use_cases::{find_connections::Wanted, start_connection::NewConnection},
};

use crate::{problem::Problem, request::Request, response::Response, state::State, view};

pub async fn create(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let new = new_connection(request.body()?)?;
    let start = state.start.by(request.caller.as_ref());
    let (connection, link) = start.run(request.tenant.clone(), new).await?;
    Ok(view::made(state, &connection, &link).at(request.path_of(connection.id())))
}

/// What a body asks for, within the limits of each field.
pub fn new_connection(body: CreateBody) -> Result<NewConnection, Problem> {
    let organization = match (body.kind, body.organization) {
        (Kind::Account, None) => None,
        (Kind::Account, Some(_)) => {
            return Err(Problem::invalid_request(
                "`organization` goes with `\"kind\": \"organization\"`",
            ));
        }
        (Kind::Organization, _) if body.account_id.is_some() => {
            return Err(Problem::invalid_request(
                "an organization's connection is for many accounts; name them in `organization.allowed_accounts`",
            ));
        }
        (Kind::Organization, wishes) => {
            let wishes = wishes.unwrap_or_default();
            // A program that filtered its list down to nothing means nobody, not everybody.
            if wishes.allowed_accounts.as_ref().is_some_and(BTreeSet::is_empty) {
                return Err(Problem::invalid_request(
                    "organization.allowed_accounts names no account; leave it out to let any account join",
                ));
            }
            let allowed = wishes.allowed_accounts.unwrap_or_default();
            Some(Organization::new(wishes.max_accounts, allowed)?)
        }
    };
    Ok(NewConnection {
        organization,
        profile: Profile::new(body.name, body.description, body.tags)?,
        account_id: body.account_id,
        region: body.region,
        permission_tier: body.permission_tier,
    })
}

pub async fn list(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let query: ListQuery = request.query()?;
    if let (Some(organization), Some(after)) = (&query.member_of, &query.after)
        && after.organization().as_ref() != Some(organization)
    {
        return Err(Problem::invalid_request(
            "after must be the `next_after` of an earlier page of the same organization",
        ));
    }
    let wanted = Wanted {
        members_of: query.member_of,
        status: query.status,
        account: query.account_id,
    };
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    let found = state
        .find
        .run(&request.tenant, &wanted, query.after.as_ref(), limit);
    let mut page = found.await?;
    state.verified.complete_all(&mut page.connections).await?;
    view::page(state, page).await
}

pub async fn show(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let id = request.connection_id()?;
    let connection = state.store.get(&request.tenant, &id).await?;
    let connection = connection.ok_or_else(Problem::no_such_connection)?;
    let connection = state.verified.complete(connection).await?;
    view::shown(state, 200, &connection).await
}

pub async fn end(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let id = request.connection_id()?;
    let disconnect = state.disconnect.by(request.caller.as_ref());
    let ended = disconnect.run(&request.tenant, &id).await?;
    let ended = ended.ok_or_else(Problem::no_such_connection)?;
    Ok(view::alone(state, &ended))
}

//! The vendor's support and on-call look over all tenants.

use latchkey_api_types::{
    page::DEFAULT_PAGE,
    search::{FoundBody, SearchBody, SearchQuery},
};
use latchkey_core::use_cases::search_all_tenants::{Position, Sought};

use crate::{
    problem::Problem,
    request::{AllTenants, Request},
    response::Response,
    state::State,
    view,
};

pub async fn all_tenants(state: &State, request: &Request<'_, AllTenants>) -> Result<Response, Problem> {
    let query: SearchQuery = request.query()?;
    let sought = [
        query.connection_id.map(Sought::Id),
        query.external_id.map(Sought::ExternalId),
        query.role_arn.map(Sought::Role),
        query.account_id.map(Sought::Account),
        query.status.map(|_| Sought::Degraded),
    ];
    let mut sought = sought.into_iter().flatten();
    let (Some(only), None) = (sought.next(), sought.next()) else {
        return Err(Problem::invalid_request(
            "give exactly one of connection_id, external_id, role_arn, account_id and status=degraded",
        ));
    };
    if query.after.as_ref().is_some_and(|after| !after.is_of(&only)) {
        return Err(Problem::invalid_request(
            "after must be the `next_after` of an earlier page of the same search",
        ));
    }
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    let mut found = state.search.run(&only, query.after, limit).await?;
    state.verified.complete_all(&mut found.connections).await?;
    let bodies = view::bodies(state, &found.connections).await?;
    let of_whom = found
        .connections
        .iter()
        .map(|connection| connection.tenant().clone());
    let connections = of_whom
        .zip(bodies)
        .map(|(tenant, connection)| FoundBody { tenant, connection });
    let body = SearchBody {
        connections: connections.collect(),
        next_after: found.next.as_ref().map(Position::to_string),
    };
    Ok(Response::json(200, &body))
}

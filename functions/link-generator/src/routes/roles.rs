//! Roles that were made by hand.

use latchkey_api_types::request::RoleBody;
use latchkey_core::domain::aws::RoleArn;

use crate::{problem::Problem, request::Request, response::Response, state::State, view};

/// The role is on its way to be proven.
pub async fn register(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let id = request.connection_id()?;
    let body: RoleBody = request.body()?;
    let role_arn = RoleArn::parse(&body.role_arn)
        .map_err(|error| Problem::invalid_request(format!("role_arn {}", error.rule)))?;
    let by_hand = state.by_hand.by(request.caller.as_ref());
    let connection = by_hand.run(&request.tenant, &id, &role_arn).await?;
    view::shown(state, 202, &connection).await
}

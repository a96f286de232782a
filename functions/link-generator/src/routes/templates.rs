//! What was published for customers.

use latchkey_api_types::template::VersionsBody;
use latchkey_core::domain::template_version::newest_first;

use crate::{problem::Problem, request::Request, response::Response, state::State, view::Templates};

/// The same for every tenant.
pub async fn versions(state: &State, _request: &Request<'_>) -> Result<Response, Problem> {
    let Templates { versions, current } = Templates::published(state).await?;
    let body = VersionsBody {
        current,
        versions: newest_first(&versions).into_iter().cloned().collect(),
    };
    Ok(Response::json(200, &body))
}

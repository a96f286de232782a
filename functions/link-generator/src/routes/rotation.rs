//! The external ID of a live connection is replaced.

use latchkey_core::use_cases::rotate_external_id::Rotated;

use crate::{problem::Problem, request::Request, response::Response, state::State, view};

pub async fn start(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    // There is nothing to say: the next external ID above all comes from us (I1).
    request.no_body()?;
    let id = request.connection_id()?;
    let rotate = state.rotate.by(request.caller.as_ref());
    match rotate.start(&request.tenant, &id).await? {
        Rotated::Started(connection) => {
            let started = view::shown(state, 201, &connection).await?;
            Ok(started.at(request.path_of(&id)))
        }
        Rotated::UnderWay(connection) => view::shown(state, 200, &connection).await,
    }
}

pub async fn cancel(state: &State, request: &Request<'_>) -> Result<Response, Problem> {
    let id = request.connection_id()?;
    let rotate = state.rotate.by(request.caller.as_ref());
    let connection = rotate.cancel(&request.tenant, &id).await?;
    view::shown(state, 200, &connection).await
}

//! From an HTTP request to its route.

use std::{future::Future, pin::Pin};

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;

use crate::{
    problem::Problem,
    request::Request,
    response::Response,
    routes::{connections, options, roles, rotation, templates},
    state::State,
};

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response, Problem>> + 'a>>;

/// A route of the API.
pub struct Route {
    /// API Gateway's key of it, such as `GET /v1/connections/{id}`.
    pub key: &'static str,
    answer: for<'a> fn(&'a State, &'a Request<'a>) -> Answering<'a>,
}

/// Every route. template.yaml has the same (`tests/tests/template/api.rs`).
pub const ROUTES: &[Route] = &[
    Route {
        key: "POST /v1/connections",
        answer: |state, request| Box::pin(connections::create(state, request)),
    },
    Route {
        key: "GET /v1/connections",
        answer: |state, request| Box::pin(connections::list(state, request)),
    },
    Route {
        key: "GET /v1/connections/{id}",
        answer: |state, request| Box::pin(connections::show(state, request)),
    },
    Route {
        key: "DELETE /v1/connections/{id}",
        answer: |state, request| Box::pin(connections::end(state, request)),
    },
    Route {
        key: "POST /v1/connections/{id}/role",
        answer: |state, request| Box::pin(roles::register(state, request)),
    },
    Route {
        key: "POST /v1/connections/{id}/rotate-external-id",
        answer: |state, request| Box::pin(rotation::start(state, request)),
    },
    Route {
        key: "DELETE /v1/connections/{id}/rotate-external-id",
        answer: |state, request| Box::pin(rotation::cancel(state, request)),
    },
    Route {
        key: "GET /v1/options",
        answer: |state, request| Box::pin(options::options(state, request)),
    },
    Route {
        key: "GET /v1/template-versions",
        answer: |state, request| Box::pin(templates::versions(state, request)),
    },
];

/// Answers one request. Whatever happens is an HTTP answer; nothing makes the invocation itself fail.
pub async fn answer(state: &State, event: &ApiGatewayV2httpRequest) -> Response {
    let request_id = event.request_context.request_id.as_deref();
    let response = route(state, event)
        .await
        .unwrap_or_else(|problem| Response::problem(problem, request_id));
    tracing::info!(
        "http.route" = event.route_key,
        "http.status" = response.status_code,
        "http.request_id" = request_id,
        "request.answered"
    );
    response
}

async fn route(state: &State, event: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
    let request = Request::new(event, &state.tenant_claim)?;
    let key = event.route_key.as_deref();
    let route = ROUTES.iter().find(|route| Some(route.key) == key);
    let route = route.ok_or_else(Problem::no_such_route)?;
    (route.answer)(state, &request).await
}

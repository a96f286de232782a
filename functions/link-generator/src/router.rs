//! From an HTTP request to its route.

use std::{future::Future, pin::Pin};

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use latchkey_core::domain::ids::TenantId;

use crate::{
    problem::Problem,
    request::{self, AllTenants, Request},
    response::Response,
    routes::{connections, options, roles, rotation, search, templates},
    state::State,
};

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response, Problem>> + 'a>>;

/// How a request came in, which says who may name its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// By a token of the vendor's identity provider: its verified claim names the tenant.
    Tenant,
    /// By the signature of an IAM principal: the path names the tenant, and IAM says who may use
    /// it.
    Vendor,
}

type Answer<T> = for<'a> fn(&'a State, &'a Request<'a, T>) -> Answering<'a>;

/// A route of the API.
pub struct Route {
    method: &'static str,
    /// Behind what the door begins with.
    path: &'static str,
    answers: Answers,
}

/// Whose connections a route is about.
enum Answers {
    /// One tenant's: both doors have it.
    OneTenant(Answer<TenantId>),
    /// All tenants': the vendor's door alone has it.
    AllTenants(Answer<AllTenants>),
}

impl Route {
    /// API Gateway's key of it at each door that it has, such as `GET /v1/connections/{id}`.
    pub fn keys(&self) -> Vec<(Door, String)> {
        let Self { method, path, .. } = self;
        match &self.answers {
            Answers::OneTenant(_) => vec![
                (Door::Tenant, format!("{method} /v1{path}")),
                (Door::Vendor, format!("{method} /v1/tenants/{{tenant}}{path}")),
            ],
            Answers::AllTenants(_) => vec![(Door::Vendor, format!("{method} /v1{path}"))],
        }
    }
}

/// A route for one tenant, which both doors have.
const fn both(method: &'static str, path: &'static str, answer: Answer<TenantId>) -> Route {
    Route {
        method,
        path,
        answers: Answers::OneTenant(answer),
    }
}

/// A route over all tenants, which the vendor's door has.
const fn vendors(method: &'static str, path: &'static str, answer: Answer<AllTenants>) -> Route {
    Route {
        method,
        path,
        answers: Answers::AllTenants(answer),
    }
}

/// Every route. template.yaml has the same (`tests/tests/template/api.rs`).
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    both("POST", "/connections", |state, request| Box::pin(connections::create(state, request))),
    both("GET", "/connections", |state, request| Box::pin(connections::list(state, request))),
    both("GET", "/connections/{id}", |state, request| Box::pin(connections::show(state, request))),
    both("DELETE", "/connections/{id}", |state, request| Box::pin(connections::end(state, request))),
    both("POST", "/connections/{id}/role", |state, request| Box::pin(roles::register(state, request))),
    both("POST", "/connections/{id}/rotate-external-id", |state, request| Box::pin(rotation::start(state, request))),
    both("DELETE", "/connections/{id}/rotate-external-id", |state, request| Box::pin(rotation::cancel(state, request))),
    both("GET", "/options", |state, request| Box::pin(options::options(state, request))),
    both("GET", "/template-versions", |state, request| Box::pin(templates::versions(state, request))),
    vendors("GET", "/search", |state, request| Box::pin(search::all_tenants(state, request))),
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
        "http.caller" = request::iam_caller(event),
        "request.answered"
    );
    response
}

async fn route(state: &State, event: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
    let (route, door) = find(event.route_key.as_deref()).ok_or_else(Problem::no_such_route)?;
    match route.answers {
        Answers::OneTenant(answer) => {
            let request = Request::of_tenant(event, door, state.tenant_claim.as_deref())?;
            answer(state, &request).await
        }
        Answers::AllTenants(answer) => answer(state, &Request::of_all_tenants(event)?).await,
    }
}

fn find(key: Option<&str>) -> Option<(&'static Route, Door)> {
    ROUTES.iter().find_map(|route| {
        let of_key = |(_, of_door): &(Door, String)| Some(of_door.as_str()) == key;
        let (door, _) = route.keys().into_iter().find(of_key)?;
        Some((route, door))
    })
}

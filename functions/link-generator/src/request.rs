//! What a route reads of a request: each part is parsed here, and nowhere else.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::{ApiGatewayRequestAuthorizerJwtDescription, ApiGatewayV2httpRequest};
use latchkey_api_types::{
    reading::{self, Takes, Unread},
    request::Nothing,
};
use latchkey_core::domain::{
    audit::CallerArn,
    ids::{ConnectionId, TenantId},
};

use crate::{problem::Problem, router::Door};

/// How a client may write the one field that it never sends (I1).
const EXTERNAL_ID_NAMES: [&str; 3] = ["external_id", "externalId", "ExternalId"];

/// How the path of all connections begins at the tenant's door, and of a tenant at the vendor's.
const CONNECTIONS: &str = "/v1/connections";
const TENANTS: &str = "/v1/tenants/";

/// Of a request that is about no tenant's connections alone.
pub struct AllTenants;

/// A request of a caller who was let in, for a tenant or for all of them.
pub struct Request<'a, T = TenantId> {
    pub tenant: T,
    /// Who calls at the vendor's door.
    pub caller: Option<CallerArn>,
    event: &'a ApiGatewayV2httpRequest,
}

impl<'a> Request<'a> {
    /// At the tenant's door the tenant is that of the claims that the authorizer verified, at the
    /// vendor's that of the path that IAM let the caller use, and nowhere of anything else (I2).
    /// Where the deployment has no issuer there is no `tenant_claim`, and no tenant's door.
    pub fn of_tenant(
        event: &'a ApiGatewayV2httpRequest,
        door: Door,
        tenant_claim: Option<&str>,
    ) -> Result<Self, Problem> {
        let caller = let_in(event, door)?;
        let tenant = match door {
            Door::Tenant => {
                let claim = tenant_claim.ok_or_else(Problem::no_such_route)?;
                let tenant = match jwt(event).and_then(|jwt| jwt.claims.get(claim)) {
                    Some(tenant) => TenantId::parse(tenant).map_err(|error| error.rule),
                    None => Err("is missing"),
                };
                tenant.map_err(|rule| Problem::no_tenant(claim, rule))?
            }
            Door::Vendor => tenant_of_path(event)?,
        };
        Ok(Self {
            tenant,
            caller,
            event,
        })
    }

    /// The id in the path. One that is none of ours is nobody's connection: the same answer as for another tenant's (I8).
    pub fn connection_id(&self) -> Result<ConnectionId, Problem> {
        let id = path_parameter(self.event, "id")?;
        let id = id.and_then(|id| ConnectionId::parse(id).ok());
        id.ok_or_else(Problem::no_such_connection)
    }

    /// Where a connection is shown at this door. API Gateway says how its path begins here: with a
    /// stage, or with what a domain maps to this API.
    pub fn path_of(&self, id: &ConnectionId) -> String {
        let path = self.event.raw_path.as_deref().unwrap_or_default();
        let begins_before = |part| path.split_once(part).unwrap_or_default().0;
        match &self.caller {
            None => format!("{}{CONNECTIONS}/{id}", begins_before(CONNECTIONS)),
            Some(_) => {
                // Of what a tenant may have here, a path takes all but this as it is.
                let tenant = self.tenant.as_str().replace('|', "%7C");
                format!("{}{TENANTS}{tenant}/connections/{id}", begins_before(TENANTS))
            }
        }
    }
}

impl<'a> Request<'a, AllTenants> {
    pub fn of_all_tenants(event: &'a ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        Ok(Self {
            tenant: AllTenants,
            caller: let_in(event, Door::Vendor)?,
            event,
        })
    }
}

impl<T> Request<'_, T> {
    pub fn body<B: Takes>(&self) -> Result<B, Problem> {
        if self.event.is_base64_encoded {
            return Err(Problem::invalid_request("send the body as application/json"));
        }
        let text = self.event.body.as_deref().unwrap_or_default();
        reading::body(text).map_err(unread::<B>)
    }

    /// For a route that has nothing to be told: no body, or the empty object that many HTTP clients send.
    pub fn no_body(&self) -> Result<(), Problem> {
        match self.event.body.as_deref() {
            None | Some("") => Ok(()),
            Some(_) => self.body::<Nothing>().map(drop),
        }
    }

    pub fn query<Q: Takes>(&self) -> Result<Q, Problem> {
        // Not by the map's own iterator, which panics at a parameter without a value.
        let parameters: BTreeMap<String, Vec<String>> =
            serde_json::to_value(&self.event.query_string_parameters)
                .and_then(serde_json::from_value)
                .map_err(|_| Problem::invalid_request("the query string cannot be read"))?;
        reading::query(parameters).map_err(unread::<Q>)
    }
}

fn jwt(event: &ApiGatewayV2httpRequest) -> Option<&ApiGatewayRequestAuthorizerJwtDescription> {
    event.request_context.authorizer.as_ref()?.jwt.as_ref()
}

/// Who calls at the vendor's door, nobody at the tenant's. What the authorizer of another door let
/// in, or none, comes by a route that should not be, and is refused.
fn let_in(event: &ApiGatewayV2httpRequest, door: Door) -> Result<Option<CallerArn>, Problem> {
    match (door, jwt(event), iam_caller(event)) {
        (Door::Tenant, Some(_), None) => Ok(None),
        (Door::Vendor, None, Some(arn)) => Ok(Some(CallerArn(arn.to_owned()))),
        _ => {
            tracing::error!("http.route" = event.route_key, "door.mismatched");
            Err(Problem::wrong_door())
        }
    }
}

/// The principal whose signature and policies API Gateway's IAM authorization has checked.
pub fn iam_caller(event: &ApiGatewayV2httpRequest) -> Option<&str> {
    let iam = event.request_context.authorizer.as_ref()?.iam.as_ref()?;
    iam.user_arn.as_deref().filter(|arn| !arn.is_empty())
}

fn tenant_of_path(event: &ApiGatewayV2httpRequest) -> Result<TenantId, Problem> {
    let tenant = event.path_parameters.get("tenant").map(String::as_str);
    let tenant = tenant.unwrap_or_default();
    if tenant.contains('/') {
        return Err(Problem::invalid_request(
            "a tenant with `/` has no path of its own; it is served at the tenant's door alone, /v1/connections \
             with a token",
        ));
    }
    path_parameter(event, "tenant")?;
    Ok(TenantId::parse_path_segment(tenant)?)
}

/// A path parameter as API Gateway decoded it. IAM decided by the path: what could be read as more
/// than one segment of it, or could be decoded a second time, is not taken.
fn path_parameter<'a>(event: &'a ApiGatewayV2httpRequest, name: &str) -> Result<Option<&'a str>, Problem> {
    let value = event.path_parameters.get(name).map(String::as_str);
    match value.filter(|value| value.contains(['/', '%'])) {
        Some(_) => Err(Problem::invalid_request(format!(
            "{name} in the path holds `/` or `%`; send each character that needs it percent-encoded once"
        ))),
        None => Ok(value),
    }
}

fn unread<T: Takes>(unread: Unread) -> Problem {
    match &unread {
        Unread::UnknownField(name) if EXTERNAL_ID_NAMES.contains(&name.as_str()) => Problem::invalid_request(
            "external IDs are generated by Latchkey and cannot be chosen; leave out `external_id` and read it from the answer",
        ),
        _ => Problem::invalid_request(unread.sentence::<T>()),
    }
}

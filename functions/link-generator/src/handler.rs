//! From an HTTP request to a use case.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::Error;
use latchkey_aws::telemetry::causes;
use latchkey_core::{
    domain::{
        aws::AccountId,
        connection::{Connection, Status, organization::Progress},
        ids::{ConnectionId, TenantId},
    },
    ports::{Clock, ConnectionStore, Unavailable},
    use_cases::{
        disconnect::DisconnectByVendor,
        find_connections::{FindConnections, Wanted},
        last_verified::LastVerified,
        members::Members,
        register_by_hand::{ByHandError, RegisterByHand},
        rotate_external_id::{RotateError, RotateExternalId, Rotated},
        start_connection::{StartConnection, StartError},
    },
};

use crate::{
    body::{Around, ConnectionBody, PageBody, Templates, parse_create, parse_role},
    response::{Problem, Response},
    template_body::VersionsBody,
};

/// Connections on a page if the caller does not say.
const DEFAULT_PAGE: u16 = 50;
/// What a list can be asked for.
const LIST_PARAMETERS: [&str; 5] = ["limit", "after", "member_of", "status", "account_id"];
/// Most connections on a page.
const MAX_PAGE: u16 = 100;

pub struct Handler {
    /// The claim of the verified token that names the tenant.
    pub tenant_claim: String,
    pub start: StartConnection,
    pub by_hand: RegisterByHand,
    pub members: Members,
    pub disconnect: DisconnectByVendor,
    pub rotate: RotateExternalId,
    pub verified: LastVerified,
    pub find: FindConnections,
    pub store: Arc<dyn ConnectionStore>,
    pub clock: Arc<dyn Clock>,
}

impl Handler {
    /// Answers one request. Whatever happens is an HTTP answer; nothing makes the invocation itself fail.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> Result<Response, Error> {
        let response = match self.route(&request).await {
            Ok(response) => response,
            Err(problem) => problem.into(),
        };
        tracing::info!(
            "http.route" = request.route_key,
            "http.status" = response.status_code,
            "http.request_id" = request.request_context.request_id,
            "request.answered"
        );
        Ok(response)
    }

    async fn route(&self, request: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
        let tenant = self.tenant(request).ok_or_else(Problem::no_tenant)?;
        match request.route_key.as_deref() {
            Some("POST /v1/connections") => self.create(tenant, request).await,
            Some("GET /v1/connections") => self.list(&tenant, request).await,
            Some("GET /v1/connections/{id}") => self.show(&tenant, request).await,
            Some("DELETE /v1/connections/{id}") => self.end(&tenant, request).await,
            Some("GET /v1/template-versions") => self.template_versions().await,
            Some("POST /v1/connections/{id}/role") => self.register_role(&tenant, request).await,
            Some("POST /v1/connections/{id}/rotate-external-id") => {
                self.start_rotation(&tenant, request).await
            }
            Some("DELETE /v1/connections/{id}/rotate-external-id") => {
                self.cancel_rotation(&tenant, request).await
            }
            _ => Err(Problem::no_such_route()),
        }
    }

    /// The tenant, from the claims that the authorizer verified and from nowhere else (I2).
    fn tenant(&self, request: &ApiGatewayV2httpRequest) -> Option<TenantId> {
        let claims = &request.request_context.authorizer.as_ref()?.jwt.as_ref()?.claims;
        TenantId::parse(claims.get(&self.tenant_claim)?).ok()
    }

    async fn create(&self, tenant: TenantId, request: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
        if request.is_base64_encoded {
            return Err(Problem::invalid_request("send the body as application/json"));
        }
        let new =
            parse_create(request.body.as_deref().unwrap_or_default()).map_err(Problem::invalid_request)?;
        let (connection, link) = self.start.run(tenant, new).await.map_err(|error| match error {
            StartError::RegionNotServed
            | StartError::AccountRequired
            | StartError::OrganizationNotServed
            | StartError::TierNotOffered(_) => Problem::invalid_request(error),
            StartError::NoTemplate => Problem::not_ready(error),
            StartError::ListenerFull => Problem::listener_full(error),
            StartError::BadLink(_) => {
                tracing::error!(error = causes(&error), "link.failed");
                Problem::not_ready("the deployment's configuration makes no valid link")
            }
            StartError::Unavailable(error) => unavailable(&error),
        })?;
        // Nobody can have asked yet.
        let rules = connection.organization();
        let progress = rules.map(|rules| rules.progress(&[], self.clock.now()));
        let around = Around {
            link: Some(&link),
            progress: progress.as_ref(),
        };
        let templates = Templates::default();
        Ok(Response::json(201, &self.body(&connection, &around, &templates)))
    }

    /// A role that was made by hand is on its way to be proven.
    async fn register_role(
        &self,
        tenant: &TenantId,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<Response, Problem> {
        let id = connection_id(request)?;
        if request.is_base64_encoded {
            return Err(Problem::invalid_request("send the body as application/json"));
        }
        let role_arn =
            parse_role(request.body.as_deref().unwrap_or_default()).map_err(Problem::invalid_request)?;
        let connection = self
            .by_hand
            .run(tenant, &id, &role_arn)
            .await
            .map_err(|error| match error {
                ByHandError::NotFound => Problem::no_such_connection(),
                ByHandError::OfAStack => Problem::conflict(error),
                ByHandError::Refused(reason) => Problem::refused(&reason),
                ByHandError::Unavailable(error) => unavailable(&error),
            })?;
        self.shown(202, &connection).await
    }

    /// A connection with all that is around it.
    async fn shown(&self, status: u16, connection: &Connection) -> Result<Response, Problem> {
        let link = self.start.policy.launch_link(connection).ok();
        let progress = self.progress(connection).await?;
        let templates = self.templates_for(&[connection]).await?;
        let around = Around {
            link: link.as_ref(),
            progress: progress.as_ref(),
        };
        Ok(Response::json(
            status,
            &self.body(connection, &around, &templates),
        ))
    }

    /// How far the accounts of an organization have come.
    async fn progress(&self, connection: &Connection) -> Result<Option<Progress>, Problem> {
        let Some(rules) = connection.organization() else {
            return Ok(None);
        };
        let members = self.members.all(connection).await;
        let members = members.map_err(|error| unavailable(&error))?;
        Ok(Some(rules.progress(&members, self.clock.now())))
    }

    async fn show(&self, tenant: &TenantId, request: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
        let id = connection_id(request)?;
        let connection = self
            .store
            .get(tenant, &id)
            .await
            .map_err(|error| unavailable(&error))?;
        let mut connection = connection.ok_or_else(Problem::no_such_connection)?;
        if connection.organization().is_some() && connection.rotation().is_some() {
            // Whoever looks ends what a crash may have left open.
            let completed = self.members.complete_rotation(tenant, &id).await;
            completed.map_err(|error| unavailable(&error))?;
            let read_again = self.store.get(tenant, &id).await;
            let read_again = read_again.map_err(|error| unavailable(&error))?;
            connection = read_again.ok_or_else(Problem::no_such_connection)?;
        }
        let connection = self
            .verified
            .complete(connection)
            .await
            .map_err(|error| unavailable(&error))?;
        self.shown(200, &connection).await
    }

    async fn end(&self, tenant: &TenantId, request: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
        let id = connection_id(request)?;
        let ended = self
            .disconnect
            .run(tenant, &id)
            .await
            .map_err(|error| unavailable(&error))?;
        let ended = ended.ok_or_else(Problem::no_such_connection)?;
        let (around, templates) = (Around::default(), Templates::default());
        Ok(Response::json(200, &self.body(&ended, &around, &templates)))
    }

    async fn start_rotation(
        &self,
        tenant: &TenantId,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<Response, Problem> {
        // There is nothing to say: the next external ID above all comes from us (I1).
        if request.body.as_deref().is_some_and(|body| !body.is_empty()) {
            return Err(Problem::invalid_request(
                "this call takes no body; the next external ID is generated by Latchkey and stands in the answer",
            ));
        }
        let id = connection_id(request)?;
        let (status, connection) = match self.rotate.start(tenant, &id).await.map_err(not_rotated)? {
            Rotated::Started(connection) => (201, connection),
            Rotated::UnderWay(connection) => (200, connection),
        };
        self.shown(status, &connection).await
    }

    async fn cancel_rotation(
        &self,
        tenant: &TenantId,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<Response, Problem> {
        let id = connection_id(request)?;
        let connection = self.rotate.cancel(tenant, &id).await.map_err(not_rotated)?;
        self.shown(200, &connection).await
    }

    async fn list(&self, tenant: &TenantId, request: &ApiGatewayV2httpRequest) -> Result<Response, Problem> {
        let query = &request.query_string_parameters;
        // Not by the map's own iterator, which panics at a parameter without a value.
        let given = serde_json::to_value(query)
            .map_err(|error| Problem::invalid_request(format!("the query string cannot be read: {error}")))?;
        let mut names = given.as_object().into_iter().flat_map(|given| given.keys());
        if let Some(name) = names.find(|name| !LIST_PARAMETERS.contains(&name.as_str())) {
            let all = LIST_PARAMETERS.join(", ");
            // A filter with a slip of the pen would list everything.
            return Err(Problem::invalid_request(format!(
                "{name:?} is no parameter of this list; it has {all}"
            )));
        }
        let is_not_one = |name: &&str| query.all(name).is_some_and(|values| values.len() != 1);
        if let Some(name) = LIST_PARAMETERS.into_iter().find(is_not_one) {
            return Err(Problem::invalid_request(format!(
                "{name} must be given once, and has no comma"
            )));
        }
        let limit = match query.first("limit") {
            None => DEFAULT_PAGE,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_PAGE).contains(limit))
                .ok_or_else(|| Problem::invalid_request(format!("limit must be from 1 to {MAX_PAGE}")))?,
        };
        let after = query
            .first("after")
            .map(ConnectionId::parse)
            .transpose()
            .map_err(|_| Problem::invalid_request("after must be the `next_after` of an earlier page"))?;
        let members_of = query
            .first("member_of")
            .map(ConnectionId::parse)
            .transpose()
            .map_err(|_| {
                Problem::invalid_request("member_of must be the id of an organization's connection")
            })?;
        if let (Some(organization), Some(after)) = (&members_of, &after)
            && after.organization().as_ref() != Some(organization)
        {
            return Err(Problem::invalid_request(
                "after must be the `next_after` of an earlier page of the same organization",
            ));
        }
        let wanted = Wanted {
            members_of,
            status: status(query.first("status"))?,
            account: account(query.first("account_id"))?,
        };
        let mut page = self
            .find
            .run(tenant, &wanted, after.as_ref(), limit)
            .await
            .map_err(|error| unavailable(&error))?;
        self.verified
            .complete_all(&mut page.connections)
            .await
            .map_err(|error| unavailable(&error))?;
        let templates = self
            .templates_for(&page.connections.iter().collect::<Vec<_>>())
            .await?;
        let mut progress = Vec::with_capacity(page.connections.len());
        for connection in &page.connections {
            progress.push(self.progress(connection).await?);
        }
        let around = |progress| Around { link: None, progress };
        let body = PageBody {
            connections: page
                .connections
                .iter()
                .zip(&progress)
                .map(|(connection, progress)| self.body(connection, &around(progress.as_ref()), &templates))
                .collect(),
            next_after: page.next_after.as_ref(),
        };
        Ok(Response::json(200, &body))
    }

    async fn template_versions(&self) -> Result<Response, Problem> {
        let templates = self.templates().await?;
        let body = VersionsBody::new(&templates.versions, templates.current.as_deref());
        Ok(Response::json(200, &body))
    }

    /// What was published, where one of the connections has a stack that can be updated.
    async fn templates_for(&self, connections: &[&Connection]) -> Result<Templates, Problem> {
        let has_stacks =
            |connection: &&Connection| connection.live_binding().is_some() || connection.rotation().is_some();
        if !connections.iter().any(has_stacks) {
            return Ok(Templates::default());
        }
        self.templates().await
    }

    async fn templates(&self) -> Result<Templates, Problem> {
        let catalog = &self.start.templates;
        let current = catalog.current().await.map_err(|error| unavailable(&error))?;
        Ok(Templates {
            versions: catalog.versions().await.map_err(|error| unavailable(&error))?,
            current: current.map(|current| current.version),
        })
    }

    fn body<'a>(
        &self,
        connection: &'a Connection,
        around: &Around<'a>,
        templates: &'a Templates,
    ) -> ConnectionBody<'a> {
        ConnectionBody::new(connection, around, templates, self.clock.now())
    }
}

/// An id that is none of ours is nobody's connection: the same answer as for another tenant's (I8).
fn connection_id(request: &ApiGatewayV2httpRequest) -> Result<ConnectionId, Problem> {
    let id = request
        .path_parameters
        .get("id")
        .map(String::as_str)
        .unwrap_or_default();
    ConnectionId::parse(id).map_err(|_| Problem::no_such_connection())
}

fn not_rotated(error: RotateError) -> Problem {
    match error {
        RotateError::NotFound => Problem::no_such_connection(),
        RotateError::NotConnected(_) | RotateError::OfOrganization | RotateError::BeingChanged => {
            Problem::conflict(error)
        }
        RotateError::Unavailable(error) => unavailable(&error),
    }
}

/// The status that a list is narrowed to.
fn status(text: Option<&str>) -> Result<Option<Status>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let status = Status::ALL.into_iter().find(|status| status.as_str() == text);
    status.map(Some).ok_or_else(|| {
        let all = Status::ALL.map(Status::as_str).join(", ");
        Problem::invalid_request(format!("status must be one of {all}"))
    })
}

/// The account that a list is narrowed to.
fn account(text: Option<&str>) -> Result<Option<AccountId>, Problem> {
    text.map(AccountId::parse)
        .transpose()
        .map_err(|_| Problem::invalid_request("account_id must be the 12 digits of an AWS account"))
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::error!(error = causes(error), "store.failed");
    Problem::unavailable()
}

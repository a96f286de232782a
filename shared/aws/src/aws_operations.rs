//! The SDK's operations without its clients.
//!
//! Whenever a client of one of the SDK's crates is made, that crate reads AWS's partitions from JSON and compiles their
//! patterns, whoever resolves the endpoint: 0.4 M of a start's instructions and 17 pages for each crate, and ours need an
//! endpoint that [`Service::url`] knows. [`AwsService`] runs the very operations (what writes a request, reads an answer
//! and knows which error is worth another try is the crate's) with the same parts of the SDK's runtime: signing, standard
//! retries, time-outs, clock skew, identity cache. The tests hold what it sends, and how often, against a client's.

use std::{fmt::Debug, marker::PhantomData};

use aws_runtime::{
    auth::sigv4::{self, SigV4AuthScheme},
    invocation_id::InvocationIdInterceptor,
    recursion_detection::RecursionDetectionInterceptor,
    request_info::RequestInfoInterceptor,
    service_clock_skew::ServiceClockSkewInterceptor,
    user_agent::{ApiMetadata, UserAgentInterceptor},
};
use aws_smithy_runtime::client::{
    defaults::{DefaultPluginParams, default_plugins},
    http::connection_poisoning::ConnectionPoisoningInterceptor,
    orchestrator::{endpoints::StaticUriEndpointResolver, invoke},
    retries::classifiers::HttpStatusCodeClassifier,
};
use aws_smithy_runtime_api::client::{
    auth::static_resolver::StaticAuthSchemeOptionResolver,
    behavior_version::BehaviorVersion,
    endpoint::SharedEndpointResolver,
    interceptors::{SharedInterceptor, context::Input},
    orchestrator::HttpResponse,
    result::SdkError,
    runtime_components::RuntimeComponentsBuilder,
    runtime_plugin::{RuntimePlugins, SharedRuntimePlugin, StaticRuntimePlugin},
};
use aws_smithy_types::{
    config_bag::{FrozenLayer, Layer},
    error::operation::BuildError,
};
use aws_types::{
    SdkConfig, SigningName,
    endpoint_config::{EndpointUrl, UseDualStack, UseFips},
    region::SigningRegion,
};
use latchkey_core::domain::aws::Region;

use super::aws_clients::Service;

/// One of the SDK's crates.
pub trait Api {
    /// Which service it is for.
    const SERVICE: Service;
    /// The service as requests are signed for it, and as its retries are counted.
    const NAME: &'static str;

    /// The crate's version, for the user agent.
    fn version() -> &'static str;

    /// The crate's own rules of endpoints, for those that [`Service::url`] does not know.
    fn endpoint_rules() -> SharedEndpointResolver;
}

/// What an operation is asked, and with it which operation that is.
pub trait Request: Debug + Send + Sync + Sized + 'static {
    /// Whose operation it is.
    type Api: Api;
    /// What it answers.
    type Output: Debug + Send + Sync + 'static;
    /// How it refuses.
    type Error: std::error::Error + Send + Sync + 'static;
    /// The operation's name.
    const OPERATION: &'static str;

    /// The operation itself, as its crate has it.
    fn operation() -> SharedRuntimePlugin;
}

macro_rules! operations {
    (
        $sdk:ident, $api:ident = $name:literal:
        $($module:ident::$operation:ident, $input:ident, $output:ident, $error:ident;)+
    ) => {
        #[doc = concat!("The crate `", stringify!($sdk), "`.")]
        #[derive(Debug, Clone, Copy)]
        pub struct $api;

        impl Api for $api {
            const SERVICE: Service = Service::$api;
            const NAME: &'static str = $name;

            fn version() -> &'static str {
                $sdk::meta::PKG_VERSION
            }

            fn endpoint_rules() -> SharedEndpointResolver {
                use $sdk::config::endpoint::{DefaultResolver, ResolveEndpoint as _};
                DefaultResolver::new().into_shared_resolver()
            }
        }

        $(impl Request for $sdk::operation::$module::$input {
            type Api = $api;
            type Output = $sdk::operation::$module::$output;
            type Error = $sdk::operation::$module::$error;
            const OPERATION: &'static str = stringify!($operation);

            fn operation() -> SharedRuntimePlugin {
                SharedRuntimePlugin::new($sdk::operation::$module::$operation::new())
            }
        })+
    };
}

operations! { aws_sdk_dynamodb, DynamoDb = "dynamodb":
    batch_get_item::BatchGetItem, BatchGetItemInput, BatchGetItemOutput, BatchGetItemError;
    delete_item::DeleteItem, DeleteItemInput, DeleteItemOutput, DeleteItemError;
    get_item::GetItem, GetItemInput, GetItemOutput, GetItemError;
    put_item::PutItem, PutItemInput, PutItemOutput, PutItemError;
    query::Query, QueryInput, QueryOutput, QueryError;
    // Its token is the caller's to give: a client would add one where there is none.
    transact_write_items::TransactWriteItems, TransactWriteItemsInput, TransactWriteItemsOutput, TransactWriteItemsError;
    update_item::UpdateItem, UpdateItemInput, UpdateItemOutput, UpdateItemError;
}

operations! { aws_sdk_sqs, Sqs = "sqs":
    change_message_visibility_batch::ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchInput,
        ChangeMessageVisibilityBatchOutput, ChangeMessageVisibilityBatchError;
    send_message_batch::SendMessageBatch, SendMessageBatchInput, SendMessageBatchOutput, SendMessageBatchError;
}

operations! { aws_sdk_sts, Sts = "sts":
    assume_role::AssumeRole, AssumeRoleInput, AssumeRoleOutput, AssumeRoleError;
}

/// One service of AWS in one region.
#[derive(Debug)]
pub struct AwsService<A> {
    plugins: RuntimePlugins,
    api: PhantomData<A>,
}

impl<A> Clone for AwsService<A> {
    fn clone(&self) -> Self {
        Self {
            plugins: self.plugins.clone(),
            api: PhantomData,
        }
    }
}

impl<A: Api> AwsService<A> {
    /// The service, with what `config` says of region, credentials, connector, time-outs, retries and endpoint; what else the
    /// SDK's loader may put there, such as endpoints of single services or accounts, is not looked at.
    pub fn new(config: &SdkConfig) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let defaults = DefaultPluginParams::new()
            .with_retry_partition_name(format!("{}-{region}", A::NAME))
            .with_behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
            .with_is_aws_sdk(true);
        let own = StaticRuntimePlugin::new()
            .with_config(settings::<A>(config))
            .with_runtime_components(components::<A>(config, &region));
        Self {
            plugins: RuntimePlugins::new()
                .with_client_plugins(default_plugins(defaults))
                .with_client_plugin(own),
            api: PhantomData,
        }
    }

    /// Calls the operation that `request` is for.
    pub async fn call<R: Request<Api = A>>(
        &self,
        request: Result<R, BuildError>,
    ) -> Result<R::Output, SdkError<R::Error, HttpResponse>> {
        let request = Input::erase(request.map_err(SdkError::construction_failure)?);
        let plugins = self.plugins.clone().with_operation_plugin(R::operation());
        let answer = invoke(A::NAME, R::OPERATION, request, &plugins).await;
        #[expect(clippy::expect_used, reason = "the operation's own parser made both")]
        match answer {
            Ok(output) => Ok(output.downcast().expect("the operation's output")),
            Err(error) => {
                Err(error
                    .map_service_error(|error| error.downcast::<R::Error>().expect("the operation's error")))
            }
        }
    }
}

fn settings<A: Api>(config: &SdkConfig) -> FrozenLayer {
    let mut layer = Layer::new("latchkey");
    layer
        .store_put(ApiMetadata::new(A::NAME, A::version()))
        .store_put(SigningName::from_static(A::NAME))
        .store_or_unset(config.region().cloned())
        .store_or_unset(config.region().cloned().map(SigningRegion::from))
        .store_or_unset(config.endpoint_url().map(|url| EndpointUrl(url.to_owned())))
        .store_or_unset(config.use_fips().map(UseFips))
        .store_or_unset(config.use_dual_stack().map(UseDualStack));
    if let Some(timeouts) = config.timeout_config() {
        layer.store_put(timeouts.clone());
    }
    if let Some(retries) = config.retry_config() {
        layer.store_put(retries.clone());
    }
    if let Some(protection) = config.stalled_stream_protection() {
        layer.store_put(protection);
    }
    layer.freeze()
}

/// In the order in which a client has them.
fn components<A: Api>(config: &SdkConfig, region: &str) -> RuntimeComponentsBuilder {
    let mut components = RuntimeComponentsBuilder::new("latchkey")
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID])))
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_endpoint_resolver(Some(endpoint::<A>(config, region)))
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_interceptor(SharedInterceptor::permanent(ConnectionPoisoningInterceptor::new()))
        .with_interceptor(ServiceClockSkewInterceptor::new())
        .with_interceptor(RequestInfoInterceptor::new())
        .with_interceptor(UserAgentInterceptor::new())
        .with_interceptor(InvocationIdInterceptor::new())
        .with_interceptor(SharedInterceptor::permanent(RecursionDetectionInterceptor::new()));
    if let Some(client) = config.http_client() {
        components = components.with_http_client(Some(client));
    }
    if let Some(time_source) = config.time_source() {
        components = components.with_time_source(Some(time_source));
    }
    if let Some(sleep) = config.sleep_impl() {
        components = components.with_sleep_impl(Some(sleep));
    }
    if let Some(cache) = config.identity_cache() {
        components = components.with_identity_cache(Some(cache));
    }
    if let Some(credentials) = config.credentials_provider() {
        components = components.with_identity_resolver(sigv4::SCHEME_ID, credentials);
    }
    components
}

/// The endpoint that `config` names, or the region's own; for FIPS and dual-stack whatever the crate's rules say.
fn endpoint<A: Api>(config: &SdkConfig, region: &str) -> SharedEndpointResolver {
    let regional = || A::SERVICE.url(&Region::parse(region).ok()?);
    let is_plain = config.use_fips() != Some(true) && config.use_dual_stack() != Some(true);
    match config.endpoint_url().map(str::to_owned).or_else(regional) {
        Some(url) if is_plain => SharedEndpointResolver::new(StaticUriEndpointResolver::uri(url)),
        _ => A::endpoint_rules(),
    }
}

#[cfg(test)]
mod tests;

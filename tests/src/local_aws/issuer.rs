//! Identity providers: user pools of the local AWS, each with an app client, whose tokens name a tenant.

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::{
    Client,
    types::{
        AttributeDataType, AttributeType, AuthFlowType, ExplicitAuthFlowsType, MessageActionType,
        SchemaAttributeType, TimeUnitsType, TokenValidityUnitsType,
    },
};

use super::HUB_REGION;
use crate::Error;

/// The name of the one that the API trusts.
pub const TRUSTED: &str = "latchkey-local";
pub const TENANT_CLAIM: &str = "custom:tenant";
/// How long a token is good for: a day, so that a local AWS can be left running.
const TOKEN_HOURS: i32 = 24;
/// Of every user; they exist as long as a local AWS runs.
const PASSWORD: &str = "Local-password-1!";

pub struct Issuer {
    client: Client,
    pool_id: String,
    client_id: String,
}

pub struct Tokens {
    /// Says who somebody is, tenant included.
    pub id: String,
    /// Says what somebody may do; it carries no tenant.
    pub access: String,
}

impl Issuer {
    pub async fn create(vendor: &SdkConfig, name: &str) -> Result<Self, Error> {
        let client = Client::new(vendor);
        let tenant = SchemaAttributeType::builder()
            .name("tenant")
            .attribute_data_type(AttributeDataType::String);
        let pool = client.create_user_pool().pool_name(name).schema(tenant.build());
        let pool = pool.send().await?.user_pool.and_then(|pool| pool.id);
        let pool_id = pool.ok_or("the pool has no id")?;
        let hours = TokenValidityUnitsType::builder().id_token(TimeUnitsType::Hours);
        let app = client
            .create_user_pool_client()
            .user_pool_id(&pool_id)
            .client_name("vendor-ui")
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowAdminUserPasswordAuth)
            .id_token_validity(TOKEN_HOURS)
            .token_validity_units(hours.build())
            .send()
            .await?;
        let client_id = app.user_pool_client.and_then(|app| app.client_id);
        Ok(Self {
            client,
            pool_id,
            client_id: client_id.ok_or("the app client has no id")?,
        })
    }

    /// The one that the API trusts, which a deployment has made.
    pub async fn trusted(vendor: &SdkConfig) -> Result<Self, Error> {
        let client = Client::new(vendor);
        let pools = client.list_user_pools().max_results(60).send().await?;
        let mut pools = pools.user_pools.into_iter().flatten();
        let pool = pools.find(|pool| pool.name() == Some(TRUSTED));
        let pool_id = pool
            .and_then(|pool| pool.id)
            .ok_or("the vendor has no identity provider")?;
        let apps = client
            .list_user_pool_clients()
            .user_pool_id(&pool_id)
            .send()
            .await?;
        let app = apps.user_pool_clients.and_then(|apps| apps.into_iter().next());
        Ok(Self {
            client,
            pool_id,
            client_id: app.and_then(|app| app.client_id).ok_or("no app client")?,
        })
    }

    pub fn issuer(&self) -> String {
        format!("https://cognito-idp.{HUB_REGION}.amazonaws.com/{}", self.pool_id)
    }

    pub fn audience(&self) -> &str {
        &self.client_id
    }

    /// Makes a user of `tenant`, who logs in.
    pub async fn login(&self, user: &str, tenant: &str) -> Result<Tokens, Error> {
        let attribute = AttributeType::builder().name(TENANT_CLAIM).value(tenant);
        self.client
            .admin_create_user()
            .user_pool_id(&self.pool_id)
            .username(user)
            .user_attributes(attribute.build()?)
            .message_action(MessageActionType::Suppress)
            .send()
            .await?;
        self.client
            .admin_set_user_password()
            .user_pool_id(&self.pool_id)
            .username(user)
            .password(PASSWORD)
            .permanent(true)
            .send()
            .await?;
        let answer = self
            .client
            .admin_initiate_auth()
            .user_pool_id(&self.pool_id)
            .client_id(&self.client_id)
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", user)
            .auth_parameters("PASSWORD", PASSWORD)
            .send()
            .await?;
        let result = answer.authentication_result.ok_or("the login gave nothing")?;
        Ok(Tokens {
            id: result.id_token.ok_or("no id token")?,
            access: result.access_token.ok_or("no access token")?,
        })
    }
}

//! The vendor's identity provider: a user pool of the local AWS, with a user for each tenant.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::{
    Client,
    types::{
        AttributeDataType, AttributeType, AuthFlowType, ExplicitAuthFlowsType, MessageActionType,
        SchemaAttributeType, TimeUnitsType, TokenValidityUnitsType,
    },
};

use super::HUB_REGION;
use crate::{Error, failed};

/// The claim that names the tenant.
pub const TENANT_CLAIM: &str = "custom:tenant";
/// How long a token is good for: a day, so that a local AWS can be left running.
const TOKEN_HOURS: i32 = 24;

pub struct Issuer {
    client: Client,
    pool_id: String,
    client_id: String,
}

impl Issuer {
    pub async fn create(vendor: &SdkConfig) -> Result<Self, Error> {
        let client = Client::new(vendor);
        let tenant = SchemaAttributeType::builder()
            .name("tenant")
            .attribute_data_type(AttributeDataType::String)
            .build();
        let pool = client
            .create_user_pool()
            .pool_name("latchkey-local")
            .schema(tenant)
            .send()
            .await
            .map_err(|error| failed("making the user pool", &error))?;
        let pool_id = pool
            .user_pool()
            .and_then(|pool| pool.id())
            .ok_or("the pool has no id")?
            .to_owned();
        let app = client
            .create_user_pool_client()
            .user_pool_id(&pool_id)
            .client_name("vendor-ui")
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowAdminUserPasswordAuth)
            .id_token_validity(TOKEN_HOURS)
            .token_validity_units(
                TokenValidityUnitsType::builder()
                    .id_token(TimeUnitsType::Hours)
                    .build(),
            )
            .send()
            .await
            .map_err(|error| failed("making the app client", &error))?;
        let client_id = app
            .user_pool_client()
            .and_then(|app| app.client_id())
            .ok_or("the app client has no id")?
            .to_owned();
        Ok(Self {
            client,
            pool_id,
            client_id,
        })
    }

    pub fn issuer(&self) -> String {
        format!("https://cognito-idp.{HUB_REGION}.amazonaws.com/{}", self.pool_id)
    }

    pub fn audience(&self) -> &str {
        &self.client_id
    }

    pub async fn tokens(&self, tenants: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        let mut tokens = BTreeMap::new();
        for tenant in tenants {
            tokens.insert((*tenant).to_owned(), self.token(tenant).await?);
        }
        Ok(tokens)
    }

    async fn token(&self, tenant: &str) -> Result<String, Error> {
        // Made up for this run; the pool ends with it.
        let password = format!("Local-{}-1!", std::process::id());
        let attribute = AttributeType::builder()
            .name(TENANT_CLAIM)
            .value(tenant)
            .build()?;
        let user = format!("{tenant}-ui");
        self.client
            .admin_create_user()
            .user_pool_id(&self.pool_id)
            .username(&user)
            .user_attributes(attribute)
            .message_action(MessageActionType::Suppress)
            .send()
            .await
            .map_err(|error| failed("making a user", &error))?;
        self.client
            .admin_set_user_password()
            .user_pool_id(&self.pool_id)
            .username(&user)
            .password(&password)
            .permanent(true)
            .send()
            .await
            .map_err(|error| failed("setting a user's password", &error))?;
        let answer = self
            .client
            .admin_initiate_auth()
            .user_pool_id(&self.pool_id)
            .client_id(&self.client_id)
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", &user)
            .auth_parameters("PASSWORD", &password)
            .send()
            .await
            .map_err(|error| failed("logging in", &error))?;
        let token = answer
            .authentication_result()
            .and_then(|result| result.id_token());
        Ok(token.ok_or("the login gave no id token")?.to_owned())
    }
}

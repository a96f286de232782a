//! Tokens of the vendor's identity provider, and of others.

use aws_sdk_cognitoidentityprovider::{
    Client,
    types::{
        AttributeDataType, AttributeType, AuthFlowType, ExplicitAuthFlowsType, MessageActionType,
        SchemaAttributeType,
    },
};

use crate::{Error, api::Api, failed, scene::Scene};

/// The claim that names the tenant.
const TENANT_CLAIM: &str = "custom:tenant";
/// Of a user that exists as long as a local AWS runs.
const PASSWORD: &str = "Local-password-1!";

/// What a login gives.
pub struct Tokens {
    /// Says who somebody is, tenant included.
    pub id: String,
    /// Says what somebody may do; it carries no tenant.
    pub access: String,
}

impl Scene {
    /// The UI of a tenant that no other test has.
    pub async fn new_tenant(&self) -> Result<Api, Error> {
        let tokens = self
            .login(&format!("tenant-{}", crate::scene::fresh_account()))
            .await?;
        Api::with_token(&self.ready, &tokens.id)
    }

    /// A login of a user of `tenant`, at the issuer that the API trusts.
    pub async fn login(&self, tenant: &str) -> Result<Tokens, Error> {
        let client = Client::new(&self.vendor);
        let pools = client
            .list_user_pools()
            .max_results(60)
            .send()
            .await
            .map_err(|error| failed("listing the user pools", &error))?;
        let pool = pools
            .user_pools()
            .iter()
            .find(|pool| pool.name() == Some("latchkey-local"))
            .and_then(|pool| pool.id())
            .ok_or("the vendor has no identity provider")?;
        let apps = client
            .list_user_pool_clients()
            .user_pool_id(pool)
            .send()
            .await
            .map_err(|error| failed("listing the app clients", &error))?;
        let app = apps
            .user_pool_clients()
            .first()
            .and_then(|app| app.client_id())
            .ok_or("no app client")?;
        sign_up(&client, pool, app, tenant).await
    }

    /// A login of a user of `tenant`, at an issuer that the API does not trust.
    pub async fn login_elsewhere(&self, tenant: &str) -> Result<Tokens, Error> {
        let client = Client::new(&self.vendor);
        let attribute = SchemaAttributeType::builder()
            .name("tenant")
            .attribute_data_type(AttributeDataType::String)
            .build();
        let pool = client
            .create_user_pool()
            .pool_name(format!("elsewhere-{}", crate::scene::fresh_account()))
            .schema(attribute)
            .send()
            .await
            .map_err(|error| failed("making another issuer", &error))?;
        let pool = pool
            .user_pool()
            .and_then(|pool| pool.id())
            .ok_or("the pool has no id")?;
        let app = client
            .create_user_pool_client()
            .user_pool_id(pool)
            .client_name("other-ui")
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowAdminUserPasswordAuth)
            .send()
            .await
            .map_err(|error| failed("making another app client", &error))?;
        let app = app
            .user_pool_client()
            .and_then(|app| app.client_id())
            .ok_or("the app has no id")?;
        sign_up(&client, pool, app, tenant).await
    }
}

async fn sign_up(client: &Client, pool: &str, app: &str, tenant: &str) -> Result<Tokens, Error> {
    let user = format!("{tenant}-{}", crate::scene::fresh_account());
    let attribute = AttributeType::builder()
        .name(TENANT_CLAIM)
        .value(tenant)
        .build()?;
    client
        .admin_create_user()
        .user_pool_id(pool)
        .username(&user)
        .user_attributes(attribute)
        .message_action(MessageActionType::Suppress)
        .send()
        .await
        .map_err(|error| failed("making a user", &error))?;
    client
        .admin_set_user_password()
        .user_pool_id(pool)
        .username(&user)
        .password(PASSWORD)
        .permanent(true)
        .send()
        .await
        .map_err(|error| failed("setting a password", &error))?;
    let answer = client
        .admin_initiate_auth()
        .user_pool_id(pool)
        .client_id(app)
        .auth_flow(AuthFlowType::AdminUserPasswordAuth)
        .auth_parameters("USERNAME", &user)
        .auth_parameters("PASSWORD", PASSWORD)
        .send()
        .await
        .map_err(|error| failed("logging in", &error))?;
    let result = answer.authentication_result().ok_or("the login gave nothing")?;
    Ok(Tokens {
        id: result.id_token().ok_or("no id token")?.to_owned(),
        access: result.access_token().ok_or("no access token")?.to_owned(),
    })
}

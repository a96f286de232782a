//! Tokens of the vendor's identity provider, and of others.

pub use crate::local_aws::issuer::Tokens;
use crate::{
    Error,
    api::Api,
    local_aws::issuer::Issuer,
    scene::{Scene, fresh_account},
};

impl Scene {
    /// The UI of a tenant that no other test has.
    pub async fn new_tenant(&self) -> Result<Api, Error> {
        let tokens = self.login(&format!("tenant-{}", fresh_account())).await?;
        Api::with_token(&self.ready, &tokens.id)
    }

    /// A login of a user of `tenant`, at the issuer that the API trusts.
    pub async fn login(&self, tenant: &str) -> Result<Tokens, Error> {
        let user = format!("{tenant}-{}", fresh_account());
        Issuer::trusted(&self.vendor).await?.login(&user, tenant).await
    }

    /// A login of a user of `tenant`, at an issuer that the API does not trust.
    pub async fn login_elsewhere(&self, tenant: &str) -> Result<Tokens, Error> {
        let name = format!("elsewhere-{}", fresh_account());
        let elsewhere = Issuer::create(&self.vendor, &name).await?;
        elsewhere.login("somebody", tenant).await
    }
}

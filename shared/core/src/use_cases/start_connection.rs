//! A vendor asks for a launch link.

use std::sync::Arc;

use jiff::SignedDuration;

use super::find_connections::holder;
use crate::{
    domain::{
        audit::{Actor, AuditEntry, CallerArn},
        aws::{AccountId, Region},
        connection::{Connection, Launch, NEVER, Organization, Status},
        ids::{ConnectionId, TenantId},
        instructions::launch_link::LaunchLink,
        invalid::Invalid,
        listener_access::{Grant, MAX_POLICY_STATEMENTS},
        profile::Profile,
        proof::tiers::TierName,
    },
    ports::{
        Clock, ConnectionSearch, ConnectionStore, GrantStore, IdSource, Permitted, TemplateCatalog,
        TopicPermissions, Unavailable,
    },
};

use super::served_regions::ServedRegions;

/// What a deployment decides about its links.
#[derive(Debug, Clone)]
pub struct LinkPolicy {
    /// How long a link may be used.
    pub lifetime: SignedDuration,
    /// Where a link opens the console if the vendor's UI does not say.
    pub default_region: Region,
    /// Whether the vendor's UI has to name the account, so that no link can be taken by another one.
    pub requires_account: bool,
    /// What a role may be asked to be able to do.
    pub offered_tiers: Vec<TierName>,
    /// How the suggested name of a stack begins.
    pub stack_name_prefix: String,
}

impl LinkPolicy {
    /// The launch link of a connection: it follows from what is stored, and can be shown again.
    pub fn launch_link(&self, connection: &Connection) -> Result<LaunchLink, Invalid> {
        /// Enough of the id to tell a customer's stacks apart in their console.
        const ID_CHARS_IN_STACK_NAME: usize = 8;
        let id = connection
            .id()
            .as_str()
            .trim_start_matches(crate::domain::ids::CONNECTION_ID_PREFIX);
        let stack_name = format!(
            "{}-{}",
            self.stack_name_prefix,
            &id[..ID_CHARS_IN_STACK_NAME.min(id.len())]
        );
        LaunchLink::new(
            connection.launch_region().clone(),
            connection.template().url.clone(),
            stack_name,
            connection.external_id().clone(),
            connection.permission_tier().cloned(),
        )
    }
}

/// What the vendor's UI may choose. The external ID is not among it (I1).
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Name, description and tags.
    pub profile: Profile,
    /// The only account that may take the link.
    pub account_id: Option<AccountId>,
    /// What the role shall be able to do; the template's default, or the customer's own choice, where it is not said.
    pub permission_tier: Option<TierName>,
    /// Where the link shall open the console.
    pub region: Option<Region>,
    /// Which accounts may share the connection, where it is for an organization.
    pub organization: Option<Organization>,
}

/// Why no link was made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no listener in the wished region.
    #[error("there is no listener topic in the region {0}; customers can launch in {1}")]
    RegionNotServed(Region, String),
    /// The deployment makes links for named accounts only.
    #[error(
        "account_id is missing; this deployment makes links for one named account only (or for an organization whose \
         allowed_accounts are named)"
    )]
    AccountRequired,
    /// The deployment lets single accounts in, one by one.
    #[error(
        "this deployment lets accounts in one by one (ListenerAccess is per-account), so that an organization's accounts cannot \
         share a connection; make one for each account, or deploy with open topics"
    )]
    OrganizationNotServed,
    /// The deployment does not offer the wished tier.
    #[error("permission_tier is not one of those that this deployment offers: {0}")]
    TierNotOffered(String),
    /// The account is connected, and well.
    #[error(
        "this account is connected already, by {0}; use that connection, or end it before you make another"
    )]
    AccountConnected(ConnectionId),
    /// SNS knows no such account.
    #[error(
        "account_id is no account that AWS knows; compare its digits with those of the customer's console"
    )]
    NoSuchAccount,
    /// The region's topic lets in no further account.
    #[error(
        "the listener topic of this region lets in no further account: its policy holds {MAX_POLICY_STATEMENTS} statements and 30 KB at \
         most; use another region, end connections that are not needed, or deploy with open topics"
    )]
    ListenerFull,
    /// The deployment has not published a customer template yet.
    #[error("no customer template has been published; run the publishing command of the README")]
    NoTemplate,
    /// What is stored does not make a link; the deployment's configuration or template pointer is wrong.
    #[error("the deployment's configuration makes no link: {0}")]
    BadLink(Invalid),
    /// A service of ours could not be used.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Makes connections.
#[derive(Clone)]
pub struct StartConnection {
    /// Where they are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// Which of them an account is connected to.
    pub search: Arc<dyn ConnectionSearch>,
    /// Which template their links open.
    pub templates: Arc<dyn TemplateCatalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Their names and external IDs.
    pub ids: Arc<dyn IdSource>,
    /// What the deployment decides.
    pub policy: LinkPolicy,
    /// Where there is a listener topic.
    pub regions: Arc<ServedRegions>,
    /// Where an account has to be let in before its stack can publish; none where the topics are open.
    pub doors: Option<Doors>,
    /// Who calls the vendor's door, for the audit log; nobody at the tenant's.
    pub caller: Option<CallerArn>,
}

/// The listener topics of a deployment that lets in single accounts.
#[derive(Clone)]
pub struct Doors {
    /// Remembers who was let in, and for whom.
    pub grants: Arc<dyn GrantStore>,
    /// The topics' policies.
    pub topics: Arc<dyn TopicPermissions>,
}

impl StartConnection {
    /// The same for a caller of the vendor's door.
    #[must_use]
    pub fn by(&self, caller: Option<&CallerArn>) -> Self {
        Self {
            caller: caller.cloned(),
            ..self.clone()
        }
    }

    /// Makes a `pending` connection for `tenant`, with its launch link.
    pub async fn run(
        &self,
        tenant: TenantId,
        new: NewConnection,
    ) -> Result<(Connection, LaunchLink), StartError> {
        let region = new.region.unwrap_or_else(|| self.policy.default_region.clone());
        let served = self.regions.list().await?;
        if !served.contains(&region) {
            let served: Vec<&str> = served.iter().map(Region::as_str).collect();
            return Err(StartError::RegionNotServed(region, served.join(", ")));
        }
        if new.organization.is_some() && self.doors.is_some() {
            return Err(StartError::OrganizationNotServed);
        }
        let names_accounts = match &new.organization {
            Some(organization) => !organization.allowed_accounts.is_empty(),
            None => new.account_id.is_some(),
        };
        if (self.policy.requires_account || self.doors.is_some()) && !names_accounts {
            return Err(StartError::AccountRequired);
        }
        if let Some(tier) = &new.permission_tier
            && !self.policy.offered_tiers.contains(tier)
        {
            let offered: Vec<&str> = self.policy.offered_tiers.iter().map(TierName::as_str).collect();
            return Err(StartError::TierNotOffered(offered.join(", ")));
        }
        let template = self.templates.current().await?.ok_or(StartError::NoTemplate)?;
        let now = self.clock.now();
        if let Some(account) = &new.account_id {
            let holder = holder(&*self.search, &tenant, account).await?;
            // A degraded one is perhaps what the new link shall take the place of.
            if let Some(active) = holder.filter(|it| it.status(now) == Status::Active) {
                return Err(StartError::AccountConnected(active.id().clone()));
            }
        }
        let connection = Connection::new(Launch {
            tenant,
            id: self.ids.connection_id(),
            external_id: self.ids.external_id(),
            profile: new.profile,
            expected_account: new.account_id,
            permission_tier: new.permission_tier,
            launch_region: region,
            template,
            expires_at: match new.organization {
                Some(_) => NEVER,
                None => now.saturating_add(self.policy.lifetime).unwrap_or(now),
            },
            organization: new.organization,
            created_at: now,
        });
        let link = self
            .policy
            .launch_link(&connection)
            .map_err(StartError::BadLink)?;
        if let (Some(doors), Some(grant)) = (&self.doors, Grant::of(&connection)) {
            doors.open(&grant).await?;
        }
        let audit = AuditEntry::new(&connection, Actor::VendorApi, "created", None, now);
        let audit = audit.by(self.caller.as_ref());
        self.store.insert(&connection, &audit).await?;
        Ok((connection, link))
    }
}

impl Doors {
    /// Lets the account of a grant publish. The grant is written down first: a permission that nobody remembers could
    /// not be taken back ([`super::keep_doors`]).
    async fn open(&self, grant: &Grant) -> Result<(), StartError> {
        self.grants.remember_grant(grant).await?;
        match self.topics.permit(&grant.region, &grant.account).await? {
            Permitted::Yes => Ok(()),
            Permitted::PolicyFull => {
                self.grants.forget_grant(grant).await?;
                Err(StartError::ListenerFull)
            }
            Permitted::NoSuchAccount => {
                self.grants.forget_grant(grant).await?;
                Err(StartError::NoSuchAccount)
            }
        }
    }
}

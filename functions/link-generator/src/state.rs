//! What every route works with: the use cases of the API, joined over their ports.

use std::sync::Arc;

use latchkey_api_types::options::TierBody;
use latchkey_core::{
    domain::{
        aws::{AccountId, Region},
        sweep::SweepPlan,
    },
    ports::{
        Clock, ConnectionSearch, ConnectionStore, GrantStore, IdSource, KnownTopicsStore, ListenerTopics,
        SweepIndex, SweepLedger, TemplateCatalog, TopicPermissions, VerificationQueue,
    },
    use_cases::{
        disconnect::DisconnectByVendor,
        find_connections::FindConnections,
        last_verified::LastVerified,
        members::Members,
        register_by_hand::RegisterByHand,
        rotate_external_id::RotateExternalId,
        search_all_tenants::SearchAllTenants,
        served_regions::ServedRegions,
        start_connection::{Doors, LinkPolicy, StartConnection},
    },
};

/// What a deployment decides about its API.
pub struct Settings {
    /// The claim of the verified token that names the tenant; none where the deployment has no
    /// issuer.
    pub tenant_claim: Option<String>,
    pub link_policy: LinkPolicy,
    /// Where it has listener topics, or wants some.
    pub listener_regions: Vec<Region>,
    /// What customers' roles can be for.
    pub tiers: Vec<TierBody>,
    pub sweep_plan: SweepPlan,
    pub vendor_account: AccountId,
    /// How long a role that was made by hand may take to become assumable.
    pub verification_deadline_seconds: u32,
}

/// All that a route may use.
pub struct State {
    pub tenant_claim: Option<String>,
    pub tiers: Vec<TierBody>,
    pub start: StartConnection,
    pub by_hand: RegisterByHand,
    pub members: Members,
    pub disconnect: DisconnectByVendor,
    pub rotate: RotateExternalId,
    pub verified: LastVerified,
    pub find: FindConnections,
    pub search: SearchAllTenants,
    pub templates: Arc<dyn TemplateCatalog>,
    pub store: Arc<dyn ConnectionStore>,
    pub clock: Arc<dyn Clock>,
}

impl State {
    /// `permissions` are given where a deployment lets in single accounts.
    pub fn new<S>(
        settings: Settings,
        store: Arc<S>,
        queue: Arc<dyn VerificationQueue>,
        (topics, permissions): (Arc<dyn ListenerTopics>, Option<Arc<dyn TopicPermissions>>),
        (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>),
    ) -> Self
    where
        S: ConnectionStore
            + ConnectionSearch
            + TemplateCatalog
            + SweepIndex
            + SweepLedger
            + GrantStore
            + KnownTopicsStore
            + 'static,
    {
        let members = Members {
            store: store.clone(),
            clock: clock.clone(),
            caller: None,
        };
        Self {
            tenant_claim: settings.tenant_claim,
            tiers: settings.tiers,
            start: StartConnection {
                store: store.clone(),
                search: store.clone(),
                templates: store.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                policy: settings.link_policy,
                regions: Arc::new(ServedRegions {
                    named: settings.listener_regions,
                    topics,
                    known: store.clone(),
                    clock: clock.clone(),
                }),
                doors: permissions.map(|topics| Doors {
                    grants: store.clone(),
                    topics,
                }),
                caller: None,
            },
            by_hand: RegisterByHand {
                store: store.clone(),
                queue,
                members: members.clone(),
                ids: ids.clone(),
                clock: clock.clone(),
                vendor_account: settings.vendor_account,
                patience_seconds: settings.verification_deadline_seconds.into(),
                caller: None,
            },
            disconnect: DisconnectByVendor {
                store: store.clone(),
                members: members.clone(),
                clock: clock.clone(),
                caller: None,
            },
            rotate: RotateExternalId {
                store: store.clone(),
                members: members.clone(),
                ids,
                clock: clock.clone(),
                caller: None,
            },
            members,
            verified: LastVerified {
                ledger: store.clone(),
                plan: settings.sweep_plan,
            },
            search: SearchAllTenants {
                store: store.clone(),
                search: store.clone(),
                index: store.clone(),
                plan: settings.sweep_plan,
                clock: clock.clone(),
            },
            find: FindConnections {
                store: store.clone(),
                search: store.clone(),
                clock: clock.clone(),
            },
            templates: store.clone(),
            store,
            clock,
        }
    }
}

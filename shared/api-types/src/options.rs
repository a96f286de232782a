//! What a caller of the API can choose, and what it can be told.

use latchkey_core::domain::{
    aws::Region,
    proof::{reason::ReasonCode, tiers::TierName},
};
use serde::{Deserialize, Serialize};

/// The answer of `GET /v1/options`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionsBody {
    /// Where customers can launch: the deployment's regions that have a listener topic.
    pub regions: Vec<Region>,
    /// The one that a link opens where none is named.
    pub default_region: Region,
    /// What a role can be for.
    pub permission_tiers: Vec<TierBody>,
    /// How much of each thing there can be.
    pub limits: LimitsBody,
    /// Every reason that a connection can show.
    pub reasons: Vec<ReasonBody>,
}

/// A permission tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierBody {
    /// As `permission_tier` takes it.
    pub name: TierName,
    /// One sentence for people.
    pub summary: String,
}

/// What the API refuses to go beyond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsBody {
    /// How long a launch link can be used.
    pub link_lifetime_seconds: i64,
    /// Whether a link has to be made for one account.
    pub requires_account_id: bool,
    /// Longest `name`.
    pub name_chars: usize,
    /// Longest `description`.
    pub description_chars: usize,
    /// Most `tags`.
    pub tags: usize,
    /// Longest key of a tag.
    pub tag_key_chars: usize,
    /// Longest value of a tag.
    pub tag_value_chars: usize,
    /// Most accounts that share an organization's connection.
    pub accounts_of_an_organization: u32,
    /// Most connections on a page.
    pub page: u16,
}

/// A reason and its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonBody {
    /// The stable code.
    pub code: ReasonCode,
    /// What the customer is told.
    pub message: String,
}

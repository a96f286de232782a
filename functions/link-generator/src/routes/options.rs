//! What a caller can choose, and what it can be told.

use latchkey_api_types::{
    options::{LimitsBody, OptionsBody, ReasonBody},
    page::MAX_PAGE,
};
use latchkey_core::domain::{
    connection::organization::MAX_ACCOUNTS,
    profile::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, MAX_TAG_KEY_CHARS, MAX_TAG_VALUE_CHARS, MAX_TAGS},
    proof::reason::ReasonCode,
};

use crate::{problem::Problem, request::Request, response::Response, state::State};

/// The same for every tenant.
pub async fn options(state: &State, _request: &Request<'_>) -> Result<Response, Problem> {
    let policy = &state.start.policy;
    let reasons = ReasonCode::ALL.map(|code| ReasonBody {
        code,
        message: code.sentence().to_owned(),
    });
    let body = OptionsBody {
        regions: state.start.regions.list().await?,
        default_region: policy.default_region.clone(),
        permission_tiers: state.tiers.clone(),
        limits: LimitsBody {
            link_lifetime_seconds: policy.lifetime.as_secs(),
            requires_account_id: policy.requires_account || state.start.doors.is_some(),
            name_chars: MAX_NAME_CHARS,
            description_chars: MAX_DESCRIPTION_CHARS,
            tags: MAX_TAGS,
            tag_key_chars: MAX_TAG_KEY_CHARS,
            tag_value_chars: MAX_TAG_VALUE_CHARS,
            accounts_of_an_organization: MAX_ACCOUNTS,
            page: MAX_PAGE,
        },
        reasons: reasons.to_vec(),
    };
    Ok(Response::json(200, &body))
}

//! What a refused attempt leaves behind: a stack that says why, a link that waits again, and nothing else.

use latchkey_core::domain::proof::reason::ReasonCode;
use serde_json::{Value, json};

use crate::{
    Error,
    api::Api,
    customer::Customer,
    scene::{Link, Scene, assert_shows},
    stack_template::StackTemplate,
};

/// A stack that waits so short that a role which is not assumable is refused at the first try, in seconds.
pub const IMPATIENT: u32 = 30;

#[track_caller]
pub fn assert_reason(shown: &Value, code: ReasonCode) {
    assert_eq!(shown["reason"]["code"], code.as_str(), "{shown}");
}

/// The state that a refused attempt leaves: the link waits again, and nothing of the attempt is bound.
pub fn assert_waits_again(connection: &Value, code: ReasonCode) {
    assert_eq!(connection["status"], "pending", "{connection}");
    assert_reason(connection, code);
    let message = connection["reason"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(code.sentence()), "{message}");
    assert_shows(
        connection,
        json!({ "role_arn": null, "stack_id": null, "last_verified_at": null }),
    );
    // The same link can be used again.
    assert!(connection["launch_url"].is_string());
}

/// Waits for that state.
pub async fn waits_again(api: &Api, id: &str, code: ReasonCode) -> Result<(), Error> {
    assert_waits_again(&api.wait_for_reason(id).await?, code);
    Ok(())
}

/// Launches a template that is refused, in an account of its own, and looks at what is left.
pub async fn refused(
    scene: &Scene,
    case: &str,
    code: ReasonCode,
    change: impl Fn(StackTemplate, &Customer) -> StackTemplate,
) -> Result<(), Error> {
    let api = scene.acme()?;
    let (
        Link {
            id,
            template,
            shown: link,
            ..
        },
        customer,
    ) = scene.newcomer(&api, "us-east-1").await?;
    let outcome = customer.launch("Refused", &change(template, &customer)).await?;
    let told = outcome.expect_refusal("ROLLBACK_COMPLETE", code);
    told.map_err(|error| format!("{case}: {error}"))?;

    let shown = api.wait_for_reason(&id).await?;
    assert_waits_again(&shown, code);
    for field in "external_id name expires_at created_at launch_url account_id".split(' ') {
        assert_eq!(shown[field], link[field], "{case}: {field}");
    }
    Ok(())
}

//! What a refused attempt leaves behind: a stack that says why, a link that waits again, and nothing else.

use latchkey_core::domain::proof::reason::ReasonCode;
use serde_json::Value;

use crate::{
    Error,
    customer::Customer,
    scene::{Scene, text},
    stack_template::StackTemplate,
};

/// A stack that waits so short that a role which is not assumable is refused at the first try, in seconds.
pub const IMPATIENT: u32 = 30;

/// The state that a refused attempt leaves: the link waits again, and nothing of the attempt is bound.
pub fn assert_waits_again(connection: &Value, code: ReasonCode) {
    assert_eq!(connection["status"], "pending", "{connection}");
    assert_eq!(connection["reason"]["code"], code.as_str());
    assert!(
        connection["reason"]["message"]
            .as_str()
            .is_some_and(|message| message.contains(code.sentence()))
    );
    assert_eq!(connection["role_arn"], Value::Null);
    assert_eq!(connection["stack_id"], Value::Null);
    assert_eq!(connection["last_verified_at"], Value::Null);
    assert!(
        connection["launch_url"].is_string(),
        "the same link can be used again"
    );
}

/// Launches a template that is refused, in an account of its own, and looks at what is left.
pub async fn refused(
    scene: &Scene,
    case: &str,
    code: ReasonCode,
    change: impl Fn(StackTemplate, &Customer) -> StackTemplate,
) -> Result<(), Error> {
    let api = scene.acme()?;
    let link = scene.link(&api, "us-east-1").await?;
    let customer = scene.new_customer("us-east-1").await?;
    let template = StackTemplate::new(&scene.ready, &text(&link, "external_id")?);
    let outcome = customer.launch("Refused", &change(template, &customer)).await?;
    outcome
        .expect_refusal("ROLLBACK_COMPLETE", code)
        .map_err(|error| format!("{case}: {error}"))?;

    let shown = api.wait_for_reason(&text(&link, "id")?).await?;
    assert_waits_again(&shown, code);
    for field in [
        "external_id",
        "name",
        "expires_at",
        "created_at",
        "launch_url",
        "account_id",
    ] {
        assert_eq!(shown[field], link[field], "{case}: {field}");
    }
    Ok(())
}

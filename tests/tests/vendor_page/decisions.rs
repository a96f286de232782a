//! What is decided of each answer, and of what somebody types.

use std::{collections::BTreeSet, fs};

use latchkey_tests::{
    Error,
    sam_template::repository_path,
    scene::{assert_shows, text},
};
use serde_json::{Value, json};

use crate::{CONSOLE, Page, connection, taken, texts};

#[test]
fn every_state_has_its_words_and_offers_what_the_api_allows() -> Result<(), Error> {
    let page = Page::open()?;
    let reason = json!({ "code": "role_gone", "message": "The role can no longer be assumed." });
    let cases = [
        (
            connection("pending", &json!({})),
            "Waiting for the stack",
            "show_link disconnect",
        ),
        (
            connection(
                "pending",
                &json!({ "launch_url": CONSOLE, "launch_command": "aws …" }),
            ),
            "Waiting for the stack",
            "disconnect",
        ),
        (
            connection("pending", &json!({ "reason": reason })),
            "Not connected yet",
            "show_link disconnect",
        ),
        (
            connection("verifying", &json!({})),
            "Checking the role",
            "disconnect",
        ),
        (taken("active", &json!({})), "Active", "rotate disconnect"),
        (
            taken("degraded", &json!({ "reason": reason })),
            "Needs attention",
            "rotate disconnect",
        ),
        (
            taken("active", &json!({ "rotation": { "external_id": "k2p8s" } })),
            "Active",
            "cancel_rotation disconnect",
        ),
        (
            taken("disconnected", &json!({ "reason": reason })),
            "Disconnected",
            "",
        ),
        (connection("expired", &json!({})), "Link expired", ""),
        (connection("of tomorrow", &json!({})), "of tomorrow", ""),
    ];
    for (connection, label, offered) in cases {
        let view = page.view(&connection)?;
        assert_eq!(view["status"]["label"], label);
        let ids: Vec<&str> = view["actions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|action| action["id"].as_str())
            .collect();
        assert_eq!(ids.join(" "), offered, "{label}");
        assert_eq!(
            view["reason"]["message"], connection["reason"]["message"],
            "{label}"
        );
    }
    Ok(())
}

#[test]
fn what_is_missing_too_much_and_new_is_shown_with_its_reasons() -> Result<(), Error> {
    let page = Page::open()?;
    let versions = fs::read_to_string(repository_path("customer/rendered/versions/1.0.0-to-1.1.0.json"))?;
    let changes: Value = serde_json::from_str(&versions)?;
    let view = page.view(&taken(
        "degraded",
        &json!({
            "degraded": { "since": "2026-11-21T13:20:00Z", "failed_checks": 3 },
            "permissions": {
                "tier": "account-basics",
                "missing": [{ "action": "ec2:DescribeRegions", "denied_by": "role", "reason": "to know the regions" }],
                "estimates": [{ "action": "ec2:DescribeVolumes", "denied_by": "organization", "reason": "to list disks" }],
                "excessive": ["s3:GetObject"], "checked_at": "2026-11-21T14:19:50Z",
            },
            "update": {
                "version": "1.1.0", "update_url": CONSOLE, "update_command": "aws …",
                "changes": [{ "version": "1.1.0", "changes": changes, "changelog": changes["changelog"] }],
            },
        }),
    ))?;
    let missing = json!([{
        "action": "ec2:DescribeRegions", "why": "to know the regions", "because": "the role’s policy does not allow it",
    }]);
    let estimates = json!([{
        "action": "ec2:DescribeVolumes", "why": "to list disks", "because": "a policy of your AWS organization forbids it",
    }]);
    assert_eq!(view["permissions"]["estimates"], estimates);
    assert_eq!(view["permissions"]["missing"], missing);
    assert_eq!(view["permissions"]["excessive"], json!(["s3:GetObject"]));
    assert_eq!(
        view["permissions"]["checked"],
        "just now (21 Nov 2026, 14:19 UTC)"
    );
    let since = "1 hour ago (21 Nov 2026, 13:20 UTC), for 3 checks in a row";
    assert!(texts(&view["facts"]).contains(&since), "{}", view["facts"]);
    let update = &view["update"];
    assert_shows(update, json!({ "version": "1.1.0", "link": { "url": CONSOLE } }));
    let told = &update["versions"][0];
    let first = texts(&told["texts"]).first().copied().unwrap_or_default();
    assert!(first.starts_with("In your account: nothing"), "{told}");
    assert!(
        texts(&told["actions"]).contains(&"iam:GetRole") && told["more"].as_u64() > Some(0),
        "{told}"
    );
    Ok(())
}

#[test]
fn looking_again_gets_more_seldom_and_ends() -> Result<(), Error> {
    let page = Page::open()?;
    let (mut before, mut whole, mut looks) = (0, 0, 0);
    while let Some(delay) = page.call("nextDelay", &[json!(looks)])?.as_i64() {
        assert!((before.max(2_000)..=30_000).contains(&delay), "{looks}: {delay}");
        (before, whole, looks) = (delay, whole + delay, looks + 1);
        assert!(looks < 100, "it never ends");
    }
    assert!((20 * 60_000..40 * 60_000).contains(&whole), "{whole}");
    let settled = |status: &str| {
        page.call(
            "isSettled",
            &[json!("connected"), connection(status, &json!({})), Value::Null],
        )
    };
    for (status, is_over) in [
        ("pending", false),
        ("verifying", false),
        ("active", true),
        ("degraded", true),
        ("disconnected", true),
        ("expired", true),
    ] {
        assert_eq!(settled(status)?, is_over, "{status}");
    }
    Ok(())
}

#[test]
fn a_form_asks_for_what_the_api_takes_and_names_the_field_that_is_wrong() -> Result<(), Error> {
    let page = Page::open()?;
    let ask = |fields: Value| page.call("newConnection", &[fields]);
    let full = ask(json!({ "name": " Production ", "account": " 2222-2222 2222 ", "tier": "inventory" }))?;
    let body = json!({ "name": "Production", "account_id": "222222222222", "permission_tier": "inventory" });
    assert_eq!(full, json!({ "wrong": {}, "body": body }));
    for (fields, field) in [
        (json!({}), "name"),
        (json!({ "name": "  " }), "name"),
        (json!({ "name": "x".repeat(129) }), "name"),
        (json!({ "name": "a\u{202e}b" }), "name"),
        (json!({ "name": "x", "account": "1234" }), "account"),
        (json!({ "name": "x", "account": "22222222222x" }), "account"),
        (
            json!({ "name": "x", "account": "１２３４５６７８９０１２" }),
            "account",
        ),
    ] {
        let asked = ask(fields.clone())?;
        assert_eq!(asked["body"], Value::Null, "{fields}");
        assert!(asked["wrong"][field].is_string(), "{fields}: {asked}");
    }
    Ok(())
}

#[test]
fn what_changed_is_said_aloud_and_nothing_else() -> Result<(), Error> {
    let page = Page::open()?;
    let view = |connection: Value| page.view(&connection);
    let said = |before: Value, after: Value| page.call("announcement", &[before, after]);
    let (waiting, active) = (
        view(connection("pending", &json!({})))?,
        view(taken("active", &json!({})))?,
    );
    assert_eq!(
        said(waiting, active.clone())?,
        "Production: Active. This link was taken by account 222222222222; is that yours?"
    );
    let later = view(taken(
        "active",
        &json!({ "last_verified_at": "2026-11-21T14:19:00Z" }),
    ))?;
    assert_eq!(said(active, later)?, Value::Null);
    Ok(())
}

#[test]
fn as_it_is_shipped_the_page_says_that_it_is_not_configured_and_offers_the_tiers_there_are()
-> Result<(), Error> {
    let page = Page::open()?;
    let shipped = page.ask("latchkeyPage.settings(latchkey)")?;
    assert_shows(&shipped, json!({ "api": "/latchkey", "token": null }));
    assert!(
        text(&shipped, "notice")?
            .starts_with("This page is not configured: it calls /latchkey without a token.")
    );
    let read = |path: &str| -> Result<Value, Error> {
        Ok(serde_json::from_str(&fs::read_to_string(repository_path(path))?)?)
    };
    let (offered, default) = (read("customer/rendered/tiers.json")?, read("customer/tier.json")?);
    let names: BTreeSet<&str> = offered
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tier| tier["name"].as_str())
        .collect();
    assert_eq!(
        texts(&shipped["tiers"]).into_iter().collect::<BTreeSet<_>>(),
        names
    );
    assert_eq!(shipped["tiers"][0], default["name"]);
    let notice = |settings: &str| page.ask(&format!("latchkeyPage.settings({settings})"));
    assert_eq!(
        notice("{ configured: true, api: 'https://api.vendor.example/v', token: async () => 'x' }")?["notice"],
        Value::Null
    );
    let odd = "'' '//evil.example' 'latchkey' 'http://api.example' 'https://u@api.example' '/a/../b' '/a?b=c' \
               'javascript:x' 7 null";
    for api in odd.split(' ') {
        let refused = notice(&format!("{{ configured: true, api: {api} }}"))?;
        assert_eq!(refused["api"], Value::Null, "{api}");
        assert!(text(&refused, "notice")?.ends_with("Nothing is called."), "{api}");
    }
    assert!(text(&notice("undefined")?, "notice")?.ends_with("Nothing is called."));
    Ok(())
}

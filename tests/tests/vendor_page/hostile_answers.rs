//! What a hostile name, reason or link, or an answer of another shape, cannot do.

use latchkey_core::domain::plain_text::is_plain_text;
use latchkey_tests::{Error, scene::text};
use serde_json::{Value, json};

use crate::{Page, connection, taken, texts};

/// A text that tries to leave every place that it is put into, and to turn around what stands beside it.
const HOSTILE: &str = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u{202e}\u{2066}\u{0}\u{7}\n\u{200b}\"'`${x}";

#[test]
fn only_the_consoles_of_aws_are_ever_linked() -> Result<(), Error> {
    let page = Page::open()?;
    let rest = "/cloudformation/home?region=x#/stacks/create/review?templateURL=https%3A%2F%2Fb.example";
    let hosts = "console.aws.amazon.com eu-west-1.console.aws.amazon.com console.amazonaws-us-gov.com \
                 us-gov-west-1.console.amazonaws-us-gov.com cn-north-1.console.amazonaws.cn console.amazonaws.cn";
    for host in hosts.split(' ') {
        assert!(page.follows(&format!("https://{host}{rest}"))?, "{host}");
    }
    for host in [
        "console.aws.amazon.com.evil.example",
        "evil.example",
        "evilconsole.aws.amazon.com",
        "evil-console.amazonaws.cn",
        ".console.aws.amazon.com",
        "a..console.aws.amazon.com",
        "-.console.aws.amazon.com",
        "console.aws.amazon.com.",
        "user@console.aws.amazon.com",
        "user:secret@console.aws.amazon.com",
        "console.aws.amazon.com@evil.example",
        "console.aws.amazon.com:443",
        "console.aws.amazon.com:8443",
        "console.aws.amazon.com\\@evil.example",
        "evil.example\\.console.aws.amazon.com",
        "evil.example#.console.aws.amazon.com",
        "evil.example?.console.aws.amazon.com",
        "evil.example/.console.aws.amazon.com",
        "evil.example%2f.console.aws.amazon.com",
        "evil.example\t.console.aws.amazon.com",
        "evil.example\n.console.aws.amazon.com",
        "evil.example\u{0}.console.aws.amazon.com",
        "console.aws.\tamazon.com",
        "CONSOLE.AWS.AMAZON.COM",
        "consоle.aws.amazon.com",
        "console。aws.amazon.com",
        "aws.amazon.com",
        "signin.aws.amazon.com",
        "",
    ] {
        assert!(!page.follows(&format!("https://{host}{rest}"))?, "{host:?}");
    }
    let good = format!("https://console.aws.amazon.com{rest}");
    for link in [
        good.replace("https:", "http:"),
        good.replace("https:", "javascript:"),
        good.replace("https:", "HTTPS:"),
        good.replace("https:", ""),
        good.replace("https://", "https:///"),
        good.replace("https://", "https:\\\\"),
        good.replace("https://", "https:/"),
        format!(" {good}"),
        format!("\u{1}{good}"),
        format!("java\tscript:alert(1)//{good}"),
        format!("javascript:alert(1)//{good}"),
        format!("{good}\n"),
        format!("{good} "),
        format!("{good}\""),
        format!("{good}<"),
        format!("{good}\\"),
        format!("{good}\u{202e}"),
        format!("{good}{}", "a".repeat(20_000)),
        good.replace("/cloudformation/home", "/console/logout!doLogout"),
        good.replace("/cloudformation/", "/cloudformation/../"),
        "https://console.aws.amazon.com".to_owned(),
        "data:text/html,x".to_owned(),
        String::new(),
    ] {
        assert!(!page.follows(&link)?, "{link:?}");
        let view = page.view(&connection("pending", &json!({ "launch_url": link })))?;
        assert_eq!(view["launch"]["link"]["url"].as_str(), None, "{link:?}");
    }
    for odd in [json!(null), json!(7), json!([good]), json!({ "url": good })] {
        assert_eq!(
            page.call("isConsoleLink", std::slice::from_ref(&odd))?,
            false,
            "{odd}"
        );
    }
    Ok(())
}

#[test]
fn every_text_of_a_hostile_answer_shows_as_what_it_is() -> Result<(), Error> {
    let page = Page::open()?;
    assert_eq!(
        page.call("visible", &[json!("a\u{202e}b\u{0}\u{85}\u{e0041}ü日🚀")])?,
        "a⟨U+202E⟩b⟨U+0000⟩⟨U+0085⟩⟨U+E0041⟩ü日🚀"
    );
    assert_eq!(page.ask("latchkeyPage.visible('\\ud800x')")?, "⟨U+D800⟩x");
    let hostile = taken(
        "degraded",
        &json!({
            "name": HOSTILE, "description": HOSTILE, "account_id": HOSTILE, "role_arn": HOSTILE, "region": HOSTILE,
            "external_id": HOSTILE, "permission_tier": HOSTILE, "last_verified_at": HOSTILE, "created_at": HOSTILE,
            "launch_url": HOSTILE, "launch_command": HOSTILE,
            "reason": { "code": HOSTILE, "message": HOSTILE },
            "degraded": { "since": HOSTILE, "failed_checks": HOSTILE },
            "permissions": {
                "tier": HOSTILE, "checked_at": HOSTILE, "excessive": [HOSTILE],
                "missing": [{ "action": HOSTILE, "denied_by": HOSTILE, "reason": HOSTILE }],
            },
            "rotation": {
                "external_id": HOSTILE, "started_at": HOSTILE, "expires_at": HOSTILE, "instruction": HOSTILE, "update_url": HOSTILE, "update_command": HOSTILE,
            },
            "update": {
                "version": HOSTILE, "update_url": HOSTILE, "update_command": HOSTILE,
                "changes": [{
                    "version": HOSTILE, "changelog": HOSTILE,
                    "changes": { "changes": [{ "action": HOSTILE, "change": HOSTILE, "reason": HOSTILE }] },
                }],
            },
        }),
    );
    let known = "active degraded pending verifying disconnected expired";
    for status in known.split(' ').chain([HOSTILE]) {
        let mut hostile = hostile.clone();
        hostile["status"] = json!(status);
        let view = page.view(&hostile)?;
        let shown = texts(&view);
        assert!(shown.len() > 20, "{view}");
        for text in shown {
            assert!(is_plain_text(text), "{text:?}");
        }
        for found in [&view["launch"], &view["rotation"], &view["update"]] {
            assert_eq!(found["link"]["url"], Value::Null);
        }
    }
    let problem = json!({ "title": HOSTILE, "detail": HOSTILE });
    let said = page.call("problem", &[json!(400), problem])?;
    assert!(said.as_str().is_some_and(is_plain_text), "{said}");
    let long = page.view(&connection("pending", &json!({ "name": "x".repeat(100_000) })))?;
    assert!(text(&long, "name")?.chars().count() < 2_100);
    Ok(())
}

#[test]
fn no_answer_of_another_shape_stops_the_page_or_gets_into_a_path() -> Result<(), Error> {
    let page = Page::open()?;
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(""),
        json!("x"),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({ "__proto__": { "a": 1 }, "constructor": 1 }),
        json!({ "missing": "x", "excessive": {}, "changes": 1 }),
    ];
    let whole = taken(
        "active",
        &json!({ "rotation": {}, "update": {}, "permissions": {}, "degraded": {}, "launch_url": "" }),
    );
    for value in &odd {
        page.view(value)?;
        assert_eq!(
            page.call("pageOf", std::slice::from_ref(value))?["connections"],
            json!([])
        );
        assert!(page.call("problem", &[json!(500), value.clone()])?.is_string());
        for status in ["active", "pending", "disconnected"] {
            for field in whole.as_object().into_iter().flat_map(|fields| fields.keys()) {
                let mut changed = whole.clone();
                changed["status"] = json!(status);
                changed[field] = value.clone();
                page.view(&changed)?;
            }
        }
    }
    for id in [
        json!("conn_../x"),
        json!("conn_cmu60ucinwev6g0o35ne8keu/rotate-external-id"),
        json!("conn_CMU60UCINWEV6G0O35NE8KEU"),
        json!("../../admin"),
        json!("conn_cmu60ucinwev6g0o35ne8keu\n"),
        json!("conn_"),
        json!(null),
        json!(["conn_cmu60ucinwev6g0o35ne8keu"]),
    ] {
        let view = page.view(&taken("active", &json!({ "id": id })))?;
        assert_eq!(
            (&view["actions"], &view["account"]["action"]),
            (&json!([]), &Value::Null),
            "{id}"
        );
        assert_eq!(
            page.call("listPath", std::slice::from_ref(&id))?,
            "/v1/connections?limit=20"
        );
    }
    Ok(())
}

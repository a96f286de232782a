//! The file: it loads and runs nothing but itself, and can be used without a mouse and without seeing it.

use std::{collections::BTreeSet, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use latchkey_tests::{Error, sam_template::repository_path};
use sha2::{Digest as _, Sha256};

use crate::{contents, html};

/// The page without its scripts and its style.
fn markup(html: &str) -> String {
    let mut markup = html.to_owned();
    for tag in ["script", "style"] {
        for content in contents(html, tag) {
            markup = markup.replace(content, "");
        }
    }
    markup
}

/// The values of an attribute over the whole markup.
fn values<'a>(markup: &'a str, attribute: &str) -> Vec<&'a str> {
    markup
        .split(&format!(" {attribute}=\""))
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[test]
fn the_page_loads_nothing_keeps_nothing_and_makes_no_markup_of_texts() -> Result<(), Error> {
    let html = html()?;
    let words = "innerHTML outerHTML insertAdjacentHTML createContextualFragment DOMParser document.write eval( \
                 Function( localStorage sessionStorage indexedDB document.cookie srcdoc import( <link <iframe <img \
                 <object <embed <base @import url( javascript: data: unsafe-";
    for word in words.split(' ') {
        assert!(!html.contains(word), "{word}");
    }
    let markup = markup(&html);
    for attribute in ["src", "href", "action", "style", "srcset", "ping"] {
        assert_eq!(values(&markup, attribute), Vec::<&str>::new(), "{attribute}");
    }
    assert!(!markup.contains("http:") && !markup.contains("https:"));
    let handlers: Vec<&str> = markup
        .split(" on")
        .skip(1)
        .filter_map(|rest| rest.split_once("=\""))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    assert_eq!(handlers, Vec::<&str>::new());
    let script = contents(&html, "script")[1];
    // The one place that sets it, and the comment that says so.
    assert_eq!(script.matches("href").count(), 2);
    assert!(script.contains("if (!isConsoleLink(shown.url)) return null;\n"));
    // The token goes into one header.
    assert_eq!(script.matches("config.token()").count(), 1);
    Ok(())
}

#[test]
fn the_policy_lets_in_the_pages_own_scripts_and_style_by_their_hashes_and_nothing_else() -> Result<(), Error>
{
    let html = html()?;
    let hashes = |tag: &str| {
        let hash =
            |content: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content.as_bytes())));
        contents(&html, tag)
            .into_iter()
            .map(hash)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let policy = format!(
        "default-src 'none'; connect-src 'self'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hashes("script"),
        hashes("style")
    );
    let markup = markup(&html);
    let before = markup
        .split_once("<script>")
        .map(|(before, _)| before)
        .unwrap_or_default();
    assert!(
        before.contains(&format!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">"
        )),
        "after a change of the page: python3 docs/vendor-page/hashes.py --write"
    );
    // A script with an attribute is none that was hashed.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("<style").count(), 1);
    let told = Command::new("python3")
        .arg(repository_path("docs/vendor-page/hashes.py"))
        .output()?;
    assert!(told.status.success(), "{told:?}");
    Ok(())
}

#[test]
fn the_page_can_be_used_by_keyboard_and_read_without_seeing_it() -> Result<(), Error> {
    let html = html()?;
    let markup = markup(&html);
    assert!(markup.contains("<html lang=\"en\">") && markup.contains("<meta name=\"viewport\""));
    assert_eq!(markup.matches("<h1>").count(), 1);
    let ids: BTreeSet<&str> = values(&markup, "id").into_iter().collect();
    assert_eq!(ids.len(), values(&markup, "id").len(), "an id is there twice");
    for field in ["new-name", "new-account", "new-tier"] {
        assert!(values(&markup, "for").contains(&field), "{field}");
    }
    for attribute in ["for", "aria-labelledby", "aria-describedby", "aria-controls"] {
        for id in values(&markup, attribute)
            .into_iter()
            .flat_map(|value| value.split(' '))
        {
            assert!(ids.contains(id), "{attribute}: {id}");
        }
    }
    assert!(markup.contains("id=\"announcements\" role=\"status\" aria-live=\"polite\""));
    for rule in [
        "prefers-color-scheme: dark",
        "prefers-reduced-motion: reduce",
        "max-width: 30rem",
        ":focus-visible",
        "unicode-bidi: isolate",
    ] {
        assert!(html.contains(rule), "{rule}");
    }
    assert!(!html.contains("tabindex=\"1\""));
    Ok(())
}

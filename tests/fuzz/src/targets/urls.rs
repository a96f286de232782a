//! The guard of answer URLs (I4).

use latchkey_core::domain::{
    aws::StackId,
    request::response_url::{MAX_RESPONSE_URL_BYTES, ResponseUrl},
};
use percent_encoding::percent_decode_str;

use super::{INPUTS, each_text};
use crate::mangle::lines;

const STACK: &str = "arn:aws:cloudformation:eu-west-1:222222222222:stack/latchkey-connection-acme/0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4";
const REQUEST: &str = "b2c3d4e5-0000-4000-8000-000000000001";
/// All hosts that CloudFormation's bucket of that region has.
const HOSTS: [&str; 2] = [
    "cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com",
    "cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com",
];

#[test]
fn no_mangled_url_gets_past_the_guard() {
    let seeds = lines("urls.txt");
    let stack: StackId = STACK.parse().unwrap();
    each_text(5 * INPUTS, &seeds, |text| {
        let Ok(accepted) = ResponseUrl::parse(&text, &stack, "Connection", REQUEST) else {
            return;
        };
        let url = accepted.expose();
        // What is opened is what was read, letter by letter up to the path.
        let mut begins = HOSTS.iter().map(|host| format!("https://{host}/"));
        assert!(begins.any(|begin| text.starts_with(&begin)), "{text}");
        assert_eq!(
            (url.scheme(), url.port(), url.username(), url.password()),
            ("https", None, "", None)
        );
        assert!(url.host_str().is_some_and(|host| HOSTS.contains(&host)) && url.fragment().is_none());
        let path = percent_decode_str(url.path()).decode_utf8().unwrap();
        assert_eq!(path, format!("/{STACK}|Connection|{REQUEST}"));
        assert!(url.query().is_some_and(|query| !query.is_empty()));
        assert!(text.len() <= MAX_RESPONSE_URL_BYTES);
        assert_eq!(format!("{accepted:?}"), "ResponseUrl(…)");
        // And from the table it is read as the same again.
        let again = ResponseUrl::parse(url.as_str(), &stack, "Connection", REQUEST);
        assert_eq!(again.unwrap(), accepted);
        // For any other request it is refused.
        assert!(ResponseUrl::parse(&text, &stack, "Connection", "another").is_err());
    });
}

//! The guard of invariant I4: where an answer may go.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::domain::{
    aws::{Region, StackId},
    invalid::Invalid,
};

/// What the message of every refused answer URL is about.
const WHAT: &str = "ResponseURL";
/// Longest URL that is read: CloudFormation's have about 1,500 bytes, with a session token up to 4,000.
pub const MAX_RESPONSE_URL_BYTES: usize = 8_192;
/// All of CloudFormation's response buckets begin with this; the region without its dashes follows.
const BUCKET_PREFIX: &str = "cloudformation-custom-resource-response-";

/// A URL that CloudFormation signed for the answer to one request, as far as its text can tell: https, the response
/// bucket of the stack's own region and partition, a path that names this stack, resource and request.
///
/// It is a bearer secret, so that `Debug` and `Display` show none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseUrl(Url);

impl ResponseUrl {
    /// Checks `unverified_url` against the request that it came with. Nothing is resolved or opened here: an answer
    /// is sent only to what passed.
    pub fn parse(
        unverified_url: &str,
        stack_id: &StackId,
        logical_resource_id: &str,
        request_id: &str,
    ) -> Result<Self, Invalid> {
        let refuse = |rule| Err(Invalid::new(WHAT, rule));
        if unverified_url.len() > MAX_RESPONSE_URL_BYTES {
            return refuse("is too long");
        }
        // The URL standard drops tabs and line ends and turns a backslash into a slash; such a text would be one
        // thing to a reader and another to the client that sends the answer.
        if !unverified_url.chars().all(|c| c.is_ascii_graphic() && c != '\\') {
            return refuse("has characters that no URL of CloudFormation has");
        }
        // As it is written: the URL standard reads `HTTPS:` as the same, and CloudFormation writes no such thing.
        let Some(after_scheme) = unverified_url.strip_prefix("https://") else {
            return refuse("is not https");
        };
        // `Url` forgets an empty user name and a written default port, so the text is asked too.
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return refuse("carries user information");
        }
        if authority.contains(':') {
            return refuse("names a port");
        }
        // Before it is parsed: the parser would decode and map other characters of a host.
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !authority.chars().all(is_plain) {
            return refuse("is not CloudFormation's response bucket of the stack's region");
        }
        let Ok(url) = Url::parse(unverified_url) else {
            return refuse("is not a URL");
        };
        if url.fragment().is_some() {
            return refuse("has a fragment");
        }
        match url.host() {
            // As it is written: `https:///host/` is a host to the URL standard, and no URL of CloudFormation.
            Some(Host::Domain(host)) if host == authority && is_response_host(host, &stack_id.region()) => {}
            _ => return refuse("is not CloudFormation's response bucket of the stack's region"),
        }
        // Compared as it will be sent: dot segments are already resolved in `url`, and are no part of a true path.
        let expected_path = format!("/{stack_id}|{logical_resource_id}|{request_id}");
        match percent_decode_str(url.path()).decode_utf8() {
            Ok(path) if path == expected_path => {}
            _ => return refuse("was signed for another stack, resource or request"),
        }
        if url.query().is_none_or(str::is_empty) {
            return refuse("is not signed");
        }
        Ok(Self(url))
    }

    /// The URL itself, for the client that sends the answer and for the table that keeps it until then.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseUrl(…)")
    }
}

/// Whether `host` is CloudFormation's response bucket for `region`, in one of the three forms seen
/// on AWS: S3's global endpoint, the region after a dash, the region after a dot.
fn is_response_host(host: &str, region: &Region) -> bool {
    let bucket = format!("{BUCKET_PREFIX}{}", region.as_str().replace('-', ""));
    let suffix = region.partition().dns_suffix();
    let Some(endpoint) = host.strip_prefix(bucket.as_str()) else {
        return false;
    };
    endpoint == format!(".s3.{region}.{suffix}")
        || endpoint == format!(".s3-{region}.{suffix}")
        || (region.as_str() == "us-east-1" && endpoint == format!(".s3.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &str = "b2c3d4e5-0000-4000-8000-000000000001";
    const UUID: &str = "0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4";
    const QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00";

    fn stack(region: &str) -> StackId {
        let partition = Region::parse(region).unwrap().partition();
        StackId::parse(&format!(
            "arn:{}:cloudformation:{region}:222222222222:stack/Latchkey/{UUID}",
            partition.as_str()
        ))
        .unwrap()
    }

    fn path(stack: &StackId) -> String {
        format!("/{}%7CConnection%7C{REQUEST}", stack.as_str().replace(':', "%3A"))
    }

    fn check(url: &str, stack: &StackId) -> Result<ResponseUrl, Invalid> {
        ResponseUrl::parse(url, stack, "Connection", REQUEST)
    }

    #[test]
    fn every_host_form_that_cloudformation_uses_is_accepted() {
        for (region, host) in [
            (
                "us-east-1",
                "cloudformation-custom-resource-response-useast1.s3.amazonaws.com",
            ),
            (
                "us-east-1",
                "cloudformation-custom-resource-response-useast1.s3-us-east-1.amazonaws.com",
            ),
            (
                "us-east-1",
                "cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com",
            ),
            (
                "us-east-2",
                "cloudformation-custom-resource-response-useast2.s3.us-east-2.amazonaws.com",
            ),
            (
                "eu-west-1",
                "cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com",
            ),
            (
                "eu-south-1",
                "cloudformation-custom-resource-response-eusouth1.s3.eu-south-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                "cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn",
            ),
            (
                "us-gov-west-1",
                "cloudformation-custom-resource-response-usgovwest1.s3.us-gov-west-1.amazonaws.com",
            ),
        ] {
            let stack = stack(region);
            let url = format!("https://{host}{}?{QUERY}", path(&stack));
            assert!(check(&url, &stack).is_ok(), "{host}");
        }
    }

    /// Found by the fuzz target: the URL parser maps what is percent-encoded in a host.
    #[test]
    fn a_host_with_encoded_letters_is_refused_unparsed() {
        let stack = stack("us-east-1");
        let host = "cloudformation-custom-resource-response-us%45ast1.s3.amazonaws.com";
        let url = format!("https://{host}{}?{QUERY}", path(&stack));
        assert_eq!(
            check(&url, &stack).err().map(|invalid| invalid.rule),
            Some("is not CloudFormation's response bucket of the stack's region")
        );
    }

    #[test]
    fn any_other_target_is_refused() {
        let stack = stack("eu-west-1");
        let path = path(&stack);
        let bucket = "cloudformation-custom-resource-response-euwest1";
        let good = format!("{bucket}.s3.eu-west-1.amazonaws.com");
        let cases = [
            (format!("http://{good}{path}?{QUERY}"), "is not https"),
            (format!("HTTPS://{good}{path}?{QUERY}"), "is not https"),
            (
                format!("https:///{good}{path}?{QUERY}"),
                "is not CloudFormation's response bucket of the stack's region",
            ),
            (format!("https://{good}:443{path}?{QUERY}"), "names a port"),
            (format!("https://{good}:8443{path}?{QUERY}"), "names a port"),
            (
                format!("https://a@{good}{path}?{QUERY}"),
                "carries user information",
            ),
            (
                format!("https://@{good}{path}?{QUERY}"),
                "carries user information",
            ),
            (
                format!("https://{good}@evil.example{path}?{QUERY}"),
                "carries user information",
            ),
            (format!("https://{good}{path}?{QUERY}#x"), "has a fragment"),
            (
                format!("https://evil.example\\@{good}{path}?{QUERY}"),
                "has characters that no URL of CloudFormation has",
            ),
            (
                format!("https://{good}\t{path}?{QUERY}"),
                "has characters that no URL of CloudFormation has",
            ),
            (format!("https://{good}{path}"), "is not signed"),
            (format!("https://{good}{path}?"), "is not signed"),
            (
                format!("https://{good}/other?{QUERY}"),
                "was signed for another stack, resource or request",
            ),
            (
                format!("https://{good}{path}x?{QUERY}"),
                "was signed for another stack, resource or request",
            ),
            (
                format!("https://{good}/x/..{path}/../y?{QUERY}"),
                "was signed for another stack, resource or request",
            ),
            (
                format!(
                    "https://{good}{}?{QUERY}",
                    path.replace("222222222222", "333333333333")
                ),
                "was signed for another stack, resource or request",
            ),
            (
                format!("https://{good}{}?{QUERY}", path.replace("Connection", "Other")),
                "was signed for another stack, resource or request",
            ),
            (
                "not a url".into(),
                "has characters that no URL of CloudFormation has",
            ),
            ("https://".into(), "is not a URL"),
            (
                format!("https://{good}{path}?{}", "x".repeat(MAX_RESPONSE_URL_BYTES)),
                "is too long",
            ),
        ];
        for (url, rule) in cases {
            assert_eq!(check(&url, &stack).unwrap_err().rule, rule, "{url}");
        }
        for host in [
            "169.254.169.254".to_owned(),
            "[::1]".into(),
            "[fd00:ec2::254]".into(),
            "localhost".into(),
            "2130706433".into(),
            "evil.example".into(),
            format!("{good}.evil.example"),
            format!("{good}."),
            format!("{bucket}.s3.eu-west-2.amazonaws.com"),
            format!("{bucket}.s3.amazonaws.com"),
            format!("{bucket}.s3.eu-west-1.amazonaws.com.cn"),
            format!("{bucket}x.s3.eu-west-1.amazonaws.com"),
            format!("x{good}"),
            format!("{bucket}.evil.s3.eu-west-1.amazonaws.com"),
            "cloudformation-custom-resource-response-useast1.s3.amazonaws.com".into(),
            "cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com".into(),
            format!("s3.eu-west-1.amazonaws.com/{bucket}"),
            format!("{bucket}.s3-accesspoint.eu-west-1.amazonaws.com"),
            format!("{bucket}.s3.dualstack.eu-west-1.amazonaws.com"),
            format!("{bucket}.s3%2eeu-west-1.amazonaws.com%2eevil.example"),
        ] {
            let url = format!("https://{host}{path}?{QUERY}");
            assert!(check(&url, &stack).is_err(), "{url}");
        }
    }

    #[test]
    fn an_answer_url_shows_none_of_itself() {
        let stack = stack("us-east-2");
        let url = format!(
            "https://cloudformation-custom-resource-response-useast2.s3.us-east-2.amazonaws.com{}?{QUERY}",
            path(&stack)
        );
        let url = check(&url, &stack).unwrap();
        assert_eq!(format!("{url:?}"), "ResponseUrl(…)");
        assert_eq!(url.expose().query(), Some(QUERY));
    }

    proptest! {
        #[test]
        fn no_text_before_or_after_the_host_gets_through(before in "[a-z0-9.@:/?#-]{1,20}", after in "[a-z0-9.@:-]{1,20}") {
            let stack = stack("eu-west-1");
            let good = "cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com";
            let path = path(&stack);
            let prefixed = format!("https://{before}{good}{path}?{QUERY}");
            let suffixed = format!("https://{good}{after}{path}?{QUERY}");
            prop_assert!(check(&prefixed, &stack).is_err());
            prop_assert!(check(&suffixed, &stack).is_err());
        }

        #[test]
        fn checking_any_text_never_panics(text in "(https://)?\\PC{0,200}") {
            let _ = check(&text, &stack("eu-west-1"));
        }
    }
}

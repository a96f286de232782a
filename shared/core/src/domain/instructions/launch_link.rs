//! The link that a customer clicks: CloudFormation's quick-create page, with one value filled in.

use url::Url;

use crate::domain::{
    aws::{Region, stack_name_is_valid},
    external_id::ExternalId,
    invalid::Invalid,
    proof::tiers::TierName,
};

/// The one parameter of the customer template that a link fills in. Case-sensitive.
pub const EXTERNAL_ID_PARAMETER: &str = "ExternalId";
/// The parameter that a link fills in where the vendor asked for a tier.
pub const TIER_PARAMETER: &str = "PermissionTier";
/// CloudFormation's limit on a `templateURL`, in characters.
pub const MAX_TEMPLATE_URL_CHARS: usize = 5_120;
/// The part of a quick-create link after the region.
const QUICK_CREATE_FRAGMENT: &str = "/stacks/create/review?";

/// A quick-create link, and the same as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchLink {
    /// Where the stack will run.
    pub region: Region,
    /// The customer template.
    pub template_url: String,
    /// The name that the stack gets if the customer leaves it.
    pub stack_name: String,
    /// The external ID of the connection.
    pub external_id: ExternalId,
    /// What the role shall be able to do, where the vendor said so.
    pub permission_tier: Option<TierName>,
}

impl LaunchLink {
    /// Checks what CloudFormation would not take: a template URL that is not https or too long, a bad stack name.
    pub fn new(
        region: Region,
        template_url: String,
        stack_name: String,
        external_id: ExternalId,
        permission_tier: Option<TierName>,
    ) -> Result<Self, Invalid> {
        if !template_url.starts_with("https://")
            || template_url.len() > MAX_TEMPLATE_URL_CHARS
            || !template_url
                .chars()
                .all(|c| c.is_ascii_graphic() && !"'\"\\`$".contains(c))
        {
            return Err(Invalid::new(
                "template URL",
                "must be an https URL of at most 5,120 characters",
            ));
        }
        if !stack_name_is_valid(&stack_name) {
            return Err(Invalid::new(
                "stack name",
                "must be a letter, then letters, digits and dashes",
            ));
        }
        Ok(Self {
            region,
            template_url,
            stack_name,
            external_id,
            permission_tier,
        })
    }

    /// The link for a browser.
    pub fn url(&self) -> String {
        let console = self.region.partition().console_domain();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("templateURL", &self.template_url);
        query.append_pair("stackName", &self.stack_name);
        query.append_pair(
            &format!("param_{EXTERNAL_ID_PARAMETER}"),
            self.external_id.as_str(),
        );
        if let Some(tier) = &self.permission_tier {
            query.append_pair(&format!("param_{TIER_PARAMETER}"), tier.as_str());
        }
        let region = &self.region;
        format!(
            "https://{region}.{console}/cloudformation/home?region={region}#{QUICK_CREATE_FRAGMENT}{}",
            query.finish()
        )
    }

    /// The same for a shell. Every value is of a form that needs no quoting. `CAPABILITY_NAMED_IAM`, because the template's role can be
    /// given a name; it covers a role without one.
    pub fn cli_command(&self) -> String {
        let tier = self.permission_tier.as_ref();
        let tier = tier.map(|tier| format!(" ParameterKey={TIER_PARAMETER},ParameterValue={tier}"));
        format!(
            "aws cloudformation create-stack --region {} --stack-name {} --template-url '{}' --parameters \
             ParameterKey={EXTERNAL_ID_PARAMETER},ParameterValue={}{} --capabilities CAPABILITY_NAMED_IAM",
            self.region,
            self.stack_name,
            self.template_url,
            self.external_id,
            tier.unwrap_or_default()
        )
    }

    /// Reads a link as the console does: for tests and for the local customer of `cargo xtask demo`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let error = Invalid::new("launch link", "is not a quick-create link of CloudFormation");
        let url = Url::parse(text).map_err(|_| error)?;
        let region = url
            .query_pairs()
            .find_map(|(key, value)| (key == "region").then(|| Region::parse(&value)))
            .ok_or(error)??;
        let host = format!("{region}.{}", region.partition().console_domain());
        if url.scheme() != "https" || url.host_str() != Some(&host) || url.path() != "/cloudformation/home" {
            return Err(error);
        }
        let query = url
            .fragment()
            .and_then(|f| f.strip_prefix(QUICK_CREATE_FRAGMENT))
            .ok_or(error)?;
        let value = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
                .ok_or(error)
        };
        let external_id = ExternalId::parse(&value(&format!("param_{EXTERNAL_ID_PARAMETER}"))?)?;
        let tier = value(&format!("param_{TIER_PARAMETER}")).ok();
        let tier = tier.map(|tier| TierName::parse(&tier)).transpose()?;
        Self::new(
            region,
            value("templateURL")?,
            value("stackName")?,
            external_id,
            tier,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(region: &str) -> LaunchLink {
        LaunchLink::new(
            Region::parse(region).unwrap(),
            "https://bucket.s3.us-east-1.amazonaws.com/customer-templates/1.0.0/ab/latchkey-connection.yaml"
                .into(),
            "Latchkey-abc".into(),
            ExternalId::parse("tz4a98xxat96iws9zmbrgj3atz4a98xx").unwrap(),
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_link_for_a_tier_fills_that_in_too() {
        let link = LaunchLink {
            permission_tier: Some(TierName::parse("inventory").unwrap()),
            ..link("eu-west-1")
        };
        assert!(link.url().ends_with("&param_PermissionTier=inventory"));
        assert!(
            link.cli_command()
                .contains(" ParameterKey=PermissionTier,ParameterValue=inventory ")
        );
        assert_eq!(LaunchLink::parse(&link.url()), Ok(link));
    }

    #[test]
    fn a_link_opens_the_quick_create_page_with_the_external_id_filled_in() {
        insta::assert_snapshot!(link("eu-west-1").url());
        insta::assert_snapshot!(link("eu-west-1").cli_command());
    }

    #[test]
    fn each_partition_has_its_own_console() {
        for (region, host) in [
            ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
            (
                "us-gov-west-1",
                "https://us-gov-west-1.console.amazonaws-us-gov.com/",
            ),
        ] {
            assert!(link(region).url().starts_with(host));
        }
    }

    #[test]
    fn what_is_no_launch_link_is_refused() {
        let good = link("eu-west-1").url();
        for text in [
            String::new(),
            "https://example.com".into(),
            good.replace("https:", "http:"),
            good.replace("console.aws.amazon.com", "console.aws.amazon.com.evil.example"),
            good.replace("region=eu-west-1", "region=us-east-1"),
            good.replace("#/stacks/create/review", "#/stacks/update/review"),
            good.replace("param_ExternalId", "param_externalid"),
            good.replace("templateURL=https", "templateURL=http"),
            good.replace("stackName=Latchkey", "stackName=1Latchkey"),
        ] {
            assert!(LaunchLink::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_to_a_template_that_could_break_out_of_the_command_is_refused() {
        for url in [
            "http://a",
            "https://a'; rm -rf /",
            "https://a$(x)",
            "https://a`x`",
            "https://a b",
        ] {
            let result = LaunchLink::new(
                Region::parse("eu-west-1").unwrap(),
                url.into(),
                "Latchkey".into(),
                link("eu-west-1").external_id,
                None,
            );
            assert!(result.is_err(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn a_link_reads_back_as_what_it_was_made_of(
            path in "[a-zA-Z0-9/._&=?#%+-]{0,60}",
            stack_name in "[A-Za-z][A-Za-z0-9-]{0,127}",
            cuid in "[a-z][a-z0-9]{31}",
        ) {
            let link = LaunchLink::new(
                Region::parse("ap-southeast-2").unwrap(),
                format!("https://bucket.s3.amazonaws.com/{path}"),
                stack_name,
                ExternalId::parse(&cuid).unwrap(),
                None,
            ).unwrap();
            prop_assert_eq!(LaunchLink::parse(&link.url()), Ok(link));
        }

        #[test]
        fn reading_any_text_never_panics(text in "\\PC{0,200}") {
            let _ = LaunchLink::parse(&text);
        }
    }
}

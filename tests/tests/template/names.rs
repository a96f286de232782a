//! Names and regions that the checks expect.

pub const FUNCTIONS: [&str; 4] = [
    "LinkGeneratorFunction",
    "CustomResourceListenerFunction",
    "RoleVerifierFunction",
    "RevalidatorFunction",
];

pub const VERIFIER_ROLE: &str = "RoleVerifierRole";

pub const LISTENER: &str = "CustomResourceListenerFunction";

/// The listener topics: one of the same name in each region.
pub const TOPICS: &str = "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:${ListenerTopicName}";

/// Enabled in every account, as of August 2026.
pub const DEFAULT_REGIONS: &str = "\
    us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 \
    ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 \
    eu-north-1 sa-east-1";

/// To be enabled by the account, as of August 2026: SNS delivers from these as `sns.<region>.amazonaws.com`.
pub const OPT_IN_REGIONS: &str = "\
    af-south-1 ap-east-1 ap-east-2 ap-south-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 \
    ap-southeast-6 ap-southeast-7 ca-west-1 eu-south-1 eu-south-2 eu-central-2 il-central-1 \
    mx-central-1 me-south-1 me-central-1";

/// Those of the other partitions.
pub const OTHER_REGIONS: &str = "us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 eusc-de-east-1";

/// Every region that the template knows.
pub fn regions() -> impl Iterator<Item = &'static str> + Clone {
    let lists = [DEFAULT_REGIONS, OPT_IN_REGIONS, OTHER_REGIONS];
    lists.into_iter().flat_map(|list| list.split(' '))
}

/// The condition under which a region is served.
pub fn serves(region: &str) -> String {
    let words = region.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    format!("Serves{}", words.collect::<String>())
}

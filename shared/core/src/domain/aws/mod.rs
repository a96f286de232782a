//! AWS's own names: accounts, regions, ARNs. Parsed once, at the edge.

mod account;
mod region;
mod role_arn;
mod stack_id;
mod topic_arn;

pub use account::AccountId;
pub use region::{Partition, Region};
pub use role_arn::RoleArn;
pub use stack_id::{StackId, stack_name_is_valid};
pub use topic_arn::TopicArn;

/// The six parts of an ARN: `arn:partition:service:region:account:resource`.
struct ArnParts<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

/// Splits an ARN; the resource keeps its own colons. Longer texts than AWS makes are refused before they are read.
fn split_arn(text: &str) -> Option<ArnParts<'_>> {
    /// AWS's limit on an ARN's length (IAM and CloudFormation service models).
    const MAX_ARN_BYTES: usize = 2_048;
    if text.len() > MAX_ARN_BYTES {
        return None;
    }
    let mut parts = text.splitn(6, ':');
    (parts.next()? == "arn").then_some(())?;
    Some(ArnParts {
        partition: parts.next()?,
        service: parts.next()?,
        region: parts.next()?,
        account: parts.next()?,
        resource: parts.next()?,
    })
}

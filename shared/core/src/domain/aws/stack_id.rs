use super::{AccountId, Partition, Region, split_arn};
use crate::domain::invalid::{Invalid, checked_text};

/// The ARN of a CloudFormation stack: `arn:<partition>:cloudformation:<region>:<account>:stack/<name>/<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StackId(String);

impl StackId {
    /// Accepts CloudFormation's form of a stack's ARN, with the partition that its region belongs to.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let error = Invalid::new("StackId", "is not the ARN of a CloudFormation stack");
        let arn = split_arn(text).ok_or(error)?;
        let partition = Partition::parse(arn.partition).map_err(|_| error)?;
        let region = Region::parse(arn.region).map_err(|_| error)?;
        AccountId::parse(arn.account).map_err(|_| error)?;
        let mut resource = arn.resource.split('/');
        let (kind, name, uuid) = (resource.next(), resource.next(), resource.next());
        let well_formed = arn.service == "cloudformation"
            && region.partition() == partition
            && kind == Some("stack")
            && name.is_some_and(stack_name_is_valid)
            && uuid.is_some_and(is_uuid)
            && resource.next().is_none();
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(error)
        }
    }

    /// The account that the stack runs in.
    pub fn account(&self) -> AccountId {
        AccountId::parse(self.part(4)).unwrap_or_else(|_| unreachable!("checked when parsed"))
    }

    /// The region that the stack runs in.
    pub fn region(&self) -> Region {
        Region::parse(self.part(3)).unwrap_or_else(|_| unreachable!("checked when parsed"))
    }

    /// The partition that the stack runs in.
    pub fn partition(&self) -> Partition {
        self.region().partition()
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}
checked_text!(StackId);

/// `[A-Za-z][A-Za-z0-9-]*`, 128 characters at most (CloudFormation's CreateStack).
pub fn stack_name_is_valid(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4";

    #[test]
    fn a_stack_id_tells_its_account_region_and_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
        ] {
            let text =
                format!("arn:{partition}:cloudformation:{region}:222222222222:stack/Latchkey-1/{UUID}");
            let stack = StackId::parse(&text).unwrap();
            assert_eq!(stack.account().as_str(), "222222222222");
            assert_eq!(stack.region().as_str(), region);
            assert_eq!(stack.partition().as_str(), partition);
        }
    }

    #[test]
    fn what_is_not_the_arn_of_a_stack_is_refused() {
        for text in [
            String::new(),
            "arn:aws:cloudformation:eu-west-1:222222222222:stack/a".into(),
            format!("arn:aws:cloudformation:eu-west-1:222222222222:stack/a/{UUID}/x"),
            format!("arn:aws:cloudformation:eu-west-1:222222222222:stack//{UUID}"),
            format!("arn:aws:cloudformation:eu-west-1:222222222222:stack/-a/{UUID}"),
            format!(
                "arn:aws:cloudformation:eu-west-1:222222222222:stack/{}/{UUID}",
                "a".repeat(129)
            ),
            format!("arn:aws:cloudformation:eu-west-1:222222222222:changeSet/a/{UUID}"),
            format!("arn:aws-cn:cloudformation:eu-west-1:222222222222:stack/a/{UUID}"),
            format!("arn:aws:cloudformation:cn-north-1:222222222222:stack/a/{UUID}"),
            format!("arn:aws:cloudformation::222222222222:stack/a/{UUID}"),
            format!("arn:aws:cloudformation:eu-west-1:2222:stack/a/{UUID}"),
            format!("arn:aws:sns:eu-west-1:222222222222:stack/a/{UUID}"),
            format!(
                "arn:aws:cloudformation:eu-west-1:222222222222:stack/a/{}",
                UUID.replace('-', "x")
            ),
            format!("arn:aws:cloudformation:eu-west-1:222222222222:stack/a|b/{UUID}"),
        ] {
            assert!(StackId::parse(&text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_stack_id_of_cloudformation_is_read_and_kept(account in "[0-9]{12}", name in "[A-Za-z][A-Za-z0-9-]{0,127}") {
            let text = format!("arn:aws:cloudformation:ap-south-1:{account}:stack/{name}/{UUID}");
            let stack = StackId::parse(&text).unwrap();
            prop_assert_eq!(stack.as_str(), text);
            prop_assert_eq!(stack.account().to_string(), account);
        }

        #[test]
        fn parsing_any_text_never_panics(text in "\\PC{0,200}") {
            let _ = StackId::parse(&text);
        }
    }
}

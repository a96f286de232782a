use super::{AccountId, Partition, Region, split_arn};
use crate::domain::invalid::{Invalid, checked_text};

/// The ARN of an SNS topic: `arn:<partition>:sns:<region>:<account>:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicArn(String);

impl TopicArn {
    /// Accepts the ARN of a standard topic. A subscription's ARN, with one part more, is none.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let error = Invalid::new("TopicArn", "is not the ARN of an SNS topic");
        let arn = split_arn(text).ok_or(error)?;
        let partition = Partition::parse(arn.partition).map_err(|_| error)?;
        let region = Region::parse(arn.region).map_err(|_| error)?;
        AccountId::parse(arn.account).map_err(|_| error)?;
        if arn.service == "sns" && region.partition() == partition && is_topic_name(arn.resource) {
            Ok(Self(text.to_owned()))
        } else {
            Err(error)
        }
    }

    /// The ARN of the topic `name` that `account` owns in `region`.
    pub fn of(region: &Region, account: &AccountId, name: &str) -> Result<Self, Invalid> {
        Self::parse(&format!(
            "arn:{}:sns:{region}:{account}:{name}",
            region.partition().as_str()
        ))
    }

    /// The region that the topic is in.
    pub fn region(&self) -> Region {
        Region::parse(self.0.split(':').nth(3).unwrap_or_default())
            .unwrap_or_else(|_| unreachable!("checked when parsed"))
    }
}
checked_text!(TopicArn);

/// SNS's rule for the name of a standard topic.
fn is_topic_name(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_arn_is_read_and_built() {
        let text = "arn:aws:sns:eu-west-1:111111111111:latchkey-listener";
        let topic = TopicArn::parse(text).unwrap();
        assert_eq!(topic.region().as_str(), "eu-west-1");
        let account = AccountId::parse("111111111111").unwrap();
        assert_eq!(
            TopicArn::of(&topic.region(), &account, "latchkey-listener").unwrap(),
            topic
        );
    }

    #[test]
    fn what_is_not_the_arn_of_a_topic_is_refused() {
        for text in [
            "",
            "arn:aws:sqs:eu-west-1:111111111111:q",
            "arn:aws:sns:eu-west-1:111111111111:",
            "arn:aws:sns:eu-west-1:111111111111:a:0d1f2a30",
            "arn:aws:sns:eu-west-1:111111111111:a.fifo",
            "arn:aws:sns::111111111111:a",
            "arn:aws-cn:sns:eu-west-1:111111111111:a",
            "arn:aws:sns:eu-west-1:11:a",
            "arn:aws:lambda:eu-west-1:111111111111:function:f",
        ] {
            assert!(TopicArn::parse(text).is_err(), "{text:?}");
        }
    }
}

use crate::domain::invalid::{Invalid, checked_text};

/// A separate AWS: nothing crosses from one partition to another. One deployment serves one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Partition {
    /// `aws`, the commercial regions.
    Aws,
    /// `aws-cn`.
    China,
    /// `aws-us-gov`.
    GovCloud,
    /// `aws-eusc`, the European Sovereign Cloud.
    EuropeanSovereign,
}

impl Partition {
    /// Every partition that Latchkey can be deployed in.
    pub const ALL: [Self; 4] = [Self::Aws, Self::China, Self::GovCloud, Self::EuropeanSovereign];

    /// Reads the second part of an ARN.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.as_str() == text)
            .ok_or(Invalid::new("partition", "is not one that this vendor serves"))
    }

    /// As it stands in an ARN.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::EuropeanSovereign => "aws-eusc",
        }
    }

    /// The domain of the partition's service endpoints.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
            Self::EuropeanSovereign => "amazonaws.eu",
        }
    }

    /// The domain of the partition's console.
    pub fn console_domain(self) -> &'static str {
        match self {
            Self::Aws => "console.aws.amazon.com",
            Self::China => "console.amazonaws.cn",
            Self::GovCloud => "console.amazonaws-us-gov.com",
            Self::EuropeanSovereign => "console.amazonaws-eusc.eu",
        }
    }

    /// How the names of the partition's regions begin.
    fn region_prefix(self) -> Option<&'static str> {
        match self {
            Self::Aws => None,
            Self::China => Some("cn-"),
            Self::GovCloud => Some("us-gov-"),
            Self::EuropeanSovereign => Some("eusc-"),
        }
    }
}

/// The code of an AWS region, such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// Accepts the form of a region code: two to four dash-separated words of lower-case letters, then a number.
    /// Whether Latchkey listens there is for the deployment's list of regions to say.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        /// Longer than any region code, so that a name built from one stays a valid host.
        const MAX_REGION_CHARS: usize = 25;
        let error = Invalid::new("region", "must be the code of an AWS region, such as eu-west-1");
        let words: Vec<&str> = text.split('-').collect();
        let Some((number, names)) = words.split_last() else {
            return Err(error);
        };
        let is_name = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= MAX_REGION_CHARS
            && (2..=4).contains(&names.len())
            && names.iter().all(is_name)
            && is_number
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(error)
        }
    }

    /// The partition that the region belongs to, which its name tells.
    pub fn partition(&self) -> Partition {
        Partition::ALL
            .into_iter()
            .find(|partition| {
                partition
                    .region_prefix()
                    .is_some_and(|prefix| self.0.starts_with(prefix))
            })
            .unwrap_or(Partition::Aws)
    }
}
checked_text!(Region);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_knows_its_partition() {
        for (text, partition) in [
            ("us-east-1", Partition::Aws),
            ("ap-southeast-7", Partition::Aws),
            ("mx-central-1", Partition::Aws),
            ("cn-northwest-1", Partition::China),
            ("us-gov-east-1", Partition::GovCloud),
            ("eusc-de-east-1", Partition::EuropeanSovereign),
        ] {
            assert_eq!(Region::parse(text).unwrap().partition(), partition, "{text}");
        }
    }

    #[test]
    fn what_is_no_region_code_is_refused() {
        for text in [
            "",
            "-",
            "us",
            "us-east",
            "us-east-",
            "us--1",
            "US-EAST-1",
            "us-east-1.evil.example",
            "us-east-1/",
            "us-east-1@x",
            "us-east-123",
            "us_east_1",
            "us-east-1 ",
            "a-b-c-d-e-1",
            "aaaaaaaaaaaaaaaaaaaaaaaa-b-1",
        ] {
            assert!(Region::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_partition_is_read_as_it_is_written_and_no_other_is_known() {
        for partition in Partition::ALL {
            assert_eq!(Partition::parse(partition.as_str()), Ok(partition));
        }
        for text in ["", "AWS", "aws-iso", "aws-us-gov ", "amazon"] {
            assert!(Partition::parse(text).is_err(), "{text:?}");
        }
    }
}

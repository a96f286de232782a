//! The permission tiers that a deployment offers. Data, not code: `customer/rendered/tiers.json`, from the manifest.

use crate::domain::{
    invalid::{Invalid, checked_text},
    proof::permissions::Tier,
};

/// The name of a tier, as it stands in the manifest, in a stack's parameter and in the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierName(String);

impl TierName {
    /// Accepts 1 to 64 lower-case letters, digits and dashes, a letter first.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(is_allowed)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("PermissionTier", "is not the name of a tier"))
        }
    }
}
checked_text!(TierName);

/// The tiers that a deployment offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    tiers: Vec<Tier>,
    default: Tier,
}

impl Tiers {
    /// Reads the list of all tiers, and the one that is the default.
    pub fn parse(list: &str, default: &str) -> Result<Self, String> {
        let list: Vec<serde_json::Value> = serde_json::from_str(list).map_err(|error| error.to_string())?;
        let tiers = list
            .iter()
            .map(|tier| Tier::parse(&tier.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        for tier in &tiers {
            TierName::parse(&tier.name).map_err(|error| format!("{}: {error}", tier.name))?;
        }
        let default = Tier::parse(default)?;
        if tiers.contains(&default) {
            Ok(Self { tiers, default })
        } else {
            Err(format!(
                "the default tier {} is not among those that are offered",
                default.name
            ))
        }
    }

    /// The tier of this name; the default one where a stack names none.
    pub fn find(&self, name: Option<&TierName>) -> Option<&Tier> {
        match name {
            None => Some(&self.default),
            Some(name) => self.tiers.iter().find(|tier| tier.name == name.as_str()),
        }
    }

    /// The same for a role that was connected before: a tier that is no longer offered asks for what the default does.
    pub fn find_or_default(&self, name: Option<&TierName>) -> &Tier {
        self.find(name).unwrap_or(&self.default)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tiers.iter().map(|tier| tier.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str =
        r#"{"name":"small","required":[],"on_missing":"fail","canaries":[],"on_excessive":"show"}"#;
    const LARGE: &str = r#"{"name":"large","required":[],"on_missing":"fail","canaries":["iam:CreateUser"],"on_excessive":"fail"}"#;

    #[test]
    fn a_stack_that_names_no_tier_has_the_default_one_and_one_that_is_not_offered_is_not_found() {
        let tiers = Tiers::parse(&format!("[{SMALL},{LARGE}]"), SMALL).unwrap();
        let name = |name: &str| TierName::parse(name).unwrap();
        let found = |asked: Option<&TierName>| tiers.find(asked).map(|tier| tier.name.as_str());
        assert_eq!(found(None), Some("small"));
        assert_eq!(found(Some(&name("large"))), Some("large"));
        assert_eq!(found(Some(&name("huge"))), None);
        assert_eq!(tiers.find_or_default(Some(&name("huge"))).name, "small");
        assert_eq!(tiers.names().collect::<Vec<_>>(), ["small", "large"]);
    }

    #[test]
    fn tiers_that_contradict_themselves_are_refused() {
        for (list, default) in [
            (format!("[{LARGE}]"), SMALL),
            (format!("[{SMALL}]"), "{}"),
            ("[{}]".to_owned(), SMALL),
            ("{}".to_owned(), SMALL),
            (format!("[{}]", SMALL.replace("small", "S")), SMALL),
        ] {
            assert!(Tiers::parse(&list, default).is_err(), "{list} {default}");
        }
    }

    #[test]
    fn a_name_is_short_lower_case_and_without_anything_that_could_mean_more() {
        assert_eq!(
            TierName::parse("inventory-cost").unwrap().as_str(),
            "inventory-cost"
        );
        for text in ["", "-a", "1a", "A", "a b", "a\u{202e}", "a'", &"a".repeat(65)] {
            assert!(TierName::parse(text).is_err(), "{text:?}");
        }
    }
}

//! One condition of a statement, held against a request.

use std::cmp::Ordering;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    Truth,
    pattern::{Pattern, arn_matches},
};

/// What a request says under a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing.
    Absent,
    /// This, perhaps of an open shape (see [`Pattern::matches`]).
    Is(String),
    /// This or nothing.
    Perhaps(String),
    /// An ARN of the first shape whose last part does not begin like the second.
    But(String, String),
    /// The time.
    Now(Timestamp),
    /// We do not know, or the sender chooses it.
    Open,
}

/// An operator, a key and its values.
pub(super) struct Condition {
    operator: Option<Operator>,
    /// In lower case: AWS does not tell them apart by that.
    pub(super) key: String,
    /// `None` where they cannot be read.
    values: Option<Vec<String>>,
    variables: bool,
}

#[derive(Clone, Copy)]
struct Operator {
    set: Set,
    if_exists: bool,
    negated: bool,
    test: Test,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    One,
    ForAll,
    ForAny,
}

#[derive(Clone, Copy)]
enum Test {
    Null,
    Text,
    TextInAnyCase,
    Like,
    Arn,
    Bool,
    Date(fn(Ordering) -> bool),
    /// Numbers, addresses, bytes: nothing that we know of a request is one.
    Other,
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (set, name) = match name.split_once(':') {
            Some(("forallvalues", rest)) => (Set::ForAll, rest),
            Some(("foranyvalue", rest)) => (Set::ForAny, rest),
            Some(_) => return None,
            None => (Set::One, name.as_str()),
        };
        let (name, if_exists) = match name.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, negated) = match name {
            "null" if !if_exists && set == Set::One => (Test::Null, false),
            "stringequals" => (Test::Text, false),
            "stringnotequals" => (Test::Text, true),
            "stringequalsignorecase" => (Test::TextInAnyCase, false),
            "stringnotequalsignorecase" => (Test::TextInAnyCase, true),
            "stringlike" => (Test::Like, false),
            "stringnotlike" => (Test::Like, true),
            "arnequals" | "arnlike" => (Test::Arn, false),
            "arnnotequals" | "arnnotlike" => (Test::Arn, true),
            "bool" => (Test::Bool, false),
            "dateequals" => (Test::Date(Ordering::is_eq), false),
            "datenotequals" => (Test::Date(Ordering::is_eq), true),
            "datelessthan" => (Test::Date(Ordering::is_lt), false),
            "datelessthanequals" => (Test::Date(Ordering::is_le), false),
            "dategreaterthan" => (Test::Date(Ordering::is_gt), false),
            "dategreaterthanequals" => (Test::Date(Ordering::is_ge), false),
            "numericequals"
            | "numericlessthan"
            | "numericlessthanequals"
            | "numericgreaterthan"
            | "numericgreaterthanequals"
            | "ipaddress"
            | "binaryequals" => (Test::Other, false),
            "numericnotequals" | "notipaddress" => (Test::Other, true),
            _ => return None,
        };
        Some(Self {
            set,
            if_exists,
            negated,
            test,
        })
    }

    /// Whether a request without the key fits:
    /// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    fn fits_absent(self) -> Truth {
        match self.set {
            Set::ForAll => Truth::Yes,
            // Readers of AWS's documentation differ in whether `IfExists` counts here.
            Set::ForAny if self.if_exists => Truth::Maybe,
            Set::ForAny => Truth::No,
            Set::One => (self.if_exists || self.negated).into(),
        }
    }
}

impl Condition {
    pub(super) fn new(operator: &str, key: &str, values: Option<Vec<String>>, variables: bool) -> Self {
        Self {
            operator: Operator::parse(operator),
            key: key.to_ascii_lowercase(),
            values,
            variables,
        }
    }

    /// One that nothing is known of.
    pub(super) fn unreadable() -> Self {
        Self::new("", "", None, false)
    }

    /// Whether a request fits that says this under the condition's key. `fill` gives the value of a
    /// policy variable.
    pub(super) fn fits(&self, said: &Key, fill: &impl Fn(&str) -> Option<String>) -> Truth {
        let (Some(operator), Some(values)) = (self.operator, &self.values) else {
            return Truth::Maybe;
        };
        if let Test::Null = operator.test {
            return wants_absence(values, said);
        }
        let held = |test: &dyn Fn(&str) -> Truth| {
            let one = Truth::any(values.iter().map(|value| match self.filled(value, fill) {
                Some(value) => test(&value),
                None => Truth::Maybe,
            }));
            if operator.negated { !one } else { one }
        };
        match said {
            Key::Open => Truth::Maybe,
            Key::Absent => operator.fits_absent(),
            Key::Is(said) => held(&|value| compare(operator.test, value, said)),
            Key::Perhaps(said) => {
                let present = held(&|value| compare(operator.test, value, said));
                if present == operator.fits_absent() {
                    present
                } else {
                    Truth::Maybe
                }
            }
            Key::But(said, never) => held(&|value| match value.splitn(6, ':').nth(5) {
                Some(resource) if resource.starts_with(never) => Truth::No,
                _ => compare(operator.test, value, said),
            }),
            Key::Now(now) => held(&|value| match (operator.test, moment(value)) {
                (Test::Date(is), Some(moment)) => is(now.cmp(&moment)).into(),
                _ => Truth::Maybe,
            }),
        }
    }

    /// The values that name one thing; a pattern names many.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let values = self.values.iter().flatten().map(String::as_str);
        values.filter(|value| !value.contains(['*', '?', '$']))
    }

    /// The values, where each names one thing.
    pub(super) fn all_named(&self) -> Option<Vec<&str>> {
        let named: Vec<_> = self.named().collect();
        (Some(named.len()) == self.values.as_ref().map(Vec::len)).then_some(named)
    }

    /// The last moment that a condition on the time lets through, where it is one that ends.
    pub(super) fn end(&self) -> Option<Timestamp> {
        let operator = self.operator?;
        let ends = matches!(operator.test, Test::Date(is) if is(Ordering::Less) && !operator.negated);
        let moments = self.values.iter().flatten().filter_map(|value| moment(value));
        moments.max().filter(|_| ends && self.key == "aws:currenttime")
    }

    /// The value with its variables filled in, or `None` where one is not known.
    fn filled(&self, value: &str, fill: &impl Fn(&str) -> Option<String>) -> Option<String> {
        let Some((before, rest)) = value.split_once("${") else {
            return Some(value.to_owned());
        };
        let (variable, after) = rest.split_once('}')?;
        let known = fill(&variable.to_ascii_lowercase()).filter(|_| self.variables)?;
        Some(format!("{before}{known}{}", self.filled(after, fill)?))
    }
}

fn wants_absence(values: &[String], said: &Key) -> Truth {
    let wanted = match values {
        [value] if value.eq_ignore_ascii_case("true") => Truth::Yes,
        [value] if value.eq_ignore_ascii_case("false") => Truth::No,
        _ => return Truth::Maybe,
    };
    match said {
        Key::Absent => wanted,
        Key::Is(_) | Key::But(..) | Key::Now(_) => !wanted,
        Key::Perhaps(_) | Key::Open => Truth::Maybe,
    }
}

fn compare(test: Test, value: &str, said: &str) -> Truth {
    let is_bool = |text: &str| ["true", "false"].contains(&text);
    match test {
        Test::Text => Pattern::literal(value).matches(said),
        Test::TextInAnyCase => Pattern::literal(&value.to_lowercase()).matches(&said.to_lowercase()),
        Test::Like => Pattern::glob(value).matches(said),
        Test::Arn => arn_matches(value, said),
        Test::Bool if is_bool(said) && is_bool(&value.to_ascii_lowercase()) => {
            said.eq_ignore_ascii_case(value).into()
        }
        _ => Truth::Maybe,
    }
}

/// A moment as policies write it: ISO 8601 with time and zone, a day, or the seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    /// Fewer digits may be a year or a day in the basic format.
    const SHORTEST_EPOCH: usize = 9;
    if text.len() >= SHORTEST_EPOCH && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_second(text.parse().ok()?).ok();
    }
    let day = || text.parse::<civil::Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    if text.len() == "2026-11-30".len() {
        Some(day()?.timestamp())
    } else {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::{Maybe, No, Yes};

    fn fits(operator: &str, values: &[&str], said: &Key) -> Truth {
        let values = values.iter().map(ToString::to_string).collect();
        let fill = |name: &str| (name == "aws:resourceaccount").then(|| "222222222222".to_owned());
        Condition::new(operator, "any:key", Some(values), true).fits(said, &fill)
    }

    /// Each operator: what it says of a value that it names, of another one, and of an absent key.
    #[test]
    fn each_operator_judges_known_and_absent_keys() {
        let arn = "arn:aws:iam::111111111111:role/a";
        let (late, early) = ("2027-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
        let now = Key::Now("2026-11-30T12:00:00Z".parse().unwrap());
        let is = |text: &str| Key::Is(text.to_owned());
        for (operator, value, same, other, wanted) in [
            ("StringEquals", "ab*", is("ab*"), is("abc"), [Maybe, No, No]),
            ("StringEquals", "abc", is("abc"), is("abd"), [Yes, No, No]),
            ("stringequals", "abc", is("abc"), is("ABC"), [Yes, No, No]),
            ("StringNotEquals", "abc", is("abc"), is("abd"), [No, Yes, Yes]),
            (
                "StringEqualsIgnoreCase",
                "abc",
                is("ABC"),
                is("abd"),
                [Yes, No, No],
            ),
            (
                "StringNotEqualsIgnoreCase",
                "abc",
                is("ABC"),
                is("abd"),
                [No, Yes, Yes],
            ),
            ("StringLike", "a*c", is("abc"), is("abd"), [Yes, No, No]),
            ("StringNotLike", "a*c", is("abc"), is("abd"), [No, Yes, Yes]),
            (
                "ArnEquals",
                "arn:*:iam::*:role/?",
                is(arn),
                is("arn:a"),
                [Yes, No, No],
            ),
            ("ArnLike", arn, is(arn), is("arn:a"), [Yes, No, No]),
            ("ArnNotEquals", arn, is(arn), is("arn:a"), [No, Yes, Yes]),
            ("ArnNotLike", arn, is(arn), is("arn:a"), [No, Yes, Yes]),
            ("Bool", "True", is("true"), is("false"), [Yes, No, No]),
            (
                "DateEquals",
                "2026-11-30T12:00:00Z",
                now.clone(),
                now.clone(),
                [Yes, Yes, No],
            ),
            (
                "DateNotEquals",
                "2026-11-30T12:00:00Z",
                now.clone(),
                now.clone(),
                [No, No, Yes],
            ),
            ("DateLessThan", late, now.clone(), now.clone(), [Yes, Yes, No]),
            (
                "DateLessThanEquals",
                early,
                now.clone(),
                now.clone(),
                [No, No, No],
            ),
            ("DateGreaterThan", early, now.clone(), now.clone(), [Yes, Yes, No]),
            (
                "DateGreaterThanEquals",
                late,
                now.clone(),
                now.clone(),
                [No, No, No],
            ),
            ("NumericEquals", "1", is("1"), is("2"), [Maybe, Maybe, No]),
            ("NumericNotEquals", "1", is("1"), is("2"), [Maybe, Maybe, Yes]),
            ("NumericLessThan", "1", is("1"), is("2"), [Maybe, Maybe, No]),
            ("NumericLessThanEquals", "1", is("1"), is("2"), [Maybe, Maybe, No]),
            ("NumericGreaterThan", "1", is("1"), is("2"), [Maybe, Maybe, No]),
            (
                "NumericGreaterThanEquals",
                "1",
                is("1"),
                is("2"),
                [Maybe, Maybe, No],
            ),
            (
                "IpAddress",
                "192.0.2.1",
                is("192.0.2.1"),
                is("x"),
                [Maybe, Maybe, No],
            ),
            (
                "NotIpAddress",
                "192.0.2.1",
                is("192.0.2.1"),
                is("x"),
                [Maybe, Maybe, Yes],
            ),
            ("BinaryEquals", "YQ==", is("YQ=="), is("x"), [Maybe, Maybe, No]),
            (
                "StringEqualsIfExists",
                "abc",
                is("abc"),
                is("abd"),
                [Yes, No, Yes],
            ),
            (
                "StringNotEqualsIfExists",
                "abc",
                is("abc"),
                is("abd"),
                [No, Yes, Yes],
            ),
            (
                "ForAllValues:StringEquals",
                "abc",
                is("abc"),
                is("abd"),
                [Yes, No, Yes],
            ),
            (
                "ForAllValues:StringNotEquals",
                "abc",
                is("abc"),
                is("abd"),
                [No, Yes, Yes],
            ),
            (
                "ForAllValues:StringLikeIfExists",
                "a*",
                is("abc"),
                is("bd"),
                [Yes, No, Yes],
            ),
            (
                "ForAnyValue:StringEquals",
                "abc",
                is("abc"),
                is("abd"),
                [Yes, No, No],
            ),
            (
                "ForAnyValue:StringNotEquals",
                "abc",
                is("abc"),
                is("abd"),
                [No, Yes, No],
            ),
            (
                "ForAnyValue:StringLikeIfExists",
                "a*",
                is("abc"),
                is("bd"),
                [Yes, No, Maybe],
            ),
            ("Null", "true", is("abc"), is("abd"), [No, No, Yes]),
            ("Null", "False", is("abc"), is("abd"), [Yes, Yes, No]),
            (
                "NullIfExists",
                "true",
                is("abc"),
                is("abd"),
                [Maybe, Maybe, Maybe],
            ),
            (
                "ForAllKeys:StringEquals",
                "abc",
                is("abc"),
                is("abd"),
                [Maybe, Maybe, Maybe],
            ),
            ("StringIs", "abc", is("abc"), is("abd"), [Maybe, Maybe, Maybe]),
        ] {
            let judged = [same, other, Key::Absent].map(|said| fits(operator, &[value], &said));
            assert_eq!(judged, wanted, "{operator} {value}");
            assert_eq!(fits(operator, &[value], &Key::Open), Maybe, "{operator}");
        }
    }

    #[test]
    fn one_of_several_values_is_enough_and_none_may_be_excluded() {
        let said = Key::Is("b".to_owned());
        assert_eq!(fits("StringEquals", &["a", "b"], &said), Yes);
        assert_eq!(fits("StringNotEquals", &["a", "b"], &said), No);
        assert_eq!(fits("StringNotEquals", &["a", "c"], &said), Yes);
        assert_eq!(fits("StringEquals", &[], &said), No);
        assert_eq!(fits("Null", &["true", "false"], &said), Maybe);
    }

    #[test]
    fn a_key_that_may_be_absent_is_certain_where_both_agree() {
        let said = Key::Perhaps("o-~".to_owned());
        assert_eq!(fits("StringEquals", &["o-acme"], &said), No);
        assert_eq!(fits("StringNotEquals", &["o-acme"], &said), Yes);
        assert_eq!(fits("StringLike", &["o-*"], &said), Maybe);
        assert_eq!(fits("StringEqualsIfExists", &["o-acme"], &said), Maybe);
        assert_eq!(fits("Null", &["true"], &said), Maybe);
    }

    #[test]
    fn only_variables_that_are_known_are_filled_in() {
        let said = Key::Is("222222222222".to_owned());
        for (value, wanted) in [
            ("${aws:ResourceAccount}", Yes),
            ("${AWS:resourceaccount}", Yes),
            ("x${aws:ResourceAccount}", No),
            ("${aws:PrincipalTag/x}", Maybe),
            ("${aws:ResourceAccount}${x", Maybe),
            ("${x", Maybe),
        ] {
            assert_eq!(fits("StringEquals", &[value], &said), wanted, "{value}");
        }
        let old = Condition::new(
            "StringEquals",
            "k",
            Some(vec!["${aws:ResourceAccount}".to_owned()]),
            false,
        );
        assert_eq!(old.fits(&said, &|_| Some("222222222222".to_owned())), Maybe);
    }

    #[test]
    fn moments_are_read_as_policies_write_them() {
        for (text, wanted) in [
            ("2026-11-30T12:00:00Z", Some(1_796_040_000)),
            ("2026-11-30T13:00:00+01:00", Some(1_796_040_000)),
            ("2026-11-30T12:00Z", Some(1_796_040_000)),
            ("2026-11-30", Some(1_795_996_800)),
            ("1796040000", Some(1_796_040_000)),
            ("2026", None),
            ("20261130", None),
            ("2026-11-30T12:00:00", None),
            ("tomorrow", None),
        ] {
            assert_eq!(moment(text).map(Timestamp::as_second), wanted, "{text}");
        }
    }
}

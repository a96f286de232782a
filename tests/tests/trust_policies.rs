//! Nobody gets in by MiniStack's evaluator whom the product's own does not find, over many
//! generated trust policies.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use latchkey_core::domain::{
    aws::{AccountId, RoleArn},
    external_id::ExternalId,
    proof::trust_policy::{Facts, TrustPolicy, Truth, Witness},
};
use latchkey_tests::{Error, sam_template::repository_path};
use serde_json::{Map, Value, json};

const POLICIES: usize = 10_000;
const SEED: u64 = 19;
const VENDOR: &str = "111111111111";
const OWN: &str = "222222222222";
const PARTNER: &str = "333333333333";
const OURS: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";
const OTHER: &str = "other8xxat96iws9zmbrgj3atz4a98xx";
/// The external ID of a program of the customer's.
const PROGRAM: &str = "acme-prod-7";
const OPERATORS: &str = "StringEquals StringNotEquals StringEqualsIgnoreCase StringNotEqualsIgnoreCase StringLike \
    StringNotLike NumericEquals NumericNotEquals NumericLessThan NumericLessThanEquals NumericGreaterThan \
    NumericGreaterThanEquals DateEquals DateNotEquals DateLessThan DateLessThanEquals DateGreaterThan \
    DateGreaterThanEquals Bool BinaryEquals IpAddress NotIpAddress ArnEquals ArnLike ArnNotEquals ArnNotLike Null";
/// Those that most policies are made of.
const COMMON: &str = "StringEquals StringNotEquals StringLike ArnLike ArnNotLike Bool DateLessThan Null";

/// A policy, what a caller may add to fit its open conditions, and what it was made of.
struct Case {
    policy: Value,
    context: Map<String, Value>,
    /// Whether both evaluators know every element of it.
    understood: bool,
    /// Operators, ways to change one, and forms of principals.
    forms: Vec<String>,
}

struct Generator {
    rng: Rng,
    case: Case,
}

/// SplitMix64: the same policies on every machine.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

impl Generator {
    fn case(rng: &mut Rng) -> Case {
        let mut generator = Self {
            rng: Rng(rng.next()),
            case: Case {
                policy: Value::Null,
                context: Map::new(),
                understood: true,
                forms: Vec::new(),
            },
        };
        let mut statements: Vec<_> = (0..generator.rng.below(2) + 1)
            .map(|_| generator.statement("Allow"))
            .collect();
        if generator.rng.below(4) == 0 {
            let position = generator.rng.below(statements.len() + 1);
            let deny = generator.statement("Deny");
            statements.insert(position, deny);
        }
        generator.case.policy = json!({ "Version": "2012-10-17", "Statement": statements });
        if statements.len() == 1 && generator.rng.below(2) == 0 {
            generator.case.policy["Statement"] = statements.remove(0);
        }
        generator.case
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.rng.below(from.len())]
    }

    fn form(&mut self, name: &str, understood: bool) {
        self.case.forms.push(name.to_owned());
        self.case.understood &= understood;
    }

    fn statement(&mut self, effect: &str) -> Value {
        let mut statement = json!({ "Effect": effect });
        let (element, principal) = self.principal(effect == "Deny");
        statement[element] = principal;
        let (element, actions) = match self.rng.below(20) {
            0 => ("Action", json!("sts:*")),
            1 => ("Action", json!(["sts:TagSession", "STS:Assume*"])),
            2 => ("Action", json!("*")),
            3 => ("Action", json!("sts:TagSession")),
            4 => ("NotAction", json!("sts:AssumeRoleWithSAML")),
            5 => ("NotAction", json!(["sts:assumerole", "s3:*"])),
            6 => ("Action", json!("sts:?ssumeRole")),
            _ => ("Action", json!("sts:AssumeRole")),
        };
        statement[element] = actions;
        let mut conditions = json!({});
        // Half of the statements ask for our external ID, as most of the customers' do.
        if effect == "Allow" && self.rng.below(2) == 0 {
            conditions["StringEquals"] = json!({ "sts:ExternalId": OURS });
        }
        for _ in 0..self.rng.below(3) {
            let (operator, key, values) = self.condition();
            conditions[operator][key] = values;
        }
        if conditions != json!({}) {
            statement["Condition"] = conditions;
        }
        statement
    }

    fn principal(&mut self, deny: bool) -> (&'static str, Value) {
        let root = |account: &str| format!("arn:aws:iam::{account}:root");
        let aws = |name: &str| json!({ "AWS": name });
        // A denial is about everybody, mostly.
        let form = if deny && self.rng.below(2) == 0 {
            0
        } else {
            self.rng.below(22)
        };
        let (form, understood, principal) = match form {
            0 | 1 => ("*", true, json!("*")),
            2 => ("AWS *", true, aws("*")),
            3 => ("* in a list", true, json!({ "AWS": [root(OWN), "*"] })),
            4..=6 => ("root", true, aws(&root(VENDOR))),
            7 | 8 => ("account", true, aws(VENDOR)),
            9 => ("accounts", true, json!({ "AWS": [PARTNER, VENDOR] })),
            10 => (
                "root of others",
                true,
                json!({ "AWS": [root(OWN), root(PARTNER)] }),
            ),
            11 => (
                "role of others",
                true,
                aws(&format!("arn:aws:iam::{PARTNER}:role/x/Partner")),
            ),
            12 => ("own user", true, aws(&format!("arn:aws:iam::{OWN}:user/alice"))),
            13 => (
                "session of others",
                true,
                aws(&format!("arn:aws:sts::{PARTNER}:assumed-role/Partner/x")),
            ),
            14 => (
                "deleted",
                true,
                json!({ "AWS": ["AROAEXAMPLEEXAMPLE123", "AIDAEXAMPLEEXAMPLE123"] }),
            ),
            15 => (
                "service",
                true,
                json!({ "Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"] }),
            ),
            16 => (
                "federated",
                true,
                json!({ "Federated": "cognito-identity.amazonaws.com" }),
            ),
            17 => (
                "service and root",
                true,
                json!({ "Service": "ec2.amazonaws.com", "AWS": root(VENDOR) }),
            ),
            18 => {
                let name = self.pick(&[
                    "role/latchkey/verifier",
                    "role/Deploy",
                    "role/other/Worker",
                    "user/bob",
                ]);
                (
                    "one of the vendor's",
                    false,
                    aws(&format!("arn:aws:iam::{VENDOR}:{name}")),
                )
            }
            19 => {
                let name = self.pick(&["verifier", "Deploy"]);
                let arn = format!("arn:aws:sts::{VENDOR}:assumed-role/{name}/session");
                ("session of the vendor's", false, aws(&arn))
            }
            20 => (
                "canonical",
                false,
                json!({ "CanonicalUser": "79a59df900b949e55d96a1e698fbaced" }),
            ),
            _ => ("NotPrincipal", false, aws(&root(PARTNER))),
        };
        self.form(form, understood);
        let element = if form == "NotPrincipal" { form } else { "Principal" };
        (element, principal)
    }

    /// An operator, a key and its values.
    fn condition(&mut self) -> (String, String, Value) {
        let operators = if self.rng.below(2) == 0 { COMMON } else { OPERATORS };
        let operator = self.pick(&operators.split_whitespace().collect::<Vec<_>>());
        self.form(operator, true);
        let like = operator.ends_with("Like");
        let (key, values, understood) = match operator {
            "Null" => {
                let keys = [
                    "sts:ExternalId",
                    "aws:PrincipalArn",
                    "aws:SourceArn",
                    "aws:PrincipalTag/team",
                ];
                let key = self.pick(&keys);
                return (operator.to_owned(), key.to_owned(), self.null(key));
            }
            "Bool" => self.bool(),
            "BinaryEquals" => ("acme:Blob", vec!["YWNtZQ=="], false),
            _ if operator.starts_with("Arn") => self.arn(true),
            _ if operator.starts_with("String") => self.text(like),
            _ if operator.starts_with("Date") => self.date(),
            _ if operator.starts_with("Numeric") => ("aws:MultiFactorAuthAge", vec!["900"], false),
            _ => (
                "aws:SourceIp",
                vec![self.pick(&["192.0.2.0/24", "2001:db8::/32"])],
                false,
            ),
        };
        self.case.understood &= understood;
        self.fit(key, operator, values[0]);
        let values = match values.as_slice() {
            [value] if self.rng.below(2) == 0 => json!(value),
            values => json!(values),
        };
        (self.changed(operator, key), key.to_owned(), values)
    }

    /// The operator as it is, or for sets, or with `IfExists`.
    fn changed(&mut self, operator: &str, key: &str) -> String {
        let may_be_absent = !["aws:PrincipalArn", "aws:PrincipalAccount", "aws:CurrentTime"].contains(&key);
        match self.rng.below(12) {
            0 | 1 => {
                self.form("IfExists", true);
                format!("{operator}IfExists")
            }
            2 => {
                self.form("ForAllValues", true);
                format!("ForAllValues:{operator}")
            }
            3 => {
                self.form("ForAnyValue", true);
                format!("ForAnyValue:{operator}")
            }
            4 => {
                self.form("ForAnyValue, IfExists", !may_be_absent);
                format!("ForAnyValue:{operator}IfExists")
            }
            _ => operator.to_owned(),
        }
    }

    fn null(&mut self, key: &str) -> Value {
        let absent = self.rng.below(2) == 0;
        if key.contains("Tag") {
            self.case.understood = false;
            if !absent {
                self.fit(key, "StringEquals", "red");
            }
        }
        let written = [
            json!(absent),
            json!(absent.to_string()),
            json!([absent.to_string()]),
        ];
        written[self.rng.below(3)].clone()
    }

    fn bool(&mut self) -> (&'static str, Vec<&'static str>, bool) {
        let value = self.pick(&["true", "false"]);
        let known = ["aws:SecureTransport", "aws:PrincipalIsAWSService"];
        let key = self.pick(&[
            known[0],
            known[1],
            "aws:MultiFactorAuthPresent",
            "aws:ViaAWSService",
        ]);
        (key, vec![value], known.contains(&key))
    }

    fn date(&mut self) -> (&'static str, Vec<&'static str>, bool) {
        let value = self.pick(&[
            "2020-01-01T00:00:00Z",
            "2090-01-01T00:00:00+02:00",
            "2020-01-01",
            "1577836800",
        ]);
        let key = self.pick(&["aws:CurrentTime", "aws:CurrentTime", "aws:TokenIssueTime"]);
        (key, vec![value], key == "aws:CurrentTime")
    }

    /// Patterns of principals' ARNs; for `by_parts`, as the operators for ARNs read them.
    fn arn(&mut self, by_parts: bool) -> (&'static str, Vec<&'static str>, bool) {
        let (arn, understood) = match self.rng.below(12) {
            0..=2 => ("arn:aws:iam::111111111111:role/latchkey/*", true),
            3 => ("arn:aws:iam::111111111111:role/*", true),
            4 => ("arn:aws:iam::111111111111:*", true),
            5 => ("arn:aws:iam::222222222222:*", true),
            6 => ("arn:aws:iam::333333333333:role/x/Partner", true),
            7 => ("arn:aws:iam::*:role/*", by_parts),
            8 => ("arn:aws:iam::111111111111:user/*", true),
            9 => ("arn:aws:iam::*:role/latchkey/*", false),
            10 => ("arn:aws:iam::*:role/Admin", false),
            _ => ("arn:aws:iam::111111111111:role/Deploy", false),
        };
        let more = vec![arn, "arn:aws:iam::222222222222:role/Own"];
        let values = if self.rng.below(4) == 0 { more } else { vec![arn] };
        match self.rng.below(8) {
            0 => ("aws:SourceArn", vec!["arn:aws:s3:::acme"], true),
            _ => ("aws:PrincipalArn", values, understood),
        }
    }

    fn text(&mut self, like: bool) -> (&'static str, Vec<&'static str>, bool) {
        match self.rng.below(20) {
            0..=4 => ("sts:ExternalId", vec![OURS], true),
            5 => ("sts:ExternalId", vec![OTHER, PROGRAM], true),
            6 => ("sts:ExternalId", vec!["TZ4A98XXAT96IWS9ZMBRGJ3ATZ4A98XX"], true),
            7 if like => ("sts:externalid", vec![self.pick(&["tz4a98*", "acme-*"])], false),
            7 => ("sts:externalid", vec![OURS], true),
            8 => ("aws:PrincipalAccount", vec![VENDOR], true),
            9 => ("aws:PrincipalAccount", vec![OWN, PARTNER], true),
            10 => ("aws:PrincipalAccount", vec!["${aws:ResourceAccount}"], false),
            11 if like => self.arn(false),
            11 => ("aws:ResourceAccount", vec![OWN], true),
            12 => (
                "aws:PrincipalType",
                vec![self.pick(&["User", "AssumedRole", "Account"])],
                true,
            ),
            13 => (
                "aws:PrincipalOrgID",
                vec![self.pick(&["o-vendors01", "o-customers"])],
                false,
            ),
            14 => (
                "aws:PrincipalOrgPaths",
                vec![if like { "o-vendors01/*" } else { "o-customers/r-1/" }],
                false,
            ),
            15 => ("sts:RoleSessionName", vec!["vendor-x"], false),
            16 => (
                self.pick(&["aws:RequestTag/team", "aws:PrincipalTag/team"]),
                vec!["red"],
                false,
            ),
            17 => (
                self.pick(&["sts:SourceIdentity", "aws:userid", "aws:username"]),
                vec!["alice"],
                false,
            ),
            18 => ("aws:RequestedRegion", vec!["eu-west-1", "eu-central-1"], false),
            _ => ("acme:Unheard", vec!["${aws:PrincipalTag/team}"], false),
        }
    }

    /// Notes what a caller says to fit a condition on a key that is theirs to choose.
    fn fit(&mut self, key: &str, operator: &str, value: &str) {
        let fixed = [
            "sts:externalid",
            "aws:principal",
            "aws:resource",
            "aws:source",
            "aws:securetransport",
            "aws:currenttime",
            "aws:user",
        ];
        let key = key.to_lowercase();
        let open = ["aws:principaltag", "aws:sourceip"]
            .iter()
            .any(|it| key.starts_with(it));
        if !open && fixed.iter().any(|it| key.starts_with(it)) {
            return;
        }
        let value = match (operator.contains("Not"), operator) {
            (_, "IpAddress") => {
                if value.contains(':') {
                    "2001:db8::7"
                } else {
                    "192.0.2.7"
                }
            }
            (_, "NotIpAddress") => "198.51.100.9",
            (_, "NumericLessThan") => "1",
            (_, "NumericGreaterThan") => "90000",
            (_, "DateLessThan") => "2001-01-01T00:00:00Z",
            (_, "DateGreaterThan") => "2091-01-01T00:00:00Z",
            (true, _) => "other",
            (false, _) => value,
        };
        self.case.context.entry(key).or_insert_with(|| json!(value));
    }
}

/// Who tries to get in at MiniStack's.
fn callers() -> Value {
    let caller = |account: &str,
                  kind: &str,
                  path: &str,
                  external_ids: &[Option<&str>],
                  organization: Option<&str>| {
        json!({ "account": account, "kind": kind, "path": path, "external_ids": external_ids, "organization": organization })
    };
    let shouted = OURS.to_uppercase();
    let (none, wrong) = ([None], [Some("wrong8xxat96iws9zmbrgj3atz4a98xx")]);
    // The middle of another one, as the probes' near miss.
    let any = [
        Some(OURS),
        None,
        wrong[0],
        Some("tz4a98near"),
        Some(OTHER),
        Some(PROGRAM),
        Some(&shouted),
    ];
    let not_ours = [None, wrong[0], Some("tz4a98near"), Some("acme-other")];
    let (strangers, vendors) = (Some("o-strangers1"), Some("o-vendors01"));
    json!({
        "StrangersRole": [
            caller("444455556666", "role", "Admin", &any, strangers),
            caller("777788889999", "role", "latchkey/Reader", &any, None),
        ],
        "StrangersUser": [caller("444455556666", "user", "alice", &any, strangers)],
        "VendorsOtherRole": [
            caller(VENDOR, "role", "Deploy", &not_ours, vendors),
            caller(VENDOR, "role", "other/Worker", &not_ours, vendors),
        ],
        "VendorsUser": [caller(VENDOR, "user", "bob", &not_ours, vendors)],
        "NoExternalId": [caller(VENDOR, "role", "latchkey/verifier", &none, vendors)],
        "WrongExternalId": [caller(VENDOR, "role", "latchkey/verifier", &not_ours[1..], vendors)],
    })
}

/// MiniStack's evaluator at work on the cases; its answers are its output's lines.
fn ministack(cases: &[Case]) -> Result<Child, Error> {
    let mut child = Command::new(repository_path("target/local-aws/venv/bin/python"))
        .arg("-B")
        .arg(repository_path("xtask/local-aws/trust_verdicts.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = callers().to_string() + "\n";
    for case in cases {
        lines += &format!("{}\n", json!({ "policy": case.policy, "context": case.context }));
    }
    let mut stdin = child.stdin.take().ok_or("no input")?;
    // Should it fail, answers are missing.
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    Ok(child)
}

#[test]
fn nobody_gets_in_whom_the_evaluator_does_not_find() -> Result<(), Error> {
    let mut rng = Rng(SEED);
    let cases: Vec<_> = (0..POLICIES).map(|_| Generator::case(&mut rng)).collect();
    let mut ministack = ministack(&cases)?;
    let mut verdicts = BufReader::new(ministack.stdout.take().ok_or("no output")?).lines();
    let (role, vendor) = (
        RoleArn::parse(&format!("arn:aws:iam::{OWN}:role/Reader"))?,
        AccountId::parse(VENDOR)?,
    );
    let external_id = ExternalId::parse(OURS)?;
    let facts = Facts {
        role: &role,
        vendor: &vendor,
        organization: None,
        role_path: "/latchkey/",
        external_ids: &[&external_id],
        now: jiff::Timestamp::now(),
    };
    let (mut open, mut understood, mut decided, mut forms) = (0, 0, 0, BTreeMap::new());
    for case in &cases {
        let let_in: Vec<String> = serde_json::from_str(&verdicts.next().ok_or("an answer is missing")??)?;
        let policy = TrustPolicy::parse(&case.policy.to_string())?;
        let found = policy.findings(&facts);
        for witness in Witness::ALL {
            let (ours, theirs) = (
                policy.lets_in(witness, &facts),
                let_in.contains(&format!("{witness:?}")),
            );
            let context = || {
                format!(
                    "{witness:?} {}\n{}",
                    Value::Object(case.context.clone()),
                    case.policy
                )
            };
            // What is certain is so by both.
            assert!(ours != Truth::Yes || theirs, "let in here alone: {}", context());
            assert!(ours != Truth::No || !theirs, "missed: {}", context());
            assert!(
                ours != Truth::Maybe || !case.understood,
                "not understood: {}",
                context()
            );
            assert!(
                ours == Truth::No || !found.is_empty(),
                "no finding: {}",
                context()
            );
            decided += usize::from(ours != Truth::Maybe);
        }
        open += usize::from(let_in.iter().any(|witness| witness != "VendorsUser"));
        understood += usize::from(case.understood);
        for form in &case.forms {
            *forms.entry(form.as_str()).or_insert(0) += 1;
        }
    }
    let percent = open * 100 / POLICIES;
    assert!((30..=70).contains(&percent), "{percent} % let one of the five in");
    assert!(decided * 100 / (POLICIES * 6) >= 80, "{decided} decided");
    assert!(understood * 100 / POLICIES >= 30, "{understood} understood");
    assert!(
        OPERATORS
            .split_whitespace()
            .all(|operator| forms.contains_key(operator))
    );
    assert!(forms.values().all(|&times| times >= 100), "{forms:?}");
    Ok(())
}

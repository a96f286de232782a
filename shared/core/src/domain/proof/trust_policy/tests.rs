use serde_json::{Value, json};

use super::*;

const VENDOR: &str = "111111111111";
const OURS: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";
const NEXT: &str = "next98xxat96iws9zmbrgj3atz4a98xx";
const OTHER: &str = "other8xxat96iws9zmbrgj3atz4a98xx";

/// What the tests know, and owned.
struct Known {
    role: RoleArn,
    vendor: AccountId,
    external_ids: [ExternalId; 3],
}

fn known() -> Known {
    Known {
        role: RoleArn::parse("arn:aws:iam::222222222222:role/Reader").unwrap(),
        vendor: AccountId::parse(VENDOR).unwrap(),
        external_ids: [OURS, NEXT, OTHER].map(|id| ExternalId::parse(id).unwrap()),
    }
}

/// Calls `look` with the facts of a connection whose external ID is `OURS`.
fn with_facts<T>(look: impl FnOnce(&Facts<'_>, &Known) -> T) -> T {
    let known = known();
    let facts = Facts {
        role: &known.role,
        vendor: &known.vendor,
        organization: None,
        role_path: "/latchkey/",
        external_ids: &[&known.external_ids[0]],
        now: "2026-11-30T12:00:00Z".parse().unwrap(),
    };
    look(&facts, &known)
}

fn read(statements: &Value) -> TrustPolicy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    TrustPolicy::parse(&document.to_string()).unwrap()
}

fn root(account: &str) -> Value {
    json!({ "AWS": format!("arn:aws:iam::{account}:root") })
}

fn allow(principal: &Value, condition: &Value) -> Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition })
}

fn deny(condition: &Value) -> Value {
    json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Condition": condition })
}

/// The published one.
fn published() -> Value {
    allow(&root(VENDOR), &published_condition())
}

fn published_condition() -> Value {
    json!({
        "ArnLike": { "aws:PrincipalArn": format!("arn:aws:iam::{VENDOR}:role/latchkey/*") },
        "StringEquals": { "sts:ExternalId": OURS },
    })
}

fn ours() -> Value {
    json!({ "StringEquals": { "sts:ExternalId": OURS } })
}

fn and(mut condition: Value, more: Value) -> Value {
    for (operator, keys) in more.as_object().unwrap() {
        let entry = &mut condition[operator];
        if entry.is_null() {
            *entry = json!({});
        }
        entry
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
    }
    condition
}

fn openings(statements: &Value) -> Vec<Opening> {
    let found = with_facts(|facts, _| read(statements).findings(facts));
    found.into_iter().map(|(_, opening)| opening).collect()
}

fn assert_clean(statements: &Value) {
    assert_eq!(openings(statements), [], "{statements}");
    let ours = with_facts(|facts, known| read(statements).lets_us_in(&known.external_ids[0], facts));
    assert_ne!(ours, Truth::No, "{statements}");
}

fn assert_opens(statements: &Value, opening: Opening) {
    assert_eq!(openings(statements), [opening], "{statements}");
}

#[test]
fn the_published_policy_lets_in_us_alone() {
    assert_clean(&published());
    with_facts(|facts, known| {
        let policy = read(&json!([published()]));
        for witness in Witness::ALL {
            assert_eq!(policy.lets_in(witness, facts), Truth::No, "{witness:?}");
        }
        let let_in = known
            .external_ids
            .each_ref()
            .map(|id| policy.lets_us_in(id, facts));
        assert_eq!(let_in, [Truth::Yes, Truth::No, Truth::No]);
        assert_eq!(policy.guests(facts), []);
    });
}

#[test]
fn genuine_ways_to_ask_for_the_external_id_stay_clean() {
    let with = |condition: Value| allow(&root(VENDOR), &condition);
    for statement in [
        with(json!({ "StringEqualsIgnoreCase": { "sts:ExternalId": OURS.to_uppercase() } })),
        with(and(ours(), json!({ "Null": { "sts:ExternalId": "false" } }))),
        with(json!({ "StringEquals": { "sts:ExternalId": ["acme-warehouse", OURS] } })),
        with(json!({ "StringEquals": { "sts:externalid": OURS } })),
        with(json!({ "StringLike": { "sts:ExternalId": [OURS] } })),
        with(json!({ "ForAnyValue:StringEquals": { "sts:ExternalId": OURS } })),
        allow(&json!({ "AWS": VENDOR }), &published_condition()),
        allow(&json!({ "AWS": [VENDOR, "333333333333"] }), &ours()),
        allow(&json!({ "AWS": "*" }), &published_condition()),
        allow(
            &json!("*"),
            &and(
                ours(),
                json!({ "StringEquals": { "aws:PrincipalAccount": VENDOR } }),
            ),
        ),
        allow(
            &json!({ "AWS": format!("arn:aws:iam::{VENDOR}:role/latchkey/verifier-1X") }),
            &ours(),
        ),
        with(and(
            ours(),
            json!({ "StringLike": { "aws:PrincipalArn": format!("arn:aws:iam::{VENDOR}:role/latchkey/*") } }),
        )),
        with(and(
            ours(),
            json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" } }),
        )),
        with(and(
            ours(),
            json!({ "DateLessThan": { "aws:CurrentTime": "2027-01-01T00:00:00Z" } }),
        )),
        with(and(
            ours(),
            json!({ "IpAddress": { "aws:SourceIp": ["192.0.2.0/24"] } }),
        )),
        with(and(
            ours(),
            json!({ "StringEquals": { "aws:PrincipalOrgID": "o-vendors" } }),
        )),
    ] {
        assert_clean(&statement);
        assert_clean(&json!([statement]));
    }
    for action in [
        json!("sts:*"),
        json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]),
    ] {
        let mut statement = published();
        statement["Action"] = action;
        assert_clean(&statement);
    }
    let old = json!({ "Version": "2008-10-17", "Statement": published() });
    let policy = TrustPolicy::parse(&old.to_string()).unwrap();
    assert_eq!(with_facts(|facts, _| policy.findings(facts)), []);
}

#[test]
fn who_else_gets_in_is_shown_and_no_finding() {
    let oidc = "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com";
    let statements = json!([
        published(),
        allow(&root("222222222222"), &json!({})),
        allow(&json!({ "AWS": ["arn:aws:iam::333333333333:role/Partner", "444444444444"] }), &json!({})),
        allow(&json!({ "Service": ["ec2.amazonaws.com"] }), &json!({})),
        { "Effect": "Allow", "Principal": { "Federated": oidc }, "Action": "sts:AssumeRoleWithWebIdentity" },
        allow(&json!("*"), &json!({ "StringEquals": { "aws:PrincipalAccount": "222222222222" } })),
        allow(&json!({ "AWS": ["AROAEXAMPLEEXAMPLE123", "AIDAEXAMPLEEXAMPLE123"] }), &json!({})),
    ]);
    assert_clean(&statements);
    let guests = with_facts(|facts, _| read(&statements).guests(facts));
    let account = |id| Guest::Account(AccountId::parse(id).unwrap());
    let wanted = [
        (2, Guest::OwnAccount),
        (3, account("333333333333")),
        (3, account("444444444444")),
        (4, Guest::Service("ec2.amazonaws.com".to_owned())),
        (5, Guest::Federation(oidc.to_owned())),
        (6, Guest::AsConditionsSay),
    ];
    let positions: Vec<_> = guests
        .into_iter()
        .map(|(name, guest)| (name.position, guest))
        .collect();
    assert_eq!(positions, wanted);
}

#[test]
fn a_stranger_who_knows_the_link_is_found() {
    for statement in [
        allow(
            &json!("*"),
            &json!({ "StringLike": { "sts:ExternalId": "acme-*" } }),
        ),
        allow(&json!("*"), &ours()),
        allow(&json!({ "AWS": "*" }), &ours()),
        allow(&json!({ "AWS": ["222222222222", "*"] }), &ours()),
        allow(
            &json!({ "AWS": "*" }),
            &json!({ "StringLike": { "sts:ExternalId": OURS } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "sts:ExternalId": "another-vendors" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringNotEquals": { "sts:ExternalId": OURS } }),
        ),
        allow(
            &json!("*"),
            &json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "aws:PrincipalTag/team": "red" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/Admin" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringNotEquals": { "aws:PrincipalAccount": VENDOR } }),
        ),
        allow(&json!("*"), &json!({ "StringEquals": { "acme:Unheard": "of" } })),
        allow(
            &json!("*"),
            &json!({ "StringResembles": { "sts:ExternalId": "of" } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "aws:PrincipalArn": "${aws:PrincipalArn}" } }),
        ),
        allow(&json!("*"), &json!("unreadable")),
    ] {
        assert_opens(&statement, Opening::Anybody);
    }
}

#[test]
fn many_external_ids_cost_little_and_open_nothing() {
    let many: Vec<_> = (0..400).map(|number| format!("id-{number}")).collect();
    let condition = json!({ "StringEquals": { "sts:ExternalId": many } });
    assert_opens(&allow(&json!("*"), &condition), Opening::Anybody);
    assert_eq!(openings(&allow(&root(VENDOR), &condition)), []);
    let requests = with_facts(|facts, _| {
        Request::all_of(
            Witness::StrangersRole,
            &read(&allow(&json!("*"), &condition)).statements,
            facts,
        )
        .len()
    });
    assert_eq!(requests, 1);
}

#[test]
fn the_vendor_without_the_external_id_is_found() {
    let with = |condition: Value| allow(&root(VENDOR), &condition);
    let path = format!("arn:aws:iam::{VENDOR}:role/latchkey/*");
    for statement in [
        with(json!({ "StringLike": { "sts:ExternalId": ["acme/*", OURS] } })),
        with(json!({})),
        with(json!({ "Null": { "sts:ExternalId": "false" } })),
        with(json!({ "StringLike": { "sts:ExternalId": "tz4a98xxat*" } })),
        with(json!({ "StringEqualsIfExists": { "sts:ExternalId": OURS } })),
        with(json!({ "ForAllValues:StringEquals": { "sts:ExternalId": OURS } })),
        with(json!({ "StringNotEquals": { "sts:ExternalId": OTHER } })),
        with(json!({ "ArnLike": { "aws:PrincipalArn": path } })),
        with(json!({ "ArnNotLike": { "aws:PrincipalArn": path } })),
        with(json!({ "StringEquals": { "sts:ExternalId": "${aws:PrincipalTag/id}" } })),
        allow(
            &json!({ "AWS": format!("arn:aws:iam::{VENDOR}:user/old") }),
            &json!({}),
        ),
        allow(
            &json!({ "AWS": format!("arn:aws:iam::{VENDOR}:role/Deploy") }),
            &json!({}),
        ),
        allow(
            &json!({ "AWS": format!("arn:aws:sts::{VENDOR}:assumed-role/Deploy/x") }),
            &json!({}),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "aws:PrincipalAccount": VENDOR } }),
        ),
        allow(
            &json!("*"),
            &json!({ "StringEquals": { "aws:PrincipalOrgID": "o-vendors" } }),
        ),
        allow(
            &json!({ "CanonicalUser": "79a59df900b949e5" }),
            &json!({ "StringEquals": { "aws:PrincipalAccount": VENDOR } }),
        ),
    ] {
        assert_opens(&statement, Opening::VendorWithoutExternalId);
    }
}

#[test]
fn a_known_organization_of_the_vendor_decides() {
    let statement = allow(
        &json!("*"),
        &json!({ "StringEquals": { "aws:PrincipalOrgID": "o-customers" } }),
    );
    let paths = json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "o-customers/*" } });
    for statement in [statement, allow(&json!("*"), &paths)] {
        with_facts(|facts, _| {
            let policy = read(&statement);
            assert_eq!(policy.findings(facts).len(), 1);
            let of = |organization| Facts {
                organization: Some(organization),
                ..*facts
            };
            assert_eq!(policy.findings(&of("o-vendors")), []);
            assert_eq!(policy.findings(&of("o-customers")).len(), 1);
        });
    }
}

#[test]
fn only_a_deny_that_certainly_holds_counts() {
    let open = allow(&json!("*"), &ours());
    let by_account = |condition: Value| json!([open, deny(&condition)]);
    for clean in [
        json!({ "StringNotEquals": { "aws:PrincipalAccount": VENDOR } }),
        json!({ "StringNotEquals": { "aws:PrincipalAccount": ["222222222222", VENDOR] } }),
        json!({ "StringNotLike": { "aws:PrincipalArn": format!("arn:aws:iam::{VENDOR}:*") } }),
        json!({ "ArnNotLike": { "aws:PrincipalArn": format!("arn:aws:iam::{VENDOR}:role/latchkey/*") } }),
    ] {
        assert_clean(&by_account(clean));
    }
    for open in [
        json!({ "StringNotEquals": { "aws:SourceIdentity": "alice" } }),
        json!({ "StringNotEquals": { "aws:PrincipalTag/team": "red" } }),
        json!({ "NotIpAddress": { "aws:SourceIp": "192.0.2.0/24" } }),
        json!({ "Bool": { "aws:SecureTransport": "false" } }),
        json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/Admin" } }),
        json!({ "StringResembles": { "aws:PrincipalAccount": "1" } }),
        json!({ "StringNotEquals": { "aws:PrincipalAccount": "${aws:PrincipalTag/home}" } }),
        json!("unreadable"),
    ] {
        assert_opens(&by_account(open), Opening::Anybody);
    }
    // Only a deny of AssumeRole keeps somebody from it.
    let mut other = deny(&json!({}));
    other["Action"] = json!("sts:TagSession");
    assert_opens(&json!([open, other]), Opening::Anybody);
    assert_eq!(openings(&json!([deny(&json!({})), open])), []);
    // One that names us shuts us out, and nobody gets in.
    let policy = read(&json!([published(), deny(&ours())]));
    let us = with_facts(|facts, known| policy.lets_us_in(&known.external_ids[0], facts));
    assert_eq!(us, Truth::No);
}

#[test]
fn every_way_to_name_the_action_is_read() {
    let (covered, other) = (
        [
            "sts:AssumeRole",
            "STS:assumerole",
            "sts:*",
            "*",
            "sts:Assume*",
            "sts:?ssumeRole",
        ],
        ["sts:AssumeRoleWithSAML", "sts:TagSession", "s3:*", "sts:Assume"],
    );
    let with =
        |element: &str, actions: Value| json!([{ "Effect": "Allow", "Principal": "*", element: actions }]);
    for action in covered {
        assert_opens(&with("Action", json!(action)), Opening::Anybody);
        assert_opens(&with("Action", json!([other[0], action])), Opening::Anybody);
        assert_eq!(openings(&with("NotAction", json!([other[0], action]))), []);
    }
    for action in other {
        assert_eq!(openings(&with("Action", json!(action))), []);
        assert_opens(&with("NotAction", json!(action)), Opening::Anybody);
    }
}

#[test]
fn elements_that_trust_policies_do_not_have_are_unknown() {
    // IAM refuses NotPrincipal and Resource in a trust policy.
    let but_us = json!({ "Effect": "Allow", "NotPrincipal": root(VENDOR), "Action": "sts:AssumeRole" });
    assert_opens(&json!([but_us]), Opening::Anybody);
    let mut denied = json!({ "Effect": "Deny", "NotPrincipal": root(VENDOR), "Action": "sts:AssumeRole" });
    let open = allow(&json!("*"), &ours());
    assert_opens(&json!([open, denied]), Opening::Anybody);
    denied = deny(&json!({}));
    denied["Resource"] = json!("arn:aws:iam::222222222222:role/Other");
    assert_opens(&json!([open, denied]), Opening::Anybody);
    for principal in [
        json!(7),
        json!("alice"),
        json!({ "AWS": [{}] }),
        json!({ "Group": "x" }),
        json!({ "AWS": "alice" }),
    ] {
        assert_opens(&allow(&principal, &json!({})), Opening::Anybody);
    }
}

#[test]
fn documents_that_cannot_be_read_are_refused() {
    let long = |chars: usize| format!(r#"{{"Statement":[],"Id":"{}"}}"#, "a".repeat(chars));
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Statement":[7]}"#,
        r#"{"Statement":{"Effect":"allow","Principal":"*","Action":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Principal":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","NotAction":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":{}}}"#,
        &"[".repeat(4_000),
        &long(MAX_TRUST_POLICY_CHARS),
        &format!("{}{}", " ".repeat(MAX_DOCUMENT_BYTES), long(0)),
    ] {
        assert!(TrustPolicy::parse(text).is_err(), "{text:.80}");
    }
    // White space is not counted, as in IAM.
    let spaced = format!("{}{}", " ".repeat(MAX_TRUST_POLICY_CHARS), long(0));
    assert!(TrustPolicy::parse(&spaced).is_ok());
}

#[test]
fn a_document_is_decoded_as_iam_encodes_it() {
    let text = "{\"Version\":\"2012-10-17\", \"Statement\": []}";
    let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%20%22Statement%22%3A%20%5B%5D%7D";
    assert_eq!(decode(encoded).unwrap(), text);
    assert!(decode("%FF").is_err());
    assert!(decode(&"%20".repeat(MAX_DOCUMENT_BYTES + 1)).is_err());
}

#[test]
fn a_finding_names_the_statement_by_sid_or_position() {
    let mut named = allow(&json!("*"), &ours());
    named["Sid"] = json!("Everybody");
    let mut unnamed = allow(&root(VENDOR), &json!({}));
    unnamed["Sid"] = json!("<b>");
    let found = with_facts(|facts, _| read(&json!([published(), named, unnamed])).findings(facts));
    let texts: Vec<_> = found
        .iter()
        .map(|(name, opening)| (name.to_string(), *opening))
        .collect();
    let wanted = [
        ("statement Everybody".to_owned(), Opening::Anybody),
        ("statement 3".to_owned(), Opening::VendorWithoutExternalId),
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn external_ids_that_are_listed_beside_ours_are_told() {
    let listed = |ids: Value| {
        allow(
            &root(VENDOR),
            &json!({ "StringEquals": { "sts:ExternalId": ids } }),
        )
    };
    let beside = |statements: Value| with_facts(|facts, _| read(&statements).external_ids_beside_ours(facts));
    for (statements, positions) in [
        (json!([published()]), vec![]),
        (listed(json!([OURS, OTHER, "acme-warehouse"])), vec![1]),
        (json!([published(), listed(json!([OTHER, OTHER]))]), vec![2]),
        (listed(json!([OURS, OTHER.to_uppercase()])), vec![]),
        // Another vendor's account, a denial and what only others may bring are none of ours.
        (
            json!([allow(
                &root("333333333333"),
                &json!({ "StringEquals": { "sts:ExternalId": OTHER } })
            )]),
            vec![],
        ),
        (
            json!([
                published(),
                deny(&json!({ "StringEquals": { "sts:ExternalId": OTHER } }))
            ]),
            vec![],
        ),
        (
            json!([
                listed(json!([OURS, OTHER])),
                deny(&json!({ "StringEquals": { "sts:ExternalId": OTHER } }))
            ]),
            vec![],
        ),
    ] {
        let found = beside(statements.clone());
        assert!(found.iter().all(|(_, id)| id.as_str() == OTHER), "{statements}");
        let found: Vec<_> = found.into_iter().map(|(name, _)| name.position).collect();
        assert_eq!(found, positions, "{statements}");
    }
    let all_but = deny(&json!({ "StringNotEquals": { "sts:ExternalId": [OURS, OTHER] } }));
    assert_eq!(
        beside(json!([allow(&root(VENDOR), &json!({})), all_but])).len(),
        1
    );
    let shouted = json!({ "StringEqualsIgnoreCase": { "sts:ExternalId": OTHER.to_uppercase() } });
    assert_eq!(beside(allow(&root(VENDOR), &shouted)).len(), 1);
}

#[test]
fn during_a_rotation_both_external_ids_are_ours() {
    let both = json!({ "StringEquals": { "sts:ExternalId": [OURS, NEXT] } });
    let policy = read(&allow(&root(VENDOR), &both));
    with_facts(|facts, known| {
        let ids = [&known.external_ids[0], &known.external_ids[1]];
        let rotating = Facts {
            external_ids: &ids,
            ..*facts
        };
        assert_eq!(policy.external_ids_beside_ours(facts).len(), 1);
        assert_eq!(policy.external_ids_beside_ours(&rotating), []);
        assert_eq!(policy.findings(&rotating), []);
        let let_in = known
            .external_ids
            .each_ref()
            .map(|id| policy.lets_us_in(id, &rotating));
        assert_eq!(let_in, [Truth::Yes, Truth::Yes, Truth::No]);
    });
}

#[test]
fn what_our_sessions_may_carry_and_until_when_is_told() {
    let until = |day: &str| json!({ "DateLessThan": { "aws:CurrentTime": day } });
    let carry = json!({ "Effect": "Allow", "Principal": root(VENDOR), "Action": ["sts:SetSourceIdentity", "sts:TagSession"] });
    let ending = allow(&root(VENDOR), &and(ours(), until("2027-01-01")));
    with_facts(|facts, known| {
        let id = &known.external_ids[0];
        let policy = read(&json!([ending, carry]));
        for (action, wanted) in [
            ("sts:SetSourceIdentity", Truth::Yes),
            ("sts:TagSession", Truth::Yes),
            ("sts:GetFederationToken", Truth::No),
        ] {
            assert_eq!(policy.lets_us(action, id, facts), wanted, "{action}");
        }
        assert_eq!(read(&published()).lets_us("sts:TagSession", id, facts), Truth::No);
        let end = policy.ends(id, facts).map(|end| end.to_string());
        assert_eq!(end.as_deref(), Some("2027-01-01T00:00:00Z"));
        // Another statement goes on without an end.
        assert_eq!(read(&json!([ending, published()])).ends(id, facts), None);
        assert_eq!(read(&json!([])).ends(id, facts), None);
        let over = read(&allow(&root(VENDOR), &and(ours(), until("2020-01-01T00:00:00Z"))));
        assert_eq!(over.lets_us_in(id, facts), Truth::No);
    });
}

//! What can happen, and how often it does.

use latchkey_core::domain::{proof::verdict::Cause, request::custom_resource::RequestType};
use proptest::{prelude::*, sample::Index};

/// How the trust policy of a role is written.
#[derive(Debug, Clone, Copy)]
pub enum Written {
    Right,
    Both,
    IfExists,
    Open,
    Nobody,
    Gone,
    Late,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// A role is made or changed, for the external ID of a connection.
    Role {
        account: Index,
        name: Index,
        connection: Index,
        other: Index,
        written: Written,
    },
    /// A stack sends a request: CloudFormation's, or a forged one.
    Send {
        stack: Index,
        kind: RequestType,
        connection: Index,
        account: Index,
        role: Index,
        resource: Index,
        signed: bool,
    },
    /// A customer does everything right: a role for the link, and a stack whose Create is
    /// delivered.
    Launch { stack: Index, connection: Index },
    /// SNS delivers one of the messages that were sent, perhaps not the first time.
    Deliver { message: Index },
    /// The verifier takes one task from the queue; SQS may hand it out again afterwards.
    Work { task: Index, again: bool },
    /// The vendor gives a connection another external ID, or takes that back.
    Rotate { connection: Index, cancel: bool },
    /// A customer updates the stack to the next external ID: the role first, then what phones home.
    FinishRotation { connection: Index },
    /// A customer's update changes the role, the resource's name, the external ID, or nothing of
    /// them; then another resource of the stack fails, and CloudFormation rolls the update back.
    FailsElsewhere {
        connection: Index,
        role: Index,
        renames: bool,
        rotates: bool,
    },
    /// The vendor ends a connection.
    Disconnect { connection: Index },
    /// A connection is checked.
    Recheck { connection: Index },
    /// The clock ticks, and the revalidator queues chunks.
    Sweep,
    /// STS has trouble, or none any more.
    Trouble { cause: Option<Cause> },
    /// Time passes.
    Wait { seconds: i64 },
    /// One of the next calls fails.
    Crash { call: usize, after: bool },
}

fn index() -> impl Strategy<Value = Index> {
    any::<Index>()
}

pub fn step() -> impl Strategy<Value = Step> {
    use Written::*;
    let written = proptest::sample::select(vec![
        Right, Right, Right, Right, Both, IfExists, Open, Nobody, Gone, Late,
    ]);
    let kind = prop_oneof![
        3 => Just(RequestType::Create),
        1 => Just(RequestType::Update),
        1 => Just(RequestType::Delete),
    ];
    let cause = proptest::option::of(proptest::sample::select(vec![
        Cause::Throttled,
        Cause::Unreachable,
        Cause::VendorNotPermitted,
    ]));
    prop_oneof![
        3 => (index(), index(), index(), index(), written).prop_map(|(account, name, connection, other, written)| {
            Step::Role { account, name, connection, other, written }
        }),
        6 => (index(), kind, index(), index(), index(), index(), prop::bool::weighted(0.75)).prop_map(
            |(stack, kind, connection, account, role, resource, signed)| {
                Step::Send { stack, kind, connection, account, role, resource, signed }
            }
        ),
        4 => (index(), index()).prop_map(|(stack, connection)| Step::Launch { stack, connection }),
        8 => index().prop_map(|message| Step::Deliver { message }),
        8 => (index(), prop::bool::weighted(0.2)).prop_map(|(task, again)| Step::Work { task, again }),
        4 => (index(), prop::bool::weighted(0.2)).prop_map(|(connection, cancel)| Step::Rotate { connection, cancel }),
        5 => index().prop_map(|connection| Step::FinishRotation { connection }),
        5 => (index(), index(), any::<bool>(), any::<bool>()).prop_map(|(connection, role, renames, rotates)| {
            Step::FailsElsewhere { connection, role, renames, rotates }
        }),
        1 => index().prop_map(|connection| Step::Disconnect { connection }),
        2 => index().prop_map(|connection| Step::Recheck { connection }),
        4 => Just(Step::Sweep),
        1 => cause.prop_map(|cause| Step::Trouble { cause }),
        2 => (1_i64..400).prop_map(|seconds| Step::Wait { seconds }),
        3 => (0_usize..12, any::<bool>()).prop_map(|(call, after)| Step::Crash { call, after }),
    ]
}

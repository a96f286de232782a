//! Queues: who reads them, how long a message hides, and where it goes when it is given up.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    names::LISTENER,
    reading::{allows, function_property, properties, resources, role_of, target, texts, vendor},
};

pub fn event_sources_may_be_read_by_their_functions(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let mut count = 0;
    for (id, mapping) in resources(template, "AWS::Lambda::EventSourceMapping") {
        count += 1;
        let mapping = &mapping["Properties"];
        let queue = target(&mapping["EventSourceArn"]).unwrap_or_default();
        let role = target(&mapping["FunctionName"])
            .and_then(|f| role_of(template, f))
            .unwrap_or_default();
        for action in "ReceiveMessage DeleteMessage GetQueueAttributes ChangeMessageVisibility".split(' ') {
            let action = &format!("sqs:{action}");
            if !allows(template, role, action, queue) {
                problems.push(format!("{id}: {role} may not {action} on {queue}"));
            }
        }
        if texts(&mapping["FunctionResponseTypes"]) != BTreeSet::from(["ReportBatchItemFailures"]) {
            problems.push(format!("{id}: one bad message would bring the whole batch back"));
        }
        if mapping["ScalingConfig"]["MaximumConcurrency"].is_null() {
            problems.push(format!("{id}: nothing bounds the concurrency"));
        }
        // A message of the sweep is a chunk: one is work enough.
        let batch = if queue == "SweepQueue" { 1 } else { 10 };
        if mapping["BatchSize"] != batch {
            problems.push(format!("{id}: the batch size is not {batch}"));
        }
    }
    if count == 0 {
        problems.push("no event source".to_owned());
    }
    problems
}

fn messages_stay_invisible_while_they_are_worked_on(template: &Value) -> Problems {
    resources(template, "AWS::Lambda::EventSourceMapping")
        .filter_map(|(id, mapping)| {
            let queue = target(&mapping["Properties"]["EventSourceArn"])?;
            let function = target(&mapping["Properties"]["FunctionName"])?;
            let visibility = properties(template, queue)["VisibilityTimeout"]
                .as_i64()
                .unwrap_or(30);
            let timeout = function_property(template, function, "Timeout")
                .as_i64()
                .unwrap_or(3);
            // Not again while it is worked on; and, after a crash, again while a stack of 300 s patience still waits.
            (visibility < 2 * timeout || visibility > 150)
                .then(|| format!("{id}: {visibility} s of visibility for {timeout} s of work"))
        })
        .collect()
}

pub fn what_is_given_up_ends_in_a_dead_letter_queue(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let is_queue =
        |id: Option<&str>| id.is_some_and(|id| template["Resources"][id]["Type"] == "AWS::SQS::Queue");
    for (id, mapping) in resources(template, "AWS::Lambda::EventSourceMapping") {
        let queue = target(&mapping["Properties"]["EventSourceArn"]).unwrap_or_default();
        let redrive = &properties(template, queue)["RedrivePolicy"];
        if !is_queue(target(&redrive["deadLetterTargetArn"])) {
            problems.push(format!("{id}: {queue} has no dead-letter queue"));
        }
        if redrive["maxReceiveCount"] != 20 {
            problems.push(format!("{id}: {queue} does not give up after 20 receives"));
        }
    }
    for function in [LISTENER, "RevalidatorFunction"] {
        let on_failure =
            &properties(template, function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        let queue = target(&on_failure["Destination"]);
        if on_failure["Type"] != "SQS" || !is_queue(queue) {
            problems.push(format!("{function}: failed events are lost"));
        }
        let role = role_of(template, function).unwrap_or_default();
        if !allows(template, role, "sqs:SendMessage", queue.unwrap_or_default()) {
            problems.push(format!("{function}: {role} may not set failed events aside"));
        }
    }
    for (id, queue) in resources(template, "AWS::SQS::Queue") {
        if queue["Properties"]["SqsManagedSseEnabled"] != true {
            problems.push(format!("{id} is not encrypted"));
        }
        let is_dead_letter_queue = id.ends_with("DeadLetterQueue");
        if is_dead_letter_queue && queue["Properties"]["MessageRetentionPeriod"] != 1_209_600 {
            problems.push(format!(
                "{id} does not keep messages for the longest time, 14 days"
            ));
        }
    }
    problems
}

/// What stacks wait for and the sweep come from different queues, whose verifiers are counted apart.
fn stacks_do_not_wait_for_the_sweep(template: &Value) -> Problems {
    let mut problems = Problems::new();
    for (id, queue, parameter) in [
        (
            "VerificationEventSource",
            "VerificationQueue",
            "VerifierConcurrency",
        ),
        ("SweepEventSource", "SweepQueue", "SweepConcurrency"),
    ] {
        let mapping = properties(template, id);
        let bound = json!({"Fn::FindInMap": ["Concurrency", {"Ref": parameter}, "Number"]});
        if target(&mapping["EventSourceArn"]) != Some(queue) {
            problems.push(format!("{id} does not read {queue}"));
        }
        if mapping["ScalingConfig"]["MaximumConcurrency"] != bound {
            problems.push(format!("{id} is not bounded by {parameter}"));
        }
    }
    for (function, variable, queue) in [
        ("RevalidatorFunction", "SWEEP_QUEUE_URL", "SweepQueue"),
        ("RoleVerifierFunction", "SWEEP_QUEUE_URL", "SweepQueue"),
        ("RoleVerifierFunction", "SWEEP_CONCURRENCY", "SweepConcurrency"),
    ] {
        if properties(template, function)["Environment"]["Variables"][variable] != json!({"Ref": queue}) {
            problems.push(format!("{function}: {variable} is not {queue}"));
        }
    }
    problems
}

fn the_verifiers_concurrency_is_the_number_that_was_chosen(template: &Value) -> Problems {
    ["VerifierConcurrency", "SweepConcurrency"]
        .into_iter()
        .flat_map(|parameter| texts(&template["Parameters"][parameter]["AllowedValues"]))
        .filter(|chosen| {
            let number = template["Mappings"]["Concurrency"][*chosen]["Number"].as_u64();
            number.is_none() || number != chosen.parse().ok()
        })
        .map(|chosen| format!("{chosen} is mapped to another number"))
        .collect()
}

#[test]
fn a_stack_never_waits_behind_the_sweep() {
    holds_and_notices_each(
        stacks_do_not_wait_for_the_sweep,
        &vendor(),
        r#"
        one queue for both |
            RevalidatorFunction/Environment/Variables/SWEEP_QUEUE_URL = {"Ref": "VerificationQueue"}
        one bound for both |
            SweepEventSource/ScalingConfig/MaximumConcurrency =
                {"Fn::FindInMap": ["Concurrency", {"Ref": "VerifierConcurrency"}, "Number"]}
        a share of another number |
            RoleVerifierFunction/Environment/Variables/SWEEP_CONCURRENCY = {"Ref": "VerifierConcurrency"}
        "#,
    );
}

#[test]
fn the_verifier_may_take_hand_back_and_delay_its_messages() {
    holds_and_notices_each(
        event_sources_may_be_read_by_their_functions,
        &vendor(),
        r#"
        no right to delay a message |
            RoleVerifierRole#WorkThroughQueue/Action -= "sqs:ChangeMessageVisibility"
        rights on another queue |
            RoleVerifierRole#WorkThroughQueue/Resource = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        no partial failures | VerificationEventSource/FunctionResponseTypes
        no bound | VerificationEventSource/ScalingConfig
        "#,
    );
}

#[test]
fn a_message_stays_invisible_while_it_is_worked_on_and_comes_again_while_its_stack_waits() {
    holds_and_notices_each(
        messages_stay_invisible_while_they_are_worked_on,
        &vendor(),
        r#"
        too short a visibility | VerificationQueue/VisibilityTimeout = 119
        so long that the stack has given up | VerificationQueue/VisibilityTimeout = 360
        too long a time-out | RoleVerifierFunction/Timeout = 61
        SQS's default | VerificationQueue/VisibilityTimeout
        "#,
    );
}

#[test]
fn nothing_that_is_given_up_is_lost() {
    holds_and_notices_each(
        what_is_given_up_ends_in_a_dead_letter_queue,
        &vendor(),
        r#"
        no redrive | VerificationQueue/RedrivePolicy
        too few tries | VerificationQueue/RedrivePolicy/maxReceiveCount = 3
        a listener whose failures vanish | CustomResourceListenerFunction/EventInvokeConfig
        a listener that may not set them aside |
            CustomResourceListenerRole#SetFailedEventsAside/Action = "sqs:ReceiveMessage"
        a queue in the clear | ListenerDeadLetterQueue/SqsManagedSseEnabled = false
        "#,
    );
}

#[test]
fn the_chosen_concurrency_reaches_the_event_source_as_a_number() {
    holds_and_notices_each(
        the_verifiers_concurrency_is_the_number_that_was_chosen,
        &vendor(),
        r#"
        another number | /Mappings/Concurrency/10/Number = 100
        a value without a mapping | /Parameters/VerifierConcurrency/AllowedValues += "7"
        "#,
    );
}

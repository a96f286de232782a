//! The re-validator's schedule and its tick.

use serde_json::{Value, json};

use crate::{
    checking::{Problems, holds_and_notices_each},
    reading::{allows, list, properties, resources, statements, target, texts, vendor},
};

pub fn the_schedule_may_start_the_revalidator_and_nothing_else(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let schedules: Vec<_> = resources(template, "AWS::Scheduler::Schedule").collect();
    if schedules.len() != 1 {
        problems.push("there is not exactly one schedule".to_owned());
    }
    for (id, schedule) in schedules {
        let to = &schedule["Properties"]["Target"];
        let role = target(&to["RoleArn"]).unwrap_or_default();
        if target(&to["Arn"]) != Some("RevalidatorFunction") {
            problems.push(format!("{id} does not start the revalidator"));
        }
        if !allows(template, role, "lambda:InvokeFunction", "RevalidatorFunction") {
            problems.push(format!("{role} may not start the revalidator"));
        }
        let queue = target(&to["DeadLetterConfig"]["Arn"]).unwrap_or_default();
        if template["Resources"][queue]["Type"] != "AWS::SQS::Queue"
            || !allows(template, role, "sqs:SendMessage", queue)
        {
            problems.push(format!("{id}: ticks that cannot be handed over are lost"));
        }
        if to["RetryPolicy"]["MaximumRetryAttempts"].is_null() {
            problems.push(format!("{id} has no retry policy"));
        }
        if schedule["Properties"]["State"] != "ENABLED" {
            problems.push(format!("{id} is switched off"));
        }
        let trust = list(&properties(template, role)["AssumeRolePolicyDocument"]["Statement"]);
        let of_this_account = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
        if trust.len() != 1
            || trust[0]["Principal"] != json!({"Service": "scheduler.amazonaws.com"})
            || trust[0]["Condition"] != of_this_account
        {
            problems.push(format!(
                "{role} trusts something else than this account's schedules"
            ));
        }
        if statements(template, role)
            .into_iter()
            .any(|s| s["Resource"].to_string().contains('*'))
        {
            problems.push(format!("{role} may start more than the revalidator"));
        }
        if users_of(template, role) != 1 {
            problems.push(format!("{role} is used by something else, too"));
        }
    }
    problems
}

fn users_of(template: &Value, role: &str) -> usize {
    let needle = json!({"Fn::GetAtt": [role, "Arn"]}).to_string();
    template["Resources"].to_string().matches(&needle).count()
}

fn the_tick_is_the_same_for_schedule_and_revalidator(template: &Value) -> Problems {
    let mut problems = Problems::new();
    let by_parameter =
        |name: &str| json!({"Fn::FindInMap": ["SweepTick", {"Ref": "SweepTickMinutes"}, name]});
    let schedule = &properties(template, "RevalidationSchedule")["ScheduleExpression"];
    let seconds =
        &properties(template, "RevalidatorFunction")["Environment"]["Variables"]["SWEEP_TICK_SECONDS"];
    if *schedule != by_parameter("Expression") || *seconds != by_parameter("Seconds") {
        problems.push("schedule and revalidator do not follow from SweepTickMinutes alone".to_owned());
    }
    for minutes in texts(&template["Parameters"]["SweepTickMinutes"]["AllowedValues"]) {
        let number: u32 = minutes.parse().unwrap_or(0);
        // EventBridge refuses `rate(1 minutes)`.
        let unit = if number == 1 { "minute" } else { "minutes" };
        let expected =
            json!({"Expression": format!("rate({number} {unit})"), "Seconds": (number * 60).to_string()});
        if template["Mappings"]["SweepTick"][minutes] != expected {
            problems.push(format!("a tick of {minutes} minutes is not mapped to {expected}"));
        }
    }
    problems
}

#[test]
fn the_schedule_starts_the_revalidator_under_a_role_of_its_own() {
    holds_and_notices_each(
        the_schedule_may_start_the_revalidator_and_nothing_else,
        &vendor(),
        r#"
        another target | RevalidationSchedule/Target/Arn = {"Fn::GetAtt": ["RoleVerifierFunction", "Arn"]}
        a role that may not |
            RevalidationScheduleRole#StartRevalidator/Resource =
                {"Fn::GetAtt": ["RoleVerifierFunction", "Arn"]}
        a role that any account's schedules may use |
            RevalidationScheduleRole/AssumeRolePolicyDocument/Statement/0/Condition
        a role of another service |
            RevalidationScheduleRole/AssumeRolePolicyDocument/Statement/0/Principal =
                {"Service": "events.amazonaws.com"}
        lost ticks | RevalidationSchedule/Target/DeadLetterConfig
        a schedule that is off | RevalidationSchedule/State = "DISABLED"
        "#,
    );
}

#[test]
fn schedule_and_revalidator_know_the_same_tick() {
    holds_and_notices_each(
        the_tick_is_the_same_for_schedule_and_revalidator,
        &vendor(),
        r#"
        a wrong number of seconds | /Mappings/SweepTick/5/Seconds = "60"
        a plural of one | /Mappings/SweepTick/1/Expression = "rate(1 minutes)"
        a value without a mapping | /Parameters/SweepTickMinutes/AllowedValues += "7"
        a schedule of its own | RevalidationSchedule/ScheduleExpression = "rate(5 minutes)"
        "#,
    );
}

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PLAN: SweepPlan = SweepPlan {
    slots: 1_440,
    degraded_slots: 30,
};

fn slots(group: Group, done: Option<i64>, tick: i64) -> Vec<String> {
    let progress = done.map(|done| Progress {
        done,
        ..Progress::default()
    });
    let due = PLAN.due(group, progress.as_ref(), tick);
    assert!(due.iter().all(|due| due.tick <= tick));
    if let Some(last) = due.last() {
        let done = Progress {
            done: tick,
            ..Progress::default()
        };
        assert_eq!(last.after, done, "then everything is done");
    }
    due.iter().map(|due| PLAN.slot_at(group, due.tick)).collect()
}

fn key() -> SweepKey {
    SweepKey {
        tenant: TenantId::parse("acme").unwrap(),
        connection_id: ConnectionId::parse("conn_tz4a98xxat96iws9zmbrgj3a").unwrap(),
    }
}

fn member(number: usize, looked_at: bool, role_chars: usize) -> Member {
    let look = Look {
        role_arn: RoleArn::parse(&format!(
            "arn:aws:iam::222222222222:role/{}/R",
            "p".repeat(role_chars)
        ))
        .unwrap(),
        external_id: ExternalId::parse("k7c1a98xxat96iws9zmbrgj3ak7c1a98").unwrap(),
    };
    Member {
        tenant: TenantId::parse(&"t".repeat(128)).unwrap(),
        connection_id: ConnectionId::parse(&format!("conn_a{number:023}")).unwrap(),
        look: looked_at.then_some(look),
    }
}

#[test]
fn one_cycle_of_ticks_reads_every_slot_once() {
    let read: BTreeSet<String> = (1_000..2_440)
        .flat_map(|tick| slots(Group::Active, Some(tick - 1), tick))
        .collect();
    assert_eq!(read.len(), 1_440);
}

#[test]
fn after_an_outage_of_any_length_each_slot_is_due_once_and_none_is_left_out() {
    assert_eq!(slots(Group::Active, Some(1_000), 1_003).len(), 3);
    for (group, all) in [(Group::Active, 1_440), (Group::Degraded, 30)] {
        let due = slots(group, Some(0), 1_000_000);
        assert_eq!(due.len(), all);
        assert_eq!(due.into_iter().collect::<BTreeSet<_>>().len(), all);
        assert_eq!(slots(group, Some(1_000), 1_000).len(), 0);
        let back = slots(group, Some(1_001), 1_000);
        assert_eq!(back.len(), 0, "a clock that went back reads nothing again");
        let first = slots(group, None, 7);
        assert_eq!(first.len(), 1, "the first tick owes nothing to the past");
    }
}

#[test]
fn a_sweep_goes_on_after_any_change_of_the_tick_s_length() {
    /// `SweepTickMinutes` in template.yaml, and the minutes from 1970 to the day of this test.
    const LENGTHS: [i64; 7] = [1, 2, 5, 10, 15, 30, 60];
    const MINUTES: i64 = 29_900_000;
    for (before, after) in LENGTHS
        .into_iter()
        .flat_map(|before| LENGTHS.map(|after| (before, after)))
    {
        for (group, slots) in [1, 30, 1_440, 10_080]
            .into_iter()
            .flat_map(|slots| [(Group::Active, slots), (Group::Degraded, slots)])
        {
            let plan = SweepPlan {
                slots,
                degraded_slots: slots,
            };
            let progress = Progress {
                done: MINUTES / before - 1,
                ..Progress::default()
            };
            let due = plan.due(group, Some(&progress), MINUTES / after);
            // Shorter ticks have larger numbers: what lies between is missed ones.
            let expected = if after < before { slots as usize } else { 1 };
            assert_eq!(
                due.len(),
                expected,
                "from {before} to {after} minutes, {slots} slots of {group:?}"
            );
        }
    }
    let back = slots(Group::Active, Some(MINUTES), MINUTES - 1_440);
    assert!(
        back.is_empty(),
        "a clock that went back by a day reads nothing again"
    );
}

#[test]
fn a_slot_that_was_begun_is_finished_first() {
    let begun = Progress {
        done: 10,
        within: Some(key()),
        catching_up: None,
    };
    for tick in [12, 11 + 5_000] {
        let due = PLAN.due(Group::Active, Some(&begun), tick);
        assert_eq!(due[0].before.within, Some(key()));
        assert_eq!(
            PLAN.slot_at(Group::Active, due[0].tick),
            PLAN.slot_at(Group::Active, 11)
        );
        assert_eq!(due[1].before.within, None);
    }
    assert_eq!(PLAN.due(Group::Active, Some(&begun), 10), []);
}

#[test]
fn where_there_is_more_than_the_budget_allows_no_slot_is_left_out_for_ever() {
    let plan = SweepPlan {
        slots: 8,
        degraded_slots: 1,
    };
    // A slot takes this many ticks.
    for pace in [2, 3, 4, 5, 8, 16] {
        let (mut progress, mut tick) = (Progress::default(), 0);
        let mut read = vec![0; 8];
        for _ in 0..8 * 10 {
            tick += pace;
            let due = plan.due(Group::Active, Some(&progress), tick);
            let first = &due[0];
            read[usize::try_from(first.tick.rem_euclid(8)).unwrap()] += 1;
            progress = first.after.clone();
        }
        let (least, most) = (read.iter().min().unwrap(), read.iter().max().unwrap());
        assert!(*least >= 7 && *most <= 13, "{pace}: {read:?}");
    }
}

#[test]
fn each_connection_is_proven_in_every_seventh_sweep_and_a_seventh_of_all_in_each() {
    let ids: Vec<ConnectionId> = (0..7_000)
        .map(|number| ConnectionId::parse(&format!("conn_a{number:023}")).unwrap())
        .collect();
    for id in &ids {
        let due = (0..70).filter(|sweep| PLAN.is_due_for_proof(id, sweep * 1_440, 7));
        assert_eq!(due.count(), 10);
        assert!(PLAN.is_due_for_proof(id, 5, 1), "each time, if so configured");
    }
    for sweep in 0..7 {
        let due = ids
            .iter()
            .filter(|id| PLAN.is_due_for_proof(id, sweep * 1_440, 7));
        assert!((900..1_100).contains(&due.count()));
    }
}

proptest! {
    #[test]
    fn what_is_due_after_a_gap_is_what_would_have_been_due_tick_by_tick(last in 0_i64..10_000, gap in 0_i64..3_500) {
        for group in [Group::Active, Group::Degraded] {
            let at_once: BTreeSet<String> = slots(group, Some(last), last + gap).into_iter().collect();
            let one_by_one: BTreeSet<String> = (last + 1..=last + gap)
                .flat_map(|tick| slots(group, Some(tick - 1), tick))
                .collect();
            prop_assert_eq!(at_once, one_by_one);
        }
    }

    #[test]
    fn chunks_hold_everybody_in_order_and_fit_a_message(
        kinds in proptest::collection::vec((any::<bool>(), 1_usize..500), 0..900)
    ) {
        let members: Vec<Member> = kinds
            .iter()
            .enumerate()
            .map(|(number, (looked_at, role_chars))| member(number, *looked_at, *role_chars))
            .collect();
        let chunks = chunks(members.clone());
        for chunk in &chunks {
            prop_assert!(chunk.len() <= MAX_CHUNK_MEMBERS);
            prop_assert!(chunk.iter().map(Member::calls).sum::<u32>() <= MAX_CHUNK_CALLS);
            let message = Chunk {
                group: Group::Active,
                slot: "active#10079".to_owned(),
                tick: i64::MAX,
                queried_at: Timestamp::MAX,
                members: chunk.clone(),
            };
            prop_assert!(serde_json::to_string(&message).unwrap().len() < 64_000);
        }
        prop_assert_eq!(chunks.concat(), members);
    }
}

#[test]
fn what_is_done_now_and_then_is_done_once_in_its_period() {
    let due = |tick_seconds: u32, period: u32| -> Vec<i64> {
        (0..12)
            .filter(|tick| begins_period(*tick, tick_seconds, period))
            .collect()
    };
    assert_eq!(due(60, 300), [0, 5, 10]);
    assert_eq!(due(120, 300), [0, 3, 5, 8, 10]);
    assert_eq!(due(600, 3_600), [0, 6]);
    assert_eq!(due(3_600, 300), (0..12).collect::<Vec<_>>());
}

//! The names that logs, metrics and alarms know outcomes by: a change of one breaks somebody's alarm.

use latchkey_core::{
    domain::{
        connection::Status,
        proof::{reason::ReasonCode, verdict::Cause},
    },
    ports::Delivery,
    use_cases::{
        answer_stack::Answered, check_chunk::ChunkChecked, disconnect::Deleted, recheck_role::Rechecked,
        register_role::Received, verify_role::Verified,
    },
};

#[test]
fn outcome_codes_are_stable() {
    let refused = |delivery| Received::Refused(ReasonCode::LinkExpired.into(), delivery);
    let [accepted, denied] = [Delivery::Accepted, Delivery::Refused];
    let done = ChunkChecked::Done {
        members: 3,
        news: 2,
        given_back: 1,
    };
    let codes = [
        Received::Queued.code(),
        refused(accepted).code(),
        refused(denied).code(),
        Received::AnsweredAgain(accepted).code(),
        Received::AnsweredAgain(denied).code(),
        Received::AsItIs(accepted).code(),
        Received::AsItIs(denied).code(),
        Deleted::Disconnected.code(),
        Deleted::Restored.code(),
        Deleted::LeftAlone.code(),
        Deleted::NotFromCloudFormation.code(),
        Verified::Answered(Answered::Now(accepted)).code(),
        Verified::Answered(Answered::Now(denied)).code(),
        Verified::Answered(Answered::Before).code(),
        Verified::Answered(Answered::BadUrl).code(),
        Verified::TryAgainIn(2).code(),
        Verified::Unknown.code(),
        Rechecked::Stands(Status::Degraded).code(),
        Rechecked::AsItWas.code(),
        Rechecked::Inconclusive(Cause::Throttled).code(),
        Rechecked::NotLive.code(),
        done.code(),
        ChunkChecked::StsInTrouble.code(),
    ];
    assert_eq!(
        codes.join(" "),
        "queued refused not_from_cloudformation answered_again not_from_cloudformation as_it_is \
         not_from_cloudformation disconnected restored left_alone not_from_cloudformation answered answer_refused answered_before bad_answer_url try_again unknown_request \
         degraded as_it_was inconclusive not_live done sts_in_trouble"
    );
    assert_eq!(refused(accepted).reason(), Some(ReasonCode::LinkExpired));
    assert_eq!(done.counts(), Some((3, 2, 1)));
}

#[test]
fn causes_of_inconclusive_probes_are_stable() {
    let causes = [
        Cause::Throttled,
        Cause::Unreachable,
        Cause::ServiceError,
        Cause::RegionDisabled,
        Cause::VendorNotPermitted,
    ];
    assert_eq!(
        causes.map(Cause::code).join(" "),
        "throttled unreachable service_error region_disabled vendor_not_permitted"
    );
}

//! What an error of the SDK's clients means to the ports.

use std::fmt::Debug;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use latchkey_core::ports::Unavailable;

/// Maps an error of `operation`, such as `dynamodb.GetItem`.
pub(crate) fn failed<E>(operation: &'static str) -> impl FnOnce(E) -> Unavailable
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| Unavailable::new(operation, error)
}

/// Whether a conditional write was applied: `false` where its condition did not hold.
pub(crate) fn applied<T, E, R>(
    operation: &'static str,
    result: Result<T, SdkError<E, R>>,
) -> Result<bool, Unavailable>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error))
            if error.err().code() == Some("ConditionalCheckFailedException") =>
        {
            Ok(false)
        }
        Err(error) => Err(Unavailable::new(operation, error)),
    }
}

//! The function's binary.

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    latchkey_aws::bootstrap::run::<link_generator::state::State>(env!("CARGO_CRATE_NAME")).await
}

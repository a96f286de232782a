//! How many instructions a start may take, as it was recorded, and whether it takes more by now.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, subjects::EMPTY};

/// How much more than recorded is taken for the noise of another machine and another glibc, in percent. Counts repeat
/// within 0.1 % on one machine.
const TOLERANCE_PERCENT: f64 = 2.0;

/// Instructions of a start by binary, and what they were counted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartBounds {
    /// The processor's architecture: other ones have other instructions.
    pub architecture: String,
    /// The compiler, as it names itself.
    pub toolchain: String,
    /// Counts, the empty function's among them.
    pub instructions: BTreeMap<String, u64>,
}

impl StartBounds {
    /// Reads what was recorded.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Records.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// What `name`'s start takes beyond that of the empty function: the loader's and the runtime's part, which depends
    /// on the machine's glibc, is in both.
    fn own(&self, name: &str) -> Option<u64> {
        Some(
            self.instructions
                .get(name)?
                .saturating_sub(*self.instructions.get(EMPTY)?),
        )
    }

    /// Holds a new count against what was recorded. Returns a line for each function, and whether all are within
    /// their bounds; an error where the two cannot be compared.
    pub fn compare(&self, now: &Self) -> Result<(Vec<String>, bool), Error> {
        if self.architecture != now.architecture {
            return Err(format!(
                "recorded for {}, counted on {}",
                self.architecture, now.architecture
            )
            .into());
        }
        let (mut lines, mut is_within) = (Vec::new(), true);
        for name in now.instructions.keys().filter(|name| *name != EMPTY) {
            let counted = now.own(name).ok_or("the empty function was not counted")?;
            let recorded = self
                .own(name)
                .ok_or_else(|| format!("nothing is recorded for {name}"))?;
            let percent = (counted as f64 / recorded as f64 - 1.0) * 100.0;
            let is_more = percent > TOLERANCE_PERCENT;
            is_within &= !is_more;
            lines.push(format!(
                "{name}: {counted} instructions more than the empty function, {percent:+.2} % of {recorded}{}",
                if is_more { ": SLOWER" } else { "" },
            ));
        }
        Ok((lines, is_within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(listener: u64, empty: u64) -> StartBounds {
        StartBounds {
            architecture: "x86_64".to_owned(),
            toolchain: "rustc".to_owned(),
            instructions: BTreeMap::from([("listener".to_owned(), listener), (EMPTY.to_owned(), empty)]),
        }
    }

    #[test]
    fn a_slower_start_is_found_and_another_glibc_is_not_taken_for_one() -> Result<(), Error> {
        let recorded = bounds(1_400_000, 400_000);
        assert!(
            recorded.compare(&bounds(1_410_000, 400_000))?.1,
            "within the tolerance"
        );
        assert!(
            recorded.compare(&bounds(1_500_000, 500_000))?.1,
            "the same beyond the empty function"
        );
        let (lines, is_within) = recorded.compare(&bounds(1_430_000, 400_000))?;
        assert!(
            !is_within && lines[0].contains("+3.00 %") && lines[0].ends_with("SLOWER"),
            "{lines:?}"
        );
        Ok(())
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let recorded = bounds(2, 1);
        let mut other = bounds(2, 1);
        other.architecture = "aarch64".to_owned();
        assert!(recorded.compare(&other).is_err());
        let mut unknown = bounds(2, 1);
        unknown.instructions.insert("new".to_owned(), 5);
        assert!(recorded.compare(&unknown).is_err());
    }

    #[test]
    fn every_function_has_a_recorded_start() -> Result<(), Error> {
        let recorded = StartBounds::read(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/start-instructions.json"
        )))?;
        for name in crate::subjects::FUNCTIONS {
            assert!(recorded.own(name).is_some_and(|own| own > 0), "{name}");
        }
        Ok(())
    }
}

//! A policy's value held against a request's, of which only the shape may be known.

use super::Truth;

/// In a request's value: a digit of an account that the policy does not name.
pub(super) const DIGIT: char = '#';
/// In a request's value: one or more letters and digits of a name that the policy does not know.
pub(super) const WORD: char = '~';
/// In a request's value: a text that the policy does not name.
pub(super) const UNNAMED: char = '!';
/// In a request's value: whatever its sender chooses, or nothing.
pub(super) const ANYTHING: char = '*';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Exactly(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// A value that stands in a policy.
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    /// One without wildcards.
    pub(super) fn literal(text: &str) -> Self {
        Self(text.chars().map(Piece::Exactly).collect())
    }

    /// One in which `*` and `?` are wildcards.
    pub(super) fn glob(text: &str) -> Self {
        let piece = |c| match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            c => Piece::Exactly(c),
        };
        Self(text.chars().map(piece).collect())
    }

    /// Whether a request with this value matches. What is not named is matched by a wildcard alone:
    /// a policy that says `444455556666` means somebody else than the stranger, and one that says
    /// `4*` may mean them.
    pub(super) fn matches(&self, value: &str) -> Truth {
        let open = value.contains([DIGIT, WORD, UNNAMED, ANYTHING]);
        if self.run(value, true) {
            Truth::Yes
        } else if open && self.run(value, false) {
            Truth::Maybe
        } else {
            Truth::No
        }
    }

    /// Whether every value of this shape matches or, unless `every`, one does.
    fn run(&self, value: &str, every: bool) -> bool {
        let end = self.0.len();
        // Which positions of the pattern are reached: first without, second with a wildcard in
        // place of what is not named.
        let mut at = vec![[false; 2]; end + 1];
        at[0][usize::from(every || !value.contains([DIGIT, WORD, UNNAMED]))] = true;
        self.skip_stars(&mut at);
        for token in value.chars() {
            let repeats = matches!(token, WORD | UNNAMED | ANYTHING);
            let mut next = vec![[false; 2]; end + 1];
            if token == ANYTHING && !every {
                next.clone_from(&at);
            }
            for (position, piece) in self.0.iter().enumerate() {
                for guessed in 0..2 {
                    if at[position][guessed] || repeats && next[position][guessed] {
                        let Some(steps) = piece.takes(token, every) else {
                            continue;
                        };
                        let by_wildcard =
                            matches!(token, DIGIT | WORD | UNNAMED) && !matches!(piece, Piece::Exactly(_));
                        next[position + steps][guessed.max(usize::from(by_wildcard))] = true;
                    }
                }
                if *piece == Piece::Many {
                    next[position + 1] = either(next[position + 1], next[position]);
                }
            }
            if next.iter().all(|reached| *reached == [false; 2]) {
                return false;
            }
            at = next;
        }
        at[end][1]
    }

    /// A star may stand for nothing.
    fn skip_stars(&self, at: &mut [[bool; 2]]) {
        for (position, piece) in self.0.iter().enumerate() {
            if *piece == Piece::Many {
                at[position + 1] = either(at[position + 1], at[position]);
            }
        }
    }
}

fn either(a: [bool; 2], b: [bool; 2]) -> [bool; 2] {
    [a[0] || b[0], a[1] || b[1]]
}

impl Piece {
    /// How many pieces further the pattern is after `token`, or `None` if the piece does not take
    /// it.
    fn takes(self, token: char, every: bool) -> Option<usize> {
        let one = match (self, token) {
            (Self::Many, _) => return Some(0),
            (Self::One, DIGIT) => true,
            (Self::One, WORD | UNNAMED | ANYTHING) => !every,
            (Self::One, _) => true,
            (Self::Exactly(c), DIGIT) => !every && c.is_ascii_digit(),
            (Self::Exactly(c), WORD) => !every && c.is_ascii_alphanumeric(),
            (Self::Exactly(_), UNNAMED | ANYTHING) => !every,
            (Self::Exactly(c), token) => c == token,
        };
        one.then_some(1)
    }
}

/// As the operators for ARNs do: each of the six parts by itself. A wildcard that spans parts
/// matches nowhere on AWS, and a value that is no ARN neither; nothing certain is said of them
/// here.
pub(super) fn arn_matches(pattern: &str, value: &str) -> Truth {
    let (wanted, given): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), value.splitn(6, ':').collect());
    if wanted.len() == 6 && given.len() == 6 {
        let parts = wanted.into_iter().zip(given);
        Truth::all(parts.map(|(pattern, value)| Pattern::glob(pattern).matches(value)))
    } else {
        Pattern::glob(pattern).matches(value).min(Truth::Maybe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_matched_always_perhaps_or_never() {
        let stranger = "arn:aws:iam::############:role/*";
        for (pattern, value, wanted) in [
            ("a*c", "abc", Truth::Yes),
            ("a?c", "abbc", Truth::No),
            ("*", "", Truth::Yes),
            ("", "", Truth::Yes),
            ("", "a", Truth::No),
            ("arn:aws:iam::*:role/*", stranger, Truth::Yes),
            ("arn:aws:iam::????????????:role/*", stranger, Truth::Yes),
            ("arn:aws:iam::???????????:role/*", stranger, Truth::No),
            ("arn:aws:iam::*:role/Admin", stranger, Truth::Maybe),
            ("arn:aws:iam::*:role/?", stranger, Truth::Maybe),
            // IAM allows a colon in a role's path.
            ("arn:aws:iam::*:user/*", stranger, Truth::Maybe),
            ("arn:aws:iam::4*:role/*", stranger, Truth::Maybe),
            ("arn:aws:iam::44445555666?:role/*", stranger, Truth::Maybe),
            ("arn:aws:iam::444455556666:role/*", stranger, Truth::No),
            ("arn:aws:iam::444455556666:*", stranger, Truth::No),
            ("arn:aws:iam::444455556666*", stranger, Truth::No),
            ("arn:aws:iam::*6:role/*", stranger, Truth::Maybe),
            ("444455556666", "############", Truth::No),
            ("o-abc123", "o-~", Truth::No),
            ("o-*", "o-~", Truth::Yes),
            ("o-a*", "o-~", Truth::Maybe),
            ("o-abc123/*", "o-~/*", Truth::No),
            ("o-*/r-x/*", "o-~/*", Truth::Maybe),
            ("*", "~", Truth::Yes),
            ("?*", "~", Truth::Maybe),
            ("acme*", "~", Truth::Maybe),
            ("acme", "~", Truth::No),
            ("acme-*", "!", Truth::Maybe),
            ("acme-7", "!", Truth::No),
            ("*", "!", Truth::Yes),
            ("*", "*", Truth::Yes),
            ("acme", "*", Truth::Maybe),
        ] {
            assert_eq!(Pattern::glob(pattern).matches(value), wanted, "{pattern} {value}");
        }
        assert_eq!(Pattern::literal("*").matches("a"), Truth::No);
        assert_eq!(Pattern::literal("*").matches("*"), Truth::Maybe);
    }

    #[test]
    fn an_arn_is_matched_part_by_part() {
        let value = "arn:aws:iam::111111111111:role/latchkey/verifier";
        for (pattern, wanted) in [
            ("arn:aws:iam::111111111111:role/latchkey/*", Truth::Yes),
            ("arn:*:iam:*:*:role/*", Truth::Yes),
            ("arn:*:iam:*:*:user/*", Truth::No),
            ("arn:aws:iam::111111111111:*", Truth::Yes),
            ("arn:aws:iam::1*", Truth::Maybe),
            ("*", Truth::Maybe),
            ("arn:aws:iam::222222222222:role/latchkey/*", Truth::No),
        ] {
            assert_eq!(arn_matches(pattern, value), wanted, "{pattern}");
        }
        assert_eq!(arn_matches("tz4a*", "tz4a98"), Truth::Maybe);
    }
}

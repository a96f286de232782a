//! Texts of people, which are shown as they are: which characters they may have.

use crate::domain::invalid::Character;

/// What tag characters follow in the flag of a country's part, such as Scotland's.
const FLAG: char = '\u{1f3f4}';
/// Ends the tag characters of a flag.
const END_OF_FLAG: char = '\u{e007f}';
/// Letters and digits of such a part: `gbsct`, `usca`. Longer runs could carry a message that nobody sees.
const LETTERS_OF_FLAG: std::ops::RangeInclusive<usize> = 3..=6;
/// Up to here scripts are not written with joiners: there they change nothing but the comparison of two texts.
const LAST_OF_LATIN: char = '\u{24f}';

/// Whether a text shows as what it is: no control character, no line break, nothing invisible, nothing that turns
/// the direction of reading. Quotes and angle brackets are text; whoever shows them escapes them.
pub fn is_plain_text(text: &str) -> bool {
    refused_character(text).is_none()
}

/// The first character of a text that has no place in it.
///
/// Some that do not show belong to how people write: joiners in Persian, in Indic scripts and in emoji; direction
/// marks in a text that has letters from right to left; the tags of a flag. Elsewhere they are refused.
pub fn refused_character(text: &str) -> Option<Character> {
    let has_right_to_left = text.chars().any(is_right_to_left);
    let (mut before, mut tags) = (' ', 0);
    let mut rest = text.chars();
    let mut position = 0;
    while let Some(code) = rest.next() {
        position += 1;
        let is_taken = match code {
            '\u{200c}' | '\u{200d}' => is_joined(before),
            '\u{200e}' | '\u{200f}' | '\u{61c}' => has_right_to_left,
            '\u{e0020}'..=END_OF_FLAG => tags > 0,
            _ => shows(code),
        };
        if !is_taken {
            return Some(Character { code, position });
        }
        tags = match code {
            FLAG => tags_of_flag(rest.clone()),
            _ => tags.saturating_sub(1),
        };
        before = code;
    }
    None
}

/// Whether a joiner may follow this character: a letter, a sign or a picture of a script that is written with joiners.
fn is_joined(before: char) -> bool {
    before > LAST_OF_LATIN && !before.is_whitespace() && !matches!(before, '\u{200c}'..='\u{200f}')
}

/// Tag characters at the beginning of `rest` that belong to the flag before it, its end included.
fn tags_of_flag(mut rest: impl Iterator<Item = char> + Clone) -> usize {
    let is_letter = |c: &char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let letters = rest.clone().take_while(is_letter).count();
    let is_flag = LETTERS_OF_FLAG.contains(&letters) && rest.nth(letters) == Some(END_OF_FLAG);
    if is_flag { letters + 1 } else { 0 }
}

fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{61b}' | '\u{61d}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Whether a character shows, and to everybody as the same: no format character, no blank letter, no noncharacter,
/// and none for private use, which looks different or like nothing elsewhere.
fn shows(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e001f}');
    let is_private =
        matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    let is_noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    !(c.is_control() || is_hidden || is_private || is_noncharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_world_are_plain() {
        for text in [
            "Acme",
            "Ärzte & Söhne <GmbH>",
            "日本語の名前",
            "葛\u{e0100}城市",
            "\"quoted\"",
            // Persian, Hindi, Sinhala, with joiners.
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "क\u{94d}\u{200c}",
            "ශ\u{dca}\u{200d}ර\u{dd3}",
            // Emoji of several parts: a person at work, a family, a burning heart, two flags.
            "Acme 👩\u{200d}💻",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏻",
            "❤\u{fe0f}\u{200d}🔥",
            "🏴\u{200d}☠\u{fe0f}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Edinburgh",
            // Hebrew and Arabic with direction marks.
            "שלום C++\u{200f}",
            "\u{61c}عربي (1)\u{200e}",
        ] {
            assert_eq!(refused_character(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_show_is_refused_and_named() {
        for (text, position) in [
            ("a\nb", 2),
            ("a\r", 2),
            ("\u{1b}[31m", 1),
            ("a\u{0}", 2),
            ("a\u{202e}b", 2),
            ("שלום\u{202e}", 5),
            ("a\u{2066}b", 2),
            ("a\u{200b}b", 2),
            ("\u{feff}a", 1),
            ("\u{3164}", 1),
            // Joiners that change nothing which shows.
            ("Ac\u{200d}me", 3),
            ("É\u{200c}cole", 2),
            ("\u{200d}👩", 1),
            ("👩 \u{200d}", 3),
            ("👩\u{200d}\u{200d}", 3),
            // Direction marks without a letter from right to left.
            ("Acme\u{200f}", 5),
            ("Acme\u{61c}", 5),
            // Tags that are no flag's: a message that nobody sees.
            ("a\u{e0068}\u{e0069}\u{e007f}", 2),
            ("\u{1f3f4}\u{e0067}\u{e0062}", 2),
            (
                "\u{1f3f4}\u{e0061}\u{e0061}\u{e0061}\u{e0061}\u{e0061}\u{e0061}\u{e0061}\u{e007f}",
                2,
            ),
            (
                "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}\u{e0061}",
                8,
            ),
            // Private use and noncharacters.
            ("a\u{e000}", 2),
            ("a\u{10fffd}", 2),
            ("\u{fdd0}", 1),
            ("a\u{1fffe}", 2),
        ] {
            let code = text.chars().nth(position - 1).unwrap();
            assert_eq!(
                refused_character(text),
                Some(Character { code, position }),
                "{text:?}"
            );
        }
    }
}

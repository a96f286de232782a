//! Texts inside Markdown.

/// A text that Markdown shows as it is: nothing in it is markup, a cell's end or a tag.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_would_read_as_markup_is_escaped() {
        assert_eq!(
            markdown("a|b <i>*x*</i> `y` [z](u)"),
            "a\\|b &lt;i&gt;\\*x\\*&lt;/i&gt; \\`y\\` \\[z\\](u)"
        );
    }
}

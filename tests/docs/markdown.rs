//! Text into tables, and pages into their parts.

/// A text that stands in a table as it is.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '|' | '*' | '_' | '<') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The same as code; empty for nothing.
pub(super) fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        text if text.contains('`') => format!("`` {} ``", text.replace('|', "\\|")),
        text => format!("`{}`", text.replace('|', "\\|")),
    }
}

/// A page's code blocks: what stands behind the fence, and the text.
pub(super) fn blocks(page: &str) -> Vec<(String, String)> {
    let (mut found, mut open): (Vec<(String, String)>, bool) = (Vec::new(), false);
    for line in page.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                found.push((info.trim().to_owned(), String::new()));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            (None, false) => {}
        }
    }
    assert!(!open, "a code block without an end");
    found
}

/// A page without its code blocks.
pub(super) fn prose(page: &str) -> String {
    let mut open = false;
    let mut out = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            open = !open;
        } else if !open {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The anchor of a heading.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

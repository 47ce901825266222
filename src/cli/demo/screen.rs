//! What is printed: coloured on a terminal, plain elsewhere, and never wider than [`WIDTH`].

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};

/// Columns that text is wrapped at; the lines of a log may be a little longer.
pub(super) const WIDTH: usize = 80;
/// What stands before most lines.
pub(super) const INDENT: &str = "   ";

const DIM: &str = "2";
const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const TITLE: &str = "1;36";

/// Colours of the 256 that are told apart on dark and on light ground.
const PALETTE: [&str; 9] =
    ["38;5;39", "38;5;208", "38;5;70", "38;5;170", "38;5;37", "38;5;204", "38;5;99", "38;5;142", "38;5;166"];

/// Where the demo prints.
pub(super) struct Screen {
    out: RefCell<Box<dyn Write>>,
    paint: Paint,
    /// Lines can be rewritten.
    terminal: bool,
    /// The cursor stands in a line that is going to be rewritten.
    live: Cell<bool>,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Screen {
    /// Standard output; with colours where it is a terminal that nobody asked to do without (`NO_COLOR`).
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: RefCell::new(Box::new(io::stdout())), paint: Paint(colour), terminal, live: Cell::new(false) }
    }

    #[cfg(test)]
    pub(super) fn plain(out: impl Write + 'static) -> Self {
        Self { out: RefCell::new(Box::new(out)), paint: Paint(false), terminal: false, live: Cell::new(false) }
    }

    /// The brush.
    pub(super) fn paint(&self) -> Paint {
        self.paint
    }

    /// A person is probably watching, and lines can be rewritten.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One line as it is.
    pub(super) fn line(&self, text: &str) {
        let erase = if self.live.replace(false) { "\r\x1b[K" } else { "" };
        self.put(&format!("{erase}{text}\n"));
    }

    /// One line, indented.
    pub(super) fn item(&self, text: &str) {
        self.line(&format!("{INDENT}{text}"));
    }

    /// Words, wrapped and indented.
    pub(super) fn say(&self, text: &str) {
        for line in wrap(text, WIDTH - INDENT.len()) {
            self.item(&line);
        }
    }

    /// An empty line.
    pub(super) fn gap(&self) {
        self.line("");
    }

    /// The title of a step.
    pub(super) fn title(&self, number: u32, text: &str) {
        self.gap();
        self.line(&format!("{}  {}", self.paint.title(&number.to_string()), self.paint.title(text)));
    }

    /// A line that the next one replaces; nothing where lines cannot be rewritten.
    pub(super) fn live(&self, text: &str) {
        if self.terminal {
            self.live.set(true);
            self.put(&format!("\r{text}\x1b[K"));
        }
    }

    fn put(&self, text: &str) {
        let mut out = self.out.borrow_mut();
        // Whoever closed the output does not want to hear more; the demo goes on to its exit code.
        let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.live.get() {
            self.put("\n");
        }
    }
}

impl Paint {
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self(false);

    /// In a colour.
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with(DIM, text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with(BOLD, text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with(GREEN, text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with(RED, text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.with(YELLOW, text)
    }

    fn title(self, text: &str) -> String {
        self.with(TITLE, text)
    }

    /// A replica's name in the replica's colour.
    pub(super) fn replica(self, name: &str) -> String {
        self.with(colour_of(name), name)
    }

    /// A replica's number in the replica's colour; its whole name where it has none.
    pub(super) fn number(self, name: &str) -> String {
        let (_, digits) = split_number(name);
        self.with(colour_of(name), if digits.is_empty() { name } else { digits })
    }

    /// So many of something, as a bar in the replica's colour.
    pub(super) fn bar(self, name: &str, count: usize) -> String {
        self.with(colour_of(name), &"■".repeat(count.min(40)))
    }
}

/// Neighbours get different colours: the number counts on from where the rest of the name puts it.
fn colour_of(name: &str) -> &'static str {
    let (stem, digits) = split_number(name);
    let number = digits.parse::<usize>().unwrap_or(1).saturating_sub(1);
    let start = if stem.starts_with("web") { 0 } else { stem.len() * 2 };
    PALETTE.get(start.wrapping_add(number) % PALETTE.len()).copied().unwrap_or(BOLD)
}

/// `web-3` is `web-` and `3`.
fn split_number(name: &str) -> (&str, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name.get(stem.len()..).unwrap_or_default())
}

/// Breaks text between words so that no line is wider than `width`, colours not counted.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let wide = visible_width(word);
        let Some(line) = lines.last_mut() else { break };
        if used > 0 && used + 1 + wide > width {
            lines.push(word.to_owned());
            used = wide;
        } else {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += wide;
        }
    }
    lines
}

/// The columns that a text takes.
pub(super) fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            characters.by_ref().find(|c| *c == 'm');
        } else {
            width += 1;
        }
    }
    width
}

/// `12 345`: a number that a person reads at a glance.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_colours_take_no_room() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("\x1b[31mone\x1b[0m two three", 7), ["\x1b[31mone\x1b[0m two", "three"]);
        assert_eq!(wrap("incomprehensible word", 5), ["incomprehensible", "word"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn replicas_of_one_service_have_different_colours() {
        let colours: std::collections::BTreeSet<_> =
            (1..=PALETTE.len()).map(|n| colour_of(&format!("web-{n}"))).collect();
        assert_eq!(colours.len(), PALETTE.len());
        assert_ne!(colour_of("web-1"), colour_of("api-1"));
        colour_of("web-99999999999999999999999");
        colour_of("");
    }

    #[test]
    fn without_colours_nothing_but_text_is_written() {
        assert_eq!(Paint::PLAIN.replica("web-3"), "web-3");
        assert_eq!(Paint::PLAIN.number("web-3"), "3");
        assert_eq!(Paint::PLAIN.number("left"), "left");
        assert_eq!(Paint::PLAIN.bar("web-3", 3), "■■■");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1234567, "1 234 567")] {
            assert_eq!(grouped(number), text);
        }
    }
}

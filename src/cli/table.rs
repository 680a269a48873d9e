//! Tables for people: aligned by what a terminal shows, and with nothing in them that it would obey.

use unicode_width::UnicodeWidthStr as _;

/// Stands between two columns.
const GAP: &str = "  ";
/// Stands for nothing.
pub(super) const NOTHING: &str = "-";
/// Stands for a character that must not reach a terminal.
const REPLACEMENT: char = '\u{FFFD}';

/// The lines as text, each ended, columns aligned. Lines may have different numbers of cells; an empty cell shows as
/// [`NOTHING`].
pub(super) fn render(lines: &[Vec<String>]) -> String {
    let lines: Vec<Vec<String>> = lines.iter().map(|line| line.iter().map(|cell| shown(cell)).collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for line in &lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.width().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        text.push_str(padded.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// The text with every character replaced that moves the cursor, colours, rings or turns text around.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { REPLACEMENT } else { c }).collect()
}

/// A radio button.
pub(super) fn radio(is_set: bool) -> String {
    if is_set { "(o)" } else { "( )" }.to_owned()
}

/// A check box.
pub(super) fn check_box(is_ticked: bool) -> String {
    if is_ticked { "[x]" } else { "[ ]" }.to_owned()
}

fn shown(cell: &str) -> String {
    if cell.is_empty() { NOTHING.to_owned() } else { plain(cell) }
}

/// Pads by the columns that the text takes: `format!` would count characters, and an umlaut may be two.
fn pad(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
}

/// Tells whether a terminal does something at `c` instead of showing it: control and bidirectional characters.
pub(super) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&[&str]]) -> Vec<Vec<String>> {
        lines.iter().map(|line| line.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_line_up_by_what_is_seen() {
        // The second name has a combining mark, the third wide characters.
        let table = render(&lines(&[&["Name", "State"], &["Mu\u{308}ller", "on"], &["東京", "off"], &["", "x"]]));
        assert_eq!(table, "Name    State\nMu\u{308}ller  on\n東京    off\n-       x\n");
    }

    #[test]
    fn a_line_may_be_shorter_than_the_others() {
        assert_eq!(render(&lines(&[&["a"], &["bb", "c"]])), "a\nbb  c\n");
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let table = render(&lines(&[&["a\u{1b}[31mb\n\r\u{9b}\u{202e}c"]]));
        assert_eq!(table, "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}\u{fffd}c\n");
    }
}

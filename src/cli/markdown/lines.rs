//! What a line begins: which of the open quotes and items it belongs to, which it opens, and what kind of block its text is.
//!
//! [`read`] decides as soon as the bytes that have come allow it, so that the rest of a line can be shown while it comes; it
//! changes nothing. CommonMark's rules, but kinder to lists as models write them: a bullet or a fence that is indented by two
//! belongs to the item above, whatever its number takes, and a fence in an item ends by its own end alone.

/// What holds blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Container {
    Quote,
    Item(Item),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) list: List,
    /// The column of its mark, counted within what holds it.
    at: usize,
    /// Columns that its further lines are indented by.
    indent: usize,
    /// The number as it was written.
    pub(super) written: u32,
    pub(super) task: Task,
}

/// What tells two lists from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Bullet(u8),
    Number(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    None,
    Open,
    Done,
}

/// What the text of a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Blank,
    /// More of the paragraph or table that is open, or a paragraph of its own.
    Text,
    /// More of the open block that takes lines as they are.
    Verbatim,
    Heading(usize),
    /// The line under a heading's text.
    Underline(u8),
    Rule,
    Fence(Fence),
    FenceEnd,
    /// Code by its indentation.
    Indented,
    Html,
    /// A formula on lines of its own, up to this end.
    Formula(&'static str),
    /// What may be the head of a table.
    Head,
    /// The line below a table's head.
    Columns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) sign: u8,
    pub(super) length: usize,
    /// Spaces before it: so many are taken off the lines of code.
    pub(super) indent: usize,
}

/// What a line was found to be.
#[derive(Debug)]
pub(super) struct Line {
    /// Open containers that it belongs to.
    pub(super) matched: usize,
    pub(super) opened: Vec<Container>,
    pub(super) block: Block,
    /// Where its text begins, in bytes, and spaces that stand before it.
    pub(super) text_at: usize,
    pub(super) spaces: usize,
}

/// What is open where a line begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Open<'a> {
    None,
    /// A paragraph, with its last line.
    Paragraph(&'a str),
    /// A line that may be a table's head.
    Head(&'a str),
    Table,
    Fenced(Fence),
    Indented,
    Html,
    Formula(&'static str),
}

/// What more is needed to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Byte,
    /// The whole line.
    End,
}

/// More quotes and items in one another than these are text.
const DEPTH_MAX: usize = 24;

/// A place in a line, and its column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) is_whole: bool,
    at: usize,
    column: usize,
    /// Columns of a tab that were not used up.
    spare: usize,
}

/// Reads the beginning of a line; `is_whole`: nothing follows in it.
pub(super) fn read(text: &str, is_whole: bool, containers: &[Container], open: Open<'_>) -> Result<Line, Wait> {
    let cursor = Cursor { text, is_whole, at: 0, column: 0, spare: 0 };
    let line = begun(cursor, containers, open)?;
    // A row of a table is taken whole.
    let is_row = matches!(open, Open::Table) && matches!(line.block, Block::Text | Block::Head);
    if is_row && !is_whole { Err(Wait::End) } else { Ok(line) }
}

fn begun(mut cursor: Cursor<'_>, containers: &[Container], open: Open<'_>) -> Result<Line, Wait> {
    let mut matched = 0;
    for container in containers {
        if !cursor.belongs(container, open)? {
            break;
        }
        matched += 1;
    }
    let is_inside = matched == containers.len();
    if is_inside && let Some(block) = cursor.verbatim(open)? {
        return Ok(cursor.line(matched, Vec::new(), block));
    }
    let mut opened = Vec::new();
    let mut goes_on = matches!(open, Open::Paragraph(_) | Open::Head(_) | Open::Table);
    loop {
        let start = cursor;
        let indent = cursor.indent()?;
        let byte = cursor.peek()?;
        if byte == b'\n' {
            return Ok(cursor.line(matched, opened, Block::Blank));
        }
        if indent >= 4 {
            if goes_on {
                return Ok(cursor.line(matched, opened, Block::Text));
            }
            cursor = start;
            cursor.skip(4)?;
            return Ok(cursor.line(matched, opened, Block::Indented));
        }
        if containers.len() + opened.len() < DEPTH_MAX {
            let container = cursor.container(indent, goes_on && is_inside)?;
            if let Some(container) = container {
                opened.push(container);
                goes_on = false;
                continue;
            }
        }
        let open = if goes_on && opened.is_empty() && is_inside { open } else { Open::None };
        let block = cursor.block(byte, indent, open, goes_on)?;
        return Ok(cursor.line(matched, opened, block));
    }
}

impl<'a> Cursor<'a> {
    fn line(self, matched: usize, opened: Vec<Container>, block: Block) -> Line {
        Line { matched, opened, block, text_at: self.at, spaces: self.spare }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte; a line feed at the line's end.
    pub(super) fn peek(&self) -> Result<u8, Wait> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Result<u8, Wait> {
        match self.text.as_bytes().get(self.at + ahead) {
            Some(byte) => Ok(*byte),
            None if self.is_whole => Ok(b'\n'),
            None => Err(Wait::Byte),
        }
    }

    /// All of the line that is left.
    pub(super) fn whole(&self) -> Result<&'a str, Wait> {
        if self.is_whole { Ok(self.rest()) } else { Err(Wait::End) }
    }

    /// Takes one space or tab; its columns.
    fn space(&mut self) -> Result<Option<usize>, Wait> {
        if self.spare > 0 {
            let spare = std::mem::take(&mut self.spare);
            return Ok(Some(spare));
        }
        let columns = match self.peek()? {
            b' ' => 1,
            b'\t' => 4 - self.column % 4,
            _ => return Ok(None),
        };
        self.at += 1;
        self.column += columns;
        Ok(Some(columns))
    }

    /// Takes the spaces; how many columns they are.
    fn indent(&mut self) -> Result<usize, Wait> {
        let mut columns = 0;
        while let Some(more) = self.space()? {
            columns += more;
        }
        Ok(columns)
    }

    /// Takes at most so many columns of space; what is left of a tab stays.
    fn skip(&mut self, columns: usize) -> Result<(), Wait> {
        let mut taken = 0;
        while taken < columns {
            match self.space()? {
                Some(more) => taken += more,
                None => return Ok(()),
            }
        }
        self.spare = taken - columns;
        Ok(())
    }

    /// Whether the line belongs to an open container; if so, takes what says so.
    fn belongs(&mut self, container: &Container, open: Open<'_>) -> Result<bool, Wait> {
        let mut ahead = *self;
        let indent = ahead.indent()?;
        let byte = ahead.peek()?;
        match container {
            Container::Quote if byte == b'>' && indent < 4 => {
                *self = ahead;
                self.quote_mark()?;
                Ok(true)
            }
            Container::Quote => Ok(false),
            Container::Item(_) if byte == b'\n' => Ok(true),
            Container::Item(item) if indent >= item.indent || matches!(open, Open::Fenced(_)) => {
                self.skip(item.indent)?;
                Ok(true)
            }
            Container::Item(item) if indent >= item.at + 2 => {
                let is_fence = matches!(byte, b'`' | b'~') && ahead.fence(byte, 0)?.is_some();
                let is_inner = match ahead.container(indent, false)? {
                    Some(Container::Item(inner)) => inner.list != item.list,
                    _ => is_fence,
                };
                if is_inner {
                    self.indent()?;
                }
                Ok(is_inner)
            }
            Container::Item(_) => Ok(false),
        }
    }

    fn quote_mark(&mut self) -> Result<(), Wait> {
        self.at += 1;
        self.column += 1;
        self.skip(1)
    }

    /// What an open block that takes lines as they are makes of this one.
    fn verbatim(&mut self, open: Open<'_>) -> Result<Option<Block>, Wait> {
        match open {
            Open::Fenced(fence) => {
                let mut ahead = *self;
                let indent = ahead.indent()?;
                if ahead.peek()? == fence.sign && indent < 4 + fence.indent && ahead.ends_fence(fence)? {
                    return Ok(Some(Block::FenceEnd));
                }
                self.skip(fence.indent)?;
                Ok(Some(Block::Verbatim))
            }
            Open::Html => Ok(Some(if self.whole()?.trim().is_empty() { Block::Blank } else { Block::Verbatim })),
            Open::Formula(end) => {
                let line = self.whole()?.trim();
                Ok(Some(if line.is_empty() {
                    Block::Blank
                } else if line.ends_with(end) {
                    Block::FenceEnd
                } else {
                    Block::Verbatim
                }))
            }
            Open::Indented => {
                let mut ahead = *self;
                let indent = ahead.indent()?;
                Ok(match ahead.peek()? {
                    b'\n' => Some(Block::Blank),
                    _ if indent >= 4 => {
                        self.skip(4)?;
                        Some(Block::Verbatim)
                    }
                    _ => None,
                })
            }
            _ => Ok(None),
        }
    }

    fn ends_fence(&self, fence: Fence) -> Result<bool, Wait> {
        let mut length = 0;
        while self.peek_at(length)? == fence.sign {
            length += 1;
        }
        let is_end = length >= fence.length && self.rest().get(length..).is_some_and(|rest| rest.trim().is_empty());
        if is_end && !self.is_whole { Err(Wait::Byte) } else { Ok(is_end) }
    }

    /// The quote or item that begins here; takes its mark. `interrupts`: a paragraph would end by it.
    fn container(&mut self, indent: usize, interrupts: bool) -> Result<Option<Container>, Wait> {
        let byte = self.peek()?;
        if byte == b'>' {
            self.quote_mark()?;
            return Ok(Some(Container::Quote));
        }
        let (list, length, written) = match byte {
            b'-' | b'*' | b'+' => (List::Bullet(byte), 1, 0),
            b'0'..=b'9' => match self.number()? {
                Some(number) => number,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let after = self.peek_at(length)?;
        if !matches!(after, b' ' | b'\t' | b'\n') || (byte == b'*' || byte == b'-') && self.rule(byte)? {
            return Ok(None);
        }
        if interrupts && (matches!(list, List::Number(_)) && written != 1 || after == b'\n') {
            return Ok(None);
        }
        self.at += length;
        self.column += length;
        let mut ahead = *self;
        let spaces = ahead.indent()?;
        let is_empty = ahead.peek()? == b'\n';
        // Five spaces and more: the item begins with code.
        let inner = if is_empty || spaces > 4 { 1 } else { spaces };
        self.skip(inner)?;
        let task = if is_empty { Task::None } else { self.task()? };
        Ok(Some(Container::Item(Item { list, at: indent, indent: indent + length + inner, written, task })))
    }

    fn number(&self) -> Result<Option<(List, usize, u32)>, Wait> {
        let mut length = 0;
        while self.peek_at(length)?.is_ascii_digit() {
            length += 1;
            if length > 9 {
                return Ok(None);
            }
        }
        let sign = self.peek_at(length)?;
        let number = self.rest().get(..length).and_then(|digits| digits.parse().ok());
        Ok(number.filter(|_| matches!(sign, b'.' | b')')).map(|number| (List::Number(sign), length + 1, number)))
    }

    /// Takes the box of a task.
    fn task(&mut self) -> Result<Task, Wait> {
        if self.peek()? != b'[' {
            return Ok(Task::None);
        }
        let task = match self.peek_at(1)? {
            b' ' => Task::Open,
            b'x' | b'X' => Task::Done,
            _ => return Ok(Task::None),
        };
        if self.peek_at(2)? != b']' || self.peek_at(3)? != b' ' {
            return Ok(Task::None);
        }
        self.at += 4;
        self.column += 4;
        Ok(task)
    }
}

//! What kind of block a line's text begins: a heading, a rule, a fence, a table's head, HTML, a formula.

use super::lines::{Block, Cursor, Fence, Open, Wait};
use super::table;

impl Cursor<'_> {
    pub(super) fn block(&mut self, byte: u8, indent: usize, open: Open<'_>, goes_on: bool) -> Result<Block, Wait> {
        match (byte, open) {
            (b'|' | b':' | b'-', Open::Head(head)) if table::is_columns(self.whole()?, Some(head)) => return Ok(Block::Columns),
            (b'|' | b':' | b'-', Open::Paragraph(last)) if last.contains('|') && table::is_columns(self.whole()?, Some(last)) => {
                return Ok(Block::Columns);
            }
            (b'=' | b'-', Open::Paragraph(_) | Open::Head(_)) if self.is_run(byte)? => return Ok(Block::Underline(byte)),
            _ => {}
        }
        Ok(match byte {
            b'#' => match self.heading()? {
                Some(level) => {
                    self.whole()?;
                    Block::Heading(level)
                }
                None => Block::Text,
            },
            b'*' | b'-' | b'_' if self.rule(byte)? => Block::Rule,
            b'`' | b'~' => self.fence(byte, indent)?.map_or(Block::Text, Block::Fence),
            b'<' if !goes_on && is_html(self.whole()?) => Block::Html,
            b'$' if !goes_on => self.formula("$$", "$$")?,
            b'\\' if !goes_on => self.formula("\\[", "\\]")?,
            b'|' if !goes_on => {
                self.whole()?;
                Block::Head
            }
            _ => Block::Text,
        })
    }

    /// Whether the rest of the line is one run of `sign`.
    fn is_run(&self, sign: u8) -> Result<bool, Wait> {
        let rest = self.rest().trim_end();
        let is_run = rest.bytes().all(|byte| byte == sign);
        match self.is_whole {
            true => Ok(is_run),
            false if !is_run => Ok(false),
            false => Err(if rest.len() > 16 { Wait::End } else { Wait::Byte }),
        }
    }

    /// Whether the rest of the line is a rule of `sign`.
    pub(super) fn rule(&self, sign: u8) -> Result<bool, Wait> {
        let rest = self.rest();
        if !rest.bytes().all(|byte| byte == sign || byte == b' ' || byte == b'\t') {
            return Ok(false);
        }
        let signs = rest.bytes().filter(|byte| *byte == sign).count();
        match self.is_whole {
            true => Ok(signs >= 3),
            false if rest.len() > 16 => Err(Wait::End),
            false => Err(Wait::Byte),
        }
    }

    fn heading(&self) -> Result<Option<usize>, Wait> {
        let mut level = 0;
        while self.peek_at(level)? == b'#' {
            level += 1;
            if level > 6 {
                return Ok(None);
            }
        }
        Ok(matches!(self.peek_at(level)?, b' ' | b'\t' | b'\n').then_some(level))
    }

    pub(super) fn fence(&self, sign: u8, indent: usize) -> Result<Option<Fence>, Wait> {
        for ahead in 0..3 {
            if self.peek_at(ahead)? != sign {
                return Ok(None);
            }
        }
        let line = self.whole()?;
        let length = line.bytes().take_while(|byte| *byte == sign).count();
        let is_code = sign == b'`' && line.get(length..).is_some_and(|info| info.contains('`'));
        Ok((!is_code).then_some(Fence { sign, length, indent }))
    }

    fn formula(&self, begin: &str, end: &'static str) -> Result<Block, Wait> {
        for (ahead, byte) in begin.bytes().enumerate() {
            if self.peek_at(ahead)? != byte {
                return Ok(Block::Text);
            }
        }
        let line = self.whole()?.trim().get(begin.len()..).unwrap_or_default();
        Ok(if line.contains(end) { Block::Text } else { Block::Formula(end) })
    }
}

/// Whether a line begins HTML that goes on up to an empty line: a block's tag, a comment, or a tag alone on the line.
fn is_html(line: &str) -> bool {
    let line = line.trim();
    let name = line.trim_start_matches(['<', '/']);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default().to_ascii_lowercase();
    let is_tag = line.ends_with('>') && line.matches('<').count() == 1 && !name.is_empty() && !line.contains("://") && !line.contains('@');
    line.starts_with("<!--") || TAGS.contains(&name.as_str()) || (is_tag && name != "br")
}

/// Tags that stand on lines of their own in answers.
const TAGS: [&str; 24] = [
    "article",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figure",
    "form",
    "head",
    "html",
    "iframe",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "td",
    "tr",
    "ul",
];

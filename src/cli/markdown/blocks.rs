//! How blocks begin and end: what is written for them besides their text, and the quotes and items they stand in.

use super::code::{self, Code};
use super::flow::Margin;
use super::inline::{self, Inline};
use super::lines::{Block, Container, Item, Line, List, Task};
use super::look::{Pen, Style};
use super::table::Table;
use super::{INDENT, Leaf, Markdown, Place, paint, spaced, width};

impl Markdown {
    /// A block begins that is no part of what is open.
    pub(super) fn fresh(&mut self, line: &Line, text: &str) {
        self.close(line.matched);
        let is_heading = matches!(line.block, Block::Heading(_));
        if self.is_begun && (self.is_apart || is_heading) {
            self.flow.empty_row();
        }
        self.is_apart = false;
        self.is_begun = true;
        self.open_containers(&line.opened);
        match &line.block {
            Block::Heading(level) => self.heading(*level, text),
            Block::Rule => {
                let room = self.flow.room_of(self.look.measure());
                self.flow.row(&[("─".repeat(room), Style::DIM.into())]);
            }
            Block::Fence(fence) => {
                let info = text.trim_start_matches(['`', '~']).trim();
                let language = info.split([' ', ',', '{', ':']).next().unwrap_or_default();
                code::rule(language, &mut self.flow, self.look.measure());
                self.leaf = Leaf::Fenced(*fence, Code::new(language));
                self.place = Place::Behind;
            }
            Block::Indented => {
                let mut code = Code::new("");
                code.push(&spaced(line.spaces + INDENT, text), &mut self.flow);
                self.leaf = Leaf::Indented(code);
            }
            Block::Html => {
                self.raw(text);
                self.leaf = Leaf::Html;
            }
            Block::Formula(end) => {
                self.raw(text);
                self.leaf = Leaf::Formula(end);
            }
            Block::Head => self.leaf = Leaf::Head(text.to_owned()),
            Block::Blank => {}
            _ => {
                self.leaf = Leaf::Paragraph(Inline::new(self.keep()), String::new());
                self.put(text);
            }
        }
    }

    /// A line as it stands.
    pub(super) fn raw(&mut self, text: &str) {
        let mut code = Code::new("");
        code.push(text, &mut self.flow);
        code.end_line(&mut self.flow);
    }

    fn heading(&mut self, level: usize, text: &str) {
        let style = paint::heading(level);
        let text = text.get(level..).unwrap_or_default().trim();
        let bare = text.trim_end_matches('#');
        let text = if bare.is_empty() || bare.ends_with(' ') { bare.trim_end() } else { text };
        if self.look.is_plain() {
            self.flow.text(&format!("{} ", "#".repeat(level)), &Pen::default());
        }
        paint::runs(inline::whole(text, self.keep()), style, self.look, &mut self.flow);
        self.flow.end_row();
    }

    /// The line that was a paragraph's last one, or waits as a table's head, is a heading.
    pub(super) fn underline(&mut self, sign: u8) {
        self.head_is_text();
        self.close_leaf();
        let room = self.flow.room_of(self.look.measure());
        self.flow.row(&[(if sign == b'=' { "═" } else { "─" }.repeat(room), Style::DIM.into())]);
    }

    /// The line below a table's head.
    pub(super) fn columns(&mut self, text: &str) {
        self.leaf = match std::mem::replace(&mut self.leaf, Leaf::None) {
            Leaf::Head(head) => Leaf::Table(Table::new(self.look, &head, text)),
            Leaf::Paragraph(inline, last) => {
                // The head is out as text already: models that leave out the first pipe are too few to wait for.
                self.leaf = Leaf::Paragraph(inline, last.clone());
                self.close_leaf();
                Leaf::Table(Table::below(self.look, &last, text))
            }
            other => other,
        };
    }

    /// What looked like a table's head is a paragraph.
    pub(super) fn head_is_text(&mut self) {
        if let Leaf::Head(line) = &mut self.leaf {
            let line = std::mem::take(line);
            self.leaf = Leaf::Paragraph(Inline::new(self.keep()), String::new());
            self.put(&line);
        }
    }

    fn open_containers(&mut self, opened: &[Container]) {
        for container in opened {
            self.flow.margins.push(match container {
                Container::Quote => Margin::Bar,
                Container::Item(item) => {
                    let mark = self.mark(item);
                    Margin::Item { width: width::of(&mark), mark: Some(mark) }
                }
            });
            self.containers.push(container.clone());
        }
    }

    /// What stands before an item.
    fn mark(&self, item: &Item) -> String {
        let depth = self.containers.iter().filter(|container| matches!(container, Container::Item(_))).count();
        let bullet = ["•", "◦", "▪"].get(depth % 3).copied().unwrap_or("•");
        let task = match item.task {
            Task::None => None,
            Task::Open => Some("☐"),
            Task::Done => Some("☑"),
        };
        match (item.list, task) {
            (List::Bullet(_), Some(task)) => format!("{task} "),
            (List::Bullet(_), None) => format!("{bullet} "),
            (List::Number(sign), task) => {
                format!("{}{} {}", item.written, char::from(sign), task.map(|task| format!("{task} ")).unwrap_or_default())
            }
        }
    }

    /// Closes what is open but the first `count` containers.
    pub(super) fn close(&mut self, count: usize) {
        self.close_leaf();
        while self.containers.len() > count {
            self.containers.pop();
            if let Some(Margin::Item { mark: Some(_), .. }) = self.flow.margins.last() {
                // An item without text.
                self.flow.row(&[]);
            }
            self.flow.margins.pop();
        }
    }

    pub(super) fn close_leaf(&mut self) {
        self.head_is_text();
        match std::mem::replace(&mut self.leaf, Leaf::None) {
            Leaf::Paragraph(inline, _) => paint::runs(inline.finish(), Style::PLAIN, self.look, &mut self.flow),
            Leaf::Table(table) => table.finish(&mut self.flow),
            Leaf::Fenced(_, mut code) => {
                if !code.waiting().is_empty() {
                    code.end_line(&mut self.flow);
                }
                code::rule("", &mut self.flow, self.look.measure());
            }
            Leaf::Indented(mut code) if !code.waiting().is_empty() => code.end_line(&mut self.flow),
            _ => {}
        }
        self.flow.end_row();
    }
}

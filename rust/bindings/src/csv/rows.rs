//! The rows of a CSV file by RFC 4180: how many there are, and the line on which each starts.
//!
//! Readers differ in how they treat a quote in an odd place, and a reader that splits the file among
//! threads may join rows there. Here such a file is refused. So no parser can do this: those of the
//! `csv` crates accept any bytes, as suits a parser that is asked for cells. Only line feeds count as
//! line ends, as in editors.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

/// The form of rows.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Cells per row; a blank row may have fewer.
    pub(super) width: usize,
    /// The separator between cells.
    pub(super) separator: u8,
    /// What lines that are comments start with.
    pub(super) comment: Option<u8>,
    /// The least bytes of a block of rows.
    pub(super) block: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Outside quotes.
    Bare,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes at the end of a chunk: either the closing quote, or the first of an
    /// escaped pair.
    Closing,
    /// After a carriage return outside quotes.
    Return,
    /// In a line that is a comment.
    Comment,
}

/// The state of reading.
pub(super) struct Rows {
    form: Form,
    /// The line of each row.
    pub(super) lines: Vec<i64>,
    /// Whether all cells of a row are empty.
    pub(super) blank: Vec<bool>,
    /// Blocks of rows: where the first row starts, in bytes, and its number.
    pub(super) blocks: Vec<(u64, usize)>,
    /// Where the next bytes start.
    offset: u64,
    state: State,
    line: i64,
    /// Where the row starts, and where the last quoted cell does.
    row_line: i64,
    quote_line: i64,
    /// Separators in the row, whether any cell has text, and whether a cell starts here.
    separators: usize,
    text: bool,
    cell_begins: bool,
}

impl Rows {
    /// For rows that start after `offset` bytes, on line `line`.
    pub(super) fn new(form: Form, offset: u64, line: i64) -> Self {
        Self {
            form,
            lines: Vec::new(),
            blank: Vec::new(),
            blocks: vec![(offset, 0)],
            offset,
            state: State::Bare,
            line,
            row_line: line,
            quote_line: line,
            separators: 0,
            text: false,
            cell_begins: true,
        }
    }

    /// Whether the last row has ended and no other has started.
    fn is_between_rows(&self) -> bool {
        self.state == State::Bare && self.cell_begins && self.separators == 0 && !self.text
    }

    /// Appends what was read from the next bytes on the assumption that a row, and line 0, starts
    /// there. If none does, returns `false` and appends nothing.
    pub(super) fn append(&mut self, next: Self) -> bool {
        if !self.is_between_rows() {
            return false;
        }
        let (rows, line) = (self.lines.len(), self.line);
        self.lines.extend(next.lines.iter().map(|own| own + line));
        self.blank.extend(next.blank);
        self.blocks.extend(next.blocks.iter().map(|&(byte, row)| (byte, row + rows)));
        *self = Self {
            form: self.form,
            lines: std::mem::take(&mut self.lines),
            blank: std::mem::take(&mut self.blank),
            blocks: std::mem::take(&mut self.blocks),
            line: next.line + line,
            row_line: next.row_line + line,
            quote_line: next.quote_line + line,
            ..next
        };
        true
    }

    /// Reads the next bytes; an error says what is wrong with them.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<(), String> {
        let mut rest = chunk;
        while let Some((&first, tail)) = rest.split_first() {
            let rows = self.lines.len();
            rest = match self.state {
                State::Bare if self.row_is_comment(first) => {
                    self.state = State::Comment;
                    rest
                }
                State::Comment => match memchr(b'\n', rest) {
                    None => &[],
                    Some(end) => {
                        self.line += 1;
                        self.row_line = self.line;
                        self.state = State::Bare;
                        &rest[end + 1..]
                    }
                },
                State::Bare => self.feed_bare(rest)?,
                State::Quoted => self.feed_quoted(rest)?,
                State::Closing => {
                    self.after_quote(first)?;
                    tail
                }
                State::Return if first == b'\n' => {
                    self.end_row()?;
                    tail
                }
                State::Return => return Err(self.lone_return()),
            };
            if self.lines.len() > rows {
                self.row_begins(self.offset + (chunk.len() - rest.len()) as u64);
            }
        }
        self.offset += chunk.len() as u64;
        Ok(())
    }

    /// Reads bytes outside quotes, through the first special one; returns the rest.
    #[inline]
    fn feed_bare<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let end = memchr3(b'"', b'\n', b'\r', bytes).unwrap_or(bytes.len());
        let (passed, rest) = bytes.split_at(end);
        self.pass_bare(passed);
        let Some((special, rest)) = rest.split_first() else { return Ok(rest) };
        self.after_bare(*special)?;
        Ok(rest)
    }

    /// Reads bytes within quotes, to the end of a line, or past a quote and what follows it.
    #[inline]
    fn feed_quoted<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let end = memchr2(b'"', b'\n', bytes).unwrap_or(bytes.len());
        self.text |= end > 0;
        match (bytes.get(end), bytes.get(end + 1)) {
            (None, _) => Ok(&[]),
            (Some(b'"'), None) => {
                self.state = State::Closing;
                Ok(&[])
            }
            (Some(b'"'), Some(&next)) => {
                self.after_quote(next)?;
                Ok(&bytes[end + 2..])
            }
            (Some(_), _) => {
                self.text = true;
                self.line += 1;
                Ok(&bytes[end + 1..])
            }
        }
    }

    /// Whether this is the first byte of a row that is a comment.
    fn row_is_comment(&self, first: u8) -> bool {
        self.form.comment == Some(first) && self.cell_begins && self.separators == 0 && !self.text
    }

    fn row_begins(&mut self, byte: u64) {
        if byte - self.blocks[self.blocks.len() - 1].0 >= self.form.block {
            self.blocks.push((byte, self.lines.len()));
        }
    }

    /// Reads bytes outside quotes that have no special ones except separators.
    fn pass_bare(&mut self, passed: &[u8]) {
        let Some(last) = passed.last() else { return };
        let separator = self.form.separator;
        self.separators += memchr_iter(separator, passed).count();
        self.text = self.text || passed.iter().any(|&byte| byte != separator);
        self.cell_begins = *last == separator;
    }

    fn after_bare(&mut self, special: u8) -> Result<(), String> {
        match special {
            b'\n' => self.end_row()?,
            b'\r' => self.state = State::Return,
            _ if self.cell_begins => {
                self.state = State::Quoted;
                self.quote_line = self.line;
            }
            _ => {
                return Err(format!(
                    "line {}: a quote stands inside a cell that does not begin with one; put the \
                     cell in quotes and double those inside, or remove it",
                    self.line
                ));
            }
        }
        Ok(())
    }

    fn after_quote(&mut self, byte: u8) -> Result<(), String> {
        self.cell_begins = byte == self.form.separator;
        match byte {
            b'"' => {
                self.text = true;
                self.state = State::Quoted;
            }
            _ if byte == self.form.separator => {
                self.separators += 1;
                self.state = State::Bare;
            }
            b'\r' => self.state = State::Return,
            b'\n' => self.end_row()?,
            _ => {
                let opened = if self.quote_line == self.line {
                    String::new()
                } else {
                    format!(", which begins on line {}", self.quote_line)
                };
                return Err(format!(
                    "line {}: text follows the closing quote of a cell{opened}; double each quote \
                     that is part of a text (\"3\"\" pipe\")",
                    self.line
                ));
            }
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), String> {
        let cells = self.separators + 1;
        if cells > self.form.width || (cells < self.form.width && self.text) {
            return Err(format!(
                "line {}: the row is too {}: {cells} cells where the header has {}; correct the \
                 separators or quotes of this line",
                self.row_line,
                if cells < self.form.width { "short" } else { "long" },
                self.form.width
            ));
        }
        self.lines.push(self.row_line);
        self.blank.push(!self.text);
        self.line += 1;
        self.row_line = self.line;
        (self.state, self.separators, self.text, self.cell_begins) = (State::Bare, 0, false, true);
        Ok(())
    }

    /// Ends the last row, which may lack a line feed.
    pub(super) fn finish(mut self) -> Result<Self, String> {
        match self.state {
            State::Quoted => {
                return Err(format!(
                    "line {}: the quote that opens a cell here is never closed; close it, or \
                     double each quote that is part of a text",
                    self.quote_line
                ));
            }
            State::Return => return Err(self.lone_return()),
            State::Comment => {}
            State::Bare if self.separators == 0 && !self.text => {}
            State::Bare | State::Closing => self.end_row()?,
        }
        // The last row may end where a block would start.
        self.blocks.dedup_by_key(|(_, row)| *row);
        if self.blocks.len() > 1 && self.blocks[self.blocks.len() - 1].1 == self.lines.len() {
            self.blocks.pop();
        }
        Ok(self)
    }

    fn lone_return(&self) -> String {
        format!(
            "line {}: the line ends with a carriage return alone, as on an old Mac; save the file \
             with line feeds",
            self.line
        )
    }
}

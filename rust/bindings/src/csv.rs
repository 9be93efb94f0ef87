//! The rows of a CSV file as RFC 4180 has them: how many there are, and the line each begins on.
//!
//! Readers differ in what they make of a quote in an odd place, and a reader that cuts the file for
//! its threads may join rows there. Here such a file is refused. That is why no parser does this
//! work: those of the `csv` crates accept any bytes, as a parser should that is asked for cells.
//! Line feeds alone are counted as lines, as editors do.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memchr::{memchr, memchr_iter, memchr2, memchr3};
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::boundary::data_error;

/// Bytes read at a time: a part of the file that stays in a near cache.
const CHUNK: usize = 1 << 17;

/// The line of each row; whether the row is blank: all of its cells are empty; and blocks of rows, of
/// `block` bytes or a row more: (where the first row begins, in bytes; its number).
///
/// Rows begin after `offset` bytes, on line `line`; each has `width` cells, a blank one may have
/// fewer. Cells are separated by `separator`; lines that begin with `comment` are no rows. A
/// `DataError` says what else is wrong; the caller knows the name of the file.
#[pyfunction]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
pub(crate) fn csv_rows<'py>(
    py: Python<'py>,
    path: PathBuf,
    offset: u64,
    line: i64,
    width: usize,
    block: u64,
    separator: u8,
    comment: Option<u8>,
) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<bool>>, Vec<(u64, usize)>)> {
    let mut rows = Rows::new(line, width, (offset, block), (separator, comment));
    let mut outcome = Ok(());
    let mut look = |chunk: &[u8]| {
        outcome = rows.feed(chunk);
        outcome.is_ok()
    };
    py.detach(|| read(&path, offset, &mut look))?;
    outcome.and_then(|()| rows.finish()).map_err(data_error)?;
    let (lines, blank) = (PyArray1::from_vec(py, rows.lines), PyArray1::from_vec(py, rows.blank));
    Ok((lines, blank, rows.blocks))
}

/// Gives the file to `look` in chunks, until it returns false.
fn read(path: &Path, offset: u64, look: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if look(&buffer[..count]) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Outside quotes.
    Bare,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes that ends a chunk: the closing one, or the first of two that
    /// mean one.
    Closing,
    /// After a carriage return outside quotes.
    Return,
    /// In a line that is a comment.
    Comment,
}

/// What has been read so far.
struct Rows {
    width: usize,
    separator: u8,
    comment: Option<u8>,
    lines: Vec<i64>,
    blank: Vec<bool>,
    /// Where blocks begin, and bytes of a block.
    blocks: Vec<(u64, usize)>,
    block: u64,
    /// Where the chunk begins.
    offset: u64,
    state: State,
    line: i64,
    /// Where the row, and where the last quoted cell, begins.
    row_line: i64,
    quote_line: i64,
    /// Separators of the row, whether a cell has text, and whether one begins here.
    separators: usize,
    text: bool,
    cell_begins: bool,
}

impl Rows {
    fn new(
        line: i64,
        width: usize,
        (offset, block): (u64, u64),
        (separator, comment): (u8, Option<u8>),
    ) -> Self {
        Self {
            width,
            separator,
            comment,
            lines: Vec::new(),
            blank: Vec::new(),
            blocks: vec![(offset, 0)],
            block,
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

    fn feed(&mut self, chunk: &[u8]) -> Result<(), String> {
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
                State::Bare => {
                    let end = memchr3(b'"', b'\n', b'\r', rest).unwrap_or(rest.len());
                    let (passed, rest) = rest.split_at(end);
                    self.pass_bare(passed);
                    match rest.split_first() {
                        None => rest,
                        Some((special, rest)) => {
                            self.after_bare(*special)?;
                            rest
                        }
                    }
                }
                State::Quoted => {
                    let end = memchr2(b'"', b'\n', rest).unwrap_or(rest.len());
                    self.text |= end > 0;
                    match rest.get(end) {
                        None => &[],
                        Some(b'"') => match rest.get(end + 1) {
                            None => {
                                self.state = State::Closing;
                                &[]
                            }
                            Some(&next) => {
                                self.after_quote(next)?;
                                &rest[end + 2..]
                            }
                        },
                        Some(_) => {
                            self.text = true;
                            self.line += 1;
                            &rest[end + 1..]
                        }
                    }
                }
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

    /// Whether this is the first byte of a row, and that of a comment.
    fn row_is_comment(&self, first: u8) -> bool {
        self.comment == Some(first) && self.cell_begins && self.separators == 0 && !self.text
    }

    fn row_begins(&mut self, byte: u64) {
        if byte - self.blocks[self.blocks.len() - 1].0 >= self.block {
            self.blocks.push((byte, self.lines.len()));
        }
    }

    /// Takes bytes outside quotes, none of them special but separators.
    fn pass_bare(&mut self, passed: &[u8]) {
        let Some(last) = passed.last() else { return };
        let separator = self.separator;
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
        self.cell_begins = byte == self.separator;
        match byte {
            b'"' => {
                self.text = true;
                self.state = State::Quoted;
            }
            _ if byte == self.separator => {
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
        if cells > self.width || (cells < self.width && self.text) {
            return Err(format!(
                "line {}: the row is too {}: {cells} cells where the header has {}; correct the \
                 separators or quotes of this line",
                self.row_line,
                if cells < self.width { "short" } else { "long" },
                self.width
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
    fn finish(&mut self) -> Result<(), String> {
        match self.state {
            State::Quoted => Err(format!(
                "line {}: the quote that opens a cell here is never closed; close it, or double \
                 each quote that is part of a text",
                self.quote_line
            )),
            State::Return => Err(self.lone_return()),
            State::Comment => Ok(()),
            State::Bare if self.separators == 0 && !self.text => Ok(()),
            State::Bare | State::Closing => self.end_row(),
        }
    }

    fn lone_return(&self) -> String {
        format!(
            "line {}: the line ends with a carriage return alone, as on an old Mac; save the file \
             with line feeds",
            self.line
        )
    }
}

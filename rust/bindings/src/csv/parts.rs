//! The rows of a file, found by several threads.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use numpy::PyArray1;
use pyo3::prelude::*;

use super::rows::{Form, Rows};
use crate::boundary::{WAIT, data_error, run};

/// Bytes read at a time: few enough to stay in a near cache.
const CHUNK: usize = 1 << 17;

/// Chunks between two checks for signals: some milliseconds.
const CHUNKS_PER_CHECK: usize = 32;

/// The least bytes of a part with a thread of its own.
const PART: u64 = 1 << 20;

/// The line of each row; whether the row is blank: all of its cells are empty; and blocks of rows, of
/// about `block` bytes: (where the first row begins, in bytes; its number).
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
    let form = Form { width, separator, comment, block };
    let rows = run(py, None, |context| {
        let (rows, threads) = (Rows::new(form, offset, line), context.threads());
        let mut checked = Ok(());
        let go_on = || {
            checked = context.check();
            checked.is_ok()
        };
        let found = find_rows(&path, rows, form, offset, threads, go_on);
        checked.map(|()| found)
    })?;
    let rows = rows?.map_err(data_error)?;
    let (lines, blank) = (PyArray1::from_vec(py, rows.lines), PyArray1::from_vec(py, rows.blank));
    Ok((lines, blank, rows.blocks))
}

/// The rows, or what is wrong with them.
type Found = io::Result<Result<Rows, String>>;

/// Adds the rows of the file to `rows`; each thread reads its part as if a row began there.
///
/// A part that turns out to start within quotes is read again, and so is one with an error: only then
/// is its line known. All threads stop early after an error, or if `go_on`, which the calling thread
/// calls every few milliseconds, returns `false`.
fn find_rows(
    path: &Path,
    rows: Rows,
    form: Form,
    offset: u64,
    threads: usize,
    mut go_on: impl FnMut() -> bool,
) -> Found {
    let parts = parts(path, offset, threads)?;
    let (first, others) = parts.split_first().expect("a file has at least one part");
    let stopped = AtomicBool::new(false);
    let mut go_on = || {
        let goes_on = go_on();
        stopped.fetch_or(!goes_on, Ordering::Relaxed);
        goes_on
    };
    thread::scope(|scope| {
        let others: Vec<_> = others
            .iter()
            .map(|part| {
                let rows = Rows::new(form, part.start, 0);
                let go_on = || !stopped.load(Ordering::Relaxed);
                let read = move || read(path, part, rows, go_on);
                // If the system cannot start more threads, the calling one reads the part.
                (part, thread::Builder::new().spawn_scoped(scope, read).ok())
            })
            .collect();
        let found = joined((path, first, rows), others, &mut go_on);
        // Stop the others, which may still be reading after an error.
        stopped.store(true, Ordering::Relaxed);
        found
    })
}

/// Appends the rows of all parts to `rows`, in order. The calling thread reads the first part.
fn joined(
    (path, first, rows): (&Path, &Range<u64>, Rows),
    others: Vec<(&Range<u64>, Option<ScopedJoinHandle<'_, Found>>)>,
    mut go_on: impl FnMut() -> bool,
) -> Found {
    let mut found = read(path, first, rows, &mut go_on)?;
    for (part, thread) in others {
        let Ok(mut rows) = found else { return Ok(found) };
        let joined = match thread {
            Some(thread) => {
                while !thread.is_finished() && go_on() {
                    thread::sleep(WAIT);
                }
                let part_rows = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                part_rows?.is_ok_and(|part_rows| rows.append(part_rows))
            }
            None => false,
        };
        found = if joined { Ok(rows) } else { read(path, part, rows, &mut go_on)? };
    }
    Ok(found.and_then(Rows::finish))
}

/// Byte ranges of nearly equal length, from `offset` to the end; all but the first start after a line
/// feed.
fn parts(path: &Path, offset: u64, threads: usize) -> io::Result<Vec<Range<u64>>> {
    let mut file = BufReader::new(File::open(path)?);
    let length = file.get_ref().metadata()?.len().max(offset);
    let count = (threads as u64).min((length - offset) / PART).max(1);
    let mut begins = vec![offset];
    for part in 1..count {
        let near = offset + (length - offset) / count * part;
        file.seek(SeekFrom::Start(near))?;
        let begin = near + file.skip_until(b'\n')? as u64;
        if begin > begins[begins.len() - 1] && begin < length {
            begins.push(begin);
        }
    }
    // The last one is open-ended: a file may grow.
    let ends = begins[1..].iter().copied().chain([u64::MAX]);
    Ok(begins.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect())
}

/// Adds the rows of a part of the file; stops early if `go_on` returns `false`.
fn read(path: &Path, part: &Range<u64>, mut rows: Rows, mut go_on: impl FnMut() -> bool) -> Found {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(part.start))?;
    let mut file = file.take(part.end - part.start);
    let mut buffer = vec![0; CHUNK];
    for chunk in 0.. {
        if chunk % CHUNKS_PER_CHECK == 0 && !go_on() {
            break;
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if let Err(message) = rows.feed(&buffer[..count]) {
                    return Ok(Err(message));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(rows))
}

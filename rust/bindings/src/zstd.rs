//! Files compressed with Zstandard, which Python's own library only reads from version 3.14 on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use ruzstd::decoding::StreamingDecoder;

use crate::boundary::{data_error, run};

/// Bytes read or written at a time, and decompressed between two checks for signals.
const BUFFER: usize = 1 << 20;

/// Writes to `target` what `source` is once it is decompressed. A `DataError` says what is wrong with
/// its contents; the caller knows the name of the file.
#[pyfunction]
pub(crate) fn decompress_zstd(py: Python<'_>, source: PathBuf, target: PathBuf) -> PyResult<()> {
    let written = run(py, Some(1), |context| {
        let mut checked = Ok(());
        let go_on = || {
            checked = context.check();
            checked.is_ok()
        };
        // If a decoder panics, its input was corrupt.
        let written = catch_unwind(AssertUnwindSafe(|| decompress(&source, &target, go_on)))
            .unwrap_or_else(|_| Err(damaged("it cannot be decoded")));
        checked.map(|()| written)
    })?;
    written.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => data_error(error.to_string()),
        _ => error.into(),
    })
}

/// Ends early if `go_on`, called every few milliseconds, returns `false`.
fn decompress(source: &Path, target: &Path, mut go_on: impl FnMut() -> bool) -> io::Result<()> {
    let mut compressed = BufReader::with_capacity(BUFFER, File::open(source)?);
    let mut output = BufWriter::with_capacity(BUFFER, File::create(target)?);
    let (mut buffer, mut unchecked) = (vec![0; BUFFER], 0);
    // A file may have several frames, as parallel compressors write them.
    while !compressed.fill_buf()?.is_empty() {
        let mut frame = StreamingDecoder::new(&mut compressed).map_err(damaged)?;
        loop {
            match frame.read(&mut buffer).map_err(damaged)? {
                0 => break,
                count => {
                    output.write_all(&buffer[..count])?;
                    unchecked += count;
                }
            }
            if unchecked >= BUFFER {
                unchecked = 0;
                if !go_on() {
                    return Ok(());
                }
            }
        }
        let decoder = frame.into_frame_decoder();
        let (stored, computed) =
            (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
        if stored.is_some() && stored != computed {
            return Err(damaged("its checksum is another"));
        }
    }
    output.flush()
}

fn damaged(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

//! Access log: record, formats, lanes, writer.

//! How a record becomes a line.

mod clf;
#[cfg(test)]
mod golden;
mod json;
mod seaway;

use crate::{Fields, Record};

/// The formats of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Seaway's own: one line that reads like a story.
    Seaway {
        /// With colours, for a terminal.
        colour: bool,
    },
    /// Traefik's extended common log format.
    Common,
    /// The combined log format that Apache and nginx write.
    GenericClf,
    /// One JSON object a line, with Traefik's field names and some of ours.
    Json,
}

impl Format {
    /// The format of that name: `seaway`, `common`, `genericCLF`, `json`. `colour` only matters to `seaway`.
    pub fn from_name(name: &str, colour: bool) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "seaway" => Ok(Self::Seaway { colour }),
            "common" => Ok(Self::Common),
            "genericclf" => Ok(Self::GenericClf),
            "json" => Ok(Self::Json),
            _ => Err(format!("accessLog.format {name:?} is none of seaway, common, genericCLF, json")),
        }
    }

    /// Appends one line, its line feed included. Nothing is allocated but room in `out`.
    pub fn write(&self, record: &Record<'_>, fields: &Fields, out: &mut Vec<u8>) {
        match self {
            Self::Seaway { colour } => seaway::write(record, fields, *colour, out),
            Self::Common => clf::write_common(record, fields, out),
            Self::GenericClf => clf::write_generic(record, fields, out),
            Self::Json if fields.keeps_all() => json::write::<true>(record, fields, out),
            Self::Json => json::write::<false>(record, fields, out),
        }
        out.push(b'\n');
    }
}

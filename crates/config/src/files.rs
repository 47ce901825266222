//! The text of files that options name. Read by the control plane, so that compiling needs no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Files by path, as they were when they were last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Arc<BTreeMap<Box<str>, FileText>>);

/// What came of reading a file: its text, or why there is none, in words for people.
#[derive(Clone, PartialEq, Eq)]
pub struct FileText(Result<Arc<str>, Box<str>>);

impl Files {
    /// What a file has. One that nobody has read says so.
    pub fn text(&self, path: &str) -> Result<&str, &str> {
        match self.0.get(path) {
            Some(FileText(Ok(text))) => Ok(text),
            Some(FileText(Err(why))) => Err(why),
            None => Err("it was not read"),
        }
    }

    /// The file is the same in both.
    pub fn is_same(&self, other: &Self, path: &str) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.get(path) == other.0.get(path)
    }
}

impl FromIterator<(Box<str>, FileText)> for Files {
    fn from_iter<I: IntoIterator<Item = (Box<str>, FileText)>>(files: I) -> Self {
        Self(Arc::new(files.into_iter().collect()))
    }
}

impl FileText {
    /// A file that could be read.
    pub fn new(text: &str) -> Self {
        Self(Ok(text.into()))
    }

    /// One that could not.
    pub fn unreadable(why: &str) -> Self {
        Self(Err(why.into()))
    }
}

/// Files may have secrets.
impl fmt::Debug for FileText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(text) => write!(f, "{} bytes", text.len()),
            Err(why) => f.write_str(why),
        }
    }
}

//! The tree that labels, flags, environment variables and files are all read into.

/// One node: a value, children, or both. Names are matched without regard to case and kept as first spelt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The value, if the key itself was given one.
    pub value: Option<String>,
    /// The full key as the person wrote it, for diagnostics. For a node that only exists because something stands
    /// below it: the first key that created it, cut to this depth.
    pub key: String,
    /// The children in the order in which they were first seen.
    pub children: Vec<(String, Self)>,
}

impl Node {
    /// The child of that name, without regard to ASCII case.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, node)| node)
    }

    /// The child of that name, made if it is not there.
    pub fn child_mut(&mut self, name: &str, key: &str) -> &mut Self {
        let at = self.children.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)).unwrap_or_else(|| {
            self.children.push((name.to_owned(), Self { key: key.to_owned(), ..Self::default() }));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }

    /// True when there is neither a value nor a child.
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }
}

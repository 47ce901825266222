//! The option catalogue: path, kind, default and one-line doc of every option, derived by the `options!` macro.

/// What an option's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, taken as it is.
    Text,
    /// `true` or `false` (also `1 t T TRUE True 0 f F FALSE False`).
    Bool,
    /// A whole number.
    Int,
    /// Seconds as a plain number, or a duration such as `1h2m3.5s`.
    Duration,
    /// Comma-separated texts.
    List,
    /// `name.<key>=value`.
    Map,
    /// Options below it.
    Section,
    /// Options below it; the section may also be switched on by giving it `true` or nothing.
    SwitchSection,
    /// One section for each name below it.
    NamedSections,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name as documented: `stripPrefix`.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Its default as it would be written; empty for none.
    pub default: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// The options below it, for sections.
    pub below: &'static [Self],
}

/// A struct written with the `options!` macro: a section of the tree.
pub trait Section {
    /// Its options.
    const OPTIONS: &'static [OptionSpec];
}

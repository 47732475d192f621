//! Options of another crate out of a section of the configuration.

/// A struct of another crate: the listed fields from the section, where they have the same names; then those that have
/// not, each with its value.
macro_rules! same_fields {
    ($section:expr => $options:ident { $($field:ident),* $(; $other:ident: $value:expr)* }) => {
        $options { $($field: $section.$field,)* $($other: $value,)* }
    };
}
pub(crate) use same_fields;

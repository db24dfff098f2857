//! Enums whose members have names in rule text. One table defines both directions.

/// The functions of every enum of [`named_enum`], for generic code.
pub(crate) trait Named: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
    fn from_name(name: &str) -> Option<Self>;
}

/// Defines a fieldless enum with `name()`, `aliases()`, `from_name()` (ignoring case; all names after the first are aliases) and
/// `ALL`.
macro_rules! named_enum {
    ($(#[$meta:meta])* $vis:vis enum $enum:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal $(| $alias:literal)*,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $enum { $($(#[$vmeta])* #[doc = concat!("`", $name, "`")] $variant,)* }
        impl $enum {
            /// Every member, in the order of the definition.
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];
            /// Returns the name, as ModSecurity's documentation writes it.
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => $name,)* }
            }
            /// Returns other names that rule text may contain.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $($enum::$variant => &[$($alias,)*],)* }
            }
            /// Returns the member with this name or alias, ignoring case.
            pub fn from_name(name: &str) -> Option<$enum> {
                $(if name.eq_ignore_ascii_case($name) $(|| name.eq_ignore_ascii_case($alias))* { return Some($enum::$variant); })*
                None
            }
        }
        impl crate::names::Named for $enum {
            const ALL: &'static [$enum] = $enum::ALL;
            fn name(self) -> &'static str {
                $enum::name(self)
            }
            fn from_name(name: &str) -> Option<$enum> {
                $enum::from_name(name)
            }
        }
        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named_enum;

//! Enums whose members have names in rule text. One table makes both directions.

/// The functions of every enum of [`named_enum`], for code that works on all of them.
pub(crate) trait Named: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
    fn from_name(name: &str) -> Option<Self>;
}

/// Defines a fieldless enum with `name()`, `aliases()`, `from_name()` (in any case; later names are aliases) and `ALL`.
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
            /// Returns other names that rule text may use.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $($enum::$variant => &[$($alias,)*],)* }
            }
            /// Returns the member of that name or alias, in any case.
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

//! Enums whose members have names in rule text: one table makes both directions.

/// Defines a fieldless enum with `name()`, `from_name()` (without regard to case; later names are aliases) and `ALL`.
macro_rules! named_enum {
    ($(#[$meta:meta])* $vis:vis enum $enum:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal $(| $alias:literal)*,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $enum { $($(#[$vmeta])* #[doc = concat!("`", $name, "`")] $variant,)* }
        impl $enum {
            /// Every member, in the order of the definition.
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];
            /// The name as ModSecurity's documentation writes it.
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => $name,)* }
            }
            /// The member of that name or alias; case does not matter.
            pub fn from_name(name: &str) -> Option<$enum> {
                $(if name.eq_ignore_ascii_case($name) $(|| name.eq_ignore_ascii_case($alias))* { return Some($enum::$variant); })*
                None
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

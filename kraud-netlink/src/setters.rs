//! The setters of specifications, written once.

/// Consuming setters, each named like the field that it sets.
///
/// - `mtu: u32;` takes a value for a field of that type, or of an `Option` of it;
/// - `parent: into String;` takes what becomes one;
/// - `up;` switches a `bool`, or an `Option` of it, on;
/// - `peers: push Peer;` puts one more into a list and is named by the word in front of it: `peer => peers`.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $field:ident; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self) -> Self {
            self.$field = true.into();
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $field:ident: into $kind:ty; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$kind>) -> Self {
            let value: $kind = $field.into();
            self.$field = value.into();
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $field:ident: $kind:ty; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $kind) -> Self {
            self.$field = $field.into();
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident => $list:ident: $kind:ty; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $kind) -> Self {
            self.$list.push($name);
            self
        }
        setters! { $($rest)* }
    };
}

pub(crate) use setters;

//! The notation of the tables: a DTD's own, as far as Rust's tokens allow.
//!
//! `elements! { 發文字號 { ((字,文號)|(文字)) } }` and `attributes! { 速別 代碼 (普通件|速件|最速件) IMPLIED; }`.

/// Element declarations: `name { model }`.
macro_rules! elements {
    ($($name:ident { $($model:tt)* })*) => {
        &[$($crate::model::ElementDecl { name: stringify!($name), model: cm!($($model)*) }),*]
    };
}

/// One content model.
macro_rules! cm {
    (EMPTY) => { $crate::model::Cm::Empty };
    ((PCDATA)) => { $crate::model::Cm::Text };
    ($part:tt +) => { $crate::model::Cm::Plus(&cm!(@part $part)) };
    ($part:tt *) => { $crate::model::Cm::Star(&cm!(@part $part)) };
    ($part:tt ?) => { $crate::model::Cm::Opt(&cm!(@part $part)) };
    ($part:tt) => { cm!(@part $part) };
    // one particle: a name or a group
    (@part $name:ident) => { $crate::model::Cm::El(stringify!($name)) };
    (@part ($($inside:tt)*)) => { cm!(@next one [] $($inside)*) };
    // inside a group: a particle with its mark, then what follows it
    (@next $how:ident [$($done:tt)*] $part:tt + $($rest:tt)*) => { cm!(@then $how [$($done)* {$part +}] $($rest)*) };
    (@next $how:ident [$($done:tt)*] $part:tt * $($rest:tt)*) => { cm!(@then $how [$($done)* {$part *}] $($rest)*) };
    (@next $how:ident [$($done:tt)*] $part:tt ? $($rest:tt)*) => { cm!(@then $how [$($done)* {$part ?}] $($rest)*) };
    (@next $how:ident [$($done:tt)*] $part:tt $($rest:tt)*) => { cm!(@then $how [$($done)* {$part}] $($rest)*) };
    // the first separator says whether it is a sequence or a choice; no mixing, as in XML
    (@then one $done:tt , $($rest:tt)+) => { cm!(@next seq $done $($rest)+) };
    (@then seq $done:tt , $($rest:tt)+) => { cm!(@next seq $done $($rest)+) };
    (@then one $done:tt | $($rest:tt)+) => { cm!(@next alt $done $($rest)+) };
    (@then alt $done:tt | $($rest:tt)+) => { cm!(@next alt $done $($rest)+) };
    (@then one [{$($only:tt)*}]) => { cm!($($only)*) };
    (@then seq [$({$($each:tt)*})*]) => { $crate::model::Cm::Seq(&[$(cm!($($each)*)),*]) };
    (@then alt [$({$($each:tt)*})*]) => { $crate::model::Cm::Alt(&[$(cm!($($each)*)),*]) };
}

/// Attribute declarations: `element attribute type presence;`.
macro_rules! attributes {
    ($($element:ident $name:ident $kind:tt $presence:tt;)*) => {
        &[$($crate::model::AttributeDecl {
            element: stringify!($element),
            name: stringify!($name),
            kind: attributes!(@kind $kind),
            presence: attributes!(@presence $presence),
        }),*]
    };
    (@kind CDATA) => { $crate::model::AttributeType::Text };
    (@kind ENTITY) => { $crate::model::AttributeType::Entity };
    (@kind ENTITIES) => { $crate::model::AttributeType::Entities };
    (@kind ($($value:tt)|+)) => { $crate::model::AttributeType::OneOf(&[$(stringify!($value)),+]) };
    (@presence REQUIRED) => { $crate::model::Presence::Required };
    (@presence IMPLIED) => { $crate::model::Presence::Implied };
    (@presence $default:literal) => { $crate::model::Presence::Default($default) };
}

pub(super) use {attributes, cm, elements};

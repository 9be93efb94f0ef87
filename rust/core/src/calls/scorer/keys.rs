//! How entities are identified: [`Key`], and [`KeyHasher`], which hashes keys.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Identifies an entity: a whole number, a text, or bytes. Keys of different types are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A whole number of at least 0.
    Number(u64),
    /// A whole number below 0.
    Negative(i64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<u64> for Key<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Key<'_> {
    fn from(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Negative(number), Self::Number)
    }
}

/// A key with its hash.
#[derive(Clone, Copy, Debug)]
pub struct HashedKey<'a> {
    pub(super) key: Key<'a>,
    pub(super) hash: u32,
}

/// Hashes keys by SipHash-1-3 with random keys of its own, so that whoever chooses the entities' keys
/// cannot make them collide.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher(RandomState);

impl KeyHasher {
    /// The key with its hash.
    #[inline]
    pub fn hashed<'a>(&self, key: Key<'a>) -> HashedKey<'a> {
        let mut hasher = self.0.build_hasher();
        match key {
            Key::Number(number) => hasher.write_u64(number),
            Key::Negative(number) => {
                hasher.write_i64(number);
                hasher.write_u8(1);
            }
            Key::Text(text) => {
                hasher.write(text.as_bytes());
                hasher.write_u8(2);
            }
            Key::Bytes(bytes) => {
                hasher.write(bytes);
                hasher.write_u8(3);
            }
        }
        HashedKey { key, hash: (hasher.finish() >> 32) as u32 }
    }
}

/// A key that owns its data.
#[derive(Clone, Debug)]
pub(super) enum OwnedKey {
    Number(u64),
    Negative(i64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

impl Default for OwnedKey {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl From<Key<'_>> for OwnedKey {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Number(number) => Self::Number(number),
            Key::Negative(number) => Self::Negative(number),
            Key::Text(text) => Self::Text(text.into()),
            Key::Bytes(bytes) => Self::Bytes(bytes.into()),
        }
    }
}

impl OwnedKey {
    #[inline]
    pub(super) fn get(&self) -> Key<'_> {
        match self {
            Self::Number(number) => Key::Number(*number),
            Self::Negative(number) => Key::Negative(*number),
            Self::Text(text) => Key::Text(text),
            Self::Bytes(bytes) => Key::Bytes(bytes),
        }
    }
}

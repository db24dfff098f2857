//! Names of TX variables, numbered when rules are compiled, so that a transaction finds them without hashing.

use std::collections::HashMap;

/// Numbers for names; case does not matter.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: HashMap<Box<[u8]>, u32>,
    names: Vec<Box<[u8]>>,
}

impl Names {
    /// The number of `name`, a new one if it has none yet. The first spelling is kept for logs.
    pub(crate) fn intern(&mut self, name: &[u8]) -> u32 {
        let folded = name.to_ascii_lowercase().into_boxed_slice();
        if let Some(&id) = self.by_name.get(&folded) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.by_name.insert(folded, id);
        id
    }

    /// The number of `name`, if it has one.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let mut buffer = [0u8; 64];
        if let Some(folded) = buffer.get_mut(..name.len()) {
            folded.copy_from_slice(name);
            folded.make_ascii_lowercase();
            return self.by_name.get(&*folded).copied();
        }
        self.by_name.get(name.to_ascii_lowercase().as_slice()).copied()
    }

    /// The name of a number.
    pub(crate) fn name(&self, id: u32) -> &[u8] {
        self.names.get(id as usize).map_or(b"", |name| name)
    }

    /// Forgets all names.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
        self.names.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Names {
    /// Numbers 0 to 9 for `TX.0` to `TX.9`, which captures write to.
    pub(crate) fn intern_captures(&mut self) {
        for digit in b'0'..=b'9' {
            self.intern(&[digit]);
        }
    }
}

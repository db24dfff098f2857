//! The TX collection: the variables of a transaction.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "names are counted in 32 bits, and numbers wrap as in ModSecurity"
)]

use std::sync::Arc;

use crate::memory::format_number;
use crate::names::Names;
use crate::operators::compare::atoi;

/// The value of a TX variable. Scores are added and compared, so they stay numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Bytes(Arc<[u8]>),
}

impl Value {
    /// Returns the text. Writes to `buffer` only for numbers.
    pub(crate) fn bytes<'a>(&'a self, buffer: &'a mut [u8; 20]) -> &'a [u8] {
        match self {
            Value::Number(number) => format_number(*number, buffer),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// Returns the number as C's `atoi` reads it.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(bytes) => leading_number(bytes),
        }
    }

    /// Returns the number as `@eq` and similar operators read the text.
    pub(crate) fn as_c_int(&self) -> i32 {
        match self {
            Value::Number(number) => *number as i32,
            Value::Bytes(bytes) => atoi(bytes),
        }
    }

    /// Makes a value from text. A text that is exactly the decimal form of a number becomes a number.
    pub(crate) fn from_text(text: &[u8]) -> Value {
        let plain = matches!(text, [b'1'..=b'9', ..] | [b'0']) && text.len() < 18;
        if plain && text.iter().all(u8::is_ascii_digit) {
            Value::Number(leading_number(text))
        } else {
            Value::Bytes(text.into())
        }
    }
}

/// Returns the number at the start of a text: white space, a sign, digits; else 0. Saturates.
pub(crate) fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    if negative { -magnitude } else { magnitude }
}

/// TX variables by number: first those that rules name, then those that this transaction added.
#[derive(Debug, Default)]
pub(crate) struct TxVariables {
    values: Vec<Option<Value>>,
    /// Numbers of the variables, in the order in which they were first set.
    order: Vec<u32>,
    /// Numbers of those variables whose names no rule contains literally, in the same order.
    made_order: Vec<u32>,
    /// Names that no rule contains literally.
    made: Names,
    /// The values in `order` during a rest: a small number as itself, or [`OTHER`] for the next of `resting_others`.
    resting: Vec<u8>,
    resting_others: Vec<Value>,
}

/// Stands for a value that is not a number from 0 to 254.
const OTHER: u8 = u8::MAX;

impl TxVariables {
    /// Returns the number of a name. `known` are the names that rules contain. Gives a new name the next number.
    pub(crate) fn number_of(&mut self, name: &[u8], known: &Names) -> u32 {
        known.find(name).unwrap_or_else(|| known.len() as u32 + self.made.intern(name))
    }

    /// Returns the number of a name, if it has one.
    pub(crate) fn find(&self, name: &[u8], known: &Names) -> Option<u32> {
        known.find(name).or_else(|| self.made.find(name).map(|n| n + known.len() as u32))
    }

    pub(crate) fn name<'a>(&'a self, number: u32, known: &'a Names) -> &'a [u8] {
        match number.checked_sub(known.len() as u32) {
            Some(made) => self.made.name(made),
            None => known.name(number),
        }
    }

    /// Compacts the variables during a wait; [`TxVariables::wake`] must precede the next use. The Core Rule Set sets some hundred
    /// variables in phase 1, and most of them are small numbers.
    pub(crate) fn rest(&mut self) {
        let mut values = std::mem::take(&mut self.values);
        if values.is_empty() {
            return;
        }
        self.resting.reserve_exact(self.order.len());
        for &number in &self.order {
            let small = match values.get_mut(number as usize).and_then(Option::take) {
                Some(Value::Number(value @ 0..=254)) => value as u8,
                other => {
                    self.resting_others.extend(other);
                    OTHER
                }
            };
            self.resting.push(small);
        }
        self.resting_others.shrink_to_fit();
        self.order.shrink_to_fit();
    }

    /// Ends a rest.
    pub(crate) fn wake(&mut self) {
        if !self.resting.is_empty() {
            self.take_places();
        }
    }

    #[cold]
    fn take_places(&mut self) {
        let mut others = std::mem::take(&mut self.resting_others).into_iter();
        for (&number, small) in self.order.iter().zip(std::mem::take(&mut self.resting)) {
            let index = number as usize;
            if index >= self.values.len() {
                self.values.resize_with(index + 1, || None);
            }
            self.values[index] = match small {
                OTHER => others.next(),
                small => Some(Value::Number(small.into())),
            };
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Value> {
        self.values.get(number as usize).and_then(Option::as_ref)
    }

    pub(crate) fn set(&mut self, number: u32, value: Value, known: &Names) {
        let index = number as usize;
        if index >= self.values.len() {
            self.values.resize(index + 1, None);
        }
        if self.values[index].is_none() {
            self.order.push(number);
            if index >= known.len() {
                self.made_order.push(number);
            }
        }
        self.values[index] = Some(value);
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(value @ Some(_)) = self.values.get_mut(number as usize) {
            *value = None;
            self.order.retain(|&n| n != number);
            self.made_order.retain(|&n| n != number);
        }
    }

    /// Clears the contents and keeps the allocations.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
        self.made_order.clear();
        self.made.clear();
        self.resting.clear();
        self.resting_others.clear();
    }

    /// Returns all variables that are set, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Value)> {
        self.order.iter().filter_map(|&number| self.get(number).map(|value| (number, value)))
    }

    /// Returns the variables that are set and whose names no rule contains literally, oldest first.
    pub(crate) fn iter_made(&self) -> impl Iterator<Item = (u32, &Value)> {
        self.made_order.iter().filter_map(|&number| self.get(number).map(|value| (number, value)))
    }

    /// Returns the number of variables that are set.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_atoi_does() {
        for (text, number) in [
            ("5", 5),
            (" 12x", 12),
            ("-3", -3),
            ("+4", 4),
            ("", 0),
            ("abc", 0),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn c15_values_come_out_of_a_rest_as_they_went_in() {
        let names = Names::default();
        let mut tx = TxVariables::default();
        for (name, text) in
            [("a", "0"), ("b", "254"), ("gone", "1"), ("c", "255"), ("d", "text"), ("e", "-1"), ("f", "7")]
        {
            let number = tx.number_of(name.as_bytes(), &names);
            tx.set(number, Value::from_text(text.as_bytes()), &names);
        }
        let gone = tx.find(b"gone", &names).unwrap();
        tx.remove(gone);
        let all =
            |tx: &TxVariables| tx.iter().map(|(number, value)| (number, value.clone())).collect::<Vec<_>>();
        let before = all(&tx);
        assert_eq!(before.len(), 6);
        for _ in 0..2 {
            tx.rest();
            tx.rest();
            assert!(tx.values.capacity() == 0 && tx.resting_others.len() == 3);
            tx.wake();
            tx.wake();
            assert_eq!(all(&tx), before);
        }
    }

    #[test]
    fn only_the_canonical_form_becomes_a_number() {
        assert_eq!(Value::from_text(b"10"), Value::Number(10));
        assert_eq!(Value::from_text(b"010"), Value::Bytes((*b"010").into()));
        assert_eq!(Value::from_text(b"1x"), Value::Bytes((*b"1x").into()));
        assert_eq!(Value::from_text(b""), Value::Bytes(Arc::default()));
    }
}

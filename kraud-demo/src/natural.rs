//! The order in which docker lists names: runs of digits count as numbers, so that `web-2` is before `web-10`.

use std::cmp::Ordering;

/// Compares two names; equal only if they are the same. O(n).
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        let (digits, others) = (leading_digits(left), leading_digits(right));
        let order = if digits > 0 && others > 0 {
            let number = number(&left[..digits]).cmp(&number(&right[..others]));
            (left, right) = (&left[digits..], &right[others..]);
            number
        } else {
            match (left.split_first(), right.split_first()) {
                (Some((a, rest)), Some((b, other_rest))) => {
                    (left, right) = (rest, other_rest);
                    a.cmp(b)
                }
                // Numbers that differ in leading zeros alone still need an order.
                (None, None) => return one.cmp(other),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// What sorts as the number does, however many digits it has: its length without leading zeros, then its digits.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let significant = &digits[zeros..];
    (significant.len(), significant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count() {
        let mut names = [
            "web-10",
            "web-9",
            "web",
            "a",
            "web-010",
            "B",
            "web-1x",
            "99999999999999999999999",
            "é",
        ];
        names.sort_by(|one, other| compare(one, other));
        assert_eq!(
            names,
            [
                "99999999999999999999999",
                "B",
                "a",
                "web",
                "web-1x",
                "web-9",
                "web-010",
                "web-10",
                "é"
            ]
        );
    }
}

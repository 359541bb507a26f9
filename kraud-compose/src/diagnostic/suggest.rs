//! "Did you mean": the closest of a list of names.

/// The candidate within two typing errors (one for short words) of `word`, the closest first;
/// among equals the first one of the list.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word
        .chars()
        .take(MAX)
        .flat_map(char::to_lowercase)
        .collect();
    let limit = match word.len() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate
            .chars()
            .take(MAX)
            .flat_map(char::to_lowercase)
            .collect();
        if other.len().abs_diff(word.len()) > limit {
            continue;
        }
        let d = distance(&word, &other);
        if d <= limit && d < other.len().max(1) && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Longer words are cut: nobody mistypes a hundred characters, but a fuzzer writes megabytes.
const MAX: usize = 64;

/// Damerau-Levenshtein distance (optimal string alignment): O(len²) of at most [`MAX`].
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut left = i + 1;
        let mut last_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&previous, j) + usize::from(ca != cb))
                .min(at(&previous, j + 1) + 1)
                .min(left + 1);
            if last_a == Some(cb) && last_b == Some(ca) && j > 0 {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
            left = cost;
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn typing_errors_are_found_and_strangers_are_not() {
        assert_eq!(closest("subnt", ["subnet", "gateway"]), Some("subnet"));
        assert_eq!(
            closest("netowrks", ["networks", "network_mode"]),
            Some("networks")
        );
        assert_eq!(closest("Backend", ["frontend", "backend"]), Some("backend"));
        assert_eq!(closest("beef", ["app_net"]), None);
        assert_eq!(closest("a", ["b"]), None);
    }
}

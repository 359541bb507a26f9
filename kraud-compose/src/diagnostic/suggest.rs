//! "Did you mean": the closest of a list of names.

/// The candidate within a few typing errors of `word` (one in three letters), the closest first;
/// among equals the first one of the list.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = letters(word).collect();
    // One typing error in three letters.
    let mut limit = match word.len() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let own = kinds(word.iter().copied());
    let mut best = None;
    let mut rows = Rows::default();
    for candidate in candidates {
        // Bytes are at least as many as letters: most strangers go without being read.
        if candidate.len() + limit < word.len() {
            continue;
        }
        let length = letters(candidate).count();
        if length.abs_diff(word.len()) > limit {
            continue;
        }
        // An error brings, and takes, one kind of letter at most: nearly all others go here.
        let its = kinds(letters(candidate));
        let foreign = (own & !its).count_ones().max((its & !own).count_ones());
        if foreign as usize > limit {
            continue;
        }
        let d = rows.distance(letters(candidate), &word);
        if d <= limit && d < length.max(1) {
            best = Some(candidate);
            // From here on only a closer one counts.
            match d.checked_sub(1) {
                Some(closer) => limit = closer,
                None => break,
            }
        }
    }
    best
}

/// The kinds of letters in a word, a bit each; some share one, which only tells fewer apart.
fn kinds(letters: impl Iterator<Item = char>) -> u64 {
    letters.fold(0, |kinds, c| kinds | 1 << (u32::from(c) % 64))
}

/// Longer words are cut: nobody mistypes a hundred characters, but a fuzzer writes megabytes.
const MAX: usize = 64;

fn letters(word: &str) -> impl Iterator<Item = char> + '_ {
    word.chars().take(MAX).map(|c| c.to_ascii_lowercase())
}

/// The last three rows of the table of distances, kept between words.
#[derive(Default)]
struct Rows {
    before: Vec<usize>,
    previous: Vec<usize>,
    row: Vec<usize>,
}

impl Rows {
    /// Damerau-Levenshtein distance (optimal string alignment): O(len²) of at most [`MAX`].
    fn distance(&mut self, a: impl Iterator<Item = char>, b: &[char]) -> usize {
        self.before.clear();
        self.previous.clear();
        self.previous.extend(0..=b.len());
        let mut last_a = None;
        for (i, ca) in a.enumerate() {
            self.row.clear();
            self.row.push(i + 1);
            let mut left = i + 1;
            let mut last_b = None;
            for (j, &cb) in b.iter().enumerate() {
                let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
                let mut cost = (at(&self.previous, j) + usize::from(ca != cb))
                    .min(at(&self.previous, j + 1) + 1)
                    .min(left + 1);
                if last_a == Some(cb) && last_b == Some(ca) && j > 0 {
                    cost = cost.min(at(&self.before, j - 1) + 1);
                }
                self.row.push(cost);
                left = cost;
                last_b = Some(cb);
            }
            last_a = Some(ca);
            std::mem::swap(&mut self.before, &mut self.previous);
            std::mem::swap(&mut self.previous, &mut self.row);
        }
        self.previous.last().copied().unwrap_or(usize::MAX)
    }
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
        assert_eq!(
            closest("lables", crate::lower::keys::SERVICE.iter().copied()),
            Some("labels")
        );
    }
}
